#!/bin/sh
# Works on the web console: `build` makes web/dist for the server to embed, `demo` does so where it can, `check` looks its code
# over, `test` runs its tests in a browser against real servers, `bench` measures it there. Installs npm packages from the lock
# file, and the browser from Debian's packages.
set -eu
cd "$(dirname "$0")/../web"

# The demo shows the main job on the command line as well: it does without what this machine cannot build, and says so.
if [ "${1:-}" = demo ]; then
    if ../scripts/console.sh build; then exit; fi
    if [ -e dist/index.html ]; then
        echo "The web console could not be built anew, so the demo carries the one in web/dist; with Node.js 20.19 or newer, 'make demo' brings it up to date." >&2
    else
        echo "The web console could not be built, so the demo runs without it; with Node.js 20.19 or newer and npm (https://nodejs.org), 'make demo' carries it." >&2
    fi
    exit
fi

if ! node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null ||
    ! command -v npm >/dev/null; then
    echo "Node.js 20.19 or newer, with npm, is needed for the web console: see https://nodejs.org" >&2
    exit 1
fi

# The packages are installed anew only when the lock file is not the one they were installed from.
packages() {
    if ! cmp -s package-lock.json node_modules/.installed-from; then
        npm ci --no-audit --no-fund --loglevel=error >&2
        cp package-lock.json node_modules/.installed-from
    fi
}

browser() {
    if [ -n "${SYNOD_CHROMIUM:-}" ] || [ -x /usr/bin/chromium ]; then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "Chromium is missing and this is no Debian: name one in SYNOD_CHROMIUM." >&2
        exit 1
    fi
    sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
    echo "Installing Chromium from Debian's packages …" >&2
    if ! { command -v ${sudo:-true} && $sudo apt-get update -qq &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null; then
        echo "Chromium could not be installed: run 'apt-get install chromium' as root and try again." >&2
        exit 1
    fi
}

# What the page is made of; when it is newer than what was built, or another, it is built again.
sources() { find src public index.html package-lock.json tsconfig.json vite.config.ts postcss.config.cjs -type f -exec sha256sum {} + | sort | sha256sum; }

case "${1:-}" in
build)
    packages
    if [ -e dist/index.html ] && [ "$(sources)" = "$(cat node_modules/.built-from 2>/dev/null)" ]; then exit; fi
    npm run --silent build
    sources >node_modules/.built-from
    ;;
check)
    packages
    npx --no-install prettier --check --log-level=warn .
    npx --no-install tsc --noEmit
    npm run --silent codegen:check
    ;;
need)
    browser
    ;;
test)
    packages
    browser
    npm run --silent unit
    npm run --silent e2e -- ${2:+"$2"}
    ;;
screenshots)
    packages
    browser
    npx --no-install playwright test --config screenshots.config.ts
    ;;
bench)
    packages
    browser
    npx --no-install playwright test --config bench.config.ts ${2:+"$2"}
    ;;
*)
    echo "usage: scripts/console.sh build | demo | check | need | test [FILTER] | screenshots | bench [FILTER]" >&2
    exit 2
    ;;
esac

#!/bin/sh
# Runs a command with a PostgreSQL server of its own: started on a free port in a temporary folder,
# named in SYNOD_TEST_POSTGRES, stopped afterwards. Installs PostgreSQL from Debian's packages when it is missing.
set -eu

if [ -n "${SYNOD_TEST_POSTGRES:-}" ]; then
    exec "$@"
fi

find_bin() {
    for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV) $(dirname "$(command -v initdb 2>/dev/null || echo /none)"); do
        if [ -x "$dir/initdb" ]; then echo "$dir"; return; fi
    done
}

bin=$(find_bin)
if [ -z "$bin" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "PostgreSQL is missing and this is no Debian: install it so that initdb is found, or set SYNOD_TEST_POSTGRES to the URL of a server." >&2
        exit 1
    fi
    sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
    echo "Installing PostgreSQL from Debian's packages …" >&2
    # sudo drops the environment, so `env` comes after it.
    if ! { command -v ${sudo:-true} && $sudo apt-get update -qq &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql; } >/dev/null; then
        echo "PostgreSQL could not be installed: run 'apt-get install postgresql' as root and try again." >&2
        exit 1
    fi
    bin=$(find_bin)
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/synod-postgres.XXXXXX")
# PostgreSQL refuses to run as root.
as=""
if [ "$(id -u)" = 0 ]; then
    id postgres >/dev/null 2>&1 || useradd --system --no-create-home postgres
    chown postgres "$dir"
    as="setpriv --reuid=postgres --regid=postgres --init-groups"
fi

stop() {
    (cd "$dir" && $as "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop) >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

cd_and() { (cd "$dir" && $as "$@"); }
cd_and "$bin/initdb" -D "$dir/data" -U synod -A trust --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
# A port by chance, another one if it is taken: those above are left to the servers of the tests and to outgoing connections.
start() {
    port=$((9000 + $(od -An -N2 -tu2 /dev/urandom) % 3000))
    cd_and "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/log" \
        -o "-c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c max_connections=400 -c shared_buffers=128MB" start >/dev/null 2>&1
}
start || start || start || { cat "$dir/log" >&2; echo "PostgreSQL did not start; its log is above." >&2; exit 1; }

SYNOD_TEST_POSTGRES="postgres://synod@127.0.0.1:$port/postgres" "$@"

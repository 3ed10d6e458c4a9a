#!/bin/sh
# The same work on Salt and on Synod, one after the other on this machine, with the ratios.
#
#   bench/peers/salt.sh [--minions N] [--quick] [--json FILE]
#
# Installs Salt (PyPI) into a virtual environment of its own, kept in $SYNOD_BENCH_CACHE (default
# ~/.cache/synod-bench). Starts a master and N minions (default 1; with 20 or 60 the run on that many is compared too,
# at about 80 MiB a minion) as this user, on loopback, in a temporary folder; ends them and removes the folder.
# Needs target/release/synod and target/release/synod-bench (or SYNOD_BENCH_BIN, the folder that holds both).
set -eu

minions=1
quick=""
json=""
while [ $# -gt 0 ]; do
    case "$1" in
        --minions) [ $# -ge 2 ] || { echo "--minions takes a number." >&2; exit 2; }; minions=$2; shift 2 ;;
        --quick) quick=--quick; shift ;;
        --json) [ $# -ge 2 ] || { echo "--json takes a file." >&2; exit 2; }; json=$2; shift 2 ;;
        -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "salt.sh knows no argument '$1'; known are --minions N, --quick and --json FILE." >&2; exit 2 ;;
    esac
done
case "$minions" in '' | *[!0-9]* | 0) echo "--minions takes a number from 1, not '$minions'." >&2; exit 2 ;; esac

fail() { echo "$1" >&2; exit 1; }
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${SYNOD_BENCH_BIN:-$root/target/release}
[ -x "$bin/synod-bench" ] || fail "$bin/synod-bench is missing; build it with 'cargo build --release -p synod-cli -p synod-bench'."
[ -x "$bin/synod" ] || fail "$bin/synod is missing; build it with 'cargo build --release -p synod-cli -p synod-bench'."
command -v python3 >/dev/null || fail "python3 is missing; install it ('apt-get install python3 python3-venv')."
python3 -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv is missing; install it ('apt-get install python3-venv')."

cache=${SYNOD_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/synod-bench}
venv=$cache/salt
mkdir -p "$cache" || fail "The folder $cache cannot be made; name another in SYNOD_BENCH_CACHE."
if ! "$venv/bin/python" -c 'import salt.client' 2>/dev/null; then
    echo "Installing Salt into $venv (a few minutes the first time) …" >&2
    rm -rf "$venv"
    python3 -m venv "$venv" || fail "No virtual environment can be made in $venv."
    if ! timeout 1200 "$venv/bin/pip" install --quiet --disable-pip-version-check salt >"$cache/salt-install.log" 2>&1; then
        rm -rf "$venv"
        fail "Salt cannot be installed by 'pip install salt'; the reason is at the end of $cache/salt-install.log."
    fi
    "$venv/bin/python" -c 'import salt.client' 2>>"$cache/salt-install.log" || fail "Salt is installed but cannot be loaded; the reason is at the end of $cache/salt-install.log."
fi

# Short, because Salt makes Unix sockets in it; on the disk, as Synod's state.
dir=$(mktemp -d /var/tmp/ss.XXXXXX)
pids=""
stop() {
    set +e
    trap - EXIT INT TERM
    for pid in $pids; do
        # setsid made each a process group of its own: Salt's children go with their parent.
        kill -s TERM -- "-$pid" 2>/dev/null || true
    done
    n=0
    while [ $n -lt 50 ]; do
        alive=""
        for pid in $pids; do kill -s 0 -- "-$pid" 2>/dev/null && alive=yes; done
        [ -n "$alive" ] || break
        sleep 0.1
        n=$((n + 1))
    done
    for pid in $pids; do kill -s KILL -- "-$pid" 2>/dev/null || true; done
    sleep 0.2
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

ports=$(python3 -c '
import socket
held = [socket.socket() for _ in range(2)]
for s in held: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in held])')
publish=${ports% *}
return=${ports#* }
user=$(id -un)

mkdir -p "$dir/m"
cat >"$dir/m/master" <<EOF
root_dir: $dir/m
user: $user
interface: 127.0.0.1
publish_port: $publish
ret_port: $return
auto_accept: True
log_level: error
log_level_logfile: quiet
log_file: $dir/m/log
EOF
setsid "$venv/bin/salt-master" -c "$dir/m" >"$dir/m/out" 2>&1 &
pids="$!"
n=0
while [ "$n" -lt "$minions" ]; do
    mkdir -p "$dir/n$n"
    cat >"$dir/n$n/minion" <<EOF
root_dir: $dir/n$n
user: $user
id: minion-$n
master: 127.0.0.1
master_port: $return
publish_port: $publish
log_level: error
log_level_logfile: quiet
log_file: $dir/n$n/log
acceptance_wait_time: 1
grains_cache: True
mine_enabled: False
EOF
    setsid "$venv/bin/salt-minion" -c "$dir/n$n" >"$dir/n$n/out" 2>&1 &
    pids="$pids $!"
    n=$((n + 1))
done

cat >"$dir/measure.py" <<'EOF'
"""Measures Salt; every loop has an end."""
import json, os, statistics, subprocess, sys, time

conf, program, minions, quick, target = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "--quick", sys.argv[5]
import logging
import salt.client
import salt.exceptions
import salt.version

logging.disable(logging.CRITICAL)
client = None
ONE = "minion-0"


def await_minions():
    global client
    until = time.monotonic() + 120 + 3 * minions
    found = {}
    while time.monotonic() < until:
        try:
            # A client reads the master's key when it is made, so it must not be older than the key.
            client = salt.client.LocalClient(c_path=os.path.join(conf, "master"))
            found = client.cmd("*", "test.ping", timeout=5) or {}
        except (salt.exceptions.SaltException, OSError):
            found = {}
        if sum(1 for up in found.values() if up is True) >= minions:
            return
        time.sleep(1)
    sys.exit("Only %d of %d Salt minions answered in time." % (len(found), minions))


def timed(work, count, warm=3):
    times = []
    for n in range(warm + count):
        began = time.perf_counter()
        work()
        if n >= warm:
            times.append(time.perf_counter() - began)
    return times


def need(answer, good, who):
    if any(answer.get(one) != good for one in who):
        sys.exit("Salt answered %r." % (answer,))


def on_one(fun, args, good):
    return lambda: need(client.cmd(ONE, fun, args, timeout=20), good, [ONE])


def command():
    # Salt reads arguments as YAML: without the inner quotes it would run `True`.
    done = subprocess.run([program, "-c", conf, ONE, "cmd.run", "'true'"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    if done.returncode != 0:
        sys.exit("The salt command failed: %s" % done.stderr.decode(errors="replace")[-500:])


def in_flight(count=50):
    began = time.perf_counter()
    waiting = [client.cmd_async(ONE, "cmd.run", ["true"]) for _ in range(count)]
    if not all(waiting):
        sys.exit("Salt did not take every job.")
    until = time.monotonic() + 120
    # Readable means in the master's job cache, where anybody finds it.
    while waiting and time.monotonic() < until:
        waiting = [jid for jid in waiting if ONE not in client.get_cache_returns(jid)]
        if waiting:
            time.sleep(0.02)
    if waiting:
        sys.exit("%d of %d Salt jobs had no result after two minutes." % (len(waiting), count))
    return time.perf_counter() - began


def pss(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def group(leader):
    pids = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(name)) == leader:
                pids.append(int(name))
        except OSError:
            pass
    return pids


await_minions()
few = quick
result = {"version": salt.version.__version__, "minions": minions}
ping = timed(on_one("test.true", [], True), 10 if few else 50)
one = timed(on_one("cmd.run", ["true"], ""), 10 if few else 50)
result["test_true_ms"] = statistics.median(ping) * 1e3
result["lone_ms"] = statistics.median(one) * 1e3
began, count = time.perf_counter(), 20 if few else 100
for _ in range(count):
    on_one("cmd.run", ["true"], "")()
result["sequential_per_s"] = count / (time.perf_counter() - began)
result["cli_ms"] = statistics.median(timed(command, 3 if few else 15, warm=1)) * 1e3
result["inflight50_s"] = statistics.median([in_flight() for _ in range(1 if few else 5)])
if minions > 1:
    everyone = ["minion-%d" % n for n in range(minions)]
    work = lambda: need(client.cmd(everyone, "cmd.run", ["true"], tgt_type="list", timeout=60), "", everyone)
    result["many_ms"] = statistics.median(timed(work, 3 if few else 10, warm=1)) * 1e3
leaders = [int(pid) for pid in os.environ["SALT_LEADERS"].split()]
result["master_pss_mib"] = pss(group(leaders[0]))
result["minion_pss_mib"] = statistics.median([pss(group(pid)) for pid in leaders[1:]])
with open(target, "w") as file:
    json.dump(result, file)
EOF
echo "Measuring Salt with $minions minion(s) …" >&2
SALT_LEADERS=$pids timeout 1500 "$venv/bin/python" "$dir/measure.py" "$dir/m" "$venv/bin/salt" "$minions" "${quick:-full}" "$dir/salt.json" \
    || fail "Salt could not be measured; the sentence above says why$(tail -n 3 "$dir/m/out" "$dir/n0/out" 2>/dev/null | sed 's/^/ | /')"
# Nothing of Salt runs while Synod is measured.
leaders=$pids
for pid in $leaders; do kill -s TERM -- "-$pid" 2>/dev/null || true; done
sleep 2
for pid in $leaders; do kill -s KILL -- "-$pid" 2>/dev/null || true; done

scenarios=lone,cli_wait,sequential,inflight50,idle
case "$minions" in 20) scenarios=$scenarios,real20 ;; 60) scenarios=$scenarios,real60 ;; esac
echo "Measuring Synod …" >&2
# shellcheck disable=SC2086
timeout 1800 "$bin/synod-bench" --synod "$bin/synod" --database sqlite --scenario "$scenarios" $quick --json "$dir/synod.json" >"$dir/synod.out" 2>&1 \
    || { cat "$dir/synod.out" >&2; fail "Synod could not be measured; its output is above."; }

cat >"$dir/compare.py" <<'EOF'
import json, sys

salt, bench = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))


def ours(scenario, begin):
    return next((f["value"] for f in bench["figures"] if f["scenario"] == scenario and f["name"].startswith(begin)), None)


rows = [
    ("one node, `true`, ms (LocalClient cmd.run)", salt["lone_ms"], ours("lone", "approval sent -> result read"), False),
    ("one node, ms (LocalClient test.true, no process)", salt["test_true_ms"], ours("lone", "approval sent -> result read"), False),
    ("command as a whole process, ms", salt["cli_ms"], ours("cli_wait", "synod run"), False),
    ("one after the other, /s", salt["sequential_per_s"], ours("sequential", "runs one after"), True),
    ("50 in flight on one node, s", salt["inflight50_s"], ours("inflight50", "50 runs"), False),
    ("server or master, PSS MiB", salt["master_pss_mib"], ours("idle", "server, PSS"), False),
    ("agent or minion, PSS MiB", salt["minion_pss_mib"], ours("idle", "agent, PSS"), False),
]
if "many_ms" in salt:
    rows.append(("one run on %d, ms" % salt["minions"], salt["many_ms"], ours("real%d" % salt["minions"], "one run"), False))
print("%-50s %10s %10s %8s" % ("", "Salt %s" % salt["version"], "Synod", "ratio"))
compared = []
for name, theirs, mine, more_is_better in rows:
    ratio = None if not mine or not theirs else (mine / theirs if more_is_better else theirs / mine)
    compared.append({"name": name, "salt": theirs, "synod": mine, "ratio": ratio})
    print("%-50s %10.3g %10s %8s" % (name, theirs, "-" if mine is None else "%.3g" % mine, "-" if ratio is None else "%.1fx" % ratio))
if len(sys.argv) > 3 and sys.argv[3]:
    json.dump({"salt": salt, "synod": bench, "compared": compared}, open(sys.argv[3], "w"), indent=1)
EOF
"$venv/bin/python" "$dir/compare.py" "$dir/salt.json" "$dir/synod.json" "$json"

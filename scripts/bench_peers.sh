#!/usr/bin/env bash
# Karyon beside ractor, kameo, actix and bare tokio channels: message patterns, agents made, trees of
# agents, restarts, memory and bytes. Tables and pictures in target/bench-peers.
#
# Claim, workload, durability, unit, what the numbers mean and what not: the heads of
#   benches/benches/{patterns,spawn,restart}.rs and benches/examples/peer_sizes.rs.
# Peers: versions as in Cargo.lock, default features off; they check nothing and keep nothing.
#
# One command: scripts/bench_peers.sh [patterns|spawn|restart|sizes]; all of them, if nothing is
# given: 20 minutes on two cores, and as long to build. Nothing else should be running: the load is told in the report.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case "${1:-}" in
    "") what=(patterns spawn restart sizes) ;;
    patterns | spawn | restart | sizes) what=("$1") ;;
    *)
        echo "usage: $0 [patterns|spawn|restart|sizes]" >&2
        exit 2
        ;;
esac
target="${CARGO_TARGET_DIR:-$PWD/target}"
out="$target/bench-peers"
rm -rf "$out"
mkdir -p "$out/criterion"

load() { cut -d ' ' -f 1-3 /proc/loadavg; }

cargo build -q --release -p karyon-benches --example peer_sizes --example peer_report
changed=""
if [ -n "$(git status --porcelain)" ]; then changed=", changed since"; fi
{
    echo "- $(date -u +%Y-%m-%d\ %H:%M) UTC, commit $(git rev-parse --short=12 HEAD)$changed"
    echo "- $(rustc --version), release profile, mimalloc for all engines"
    awk '/^name = "(actix|actix-rt|criterion|kameo|mimalloc|ractor|tokio)"$/ {
        gsub(/"/, ""); name = $3; getline; gsub(/"/, ""); printf "%s%s %s", sep, name, $3; sep = ", "
    } END { print "" }' Cargo.lock | sed 's/^/- /'
    echo "- $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores," \
        "$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)," \
        "Linux $(uname -r), $(stat -f -c %T "$target") below the logs on disk"
} >"$out/conditions.md"

: >"$out/sizes.jsonl"
for each in "${what[@]}"; do
    before="$(load)"
    if [ "$each" = sizes ]; then
        sizes="$target/release/examples/peer_sizes"
        export PEER_SIZES_FOLDER="$out"
        for engine in karyon ractor kameo actix channels; do
            "$sizes" idle "$engine" 1000000 >>"$out/sizes.jsonl"
        done
        "$sizes" records >>"$out/sizes.jsonl"
    else
        # Twelve samples, each of at least one whole run: that is what takes the time.
        CRITERION_HOME="$out/criterion" cargo bench -p karyon-benches --bench "$each" -- \
            --warm-up-time 0.2 --measurement-time 1
    fi
    echo "- load average before $each: $before; behind: $(load)" >>"$out/conditions.md"
done
"$target/release/examples/peer_report" \
    "$out/conditions.md" "$out/criterion" "$out/sizes.jsonl" "$out"

#!/usr/bin/env bash
# Karyon, DuckDB, CozoDB and Raphtory with the same load and the same questions, in one table.
#
# Claim: as-of answers in microseconds and durable writes, beside databases that keep history.
# Workload: the Zipf load of benches/src/load.rs (200,000 mutations, or as many as are given):
#   four of five a version more of one of 10,000 vertices with eight properties of some 220 bytes,
#   one of five an edge; then up to 20,000 questions what a vertex was like at a moment, one by
#   one. Every answer is checked against the version that Karyon found.
# Peers: as pinned in requirements.txt, each in its usual way to keep history, through its Python
#   package, in batches of 1,000; see the head of each peer_*.py.
# Durability: as said behind each row; only rows that are durable can be compared as writers.
# Unit: mutations a second; bytes of allocated blocks a mutation when all is written (of Karyon's
#   graph; its log, some 200 bytes a mutation, is kept besides); microseconds of an answer.
# Means: what a program in each one's language of embedding gets.
# Does not mean: how fast the engines are inside. Python converts each value, some 10 to 100 us a
#   question, and Karyon and its peers differ in language here.
#
# One command: scripts/memory_peers/run.sh [MUTATIONS]
# It makes a Python environment below the target folder and installs the peers into it.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
mutations="${1:-200000}"
target="${CARGO_TARGET_DIR:-$PWD/target}"
work="$target/memory-peers"
mkdir -p "$work"

venv="$work/python"
if [ ! -x "$venv/bin/python3" ]; then
    python3 -m venv "$venv"
fi
"$venv/bin/python3" -m pip install -q -r "$here/requirements.txt"
cargo build -q --release -p karyon-benches --example zipf_load

cd "$work"
printf '%-26s %13s %14s %11s %11s\n' "$mutations mutations" "mutations/s" "bytes/mutation" "p50 us" "p99 us"
"$target/release/examples/zipf_load" load.csv "$mutations"
failed=0
for peer in duckdb cozo raphtory; do
    # Their progress bars go to standard error.
    if ! "$venv/bin/python3" "$here/peer_$peer.py" load.csv 2>"$peer.err"; then
        echo "$peer FAILED:"
        tail -n 5 "$peer.err"
        failed=1
    fi
done
rm -f load.csv load.csv.questions
exit "$failed"

#!/usr/bin/env bash
# Models in Mesa, krABMaga and Karyon, one after the other in each of three rounds, in one table; then
# an epidemic among a million agents.
#
# Claim: governed and recorded, each agent an agent: at least 20 times as fast as Mesa; and a million
#   agents in less than 4 GiB, at no less than half the rate for each agent that 10,000 have.
# Workload: Schelling, wolves and sheep, and flocking, as declared in the public comparison of
#   frameworks (JuliaDynamics/ABMFrameworksComparison, MIT): the large forms, or the small ones; the
#   order of activation is drawn anew in each step. A round is one seed in Mesa, which takes long, and
#   three in each of the others. The epidemic: SIR on a Watts-Strogatz network of degree 10, 100 ticks.
# Peers: as pinned in requirements.txt and in benches/peers/krabmaga; where krABMaga cannot do what is
#   declared stands at the head of its models. They check nothing and keep nothing.
# Durability: of Karyon as said by its level (see benches/examples/model_runs.rs): a log in memory; a
#   signed log on the disk, each commit synced; snapshots besides.
# Unit: milliseconds from the first step to the end, of Karyon to the sealed and checked log; with the
#   population made before; agents' activations a second. Medians. "processor" is the time that
#   processors worked for the process, which other work on the machine hardly changes.
# Means: what a modeller waits for, with the log that they get for it.
# Does not mean: how fast models could be that are no agents.
#
# A ratio is printed only where the populations of both are as they should be (see table.py); where one
# is not, or a program fails, the exit code is 1.
#
# One command: scripts/model_peers/run.sh [large|small|million]; minutes; large and million, if nothing
# is given. It makes a Python environment below the target folder and installs Mesa into it.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
case "${1:-}" in
    "") size=large million=1 ;;
    large | small) size="$1" million="" ;;
    million) size="" million=1 ;;
    *)
        echo "usage: $0 [large|small|million]" >&2
        exit 2
        ;;
esac
target="${CARGO_TARGET_DIR:-$PWD/target}"
work="$target/model-peers"
mkdir -p "$work"

cargo build -q --release -p karyon-benches --example model_runs
karyon="$target/release/examples/model_runs"
if [ -n "$size" ]; then
    venv="$work/python"
    if [ ! -x "$venv/bin/python3" ]; then
        python3 -m venv "$venv"
    fi
    "$venv/bin/python3" -m pip install -q -r "$here/requirements.txt"
    CARGO_TARGET_DIR="$work/krabmaga" \
        cargo build -q --release --locked --manifest-path benches/peers/krabmaga/Cargo.toml
fi

cd "$work"
failed=0
if [ -n "$size" ]; then
    results="$size.jsonl"
    : >"$results"
    for round in 1 2 3; do
        echo "round $round of 3, load average $(cut -d ' ' -f 1 /proc/loadavg)" >&2
        first=$((3 * round - 2))
        seeds=("$first" "$((first + 1))" "$((first + 2))")
        "$venv/bin/python3" "$here/peer_mesa.py" "$size" "$round" >>"$results" || failed=1
        krabmaga/release/krabmaga-peer "$size" "${seeds[@]}" >>"$results" || failed=1
        "$karyon" compare "$size" "${seeds[@]}" >>"$results" || failed=1
    done
    "$venv/bin/python3" "$here/table.py" "$results" || failed=1
fi
if [ -n "$million" ]; then
    results=million.jsonl
    : >"$results"
    for round in 1 2 3; do
        echo "round $round of 3, load average $(cut -d ' ' -f 1 /proc/loadavg)" >&2
        "$karyon" sir 10000 "$round" 2 >>"$results" || failed=1
        "$karyon" sir 1000000 "$round" 2 >>"$results" || failed=1
    done
    python3 "$here/table.py" "$results" || failed=1
fi
exit "$failed"

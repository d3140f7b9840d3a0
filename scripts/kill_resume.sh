#!/usr/bin/env bash
# Kills runs with SIGKILL, resumes them, and compares their state with that of an undisturbed run.
#
#   scripts/kill_resume.sh [short|full]
#
# full (default): 100 kills at random moments, eight of them of runs whose log has several files, and
# every forced moment, those between two files too; short: 6, and a few that are forced.
# KARYON names the program (default: target/release/karyon, built when it is missing);
# KARYON_DATASETS the folder of college-msg.txt (default: ../shared/datasets), without which the
# network is generated; SEED repeats the random choices. Keys are made in a temporary directory.
#
# Exit 0: every run came to the same state. 1: one did not. 2: full, but without strace some
# moments could not be forced.
set -euo pipefail
mode=${1:-full}
case $mode in
    short | full) ;;
    *) echo "usage: $0 [short|full]" >&2; exit 64 ;;
esac
root=$(cd "$(dirname "$0")/.." && pwd)
command -v python3 > /dev/null || { echo "kill_resume.sh needs python3" >&2; exit 64; }
if [ -z "${KARYON:-}" ]; then
    KARYON=${CARGO_TARGET_DIR:-$root/target}/release/karyon
    [ -x "$KARYON" ] || (cd "$root" && cargo build --release)
fi
export KARYON
export KARYON_DATASETS=${KARYON_DATASETS:-$root/../shared/datasets}
exec python3 "$root/scripts/kill_resume.py" "$mode"

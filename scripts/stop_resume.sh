#!/usr/bin/env bash
# Stops runs by every way there is, verifies, resumes with a signed reason, and compares their end
# with that of an undisturbed run.
#
#   scripts/stop_resume.sh [CYCLES]
#
# CYCLES: how many (default: 100). KARYON names the program (default: target/release/karyon, built
# when it is missing, with the guardian beside it); SEED repeats the random choices. Keys are made in
# a temporary directory; the one that signs resumes lies in another that no run sees.
#
# Exit 0: every run came to the same state. 1: one did not.
set -euo pipefail
cycles=${1:-100}
[[ $cycles =~ ^[0-9]+$ ]] || { echo "usage: $0 [CYCLES]" >&2; exit 64; }
root=$(cd "$(dirname "$0")/.." && pwd)
command -v python3 > /dev/null || { echo "stop_resume.sh needs python3" >&2; exit 64; }
if [ -z "${KARYON:-}" ]; then
    KARYON=${CARGO_TARGET_DIR:-$root/target}/release/karyon
    [ -x "$KARYON" ] && [ -x "$KARYON-guardian" ] || (cd "$root" && cargo build --release)
fi
export KARYON
exec python3 "$root/scripts/stop_resume.py" "$cycles"

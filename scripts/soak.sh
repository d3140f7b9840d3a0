#!/usr/bin/env bash
# A long run at a capped rate, with chaos, on a slow disk, while agents are killed, forked, paused,
# restarted and inspected from outside: memory stays flat, no message is lost or doubled, the log
# verifies, replay agrees.
#
#   scripts/soak.sh [MINUTES]
#
# MINUTES: how long (default: 30; a fraction is allowed). AGENTS (default: 100000), RATE in messages
# and inputs a second (default: 5000) and SEED change what it does. KARYON names the program
# (default: target/release/karyon, built when it is missing, with the guardian beside it). The disk
# is slow if strace may delay each fdatasync (DELAY_MS, default: 20); it says so if it may not.
#
# Exit 0: all held. 1: something did not.
set -euo pipefail
minutes=${1:-30}
[[ $minutes =~ ^[0-9]+([.][0-9]+)?$ ]] || { echo "usage: $0 [MINUTES]" >&2; exit 64; }
root=$(cd "$(dirname "$0")/.." && pwd)
command -v python3 > /dev/null || { echo "soak.sh needs python3" >&2; exit 64; }
if [ -z "${KARYON:-}" ]; then
    KARYON=${CARGO_TARGET_DIR:-$root/target}/release/karyon
    [ -x "$KARYON" ] && [ -x "$KARYON-guardian" ] || (cd "$root" && cargo build --release)
fi
export KARYON
exec python3 "$root/scripts/soak.py" "$minutes"

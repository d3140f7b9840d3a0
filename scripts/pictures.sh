#!/usr/bin/env bash
# The pictures of the README: each model as it is built in, seed 1, as a run leaves it.
#
# Usage: scripts/pictures.sh [PATH OF karyon]      (default: target/release/karyon)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
karyon="$(realpath "${1:-target/release/karyon}")"
runs="$(mktemp -d)"
trap 'rm -rf "$runs"' EXIT
chmod 755 "$runs"
for model in flocking forest-fire gossip maki-thompson moran rumour schelling sir sir-events wealth wolf-sheep; do
    more=()
    case "$model" in
        wolf-sheep) more=(--set steps=300) ;;
        schelling) more=(--set need=4) ;;
        wealth) more=(--set time=100) ;;
        # One mutant is lost at once by most seeds.
        moran) more=(--set mutants=20) ;;
    esac
    "$karyon" run "$model" "${more[@]}" --data "$runs/$model"
    picture="$runs/$model/series.svg"
    [ -e "$picture" ] || picture="$runs/$model/adoption.svg"
    cp "$picture" "docs/pictures/$model.svg"
done

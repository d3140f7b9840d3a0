"""Medians of what was measured, and whether the populations are as they should be.

Usage: table.py RESULTS.jsonl; the exit code is 1 if a population is not as it should be, or a row is
missing.
"""

import json
import math
import sys
from statistics import mean, median

# What is measured at the end of a run: what is expected, the standard error of that, and the standard
# deviation of one run. Wolves and sheep, and Schelling's small town, as published (docs/models.md); the
# other means, and all deviations, of runs in krABMaga with other seeds than these: 30 of the large
# forms, 100 of the small ones.
EXPECTED = {
    ("small", "schelling"): {"happy": (0.998, 0.0003, 0.0015), "alike": (0.873, 0.001, 0.013)},
    ("small", "wolf-sheep"): {"sheep": (85.1, 0.5, 17.0), "wolves": (21.3, 0.3, 9.7)},
    ("small", "flocking"): {"order": (0.212, 0.011, 0.11), "seen": (3.78, 0.045, 0.45)},
    ("large", "schelling"): {"happy": (0.9997, 0.0001, 0.0003), "alike": (0.8316, 0.0018, 0.0096)},
    ("large", "wolf-sheep"): {"sheep": (1362.0, 27.0, 124.0), "wolves": (2412.0, 38.0, 183.0)},
    ("large", "flocking"): {"order": (0.107, 0.0093, 0.051), "seen": (48.9, 1.5, 8.1)},
}
# A mean may lie so many standard errors away: of five in a million does one by chance.
ERRORS = 5.0
PEERS = ("mesa", "krabmaga", "karyon")


def kinds(lines):
    """The lines by who ran what, in the order in which they came."""
    grouped = {}
    for line in lines:
        key = (line["peer"], line["level"], line["schedulers"])
        grouped.setdefault(key, []).append(line)
    return grouped


def checked(size, model, lines):
    """What the population was like, in words, and whether it is as it should be."""
    words, is_right = [], True
    for name, (expected, error, deviation) in EXPECTED[size, model].items():
        found = mean(line["stats"][name] for line in lines)
        most = ERRORS * math.hypot(error, deviation / math.sqrt(len(lines)))
        fits = abs(found - expected) <= most
        is_right = is_right and fits
        words.append(f"{name} {found:.4g}{'' if fits else f', NOT {expected:.4g} ± {most:.2g}'}")
    return ", ".join(words), is_right


def times(lines):
    """Medians: the run, with the population made, and what processors worked; milliseconds."""
    run = median(line["run_ms"] for line in lines)
    whole = median(line["build_ms"] + line["run_ms"] for line in lines)
    return run, whole, median(line["cpu_ms"] for line in lines)


def compare(lines):
    size = lines[0]["size"]
    is_right = True
    for model in ("schelling", "wolf-sheep", "flocking"):
        rows = kinds(line for line in lines if line["model"] == model)
        missing = [peer for peer in PEERS if not any(peer == key[0] for key in rows)]
        if missing:
            print(f"{model}: nothing of {', '.join(missing)}")
            is_right = False
        expected = ", ".join(
            f"{name} {number:.4g}" for name, (number, _, _) in EXPECTED[size, model].items()
        )
        print(f"\n{model}, {size}; expected at the end: {expected}")
        head = ("", "runs", "run ms", "with making", "processor ms", "million acts/s")
        widths = (30, 4, 9, 11, 12, 14, 8, 11, 9)
        head += ("x Mesa", "with making", "processor")
        print("  ".join(f"{word:>{width}}" for word, width in zip(head, widths)) + "  population")
        base = None
        for (peer, level, schedulers), own in rows.items():
            words, fits = checked(size, model, own)
            is_right = is_right and fits
            all_times = times(own)
            if peer == "mesa":
                base = all_times if fits else None
            name = peer if not level else f"{peer}, {level}, {schedulers} thread" + "s" * (
                schedulers > 1
            )
            rate = median(line["acted"] / line["run_ms"] for line in own) / 1e3
            numbers = [f"{len(own)}", *(f"{number:.1f}" for number in all_times), f"{rate:.3f}"]
            if base and fits:
                # A processor's time is counted in hundredths of a second: a short run may have none.
                pairs = zip(base, all_times)
                ratios = [f"{theirs / mine:.1f}" if mine else "-" for theirs, mine in pairs]
            else:
                ratios = ["refused"] * 3
            print(
                "  ".join(f"{word:>{w}}" for word, w in zip([name, *numbers, *ratios], widths))
                + f"  {words}"
            )
    return is_right


def million(lines):
    """The same epidemic among more and more agents: steps a second, and memory."""
    by_people = {}
    for line in lines:
        by_people.setdefault(line["people"], []).append(line)
    print("\nan epidemic, 100 ticks, durable, 2 threads; medians")
    head = ("agents", "runs", "making ms", "run ms", "million steps", "million steps/s", "MiB", "ill")
    widths = (9, 4, 9, 9, 13, 15, 6, 20)
    print("  ".join(f"{word:>{width}}" for word, width in zip(head, widths)))
    rates = {}
    is_right = True
    for people, own in sorted(by_people.items()):
        of = lambda key, own=own: median(line[key] for line in own)
        rates[people] = median(line["steps"] / line["run_ms"] for line in own) / 1e3
        ended = {line["ticks"] for line in own}
        susceptible = mean(line["stats"]["susceptible"] for line in own) / people
        ill = f"{1 - susceptible:.3f}"
        if ended != {100}:
            ill, is_right = f"ended early: {sorted(ended)}", False
        numbers = (
            f"{people}", f"{len(own)}", f"{of('build_ms'):.0f}", f"{of('run_ms'):.0f}",
            f"{of('steps') / 1e6:.2f}", f"{rates[people]:.3f}", f"{of('peak_kib') / 1024:.0f}", ill,
        )  # fmt: skip
        print("  ".join(f"{word:>{width}}" for word, width in zip(numbers, widths)))
    if len(rates) < 2:
        print("a row is missing")
        return False
    few, many = rates[min(rates)], rates[max(rates)]
    print(f"the rate with {max(rates)} agents is {many / few:.2f} of that with {min(rates)}")
    return is_right


def main(path):
    with open(path) as file:
        lines = [json.loads(line) for line in file]
    if not lines:
        print("nothing was measured")
        return False
    return (million if "people" in lines[0] else compare)(lines)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1]) else 1)

"""What the peers share: reading the load, taking times, printing a row of the table."""

import csv
import os
import time

BATCH = 1_000

TEXTS = ("city", "name", "note", "role")
NUMBERS = ("active", "count", "steps")
# Moments are whole numbers here.
PROPERTIES = {
    **{name: str for name in TEXTS},
    **{name: int for name in NUMBERS},
    "last": int,
    "score": float,
    "seen": int,
}
OF_VERTICES = ("active", "city", "name", "note", "role", "score", "seen", "steps")
OF_EDGES = ("count", "last")


class Mutation:
    """A line of the load: from moment `position` on, a vertex or an edge is like this."""

    def __init__(self, line):
        self.position = int(line["position"])
        self.subject = int(line["subject"])
        self.other = int(line["other"])
        self.is_edge = line["kind"] == "edge"
        self.ended = line["ended"] == "1"
        wanted = OF_EDGES if self.is_edge else OF_VERTICES
        self.properties = (
            {} if self.ended else {name: PROPERTIES[name](line[name]) for name in wanted}
        )


def batches(path):
    """The load in batches as large as a transaction."""
    with open(path, newline="") as file:
        mutations = [Mutation(line) for line in csv.DictReader(file)]
    return [mutations[at : at + BATCH] for at in range(0, len(mutations), BATCH)]


def questions(path, limit=None):
    """Whose vertex, at which moment, and the position of the version that held then."""
    with open(path + ".questions", newline="") as file:
        lines = [tuple(map(int, line)) for line in list(csv.reader(file))[1:]]
    return lines[:limit]


def allocated(path):
    """Bytes of the blocks of a file, or of all files below a folder: what `du` counts."""
    if not os.path.isdir(path):
        return os.lstat(path).st_blocks * 512
    return sum(
        os.lstat(os.path.join(folder, name)).st_blocks * 512
        for folder, _, names in os.walk(path)
        for name in names
    )


def ingest(load, take):
    """Mutations a second. What is read of the files is read before."""
    begun = time.perf_counter()
    for batch in load:
        take(batch)
    return sum(map(len, load)) / (time.perf_counter() - begun)


def percentiles(asked, ask):
    """Microseconds that half of the answers, and 99 of 100, do not exceed. Each is checked."""
    times = []
    for subject, moment, position in asked:
        begun = time.perf_counter_ns()
        found = ask(subject, moment)
        times.append(time.perf_counter_ns() - begun)
        if found != position:
            raise SystemExit(f"{subject} at {moment}: {found} where {position} held")
    times.sort()
    return times[len(times) // 2] / 1e3, times[len(times) * 99 // 100] / 1e3


def row(name, rate, size_bytes, mutations, p50, p99, note):
    """A row like the one that `zipf_load` prints."""
    print(
        f"{name:<26} {rate:>13.0f} {size_bytes / mutations:>14.0f} {p50:>11.1f} {p99:>11.1f}"
        f"  {note}",
        flush=True,
    )

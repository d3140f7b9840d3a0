"""The Zipf load in CozoDB: relations whose keys end in a `Validity`, its own time travel.

Both stores of the embedded build: RocksDB and SQLite. A batch is one transaction of two queries
that put its vertices and its edges.
"""

import os
import sys
import tempfile

from pycozo.client import Client

import common

VERTEX = ", ".join(common.OF_VERTICES)
CREATE = [
    ":create vertex {subject: Int, at: Validity => active: Int, city: String, name: String,"
    " note: String, role: String, score: Float, seen: Int, steps: Int}",
    ":create edge {subject: Int, other: Int, at: Validity => count: Int, last: Int}",
]
PUT = f"""
    {{ ?[subject, at, {VERTEX}] <- $vertices :put vertex {{subject, at => {VERTEX}}} }}
    {{
        ?[subject, other, at, count, last] <- $edges
        :put edge {{subject, other, at => count, last}}
    }}
"""
AS_OF = f"?[at, {VERTEX}] := *vertex{{subject: $subject, at, {VERTEX} @ $moment}}"


def main(load_path, folder, engine, note):
    load = common.batches(load_path)
    path = os.path.join(folder, engine)
    database = Client(engine, path, dataframe=False)
    for statement in CREATE:
        database.run(statement)

    def take(batch):
        vertices = [
            [m.subject, [m.position, True], *m.properties.values()]
            for m in batch
            if not m.is_edge
        ]
        edges = [
            [m.subject, m.other, [m.position, not m.ended], *(m.properties.values() or (0, 0))]
            for m in batch
            if m.is_edge
        ]
        database.run(PUT, {"vertices": vertices, "edges": edges})

    rate = common.ingest(load, take)

    def ask(subject, moment):
        rows = database.run(AS_OF, {"subject": subject, "moment": moment})["rows"]
        return rows[0][0][0]

    p50, p99 = common.percentiles(common.questions(load_path), ask)
    database.close()
    size_bytes = common.allocated(folder)
    mutations = sum(map(len, load))
    common.row(f"cozo, {engine}", rate, size_bytes, mutations, p50, p99, note)


if __name__ == "__main__":
    for engine, note in [
        ("rocksdb", "written, not synced with each batch"),
        ("sqlite", "SQLite's own default: synced with each batch"),
    ]:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            main(sys.argv[1], folder, engine, note)

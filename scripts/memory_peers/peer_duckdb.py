"""The Zipf load in DuckDB: a row a version, an index by subject and time.

Rows come as data frames, a thousand a transaction; DuckDB syncs its write-ahead log at each
commit. Two ways to ask: a prepared question each, and all questions at once with ASOF JOIN, the
time of the whole divided by their number.
"""

import os
import sys
import tempfile
import time

import duckdb
import pandas

import common

TABLES = """
    create table vertex (
        subject bigint, valid_from bigint, active bigint, city varchar, name varchar,
        note varchar, role varchar, score double, seen bigint, steps bigint,
        primary key (subject, valid_from)
    );
    create table edge (
        subject bigint, other bigint, valid_from bigint, ended boolean, count bigint,
        last bigint, primary key (subject, other, valid_from)
    );
"""
AS_OF = """
    select valid_from, active, city, name, note, role, score, seen, steps from vertex
    where subject = ? and valid_from <= ? order by valid_from desc limit 1
"""
# Questions that are asked one by one: each takes long.
ONE_BY_ONE = 500


def main(load_path, folder):
    load = common.batches(load_path)
    path = os.path.join(folder, "memory.duckdb")
    database = duckdb.connect(path)
    database.execute(TABLES)

    def take(batch):
        vertices = pandas.DataFrame(
            [(m.subject, m.position, *m.properties.values()) for m in batch if not m.is_edge],
            columns=["subject", "valid_from", *common.OF_VERTICES],
        )
        edges = pandas.DataFrame(
            [
                (m.subject, m.other, m.position, m.ended, *(m.properties.values() or (0, 0)))
                for m in batch
                if m.is_edge
            ],
            columns=["subject", "other", "valid_from", "ended", *common.OF_EDGES],
        )
        database.execute("begin")
        if len(vertices):
            database.execute("insert into vertex by name select * from vertices")
        if len(edges):
            database.execute("insert into edge by name select * from edges")
        database.execute("commit")

    rate = common.ingest(load, take)
    database.execute("checkpoint")
    size_bytes = common.allocated(folder)
    mutations = sum(map(len, load))
    note = "durable: its write-ahead log is synced with each batch"

    def ask(subject, moment):
        return database.execute(AS_OF, (subject, moment)).fetchone()[0]

    p50, p99 = common.percentiles(common.questions(load_path, ONE_BY_ONE), ask)
    common.row("duckdb, one by one", rate, size_bytes, mutations, p50, p99, note)

    asked = pandas.DataFrame(
        common.questions(load_path), columns=["whose", "moment", "position"]
    )
    begun = time.perf_counter()
    found = database.execute(
        "select position, vertex.* from asked asof join vertex"
        " on asked.whose = vertex.subject and asked.moment >= vertex.valid_from"
    ).df()
    each = (time.perf_counter() - begun) * 1e6 / len(asked)
    if len(found) != len(asked) or (found["position"] != found["valid_from"]).any():
        raise SystemExit("ASOF JOIN answers something else")
    note = f"the mean of {len(asked)} questions in one query"
    common.row("duckdb, ASOF JOIN", rate, size_bytes, mutations, each, each, note)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=".") as folder:
        main(sys.argv[1], folder)

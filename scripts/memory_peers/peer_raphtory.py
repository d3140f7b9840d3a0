"""The Zipf load in Raphtory: a graph in memory whose properties have histories.

A batch is loaded from data frames. Nothing is on the disk before `save_to_file`, whose file is
what is counted as bytes. An answer is all properties of a node before the next moment.
"""

import os
import sys
import tempfile

import pandas
from raphtory import PersistentGraph

import common

# Questions: a view and nine properties each.
ASKED = 5_000


def main(load_path, folder):
    load = common.batches(load_path)
    graph = PersistentGraph()

    def take(batch):
        vertices = pandas.DataFrame(
            [
                (m.position, m.subject, m.position, *m.properties.values())
                for m in batch
                if not m.is_edge
            ],
            columns=["time", "id", "position", *common.OF_VERTICES],
        )
        edges = pandas.DataFrame(
            [
                (m.position, m.subject, m.other, *m.properties.values())
                for m in batch
                if m.is_edge and not m.ended
            ],
            columns=["time", "from", "to", *common.OF_EDGES],
        )
        if len(vertices):
            properties = ["position", *common.OF_VERTICES]
            graph.load_nodes(vertices, time="time", id="id", properties=properties)
        if len(edges):
            properties = list(common.OF_EDGES)
            graph.load_edges(edges, time="time", src="from", dst="to", properties=properties)
        for mutation in batch:
            if mutation.ended:
                graph.delete_edge(mutation.position, mutation.subject, mutation.other)

    rate = common.ingest(load, take)

    def ask(subject, moment):
        return graph.before(moment + 1).node(subject).properties.as_dict()["position"]

    p50, p99 = common.percentiles(common.questions(load_path, ASKED), ask)
    path = os.path.join(folder, "graph")
    graph.save_to_file(path)
    mutations = sum(map(len, load))
    note = "not durable: in memory until it is saved as a whole"
    common.row("raphtory", rate, common.allocated(path), mutations, p50, p99, note)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=".") as folder:
        main(sys.argv[1], folder)

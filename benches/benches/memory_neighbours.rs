//! Claim: the neighbours of a vertex at a moment are found in less than two microseconds each.
//!
//! Workload: vertices with 10, 100 or 1,000 edges to others and as many from others, each edge in
//! three versions, 600,000 versions in all; what versions say is as in `memory_as_of`. The
//! question: the edges of one type from ("out") or to ("in") a pseudo-random vertex that hold at
//! a pseudo-random moment, with their properties. About nine of ten hold.
//! Peer: SQLite with a row a version and an index for each direction that holds whole versions,
//! the versions of each edge from the last to the first, of which the first one counts. See
//! `karyon_benches::sqlite` for its settings and what else was tried.
//! Durability: nothing is written. Both sides read a file of which all is in their own cache of
//! 256 MiB, through a view (SQLite: a transaction) that is held from question to question.
//! Unit: the time of one answer, all its edges with properties, decoded by the same code on both
//! sides.
//! Does not mean: anything about a disk, about many readers at once, or about edges with long
//! histories, of which Karyon passes over the rest and SQLite's query reads all that began before.

use criterion::{BenchmarkId, Criterion};
use karyon_benches::history::{edges, questions, time};
use karyon_benches::projected::{Projected, answers, neighbours, vertex};
use karyon_benches::size;
use karyon_benches::sqlite::{Row, Sqlite};
use karyon_graph::{Direction, View};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const VERSIONS: u64 = 3;
/// Edges in each direction.
const EDGES: u64 = 100_000;

fn main() {
    let mut criterion = karyon_benches::criterion();
    for degree in [10, 100, 1_000] {
        measure(&mut criterion, degree);
    }
}

fn measure(criterion: &mut Criterion, degree: u64) {
    let hubs = size(EDGES, 2_000) / degree;
    let graph = Projected::new(FOLDER).fill(edges(hubs, degree, VERSIONS));
    let rows = (0..).zip(edges(hubs, degree, VERSIONS));
    let sqlite =
        Sqlite::new(FOLDER).fill_edges(rows.map(|(position, write)| Row::new(position, &write)));
    let reader = graph.reader();
    let questions = questions(hubs, VERSIONS, size(EDGES, 2_000) / degree);
    let asked: Vec<_> = questions
        .iter()
        .map(|question| (vertex(&reader, question.subject), View::at(time(question.moment))))
        .collect();
    let mut group = criterion.benchmark_group("memory_neighbours");
    for (name, direction) in [("out", Direction::Out), ("in", Direction::In)] {
        let mut statement = sqlite.neighbours(direction == Direction::Out);
        for (question, (vertex, view)) in questions.iter().zip(&asked) {
            let found = neighbours(&reader, *vertex, direction, view);
            let mut expected = statement.get(*question);
            expected.reverse();
            assert_eq!(answers(&reader, found), expected);
        }
        let mut next = asked.iter().cycle();
        group.bench_function(BenchmarkId::new(format!("karyon {name}"), degree), |bencher| {
            bencher.iter(|| {
                let asked = next.next();
                asked.map(|(vertex, view)| neighbours(&reader, *vertex, direction, view))
            });
        });
        let mut next = questions.iter().cycle();
        group.bench_function(BenchmarkId::new(format!("sqlite {name}"), degree), |bencher| {
            bencher.iter(|| next.next().map(|question| statement.get(*question)));
        });
    }
}

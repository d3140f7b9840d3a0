//! Claim: the neighbours of a vertex at a moment are found in less than two microseconds each;
//! of a hub with 100,000 changes behind it in at most ten times what 100 changes cost; and what is
//! so now takes no longer among 10,000,000 entities than among 10,000.
//!
//! Workload, "out" and "in": vertices with 10, 100 or 1,000 edges to others and as many from others, each edge in
//! three versions, 600,000 versions in all; what versions say is as in `memory_as_of`. The
//! question: the edges of one type from ("out") or to ("in") a pseudo-random vertex that hold at
//! a pseudo-random moment, with their properties. About nine of ten hold.
//! - "hub": a vertex whose edges begin and end, one of both a moment, 100 or 100,000 times; 50 or
//!   51 hold at any moment behind the first 50, which are those asked about. "new": each edge is
//!   to another vertex; "back": to one of 100 that come back in turn.
//! - "current": what holds now of a pseudo-random fact of 10,000 or 10,000,000, one small property
//!   each, one version each. The files are made one after the other and take less than 2 GB of
//!   disk.
//!
//! Peer: SQLite with a row a version and an index for each direction that holds whole versions,
//! the versions of each edge from the last to the first, of which the first one counts. See
//! `karyon_benches::sqlite` for its settings and what else was tried.
//! Durability: nothing is written. Both sides read a file of which all is in their own cache of
//! 256 MiB, through a view (SQLite: a transaction) that is held from question to question.
//! Unit: the time of one answer, all its edges with properties, decoded by the same code on both
//! sides.
//! Means: ratios are what is claimed of hubs and of many entities; the latter no longer fit the
//! caches, but the page cache.
//! Does not mean: anything about a disk, about many readers at once, or about edges with long
//! histories, of which Karyon passes over the rest and SQLite's query reads all that began before.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use karyon_benches::history::{Answer, Question, STATE, edges, hub, questions, time};
use karyon_benches::projected::{Projected, answers, fact, get, neighbours, vertex};
use karyon_benches::rows::rows;
use karyon_benches::sampling::is_wanted;
use karyon_benches::size;
use karyon_benches::sqlite::Sqlite;
use karyon_graph::{Direction, View};
use karyon_memory_ops::{Content, Entity, Valid, Value, Vertex, Write};
use karyon_types::AgentId;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const VERSIONS: u64 = 3;
/// Edges in each direction.
const EDGES: u64 = 100_000;
const GROUP: &str = "memory_neighbours";
/// Edges of a hub that hold.
const HELD: u64 = 50;

fn main() {
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    let sides = ["karyon", "sqlite"];
    let wanted = |name: &str| sides.iter().any(|side| is_wanted(&format!("{GROUP}/{side} {name}")));
    for degree in [10, 100, 1_000] {
        if wanted(&format!("out/{degree}")) || wanted(&format!("in/{degree}")) {
            measure(&mut group, degree);
        }
    }
    let changes = size(100_000, 2_000);
    for (name, partners) in [("new", u64::MAX), ("back", 100)] {
        if [2 * HELD, changes].iter().any(|changes| wanted(&format!("hub, {name}/{changes}"))) {
            measure_hub(&mut group, name, changes, partners);
        }
    }
    for entities in [10_000, size(10_000_000, 20_000)] {
        if wanted(&format!("current/{entities}")) {
            measure_current(&mut group, entities);
        }
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, degree: u64) {
    let hubs = size(EDGES, 2_000) / degree;
    let graph = Projected::new(FOLDER).fill(edges(hubs, degree, VERSIONS));
    let sqlite = Sqlite::new(FOLDER).fill_edges(rows(edges(hubs, degree, VERSIONS)));
    let reader = graph.reader();
    let questions = questions(hubs, VERSIONS, size(EDGES, 2_000) / degree);
    let asked: Vec<_> = questions
        .iter()
        .map(|question| (vertex(&reader, question.subject), View::at(time(question.moment))))
        .collect();
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

/// Two hubs in one graph: the first has changed a hundred times, the second `changes` times.
fn measure_hub(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, changes: u64, partners: u64) {
    let all = || hub(1, 2 * HELD, HELD, partners).chain(hub(2, changes, HELD, partners));
    let graph = Projected::new(FOLDER).fill(all());
    let sqlite = Sqlite::new(FOLDER).fill_edges(rows(all()));
    let reader = graph.reader();
    let mut statement = sqlite.neighbours(true);
    for (subject, changes) in [(1, 2 * HELD), (2, changes)] {
        let hub = vertex(&reader, subject);
        let asked: Vec<i64> = questions(1, changes - HELD, 200)
            .iter()
            .map(|question| (HELD as i64) + question.moment % (changes - HELD) as i64)
            .collect();
        for moment in asked.iter().take(20) {
            let found = neighbours(&reader, hub, Direction::Out, &View::at(time(*moment)));
            let mut expected = statement.get(Question { subject, moment: *moment });
            expected.reverse();
            assert!((HELD as usize..=HELD as usize + 1).contains(&found.len()));
            assert_eq!(answers(&reader, found), expected);
        }
        let id = |side: &str| BenchmarkId::new(format!("{side} hub, {name}"), changes);
        let mut next = asked.iter().cycle();
        group.bench_function(id("karyon"), |bencher| {
            bencher.iter(|| {
                let view = next.next().map(|moment| View::at(time(*moment)));
                view.map(|view| neighbours(&reader, hub, Direction::Out, &view))
            });
        });
        let mut next = asked.iter().cycle();
        group.bench_function(id("sqlite"), |bencher| {
            bencher.iter(|| {
                next.next().map(|moment| statement.get(Question { subject, moment: *moment }))
            });
        });
    }
}

fn measure_current(group: &mut BenchmarkGroup<'_, WallTime>, entities: u64) {
    let facts = || {
        (1..=entities).map(|serial| {
            let subject = Vertex::Agent(AgentId(serial));
            let entity = Entity::Fact { subject, predicate: STATE.into() };
            let content = Content::with([("n", Value::Int(serial as i64))]);
            Write { entity, valid: Valid::since(time(0)), content }
        })
    };
    let questions = questions(entities, 1, size(16_384, 200));
    let mut known = Vec::new();
    // One after the other, so that the disk holds one of both.
    {
        let graph = Projected::new(FOLDER).fill(facts());
        let reader = graph.reader();
        let asked: Vec<_> =
            questions.iter().map(|question| fact(&reader, question.subject)).collect();
        known.extend(asked.iter().map(|entity| get(&reader, entity, &View::NOW).map(Answer::from)));
        let mut next = asked.iter().cycle();
        group.bench_function(BenchmarkId::new("karyon current", entities), |bencher| {
            bencher.iter(|| next.next().and_then(|entity| get(&reader, entity, &View::NOW)));
        });
    }
    let sqlite = Sqlite::new(FOLDER).fill_facts(rows(facts()));
    let mut statement = sqlite.as_of();
    let mut ask =
        |question: &Question| statement.get(Question { moment: i64::MAX, ..*question }, None);
    for (question, known) in questions.iter().zip(&known) {
        assert_eq!(&ask(question), known);
    }
    let mut next = questions.iter().cycle();
    group.bench_function(BenchmarkId::new("sqlite current", entities), |bencher| {
        bencher.iter(|| next.next().map(&mut ask));
    });
}

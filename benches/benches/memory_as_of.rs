//! Claim: what was so at a moment is found in microseconds, however long the history.
//!
//! Workload: 10,000 entities (facts about agents) with 1, 10 or 100 versions, or 1,000 entities
//! with 1,000; each version with two properties. A sixteenth of the later versions end the
//! entity, an eighth is valid for a while only, so that the version before holds again. The
//! question: what holds for a pseudo-random entity at a pseudo-random moment, by all that is
//! recorded ("as of") or by the first half of the record ("as recorded"). Whoever asks has the
//! entity's key.
//! Peer: SQLite with a row a version, `where entity = ? and valid_from <= ? and (valid_to is null
//! or valid_to > ?) order by valid_from desc, tx desc limit 1`, and `tx <= ?` for "as recorded".
//! See `karyon_benches::sqlite` for its settings.
//! Durability: nothing is written. Both sides read a file of which all is in their own cache of
//! 256 MiB, through a view (SQLite: a transaction) that is held from question to question.
//! Unit: the time of one answer, its properties decoded by the same code on both sides.
//! Means: the depth of history costs little, as long as it is in memory.
//! Does not mean: anything about a disk, or about many readers at once. "As recorded" passes over
//! all versions that began before the moment and were recorded too late, one by one, on both
//! sides: with 1,000 versions 125 on the average.

use criterion::{BenchmarkId, Criterion};
use karyon_benches::history::{Answer, facts, questions, time};
use karyon_benches::projected::{Projected, fact, get};
use karyon_benches::size;
use karyon_benches::sqlite::{Row, Sqlite};
use karyon_graph::View;
use karyon_types::Position;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// So many, that most entities are asked for.
const QUESTIONS: u64 = 16_384;

fn main() {
    let mut criterion = karyon_benches::criterion();
    for (entities, versions) in [(10_000, 1), (10_000, 10), (10_000, 100), (1_000, 1_000)] {
        measure(&mut criterion, size(entities, 20), versions);
    }
}

fn measure(criterion: &mut Criterion, entities: u64, versions: u64) {
    let graph = Projected::new(FOLDER).fill(facts(entities, versions));
    let rows = (0..).zip(facts(entities, versions));
    let sqlite =
        Sqlite::new(FOLDER).fill_facts(rows.map(|(position, write)| Row::new(position, &write)));
    let reader = graph.reader();
    let questions = questions(entities, versions, size(QUESTIONS, 200));
    let middle = entities * versions / 2;
    let mut group = criterion.benchmark_group("memory_as_of");
    for (name, recorded) in [("as of", None), ("as recorded", Some(middle))] {
        let asked: Vec<_> = questions
            .iter()
            .map(|question| {
                let view = View::at(time(question.moment));
                let as_recorded = recorded.map(Position);
                (fact(&reader, question.subject), View { as_recorded, ..view })
            })
            .collect();
        let mut statement = match recorded {
            None => sqlite.as_of(),
            Some(_) => sqlite.as_recorded(),
        };
        for (question, (entity, view)) in questions.iter().zip(&asked) {
            let answer = get(&reader, entity, view).map(Answer::from);
            assert_eq!(answer, statement.get(*question, recorded));
        }
        let mut next = asked.iter().cycle();
        group.bench_function(BenchmarkId::new(format!("karyon {name}"), versions), |bencher| {
            bencher.iter(|| next.next().and_then(|(entity, view)| get(&reader, entity, view)));
        });
        let mut next = questions.iter().cycle();
        group.bench_function(BenchmarkId::new(format!("sqlite {name}"), versions), |bencher| {
            bencher.iter(|| next.next().and_then(|asked| statement.get(*asked, recorded)));
        });
    }
}

//! Claim: what was so at a moment is found in microseconds, however long the history, and while
//! somebody writes: at most twice the time of reading what is so now, and with 10,000 versions at
//! most three times that with 10.
//!
//! Workload: facts about agents, eight properties of some 220 bytes, in 10, 100, 1,000 or 10,000
//! versions of which each changes one property and holds all: 200,000 versions in all, but 100,000
//! where each has 10. A sixteenth of the later versions end the fact, an eighth is valid for a
//! while only, so that the version before holds again. The question: what holds for a
//! pseudo-random agent at a pseudo-random moment, by all that is recorded ("as of") or by the first
//! half of the record ("as recorded"); or what holds now ("current"). Whoever asks has the
//! entity's key.
//! - By criterion: the mean time of an answer.
//! - "alone" and "beside a writer": each of 100,000 answers timed, in percentiles; with 1,000
//!   versions also while another thread writes facts about others, 1,000 a transaction, as fast as
//!   it can. Whoever asks renews the view after each 1,000 questions. "clock" is the time of
//!   reading the clock, which is in each of these figures.
//!
//! Peers: SQLite with a row a version, `where entity = ? and valid_from <= ? and (valid_to is null
//! or valid_to > ?) order by valid_from desc, tx desc limit 1`, and `tx <= ?` for "as recorded";
//! see `karyon_benches::sqlite` for its settings. fjall with a row a version, read backwards from
//! the moment; see `karyon_benches::lsm`.
//! Durability: readers write nothing. All sides read files of which all is in their own cache of
//! 256 MiB, through a view (SQLite: a transaction) that is held from question to question. Writers
//! are durable, each in its way: redb's commits, WAL with synchronous=FULL, `SyncAll`.
//! Unit: the time of one answer, its properties decoded by the same code on all sides.
//! Means: the depth of history costs little, as long as it is in memory.
//! Does not mean: anything about a disk, or about many readers at once (`memory_mutations` has
//! some). "As recorded" passes over all versions that began before the moment and were recorded
//! too late, one by one, on the peers' side: a quarter of the history on the average.

use std::sync::atomic::{AtomicBool, Ordering};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId};
use karyon_benches::audience::Requests;
use karyon_benches::history::{Answer, Question, facts, facts_about, questions, time};
use karyon_benches::lsm::{Fjall, FjallView};
use karyon_benches::projected::{Projected, fact, get};
use karyon_benches::rows::{Decoder, Row, rows};
use karyon_benches::sampling::{clock, is_asked_for, percentiles};
use karyon_benches::size;
use karyon_benches::sqlite::Sqlite;
use karyon_benches::steps::{Steps, encoded};
use karyon_graph::{EntityId, View};
use karyon_types::Position;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "memory_as_of";
/// So many, that most entities are asked for.
const QUESTIONS: u64 = 16_384;
/// Facts that a writer puts in one transaction.
const BATCH: usize = 1_000;
/// Versions of each entity where somebody writes.
const WRITTEN_VERSIONS: u64 = 1_000;
/// Questions after which a view is renewed where somebody writes.
const VIEW_QUESTIONS: usize = 1_000;
/// Numbers of the agents about whom a writer writes begin here.
const WRITTEN: u64 = 1 << 20;

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    clock(GROUP);
    for (entities, versions) in [(10_000, 10), (2_000, 100), (200, 1_000), (20, 10_000)] {
        measure(&mut group, size(entities, 2), versions);
    }
    beside_a_writer();
}

/// What is asked, for all sides.
struct Asked {
    questions: Vec<Question>,
    entities: Vec<EntityId>,
    recorded: Option<u64>,
}

impl Asked {
    fn of(graph: &Projected, entities: u64, versions: u64) -> Asked {
        let reader = graph.reader();
        let questions = questions(entities, versions, size(QUESTIONS, 200));
        let entities = questions.iter().map(|asked| fact(&reader, asked.subject)).collect();
        Asked { questions, entities, recorded: None }
    }

    /// The same about what is so now.
    fn now(&self) -> Asked {
        let now = |question: &Question| Question { moment: i64::MAX, ..*question };
        let questions = self.questions.iter().map(now).collect();
        Asked { questions, entities: self.entities.clone(), recorded: None }
    }

    /// The same by what was recorded up to a position.
    fn as_recorded(&self, position: u64) -> Asked {
        let (questions, entities) = (self.questions.clone(), self.entities.clone());
        Asked { questions, entities, recorded: Some(position) }
    }

    fn of_karyon(&self) -> impl Iterator<Item = (&EntityId, View)> + Clone {
        self.entities.iter().zip(&self.questions).map(|(entity, question)| {
            let view = match question.moment {
                i64::MAX => View::NOW,
                moment => View::at(time(moment)),
            };
            (entity, View { as_recorded: self.recorded.map(Position), ..view })
        })
    }
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, entities: u64, versions: u64) {
    let graph = Projected::new(FOLDER).fill(facts(entities, versions));
    let sqlite = Sqlite::new(FOLDER).fill_facts(rows(facts(entities, versions)));
    let mut fjall = Fjall::new(FOLDER);
    fjall.insert(&rows(facts(entities, versions)).collect::<Vec<_>>(), usize::MAX);
    fjall.settle();

    let as_of = Asked::of(&graph, entities, versions);
    let (current, as_recorded) = (as_of.now(), as_of.as_recorded(entities * versions / 2));
    let reader = graph.reader();
    let (view, mut content) = (fjall.view(), Decoder::plain());
    for (name, asked) in [("as of", &as_of), ("as recorded", &as_recorded), ("current", &current)] {
        let recorded = asked.recorded;
        let mut statement = match recorded {
            None => sqlite.as_of(),
            Some(_) => sqlite.as_recorded(),
        };
        for (question, (entity, view_of)) in asked.questions.iter().zip(asked.of_karyon()) {
            let answer = get(&reader, entity, &view_of).map(Answer::from);
            assert_eq!(answer, statement.get(*question, recorded));
            assert_eq!(answer, view.get(*question, recorded, &mut content));
        }
        let of_karyon: Vec<_> = asked.of_karyon().collect();
        let mut next = of_karyon.iter().cycle();
        let mut karyon = || next.next().and_then(|(entity, view)| get(&reader, entity, view));
        let mut next = asked.questions.iter().cycle();
        let mut sqlite = || next.next().and_then(|asked| statement.get(*asked, recorded));
        let mut next = asked.questions.iter().cycle();
        let mut fjall = || next.next().and_then(|asked| view.get(*asked, recorded, &mut content));

        let id = |side: &str| BenchmarkId::new(format!("{side} {name}"), versions);
        group.bench_function(id("karyon"), |bencher| bencher.iter(&mut karyon));
        group.bench_function(id("sqlite"), |bencher| bencher.iter(&mut sqlite));
        group.bench_function(id("fjall"), |bencher| bencher.iter(&mut fjall));
        let id = |side: &str| format!("{GROUP}/{side} {name}, alone/{versions}");
        percentiles(&id("karyon"), karyon);
        percentiles(&id("sqlite"), sqlite);
        percentiles(&id("fjall"), fjall);
    }
}

fn beside_a_writer() {
    let (entities, versions) = (size(200, 2), WRITTEN_VERSIONS);
    karyon_beside(entities, versions);
    let graph = Projected::new(FOLDER).fill(facts(entities, versions));
    let as_of = Asked::of(&graph, entities, versions);
    drop(graph);
    sqlite_beside(entities, versions, &as_of);
    fjall_beside(entities, versions, &as_of);
}

/// What a writer writes, again and again.
fn written() -> Vec<karyon_memory_ops::Write> {
    facts_about(WRITTEN, size(10_000, 100), 10).collect()
}

fn name(side: &str, what: &str) -> String {
    format!("{GROUP}/{side} {what}, beside a writer/{WRITTEN_VERSIONS}")
}

fn karyon_beside(entities: u64, versions: u64) {
    let mut graph = Projected::new(FOLDER).fill(facts(entities, versions));
    let as_of = Asked::of(&graph, entities, versions);
    let current = as_of.now();
    let mut steps = Steps::default();
    let batch = |writes: &[Vec<u8>]| {
        writes.iter().for_each(|write| steps.push(write));
        steps.take()
    };
    let batches: Vec<_> = encoded(written().into_iter()).chunks(BATCH).map(batch).collect();
    let (is_over, mut reader) = (AtomicBool::new(false), graph.reader());
    let (asking, requests) = Requests::channel();
    std::thread::scope(|scope| {
        let (is_over, graph) = (&is_over, &mut graph);
        let going = batches.iter().cloned().cycle();
        scope.spawn(move || {
            let going = going.take_while(|_| !is_over.load(Ordering::Relaxed));
            graph.follow(going, &requests);
        });
        for (what, asked) in [("as of", &as_of), ("current", &current)] {
            let of_karyon: Vec<_> = asked.of_karyon().collect();
            let (mut next, mut number, mut new) = (of_karyon.iter().cycle(), 0usize, None);
            percentiles(&name("karyon", what), || {
                number += 1;
                if number.is_multiple_of(VIEW_QUESTIONS) && new.is_none() {
                    new = asking.ask();
                }
                if let Some(view) = new.as_ref().and_then(|new| new.try_recv().ok()) {
                    (reader, new) = (view, None);
                }
                next.next().and_then(|(entity, view)| get(&reader, entity, view))
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

fn sqlite_beside(entities: u64, versions: u64, as_of: &Asked) {
    let sqlite = Sqlite::shared(FOLDER).fill_facts(rows(facts(entities, versions)));
    let mut writer = sqlite.writer();
    let mut position = entities * versions;
    let written = written();
    let is_over = AtomicBool::new(false);
    let current = as_of.now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for writes in written.chunks(BATCH).cycle() {
                // Each time at new positions, as rows of their own.
                let rows: Vec<Row> =
                    (position..).zip(writes).map(|(at, write)| Row::new(at, write)).collect();
                position += rows.len() as u64;
                writer.insert_facts(&rows);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for (what, asked) in [("as of", as_of), ("current", &current)] {
            let (mut next, mut number) = (asked.questions.iter().cycle(), 0usize);
            let mut statement = sqlite.as_of();
            percentiles(&name("sqlite", what), || {
                number += 1;
                if number.is_multiple_of(VIEW_QUESTIONS) {
                    sqlite.renew();
                }
                next.next().and_then(|question| statement.get(*question, None))
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

fn fjall_beside(entities: u64, versions: u64, as_of: &Asked) {
    let mut fjall = Fjall::new(FOLDER);
    fjall.insert(&rows(facts(entities, versions)).collect::<Vec<_>>(), usize::MAX);
    fjall.settle();
    let views = fjall.views();
    let mut position = entities * versions;
    let written = written();
    let is_over = AtomicBool::new(false);
    let current = as_of.now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for writes in written.chunks(BATCH).cycle() {
                let rows: Vec<Row> =
                    (position..).zip(writes).map(|(at, write)| Row::new(at, write)).collect();
                position += rows.len() as u64;
                fjall.insert(&rows, BATCH);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for (what, asked) in [("as of", as_of), ("current", &current)] {
            let (mut next, mut number) = (asked.questions.iter().cycle(), 0usize);
            let (mut view, mut content): (FjallView, _) = (views.view(), Decoder::plain());
            percentiles(&name("fjall", what), || {
                number += 1;
                if number.is_multiple_of(VIEW_QUESTIONS) {
                    view = views.view();
                }
                next.next().and_then(|question| view.get(*question, None, &mut content))
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

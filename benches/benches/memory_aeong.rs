//! Claim: a graph with its history is asked about the past in microseconds, and its history slows
//! down what is asked and written of the present by at most 9 percent.
//!
//! Workload: T-mgBench, small, of AeonG (`karyon_benches::aeong`): 10,000 users with four
//! properties and 121,716 friendships, then 320,000 operations: eight of ten set a property of a
//! user who is drawn by Zipf with exponent 1.1, one of ten makes a user or a friendship, one of
//! ten ends a friendship. Each operation is a moment.
//! - Q1 and Q2: a user as of a moment, and all versions in a slice of time. Q3 and Q4: the same
//!   with all friends, their friendships and properties. A third each of the questions is about
//!   users with many, some and few updates; moments are pseudo-random. Slices are 10 moments
//!   long, as AeonG's are, or 10,000.
//! - "current": the same without a time, of the graph with its history ("with history") and of
//!   one that holds the current state alone ("without").
//! - "slowdown": by how much the first is slower, in percent of the second's throughput: medians
//!   of 15 rounds in which both take their turns. Of writes: 10,000 operations more, 1,000 a
//!   durable transaction, 7 rounds.
//!
//! Peer: SQLite with tables of current and of past rows, see `karyon_benches::versioned`; its
//! current state alone is the same file with empty tables of past rows. A friend's properties are
//! a prepared statement each, as they are a call each in Karyon. AeonG itself is a fork of a server
//! and is not here; it gives 9.74 percent for what history costs, beside the same server without.
//! Durability: readers write nothing, and all is cached. Writes: durable on both sides.
//! Unit: the time of one answer.
//! Does not mean: anything beside AeonG's own figures, which hold a network and a query language.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::BenchmarkId;
use karyon_benches::aeong::Mgbench;
use karyon_benches::audience::Requests;
use karyon_benches::history::{Answer, Question, time};
use karyon_benches::projected::{Projected, answers, get, neighbours, person, slice, vertex};
use karyon_benches::rows::{Row, rows};
use karyon_benches::sampling::{figure, is_asked_for, is_wanted};
use karyon_benches::size;
use karyon_benches::steps::{Steps, encoded};
use karyon_benches::versioned::{Ask, Versioned};
use karyon_graph::{Direction, EntityId, Reader, Version, View};
use karyon_memory_ops::Write;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "memory_aeong";
const BATCH: usize = 1_000;
/// Rounds of reading, and of writing, where each turn makes its graph first.
const READ_ROUNDS: u64 = 15;
const WRITE_ROUNDS: u64 = 7;
/// Lengths of slices in moments.
const SLICES: [i64; 2] = [10, 10_000];

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let tiny = Mgbench { users: 60, friendships: 600, operations: 2_000 };
    let size_of = if size(1, 0) == 1 { Mgbench::SMALL } else { tiny };
    let more = size(10_000, 1_000);
    let longer = Mgbench { operations: size_of.operations + more, ..size_of };
    let mut writes = longer.writes();
    let new = writes.split_off((size_of.initial() + size_of.operations) as usize);
    let graph = Projected::new(FOLDER).fill(writes.iter().cloned());
    let mut sqlite = Versioned::new(FOLDER);
    sqlite.insert(&rows(writes.iter().cloned()).collect::<Vec<_>>(), usize::MAX);
    sqlite.settle();

    let questions = size_of.questions(size(3_000, 60));
    the_past(&graph, &sqlite, &questions);
    sqlite.unsettle();
    the_present(graph, sqlite, &questions, &writes);
    changes(&writes, &new);
}

/// A user with all friends at a moment.
fn one_hop(reader: &Reader, subject: u64, view: &View) -> Vec<(Version, Option<Version>)> {
    let vertex = vertex(reader, subject);
    let mut hop = Vec::new();
    for friend in neighbours(reader, vertex, Direction::Out, view) {
        hop.push((friend.version, get(reader, &EntityId::Vertex(friend.other), view)));
    }
    hop
}

/// A user's friendships in a slice of time, each with the versions of the friend.
fn one_hop_slice(reader: &Reader, subject: u64, view: &View) -> Vec<(Version, Vec<Version>)> {
    let vertex = vertex(reader, subject);
    let mut hop = Vec::new();
    for friend in neighbours(reader, vertex, Direction::Out, view) {
        hop.push((friend.version, slice(reader, &EntityId::Vertex(friend.other), view)));
    }
    hop
}

fn between(question: &Question, length: i64) -> View {
    View::between(time(question.moment), time(question.moment + length))
}

fn the_past(graph: &Projected, sqlite: &Versioned, questions: &[Question]) {
    let (reader, mut ask) = (graph.reader(), sqlite.ask());
    compare(&reader, &mut ask, questions);
    let mut criterion = karyon_benches::criterion();
    let mut group = criterion.benchmark_group(GROUP);
    let mut next = questions.iter().cycle().copied();
    let mut next = || next.next().unwrap_or(Question { subject: 1, moment: 0 });
    group.bench_function("karyon Q1 as of", |bencher| {
        bencher.iter(|| {
            let asked = next();
            get(&reader, &person(&reader, asked.subject), &View::at(time(asked.moment)))
        });
    });
    group.bench_function("sqlite Q1 as of", |bencher| bencher.iter(|| ask.at(next())));
    for length in SLICES {
        group.bench_function(BenchmarkId::new("karyon Q2 slice", length), |bencher| {
            bencher.iter(|| {
                let asked = next();
                slice(&reader, &person(&reader, asked.subject), &between(&asked, length))
            });
        });
        group.bench_function(BenchmarkId::new("sqlite Q2 slice", length), |bencher| {
            bencher.iter(|| {
                let Question { subject, moment } = next();
                ask.between(subject, moment, moment + length)
            });
        });
    }
    group.bench_function("karyon Q3 one hop as of", |bencher| {
        bencher.iter(|| {
            let asked = next();
            let view = View::at(time(asked.moment));
            let user = get(&reader, &person(&reader, asked.subject), &view);
            (user, one_hop(&reader, asked.subject, &view))
        });
    });
    group.bench_function("sqlite Q3 one hop as of", |bencher| {
        bencher.iter(|| {
            let asked = next();
            (ask.at(asked), sqlite_hop(&mut ask, asked))
        });
    });
    for length in SLICES {
        group.bench_function(BenchmarkId::new("karyon Q4 one hop slice", length), |bencher| {
            bencher.iter(|| {
                let asked = next();
                let view = between(&asked, length);
                let user = slice(&reader, &person(&reader, asked.subject), &view);
                (user, one_hop_slice(&reader, asked.subject, &view))
            });
        });
        group.bench_function(BenchmarkId::new("sqlite Q4 one hop slice", length), |bencher| {
            bencher.iter(|| {
                let asked = next();
                let Question { subject, moment } = asked;
                let user = ask.between(subject, moment, moment + length);
                (user, sqlite_hop_slice(&mut ask, asked, length))
            });
        });
    }
}

fn sqlite_hop(ask: &mut Ask<'_>, asked: Question) -> Vec<(Answer, Option<Answer>)> {
    let friends = ask.out_at(asked);
    let friend = |edge: Answer| {
        let subject = edge.other;
        (edge, ask.at(Question { subject, ..asked }))
    };
    friends.into_iter().map(friend).collect()
}

fn sqlite_hop_slice(ask: &mut Ask<'_>, asked: Question, length: i64) -> Vec<(Answer, Vec<Answer>)> {
    let (first, last) = (asked.moment, asked.moment + length);
    let friends = ask.out_between(asked.subject, first, last);
    let friend = |edge: Answer| {
        let versions = ask.between(edge.other, first, last);
        (edge, versions)
    };
    friends.into_iter().map(friend).collect()
}

/// Both sides answer the same.
fn compare(reader: &Reader, ask: &mut Ask<'_>, questions: &[Question]) {
    for asked in questions {
        let view = View::at(time(asked.moment));
        let user = person(reader, asked.subject);
        assert_eq!(get(reader, &user, &view).map(Answer::from), ask.at(*asked));
        let vertex = vertex(reader, asked.subject);
        let friends = answers(reader, neighbours(reader, vertex, Direction::Out, &view));
        let mut expected = sqlite_hop(ask, *asked);
        expected.sort_by_key(|(edge, _)| edge.other);
        let (edges, properties): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
        assert_eq!(friends, edges);
        let mut hop: Vec<_> = one_hop(reader, asked.subject, &view)
            .into_iter()
            .map(|(edge, friend)| (edge.position, friend.map(Answer::from)))
            .collect();
        hop.sort_by_key(|(position, _)| edges.iter().position(|edge| edge.position == position.0));
        assert_eq!(hop.into_iter().map(|(_, friend)| friend).collect::<Vec<_>>(), properties);
        for length in SLICES {
            let view = between(asked, length);
            let versions = slice(reader, &user, &view).into_iter().map(Answer::from);
            let expected = ask.between(asked.subject, asked.moment, asked.moment + length);
            assert_eq!(versions.collect::<Vec<_>>(), expected);
            let mut hop: Vec<_> = one_hop_slice(reader, asked.subject, &view)
                .into_iter()
                .map(|(edge, friend)| {
                    let friend: Vec<_> = friend.into_iter().map(Answer::from).collect();
                    (edge.position.0, friend)
                })
                .collect();
            let mut expected: Vec<_> = sqlite_hop_slice(ask, *asked, length)
                .into_iter()
                .map(|(edge, friend)| (edge.position, friend))
                .collect();
            hop.sort_by_key(|(position, _)| *position);
            expected.sort_by_key(|(position, _)| *position);
            assert_eq!(hop, expected);
        }
    }
}

/// Reads of the present, with and without the past.
fn the_present(graph: Projected, sqlite: Versioned, questions: &[Question], writes: &[Write]) {
    let bare = Projected::new(FOLDER).fill(Mgbench::current(writes).into_iter());
    let (with, without) = (graph.reader(), bare.reader());
    for asked in questions {
        let content = |reader: &Reader| {
            let user = get(reader, &person(reader, asked.subject), &View::NOW);
            let mut friends: Vec<_> = one_hop(reader, asked.subject, &View::NOW)
                .into_iter()
                .map(|(edge, friend)| (edge.valid, friend.map(|friend| friend.content)))
                .collect();
            friends.sort_by_key(|(valid, _)| *valid);
            (user.map(|user| user.content), friends)
        };
        assert_eq!(content(&with), content(&without));
    }
    let user = |reader: &Reader, subject| {
        black_box(get(reader, &person(reader, subject), &View::NOW));
    };
    let hop = |reader: &Reader, subject| {
        black_box(one_hop(reader, subject, &View::NOW));
    };
    let all = |ask: &dyn Fn(u64), times: usize| {
        let begun = Instant::now();
        (0..times).for_each(|_| questions.iter().for_each(|asked| ask(asked.subject)));
        begun.elapsed()
    };
    let count = questions.len() as u64;
    slowdown("karyon current user", READ_ROUNDS, 10 * count, |has_history| {
        let reader = if has_history { &with } else { &without };
        all(&|subject| user(reader, subject), 10)
    });
    slowdown("karyon current one hop", READ_ROUNDS, count, |has_history| {
        let reader = if has_history { &with } else { &without };
        all(&|subject| hop(reader, subject), 1)
    });
    drop((with, without, graph, bare));

    let mut without = Versioned::new(FOLDER);
    without.insert(&rows(writes.iter().cloned()).collect::<Vec<_>>(), usize::MAX);
    without.forget();
    sqlite.settle();
    without.settle();
    {
        let mut asks = (sqlite.ask(), without.ask());
        slowdown("sqlite current user", READ_ROUNDS, 10 * count, |has_history| {
            let ask = if has_history { &mut asks.0 } else { &mut asks.1 };
            let begun = Instant::now();
            for _ in 0..10 {
                questions.iter().for_each(|asked| drop(black_box(ask.current(asked.subject))));
            }
            begun.elapsed()
        });
        slowdown("sqlite current one hop", READ_ROUNDS, count, |has_history| {
            let ask = if has_history { &mut asks.0 } else { &mut asks.1 };
            let begun = Instant::now();
            for asked in questions {
                for edge in ask.current_out(asked.subject) {
                    black_box(ask.current(edge.other));
                }
            }
            begun.elapsed()
        });
    }
    sqlite.unsettle();
}

/// Writes to the present, with and without the past.
fn changes(writes: &[Write], new: &[Write]) {
    let current = Mgbench::current(writes);
    let (mut steps, new_bytes) = (Steps::default(), encoded(new.iter().cloned()));
    let batch = |writes: &[Vec<u8>]| {
        writes.iter().for_each(|write| steps.push(write));
        steps.take()
    };
    let batches: Vec<_> = new_bytes.chunks(BATCH).map(batch).collect();
    slowdown("karyon current writes", WRITE_ROUNDS, new.len() as u64, |has_history| {
        let before = if has_history { writes } else { &current };
        let mut graph = Projected::new(FOLDER).fill(before.iter().cloned());
        let batches = batches.clone();
        let begun = Instant::now();
        graph.follow(batches.into_iter(), &Requests::none());
        begun.elapsed()
    });
    let before: Vec<Row> = rows(writes.iter().cloned()).collect();
    let new: Vec<Row> = (before.len() as u64..)
        .zip(new)
        .map(|(position, write)| Row::new(position, write))
        .collect();
    slowdown("sqlite current writes", WRITE_ROUNDS, new.len() as u64, |has_history| {
        let mut sqlite = Versioned::new(FOLDER);
        sqlite.insert(&before, usize::MAX);
        if !has_history {
            sqlite.forget();
        }
        sqlite.bytes();
        let begun = Instant::now();
        sqlite.insert(&new, BATCH);
        begun.elapsed()
    });
}

/// Has both take turns, and prints both throughputs and what history costs.
fn slowdown(name: &str, rounds: u64, elements: u64, mut take: impl FnMut(bool) -> Duration) {
    let name = format!("{GROUP}/{name}");
    let parts = ["with history", "without", "slowdown"];
    if !parts.iter().any(|part| is_wanted(&format!("{name}/{part}"))) {
        return;
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..size(rounds, 1) {
        // Whoever comes first in a round comes second in the next.
        for turn in [round.is_multiple_of(2), !round.is_multiple_of(2)] {
            if turn { &mut with } else { &mut without }.push(take(turn));
        }
    }
    let throughput = |mut times: Vec<Duration>| {
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        elements as f64 / median.as_secs_f64()
    };
    let (with, without) = (throughput(with), throughput(without));
    figure(&format!("{name}/with history"), with, "/s");
    figure(&format!("{name}/without"), without, "/s");
    figure(&format!("{name}/slowdown"), 100.0 * (1.0 - with / without), "%");
}

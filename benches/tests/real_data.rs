//! Real data in the graph and in SQLite: both answer the same.
//!
//! Real data alone is kind: it comes in the order of time, and nothing ends. So some of it is
//! recorded late, some is valid for a while only, and some says that the entity is no more.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use karyon_benches::history::{Answer, CONTACT, Question, STATE, contact, time};
use karyon_benches::projected::{Projected, answers, fact, get, neighbours, vertex};
use karyon_benches::rows::Row;
use karyon_benches::sqlite::Sqlite;
use karyon_graph::{Direction, View};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Position};

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// A real input; `None`, said visibly, where the folder is absent.
fn dataset(name: &str) -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/datasets");
    let folder = std::env::var_os("KARYON_DATASETS").map_or(beside.into(), PathBuf::from);
    let file = folder.join(name);
    if let Ok(text) = std::fs::read_to_string(&file) {
        return Some(text);
    }
    // Straight to standard error: the test harness hides what passing tests print.
    let skipped = format!("SKIPPED: {} is absent (set KARYON_DATASETS)\n", file.display());
    std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    None
}

/// The same with each tenth recorded `late` records later, each eighth valid for `while_` units
/// only, and each 37th an end.
fn disturbed(writes: Vec<Write>, late: usize, while_: i64) -> Vec<Write> {
    let mut writes: Vec<(usize, Write)> = writes.into_iter().enumerate().collect();
    for (number, write) in &mut writes {
        if number.is_multiple_of(8) {
            write.valid.to = Some(time(write.valid.from.units() + while_));
        }
        if number.is_multiple_of(37) {
            write.content = Content::Ended;
        }
        if number.is_multiple_of(10) {
            *number += late;
        }
    }
    writes.sort_by_key(|(number, _)| *number);
    writes.into_iter().map(|(_, write)| write).collect()
}

/// A moment, and how both sides are asked about it: as it was recorded up to anywhere, now and
/// then.
fn view(number: u64, moment: i64, records: u64) -> (View, Option<u64>) {
    let recorded = number.is_multiple_of(3).then_some(number * 104_729 % (records + 2));
    let view = View::at(time(moment));
    (View { as_recorded: recorded.map(Position), ..view }, recorded)
}

/// The moments asked about: each `every`th at which something begins, and the unit before it.
fn moments(begins: &[i64], every: usize) -> Vec<i64> {
    begins.iter().step_by(every).flat_map(|begins| [begins - 1, *begins]).collect()
}

#[test]
fn speeds_at_any_moment() {
    let Some(text) = dataset("los-speed.csv") else { return };
    let mut lines = text.lines();
    let sensors: Vec<u64> = lines.next().unwrap().split(',').map(|s| s.parse().unwrap()).collect();
    let (mut writes, mut last) = (Vec::new(), BTreeMap::new());
    for (row, line) in (0..).zip(lines) {
        for (speed, sensor) in line.split(',').zip(&sensors) {
            let speed: f64 = speed.parse().unwrap();
            if last.insert(*sensor, speed) != Some(speed) {
                let subject = Vertex::Agent(AgentId(*sensor));
                writes.push(Write {
                    entity: Entity::Fact { subject, predicate: STATE.into() },
                    valid: Valid::since(time(row * 300)),
                    content: Content::with([("speed", Value::Float(speed))]),
                });
            }
        }
    }
    assert_eq!(writes.len(), 412_114);
    // Two hours, an hour and a half.
    let writes = disturbed(writes, 24 * 207, 18 * 300);
    let records = writes.len() as u64;
    let graph = Projected::new(FOLDER).fill(writes.iter().cloned());
    let rows = (0..).zip(&writes);
    let sqlite = Sqlite::new(FOLDER).fill_facts(rows.map(|(n, write)| Row::new(n, write)));
    let (mut as_of, mut as_recorded) = (sqlite.as_of(), sqlite.as_recorded());
    let reader = graph.reader();
    let rows: Vec<i64> = (0..2_016).map(|row| row * 300).collect();
    let (mut asked, mut held) = (0, 0);
    for sensor in sensors {
        let entity = fact(&reader, sensor);
        for moment in moments(&rows, 4) {
            asked += 1;
            let (view, recorded) = view(asked, moment, records);
            let found = get(&reader, &entity, &view).map(Answer::from);
            let question = Question { subject: sensor, moment };
            let expected = match recorded {
                None => as_of.get(question, None),
                Some(_) => as_recorded.get(question, recorded),
            };
            assert_eq!(found, expected, "{sensor} at {moment}, as recorded up to {recorded:?}");
            held += u64::from(found.is_some());
        }
    }
    assert_eq!(asked, 207 * 1_008);
    assert!(held > asked / 2, "{held} of {asked}");
}

#[test]
fn who_had_written_to_whom() {
    let Some(text) = dataset("college-msg.txt") else { return };
    let (mut writes, mut counts) = (Vec::new(), BTreeMap::new());
    let mut people: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    for line in text.lines() {
        let numbers: Vec<i64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let [from, to, begins] = numbers[..] else { unreachable!("three numbers") };
        let count = counts.entry((from, to)).or_insert(0);
        *count += 1;
        let now: Time = time(begins);
        let [from, to] = [from as u64, to as u64];
        people.entry(from).or_default().push(begins);
        people.entry(to).or_default().push(begins);
        let [from, to] = [from, to].map(|serial| Vertex::Agent(AgentId(serial)));
        writes.push(Write {
            entity: Entity::Edge { from, kind: CONTACT.into(), to },
            valid: Valid::since(now),
            content: contact(*count, now),
        });
    }
    assert_eq!((writes.len(), people.len()), (59_835, 1_899));
    // A week.
    let writes = disturbed(writes, 2_000, 7 * 86_400);
    let graph = Projected::new(FOLDER).fill(writes.iter().cloned());
    let rows = (0..).zip(&writes);
    let sqlite = Sqlite::new(FOLDER).fill_edges(rows.map(|(n, write)| Row::new(n, write)));
    let reader = graph.reader();
    let (mut asked, mut held) = (0, 0);
    for (out, direction) in [(true, Direction::Out), (false, Direction::In)] {
        let mut statement = sqlite.neighbours(out);
        for (&person, begins) in &people {
            let vertex = vertex(&reader, person);
            for moment in moments(begins, 1 + begins.len() / 15) {
                asked += 1;
                let found = neighbours(&reader, vertex, direction, &View::at(time(moment)));
                let found = answers(&reader, found);
                let mut expected = statement.get(Question { subject: person, moment });
                expected.sort_by_key(|answer| answer.other);
                assert_eq!(found, expected, "{person} at {moment}, out: {out}");
                held += found.len();
            }
        }
    }
    assert!(asked > 40_000 && held > asked, "{held} of {asked}");
}

//! The real inputs, as writes. Where they are absent, benches say so and go on.

use std::collections::HashMap;
use std::path::PathBuf;

use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::AgentId;

use crate::history::{CONTACT, STATE, contact, time};

/// Seconds between two rows of `los-speed.csv`.
const STEP_S: i64 = 300;

/// A file's text; `None`, said visibly, where the folder is absent. `KARYON_DATASETS` names it.
fn read(name: &str) -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/datasets");
    let folder = std::env::var_os("KARYON_DATASETS").map_or(beside.into(), PathBuf::from);
    let file = folder.join(name);
    let text = std::fs::read_to_string(&file).ok();
    if text.is_none() {
        println!("SKIPPED: {} is absent (set KARYON_DATASETS)", file.display());
    }
    text
}

/// Speeds of road sensors: a fact about each, written when it changes, in seconds from the first
/// row on. Sensors are agents in the order of the columns.
pub fn speeds() -> Option<Vec<Write>> {
    read("los-speed.csv").map(|text| speeds_in(&text))
}

fn speeds_in(text: &str) -> Vec<Write> {
    let (mut last, mut writes) = (HashMap::new(), Vec::new());
    for (row, line) in (0..).zip(text.lines().skip(1)) {
        for (sensor, speed) in (1..).zip(line.split(',')) {
            let speed: f64 = speed.trim().parse().expect("a number");
            if last.insert(sensor, speed.to_bits()) == Some(speed.to_bits()) {
                continue;
            }
            let subject = Vertex::Agent(AgentId(sensor));
            let entity = Entity::Fact { subject, predicate: STATE.into() };
            let content = Content::with([("speed", Value::Float(speed))]);
            writes.push(Write { entity, valid: Valid::since(time(row * STEP_S)), content });
        }
    }
    writes
}

/// Messages between people: an edge for each pair, with each message a version more, as the
/// rumour has it. People are agents by their numbers.
pub fn messages() -> Option<Vec<Write>> {
    read("college-msg.txt").map(|text| messages_in(&text))
}

fn messages_in(text: &str) -> Vec<Write> {
    let mut counts = HashMap::new();
    let message = |line: &str| {
        let mut numbers = line.split_whitespace().map(|word| word.parse().expect("a number"));
        let mut next = || numbers.next().expect("three numbers a line");
        let (from, to, moment): (u64, u64, u64) = (next(), next(), next());
        let count = counts.entry((from, to)).or_insert(0);
        *count += 1;
        let now: Time = time(moment as i64);
        let (from, to) = (Vertex::Agent(AgentId(from)), Vertex::Agent(AgentId(to)));
        let entity = Entity::Edge { from, kind: CONTACT.into(), to };
        Write { entity, valid: Valid::since(now), content: contact(*count, now) }
    };
    text.lines().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_written_when_it_changes() {
        let writes = speeds_in("7,9\n1.5,2\n1.5,3\n1.5,2\n");
        let told: Vec<_> = writes.iter().map(|write| write.valid.from.units()).collect();
        assert_eq!(told, [0, 0, 300, 600]);
    }

    #[test]
    fn each_message_is_a_version() {
        let writes = messages_in("1 2 50\n2 1 60\n1 2 60\n");
        assert_eq!(writes.len(), 3);
        assert_eq!(writes[2].content, contact(2, time(60)));
        assert_eq!(writes[2].entity, writes[0].entity);
    }
}

//! What the memory benches remember and ask: the same for Karyon and for its peers.

use karyon_memory_ops::{Content, Entity, Properties, Time, Valid, Value, Vertex, Write};
use karyon_types::AgentId;

use crate::hop::mix;

/// Moments between the versions of an entity, on the average.
const PERIOD: u64 = 1_000;
/// Numbers of the vertices at the other end of a hub's edges begin behind this one.
const LEAVES: u64 = 1 << 20;
/// How many of them there are.
const LEAF_COUNT: u64 = 10_000;

/// The type of all edges, as the rumour has it.
pub const CONTACT: &str = "contact";
/// The predicate of all facts.
pub const STATE: &str = "state";
/// The label of all vertices.
pub const PERSON: &str = "person";

/// A question: what holds for whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The serial of a vertex, counted from 1.
    pub subject: u64,
    /// The moment.
    pub moment: i64,
}

/// What both sides answer, to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The vertex at the other end of an edge; 0 for a fact.
    pub other: u64,
    /// When it is so.
    pub valid: Valid,
    /// Where it was recorded.
    pub position: u64,
    /// What it is like.
    pub content: Content,
}

/// A moment.
///
/// # Panics
/// Never: whole moments have no decimals.
pub fn time(units: i64) -> Time {
    Time::from_scaled(units, 0).expect("no decimals")
}

/// The content of a contact: how many there were, and when the last one was.
pub fn contact(count: u64, last: Time) -> Content {
    Content::with([("count", Value::Int(count as i64)), ("last", Value::Time(last))])
}

/// Words of which texts are made: what compresses them finds about as much as in prose.
const WORDS: [&str; 32] = [
    "north", "harbour", "of", "the", "quiet", "market", "and", "seven", "lanterns", "under",
    "bridge", "waits", "for", "morning", "train", "with", "letters", "from", "her", "brother",
    "in", "winter", "garden", "near", "old", "mill", "where", "nobody", "speaks", "about",
    "copper", "rain",
];

/// Eight properties of somebody, together some 220 bytes as Karyon encodes them. Each version
/// changes one of them, in turn; it holds the other seven too.
pub fn profile(number: u64, version: u64) -> Properties {
    let draw = |property: u64| {
        let changes = (version + 8 - property) / 8;
        mix(number << 24 | changes << 3 | property)
    };
    let text = |property, words: u64| {
        let word = |n| {
            let index = mix(draw(property) ^ n) as usize % WORDS.len();
            WORDS.get(index).copied().unwrap_or_default()
        };
        Value::Text((0..words).map(word).collect::<Vec<_>>().join(" "))
    };
    Properties::from([
        ("active".into(), Value::Bool(draw(0).is_multiple_of(2))),
        ("city".into(), text(1, 2)),
        ("name".into(), text(2, 3)),
        ("note".into(), text(3, 16)),
        ("role".into(), text(4, 2)),
        ("score".into(), Value::Float((draw(5) % 100_000) as f64 / 1_000.0)),
        ("seen".into(), Value::Time(time((draw(6) >> 33) as i64))),
        ("steps".into(), Value::Int((draw(7) >> 40) as i64)),
    ])
}

/// One fact about each of `subjects` agents, a [`profile`], in so many versions, in the order in
/// which they are recorded: the first version of each, then the second of each, and so on.
pub fn facts(subjects: u64, versions: u64) -> impl Iterator<Item = Write> {
    facts_about(1, subjects, versions)
}

/// The same about agents from number `first` on.
pub fn facts_about(first: u64, subjects: u64, versions: u64) -> impl Iterator<Item = Write> {
    (0..versions).flat_map(move |version| {
        (first..first + subjects).map(move |serial| {
            let subject = Vertex::Agent(AgentId(serial));
            let fact = Entity::Fact { subject, predicate: STATE.into() };
            let properties = profile(serial, version);
            write(fact, serial, version, |_| Content::Present { labels: [].into(), properties })
        })
    })
}

/// `degree` edges from each of `hubs` agents to others that are no hubs, and as many from those
/// to it, each in so many versions, in the order in which they are recorded.
pub fn edges(hubs: u64, degree: u64, versions: u64) -> impl Iterator<Item = Write> {
    (0..versions).flat_map(move |version| {
        (1..=hubs).flat_map(move |hub| {
            (0..2 * degree).map(move |number| {
                let other = LEAVES + (hub * 7_919 + number / 2) % LEAF_COUNT;
                let (from, to) = if number % 2 == 0 { (hub, other) } else { (other, hub) };
                let (from, to) = (Vertex::Agent(AgentId(from)), Vertex::Agent(AgentId(to)));
                let edge = Entity::Edge { from, kind: CONTACT.into(), to };
                let number = hub * 2 * degree + number;
                write(edge, number, version, |from| contact(version + 1, from))
            })
        })
    })
}

/// Version number `version` of an entity. Of sixteen later versions one says that the entity is
/// no more; of eight versions one is valid for a while only, so that the one before it holds
/// again.
fn write(
    entity: Entity,
    number: u64,
    version: u64,
    content: impl FnOnce(Time) -> Content,
) -> Write {
    let draw = mix(number << 16 | version);
    let from = (version * PERIOD + draw % PERIOD) as i64;
    let ends = (draw >> 32).is_multiple_of(8).then(|| time(from + PERIOD as i64 / 2));
    let content = if version > 0 && (draw >> 40).is_multiple_of(16) {
        Content::Ended
    } else {
        content(time(from))
    };
    Write { entity, valid: Valid { from: time(from), to: ends }, content }
}

/// Pseudo-random questions about moments at which each entity has begun.
pub fn questions(subjects: u64, versions: u64, count: u64) -> Vec<Question> {
    let question = |number| Question {
        subject: 1 + mix(2 * number) % subjects,
        moment: (PERIOD + mix(2 * number + 1) % (versions * PERIOD)) as i64,
    };
    (0..count).map(question).collect()
}

/// The life of a hub: `changes` changes of edges from agent `serial` to others, one a moment from
/// moment 0 on. The first `held` begin; from then on in turn one begins and the one that began
/// first ends, so that `held` or one more hold at any later moment. Of `partners` others each
/// comes back when all were there.
pub fn hub(serial: u64, changes: u64, held: u64, partners: u64) -> impl Iterator<Item = Write> {
    assert!(partners > held, "an edge cannot begin twice");
    (0..changes).map(move |change| {
        let later = change.saturating_sub(held);
        let (number, ends) = match change < held {
            true => (change, false),
            false if later.is_multiple_of(2) => (held + later / 2, false),
            false => (later / 2, true),
        };
        let (from, to) = (serial, LEAVES + number % partners);
        let (from, to) = (Vertex::Agent(AgentId(from)), Vertex::Agent(AgentId(to)));
        let entity = Entity::Edge { from, kind: CONTACT.into(), to };
        let now = time(change as i64);
        let content = if ends { Content::Ended } else { contact(number + 1, now) };
        Write { entity, valid: Valid::since(now), content }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_version_changes_one_of_eight_properties_of_220_bytes() {
        let mut bytes = 0;
        for version in 0..64 {
            let (now, next) = (profile(3, version), profile(3, version + 1));
            assert_eq!(now.len(), 8);
            let changed = now.iter().filter(|(name, value)| next.get(*name) != Some(value));
            // A truth value may be drawn again.
            assert!(changed.count() <= 1);
            let content = Content::Present { labels: [].into(), properties: now };
            let entity = Entity::Vertex(Vertex::Agent(AgentId(1)));
            let mut out = Vec::new();
            let write = Write { entity, valid: Valid::since(time(0)), content };
            write.encode(&mut out).unwrap();
            bytes += out.len();
        }
        assert!((210..230).contains(&(bytes / 64)), "{}", bytes / 64);
        assert_ne!(profile(3, 8), profile(3, 0));
    }

    #[test]
    fn about_as_many_partners_hold_at_any_moment_of_a_hub() {
        for partners in [7, 1_000] {
            let mut holding = BTreeSet::new();
            for (change, write) in hub(1, 300, 5, partners).enumerate() {
                let changed = match write.content {
                    Content::Present { .. } => holding.insert(write.entity),
                    Content::Ended => holding.remove(&write.entity),
                };
                assert!(changed, "change {change}");
                assert!(change < 5 || (5..=6).contains(&holding.len()), "change {change}");
            }
        }
    }
}

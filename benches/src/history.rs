//! What the memory benches remember and ask: the same for Karyon and for SQLite.

use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
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

/// One fact about each of `subjects` agents, in so many versions, in the order in which they are
/// recorded: the first version of each, then the second of each, and so on.
pub fn facts(subjects: u64, versions: u64) -> impl Iterator<Item = Write> {
    (0..versions).flat_map(move |version| {
        (1..=subjects).map(move |serial| {
            let subject = Vertex::Agent(AgentId(serial));
            write(Entity::Fact { subject, predicate: STATE.into() }, serial, version)
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
                write(edge, hub * 2 * degree + number, version)
            })
        })
    })
}

/// Version number `version` of an entity. Of sixteen later versions one says that the entity is
/// no more; of eight versions one is valid for a while only, so that the one before it holds
/// again.
fn write(entity: Entity, number: u64, version: u64) -> Write {
    let draw = mix(number << 16 | version);
    let from = (version * PERIOD + draw % PERIOD) as i64;
    let ends = (draw >> 32).is_multiple_of(8).then(|| time(from + PERIOD as i64 / 2));
    let content = if version > 0 && (draw >> 40).is_multiple_of(16) {
        Content::Ended
    } else {
        contact(version + 1, time(from))
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

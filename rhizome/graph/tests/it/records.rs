//! Random records, and small ones by hand.

use karyon_log::{Cause, Output, Record};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Denial, LeaseId, Tick};
use proptest::prelude::*;

/// What a random log is made of.
#[derive(Clone, Debug)]
pub enum Happening {
    Tick,
    Spawn(u64),
    /// Outputs of one step: memories, and others between them.
    Step(u64, Vec<Done>),
    /// Something that moves the position only.
    Other,
}

#[derive(Clone, Debug)]
pub enum Done {
    Write(Write),
    Noise,
    Forgone(Write),
    Sent,
}

pub fn time(units: i64) -> Time {
    Time::new(units, 0).unwrap()
}

pub fn times() -> impl Strategy<Value = Time> {
    prop_oneof![
        6 => (0..6i64).prop_map(time),
        1 => (0..3i64).prop_map(|units| Time::new(units, 500_000_000).unwrap()),
        1 => Just(Time::MIN),
        1 => Just(Time::MAX),
    ]
}

fn serials() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1..4u64, 1 => Just(u64::MAX)]
}

pub fn vertices() -> impl Strategy<Value = Vertex> {
    prop_oneof![
        3 => serials().prop_map(|serial| Vertex::Agent(AgentId(serial))),
        2 => prop_oneof![Just("x"), Just("xy"), Just("agent 1")]
            .prop_map(|name| Vertex::Named(name.into())),
    ]
}

pub fn entities() -> impl Strategy<Value = Entity> {
    let kinds = || prop_oneof![Just("met".to_owned()), Just("knows".to_owned())];
    prop_oneof![
        2 => vertices().prop_map(Entity::Vertex),
        4 => (vertices(), kinds(), vertices())
            .prop_map(|(from, kind, to)| Entity::Edge { from, kind, to }),
        3 => (vertices(), prop_oneof![Just("met".to_owned()), Just("mood".to_owned())])
            .prop_map(|(subject, predicate)| Entity::Fact { subject, predicate }),
    ]
}

fn contents() -> impl Strategy<Value = Content> {
    let labels = prop::collection::btree_set(prop_oneof![Just("person"), Just("hub")], 0..3);
    prop_oneof![
        3 => (labels, 0..3i64).prop_map(|(labels, value)| Content::Present {
            labels: labels.into_iter().map(str::to_owned).collect(),
            properties: [("value".to_owned(), Value::Int(value))].into(),
        }),
        1 => Just(Content::Ended),
    ]
}

pub fn writes() -> impl Strategy<Value = Write> {
    (entities(), times(), prop::option::of(times()), contents()).prop_map(
        |(entity, from, to, content)| {
            let to = to.filter(|to| *to > from);
            Write { entity, valid: Valid { from, to }, content }
        },
    )
}

pub fn happenings() -> impl Strategy<Value = Happening> {
    let done = prop_oneof![
        8 => writes().prop_map(Done::Write),
        1 => Just(Done::Noise),
        1 => writes().prop_map(Done::Forgone),
        1 => Just(Done::Sent),
    ];
    prop_oneof![
        1 => Just(Happening::Tick),
        1 => (1..4u64).prop_map(Happening::Spawn),
        8 => (1..4u64, prop::collection::vec(done, 0..4))
            .prop_map(|(agent, done)| Happening::Step(agent, done)),
        1 => Just(Happening::Other),
    ]
}

pub fn encoded(write: &Write) -> Vec<u8> {
    let mut bytes = Vec::new();
    write.encode(&mut bytes).unwrap();
    bytes
}

/// A step that remembers.
pub fn step(agent: u64, step: u64, writes: &[Write]) -> Vec<u8> {
    let writes: Vec<Vec<u8>> = writes.iter().map(encoded).collect();
    let outputs =
        writes.iter().map(|write| Output::Remembered { lease: LeaseId(agent), write }).collect();
    let mut body = Vec::new();
    Record::Step { agent: AgentId(agent), step, cause: Cause::Input(0), outputs }.encode(&mut body);
    body
}

/// The name that a spawned agent gets.
pub fn name_of(agent: u64) -> String {
    format!("agent {agent}")
}

pub fn spawn(agent: u64) -> Vec<u8> {
    spawn_as(agent, &name_of(agent), 0)
}

pub fn spawn_as(agent: u64, name: &str, kind: u32) -> Vec<u8> {
    let mut body = Vec::new();
    Record::Spawn { agent: AgentId(agent), kind, lease: LeaseId(agent), name }.encode(&mut body);
    body
}

/// The record of a happening; `number` makes its step unique, `tick` is that which begins.
pub fn record(happening: &Happening, number: u64, tick: u64) -> Vec<u8> {
    let mut body = Vec::new();
    match happening {
        Happening::Tick => Record::Tick(Tick(tick)).encode(&mut body),
        Happening::Spawn(agent) => return spawn(*agent),
        Happening::Other => Record::Input { batch: 0, count: 1 }.encode(&mut body),
        Happening::Step(agent, done) => {
            let bytes: Vec<Vec<u8>> = done
                .iter()
                .map(|done| match done {
                    Done::Write(write) | Done::Forgone(write) => encoded(write),
                    Done::Noise | Done::Sent => vec![255, 1, 2],
                })
                .collect();
            let lease = LeaseId(*agent);
            let outputs = done.iter().zip(&bytes).map(|(done, bytes)| match done {
                Done::Write(_) | Done::Noise => Output::Remembered { lease, write: bytes },
                Done::Forgone(_) => Output::Forgone { denial: Denial::LeaseExpired, write: bytes },
                Done::Sent => Output::Sent { lease, to: AgentId(1), payload: bytes },
            });
            let outputs = outputs.collect();
            let agent = AgentId(*agent);
            let record = Record::Step { agent, step: number, cause: Cause::Input(0), outputs };
            record.encode(&mut body);
        }
    }
    body
}

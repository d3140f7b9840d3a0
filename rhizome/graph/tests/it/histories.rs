//! Long histories: hundreds of versions of few entities, and a hub with hundreds of partners.
//! Mostly in the order of time, as agents write, with corrections of the past between them.

use std::collections::BTreeMap;

use karyon_memory_ops::{Content, Entity, Properties, Time, Valid, Value, Vertex, Write};
use karyon_types::AgentId;
use proptest::prelude::*;

use crate::records::{Done, Happening, time};

/// How many partners a hub can have, in each direction.
pub const PARTNERS: u16 = 150;
/// The serial of the hub.
pub const HUB: u64 = 3;

/// One write of a long history.
#[derive(Clone, Debug)]
pub struct Act {
    pub of: Of,
    pub when: When,
    /// For how many units it is valid; `None`: no end.
    pub lasts: Option<u16>,
    pub change: Change,
}

/// What is written about.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    Mood,
    Place,
    Agent,
    Named,
    Edge,
    /// An edge between the hub and a partner.
    Partner {
        out: bool,
        number: u16,
    },
}

/// When a version begins.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// So many units behind the latest beginning so far, and so many billionths.
    Later(i64, u32),
    /// So many units before it: a correction.
    Back(i64),
    /// When the entity's version before it began.
    Again,
    Always,
    End,
}

/// What differs from the entity's content before.
#[derive(Clone, Debug)]
pub enum Change {
    Nothing,
    Set(usize, Value),
    Unset(usize),
    Label(bool),
    /// All properties.
    Afresh(Vec<(usize, Value)>),
    Ended,
}

const PROPERTIES: [&str; 5] = ["value", "v", "values", "note", "a property with a longer name"];

impl Of {
    pub fn entity(self) -> Entity {
        let agent = |serial| Vertex::Agent(AgentId(serial));
        let fact =
            |predicate: &str| Entity::Fact { subject: agent(1), predicate: predicate.into() };
        match self {
            Of::Mood => fact("mood"),
            Of::Place => fact("moo"),
            Of::Agent => Entity::Vertex(agent(1)),
            Of::Named => Entity::Vertex(Vertex::Named("x".into())),
            Of::Edge => Entity::Edge { from: agent(1), kind: "knows".into(), to: agent(u64::MAX) },
            Of::Partner { out, number } => {
                // Every third one is no agent.
                let partner = match number % 3 {
                    0 => Vertex::Named(format!("p{number}")),
                    _ => agent(100 + u64::from(number)),
                };
                let (from, to) = if out { (agent(HUB), partner) } else { (partner, agent(HUB)) };
                let kind = if number.is_multiple_of(5) { "knows" } else { "met" }.into();
                Entity::Edge { from, kind, to }
            }
        }
    }
}

fn values() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        4 => (-3..3i64).prop_map(Value::Int),
        1 => any::<i64>().prop_map(Value::Int),
        1 => (-1e9..1e9f64).prop_map(Value::Float),
        2 => "[a-z]{0,6}".prop_map(Value::Text),
        1 => "[a-zäß ]{100,200}".prop_map(Value::Text),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        1 => (0..900i64).prop_map(|units| Value::Time(time(units))),
        1 => (1..4u64).prop_map(|serial| Value::Vertex(Vertex::Agent(AgentId(serial)))),
        1 => Just(Value::Vertex(Vertex::Named("only a value".into()))),
    ];
    plain.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(Value::Map),
        ]
    })
}

fn changes() -> impl Strategy<Value = Change> {
    let property = || 0..PROPERTIES.len();
    prop_oneof![
        1 => Just(Change::Nothing),
        10 => (property(), values()).prop_map(|(property, value)| Change::Set(property, value)),
        2 => property().prop_map(Change::Unset),
        1 => any::<bool>().prop_map(Change::Label),
        2 => prop::collection::vec((property(), values()), 0..6).prop_map(Change::Afresh),
        2 => Just(Change::Ended),
    ]
}

fn whens() -> impl Strategy<Value = When> {
    let nanos = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(999_999_999u32)];
    prop_oneof![
        30 => (0..3i64, nanos).prop_map(|(units, nanos)| When::Later(units, nanos)),
        4 => (1..400i64).prop_map(When::Back),
        3 => Just(When::Again),
        1 => prop_oneof![Just(When::Always), Just(When::End)],
    ]
}

fn acts_of(of: impl Strategy<Value = Of>) -> impl Strategy<Value = Act> {
    let lasts = prop_oneof![5 => Just(None), 1 => (1..60u16).prop_map(Some)];
    (of, whens(), lasts, changes()).prop_map(|(of, when, lasts, change)| Act {
        of,
        when,
        lasts,
        change,
    })
}

/// Acts on few entities, one of them above all.
pub fn acts() -> impl Strategy<Value = Act> {
    let others = prop_oneof![Just(Of::Place), Just(Of::Agent), Just(Of::Named), Just(Of::Edge)];
    acts_of(prop_oneof![3 => Just(Of::Mood), 2 => others])
}

/// Acts on the edges of a hub: most begin, and end later.
pub fn contacts() -> impl Strategy<Value = Act> {
    let of = || (any::<bool>(), 0..PARTNERS).prop_map(|(out, number)| Of::Partner { out, number });
    let ends = (of(), 0..3i64).prop_map(|(of, units)| Act {
        of,
        when: When::Later(units, 0),
        lasts: None,
        change: Change::Ended,
    });
    prop_oneof![2 => acts_of(of()), 1 => ends]
}

/// The writes of acts, in order.
pub fn writes(acts: &[Act]) -> Vec<Write> {
    let (mut clock, mut last) = (500, BTreeMap::<Entity, (Time, Content)>::new());
    let mut write = |act: &Act| {
        let entity = act.of.entity();
        let (before, content) =
            last.remove(&entity).unwrap_or_else(|| (time(clock), Content::with([])));
        let from = match act.when {
            When::Later(units, nanos) => {
                clock += units;
                Time::new(clock, nanos).unwrap()
            }
            When::Back(units) => time(clock - units),
            When::Again => before,
            When::Always => Time::MIN,
            When::End => Time::MAX,
        };
        let to = act.lasts.and_then(|units| {
            let units = from.units().checked_add(i64::from(units))?;
            Time::new(units, from.nanos())
        });
        let content = changed(content, &act.change);
        last.insert(entity.clone(), (from, content.clone()));
        Write { entity, valid: Valid { from, to }, content }
    };
    acts.iter().map(&mut write).collect()
}

fn changed(content: Content, change: &Change) -> Content {
    let (mut labels, mut properties) = match content {
        Content::Present { labels, properties } => (labels, properties),
        Content::Ended => ([].into(), Properties::new()),
    };
    let name = |property: &usize| PROPERTIES[*property].to_owned();
    match change {
        Change::Nothing => {}
        Change::Set(property, value) => {
            properties.insert(name(property), value.clone());
        }
        Change::Unset(property) => {
            properties.remove(&name(property));
        }
        Change::Label(true) => {
            labels.insert("hub".to_owned());
        }
        Change::Label(false) => {
            labels.remove("hub");
        }
        Change::Afresh(all) => {
            properties =
                all.iter().map(|(property, value)| (name(property), value.clone())).collect();
        }
        Change::Ended => return Content::Ended,
    }
    Content::Present { labels, properties }
}

/// The happenings of a log that remembers so: steps of several writes, with ticks, records that
/// say nothing and unreadable memories between them.
pub fn happenings(acts: &[Act], sizes: &[usize]) -> Vec<Happening> {
    let writes = writes(acts);
    let mut happenings = vec![Happening::Spawn(1), Happening::Tick];
    let (mut rest, mut sizes) = (writes.as_slice(), sizes.iter().cycle());
    while let Some((now, later)) = rest.split_at_checked(rest.len().min(*sizes.next().unwrap())) {
        if now.is_empty() {
            break;
        }
        rest = later;
        let mut done: Vec<Done> = now.iter().cloned().map(Done::Write).collect();
        match happenings.len() % 11 {
            0 => done.insert(0, Done::Sent),
            1 => done.push(Done::Noise),
            2 => done.insert(0, Done::Forgone(now[0].clone())),
            3 => happenings.push(Happening::Other),
            4 | 8 => happenings.push(Happening::Tick),
            _ => {}
        }
        happenings.push(Happening::Step(1 + happenings.len() as u64 % 3, done));
    }
    happenings.push(Happening::Spawn(2));
    happenings
}

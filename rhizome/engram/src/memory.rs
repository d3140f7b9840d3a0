//! A memory as a DAG-CBOR block. These types exist for the wire alone; `docs/engram-format.md`
//! shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use karyon_memory_ops::{
    Content, Entity, Memory, Recorded, Time, Valid, Value, Vertex, Write, WriteError,
};
use karyon_types::{AgentId, LeaseId, Position, Tick};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_bytes::ByteBuf;

/// Who recorded what a principal, and no agent, recorded: agents are numbered from 1.
const PRINCIPAL: AgentId = AgentId(0);

/// Whole units and billionths above them.
pub(crate) type WireTime = (i64, u32);

pub(crate) fn time_to_wire(time: Time) -> WireTime {
    (time.units(), time.nanos())
}

pub(crate) fn time_from_wire((units, nanos): WireTime) -> Option<Time> {
    Time::new(units, nanos)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMemory {
    entity: WireEntity,
    valid: WireValid,
    content: WireContent,
    recorded: WireRecorded,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum WireEntity {
    Vertex(WireVertex),
    Edge { from: WireVertex, kind: String, to: WireVertex },
    Fact { subject: WireVertex, predicate: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireVertex {
    Agent(u64),
    Named(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireValid {
    from: WireTime,
    to: Option<WireTime>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum WireContent {
    Present { labels: Vec<String>, properties: BTreeMap<String, WireValue> },
    Ended,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRecorded {
    position: u64,
    tick: u64,
    agent: u64,
    step: u64,
    output: Option<u16>,
    lease: u64,
}

/// Null, true and false are themselves; everything else says its type.
#[derive(Serialize)]
#[serde(untagged)]
enum WireValue {
    Null(()),
    Bool(bool),
    Typed(WireTyped),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireTyped {
    I64(i64),
    F64(f64),
    Text(String),
    Bytes(ByteBuf),
    Time(WireTime),
    Agent(u64),
    Named(String),
    List(Vec<WireValue>),
    Map(BTreeMap<String, WireValue>),
}

impl<'de> Deserialize<'de> for WireValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WireValue, D::Error> {
        struct ValueVisitor;

        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = WireValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, true, false or a map of one type")
            }

            fn visit_unit<E>(self) -> Result<WireValue, E> {
                Ok(WireValue::Null(()))
            }

            fn visit_none<E>(self) -> Result<WireValue, E> {
                Ok(WireValue::Null(()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<WireValue, E> {
                Ok(WireValue::Bool(value))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WireValue, A::Error> {
                WireTyped::deserialize(MapAccessDeserializer::new(map)).map(WireValue::Typed)
            }
        }

        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Why a memory has no block.
pub(crate) enum Unwritable {
    /// It is out of the bounds of any memory.
    Bounds(WriteError),
    /// What is in bounds encodes.
    Encoder,
}

/// The block of a memory.
pub(crate) fn encode(memory: &Memory) -> Result<Vec<u8>, Unwritable> {
    memory.write.encode(&mut Vec::new()).map_err(Unwritable::Bounds)?;
    serde_ipld_dagcbor::to_vec(&WireMemory::from(memory)).map_err(|_| Unwritable::Encoder)
}

/// Reads a block; what is wrong with it when it is no memory in its one form.
pub(crate) fn decode(block: &[u8]) -> Result<Memory, &'static str> {
    let memory = decode_known(block)?;
    match encode(&memory) {
        Ok(again) if again == block => Ok(memory),
        Ok(_) => Err("is not in its one form"),
        Err(Unwritable::Bounds(_)) => Err("is out of the bounds of a memory"),
        Err(Unwritable::Encoder) => Err("cannot be written again"),
    }
}

/// Reads a block that is in its one form.
pub(crate) fn decode_known(block: &[u8]) -> Result<Memory, &'static str> {
    let wire: WireMemory =
        serde_ipld_dagcbor::from_slice(block).map_err(|_| "is no memory in DAG-CBOR")?;
    wire.into_memory().ok_or("holds a moment that is none")
}

/// The agents that a memory mentions, its writer included, unless a principal recorded it.
pub(crate) fn mentions(memory: &Memory, into: &mut BTreeSet<AgentId>) {
    if memory.recorded.agent != PRINCIPAL {
        into.insert(memory.recorded.agent);
    }
    match &memory.write.entity {
        Entity::Vertex(vertex) | Entity::Fact { subject: vertex, .. } => mention(vertex, into),
        Entity::Edge { from, to, .. } => {
            mention(from, into);
            mention(to, into);
        }
    }
    if let Content::Present { properties, .. } = &memory.write.content {
        properties.values().for_each(|value| mentions_in(value, into));
    }
}

fn mention(vertex: &Vertex, into: &mut BTreeSet<AgentId>) {
    if let Vertex::Agent(agent) = vertex {
        into.insert(*agent);
    }
}

fn mentions_in(value: &Value, into: &mut BTreeSet<AgentId>) {
    match value {
        Value::Vertex(vertex) => mention(vertex, into),
        Value::List(values) => values.iter().for_each(|value| mentions_in(value, into)),
        Value::Map(map) => map.values().for_each(|value| mentions_in(value, into)),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Time(_) => {}
    }
}

impl From<&Memory> for WireMemory {
    fn from(memory: &Memory) -> WireMemory {
        let Memory { write, recorded } = memory;
        WireMemory {
            entity: (&write.entity).into(),
            valid: WireValid {
                from: time_to_wire(write.valid.from),
                to: write.valid.to.map(time_to_wire),
            },
            content: match &write.content {
                Content::Present { labels, properties } => WireContent::Present {
                    labels: labels.iter().cloned().collect(),
                    properties: map_to_wire(properties),
                },
                Content::Ended => WireContent::Ended,
            },
            recorded: WireRecorded {
                position: recorded.position.0,
                tick: recorded.tick.0,
                agent: recorded.agent.0,
                step: recorded.step,
                output: recorded.output,
                lease: recorded.lease.0,
            },
        }
    }
}

impl WireMemory {
    /// `None`: a moment is none.
    fn into_memory(self) -> Option<Memory> {
        let valid = Valid {
            from: time_from_wire(self.valid.from)?,
            to: match self.valid.to {
                Some(to) => Some(time_from_wire(to)?),
                None => None,
            },
        };
        let content = match self.content {
            WireContent::Present { labels, properties } => Content::Present {
                labels: labels.into_iter().collect(),
                properties: map_from_wire(properties)?,
            },
            WireContent::Ended => Content::Ended,
        };
        let recorded = Recorded {
            position: Position(self.recorded.position),
            tick: Tick(self.recorded.tick),
            agent: AgentId(self.recorded.agent),
            step: self.recorded.step,
            output: self.recorded.output,
            lease: LeaseId(self.recorded.lease),
        };
        Some(Memory { write: Write { entity: self.entity.into(), valid, content }, recorded })
    }
}

impl From<&Entity> for WireEntity {
    fn from(entity: &Entity) -> WireEntity {
        match entity {
            Entity::Vertex(vertex) => WireEntity::Vertex(vertex.into()),
            Entity::Edge { from, kind, to } => {
                WireEntity::Edge { from: from.into(), kind: kind.clone(), to: to.into() }
            }
            Entity::Fact { subject, predicate } => {
                WireEntity::Fact { subject: subject.into(), predicate: predicate.clone() }
            }
        }
    }
}

impl From<WireEntity> for Entity {
    fn from(entity: WireEntity) -> Entity {
        match entity {
            WireEntity::Vertex(vertex) => Entity::Vertex(vertex.into()),
            WireEntity::Edge { from, kind, to } => {
                Entity::Edge { from: from.into(), kind, to: to.into() }
            }
            WireEntity::Fact { subject, predicate } => {
                Entity::Fact { subject: subject.into(), predicate }
            }
        }
    }
}

impl From<&Vertex> for WireVertex {
    fn from(vertex: &Vertex) -> WireVertex {
        match vertex {
            Vertex::Agent(agent) => WireVertex::Agent(agent.0),
            Vertex::Named(name) => WireVertex::Named(name.clone()),
        }
    }
}

impl From<WireVertex> for Vertex {
    fn from(vertex: WireVertex) -> Vertex {
        match vertex {
            WireVertex::Agent(serial) => Vertex::Agent(AgentId(serial)),
            WireVertex::Named(name) => Vertex::Named(name),
        }
    }
}

impl From<&Value> for WireValue {
    fn from(value: &Value) -> WireValue {
        WireValue::Typed(match value {
            Value::Null => return WireValue::Null(()),
            Value::Bool(value) => return WireValue::Bool(*value),
            Value::Int(number) => WireTyped::I64(*number),
            // -0 and 0 are equal, so they are written alike.
            Value::Float(number) => WireTyped::F64(number + 0.0),
            Value::Text(text) => WireTyped::Text(text.clone()),
            Value::Bytes(bytes) => WireTyped::Bytes(ByteBuf::from(bytes.clone())),
            Value::Time(time) => WireTyped::Time(time_to_wire(*time)),
            Value::Vertex(Vertex::Agent(agent)) => WireTyped::Agent(agent.0),
            Value::Vertex(Vertex::Named(name)) => WireTyped::Named(name.clone()),
            Value::List(values) => WireTyped::List(values.iter().map(WireValue::from).collect()),
            Value::Map(map) => WireTyped::Map(map_to_wire(map)),
        })
    }
}

/// `None`: a moment is none.
fn value_from_wire(value: WireValue) -> Option<Value> {
    Some(match value {
        WireValue::Null(()) => Value::Null,
        WireValue::Bool(value) => Value::Bool(value),
        WireValue::Typed(WireTyped::I64(number)) => Value::Int(number),
        WireValue::Typed(WireTyped::F64(number)) => Value::Float(number),
        WireValue::Typed(WireTyped::Text(text)) => Value::Text(text),
        WireValue::Typed(WireTyped::Bytes(bytes)) => Value::Bytes(bytes.into_vec()),
        WireValue::Typed(WireTyped::Time(time)) => Value::Time(time_from_wire(time)?),
        WireValue::Typed(WireTyped::Agent(serial)) => Value::Vertex(Vertex::Agent(AgentId(serial))),
        WireValue::Typed(WireTyped::Named(name)) => Value::Vertex(Vertex::Named(name)),
        WireValue::Typed(WireTyped::List(values)) => {
            Value::List(values.into_iter().map(value_from_wire).collect::<Option<_>>()?)
        }
        WireValue::Typed(WireTyped::Map(map)) => Value::Map(map_from_wire(map)?),
    })
}

fn map_to_wire(map: &BTreeMap<String, Value>) -> BTreeMap<String, WireValue> {
    map.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

fn map_from_wire(map: BTreeMap<String, WireValue>) -> Option<BTreeMap<String, Value>> {
    map.into_iter().map(|(name, value)| Some((name, value_from_wire(value)?))).collect()
}

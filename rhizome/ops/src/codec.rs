//! The bytes of a write. `docs/formats.md` shows them.
//!
//! A tag for the kind of entity and of content, then the parts in order; numbers as varints
//! (signed ones in zigzag), names and texts behind their length, maps and sets in the order of
//! their names. Every value has one encoding.

use std::collections::BTreeSet;

use karyon_types::{AgentId, varint};

use crate::limits::{DEPTH_MAX, NAME_BYTES_MAX, WRITE_BYTES_MAX};
use crate::{Content, Entity, Parts, Properties, Time, Value, Vertex, Write, parts};

/// Why a write cannot be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// It is too long.
    #[error("a memory is longer than {WRITE_BYTES_MAX} bytes")]
    TooLong,
    /// A name is empty, too long, or holds control characters, which would speak to terminals.
    #[error("a name is empty, longer than {NAME_BYTES_MAX} bytes, or holds control characters")]
    Name,
    /// Agents are numbered from 1.
    #[error("there is no agent 0")]
    NoAgent,
    /// Lists or maps are nested too deep.
    #[error("values are nested deeper than {DEPTH_MAX}")]
    Depth,
    /// A number is infinite or not a number.
    #[error("a number is not finite")]
    NotFinite,
    /// It ends before it begins.
    #[error("a memory is valid for no moment")]
    Interval,
}

pub(crate) mod tag {
    pub(crate) const VERTEX: u8 = 0;
    pub(crate) const EDGE: u8 = 1;
    pub(crate) const FACT: u8 = 2;
    /// Beside the entity's: it is no more.
    pub(crate) const ENDED: u8 = 4;
    /// Beside the entity's: valid time has an end.
    pub(crate) const BOUNDED: u8 = 8;
    /// Beside the entity's: there are labels.
    pub(crate) const LABELS: u8 = 16;
    pub(crate) const ALL: u8 = 31;
    pub(crate) const ENTITY: u8 = 3;

    pub(crate) const NULL: u8 = 0;
    pub(crate) const FALSE: u8 = 1;
    pub(crate) const TRUE: u8 = 2;
    pub(crate) const INT: u8 = 3;
    pub(crate) const FLOAT: u8 = 4;
    pub(crate) const TEXT: u8 = 5;
    pub(crate) const BYTES: u8 = 6;
    pub(crate) const TIME: u8 = 7;
    pub(crate) const AGENT: u8 = 8;
    pub(crate) const NAMED: u8 = 9;
    pub(crate) const LIST: u8 = 10;
    pub(crate) const MAP: u8 = 11;
}

impl Write {
    /// Appends the write's bytes.
    ///
    /// # Errors
    /// See [`WriteError`]; `out` then holds a part of it.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let start = out.len();
        let labels = match &self.content {
            Content::Present { labels, .. } => !labels.is_empty(),
            Content::Ended => false,
        };
        let entity = match self.entity {
            Entity::Vertex(_) => tag::VERTEX,
            Entity::Edge { .. } => tag::EDGE,
            Entity::Fact { .. } => tag::FACT,
        };
        let flag = |is: bool, flag| if is { flag } else { 0 };
        out.push(
            entity
                | flag(self.content == Content::Ended, tag::ENDED)
                | flag(self.valid.to.is_some(), tag::BOUNDED)
                | flag(labels, tag::LABELS),
        );
        match &self.entity {
            Entity::Vertex(vertex) => put_vertex(out, vertex)?,
            Entity::Edge { from, kind, to } => {
                put_vertex(out, from)?;
                put_name(out, kind)?;
                put_vertex(out, to)?;
            }
            Entity::Fact { subject, predicate } => {
                put_vertex(out, subject)?;
                put_name(out, predicate)?;
            }
        }
        put_time(out, self.valid.from);
        if let Some(to) = self.valid.to {
            if to <= self.valid.from {
                return Err(WriteError::Interval);
            }
            put_time(out, to);
        }
        if let Content::Present { labels, properties } = &self.content {
            if !labels.is_empty() {
                varint::write(out, labels.len() as u64);
                labels.iter().try_for_each(|label| put_name(out, label))?;
            }
            put_map(out, properties, DEPTH_MAX)?;
        }
        if out.len() - start > WRITE_BYTES_MAX {
            return Err(WriteError::TooLong);
        }
        Ok(())
    }

    /// Reads a write; `None` when the bytes are no write, or not in their one form.
    pub fn decode(bytes: &[u8]) -> Option<Write> {
        Parts::read(bytes)?.decode()
    }
}

pub(crate) fn byte(b: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = b.split_first()?;
    *b = rest;
    Some(first)
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn get_bytes<'a>(b: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint::read(b)?).ok()?;
    let (bytes, rest) = b.split_at_checked(len)?;
    *b = rest;
    Some(bytes)
}

pub(crate) fn put_name(out: &mut Vec<u8>, name: &str) -> Result<(), WriteError> {
    if !is_name(name) {
        return Err(WriteError::Name);
    }
    put_bytes(out, name.as_bytes());
    Ok(())
}

pub(crate) fn get_name(b: &mut &[u8]) -> Option<String> {
    get_str(b).map(str::to_owned)
}

/// A name where it stands.
pub(crate) fn get_str<'a>(b: &mut &'a [u8]) -> Option<&'a str> {
    let name = std::str::from_utf8(get_bytes(b)?).ok()?;
    is_name(name).then_some(name)
}

/// Whether a text can name something.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control)
}

/// An agent is its serial above 0; 0 announces a name.
pub(crate) fn put_vertex(out: &mut Vec<u8>, vertex: &Vertex) -> Result<(), WriteError> {
    match vertex {
        Vertex::Agent(AgentId(0)) => Err(WriteError::NoAgent),
        Vertex::Agent(agent) => {
            varint::write(out, agent.0);
            Ok(())
        }
        Vertex::Named(name) => {
            out.push(0);
            put_name(out, name)
        }
    }
}

pub(crate) fn get_vertex(b: &mut &[u8]) -> Option<Vertex> {
    parts::vertex(b).map(Vertex::from)
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    varint::write(out, ((number << 1) ^ (number >> 63)) as u64);
}

fn get_signed(b: &mut &[u8]) -> Option<i64> {
    let coded = varint::read(b)?;
    Some((coded >> 1) as i64 ^ -((coded & 1) as i64))
}

pub(crate) fn put_time(out: &mut Vec<u8>, time: Time) {
    put_signed(out, time.units());
    varint::write(out, u64::from(time.nanos()));
}

pub(crate) fn get_time(b: &mut &[u8]) -> Option<Time> {
    Time::new(get_signed(b)?, varint::read(b)?.try_into().ok()?)
}

pub(crate) fn get_labels(b: &mut &[u8]) -> Option<BTreeSet<String>> {
    let count = varint::read(b)?;
    let mut labels = BTreeSet::new();
    for _ in 0..count {
        let label = get_name(b)?;
        if labels.last().is_some_and(|last| *last >= label) {
            return None;
        }
        labels.insert(label);
    }
    (count > 0).then_some(labels)
}

fn put_map(out: &mut Vec<u8>, map: &Properties, depth: usize) -> Result<(), WriteError> {
    varint::write(out, map.len() as u64);
    map.iter().try_for_each(|(name, value)| {
        put_name(out, name)?;
        put_value(out, value, depth)
    })
}

pub(crate) fn get_map(b: &mut &[u8], depth: usize) -> Option<Properties> {
    let count = varint::read(b)?;
    let mut map = Properties::new();
    for _ in 0..count {
        let name = get_name(b)?;
        if map.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return None;
        }
        map.insert(name, get_value(b, depth)?);
    }
    Some(map)
}

fn put_value(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), WriteError> {
    match value {
        Value::Null => out.push(tag::NULL),
        Value::Bool(false) => out.push(tag::FALSE),
        Value::Bool(true) => out.push(tag::TRUE),
        Value::Int(number) => {
            out.push(tag::INT);
            put_signed(out, *number);
        }
        Value::Float(number) => {
            if !number.is_finite() {
                return Err(WriteError::NotFinite);
            }
            out.push(tag::FLOAT);
            // -0 and 0 are equal, so they are written alike.
            out.extend_from_slice(&(number + 0.0).to_le_bytes());
        }
        Value::Text(text) => {
            out.push(tag::TEXT);
            put_bytes(out, text.as_bytes());
        }
        Value::Bytes(bytes) => {
            out.push(tag::BYTES);
            put_bytes(out, bytes);
        }
        Value::Time(time) => {
            out.push(tag::TIME);
            put_time(out, *time);
        }
        Value::Vertex(Vertex::Agent(agent)) => {
            if agent.0 == 0 {
                return Err(WriteError::NoAgent);
            }
            out.push(tag::AGENT);
            varint::write(out, agent.0);
        }
        Value::Vertex(Vertex::Named(name)) => {
            out.push(tag::NAMED);
            put_name(out, name)?;
        }
        Value::List(values) => {
            let depth = depth.checked_sub(1).ok_or(WriteError::Depth)?;
            out.push(tag::LIST);
            varint::write(out, values.len() as u64);
            values.iter().try_for_each(|value| put_value(out, value, depth))?;
        }
        Value::Map(map) => {
            let depth = depth.checked_sub(1).ok_or(WriteError::Depth)?;
            out.push(tag::MAP);
            put_map(out, map, depth)?;
        }
    }
    Ok(())
}

fn get_value(b: &mut &[u8], depth: usize) -> Option<Value> {
    Some(match byte(b)? {
        tag::NULL => Value::Null,
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::INT => Value::Int(get_signed(b)?),
        tag::FLOAT => {
            let (bytes, rest) = b.split_first_chunk::<8>()?;
            *b = rest;
            let number = f64::from_le_bytes(*bytes);
            if !number.is_finite() || (number == 0.0 && number.is_sign_negative()) {
                return None;
            }
            Value::Float(number)
        }
        tag::TEXT => Value::Text(std::str::from_utf8(get_bytes(b)?).ok()?.to_owned()),
        tag::BYTES => Value::Bytes(get_bytes(b)?.to_vec()),
        tag::TIME => Value::Time(get_time(b)?),
        tag::AGENT => match varint::read(b)? {
            0 => return None,
            serial => Value::Vertex(Vertex::Agent(AgentId(serial))),
        },
        tag::NAMED => Value::Vertex(Vertex::Named(get_name(b)?)),
        tag::LIST => {
            let depth = depth.checked_sub(1)?;
            let count = varint::read(b)?;
            Value::List((0..count).map(|_| get_value(b, depth)).collect::<Option<_>>()?)
        }
        tag::MAP => Value::Map(get_map(b, depth.checked_sub(1)?)?),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

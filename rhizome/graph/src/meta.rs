//! A version without its content.

use std::cmp::Ordering;

use karyon_engram::Cid;
use karyon_memory_ops::{ContentRef, Recorded, Time, Valid};
use karyon_types::{AgentId, LeaseId, Position, Tick, varint};

mod flag {
    /// Valid time has an end: it follows.
    pub(super) const BOUNDED: u8 = 1;
    /// From then on the entity is no more.
    pub(super) const ENDED: u8 = 2;
    /// Imported: the position of the import and the CID follow.
    pub(super) const IMPORTED: u8 = 4;
    /// The content begins with labels.
    pub(super) const LABELLED: u8 = 8;
    /// Agent and lease are those of the version behind it.
    pub(super) const SAME_WRITER: u8 = 16;
    /// It begins at a whole unit of time.
    pub(super) const WHOLE: u8 = 32;
    /// It is its step's first output.
    pub(super) const FIRST_OUTPUT: u8 = 64;
    pub(super) const ALL: u8 = 127;
}

/// What a version says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The entity is no more.
    Ended,
    /// There, without labels.
    Plain,
    /// There, the labels in front of the properties.
    Labelled,
}

/// A memory that was brought by an engram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    /// The record of the import.
    pub(crate) position: u64,
    pub(crate) cid: [u8; Cid::BYTES],
}

/// A version without its content: its place among the versions of its entity, and where it comes
/// from. Places and writers are those of the log that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) from: Time,
    pub(crate) to: Option<Time>,
    pub(crate) shape: Shape,
    pub(crate) position: u64,
    /// The output's number, above 0; 0: none.
    pub(crate) seq: u32,
    pub(crate) tick: u64,
    pub(crate) agent: u64,
    pub(crate) step: u64,
    pub(crate) lease: u64,
    pub(crate) imported: Option<Imported>,
}

impl Default for Meta {
    /// What the first one of a row is told in relation to.
    fn default() -> Meta {
        Meta {
            from: Time::ZERO,
            to: None,
            shape: Shape::Plain,
            position: 0,
            seq: 0,
            tick: 0,
            agent: 0,
            step: 0,
            lease: 0,
            imported: None,
        }
    }
}

impl Meta {
    /// Its transaction time here.
    pub(crate) fn recorded(&self) -> u64 {
        self.imported.map_or(self.position, |imported| imported.position)
    }

    /// The order of the rule of reading.
    pub(crate) fn order(&self, other: &Meta) -> Ordering {
        let key = |meta: &Meta| (meta.from, meta.position, meta.seq);
        let cid = |meta: &Meta| meta.imported.map(|imported| imported.cid);
        key(self).cmp(&key(other)).then_with(|| cid(self).cmp(&cid(other)))
    }

    pub(crate) fn valid(&self) -> Valid {
        Valid { from: self.from, to: self.to }
    }

    pub(crate) fn ended(&self) -> bool {
        self.shape == Shape::Ended
    }

    /// Whether it says that the entity is there, or is not, for all time from its beginning on.
    pub(crate) fn for_good(&self) -> bool {
        self.to.is_none()
    }

    /// Its content, given the bytes.
    pub(crate) fn content<'a>(&self, bytes: &'a [u8]) -> ContentRef<'a> {
        match self.shape {
            Shape::Ended => ContentRef::Ended,
            Shape::Plain => ContentRef::Present { labelled: false, bytes },
            Shape::Labelled => ContentRef::Present { labelled: true, bytes },
        }
    }

    /// Where it was recorded; `None` when it is damaged.
    pub(crate) fn recorded_at(&self) -> Option<Recorded> {
        Some(Recorded {
            position: Position(self.position),
            tick: Tick(self.tick),
            agent: AgentId(self.agent),
            step: self.step,
            output: match self.seq.checked_sub(1) {
                None => None,
                Some(output) => Some(output.try_into().ok()?),
            },
            lease: LeaseId(self.lease),
        })
    }

    /// Appends what is different from `base`.
    pub(crate) fn encode(&self, base: &Meta, out: &mut Vec<u8>) {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        let same_writer = (self.agent, self.lease) == (base.agent, base.lease);
        out.push(
            flag(self.to.is_some(), flag::BOUNDED)
                | flag(self.shape == Shape::Ended, flag::ENDED)
                | flag(self.shape == Shape::Labelled, flag::LABELLED)
                | flag(self.imported.is_some(), flag::IMPORTED)
                | flag(same_writer, flag::SAME_WRITER)
                | flag(self.from.nanos() == 0, flag::WHOLE)
                | flag(self.seq == 1, flag::FIRST_OUTPUT),
        );
        write_change(out, self.from.units() as u64, base.from.units() as u64);
        if self.from.nanos() != 0 {
            varint::write(out, u64::from(self.from.nanos()));
        }
        if let Some(to) = self.to {
            write_change(out, to.units() as u64, self.from.units() as u64);
            varint::write(out, u64::from(to.nanos()));
        }
        write_change(out, self.position, base.position);
        if self.seq != 1 {
            varint::write(out, u64::from(self.seq));
        }
        write_change(out, self.tick, base.tick);
        write_change(out, self.step, base.step);
        if !same_writer {
            write_change(out, self.agent, base.agent);
            write_change(out, self.lease, base.lease);
        }
        if let Some(Imported { position, cid }) = &self.imported {
            varint::write(out, *position);
            out.extend_from_slice(cid);
        }
    }

    /// Reads what [`encode`](Meta::encode) wrote in relation to the same `base`; `None` when it is
    /// damaged.
    pub(crate) fn decode(b: &mut &[u8], base: &Meta) -> Option<Meta> {
        let (&flags, rest) = b.split_first()?;
        *b = rest;
        let has = |flag: u8| flags & flag != 0;
        let shape = match (has(flag::ENDED), has(flag::LABELLED)) {
            (false, false) => Shape::Plain,
            (false, true) => Shape::Labelled,
            (true, false) => Shape::Ended,
            (true, true) => return None,
        };
        (flags & !flag::ALL == 0).then_some(())?;
        let units = read_change(b, base.from.units() as u64)? as i64;
        let from = Time::new(units, if has(flag::WHOLE) { 0 } else { read_small(b)? })?;
        let to = if has(flag::BOUNDED) {
            Some(Time::new(read_change(b, units as u64)? as i64, read_small(b)?)?)
        } else {
            None
        };
        let position = read_change(b, base.position)?;
        let seq = if has(flag::FIRST_OUTPUT) { 1 } else { read_small(b)? };
        let (tick, step) = (read_change(b, base.tick)?, read_change(b, base.step)?);
        let (agent, lease) = if has(flag::SAME_WRITER) {
            (base.agent, base.lease)
        } else {
            (read_change(b, base.agent)?, read_change(b, base.lease)?)
        };
        let imported = if has(flag::IMPORTED) {
            let position = varint::read(b)?;
            let (cid, rest) = b.split_first_chunk()?;
            *b = rest;
            Some(Imported { position, cid: *cid })
        } else {
            None
        };
        Some(Meta { from, to, shape, position, seq, tick, agent, step, lease, imported })
    }
}

/// Appends by how much a number is above or below another: little where they are close.
pub(crate) fn write_change(out: &mut Vec<u8>, number: u64, base: u64) {
    let change = number.wrapping_sub(base) as i64;
    varint::write(out, ((change << 1) ^ (change >> 63)) as u64);
}

pub(crate) fn read_change(b: &mut &[u8], base: u64) -> Option<u64> {
    let coded = varint::read(b)?;
    Some(base.wrapping_add((coded >> 1) ^ (coded & 1).wrapping_neg()))
}

pub(crate) fn write_time(out: &mut Vec<u8>, time: Time) {
    write_change(out, time.units() as u64, 0);
    varint::write(out, u64::from(time.nanos()));
}

pub(crate) fn read_time(b: &mut &[u8]) -> Option<Time> {
    Time::new(read_change(b, 0)? as i64, read_small(b)?)
}

fn read_small(b: &mut &[u8]) -> Option<u32> {
    varint::read(b)?.try_into().ok()
}

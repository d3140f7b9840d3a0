//! What stands behind a version's key.

use karyon_memory_ops::{Recorded, Time, Write};
use karyon_types::{AgentId, LeaseId, Position, Tick, varint};

use crate::keys::VersionKey;

mod flag {
    /// Valid time has an end: it follows.
    pub(super) const BOUNDED: u8 = 1;
    /// From then on the entity is no more.
    pub(super) const ENDED: u8 = 2;
    /// Imported: the position of the import follows.
    pub(super) const IMPORTED: u8 = 4;
    pub(super) const ALL: u8 = 7;
}

/// A version's row: what a scan needs first, then where it comes from, then the write as the
/// log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) to: Option<Time>,
    pub(crate) ended: bool,
    pub(crate) tick: u64,
    pub(crate) agent: u64,
    pub(crate) step: u64,
    pub(crate) lease: u64,
    /// The record that imported it; the key holds its place in the log that it comes from.
    pub(crate) import: Option<Position>,
    pub(crate) write: &'a [u8],
}

impl<'a> Row<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        out.push(
            flag(self.to.is_some(), flag::BOUNDED)
                | flag(self.ended, flag::ENDED)
                | flag(self.import.is_some(), flag::IMPORTED),
        );
        if let Some(to) = self.to {
            out.extend_from_slice(&to.to_sortable());
        }
        for number in [self.tick, self.agent, self.step, self.lease] {
            varint::write(out, number);
        }
        if let Some(import) = self.import {
            varint::write(out, import.0);
        }
        out.extend_from_slice(self.write);
    }

    /// `None` when it is damaged.
    pub(crate) fn decode(mut bytes: &'a [u8]) -> Option<Row<'a>> {
        let b = &mut bytes;
        let (&flags, rest) = b.split_first()?;
        *b = rest;
        if flags & !flag::ALL != 0 {
            return None;
        }
        let to = if flags & flag::BOUNDED != 0 {
            let (time, rest) = b.split_first_chunk::<12>()?;
            *b = rest;
            Some(Time::from_sortable(*time)?)
        } else {
            None
        };
        let (tick, agent) = (varint::read(b)?, varint::read(b)?);
        let (step, lease) = (varint::read(b)?, varint::read(b)?);
        let import =
            if flags & flag::IMPORTED != 0 { Some(Position(varint::read(b)?)) } else { None };
        let ended = flags & flag::ENDED != 0;
        Some(Row { to, ended, tick, agent, step, lease, import, write: bytes })
    }

    /// Its transaction time in this log.
    pub(crate) fn position(&self, key: &VersionKey) -> Position {
        self.import.unwrap_or(key.position())
    }

    /// Where it was recorded, in the log that it comes from.
    pub(crate) fn recorded(&self, key: &VersionKey) -> Option<Recorded> {
        Some(Recorded {
            position: key.position(),
            tick: Tick(self.tick),
            agent: AgentId(self.agent),
            step: self.step,
            output: read_seq(key.seq())?,
            lease: LeaseId(self.lease),
        })
    }

    pub(crate) fn write(&self) -> Option<Write> {
        Write::decode(self.write)
    }
}

/// The row of a vertex: the length of its identity, the identity, the name.
pub(crate) fn vertex(identity: &[u8], name: &str) -> Vec<u8> {
    let mut row = Vec::new();
    varint::write(&mut row, identity.len() as u64);
    row.extend_from_slice(identity);
    row.extend_from_slice(name.as_bytes());
    row
}

/// Identity and name; `None` when the row is damaged.
pub(crate) fn read_vertex(mut row: &[u8]) -> Option<(&[u8], &str)> {
    let len = usize::try_from(varint::read(&mut row)?).ok()?;
    let (identity, name) = row.split_at_checked(len)?;
    Some((identity, std::str::from_utf8(name).ok()?))
}

/// An output as a number that sorts: 0 stands for none.
pub(crate) fn seq(output: Option<u16>) -> u32 {
    output.map_or(0, |output| u32::from(output) + 1)
}

fn read_seq(seq: u32) -> Option<Option<u16>> {
    match seq.checked_sub(1) {
        None => Some(None),
        Some(output) => Some(Some(output.try_into().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_cuts_are_refused() {
        for (to, ended, import) in [
            (None, false, None),
            (Time::new(-5, 7), true, None),
            (None, true, Some(Position(u64::MAX))),
            (Time::new(i64::MAX, 999_999_999), false, Some(Position(0))),
        ] {
            let row =
                Row { to, ended, tick: 300, agent: 1, step: 0, lease: 9, import, write: b"abc" };
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert_eq!(Row::decode(&bytes), Some(row));
            for cut in 0..bytes.len() - 3 {
                assert_eq!(Row::decode(&bytes[..cut]), None, "{cut}");
            }
            bytes[0] |= 8;
            assert_eq!(Row::decode(&bytes), None);
        }
        for output in [None, Some(0), Some(u16::MAX)] {
            assert_eq!(read_seq(seq(output)), Some(output));
        }
        assert_eq!(read_seq(65_537), None);
    }
}

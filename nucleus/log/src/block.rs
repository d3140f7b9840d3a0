//! Blocks: a run of records, hashed as one.

use karyon_types::{Hash, LogId};

use crate::FORMAT_VERSION;
use crate::limits::BLOCK_BYTES_MAX;

const MAGIC: [u8; 4] = *b"KBLK";
const FLAG_SEAL: u32 = 2;
const FLAG_TURN: u32 = 4;

/// Which sequence of blocks a block belongs to. Each has its own chain and its own local index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The node's own history: genesis, boots, interruptions, the seal.
    Control = 0,
    /// The agents' steps in tick order: the same bytes for any number of schedulers.
    Ticks = 1,
}

impl Lane {
    /// How many lanes there are.
    pub const COUNT: usize = 2;

    fn from_number(number: u16) -> Option<Lane> {
        [Lane::Control, Lane::Ticks].into_iter().find(|lane| *lane as u16 == number)
    }
}

/// What stands before a block's records. `docs/formats.md` shows the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The log that it belongs to.
    pub log: LogId,
    /// The start of the node that wrote it.
    pub boot: u32,
    /// Its lane.
    pub lane: Lane,
    /// How many records lie before it in its lane.
    pub first: u64,
    /// How many records it holds.
    pub count: u32,
    /// Milliseconds since 1970 (UTC) when it was sealed.
    pub wall_ms: u64,
    /// The hash of the block before it in its lane.
    pub previous: Hash,
    /// The length of its records, bytes.
    pub body_len: u32,
    /// Whether its last record seals the log.
    pub seals: bool,
    /// Whether it ends its file, and the log goes on in the next.
    pub turns: bool,
}

impl BlockHeader {
    /// Its size, bytes.
    pub const BYTES: usize = 88;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut out = Vec::with_capacity(Self::BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&(self.lane as u16).to_le_bytes());
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.boot.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.wall_ms.to_le_bytes());
        out.extend_from_slice(&self.previous.0);
        out.extend_from_slice(&self.body_len.to_le_bytes());
        let flags = FLAG_SEAL * u32::from(self.seals) + FLAG_TURN * u32::from(self.turns);
        out.extend_from_slice(&flags.to_le_bytes());
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Reads what [`encode`](BlockHeader::encode) wrote, whatever follows it; `None` for anything else.
    pub fn decode(mut bytes: &[u8]) -> Option<BlockHeader> {
        let b = &mut bytes;
        if take::<4>(b)? != MAGIC || u16::from_le_bytes(take(b)?) != FORMAT_VERSION {
            return None;
        }
        let lane = Lane::from_number(u16::from_le_bytes(take(b)?))?;
        let log = LogId(take(b)?);
        let boot = u32::from_le_bytes(take(b)?);
        let count = u32::from_le_bytes(take(b)?);
        let first = u64::from_le_bytes(take(b)?);
        let wall_ms = u64::from_le_bytes(take(b)?);
        let previous = Hash(take(b)?);
        let body_len = u32::from_le_bytes(take(b)?);
        let (seals, turns) = match u32::from_le_bytes(take(b)?) {
            0 => (false, false),
            FLAG_SEAL => (true, false),
            FLAG_TURN => (false, true),
            _ => return None,
        };
        if body_len as usize > BLOCK_BYTES_MAX {
            return None;
        }
        let header = BlockHeader {
            log,
            boot,
            lane,
            first,
            count,
            wall_ms,
            previous,
            body_len,
            seals,
            turns,
        };
        Some(header)
    }
}

/// Takes the next `N` bytes.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// Where a lane stands: what the next block's header must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// How many records the lane holds.
    pub records: u64,
    /// The hash of its last block.
    pub last: Hash,
}

impl Default for LaneState {
    fn default() -> Self {
        LaneState { records: 0, last: Hash::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_comes_back_and_foreign_values_are_refused() {
        let header = BlockHeader {
            log: LogId([9; 16]),
            boot: 3,
            lane: Lane::Ticks,
            first: 12,
            count: 4,
            wall_ms: 1_700_000_000_000,
            previous: Hash([5; 32]),
            body_len: 99,
            seals: true,
            turns: false,
        };
        let bytes = header.encode();
        assert_eq!(BlockHeader::decode(&bytes), Some(header.clone()));
        let turning = BlockHeader { seals: false, turns: true, ..header };
        assert_eq!(BlockHeader::decode(&turning.encode()), Some(turning));
        assert_eq!(BlockHeader::decode(&bytes[1..]), None);
        for (at, value) in [(0, b'X'), (4, 9), (6, 7), (83, 0xff), (84, 1), (84, 6)] {
            let mut bad = bytes;
            bad[at] = value;
            assert_eq!(BlockHeader::decode(&bad), None, "byte {at}");
        }
    }
}

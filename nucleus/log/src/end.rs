//! Where a log ends, and a form of it that can be kept: whoever stores how far it has read goes
//! on from there without reading again what lies before.

use karyon_types::{Hash, LogId, hash};

use crate::block::{Lane, LaneState, take};
use crate::damage::Damage;
use crate::limits::SECTOR_BYTES;
use crate::tree::Tree;

const MAGIC: [u8; 8] = *b"KPLACE02";

/// Where a log ends, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The segment file in which the last commit lies, counted from 0.
    pub segment: u32,
    /// The end of the last commit in that file: where the next one goes while the log is unsealed.
    pub offset: u64,
    /// How many commits there are.
    pub commits: u64,
    /// The number of committed records.
    pub records: u64,
    /// The tree over all committed blocks.
    pub tree: Tree,
    /// Whether the last record seals the log.
    pub sealed: bool,
    /// Whether the last record ends its file, so that the log goes on in the next, once there is
    /// one.
    pub turned: bool,
    /// Bytes behind the last commit that are not zero and belong to no commit.
    pub tail_bytes: u64,
    /// What the tail looks like, should a checkpoint say that it was committed once.
    pub tail: Option<Damage>,
    /// The hash of the last commit.
    pub last_commit: Hash,
    /// Where the last commit begins in its file; 0 while there is none.
    pub last_commit_offset: u64,
    /// Where each lane stands.
    pub lanes: [LaneState; Lane::COUNT],
}

impl End {
    /// How many records of `lane` are committed.
    pub fn lane_records(&self, lane: Lane) -> u64 {
        self.lanes.get(lane as usize).map_or(0, |state| state.records)
    }

    /// The end of a log that holds nothing but its first sector.
    pub fn of_new_log() -> End {
        End {
            segment: 0,
            offset: SECTOR_BYTES,
            commits: 0,
            records: 0,
            tree: Tree::default(),
            sealed: false,
            turned: false,
            tail_bytes: 0,
            tail: None,
            last_commit: Hash::ZERO,
            last_commit_offset: 0,
            lanes: [LaneState::default(); Lane::COUNT],
        }
    }

    /// Whether nothing follows in the file of the last commit: it is sealed or turned.
    pub fn ends_file(&self) -> bool {
        self.sealed || self.turned
    }

    /// The segment in which the tail lies, should there be one: nothing follows a seal or a turn
    /// in its own file.
    pub fn tail_segment(&self) -> u32 {
        if self.ends_file() { self.segment.saturating_add(1) } else { self.segment }
    }

    /// The beginning of the next segment, once this one has ended.
    pub fn of_next_segment(&self) -> End {
        End {
            segment: self.segment.saturating_add(1),
            offset: SECTOR_BYTES,
            sealed: false,
            turned: false,
            ..self.without_tail()
        }
    }

    /// The same end, with nothing behind it.
    pub fn without_tail(&self) -> End {
        End { tail_bytes: 0, tail: None, ..self.clone() }
    }
}

/// A place between two commits of a certain log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which log.
    pub log: LogId,
    /// Where in it. A tail is not part of the place.
    pub end: End,
}

impl Place {
    /// Its bytes: `docs/formats.md` shows them.
    pub fn encode(&self) -> Vec<u8> {
        let End { segment, offset, commits, records, tree, sealed, turned, .. } = &self.end;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&segment.to_le_bytes());
        out.extend_from_slice(&(u32::from(*sealed) + 2 * u32::from(*turned)).to_le_bytes());
        for number in [*offset, *commits, *records, self.end.last_commit_offset] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.end.last_commit.0);
        for lane in &self.end.lanes {
            out.extend_from_slice(&lane.records.to_le_bytes());
            out.extend_from_slice(&lane.last.0);
        }
        out.extend_from_slice(&tree.size().to_le_bytes());
        tree.peaks().iter().for_each(|peak| out.extend_from_slice(peak));
        let check = hash(&out);
        out.extend_from_slice(&check.0);
        out
    }

    /// Reads what [`encode`](Place::encode) wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Place> {
        let (mut rest, check) = bytes.split_last_chunk::<32>()?;
        if hash(rest).0 != *check {
            return None;
        }
        let b = &mut rest;
        if take::<8>(b)? != MAGIC {
            return None;
        }
        let log = LogId(take(b)?);
        let segment = u32::from_le_bytes(take(b)?);
        let (sealed, turned) = match u32::from_le_bytes(take(b)?) {
            0 => (false, false),
            1 => (true, false),
            2 => (false, true),
            _ => return None,
        };
        let offset = u64::from_le_bytes(take(b)?);
        let commits = u64::from_le_bytes(take(b)?);
        let records = u64::from_le_bytes(take(b)?);
        let last_commit_offset = u64::from_le_bytes(take(b)?);
        let last_commit = Hash(take(b)?);
        let mut lanes = [LaneState::default(); Lane::COUNT];
        for lane in &mut lanes {
            *lane = LaneState { records: u64::from_le_bytes(take(b)?), last: Hash(take(b)?) };
        }
        let size = u64::from_le_bytes(take(b)?);
        let mut peaks = Vec::new();
        for _ in 0..size.count_ones() {
            peaks.push(take(b)?);
        }
        let tree = Tree::from_parts(size, peaks)?;
        let end = End {
            segment,
            offset,
            commits,
            records,
            tree,
            sealed,
            turned,
            last_commit,
            last_commit_offset,
            lanes,
            ..End::of_new_log()
        };
        b.is_empty().then_some(Place { log, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(blocks: u8) -> Place {
        let mut end =
            End { segment: 3, offset: 8192, commits: 7, sealed: true, ..End::of_new_log() };
        (0..blocks).for_each(|block| end.tree.push(Hash([block; 32])));
        end.lanes = [LaneState { records: 5, last: Hash([8; 32]) }, LaneState::default()];
        (end.last_commit, end.last_commit_offset) = (Hash([9; 32]), 4096);
        Place { log: LogId([4; 16]), end }
    }

    #[test]
    fn comes_back_and_nothing_else_is_taken_for_it() {
        for blocks in [0, 1, 2, 7, 8, 100] {
            let mut place = place(blocks);
            (place.end.sealed, place.end.turned) = (blocks == 7, blocks == 8);
            let bytes = place.encode();
            assert_eq!(Place::decode(&bytes), Some(place));
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 1;
                assert_eq!(Place::decode(&bad), None, "byte {at}");
                assert_eq!(Place::decode(&bytes[..at]), None, "cut to {at}");
            }
            assert_eq!(Place::decode(&[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn right_hashes_do_not_excuse_wrong_contents() {
        let good = place(3).encode();
        let sealed = 8 + 16 + 4;
        let size = good.len() - 32 - 2 * 32 - 8;
        for (at, value) in [(0, b'X'), (sealed, 3), (size, 4), (size, 7)] {
            let mut bad = good.clone();
            bad[at] = value;
            let body = bad.len() - 32;
            let check = hash(&bad[..body]);
            bad[body..].copy_from_slice(&check.0);
            assert_eq!(Place::decode(&bad), None, "byte {at}");
        }
    }

    #[test]
    fn a_tail_is_not_part_of_the_place() {
        let mut with_tail = place(2);
        with_tail.end.tail_bytes = 5;
        assert_eq!(Place::decode(&with_tail.encode()), Some(place(2)));
    }
}

//! Commits: the signed statement that makes a group of blocks real.
//!
//! A group is written in one piece, at the start of a sector: its commit, its blocks, zeros up
//! to the next sector. The commit stands first, so that its length is known before its blocks
//! are read, and holds the hash of each block, so that a torn group is never taken for a whole
//! one.

use karyon_identity::{PublicKey, SecretKey, Signature};
use karyon_types::{Hash, Hasher, LogId};

use crate::FORMAT_VERSION;
use crate::block::{BlockHeader, take};
use crate::limits::{BLOCK_BYTES_MAX, COMMIT_BLOCKS_MAX, COMMIT_BYTES, SECTOR_BYTES};

const MAGIC: [u8; 4] = *b"KCMT";
const FIXED: usize = 4 + 2 + 2 + 16 + 4 + 4 + 8 + 8 + 8 + 8 + 32 + 32;
const ENTRY: usize = 32 + 4 + 4;
const SIGNATURE: usize = 64;
/// The blocks of one commit: the last may cross the writer's mark by its whole length.
const BODY_BYTES_MAX: u64 =
    (COMMIT_BYTES + BLOCK_BYTES_MAX + COMMIT_BLOCKS_MAX * BlockHeader::BYTES) as u64;
const DOMAIN: &str = "karyon log commit v1";

/// One block in a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its hash, over header and records.
    pub hash: Hash,
    /// How many records it holds.
    pub count: u32,
    /// The length of header and records, bytes.
    pub len: u32,
}

/// A commit. `docs/formats.md` shows the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The log that it belongs to.
    pub log: LogId,
    /// Counted from 0.
    pub number: u64,
    /// Blocks in the tree after it.
    pub tree_size: u64,
    /// Records before it.
    pub first_record: u64,
    /// The hash of the commit before it.
    pub previous: Hash,
    /// The root of the tree after it.
    pub root: [u8; 32],
    /// Its blocks.
    pub entries: Vec<Entry>,
}

impl Commit {
    /// The length of a commit of `blocks` blocks, bytes.
    pub fn len(blocks: usize) -> usize {
        FIXED + blocks * ENTRY + SIGNATURE
    }

    /// The length of its blocks, bytes.
    pub(crate) fn body_len(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.len)).sum()
    }

    /// The sectors of its whole group, in bytes.
    pub fn group_len(&self) -> u64 {
        (Commit::len(self.entries.len()) as u64 + self.body_len()).next_multiple_of(SECTOR_BYTES)
    }

    /// Records in the group.
    pub(crate) fn records(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.count)).sum()
    }

    /// The position in the tree of its first block; `None` when its numbers contradict.
    pub(crate) fn first_block(&self) -> Option<u64> {
        self.tree_size.checked_sub(self.entries.len() as u64)
    }

    fn unsigned(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Commit::len(self.entries.len()));
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&(Commit::len(self.entries.len()) as u32).to_le_bytes());
        out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.tree_size.to_le_bytes());
        out.extend_from_slice(&self.first_record.to_le_bytes());
        out.extend_from_slice(&self.body_len().to_le_bytes());
        out.extend_from_slice(&self.previous.0);
        out.extend_from_slice(&self.root);
        for entry in &self.entries {
            out.extend_from_slice(&entry.hash.0);
            out.extend_from_slice(&entry.count.to_le_bytes());
            out.extend_from_slice(&entry.len.to_le_bytes());
        }
        out
    }

    /// Its bytes with the node's signature, and its hash.
    pub fn sign(&self, key: &SecretKey) -> (Vec<u8>, Hash) {
        let mut out = self.unsigned();
        let digest = digest(&out);
        out.extend_from_slice(&key.sign(&digest.0).0);
        (out, digest)
    }

    /// How long the commit at the start of `bytes` says it is; `None`: there is none.
    pub(crate) fn announced_len(bytes: &[u8]) -> Option<usize> {
        let mut b = bytes;
        if take::<4>(&mut b)? != MAGIC {
            return None;
        }
        let _version_and_reserved: [u8; 4] = take(&mut b)?;
        let _log: [u8; 16] = take(&mut b)?;
        let len = u32::from_le_bytes(take(&mut b)?) as usize;
        (len <= Commit::len(COMMIT_BLOCKS_MAX)).then_some(len)
    }

    /// Reads a commit and checks its signature; `None` when anything is wrong with it.
    pub(crate) fn decode(bytes: &[u8], key: &PublicKey) -> Option<(Commit, Hash)> {
        let mut rest = bytes;
        let b = &mut rest;
        if take::<4>(b)? != MAGIC || u16::from_le_bytes(take(b)?) != FORMAT_VERSION {
            return None;
        }
        let _reserved: [u8; 2] = take(b)?;
        let log = LogId(take(b)?);
        let _len: [u8; 4] = take(b)?;
        let blocks = u32::from_le_bytes(take(b)?) as usize;
        if blocks > COMMIT_BLOCKS_MAX || bytes.len() != Commit::len(blocks) {
            return None;
        }
        let number = u64::from_le_bytes(take(b)?);
        let tree_size = u64::from_le_bytes(take(b)?);
        let first_record = u64::from_le_bytes(take(b)?);
        let _body_len: [u8; 8] = take(b)?;
        let previous = Hash(take(b)?);
        let root = take(b)?;
        let mut entries = Vec::with_capacity(blocks);
        for _ in 0..blocks {
            entries.push(Entry {
                hash: Hash(take(b)?),
                count: u32::from_le_bytes(take(b)?),
                len: u32::from_le_bytes(take(b)?),
            });
        }
        let commit = Commit { log, number, tree_size, first_record, previous, root, entries };
        // More than a writer ever puts into one commit is not read into memory either.
        if commit.body_len() > BODY_BYTES_MAX {
            return None;
        }
        let unsigned = commit.unsigned();
        if bytes.get(..unsigned.len()) != Some(&unsigned[..]) {
            return None;
        }
        let digest = digest(&unsigned);
        key.verify(&digest.0, &Signature(take(b)?)).then_some((commit, digest))
    }
}

fn digest(unsigned: &[u8]) -> Hash {
    Hasher::for_domain(DOMAIN).update(unsigned).finish()
}

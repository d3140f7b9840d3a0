//! Commits and blocks, read from their bytes as `docs/formats.md` describes them.
//!
//! On purpose not the log's own reader: whoever checks a proof has nothing but bytes and a key.

use karyon_identity::{PublicKey, Signature};
use karyon_types::{Hash, Hasher};

const MAGIC: [u8; 4] = *b"KCMT";
const BLOCK_MAGIC: [u8; 4] = *b"KBLK";
const FIXED: usize = 128;
const ENTRY: usize = 40;
const SIGNATURE: usize = 64;
const DOMAIN: &str = "karyon log commit v1";

/// The length of a block's header, bytes.
pub(crate) const HEADER_BYTES: usize = 88;

/// The length of a commit of `blocks` blocks, bytes.
pub(crate) fn commit_len(blocks: usize) -> usize {
    FIXED + blocks * ENTRY + SIGNATURE
}

/// What a commit says of one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) hash: Hash,
    /// How many records it holds.
    pub(crate) count: u32,
}

/// What a commit says.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) log: [u8; 16],
    /// Blocks in the tree after it.
    pub(crate) tree_size: u64,
    /// Records before it.
    pub(crate) first_record: u64,
    pub(crate) entries: Vec<Entry>,
}

impl Commit {
    /// Reads a commit that `key` signed; `None`: it is none, or somebody else's.
    pub(crate) fn read(bytes: &[u8], key: &PublicKey) -> Option<Commit> {
        let (unsigned, signature) = bytes.split_last_chunk::<SIGNATURE>()?;
        let digest = Hasher::for_domain(DOMAIN).update(unsigned).finish();
        if !key.verify(&digest.0, &Signature(*signature)) {
            return None;
        }
        let mut rest = unsigned;
        let b = &mut rest;
        if take::<4>(b)? != MAGIC || u16::from_le_bytes(take(b)?) != karyon_log::FORMAT_VERSION {
            return None;
        }
        let _zero: [u8; 2] = take(b)?;
        let log = take(b)?;
        let _len: [u8; 4] = take(b)?;
        let blocks = u32::from_le_bytes(take(b)?) as usize;
        let _number: [u8; 8] = take(b)?;
        let tree_size = u64::from_le_bytes(take(b)?);
        let first_record = u64::from_le_bytes(take(b)?);
        let _body_len: [u8; 8] = take(b)?;
        let _previous: [u8; 32] = take(b)?;
        let _root: [u8; 32] = take(b)?;
        if b.len() != blocks.checked_mul(ENTRY)? {
            return None;
        }
        let mut entries = Vec::with_capacity(blocks);
        for _ in 0..blocks {
            let (hash, count) = (Hash(take(b)?), u32::from_le_bytes(take(b)?));
            let _len: [u8; 4] = take(b)?;
            entries.push(Entry { hash, count });
        }
        Some(Commit { log, tree_size, first_record, entries })
    }

    /// The place of its `nth` block in the tree, and the position of that block's first record.
    pub(crate) fn place(&self, nth: usize) -> Option<(u64, u64)> {
        let first = self.tree_size.checked_sub(self.entries.len() as u64)?;
        let before = self.entries.get(..nth)?.iter().map(|entry| u64::from(entry.count));
        Some((first + nth as u64, self.first_record.checked_add(before.sum())?))
    }
}

/// The records of a block, given its header and records; `None`: it is no block.
pub(crate) fn block_body(block: &[u8]) -> Option<&[u8]> {
    block.starts_with(&BLOCK_MAGIC).then(|| block.get(HEADER_BYTES..))?
}

/// Takes the next `N` bytes.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

//! The proof that a record is in a log, checked with a key and nothing else.
//!
//! Its form is <https://c2sp.org/tlog-proof>, so that other tools check the tree's part: the entry
//! is the block's hash. What leads from the record to the block stands in the line `extra`, and
//! nothing of it is believed before it is checked.

use std::path::Path;

use data_encoding::BASE64;
use karyon_identity::PublicKey;
use karyon_log::{Records, origin};
use karyon_statements::{Checkpoint, NoteError};
use karyon_types::{LogId, Position, hash};

use crate::groups::{Groups, ReadError};
use crate::layout::{Commit, block_body, take};
use crate::merkle::{self, Node, leaf, root_of_inclusion};
use crate::note::Note;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const MAGIC: [u8; 8] = *b"KPROOF01";

/// Why there is no proof, or why it proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no such record.
    #[error("there is no record {position}: {records} records are committed")]
    NoRecord {
        /// What was asked for.
        position: Position,
        /// How many there are.
        records: u64,
    },
    /// The checkpoint covers less than the record's block.
    #[error("the checkpoint covers {size} blocks, but record {position} lies in block {block}")]
    NotCovered {
        /// The checkpoint's size.
        size: u64,
        /// The record.
        position: Position,
        /// Its block.
        block: u64,
    },
    /// The checkpoint is not valid.
    #[error("the checkpoint is not valid")]
    Note(#[from] NoteError),
    /// The text is no proof.
    #[error("this is not a proof of a record: expected {expected}")]
    Form {
        /// What belongs there.
        expected: &'static str,
    },
    /// The parts do not belong together.
    #[error("the proof does not hold: {what}")]
    False {
        /// Which part does not.
        what: &'static str,
    },
}

impl ProofError {
    /// Whether the answer is "this is not so", rather than "I could not look".
    pub fn is_refutation(&self) -> bool {
        match self {
            ProofError::Form { .. } | ProofError::False { .. } | ProofError::Note(_) => true,
            ProofError::Read(_) | ProofError::NoRecord { .. } | ProofError::NotCovered { .. } => {
                false
            }
        }
    }
}

/// A record that was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// In which log.
    pub log: LogId,
    /// Its position.
    pub position: Position,
    /// Its block's place in the tree.
    pub block: u64,
    /// How many blocks the checkpoint covers.
    pub size: u64,
    /// Its bytes with their length in front, as [`Records`] reads them.
    pub bytes: Vec<u8>,
}

/// Where a record lies.
struct Found {
    block: u64,
    extra: Vec<u8>,
}

/// The proof that a record is in the log, as text.
///
/// # Errors
/// [`ProofError::Read`], [`ProofError::NoRecord`], [`ProofError::NotCovered`],
/// [`ProofError::Note`].
pub fn prove(folder: &Path, position: Position, note: &Note<'_>) -> Result<String, ProofError> {
    let mut groups = Groups::open(folder)?;
    let (mut leaves, mut found) = (Vec::new(), None);
    while let Some(group) = groups.next()? {
        for (nth, raw) in group.blocks.iter().enumerate() {
            leaves.extend(group.commit.entries.get(nth).map(|entry| leaf(&entry.hash)));
            let first = raw.block.first_record.0;
            if (first..first + u64::from(raw.block.header.count)).contains(&position.0) {
                let mut extra = MAGIC.to_vec();
                extra.extend_from_slice(&position.0.to_le_bytes());
                extra.extend_from_slice(&(group.bytes.len() as u32).to_le_bytes());
                extra.extend_from_slice(&group.bytes);
                extra.extend_from_slice(&raw.header);
                extra.extend_from_slice(&raw.block.body);
                found = Some(Found { block: raw.block.index, extra });
            }
        }
    }
    let end = groups.walk.end();
    let Some(found) = found else {
        return Err(ProofError::NoRecord { position, records: end.records });
    };
    let header = groups.walk.header();
    let size = note.covers(&header.node_key, end.tree.size())?;
    let covered = usize::try_from(size).ok().and_then(|size| leaves.get(..size));
    let path = covered.and_then(|covered| merkle::inclusion(covered, found.block as usize));
    let (Some(covered), Some(path)) = (covered, path) else {
        return Err(ProofError::NotCovered { size, position, block: found.block });
    };
    let checkpoint = note.text(header, size, merkle::root(covered))?;
    let checkpoint = checkpoint
        .ok_or(ProofError::False { what: "the log does not extend the checkpoint beside it" })?;
    let mut text = format!("{FIRST_LINE}\nextra {}\n", BASE64.encode(&found.extra));
    text.push_str(&format!("index {}\n", found.block));
    path.iter().for_each(|node| text.push_str(&format!("{}\n", BASE64.encode(node))));
    Ok(format!("{text}\n{}", checkpoint))
}

/// What a proof's text says, nothing of it checked.
struct Parsed<'a> {
    extra: Vec<u8>,
    index: u64,
    path: Vec<Node>,
    note: &'a str,
}

fn parse(text: &str) -> Result<Parsed<'_>, ProofError> {
    let form = |expected| ProofError::Form { expected };
    let wanted = "an empty line between the path and the checkpoint";
    let (proof, note) = text.split_once("\n\n").ok_or(form(wanted))?;
    let mut lines = proof.split('\n');
    if lines.next() != Some(FIRST_LINE) {
        return Err(form("the line c2sp.org/tlog-proof@v1"));
    }
    let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
    let extra = extra.and_then(|text| BASE64.decode(text.as_bytes()).ok());
    let extra = extra.ok_or(form("a line `extra` with the record's block, in base64"))?;
    let digits = lines.next().and_then(|line| line.strip_prefix("index "));
    let index = digits
        .and_then(|digits| digits.parse::<u64>().ok().filter(|index| index.to_string() == digits));
    let index = index.ok_or(form("a line `index` with the block's place"))?;
    let node = |line: &str| BASE64.decode(line.as_bytes()).ok()?.try_into().ok();
    let path = lines.map(node).collect::<Option<_>>();
    let path = path.ok_or(form("a path of hashes, 32 bytes each, in base64"))?;
    Ok(Parsed { extra, index, path, note })
}

/// Checks a proof without the log: that `key` signed for this record at this position.
///
/// # Errors
/// [`ProofError::Form`], [`ProofError::Note`], [`ProofError::False`].
pub fn check_proof(text: &str, key: &PublicKey) -> Result<Checked, ProofError> {
    let no = |what| ProofError::False { what };
    let Parsed { extra, index, path, note } = parse(text)?;
    let checkpoint = Checkpoint::parse_and_verify(note, key)?;

    let form = || ProofError::Form { expected: "the record's commit and block behind `extra`" };
    let mut rest = &extra[..];
    let b = &mut rest;
    if take::<8>(b).ok_or_else(form)? != MAGIC {
        return Err(form());
    }
    let position = u64::from_le_bytes(take(b).ok_or_else(form)?);
    let len = u32::from_le_bytes(take(b).ok_or_else(form)?) as usize;
    let (commit, block) = rest.split_at_checked(len).ok_or_else(form)?;

    let commit = Commit::read(commit, key).ok_or(no("the commit is not signed by this key"))?;
    let log = LogId(commit.log);
    if checkpoint.origin != origin(log) {
        return Err(no("commit and checkpoint are of different logs"));
    }
    let block_hash = hash(block);
    let nth = commit.entries.iter().position(|entry| entry.hash == block_hash);
    let nth = nth.ok_or(no("the block is not in its commit"))?;
    let (place, first) = commit.place(nth).ok_or(no("the commit contradicts itself"))?;
    if place != index {
        return Err(no("the block has another place in the tree"));
    }
    let root = root_of_inclusion(leaf(&block_hash), index, checkpoint.size, &path);
    if root != Some(checkpoint.root) {
        return Err(no("the path does not lead from the block to the checkpoint"));
    }
    let count = commit.entries.get(nth).map_or(0, |entry| u64::from(entry.count));
    let within = position.checked_sub(first).filter(|within| *within < count);
    let within = within.ok_or(no("the record is not one of its block"))?;
    let body = block_body(block).ok_or(no("the block is none"))?;
    let bytes = nth_record(body, within).ok_or(no("the block's records cannot be read"))?;
    Ok(Checked {
        log,
        position: Position(position),
        block: index,
        size: checkpoint.size,
        bytes: bytes.to_vec(),
    })
}

fn nth_record(body: &[u8], nth: u64) -> Option<&[u8]> {
    let mut records = Records::new(body);
    for _ in 0..nth {
        if !records.pass() {
            return None;
        }
    }
    let before = records.rest();
    records.pass().then_some(())?;
    before.get(..before.len() - records.rest().len())
}

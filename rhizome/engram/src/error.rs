//! Why an engram is not made, or not believed.

use karyon_identity::PublicKey;
use karyon_memory_ops::WriteError;
use karyon_types::AgentId;

use crate::cid::Cid;
use crate::limits::{FILE_BYTES_MAX, MEMORIES_MAX};

/// Why an engram is not made, or not believed. Nothing of a file that is refused is handed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngramError {
    /// The file is too long.
    #[error("the engram has {bytes} bytes, and {FILE_BYTES_MAX} are allowed; export less at once")]
    FileTooLong {
        /// Its length.
        bytes: usize,
    },
    /// There are too many memories.
    #[error(
        "the engram has {memories} memories, and {MEMORIES_MAX} are allowed; export less at once"
    )]
    TooMany {
        /// How many.
        memories: usize,
    },
    /// The file system refused.
    #[error("the engram cannot be read or written at byte {offset}: {why}")]
    Unreadable {
        /// Where.
        offset: usize,
        /// Why.
        kind: std::io::ErrorKind,
        /// Why, in the system's words.
        why: String,
    },
    /// The file does not consist of blocks as a CAR file does.
    #[error("the file is no whole engram: at byte {offset} {what}; get it again")]
    Framing {
        /// Where.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The file's header is not that of an engram.
    #[error("the file is no engram: its header {what}")]
    Header {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A block is too long.
    #[error("the block at byte {offset} has {bytes} bytes, and {most} are allowed")]
    BlockTooLong {
        /// Where it begins.
        offset: usize,
        /// Its length.
        bytes: usize,
        /// The longest of its kind.
        most: usize,
    },
    /// A block is not what its CID says.
    #[error("the block at byte {offset} does not match its CID {cid}; get the file again")]
    Digest {
        /// Where it begins.
        offset: usize,
        /// Its CID.
        cid: Cid,
    },
    /// A block is not the one that the manifest names at its place.
    #[error("at byte {offset} stands the block {found}, where {expected} belongs")]
    Order {
        /// Where it begins.
        offset: usize,
        /// The block that belongs there.
        expected: Cid,
        /// The block that stands there.
        found: Cid,
    },
    /// A block that the manifest names is not there.
    #[error("the file ends before the block {cid}, which its manifest names; get it again")]
    Missing {
        /// The block.
        cid: Cid,
    },
    /// It is no DSSE envelope, or not of what was expected.
    #[error("the signed envelope {what}")]
    Envelope {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The signature is not that of the key that the envelope names.
    #[error("the signature is not by {key}, the key that it names; do not trust it")]
    Signature {
        /// The key.
        key: PublicKey,
    },
    /// The manifest is of another version.
    #[error("the engram has version {found}; this version of Karyon reads version 1")]
    Version {
        /// The version that it names.
        found: u64,
    },
    /// The manifest says something that it must not say.
    #[error("the engram's manifest {what}")]
    Manifest {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A block is no memory in its one form.
    #[error("the block {cid} {what}")]
    Memory {
        /// The block.
        cid: Cid,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A memory that is out of the bounds of any memory.
    #[error("the memory recorded at #{position} cannot travel: {source}")]
    Write {
        /// Where it was recorded.
        position: u64,
        /// Which bound.
        source: WriteError,
    },
    /// A memory was recorded behind the end of the log that the manifest names.
    #[error("the memory recorded at #{position} lies behind the log's end, at {records} records")]
    Position {
        /// Where it was recorded.
        position: u64,
        /// How many records the log had.
        records: u64,
    },
    /// A memory mentions an agent whose name is not there.
    #[error("{agent} is mentioned, but its name is not there")]
    Unnamed {
        /// The agent.
        agent: AgentId,
    },
    /// A name is there for an agent that no memory mentions.
    #[error("{agent} has a name, but no memory mentions it")]
    Unmentioned {
        /// The agent.
        agent: AgentId,
    },
}

//! Memories that a principal answers for: recorded with an owner, a horizon and a reason, superseded
//! rather than changed, and erased by destroying the key under which they were sealed.
//!
//! What a memory says never leaves whoever recorded it but sealed: the log, the graph and its file
//! hold ciphertext, and so nothing has to be rewritten when the key goes. Who answers, until when
//! and why is not sealed: it outlives the erasure.

mod change;
mod recall;
mod run;
mod settle;

use std::collections::BTreeSet;

use karyon_memory_ops::{Entity, MemoKind, Vertex};
use serde::{Deserialize, Serialize};

pub use change::{Change, ChangeError, GOVERNED, NewMemo, record_change};
pub use recall::{Briefing, Filter, RecallError, Recalled, Said, brief, due, history, recall};
pub use run::{Kept, RunSeals};
pub use settle::{Settled, settle};

/// What a memory says: everything about it that is erased with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In words.
    pub text: String,
    /// By which it is found.
    pub tags: BTreeSet<String>,
    /// What it rests on: records of this log (`#17`), files, addresses, words.
    pub evidence: Vec<String>,
}

impl Words {
    fn encode(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec(self)
    }

    fn decode(bytes: &[u8]) -> Option<Words> {
        rmp_serde::from_slice(bytes).ok()
    }
}

/// How a subject is named in the log: its name is known to the keys alone.
fn vertex_of(subject: u64) -> Vertex {
    Vertex::Named(format!("~{subject}"))
}

/// The serial of a subject's vertex.
fn subject_of(vertex: &Vertex) -> Option<u64> {
    let Vertex::Named(name) = vertex else { return None };
    let serial = name.strip_prefix('~')?.parse().ok()?;
    (vertex_of(serial) == *vertex).then_some(serial)
}

/// The fact in which a memory lies.
fn entity_of(subject: u64, key: &str) -> Entity {
    Entity::Fact { subject: vertex_of(subject), predicate: key.into() }
}

/// What a memory's ciphertext is bound to, beside its key: it cannot be shown as another's.
fn associated(key: &str, kind: MemoKind, owner: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [key, kind.name(), owner] {
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes
}

//! Memories that a principal answers for: recorded with an owner, a horizon and a reason, superseded
//! rather than changed, and erased by destroying the key under which they were sealed.
//!
//! What a memory says lies in a data directory only sealed: the log, the graph and its file hold
//! ciphertext, and so nothing has to be rewritten when the key goes. It is opened for whoever asks
//! where the keys are, and for an engram, which says it in the open. Who answers, until when, under
//! which key and why is not sealed: it outlives the erasure.

mod adopt;
mod beside;
mod bounds;
mod brought;
mod change;
mod change_error;
mod erased;
mod evidence;
mod hearsay;
mod known;
mod owed;
mod pasts;
mod recall;
mod run;
mod settle;
mod standing;
mod told;

use std::collections::BTreeSet;

use karyon_memory_ops::{Entity, MemoKind, Vertex};
use karyon_types::{Hasher, LogId};
use serde::{Deserialize, Serialize};

pub(crate) use adopt::is_governed;
pub use adopt::{ADOPTED_MAX, Adopted, Disagreement, Refused, Terms, adopted};
pub use beside::{contradictions, recorded_in, replacement};
pub use bounds::{CHANGE_BYTES_MAX, KEY_BYTES_MAX, WAY_BYTES};
pub use brought::{Opening, opening};
pub use change::{Change, ChangeError, GOVERNED, NewMemo, Which, record_change};
pub use erased::{ErasedError, Erasure, erased_by, erasures, forgotten_in, is_gone, whole_erasure};
pub use known::known;
pub use owed::{Owed, owed};
pub use recall::{
    Briefing, Filter, Found as FoundMemories, RecallError, Recalled, Said, brief, due, find_all,
    history, recall,
};
pub use run::{Kept, RunSeals};
pub use settle::{Settled, carry_keys, settle};
pub use told::{Exported, GovernedSelection, Told, export_governed};

/// What a memory says: everything about it that is erased with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In words.
    pub text: String,
    /// By which it is found.
    pub tags: BTreeSet<String>,
    /// What it rests on: records of the log in which it came into the world (`#17`), files,
    /// addresses, words.
    pub evidence: Vec<String>,
    /// From where it came here, the first first: of one that was recorded here, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
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

/// Whether a name is what the log calls a subject, by number.
fn is_number(name: &str) -> bool {
    subject_of(&Vertex::Named(name.into())).is_some()
}

/// Why nothing new is remembered of such a name.
const IS_NUMBER: &str = "~ and a number is what the log calls a subject: say its name";

/// The fact in which a memory lies.
fn entity_of(subject: u64, place: &str) -> Entity {
    Entity::Fact { subject: vertex_of(subject), predicate: place.into() }
}

/// How a memory's key is written in the log. What came from another log lies beside what is
/// remembered here under the same key, and never in its place.
fn place_of(key: &str, origin: Option<LogId>) -> String {
    origin.map_or_else(|| key.to_owned(), |log| format!("{key}@{log}"))
}

/// The name of where an origin's memories lie: the log that they came from, or a hash of both where
/// that had them from another one, so that they do not replace those of its own.
fn lane_of(log: LogId, first: LogId) -> LogId {
    if log == first {
        return log;
    }
    let mut hasher = Hasher::for_domain("karyon memory origin v1");
    hasher.update(&log.0).update(&first.0);
    hasher.finish().0.first_chunk().copied().map_or(first, LogId)
}

/// The key of a place, and the log from which the memory came.
fn key_of(place: &str) -> (&str, Option<LogId>) {
    let parsed = place.rsplit_once('@').and_then(|(key, log)| {
        let mut bytes = [0; 16];
        let is_plain =
            log.len() == 32 && log.bytes().all(|digit| b"0123456789abcdef".contains(&digit));
        for (byte, digits) in bytes.iter_mut().zip(log.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        is_plain.then_some((key, Some(LogId(bytes))))
    });
    parsed.unwrap_or((place, None))
}

/// What a memory's ciphertext is bound to, beside its key: it cannot be shown as another's.
fn associated(place: &str, kind: MemoKind, owner: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in [place, kind.name(), owner] {
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field.as_bytes());
    }
    bytes
}

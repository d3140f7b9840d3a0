//! What agents that belong to a subject hear and remember in a run.
//!
//! All of it that one run knows of a subject is sealed under one of the subject's keys, so that it
//! goes at once: when the subject is forgotten, or its time in the run is over. What is remembered
//! so is a fact about the subject, for which the principal answers who allowed the run.

use std::collections::BTreeMap;

use karyon_keystore::{Keystore, RunKey, SubjectId, UnsealError};
use karyon_log::{Message, SubjectsRecord};
use karyon_memory_ops::{
    Content, Entity, Memo, MemoKind, Sealed, Time, Valid, Value, Vertex, Write,
};
use karyon_runtime::{Closed, Sealing, Seals};

use super::entity_of;

/// The keys of the subjects of a run, and what is said of all that it remembers of them.
pub struct RunSeals {
    keys: BTreeMap<u64, Held>,
    all: Option<RunKey>,
    kept: Kept,
}

/// For what agents remember of a subject: who answers, why, and until when it is kept.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The principal who allowed the run.
    pub owner: String,
    /// Why they did.
    pub reason: String,
    /// By subject, the last second since 1970 to which it is kept; of none: until it is erased.
    pub horizons: BTreeMap<u64, i64>,
}

enum Held {
    Key(RunKey, u32),
    Closed(Closed),
}

impl RunSeals {
    /// Those that a run was recorded with. Without a keystore all are closed.
    pub fn new(keystore: Option<&Keystore>, record: &SubjectsRecord, kept: Kept) -> RunSeals {
        let held = |(subject, index): &(u64, u32)| {
            let found = keystore.map(|keys| keys.run_key(SubjectId(*subject), *index));
            let held = match found {
                Some(Ok(key)) => Held::Key(key, *index),
                Some(Err(UnsealError::Erased { .. })) => Held::Closed(Closed::Erased),
                Some(Err(_)) | None => Held::Closed(Closed::Elsewhere),
            };
            (*subject, held)
        };
        RunSeals::of(record.keys.iter().map(held).collect(), kept)
    }

    /// Keys that are gone with the process: for a run in memory.
    pub fn in_memory(subjects: impl IntoIterator<Item = u64>, kept: Kept) -> RunSeals {
        let held = |subject: u64| (subject, Held::Key(RunKey::known_to_all(subject), 0));
        RunSeals::of(subjects.into_iter().map(held).collect(), kept)
    }

    fn of(keys: BTreeMap<u64, Held>, kept: Kept) -> RunSeals {
        let each: Option<Vec<_>> = keys
            .values()
            .map(|held| match held {
                Held::Key(key, _) => Some(key),
                Held::Closed(_) => None,
            })
            .collect();
        let all = each.map(RunKey::of_all);
        RunSeals { keys, all, kept }
    }

    fn key(&self, subject: u64) -> Option<(&RunKey, u32)> {
        match self.keys.get(&subject)? {
            Held::Key(key, index) => Some((key, *index)),
            Held::Closed(_) => None,
        }
    }
}

impl Seals for RunSeals {
    fn closed(&self, subject: u64) -> Option<Closed> {
        match self.keys.get(&subject) {
            Some(Held::Key(..)) => None,
            Some(Held::Closed(why)) => Some(*why),
            None => Some(Closed::Elsewhere),
        }
    }

    fn seal(&self, subject: u64, what: Sealing, plain: &[u8]) -> Vec<u8> {
        self.key(subject).map(|(key, _)| key.seal(&name_of(what), plain)).unwrap_or_default()
    }

    fn open(&self, subject: u64, what: Sealing, sealed: &[u8]) -> Option<Vec<u8>> {
        self.key(subject)?.0.open(&name_of(what), sealed)
    }

    fn seal_memory(&self, subject: u64, what: Sealing, write: &[u8]) -> Vec<u8> {
        let sealed = self.seal(subject, what, write);
        // What is no write is none sealed, and is left out of the memory.
        self.memory(subject, write, &sealed).unwrap_or(sealed)
    }

    fn seal_all(&self, what: Sealing, plain: &[u8]) -> Vec<u8> {
        self.all.as_ref().map(|all| all.seal(&name_of(what), plain)).unwrap_or_default()
    }

    fn open_all(&self, what: Sealing, sealed: &[u8]) -> Option<Vec<u8>> {
        self.all.as_ref()?.open(&name_of(what), sealed)
    }
}

impl RunSeals {
    fn memory(&self, subject: u64, write: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (key, index) = self.key(subject)?;
        let write = Write::decode(write)?;
        let mut entity = Vec::new();
        let (valid, content) = (Valid::since(Time::MIN), Content::Ended);
        Write { entity: write.entity, valid, content }.encode(&mut entity).ok()?;
        let memo = Memo {
            kind: MemoKind::Observation,
            owner: self.kept.owner.clone(),
            reason: self.kept.reason.clone(),
            horizon: self.kept.horizons.get(&subject).copied(),
            supersedes: None,
            origin: None,
            sealed: Sealed { subject, index, bytes: sealed.to_vec() },
        };
        let mut out = Vec::new();
        let entity = entity_of(subject, &format!("run/{}", key.pseudonym(&entity)));
        Write { entity, valid: write.valid, content: memo.content() }.encode(&mut out).ok()?;
        Some(out)
    }
}

/// By which name a thing is sealed.
fn name_of(what: Sealing) -> Vec<u8> {
    match what {
        Sealing::Output(Message { from, step, output }) => [
            b"output".as_slice(),
            &from.0.to_le_bytes(),
            &step.to_le_bytes(),
            &output.to_le_bytes(),
        ]
        .concat(),
        Sealing::Input(index) => [b"input".as_slice(), &index.to_le_bytes()].concat(),
        Sealing::State(agent) => [b"state".as_slice(), &agent.0.to_le_bytes()].concat(),
        Sealing::Snapshot(tick) => [b"snapshot".as_slice(), &tick.0.to_le_bytes()].concat(),
    }
}

/// What an agent of a subject remembered; `None`: it was not sealed so.
pub(super) fn opened(
    keystore: &Keystore,
    sealed: &Sealed,
    written: Message,
) -> Result<Option<Write>, UnsealError> {
    let key = keystore.run_key(SubjectId(sealed.subject), sealed.index)?;
    let plain = key.open(&name_of(Sealing::Output(written)), &sealed.bytes);
    Ok(plain.and_then(|plain| Write::decode(&plain)))
}

/// A memory in words, for whoever asks; `None`: what it is about is no more.
pub(super) fn in_words(write: &Write) -> Option<String> {
    let Content::Present { labels, properties } = &write.content else { return None };
    let name = |vertex: &Vertex| match vertex {
        Vertex::Agent(agent) => agent.to_string(),
        Vertex::Named(name) => name.clone(),
    };
    let about = match &write.entity {
        Entity::Vertex(vertex) => name(vertex),
        Entity::Edge { from, kind, to } => format!("{} {kind} {}", name(from), name(to)),
        Entity::Fact { subject, predicate } => format!("{} {predicate}", name(subject)),
    };
    let labels = labels.iter().map(ToString::to_string);
    let properties = properties.iter().map(|(name, value)| format!("{name}: {}", word(value)));
    let said: Vec<_> = labels.chain(properties).collect();
    Some(if said.is_empty() { about } else { format!("{about}; {}", said.join(", ")) })
}

fn word(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Null => "null".into(),
        Value::Bool(yes) => yes.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

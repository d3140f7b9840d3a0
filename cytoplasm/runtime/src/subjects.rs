//! Agents that belong to a subject: what they hear and remember is sealed before it is recorded.
//!
//! The runtime knows neither keys nor ciphers: [`Seals`] does. Sealing is deterministic, so records
//! are the same bytes for any number of schedulers and however often a run is repeated. A run that
//! is repeated without the keys of a subject takes what that subject's agents did from the log:
//! `recorded.rs`.
//!
//! What happened, when, under which lease, and to whom stays in the open.

mod recorded;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use karyon_arrangements::{Arrangement, ExitReason};
use karyon_log::Message;
use karyon_types::{AgentId, Tick};

use self::recorded::Recorded;
use crate::error::RunError;

/// Bytes that what is sealed is longer than it was.
pub const SEAL_BYTES: usize = 40;

/// What is sealed: no two things of a log have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sealing {
    /// What this output of a step says.
    Output(Message),
    /// An external input, by its index in the inputs that genesis holds.
    Input(u32),
    /// A snapshot behind this tick.
    Snapshot(Tick),
    /// The state of an agent at the end, for the root.
    State(AgentId),
}

/// Why what was sealed for a subject cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closed {
    /// The keys were destroyed.
    Erased,
    /// The keys are not here.
    Elsewhere,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Closed::Erased => "erased",
            Closed::Elsewhere => "sealed under keys that are not here",
        })
    }
}

/// Who seals for the subjects of a run, and opens.
///
/// The same name and the same bytes come to the same sealed bytes, [`SEAL_BYTES`] longer; other
/// bytes under the same name betray nothing but their length. For a subject that is closed nothing
/// is sealed.
pub trait Seals: Send + Sync {
    /// Why nothing of a subject can be sealed or opened; `None`: it can.
    fn closed(&self, subject: u64) -> Option<Closed>;

    /// Seals for a subject.
    fn seal(&self, subject: u64, what: Sealing, plain: &[u8]) -> Vec<u8>;

    /// What was sealed so; `None`: it was not.
    fn open(&self, subject: u64, what: Sealing, sealed: &[u8]) -> Option<Vec<u8>>;

    /// Seals a memory, so that whoever reads the log finds a memory of which only the subject is
    /// told. The runtime does not know what its bytes mean; it may become longer by more.
    fn seal_memory(&self, subject: u64, what: Sealing, write: &[u8]) -> Vec<u8>;

    /// Seals what tells of all subjects of the run: to open it takes the keys of each.
    fn seal_all(&self, what: Sealing, plain: &[u8]) -> Vec<u8>;

    /// What was sealed so; `None`: it was not, or the keys of one are gone.
    fn open_all(&self, what: Sealing, sealed: &[u8]) -> Option<Vec<u8>>;
}

/// Which agents of a run belong to a subject.
#[derive(Clone)]
pub struct Subjects {
    /// By agent, those of the scenario: the subject's number. Whoever comes to life later belongs to
    /// the subject of its parent, or of whom it was forked from.
    pub of: BTreeMap<AgentId, u64>,
    /// Who seals for them.
    pub seals: Arc<dyn Seals>,
}

impl Subjects {
    /// What stands for the state of an agent where it would betray what it is; `None`: itself.
    pub(crate) fn state(&self, agent: AgentId, state: &[u8]) -> Option<Vec<u8>> {
        let subject = *self.of.get(&agent)?;
        Some(self.seals.seal(subject, Sealing::State(agent), state))
    }
}

/// What was not executed in a run that was repeated, because nobody could read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opaque {
    /// Steps whose outputs were taken from the log.
    pub steps: u64,
    /// Whose steps these were, and why: their subject. `None`: they heard something that only one of
    /// these knows.
    pub agents: BTreeMap<AgentId, Option<(u64, Closed)>>,
}

impl Opaque {
    /// Whether all was executed.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Opaque) {
        self.steps += other.steps;
        self.agents.extend(&other.agents);
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} opaque steps of {} agents", self.steps, self.agents.len())?;
        let of =
            |why| self.agents.values().filter(|known| known.map(|(_, why)| why) == why).count();
        let named = [
            (of(Some(Closed::Erased)), "erased"),
            (of(Some(Closed::Elsewhere)), "sealed under keys that are not here"),
            (of(None), "told what only these know"),
        ];
        let named = named.iter().filter(|(agents, _)| *agents > 0);
        let named: Vec<_> = named.map(|(agents, why)| format!("{agents} {why}")).collect();
        write!(f, ": {}", named.join(", "))
    }
}

/// What a run knows of its subjects.
pub(crate) struct Custody {
    pub(crate) seals: Arc<dyn Seals>,
    /// By agent, whoever came to life included: changed between two ticks only.
    of: RwLock<BTreeMap<AgentId, u64>>,
    /// Whose keys are not to be had.
    closed: BTreeMap<u64, Closed>,
    /// Where any are not: the tick that is repeated.
    recorded: RwLock<Recorded>,
    /// Ends of which nobody knows the words.
    wordless: RwLock<BTreeSet<Message>>,
}

impl Custody {
    pub(crate) fn new(Subjects { of, seals }: Subjects) -> Custody {
        let closed = of.values().filter_map(|subject| Some((*subject, seals.closed(*subject)?)));
        Custody {
            closed: closed.collect(),
            of: RwLock::new(of),
            recorded: RwLock::default(),
            wordless: RwLock::default(),
            seals,
        }
    }

    /// Who belongs to whom.
    pub(crate) fn subjects(&self) -> Subjects {
        Subjects { of: read(&self.of).clone(), seals: Arc::clone(&self.seals) }
    }

    /// Whether a run may begin that is free-running, or appends to its log: all that is recorded for
    /// agents whose keys are not to be had can be repeated, and nothing more.
    pub(crate) fn permits(&self, (is_free, appends): (bool, bool)) -> Result<(), RunError> {
        match self.first_closed() {
            _ if is_free => Err(RunError::NotFree("agents that belong to a subject")),
            Some((subject, why)) if appends => Err(RunError::Closed { subject, why }),
            Some(_) | None => Ok(()),
        }
    }

    /// A subject whose keys are not to be had, and why; `None`: all are.
    pub(crate) fn first_closed(&self) -> Option<(u64, Closed)> {
        self.closed.first_key_value().map(|(subject, why)| (*subject, *why))
    }

    fn subject(&self, agent: AgentId) -> Option<u64> {
        read(&self.of).get(&agent).copied()
    }

    /// The subject of an agent, if its keys are not to be had.
    pub(crate) fn closed(&self, agent: AgentId) -> Option<(u64, Closed)> {
        let subject = self.subject(agent)?;
        Some((subject, *self.closed.get(&subject)?))
    }

    /// Whoever comes to life belongs to the subject of whom it comes from.
    pub(crate) fn adopt(&self, child: AgentId, from: AgentId) {
        let mut of = write(&self.of);
        match of.get(&from).copied() {
            Some(subject) => of.insert(child, subject),
            // Its serial may have been meant for one that did not begin.
            None => of.remove(&child),
        };
    }

    /// What is recorded of a message; `None`: as it is.
    pub(crate) fn message(&self, message: Message, to: AgentId, plain: &[u8]) -> Option<Vec<u8>> {
        let subject = self.subject(to)?;
        if !self.closed.contains_key(&subject) {
            return Some(self.seals.seal(subject, Sealing::Output(message), plain));
        }
        // Nobody can seal it again: if anything of it is as recorded, then this is.
        let is_it = |sealed: &[u8]| sealed == plain || sealed.len() == plain.len() + SEAL_BYTES;
        let recorded = read(&self.recorded).message(message).filter(|sealed| is_it(sealed));
        Some(recorded.unwrap_or_else(|| vec![0; plain.len() + SEAL_BYTES]))
    }

    /// What is recorded of a memory; `None`: as it is.
    pub(crate) fn memory(&self, message: Message, write: &[u8]) -> Option<Vec<u8>> {
        let subject = self.open_subject(message.from)?;
        Some(self.seals.seal_memory(subject, Sealing::Output(message), write))
    }

    /// What is recorded of an arrangement; `None`: as it is.
    pub(crate) fn arrangement(&self, by: Message, what: &Arrangement<'_>) -> Option<Vec<u8>> {
        let subject = self.open_subject(by.from)?;
        let said = said(what)?;
        let sealed = self.seals.seal(subject, Sealing::Output(by), said);
        Some(encoded(&saying(what, &sealed)))
    }

    /// What is recorded of an end in an agent's own words; `None`: as it is.
    pub(crate) fn exit(&self, by: Message, reason: &ExitReason) -> Option<Vec<u8>> {
        let ExitReason::Failure(words) = reason else { return None };
        let subject = self.subject(by.from)?;
        if self.closed.contains_key(&subject) {
            write(&self.wordless).insert(by);
            let recorded = read(&self.recorded).arranged(by);
            return Some(recorded.unwrap_or_else(|| encoded(&Arrangement::SealedExit(&[]))));
        }
        let sealed = self.seals.seal(subject, Sealing::Output(by), words.as_bytes());
        Some(encoded(&Arrangement::SealedExit(&sealed)))
    }

    /// The subject of an agent, if something can be sealed for it. What agents of others do is in
    /// the log as it was sealed, and passes.
    fn open_subject(&self, agent: AgentId) -> Option<u64> {
        self.subject(agent).filter(|subject| !self.closed.contains_key(subject))
    }

    /// That nobody knows in which words an agent ended.
    pub(crate) fn is_wordless(&self, by: &Message) -> bool {
        read(&self.wordless).contains(by)
    }

    /// Likewise, of one that failed, or ended because another one did.
    pub(crate) fn end_wordless(&self, by: Message) {
        write(&self.wordless).insert(by);
    }
}

/// What an arrangement says beside what it does.
fn said<'a>(what: &Arrangement<'a>) -> Option<&'a [u8]> {
    match what {
        Arrangement::Arm { payload, .. } => Some(payload),
        Arrangement::Spawn { how, .. } | Arrangement::SpawnUnder { how, .. } => Some(how),
        Arrangement::Cancel(_)
        | Arrangement::Bind(..)
        | Arrangement::Unbind(..)
        | Arrangement::TrapExit(_)
        | Arrangement::Exit(_)
        | Arrangement::SealedExit(_)
        | Arrangement::Lane(_)
        | Arrangement::Terminate(_)
        | Arrangement::Register(_)
        | Arrangement::Unregister(_)
        | Arrangement::Join(_)
        | Arrangement::Leave(_)
        | Arrangement::Recall { .. }
        | Arrangement::Effect { .. }
        | Arrangement::Mark(_) => None,
    }
}

/// The same arrangement, saying something else.
fn saying<'a>(what: &Arrangement<'a>, said: &'a [u8]) -> Arrangement<'a> {
    match what.clone() {
        Arrangement::Arm { ticks, repeats, .. } => {
            Arrangement::Arm { ticks, repeats, payload: said }
        }
        Arrangement::Spawn { name, .. } => Arrangement::Spawn { name, how: said },
        Arrangement::SpawnUnder { supervisor, child, name, .. } => {
            Arrangement::SpawnUnder { supervisor, child, name, how: said }
        }
        other => other,
    }
}

fn encoded(what: &Arrangement<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    what.encode(&mut bytes);
    bytes
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

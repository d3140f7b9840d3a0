//! Agents that belong to a subject: whose keys seal what they hear and remember.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use karyon_keys::KeyDirectory;
use karyon_keystore::{Keystore, KeystoreError, Subject, SubjectId, id_in};
use karyon_log::{Control, SubjectsRecord};
use karyon_memory::{Kept, RunSeals};
use karyon_runtime::{Sealing, Subjects};
use karyon_statements::GrantTerms;
use karyon_types::{AgentId, LogId};

use super::Run;
use crate::address::Pid;
use crate::error::RunError;
use crate::inputs::Inputs;

/// The longest name of a subject, bytes: as the keystore has it.
const SUBJECT_BYTES_MAX: usize = karyon_keystore::limits::NAME_BYTES_MAX;

impl Run {
    /// Lets an agent belong to a subject: somebody or something that may ask to be forgotten, by a
    /// name of 1 to 256 bytes that no log ever holds. What the agent is sent, from outside and by
    /// others, what it arms timers with, begins children with and remembers, and the words in which
    /// it ends are sealed under a key of the subject wherever they are kept. `karyon memory forget
    /// NAME` destroys that key. Who did what, when and by whose leave stays readable, and so does
    /// what the agent says to those who belong to nobody. Children and forks belong to the same
    /// subject.
    ///
    /// Not in a [free-running](Run::free_running) run, and on a data directory not with
    /// [`Data::granted`](crate::Data::granted).
    pub fn subject(&mut self, agent: impl Into<Pid>, subject: &str) -> &mut Run {
        let agent = agent.into();
        if self.place(agent).is_none() {
            self.wrong(move || RunError::NoAgent(agent.0));
        }
        let name = subject.to_owned();
        if !(1..=SUBJECT_BYTES_MAX).contains(&name.len()) {
            self.wrong(move || RunError::Subject(name.clone()));
        } else if self.subjects.insert(agent, name.clone()).is_some_and(|before| before != name) {
            self.wrong(move || RunError::TwoSubjects(agent.0));
        }
        self
    }

    /// Until when all that the run knows of a subject is kept: a second since 1970. From then on
    /// `karyon memory expire` destroys its key, if an agent of the subject remembered anything: the
    /// horizon stands in its memories alone. Where they were only told things, and if it is not
    /// said, all of it is kept until somebody forgets the subject.
    pub fn keep_until(&mut self, subject: &str, second: i64) -> &mut Run {
        self.horizons.insert(subject.into(), second);
        self
    }

    /// The subjects by name, each with a number: in the order of the first of their agents.
    fn numbered(&self) -> BTreeMap<&str, u64> {
        let mut numbered = BTreeMap::new();
        for name in self.subjects.values() {
            let next = numbered.len() as u64 + 1;
            numbered.entry(name.as_str()).or_insert(next);
        }
        numbered
    }

    /// What genesis says of them: which agents belong together, and not to whom.
    pub(super) fn describe_subjects(&self) -> String {
        if self.subjects.is_empty() {
            return String::new();
        }
        let numbered = self.numbered();
        let of =
            |(agent, name): (&Pid, &String)| [agent.0, *numbered.get(name.as_str()).unwrap_or(&0)];
        let belong: Vec<_> = self.subjects.iter().map(of).collect();
        let kept: Vec<_> = numbered
            .iter()
            .filter_map(|(name, number)| Some((*number, *self.horizons.get(*name)?)))
            .map(|(number, second)| format!("[{number}, {second}]"))
            .collect();
        format!("subjects = {belong:?}\nkept_until = [{}]\n", kept.join(", "))
    }

    /// Of a run in memory: sealed under keys that are gone with it.
    pub(super) fn subjects_in_memory(&self) -> Option<Subjects> {
        let numbered = self.numbered();
        let number = |name: &String| numbered.get(name.as_str()).copied().unwrap_or_default();
        let of: BTreeMap<_, _> =
            self.subjects.iter().map(|(agent, name)| (agent.id(), number(name))).collect();
        let seals = RunSeals::in_memory(of.values().copied(), Kept::default());
        (!of.is_empty()).then(|| Subjects { of, seals: Arc::new(seals) })
    }

    /// Gives out keys in a new data directory, and says what is recorded of that.
    pub(super) fn give_out_keys(
        &self,
        data: &Path,
        keys: Option<&KeyDirectory>,
    ) -> Result<Option<SubjectsRecord>, RunError> {
        if self.subjects.is_empty() {
            return Ok(None);
        }
        let keys = keys.ok_or(RunError::NoKeystore)?;
        let (new, folder) = (LogId(GrantTerms::random_nonce()?), keys.keystores()?);
        // What a beginning that was cut off has left is gone on with: nothing was sealed under it.
        let master = |id| folder.join(master_name(id));
        let mut keystore = Keystore::open_or_create(data, master, new)?;
        let mut given: BTreeMap<&str, (u64, u32)> = BTreeMap::new();
        let mut names: Vec<_> = self.numbered().into_iter().collect();
        // Their order says nothing of their names.
        names.sort_unstable_by_key(|(_, number)| *number);
        for (name, _) in names {
            let (SubjectId(subject), index) = keystore.give_out(name)?;
            given.insert(name, (subject, index));
        }
        let number = |name: &String| given.get(name.as_str()).map_or(0, |(subject, _)| *subject);
        let agents = self.subjects.iter().map(|(agent, name)| (agent.0, number(name))).collect();
        let mut keys: Vec<_> = given.into_values().collect();
        keys.sort_unstable();
        keystore.close()?;
        Ok(Some(SubjectsRecord { agents, keys }))
    }

    /// Who seals in a run that was recorded so, for the principal `owner` who allowed it.
    pub(super) fn custody(
        &self,
        data: &Path,
        keys: Option<&KeyDirectory>,
        controls: &[Control],
    ) -> Result<Option<Subjects>, RunError> {
        let mut records = controls.iter().filter_map(|control| match control {
            Control::Subjects(record) => Some(record),
            _ => None,
        });
        let other = RunError::OtherRun("list of agents that belong to a subject");
        let record = match (records.next(), self.subjects.is_empty()) {
            (None, true) => return Ok(None),
            (Some(record), false) => record,
            (None, false) | (Some(_), true) => return Err(other),
        };
        let of: BTreeMap<_, _> =
            record.agents.iter().map(|(agent, subject)| (AgentId(*agent), *subject)).collect();
        if !of.keys().eq(self.subjects.keys().map(|pid| pid.id()).collect::<Vec<_>>().iter()) {
            return Err(other);
        }
        let keystore = match keys {
            Some(keys) => open(keys, data)?,
            None => None,
        };
        let mut horizons = BTreeMap::new();
        for (agent, name) in &self.subjects {
            let subject = of.get(&agent.id()).copied().unwrap_or_default();
            // Of one that is erased nobody knows whether it is this one.
            let found = keystore.as_ref().map(|keys| keys.subject(name));
            if matches!(found, Some(Subject::Live(live)) if live.0 != subject) {
                return Err(other);
            }
            horizons.extend(self.horizons.get(name).map(|second| (subject, *second)));
        }
        let word = |wanted: fn(&Control) -> Option<&str>| {
            controls.iter().find_map(wanted).unwrap_or_default().to_owned()
        };
        let owner = word(|control| match control {
            Control::Principal(principal) => Some(&principal.name),
            _ => None,
        });
        let reason = word(|control| match control {
            Control::Reason(reason) => Some(&reason.label),
            _ => None,
        });
        let kept = Kept { owner, reason, horizons };
        let seals = Arc::new(RunSeals::new(keystore.as_ref(), record, kept));
        Ok(Some(Subjects { of, seals }))
    }

    /// The copy of the inputs that a data directory keeps.
    pub(super) fn inputs_file(&self, subjects: Option<&Subjects>) -> Vec<u8> {
        let agents = self.places.len() as u32;
        let sealed = |index: u32, to: Pid, bytes: &[u8]| {
            let Subjects { of, seals } = subjects?;
            let subject = *of.get(&to.id())?;
            Some(seals.seal(subject, Sealing::Input(agents + index), bytes))
        };
        Inputs::file(&self.inputs, &sealed)
    }

    /// What of the inputs a principal signs: of what a subject's agents are told, that they are told
    /// something. A digest of what it says would outlive it.
    pub(super) fn inputs_signed(&self) -> Vec<u8> {
        let hidden = |_, to: Pid, _: &[u8]| self.subjects.contains_key(&to).then(Vec::new);
        Inputs::file(&self.inputs, &hidden)
    }

    /// Whether the copy of the inputs is of this run. What is sealed under keys that are not to be
    /// had is passed over.
    pub(super) fn are_its_inputs(&self, copy: &[u8], subjects: Option<&Subjects>) -> bool {
        let is_closed = |to: Pid| {
            subjects.is_some_and(|Subjects { of, seals }| {
                of.get(&to.id()).is_some_and(|subject| seals.closed(*subject).is_some())
            })
        };
        let agents = self.places.len() as u32;
        let Some(kept) = Inputs::read(copy) else { return false };
        kept.len() == self.inputs.len()
            && (0..).zip(kept.iter().zip(&self.inputs)).all(|(index, (kept, (tick, to, bytes)))| {
                let sealed = subjects.and_then(|Subjects { of, seals }| {
                    let subject = of.get(&to.id()).filter(|_| !is_closed(*to))?;
                    Some(seals.seal(*subject, Sealing::Input(agents + index), bytes))
                });
                let same = sealed.as_ref().unwrap_or(bytes) == &kept.2;
                kept.0 == *tick && kept.1 == *to && (same || is_closed(*to))
            })
    }
}

/// The keystore of a data directory; `None`: it, or its master key, is not here.
fn open(keys: &KeyDirectory, data: &Path) -> Result<Option<Keystore>, RunError> {
    let Some(id) = id_in(data).map_err(RunError::Keys)? else { return Ok(None) };
    match Keystore::open_read_only(data, &master(keys, id)?, id) {
        Ok(keystore) => Ok(Some(keystore)),
        Err(KeystoreError::NotMade { .. } | KeystoreError::MasterMissing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn master(keys: &KeyDirectory, id: LogId) -> Result<std::path::PathBuf, RunError> {
    Ok(keys.keystores()?.join(master_name(id)))
}

fn master_name(id: LogId) -> String {
    format!("{id}.key")
}

//! What agents did in the tick that is repeated, as the log says: of those that nobody can execute,
//! because what they heard cannot be read.
//!
//! Such an agent is *opaque*, to the end. Its steps are wished for as they are recorded, and pass the
//! gate, the budget and the comparison like those of anybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use karyon_arrangements::{Arrangement, ExitReason};
use karyon_log::{CrashKind, Decision, Loss, Message, Output, Record, Records};
use karyon_types::AgentId;

use super::{Custody, Sealing, encoded, read, said, saying, write};
use crate::agent::{Payload, Wish, Wishes};
use crate::recorder::{RecordError, Recorder};

/// The records of one tick, as far as they say what an agent's steps came to.
#[derive(Default)]
pub(super) struct Recorded {
    /// By agent and step: the record.
    steps: BTreeMap<(AgentId, u64), Vec<u8>>,
    /// By agent, step and attempt: how it failed, and what became of it.
    crashes: BTreeMap<(AgentId, u64, u32), (CrashKind, Decision)>,
    /// The kinds of those who came to life.
    born: BTreeMap<AgentId, u32>,
    /// Who was handling something when it failed.
    poisoned: BTreeSet<AgentId>,
}

impl Recorded {
    fn note(&mut self, record: &Record<'_>) {
        match record {
            Record::Step { agent, step, .. } => {
                let mut bytes = Vec::new();
                record.encode(&mut bytes);
                self.steps.insert((*agent, *step), bytes);
            }
            Record::Crash { agent, step, attempt, kind, decision } => {
                self.crashes.insert((*agent, *step, *attempt), (*kind, *decision));
            }
            Record::Spawn { agent, kind, .. } => drop(self.born.insert(*agent, *kind)),
            Record::DeadLetter { agent, loss: Loss::Poison, .. } => {
                self.poisoned.insert(*agent);
            }
            _ => {}
        }
    }

    /// Looks at the outputs of a step; `None`: none is recorded.
    fn outputs<T>(
        &self,
        agent: AgentId,
        step: u64,
        look: impl FnOnce(&[Output<'_>]) -> Option<T>,
    ) -> Option<T> {
        match Records::new(self.steps.get(&(agent, step))?).next()?? {
            Record::Step { outputs, .. } => look(&outputs),
            _ => None,
        }
    }

    /// What a message says, as it is recorded.
    pub(super) fn message(&self, Message { from, step, output }: Message) -> Option<Vec<u8>> {
        self.outputs(from, step, |outputs| match outputs.get(usize::from(output))? {
            Output::Sent { payload, .. } | Output::Denied { payload, .. } => Some(payload.to_vec()),
            _ => None,
        })
    }

    /// Likewise, an arrangement.
    pub(super) fn arranged(&self, Message { from, step, output }: Message) -> Option<Vec<u8>> {
        self.outputs(from, step, |outputs| match outputs.get(usize::from(output))? {
            Output::Arranged { what, .. } | Output::Unarranged { what, .. } => Some(what.to_vec()),
            _ => None,
        })
    }
}

impl Custody {
    /// Reads what is recorded of the tick that is repeated next, should anybody in it be opaque.
    pub(crate) fn read_tick(&self, recorder: &mut Recorder) -> Result<(), RecordError> {
        if self.closed.is_empty() {
            return Ok(());
        }
        let (mut recorded, mut begun) = (Recorded::default(), false);
        recorder.scan(|record| match record {
            Some(Record::Tick(_)) if begun => ControlFlow::Break(()),
            None => ControlFlow::Break(()),
            Some(record) => {
                begun |= matches!(record, Record::Tick(_));
                recorded.note(record);
                ControlFlow::Continue(())
            }
        })?;
        *write(&self.recorded) = recorded;
        Ok(())
    }

    /// Whether an attempt of a step failed, and how.
    pub(crate) fn crash(&self, agent: AgentId, step: u64, attempt: u32) -> Option<CrashKind> {
        let (kind, _) = *read(&self.recorded).crashes.get(&(agent, step, attempt))?;
        // Otherwise it ended between two steps.
        matches!(kind, CrashKind::Panic | CrashKind::Error | CrashKind::Chaos).then_some(kind)
    }

    /// Of whom comes to life in the tick: the number of its kind, or how it failed to begin; `None`:
    /// nobody does.
    pub(crate) fn birth(&self, agent: AgentId) -> Option<Result<u32, CrashKind>> {
        let recorded = read(&self.recorded);
        let kind = *recorded.born.get(&agent)?;
        // Who began, and then failed, was handling something.
        Some(match recorded.crashes.get(&(agent, 0, 0)) {
            Some((failed, Decision::Stopped)) if !recorded.poisoned.contains(&agent) => {
                Err(*failed)
            }
            Some(_) | None => Ok(kind),
        })
    }

    /// What an opaque agent wished for in a step. Nothing, if that is not recorded: then the
    /// comparison says so.
    pub(crate) fn wishes(&self, agent: AgentId, step: u64, wishes: &mut Wishes) {
        read(&self.recorded).outputs(agent, step, |outputs| {
            wishes.count = outputs.len() as u64;
            for (index, output) in (0..).zip(outputs) {
                self.wish(Message { from: agent, step, output: index }, output, wishes);
            }
            Some(())
        });
    }

    fn wish(&self, message: Message, output: &Output<'_>, wishes: &mut Wishes) {
        let wish = match output {
            Output::Sent { to, payload, .. } | Output::Denied { to, payload, .. } => {
                let opened = self.opened(message, *to, payload);
                let payload = opened.as_deref().unwrap_or(payload);
                Wish::Send(*to, Payload::from_slice(payload))
            }
            Output::Remembered { write, .. } | Output::Forgone { write, .. } => {
                wishes.memory.extend_from_slice(write);
                Wish::Remember { end: wishes.memory.len() }
            }
            Output::DeniedAgain { denial, .. } => Wish::DeniedAgain(*denial),
            Output::Exit => {
                wishes.exit = Some(ExitReason::Normal);
                return;
            }
            Output::Arranged { what, .. } | Output::Unarranged { what, .. } => {
                match Arrangement::decode(what) {
                    Some(Arrangement::Exit(reason)) => {
                        wishes.exit = Some(reason);
                        return;
                    }
                    Some(Arrangement::SealedExit(sealed)) => {
                        let words = self.opened(message, message.from, sealed).unwrap_or_default();
                        let words = String::from_utf8(words).unwrap_or_default();
                        wishes.exit = Some(ExitReason::Failure(words.into()));
                        return;
                    }
                    Some(Arrangement::Lane(lane)) => Wish::Lane(lane),
                    other => {
                        let said = other.as_ref().and_then(said);
                        let opened = said.and_then(|said| self.opened(message, message.from, said));
                        match (other, opened) {
                            (Some(other), Some(opened)) => {
                                wishes.memory.extend(encoded(&saying(&other, &opened)));
                            }
                            _ => wishes.memory.extend_from_slice(what),
                        }
                        Wish::Arrange { end: wishes.memory.len() }
                    }
                }
            }
        };
        wishes.outputs.push(wish);
    }

    /// What was sealed for the subject of an agent, if it can be opened.
    fn opened(&self, message: Message, whose: AgentId, sealed: &[u8]) -> Option<Vec<u8>> {
        self.seals.open(self.open_subject(whose)?, Sealing::Output(message), sealed)
    }
}

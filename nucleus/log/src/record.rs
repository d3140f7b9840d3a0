//! Records: the compact ones that agents cause, and how all of them are framed.
//!
//! A record is its length (a varint), its kind (one byte) and its body. A step that answers one
//! small message with one takes 17 to 22 bytes beside the payload.

use karyon_types::{AgentId, Denial, GrantId, LeaseId, PrincipalId, ReasonId, Tick, varint};

use crate::control::Control;
use crate::limits::RECORD_BYTES_MAX;

mod kind {
    pub(super) const LEASE: u8 = 16;
    pub(super) const SPAWN: u8 = 17;
    pub(super) const TICK: u8 = 18;
    pub(super) const INPUT: u8 = 19;
    pub(super) const STEP_ON_INPUT: u8 = 20;
    pub(super) const STEP_ON_MESSAGE: u8 = 21;
    pub(super) const STEP_ON_DENIAL: u8 = 22;
    pub(super) const CRASH: u8 = 23;
    pub(super) const DEAD_LETTER: u8 = 24;
    pub(super) const CHANGE: u8 = 25;
}

/// Stands for "no end" where something follows an expiry.
const NO_END: u64 = u64::MAX;

mod output {
    pub(super) const SENT: u8 = 1;
    pub(super) const DENIED: u8 = 2;
    pub(super) const EXIT: u8 = 3;
    pub(super) const REMEMBERED: u8 = 4;
    pub(super) const FORGONE: u8 = 5;
    pub(super) const DENIED_AGAIN: u8 = 6;
}

/// A message's logical identity: its sender, the sender's step, the output's index in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// Who sent it.
    pub from: AgentId,
    /// In which of the sender's steps, counted from 0.
    pub step: u64,
    /// As which of the step's outputs, counted from 0.
    pub output: u16,
}

/// What a step handled; the cause of all its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// An external input: its index in the inputs that genesis holds.
    Input(u32),
    /// A message from an agent.
    Message(Message),
    /// The news that this output of the agent's own was denied.
    Denial(Message),
}

/// A lease that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Its serial.
    pub id: LeaseId,
    /// Its only holder.
    pub owner: AgentId,
    /// The grant that it was cut from.
    pub grant: GrantId,
    /// Its rights, as bits.
    pub rights: u32,
    /// The first and the last resource of its scope.
    pub scope: (u64, u64),
    /// The first tick at which it no longer holds.
    pub expires: Option<Tick>,
    /// How many bytes of the log its holder's outputs may take; `None`: no bound.
    pub log_bytes: Option<u64>,
}

/// What happens to somebody's authority in the course of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verb {
    /// It does not hold for a while.
    Suspend = 1,
    /// It holds again.
    Resume = 2,
    /// It holds never again.
    Revoke = 3,
}

/// Whose authority an order is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// All leases of this agent.
    Agent(AgentId),
    /// Whatever is done for this reason, or for one below it.
    Reason(ReasonId),
    /// All leases that were cut from this grant.
    Grant(GrantId),
    /// All that this principal answers for.
    Principal(PrincipalId),
    /// This lease, and those cut from it.
    Lease(LeaseId),
}

/// How an agent's step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CrashKind {
    /// It panicked.
    Panic = 1,
    /// It returned an error.
    Error = 2,
    /// Chaos killed it.
    Chaos = 3,
}

/// What its supervisor did about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Decision {
    /// Restarted from its last good state; the same message follows again.
    Redelivered = 1,
    /// Restarted; the message that killed it is gone.
    Restarted = 2,
    /// Not restarted.
    Stopped = 3,
}

/// Why a message was never handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Loss {
    /// It killed its receiver, and its attempts are used up.
    Poison = 1,
    /// Its receiver is gone.
    ReceiverGone = 2,
    /// Its receiver was restarted with an empty mailbox.
    MailboxEmptied = 3,
}

/// One output of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// A message that the gate admitted.
    Sent {
        /// The lease that allowed it.
        lease: LeaseId,
        /// Its receiver.
        to: AgentId,
        /// What it says.
        payload: &'a [u8],
    },
    /// A message that the gate denied.
    Denied {
        /// Why.
        denial: Denial,
        /// Its receiver, had it been admitted.
        to: AgentId,
        /// What it would have said.
        payload: &'a [u8],
    },
    /// The agent ended itself.
    Exit,
    /// A memory that the gate admitted. The log keeps its bytes; the projector reads them.
    Remembered {
        /// The lease that allowed it.
        lease: LeaseId,
        /// What is written.
        write: &'a [u8],
    },
    /// A memory that the gate denied.
    Forgone {
        /// Why.
        denial: Denial,
        /// What would have been written.
        write: &'a [u8],
    },
    /// Something that the gate denied for the same reason as what the agent wanted just before.
    DeniedAgain {
        /// Why.
        denial: Denial,
        /// How many in a row, this one included: 2 or more.
        count: u64,
    },
}

/// Any record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// About the node rather than the agents.
    Control(Box<Control>),
    /// A lease was opened.
    Lease(LeaseRecord),
    /// An agent began to exist.
    Spawn {
        /// Its serial.
        agent: AgentId,
        /// Its kind, as an index into genesis' list.
        kind: u32,
        /// Its lease.
        lease: LeaseId,
        /// Its name.
        name: &'a str,
    },
    /// A tick began; what follows up to the next such record happened in it.
    Tick(Tick),
    /// External inputs were released.
    Input {
        /// Their batch, counted from 0.
        batch: u64,
        /// How many.
        count: u64,
    },
    /// An agent handled something.
    Step {
        /// Which agent.
        agent: AgentId,
        /// Its steps before this one.
        step: u64,
        /// What it handled.
        cause: Cause,
        /// What came of it.
        outputs: Vec<Output<'a>>,
    },
    /// An agent failed; its step left nothing behind.
    Crash {
        /// Which agent.
        agent: AgentId,
        /// The step that it was in.
        step: u64,
        /// The attempts before this one.
        attempt: u32,
        /// How it failed.
        kind: CrashKind,
        /// What its supervisor did.
        decision: Decision,
    },
    /// A message that nobody handled.
    DeadLetter {
        /// Its receiver.
        agent: AgentId,
        /// Which message.
        cause: Cause,
        /// Why it was lost.
        loss: Loss,
    },
    /// Somebody's authority changed, before the steps of this tick.
    Change {
        /// How.
        verb: Verb,
        /// Whose.
        target: Target,
    },
}

impl Record<'_> {
    /// Appends the record with its length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        match self {
            Record::Control(control) => control.encode(&mut body),
            Record::Lease(lease) => {
                body.push(kind::LEASE);
                varint::write(&mut body, lease.id.0);
                varint::write(&mut body, lease.owner.0);
                varint::write(&mut body, lease.grant.0);
                varint::write(&mut body, u64::from(lease.rights));
                varint::write(&mut body, lease.scope.0);
                varint::write(&mut body, lease.scope.1);
                match (lease.expires, lease.log_bytes) {
                    (None, None) => {}
                    (Some(tick), None) => varint::write(&mut body, tick.0),
                    (expires, Some(bytes)) => {
                        varint::write(&mut body, expires.map_or(NO_END, |tick| tick.0));
                        varint::write(&mut body, bytes);
                    }
                }
            }
            Record::Spawn { agent, kind, lease, name } => {
                body.push(kind::SPAWN);
                varint::write(&mut body, agent.0);
                varint::write(&mut body, u64::from(*kind));
                varint::write(&mut body, lease.0);
                body.extend_from_slice(name.as_bytes());
            }
            Record::Tick(tick) => {
                body.push(kind::TICK);
                varint::write(&mut body, tick.0);
            }
            Record::Input { batch, count } => {
                body.push(kind::INPUT);
                varint::write(&mut body, *batch);
                varint::write(&mut body, *count);
            }
            Record::Step { agent, step, cause, outputs } => {
                let mut encoder = StepEncoder::default();
                encoder.begin(*agent, *step, *cause, outputs.len());
                outputs.iter().for_each(|output| encoder.output(output));
                return encoder.finish(out);
            }
            Record::Crash { agent, step, attempt, kind, decision } => {
                body.push(kind::CRASH);
                varint::write(&mut body, agent.0);
                varint::write(&mut body, *step);
                varint::write(&mut body, u64::from(*attempt));
                body.push(*kind as u8);
                body.push(*decision as u8);
            }
            Record::DeadLetter { agent, cause, loss } => {
                body.push(kind::DEAD_LETTER);
                varint::write(&mut body, agent.0);
                body.push(cause_kind(*cause));
                write_cause(&mut body, *cause);
                body.push(*loss as u8);
            }
            Record::Change { verb, target } => {
                let (number, id) = target.parts();
                body.push(kind::CHANGE);
                body.push(*verb as u8);
                body.push(number);
                varint::write(&mut body, id);
            }
        }
        frame(out, &body);
    }

    /// Reads kind and body; `None` when they are no record of this format.
    fn decode(mut bytes: &[u8]) -> Option<Record<'_>> {
        let (&kind, rest) = bytes.split_first()?;
        bytes = rest;
        let b = &mut bytes;
        let record = match kind {
            kind::LEASE => Record::Lease(
                LeaseRecord {
                    id: LeaseId(varint::read(b)?),
                    owner: AgentId(varint::read(b)?),
                    grant: GrantId(varint::read(b)?),
                    rights: varint::read(b)?.try_into().ok()?,
                    scope: (varint::read(b)?, varint::read(b)?),
                    expires: if b.is_empty() { None } else { Some(Tick(varint::read(b)?)) },
                    log_bytes: if b.is_empty() { None } else { Some(varint::read(b)?) },
                }
                .one_form()?,
            ),
            kind::SPAWN => Record::Spawn {
                agent: AgentId(varint::read(b)?),
                kind: varint::read(b)?.try_into().ok()?,
                lease: LeaseId(varint::read(b)?),
                name: std::str::from_utf8(std::mem::take(b)).ok()?,
            },
            kind::TICK => Record::Tick(Tick(varint::read(b)?)),
            kind::INPUT => Record::Input { batch: varint::read(b)?, count: varint::read(b)? },
            kind::STEP_ON_INPUT | kind::STEP_ON_MESSAGE | kind::STEP_ON_DENIAL => {
                let agent = AgentId(varint::read(b)?);
                let step = varint::read(b)?;
                let cause = read_cause(b, kind, agent)?;
                let count = varint::read(b)?;
                let outputs = (0..count).map(|_| read_output(b)).collect::<Option<_>>()?;
                Record::Step { agent, step, cause, outputs }
            }
            kind::CRASH => Record::Crash {
                agent: AgentId(varint::read(b)?),
                step: varint::read(b)?,
                attempt: varint::read(b)?.try_into().ok()?,
                kind: match byte(b)? {
                    1 => CrashKind::Panic,
                    2 => CrashKind::Error,
                    3 => CrashKind::Chaos,
                    _ => return None,
                },
                decision: match byte(b)? {
                    1 => Decision::Redelivered,
                    2 => Decision::Restarted,
                    3 => Decision::Stopped,
                    _ => return None,
                },
            },
            kind::DEAD_LETTER => {
                let agent = AgentId(varint::read(b)?);
                let kind = byte(b)?;
                let cause = read_cause(b, kind, agent)?;
                let loss = match byte(b)? {
                    1 => Loss::Poison,
                    2 => Loss::ReceiverGone,
                    3 => Loss::MailboxEmptied,
                    _ => return None,
                };
                Record::DeadLetter { agent, cause, loss }
            }
            kind::CHANGE => Record::Change {
                verb: Verb::from_number(byte(b)?)?,
                target: Target::from_parts(byte(b)?, varint::read(b)?)?,
            },
            _ => Record::Control(Box::new(Control::decode(kind, std::mem::take(b))?)),
        };
        b.is_empty().then_some(record)
    }
}

impl LeaseRecord {
    /// "No end" is written only in front of something else, and nobody says it otherwise.
    fn one_form(self) -> Option<LeaseRecord> {
        match (self.expires, self.log_bytes) {
            (Some(Tick(NO_END)), None) => None,
            (Some(Tick(NO_END)), Some(_)) => Some(LeaseRecord { expires: None, ..self }),
            _ => Some(self),
        }
    }
}

impl Verb {
    /// The verb with this number.
    pub fn from_number(number: u8) -> Option<Verb> {
        [Verb::Suspend, Verb::Resume, Verb::Revoke].into_iter().find(|v| *v as u8 == number)
    }
}

impl Target {
    /// Its kind's number and its serial: as in records and in what principals sign.
    pub fn parts(self) -> (u8, u64) {
        match self {
            Target::Agent(id) => (1, id.0),
            Target::Reason(id) => (2, id.0),
            Target::Grant(id) => (3, id.0),
            Target::Principal(id) => (4, id.0),
            Target::Lease(id) => (5, id.0),
        }
    }

    /// The target with these parts.
    pub fn from_parts(kind: u8, id: u64) -> Option<Target> {
        Some(match kind {
            1 => Target::Agent(AgentId(id)),
            2 => Target::Reason(ReasonId(id)),
            3 => Target::Grant(GrantId(id)),
            4 => Target::Principal(PrincipalId(id)),
            5 => Target::Lease(LeaseId(id)),
            _ => return None,
        })
    }
}

fn frame(out: &mut Vec<u8>, body: &[u8]) {
    varint::write(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(first)
}

fn cause_kind(cause: Cause) -> u8 {
    match cause {
        Cause::Input(_) => kind::STEP_ON_INPUT,
        Cause::Message(_) => kind::STEP_ON_MESSAGE,
        Cause::Denial(_) => kind::STEP_ON_DENIAL,
    }
}

fn write_cause(out: &mut Vec<u8>, cause: Cause) {
    match cause {
        Cause::Input(index) => varint::write(out, u64::from(index)),
        Cause::Message(message) => {
            varint::write(out, message.from.0);
            varint::write(out, message.step);
            varint::write(out, u64::from(message.output));
        }
        // The sender of what was denied is the agent itself.
        Cause::Denial(message) => {
            varint::write(out, message.step);
            varint::write(out, u64::from(message.output));
        }
    }
}

fn read_cause(b: &mut &[u8], kind: u8, agent: AgentId) -> Option<Cause> {
    Some(match kind {
        kind::STEP_ON_INPUT => Cause::Input(varint::read(b)?.try_into().ok()?),
        kind::STEP_ON_MESSAGE => Cause::Message(Message {
            from: AgentId(varint::read(b)?),
            step: varint::read(b)?,
            output: varint::read(b)?.try_into().ok()?,
        }),
        kind::STEP_ON_DENIAL => Cause::Denial(Message {
            from: agent,
            step: varint::read(b)?,
            output: varint::read(b)?.try_into().ok()?,
        }),
        _ => return None,
    })
}

fn read_output<'a>(b: &mut &'a [u8]) -> Option<Output<'a>> {
    Some(match byte(b)? {
        output::SENT => Output::Sent {
            lease: LeaseId(varint::read(b)?),
            to: AgentId(varint::read(b)?),
            payload: read_payload(b)?,
        },
        output::DENIED => Output::Denied {
            denial: Denial::from_number(byte(b)?)?,
            to: AgentId(varint::read(b)?),
            payload: read_payload(b)?,
        },
        output::EXIT => Output::Exit,
        output::REMEMBERED => {
            Output::Remembered { lease: LeaseId(varint::read(b)?), write: read_payload(b)? }
        }
        output::FORGONE => {
            Output::Forgone { denial: Denial::from_number(byte(b)?)?, write: read_payload(b)? }
        }
        output::DENIED_AGAIN => Output::DeniedAgain {
            denial: Denial::from_number(byte(b)?)?,
            count: Some(varint::read(b)?).filter(|count| *count > 1)?,
        },
        _ => return None,
    })
}

fn read_payload<'a>(b: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint::read(b)?).ok()?;
    let (payload, rest) = b.split_at_checked(len)?;
    *b = rest;
    Some(payload)
}

/// Encodes steps on the scheduler's path without allocating: its buffer is used again.
#[derive(Default)]
pub struct StepEncoder {
    body: Vec<u8>,
}

impl StepEncoder {
    /// Begins a step record that will have `outputs` outputs.
    #[inline]
    pub fn begin(&mut self, agent: AgentId, step: u64, cause: Cause, outputs: usize) {
        self.body.clear();
        self.body.push(cause_kind(cause));
        varint::write(&mut self.body, agent.0);
        varint::write(&mut self.body, step);
        write_cause(&mut self.body, cause);
        varint::write(&mut self.body, outputs as u64);
    }

    /// Adds the next output.
    #[inline]
    pub fn output(&mut self, output: &Output<'_>) {
        let body = &mut self.body;
        let payload = match output {
            Output::Sent { lease, to, payload } => {
                body.push(output::SENT);
                varint::write(body, lease.0);
                varint::write(body, to.0);
                payload
            }
            Output::Denied { denial, to, payload } => {
                body.push(output::DENIED);
                body.push(*denial as u8);
                varint::write(body, to.0);
                payload
            }
            Output::Exit => {
                body.push(output::EXIT);
                return;
            }
            Output::Remembered { lease, write } => {
                body.push(output::REMEMBERED);
                varint::write(body, lease.0);
                write
            }
            Output::Forgone { denial, write } => {
                body.push(output::FORGONE);
                body.push(*denial as u8);
                write
            }
            Output::DeniedAgain { denial, count } => {
                body.push(output::DENIED_AGAIN);
                body.push(*denial as u8);
                varint::write(body, *count);
                return;
            }
        };
        frame(body, payload);
    }

    /// Takes back what lies behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.body.truncate(len);
    }

    /// The length of the record so far, bytes, for comparison with [`RECORD_BYTES_MAX`].
    pub fn len(&self) -> usize {
        self.body.len()
    }

    /// Whether nothing was begun yet.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// Appends the finished record.
    #[inline]
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        frame(out, &self.body);
    }
}

/// The records of a block's body, in order.
///
/// Ends with `Some(None)` at the first bytes that are no record.
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Reads `body` from its beginning.
    pub fn new(body: &'a [u8]) -> Records<'a> {
        Records { rest: body }
    }

    /// The bytes behind the last record that was read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Passes over one record without decoding it; `false` at the end or at broken framing.
    pub fn pass(&mut self) -> bool {
        self.frame().is_some()
    }

    fn frame(&mut self) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        let len = usize::try_from(varint::read(&mut rest)?).ok()?;
        let (body, rest) = rest.split_at_checked(len)?;
        if len > RECORD_BYTES_MAX {
            return None;
        }
        self.rest = rest;
        Some(body)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Option<Record<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.frame().and_then(Record::decode);
        if record.is_none() {
            self.rest = &[];
        }
        Some(record)
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;

//! Records: the compact ones that agents cause, and how all of them are framed.
//!
//! A record is its length (a varint), its kind (one byte) and its body. A step that answers one
//! small message with one takes 17 to 22 bytes beside the payload.

mod authority;
mod step;

use karyon_types::{AgentId, LeaseId, Tick, varint};

pub use self::authority::{Cut, LeaseRecord, Measure, OrderVerb, Target, Verb};
pub use self::step::{Cause, Message, Output, StepEncoder};
use self::step::{cause_kind, read_cause, read_from, read_output, write_cause, write_own};
use crate::control::Control;
use crate::limits::RECORD_BYTES_MAX;

/// The step in which the agents of a [`Record::Lost`] ended: none has this number.
pub const LOST_STEP: u64 = u64::MAX;

mod kind {
    pub(super) const SCHEDULE: u8 = 14;
    pub(super) const LOST: u8 = 15;
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
    pub(super) const ORDER: u8 = 26;
    pub(super) const STEP_ON_TIMER: u8 = 27;
    pub(super) const STEP_ON_DOWN: u8 = 28;
    pub(super) const STEP_ON_EXIT: u8 = 29;
    pub(super) const SUPERVISED: u8 = 30;
    pub(super) const STEP_ON_SPAWN: u8 = 31;
    pub(super) const TOLD: u8 = 50;
    pub(super) const STEP_ON_TOLD: u8 = 51;
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
    /// Somebody outside ended it, between two steps.
    Order = 4,
    /// An agent that it was linked to ended. It took no step.
    Link = 5,
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
    /// It is gone, and the tree of supervisors decides behind the tick.
    LeftToSupervisor = 4,
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
    /// Its receiver's mailbox had no room for it.
    Refused = 4,
}

/// Any record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// About the node rather than the agents.
    Control(Box<Control>),
    /// How the agents of the run that begins take turns, as the runtime says it.
    Schedule(&'a [u8]),
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
    /// A user of the machine ordered something about an agent, before the steps of this tick.
    Order {
        /// What.
        verb: OrderVerb,
        /// Whom it is about.
        agent: AgentId,
        /// The user, as the kernel names them: no principal.
        uid: u32,
    },
    /// From this tick on these agents take no step: one of them did not come back from its own.
    Lost {
        /// The first of them.
        first: AgentId,
        /// The last of them.
        last: AgentId,
    },
    /// A supervisor did something with an agent, before the steps of this tick.
    Supervised {
        /// With whom.
        agent: AgentId,
        /// Its steps before this; of an end, that end's own number.
        step: u64,
        /// What.
        measure: Measure,
    },
    /// An agent is told what came of an output of its own, before the steps of this tick. The log
    /// keeps the bytes; `karyon-arrangements` reads them.
    Told {
        /// The output.
        by: Message,
        /// What came of it.
        what: &'a [u8],
    },
}

impl Record<'_> {
    /// Appends the record with its length.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        // Its length, once that is known.
        out.push(0);
        let body = &mut *out;
        match self {
            Record::Control(control) => control.encode(body),
            Record::Schedule(bytes) => {
                body.push(kind::SCHEDULE);
                body.extend_from_slice(bytes);
            }
            Record::Lease(lease) => {
                body.push(kind::LEASE);
                lease.write(body);
            }
            Record::Spawn { agent, kind, lease, name } => {
                body.push(kind::SPAWN);
                varint::write_all(body, [agent.0, u64::from(*kind), lease.0]);
                body.extend_from_slice(name.as_bytes());
            }
            Record::Tick(tick) => {
                body.push(kind::TICK);
                varint::write(body, tick.0);
            }
            Record::Input { batch, count } => {
                body.push(kind::INPUT);
                varint::write_all(body, [*batch, *count]);
            }
            Record::Step { agent, step, cause, outputs } => {
                let mut encoder = StepEncoder::default();
                encoder.begin(*agent, *step, cause, outputs.len());
                outputs.iter().for_each(|output| encoder.output(output));
                out.truncate(begin);
                return encoder.finish(out);
            }
            Record::Crash { agent, step, attempt, kind, decision } => {
                body.push(kind::CRASH);
                varint::write_all(body, [agent.0, *step, u64::from(*attempt)]);
                body.extend([*kind as u8, *decision as u8]);
            }
            Record::DeadLetter { agent, cause, loss } => {
                body.push(kind::DEAD_LETTER);
                varint::write(body, agent.0);
                body.push(cause_kind(*cause));
                write_cause(body, *cause);
                body.push(*loss as u8);
            }
            Record::Change { verb, target } => {
                let (number, id) = target.parts();
                body.extend([kind::CHANGE, *verb as u8, number]);
                varint::write(body, id);
            }
            Record::Order { verb, agent, uid } => {
                body.extend([kind::ORDER, *verb as u8]);
                varint::write_all(body, [agent.0, u64::from(*uid)]);
            }
            Record::Lost { first, last } => {
                body.push(kind::LOST);
                varint::write_all(body, [first.0, last.0]);
            }
            Record::Supervised { agent, step, measure } => {
                body.extend([kind::SUPERVISED, *measure as u8]);
                varint::write_all(body, [agent.0, *step]);
            }
            Record::Told { by, what } => {
                body.push(kind::TOLD);
                varint::write(body, by.from.0);
                write_own(body, *by);
                body.extend_from_slice(what);
            }
        }
        close_frame(out, begin);
    }

    /// Reads kind and body; `None` when they are no record of this format.
    fn decode(mut bytes: &[u8]) -> Option<Record<'_>> {
        let (&kind, rest) = bytes.split_first()?;
        bytes = rest;
        let b = &mut bytes;
        let record = match kind {
            kind::SCHEDULE => Record::Schedule(std::mem::take(b)),
            kind::LEASE => Record::Lease(LeaseRecord::read(b)?),
            kind::SPAWN => Record::Spawn {
                agent: AgentId(varint::read(b)?),
                kind: varint::read(b)?.try_into().ok()?,
                lease: LeaseId(varint::read(b)?),
                name: std::str::from_utf8(std::mem::take(b)).ok()?,
            },
            kind::TICK => Record::Tick(Tick(varint::read(b)?)),
            kind::INPUT => Record::Input { batch: varint::read(b)?, count: varint::read(b)? },
            kind::STEP_ON_INPUT..=kind::STEP_ON_DENIAL
            | kind::STEP_ON_TIMER..=kind::STEP_ON_EXIT
            | kind::STEP_ON_SPAWN
            | kind::STEP_ON_TOLD => {
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
                kind: {
                    use CrashKind::{Chaos, Error, Link, Order, Panic};
                    let number = byte(b)?;
                    [Panic, Error, Chaos, Order, Link].into_iter().find(|k| *k as u8 == number)?
                },
                decision: match byte(b)? {
                    1 => Decision::Redelivered,
                    2 => Decision::Restarted,
                    3 => Decision::Stopped,
                    4 => Decision::LeftToSupervisor,
                    _ => return None,
                },
            },
            kind::DEAD_LETTER => {
                let agent = AgentId(varint::read(b)?);
                let kind = byte(b)?;
                let cause = read_cause(b, kind, agent)?;
                use Loss::{MailboxEmptied, Poison, ReceiverGone, Refused};
                let (all, number) = ([Poison, ReceiverGone, MailboxEmptied, Refused], byte(b)?);
                let loss = all.into_iter().find(|loss| *loss as u8 == number)?;
                Record::DeadLetter { agent, cause, loss }
            }
            kind::CHANGE => Record::Change {
                verb: Verb::from_number(byte(b)?)?,
                target: Target::from_parts(byte(b)?, varint::read(b)?)?,
            },
            kind::ORDER => Record::Order {
                verb: OrderVerb::from_number(byte(b)?)?,
                agent: AgentId(varint::read(b)?),
                uid: varint::read(b)?.try_into().ok()?,
            },
            kind::LOST => {
                Record::Lost { first: AgentId(varint::read(b)?), last: AgentId(varint::read(b)?) }
            }
            kind::SUPERVISED => Record::Supervised {
                measure: Measure::from_number(byte(b)?)?,
                agent: AgentId(varint::read(b)?),
                step: varint::read(b)?,
            },
            kind::TOLD => {
                let from = AgentId(varint::read(b)?);
                Record::Told { by: read_from(from, b)?, what: std::mem::take(b) }
            }
            _ => Record::Control(Box::new(Control::decode(kind, std::mem::take(b))?)),
        };
        b.is_empty().then_some(record)
    }
}

/// What lies behind `begin`, where a byte is kept for its length, becomes a frame.
fn close_frame(out: &mut Vec<u8>, begin: usize) {
    match (out.len() - begin - 1, out.get_mut(begin)) {
        (len @ ..0x80, Some(first)) => *first = len as u8,
        (len, _) => {
            let mut head = Vec::new();
            varint::write(&mut head, len as u64);
            out.splice(begin..=begin, head);
        }
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

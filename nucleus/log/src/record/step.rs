//! Steps: what an agent handled and what came of it.

use karyon_types::{AgentId, Denial, LeaseId, varint};

use super::{byte, frame, kind};

mod output {
    pub(super) const SENT: u8 = 1;
    pub(super) const DENIED: u8 = 2;
    pub(super) const EXIT: u8 = 3;
    pub(super) const REMEMBERED: u8 = 4;
    pub(super) const FORGONE: u8 = 5;
    pub(super) const DENIED_AGAIN: u8 = 6;
    pub(super) const ARRANGED: u8 = 7;
    pub(super) const UNARRANGED: u8 = 8;
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
    /// A timer that this output of the agent's own armed.
    Timer(Message),
    /// An agent that it monitors ended: by this output, in a step that crashed, or before it could
    /// be monitored by this output of the agent's own.
    Down(Message),
    /// Likewise, an agent that it is linked to.
    Exit(Message),
    /// What came of this output of the agent's own, with which it spawned: `from` came to life, or
    /// nobody did, and it is 0.
    Spawn(Message),
    /// What came of this output of the agent's own, as a [`Record::Told`](super::Record::Told) says:
    /// what it recalled, or a receipt.
    Told(Message),
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
    /// Something about its own life. The log keeps its bytes; `karyon-arrangements` reads them.
    Arranged {
        /// The lease that allowed it; `None`: nobody has to.
        lease: Option<LeaseId>,
        /// What.
        what: &'a [u8],
    },
    /// Something about its own life that the gate denied.
    Unarranged {
        /// Why.
        denial: Denial,
        /// What it would have been.
        what: &'a [u8],
    },
}

#[inline]
pub(super) fn cause_kind(cause: Cause) -> u8 {
    match cause {
        Cause::Input(_) => kind::STEP_ON_INPUT,
        Cause::Message(_) => kind::STEP_ON_MESSAGE,
        Cause::Denial(_) => kind::STEP_ON_DENIAL,
        Cause::Timer(_) => kind::STEP_ON_TIMER,
        Cause::Down(_) => kind::STEP_ON_DOWN,
        Cause::Exit(_) => kind::STEP_ON_EXIT,
        Cause::Spawn(_) => kind::STEP_ON_SPAWN,
        Cause::Told(_) => kind::STEP_ON_TOLD,
    }
}

#[inline]
pub(super) fn write_cause(out: &mut Vec<u8>, cause: Cause) {
    match cause {
        Cause::Input(index) => varint::write(out, u64::from(index)),
        Cause::Message(message)
        | Cause::Down(message)
        | Cause::Exit(message)
        | Cause::Spawn(message) => {
            varint::write(out, message.from.0);
            write_own(out, message);
        }
        // The sender of what was denied is the agent itself.
        Cause::Denial(message) | Cause::Timer(message) | Cause::Told(message) => {
            write_own(out, message);
        }
    }
}

#[inline]
pub(super) fn write_own(out: &mut Vec<u8>, message: Message) {
    varint::write_all(out, [message.step, u64::from(message.output)]);
}

pub(super) fn read_from(from: AgentId, b: &mut &[u8]) -> Option<Message> {
    Some(Message { from, step: varint::read(b)?, output: varint::read(b)?.try_into().ok()? })
}

pub(super) fn read_cause(b: &mut &[u8], kind: u8, agent: AgentId) -> Option<Cause> {
    let own = match kind {
        kind::STEP_ON_INPUT => return Some(Cause::Input(varint::read(b)?.try_into().ok()?)),
        kind::STEP_ON_DENIAL | kind::STEP_ON_TIMER | kind::STEP_ON_TOLD => true,
        kind::STEP_ON_MESSAGE | kind::STEP_ON_DOWN | kind::STEP_ON_EXIT | kind::STEP_ON_SPAWN => {
            false
        }
        _ => return None,
    };
    let message = read_from(if own { agent } else { AgentId(varint::read(b)?) }, b)?;
    Some(match kind {
        kind::STEP_ON_DENIAL => Cause::Denial(message),
        kind::STEP_ON_TIMER => Cause::Timer(message),
        kind::STEP_ON_TOLD => Cause::Told(message),
        kind::STEP_ON_DOWN => Cause::Down(message),
        kind::STEP_ON_EXIT => Cause::Exit(message),
        kind::STEP_ON_SPAWN => Cause::Spawn(message),
        _ => Cause::Message(message),
    })
}

pub(super) fn read_output<'a>(b: &mut &'a [u8]) -> Option<Output<'a>> {
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
        output::ARRANGED => {
            let lease = Some(varint::read(b)?).filter(|lease| *lease > 0).map(LeaseId);
            Output::Arranged { lease, what: read_payload(b)? }
        }
        output::UNARRANGED => {
            Output::Unarranged { denial: Denial::from_number(byte(b)?)?, what: read_payload(b)? }
        }
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
    pub fn begin(&mut self, agent: AgentId, step: u64, cause: &Cause, outputs: usize) {
        self.body.clear();
        self.body.push(cause_kind(*cause));
        varint::write(&mut self.body, agent.0);
        varint::write(&mut self.body, step);
        write_cause(&mut self.body, *cause);
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
            Output::Arranged { lease, what } => {
                body.push(output::ARRANGED);
                varint::write(body, lease.map_or(0, |lease| lease.0));
                what
            }
            Output::Unarranged { denial, what } => {
                body.push(output::UNARRANGED);
                body.push(*denial as u8);
                what
            }
        };
        frame(body, payload);
    }

    /// Takes back what lies behind the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.body.truncate(len);
    }

    /// The length of the record so far, bytes, for comparison with [`RECORD_BYTES_MAX`](crate::limits::RECORD_BYTES_MAX).
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

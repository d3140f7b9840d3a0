//! Lineage: the chain of causes from something that is so, back to who answers for it.
//!
//! A step's cause is what it handled: a message, and so the step that sent it; or an external
//! input, and so the run. But what an agent then did also depended on what it knew. Of that the
//! log holds what the agent said itself: the facts that it had recorded by then. So the chain goes
//! from a fact to the step that recorded it, to the message that this step handled, to the step
//! that sent it, and on to the latest fact that the sender had recorded by then. A fact whose
//! property `from` is null says that it began there.

mod answers;
mod back;
mod forth;

use karyon_graph::GraphError;
use karyon_lineage::Tie;
use karyon_log::{
    Control, CrashKind, Decision, Loss, Measure, Message, OrderVerb, Output, PrincipalRecord,
    Record, Target, Verb,
};
use karyon_memory_ops::{Properties, Valid};
use karyon_types::{AgentId, Denial, GrantId, LeaseId, Position, Tick};

use crate::journal::{Found, Journal, JournalError};

pub use back::explain;
pub use forth::{Bounds, Consequence, Consequences, LeftOut, consequences};

/// The property of a fact that says from whom it came.
pub const FROM: &str = "from";

/// What is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// What an agent knows.
    Agent(AgentId),
    /// A record.
    Record(Position),
}

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
pub enum LineageError {
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The memory cannot be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// There is no such record.
    #[error("there is no record {position}: the last one is #{}", end.0.saturating_sub(1))]
    NoRecord {
        /// What was asked for.
        position: Position,
        /// Behind the last record.
        end: Position,
    },
    /// The log does not hold the cause that it names.
    #[error("the log holds no record of step {step} of {agent}, though {effect} names it")]
    NoCause {
        /// Whose step.
        agent: AgentId,
        /// Which one.
        step: u64,
        /// The record that names it.
        effect: Position,
    },
    /// The log does not hold what a record of it names.
    #[error("the log holds no record of {what} before {effect}, which names it")]
    Missing {
        /// What is named.
        what: String,
        /// The record that names it.
        effect: Position,
    },
}

/// The chain of causes, the effect first.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
    /// The links; each is there because of the next.
    pub links: Vec<Link>,
    /// Who approved of what is in the chain, in its order.
    pub approved: Vec<Approved>,
    /// Who answers for the chain, should the log name them: for the first authority in a chain of
    /// effects and leases, else for the last link.
    pub authority: Option<Answerable>,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The record in which it stands.
    pub position: Position,
    /// The tick in which it happened; `None`: before the first.
    pub tick: Option<Tick>,
    /// Whose it is; `None`: the node's.
    pub agent: Option<AgentId>,
    /// The lease that allowed it, if it needed one and had it.
    pub lease: Option<LeaseId>,
    /// What happened.
    pub what: What,
}

/// What a link says.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The agent recorded a fact about itself.
    Fact {
        /// Which kind of fact.
        predicate: String,
        /// Since when it holds.
        valid: Valid,
        /// What it says.
        properties: Properties,
    },
    /// The agent sent a message.
    Sent {
        /// To whom.
        to: AgentId,
        /// What it said.
        payload: Vec<u8>,
    },
    /// The agent was denied something.
    Denied {
        /// To whom it wanted to send; `None`: it wanted to remember.
        to: Option<AgentId>,
        /// Why not.
        denial: Denial,
    },
    /// The agent was denied once more, for the same reason as just before.
    DeniedAgain {
        /// Why not.
        denial: Denial,
        /// How many in a row, this one included.
        count: u64,
    },
    /// The agent arranged something for its own life, or was denied that.
    Arranged {
        /// What; `karyon-arrangements` reads it.
        what: Vec<u8>,
        /// Why not; `None`: it was allowed, or nobody had to.
        denial: Option<Denial>,
    },
    /// The agent was given an external input.
    Input {
        /// Its place in the inputs that genesis holds.
        index: u32,
    },
    /// The agent took a step.
    Step {
        /// Which one, counted from 0.
        step: u64,
        /// Messages that it sent.
        sent: usize,
        /// Memories that it wrote.
        remembered: usize,
        /// What was denied to it.
        denied: usize,
    },
    /// The agent crashed.
    Crashed {
        /// How.
        kind: CrashKind,
        /// What its supervisor did.
        decision: Decision,
    },
    /// Something sent to the agent was never handled.
    Lost {
        /// Why.
        loss: Loss,
    },
    /// Somebody's authority changed.
    Changed {
        /// How.
        verb: Verb,
        /// Whose.
        target: Target,
    },
    /// A user of the machine ordered something about the agent.
    Ordered {
        /// What.
        verb: OrderVerb,
        /// Who, as the kernel names them.
        uid: u32,
    },
    /// These agents were lost: one of them did not come back from its step.
    Quarantined {
        /// The first of them.
        first: AgentId,
        /// The last of them.
        last: AgentId,
    },
    /// The agent was told what came of an output of its own.
    Told {
        /// What; `karyon-arrangements` reads it.
        what: Vec<u8>,
    },
    /// Its supervisor did something with the agent.
    Supervised {
        /// What.
        measure: Measure,
    },
    /// The agent was born.
    Born,
    /// A lease was opened for the agent.
    Leased,
    /// It was said how the agents take turns.
    Schedule,
    /// A tick began.
    Tick,
    /// External inputs were released.
    Released {
        /// How many.
        count: u64,
    },
    /// Something about the node.
    Control(Box<Control>),
}

/// Who answers, and why it was allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Answerable {
    /// The lease that allowed it.
    pub lease: Option<LeaseId>,
    /// The grant that it was cut from, and its record; `None`: the principal did it in person.
    pub grant: Option<(GrantId, Position)>,
    /// Why it was given, and why that: the nearest reason first.
    pub reasons: Vec<String>,
    /// Who gave it.
    pub principal: PrincipalRecord,
}

/// Who approved of a proposal.
#[derive(Clone, Debug, PartialEq)]
pub struct Approved {
    /// The record of the approval.
    pub position: Position,
    /// The proposal.
    pub proposal: u64,
    /// The agent who approved; `None`: a principal.
    pub agent: Option<AgentId>,
    /// Who answers for the approval: the principal who approved, or on whose grant the agent did.
    pub authority: Option<Answerable>,
}

/// A record as a link.
fn link_of(found: &Found, record: Record<'_>) -> Link {
    let link =
        |agent, what| Link { position: found.position, tick: found.tick, agent, lease: None, what };
    match record {
        Record::Step { agent, step, outputs, .. } => step_link(found, agent, step, &outputs),
        Record::Crash { agent, kind, decision, .. } => {
            link(Some(agent), What::Crashed { kind, decision })
        }
        Record::DeadLetter { agent, loss, .. } => link(Some(agent), What::Lost { loss }),
        Record::Spawn { agent, .. } => link(Some(agent), What::Born),
        Record::Lease(lease) => {
            Link { lease: Some(lease.id), ..link(Some(lease.owner), What::Leased) }
        }
        Record::Tick(_) => link(None, What::Tick),
        Record::Schedule(_) => link(None, What::Schedule),
        Record::Input { count, .. } => link(None, What::Released { count }),
        Record::Told { by, what } => link(Some(by.from), What::Told { what: what.to_vec() }),
        Record::Lost { first, last } => link(None, What::Quarantined { first, last }),
        Record::Change { verb, target } => link(None, What::Changed { verb, target }),
        Record::Order { verb, agent, uid } => link(Some(agent), What::Ordered { verb, uid }),
        Record::Supervised { agent, measure, .. } => {
            link(Some(agent), What::Supervised { measure })
        }
        Record::Control(control) => {
            let (agent, lease) = parties(&control);
            Link { lease: lease.map(LeaseId), ..link(agent.map(AgentId), What::Control(control)) }
        }
    }
}

/// The record that ended an agent's attempts at a step in which it crashed: the step, or the letter
/// that nobody handled, which lies right behind the last crash.
fn end_of_attempts(
    journal: &mut Journal,
    agent: AgentId,
    step: u64,
) -> Result<Option<Found>, JournalError> {
    if let Some(found) = journal.step(agent, step, journal.end())? {
        return Ok(Some(found));
    }
    let Some(last) = journal.crashes(agent, step)?.pop() else { return Ok(None) };
    let found = journal.record(Position(last.0.saturating_add(1)))?;
    Ok(found.filter(|found| match found.record() {
        Some(Record::DeadLetter { agent: whose, .. }) => whose == agent,
        _ => false,
    }))
}

/// The order from outside for which something sent to an agent was lost at `found`: of the same
/// tick when the mailbox was emptied; when the agent was gone, the kill behind which it did nothing
/// any more.
fn order_behind(
    journal: &mut Journal,
    found: &Found,
    agent: AgentId,
    loss: Loss,
) -> Result<Option<Found>, JournalError> {
    let mut last = None;
    for tied in journal.tied(Tie::OrderAgent, agent.0)? {
        let tied = tied?;
        if tied >= found.position {
            break;
        }
        last = Some(tied);
    }
    let Some(order) = last.map(|at| journal.record(at)).transpose()?.flatten() else {
        return Ok(None);
    };
    let Some(Record::Order { verb, .. }) = order.record() else { return Ok(None) };
    let is_it = match (loss, verb) {
        (Loss::MailboxEmptied, OrderVerb::Kill | OrderVerb::Restart) => order.tick == found.tick,
        (Loss::ReceiverGone, OrderVerb::Kill) => {
            journal.last_step(agent)?.is_none_or(|step| step.position < order.position)
        }
        (Loss::MailboxEmptied | Loss::ReceiverGone | Loss::Poison | Loss::Refused, _) => false,
    };
    Ok(is_it.then_some(order))
}

/// Whose a control record is, and under which lease.
fn parties(control: &Control) -> (Option<u64>, Option<u64>) {
    match control {
        Control::Import(import) => (None, Some(import.lease)),
        Control::Memory(memory) => (None, Some(memory.lease)),
        Control::Terms(terms) => (Some(terms.owner), Some(terms.lease)),
        Control::Proposal(proposal) => (Some(proposal.agent), Some(proposal.lease)),
        Control::Intent(intent) => (Some(intent.agent), Some(intent.lease)),
        Control::Refused(refused) => (Some(refused.agent), refused.lease),
        Control::Approval(approval) => (None, approval.lease),
        Control::Agent(agent) => (Some(agent.id), None),
        Control::Genesis(_)
        | Control::Boot(_)
        | Control::Principal(_)
        | Control::Reason(_)
        | Control::Grant(_)
        | Control::Recovered(_)
        | Control::Resume(_)
        | Control::Interrupted(_)
        | Control::Seal(_)
        | Control::Turn(_)
        | Control::Halt(_)
        | Control::Order(_)
        | Control::Receipt(_)
        | Control::OutcomeUnknown(_)
        | Control::ClockBack(_)
        | Control::Snapshot(_)
        | Control::Subjects(_) => (None, None),
    }
}

fn step_link(found: &Found, agent: AgentId, step: u64, outputs: &[Output<'_>]) -> Link {
    let (mut sent, mut remembered, mut denied, mut lease) = (0, 0, 0, None);
    for output in outputs {
        match output {
            Output::Sent { lease: under, .. } => {
                sent += 1;
                lease = lease.or(Some(*under));
            }
            Output::Remembered { lease: under, .. } => {
                remembered += 1;
                lease = lease.or(Some(*under));
            }
            Output::Denied { .. }
            | Output::Forgone { .. }
            | Output::DeniedAgain { .. }
            | Output::Unarranged { .. } => denied += 1,
            Output::Arranged { lease: under, .. } => lease = lease.or(*under),
            Output::Exit => {}
        }
    }
    let what = What::Step { step, sent, remembered, denied };
    Link { position: found.position, tick: found.tick, agent: Some(agent), lease, what }
}

fn output_link(found: &Found, message: Message, output: &Output<'_>) -> Link {
    let (lease, what) = match output {
        Output::Sent { lease, to, payload } => {
            (Some(*lease), What::Sent { to: *to, payload: payload.to_vec() })
        }
        Output::Denied { denial, to, .. } => {
            (None, What::Denied { to: Some(*to), denial: *denial })
        }
        Output::Forgone { denial, .. } => (None, What::Denied { to: None, denial: *denial }),
        Output::DeniedAgain { denial, count } => {
            (None, What::DeniedAgain { denial: *denial, count: *count })
        }
        Output::Arranged { lease, what } => {
            (*lease, What::Arranged { what: what.to_vec(), denial: None })
        }
        Output::Unarranged { denial, what } => {
            (None, What::Arranged { what: what.to_vec(), denial: Some(*denial) })
        }
        // No message names another output; it is shown as what it is.
        Output::Remembered { lease, .. } => {
            (Some(*lease), What::Step { step: message.step, sent: 0, remembered: 1, denied: 0 })
        }
        Output::Exit => {
            (None, What::Step { step: message.step, sent: 0, remembered: 0, denied: 0 })
        }
    };
    Link { position: found.position, tick: found.tick, agent: Some(message.from), lease, what }
}

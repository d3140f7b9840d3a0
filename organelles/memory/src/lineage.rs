//! Lineage: the chain of causes from something that is so, back to who answers for it.
//!
//! A step's cause is what it handled: a message, and so the step that sent it; or an external
//! input, and so the run. But what an agent then did also depended on what it knew. Of that the
//! log holds what the agent said itself: the facts that it had recorded by then. So the chain goes
//! from a fact to the step that recorded it, to the message that this step handled, to the step
//! that sent it, and on to the latest fact that the sender had recorded by then. A fact whose
//! property `from` is null says that it began there.

use std::collections::BTreeSet;

use karyon_graph::{At, EntityId, GraphError, Reader, View};
use karyon_log::{
    Cause, Control, CrashKind, Decision, Loss, Message, Output, PrincipalRecord, Record, Target,
    Verb,
};
use karyon_memory_ops::{Content, Properties, Valid, Value, Vertex};
use karyon_types::{AgentId, Denial, GrantId, LeaseId, Position, Tick};

use crate::journal::{Found, Journal, JournalError};

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
}

/// The chain of causes, the effect first.
#[derive(Clone, Debug, PartialEq)]
pub struct Lineage {
    /// The links; each is there because of the next.
    pub links: Vec<Link>,
    /// Who answers for the last link, should the log name them.
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
    /// The agent was born.
    Born,
    /// A lease was opened for the agent.
    Leased,
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
    /// The lease of the agent at the chain's end.
    pub lease: Option<LeaseId>,
    /// The grant that it was cut from.
    pub grant: GrantId,
    /// The grant's record.
    pub granted: Position,
    /// Why it was given, and why that: the nearest reason first.
    pub reasons: Vec<String>,
    /// Who gave it.
    pub principal: PrincipalRecord,
}

/// A fact as it stood at some point of the record.
struct Fact {
    agent: AgentId,
    link: Link,
}

impl Fact {
    /// Whether it says of itself that it came from nobody.
    fn began_here(&self) -> bool {
        match &self.link.what {
            What::Fact { properties, .. } => properties.get(FROM) == Some(&Value::Null),
            _ => false,
        }
    }
}

/// Follows the causes of `subject` to their beginning.
///
/// # Errors
/// See [`LineageError`].
pub fn explain(
    subject: Subject,
    journal: &mut Journal,
    reader: &Reader,
) -> Result<Lineage, LineageError> {
    let mut chain = Chain { journal, reader, links: Vec::new(), told: BTreeSet::new() };
    match subject {
        Subject::Agent(agent) => chain.agent(agent)?,
        Subject::Record(position) => {
            let end = chain.journal.end();
            let found = chain.journal.record(position)?;
            let found = found.ok_or(LineageError::NoRecord { position, end })?;
            chain.record(&found)?;
        }
    }
    let authority = chain.authority()?;
    Ok(Lineage { links: chain.links, authority })
}

struct Chain<'a> {
    journal: &'a mut Journal,
    reader: &'a Reader,
    links: Vec<Link>,
    /// Facts that are in the chain already, by whom and where.
    told: BTreeSet<(AgentId, Position)>,
}

impl Chain<'_> {
    fn agent(&mut self, agent: AgentId) -> Result<(), LineageError> {
        if let Some(fact) = self.latest_fact(agent, None)? {
            return self.fact(fact);
        }
        match self.journal.last_step(agent)? {
            Some(found) => self.record(&found),
            None => Ok(()),
        }
    }

    /// The latest fact of an agent that was recorded up to `until` and is not told yet.
    fn latest_fact(
        &self,
        agent: AgentId,
        until: Option<Position>,
    ) -> Result<Option<Fact>, LineageError> {
        let view = View { at: At::Now, as_recorded: until };
        let mut latest: Option<Fact> = None;
        let Some(vertex) = self.reader.find_vertex(None, &Vertex::Agent(agent))? else {
            return Ok(None);
        };
        for (entity, version) in self.reader.facts(vertex, &view)? {
            let (EntityId::Fact { predicate, .. }, Content::Present { properties, .. }) =
                (entity, version.content)
            else {
                continue;
            };
            let position = version.recorded.position;
            // What others wrote about the agent is not what it knew.
            if version.recorded.agent != agent
                || self.told.contains(&(agent, position))
                || latest.as_ref().is_some_and(|latest| latest.link.position > position)
            {
                continue;
            }
            latest = Some(Fact {
                agent,
                link: Link {
                    position,
                    tick: Some(version.recorded.tick),
                    agent: Some(agent),
                    lease: Some(version.recorded.lease),
                    what: What::Fact { predicate, valid: version.valid, properties },
                },
            });
        }
        Ok(latest)
    }

    fn fact(&mut self, fact: Fact) -> Result<(), LineageError> {
        let mut next = Some(fact);
        while let Some(fact) = next {
            let (agent, position) = (fact.agent, fact.link.position);
            let ends = fact.began_here();
            self.told.insert((agent, position));
            self.links.push(fact.link);
            if ends {
                return Ok(());
            }
            let missing = || JournalError::Changed { position };
            let found = self.journal.record(position)?.ok_or_else(missing)?;
            // A fact is an output of a step, whatever the memory's file says.
            let Some(Record::Step { cause, .. }) = found.record() else {
                return Err(missing().into());
            };
            next = self.cause(agent, cause, position)?;
        }
        Ok(())
    }

    fn record(&mut self, found: &Found) -> Result<(), LineageError> {
        let position = found.position;
        let record = found.record().ok_or(JournalError::Unreadable { position })?;
        let link = |agent, what| Link {
            position: found.position,
            tick: found.tick,
            agent,
            lease: None,
            what,
        };
        let (link, cause) = match record {
            Record::Step { agent, step, cause, outputs } => {
                (step_link(found, agent, step, &outputs), Some((agent, cause)))
            }
            Record::Crash { agent, kind, decision, .. } => {
                (link(Some(agent), What::Crashed { kind, decision }), None)
            }
            Record::DeadLetter { agent, cause, loss } => {
                (link(Some(agent), What::Lost { loss }), Some((agent, cause)))
            }
            Record::Spawn { agent, .. } => (link(Some(agent), What::Born), None),
            Record::Lease(lease) => {
                let lease = Link { lease: Some(lease.id), ..link(Some(lease.owner), What::Leased) };
                (lease, None)
            }
            Record::Tick(_) => (link(None, What::Tick), None),
            Record::Input { count, .. } => (link(None, What::Released { count }), None),
            Record::Change { verb, target } => (link(None, What::Changed { verb, target }), None),
            Record::Control(control) => {
                let lease = match &*control {
                    Control::Import(import) => Some(LeaseId(import.lease)),
                    _ => None,
                };
                (Link { lease, ..link(None, What::Control(control)) }, None)
            }
        };
        self.links.push(link);
        let Some((agent, cause)) = cause else { return Ok(()) };
        match self.cause(agent, cause, found.position)? {
            Some(fact) => self.fact(fact),
            None => Ok(()),
        }
    }

    /// Adds what caused a step of `agent` recorded at `effect`, back to an external input; gives
    /// the fact that the agent which acted on it had recorded by then.
    fn cause(
        &mut self,
        mut agent: AgentId,
        mut cause: Cause,
        mut effect: Position,
    ) -> Result<Option<Fact>, LineageError> {
        loop {
            let message = match cause {
                Cause::Input(index) => {
                    let tick = self.journal.record(effect)?.and_then(|found| found.tick);
                    self.links.push(Link {
                        position: effect,
                        tick,
                        agent: Some(agent),
                        lease: None,
                        what: What::Input { index },
                    });
                    return self.latest_fact(agent, Some(effect));
                }
                Cause::Message(message) | Cause::Denial(message) => message,
            };
            let found = self.journal.step(message.from, message.step, effect)?;
            let missing =
                || LineageError::NoCause { agent: message.from, step: message.step, effect };
            let found = found.ok_or_else(missing)?;
            let Some(Record::Step { cause: before, outputs, .. }) = found.record() else {
                return Err(missing());
            };
            let output = outputs.get(usize::from(message.output)).ok_or_else(missing)?;
            self.links.push(output_link(&found, message, output));
            // Whoever knew something by then acted on that.
            if let Some(fact) = self.latest_fact(message.from, Some(found.position))? {
                if let Cause::Input(index) = before {
                    self.links.push(Link {
                        position: found.position,
                        tick: found.tick,
                        agent: Some(message.from),
                        lease: None,
                        what: What::Input { index },
                    });
                }
                return Ok(Some(fact));
            }
            (agent, cause, effect) = (message.from, before, found.position);
        }
    }

    /// Who answers for the last link: for its agent's lease, else for the run.
    fn authority(&mut self) -> Result<Option<Answerable>, LineageError> {
        let Some(last) = self.links.last() else { return Ok(None) };
        let (agent, lease) = (last.agent, last.lease);
        let lease = match (lease, agent) {
            (Some(lease), _) => self.journal.lease(|opened| opened.id == lease)?,
            (None, Some(agent)) => self.journal.lease(|opened| opened.owner == agent)?,
            (None, None) => None,
        };
        let controls = self.journal.controls();
        // What is recorded before any grant, or of the node itself, is under the run's.
        let grant = controls.iter().find_map(|(position, control)| match control {
            Control::Grant(grant) if lease.is_none_or(|lease| lease.grant.0 == grant.id) => {
                Some((*position, grant))
            }
            _ => None,
        });
        let Some((granted, grant)) = grant else { return Ok(None) };
        let principal = controls.iter().find_map(|(_, control)| match control {
            Control::Principal(principal) if principal.id == grant.principal => Some(principal),
            _ => None,
        });
        let Some(principal) = principal.cloned() else { return Ok(None) };
        let mut reasons = Vec::new();
        let mut next = Some(grant.reason);
        // A reason's parent was recorded before it, so this ends; the bound holds for any log.
        while let Some(id) = next.filter(|_| reasons.len() <= controls.len()) {
            let reason = controls.iter().find_map(|(_, control)| match control {
                Control::Reason(reason) if reason.id == id => Some(reason),
                _ => None,
            });
            let Some(reason) = reason else { break };
            reasons.push(reason.label.clone());
            next = reason.parent;
        }
        let (lease, grant) = (lease.map(|lease| lease.id), GrantId(grant.id));
        Ok(Some(Answerable { lease, grant, granted, reasons, principal }))
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
            Output::Denied { .. } | Output::Forgone { .. } | Output::DeniedAgain { .. } => {
                denied += 1;
            }
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

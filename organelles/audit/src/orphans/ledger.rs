//! What was said so far, as far as later records may rest on it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use karyon_arrangements::Arrangement;
use karyon_log::{
    Cause, Control, Decision, LOST_STEP, LeaseRecord, Loss, Measure, Message, OrderVerb, Output,
    Record,
};
use karyon_types::{AgentId, Position};

use super::{Orphans, Want};

/// Whether something rests on what can be found; otherwise the first thing that is missing.
type Founded = Result<(), Want>;

#[derive(Clone, Copy)]
struct Lease {
    owner: u64,
    founded: Founded,
}

/// What became of a proposal. It goes one way: an approval that was used does not come back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proposed {
    Open,
    Approved,
    Used,
}

#[derive(Default)]
pub(super) struct Ledger {
    principals: HashSet<u64>,
    reasons: HashMap<u64, Founded>,
    grants: HashMap<u64, Founded>,
    leases: HashMap<u64, Lease>,
    /// Admitted and not handled yet, with their receivers.
    messages: HashMap<Message, AgentId>,
    /// Denied, the news not handled yet.
    denials: HashSet<Message>,
    /// Armed at some time.
    timers: HashSet<Message>,
    /// Monitors and links that were made at some time.
    binds: HashSet<Message>,
    /// Agents' ends: the output with which they ended, or the first of the step that they failed in.
    ends: HashSet<Message>,
    /// First and last of those that were lost together.
    lost: Vec<(AgentId, AgentId)>,
    /// Wishes to spawn of which nothing was heard yet, and who came to life.
    spawns: HashMap<Message, Option<u64>>,
    /// What was asked of the memory, and whether an answer came that was not handled yet.
    asked: HashMap<Message, bool>,
    /// Who was forked last.
    forked: Option<AgentId>,
    released: u64,
    inputs: HashSet<u32>,
    proposals: HashMap<u64, Proposed>,
    intents: HashSet<u64>,
}

impl Ledger {
    pub(super) fn enter(&mut self, position: Position, record: &Record<'_>, orphans: &mut Orphans) {
        match record {
            Record::Control(control) => self.control(position, control, orphans),
            Record::Lease(lease) => {
                let founded = self.grant(lease.grant.0).and(self.cut(lease));
                let founded = self.open(lease.id.0, lease.owner.0, founded);
                orphans.judge(position, founded, || format!("{} was opened", lease.id));
            }
            Record::Spawn { agent, lease, .. } => {
                let founded = self.holds(lease.0, agent.0);
                orphans.judge(position, founded, || format!("{agent} was made"));
            }
            Record::Input { count, .. } => self.released = self.released.saturating_add(*count),
            Record::Step { agent, step, cause, outputs } => {
                let founded = self.take(*agent, *cause);
                orphans.judge(position, founded, || format!("{agent} took step {step}"));
                for (index, output) in (0..=u16::MAX).zip(outputs) {
                    let message = Message { from: *agent, step: *step, output: index };
                    self.output(position, message, output, orphans);
                }
            }
            Record::DeadLetter { agent, cause, loss } => {
                let founded = self.take(*agent, *cause);
                // Its sender is told, as of a denial.
                if let (Loss::Refused, Cause::Message(message)) = (loss, cause) {
                    self.denials.insert(*message);
                }
                orphans.judge(position, founded, || format!("something for {agent} was lost"));
            }
            Record::Crash { decision: Decision::Redelivered, .. } => {}
            Record::Crash { agent, step, .. } => {
                self.ends.insert(Message { from: *agent, step: *step, output: 0 });
            }
            Record::Supervised { agent, step, measure } => match measure {
                Measure::Asked | Measure::Ended | Measure::Killed => {
                    self.ends.insert(Message { from: *agent, step: *step, output: 0 });
                }
                Measure::Started | Measure::NotStarted | Measure::Continued => {}
            },
            Record::Told { by, .. } => {
                let founded = match self.asked.get_mut(by) {
                    Some(told @ false) => {
                        *told = true;
                        Ok(())
                    }
                    Some(true) | None => Err(Want::Told(*by)),
                };
                orphans.judge(position, founded, || format!("{} was told something", by.from));
            }
            // A tick is nobody's doing; a change repeats a principal's order; an order about a
            // process names its user, and gives nobody authority.
            Record::Lost { first, last } => self.lost.push((*first, *last)),
            Record::Order { verb: OrderVerb::Fork, agent, .. } => self.forked = Some(*agent),
            Record::Tick(_)
            | Record::Schedule(_)
            | Record::Change { .. }
            | Record::Order { .. } => {}
        }
    }

    /// A lease that was cut in the course of a run rests on the lease above, and on what asked for
    /// its holder: an output of the holder of that lease, once; or the order before.
    fn cut(&mut self, lease: &LeaseRecord) -> Founded {
        let Some(cut) = lease.cut else { return Ok(()) };
        let above = self.lease(cut.from.0)?;
        match cut.by {
            None if self.forked.take() == Some(AgentId(above)) => Ok(()),
            None => Err(Want::Fork(above)),
            Some(by) => match self.spawns.get_mut(&by) {
                Some(child @ None) if by.from.0 == above => {
                    *child = Some(lease.owner.0);
                    Ok(())
                }
                Some(_) | None => Err(Want::Spawn(by)),
            },
        }
    }

    fn output(
        &mut self,
        position: Position,
        message: Message,
        output: &Output<'_>,
        orphans: &mut Orphans,
    ) {
        let (lease, what) = match output {
            Output::Sent { lease, to, .. } => {
                self.messages.insert(message, *to);
                (lease, "sent something")
            }
            Output::Remembered { lease, .. } => (lease, "remembered something"),
            Output::Denied { .. }
            | Output::Forgone { .. }
            | Output::DeniedAgain { .. }
            | Output::Unarranged { .. } => {
                self.denials.insert(message);
                return;
            }
            Output::Arranged { lease, what } => {
                self.arranged(message, what);
                match lease {
                    Some(lease) => (lease, "arranged something"),
                    // To give something up, or to end, needs nobody's leave.
                    None => return,
                }
            }
            Output::Exit => {
                self.ends.insert(message);
                return;
            }
        };
        let Message { from, step, output } = message;
        let founded = self.holds(lease.0, from.0);
        orphans
            .judge(position, founded, || format!("{from} {what} (step {step}, output {output})"));
    }

    fn arranged(&mut self, message: Message, what: &[u8]) {
        match Arrangement::decode(what) {
            Some(Arrangement::Arm { .. }) => self.timers.insert(message),
            Some(Arrangement::Bind(..)) => self.binds.insert(message),
            Some(Arrangement::Exit(_) | Arrangement::SealedExit(_)) => self.ends.insert(message),
            Some(Arrangement::Recall { .. } | Arrangement::Effect { .. }) => {
                self.asked.insert(message, false).is_none()
            }
            Some(Arrangement::Spawn { .. } | Arrangement::SpawnUnder { .. }) => {
                self.spawns.insert(message, None).is_none()
            }
            // It may be denied behind the tick.
            Some(Arrangement::Terminate(_) | Arrangement::Register(_) | Arrangement::Join(_)) => {
                self.denials.insert(message)
            }
            Some(
                Arrangement::Cancel(_)
                | Arrangement::Unregister(_)
                | Arrangement::Leave(_)
                | Arrangement::Unbind(..)
                | Arrangement::TrapExit(_)
                | Arrangement::Mark(_)
                | Arrangement::Lane(_),
            )
            | None => false,
        };
    }

    /// A message, a denial and an input are used up by the step that they made.
    fn take(&mut self, agent: AgentId, cause: Cause) -> Founded {
        let found = match cause {
            Cause::Message(message) => match self.messages.entry(message) {
                Entry::Occupied(entry) if *entry.get() == agent => {
                    entry.remove();
                    true
                }
                Entry::Occupied(_) | Entry::Vacant(_) => false,
            },
            Cause::Denial(message) => self.denials.remove(&message),
            // An interval fires again and again, and one end is told to many.
            Cause::Timer(message) => self.timers.contains(&message),
            Cause::Down(message) | Cause::Exit(message) => {
                let is_lost =
                    |(first, last): &(AgentId, AgentId)| (*first..=*last).contains(&message.from);
                message.step == LOST_STEP && self.lost.iter().any(is_lost)
                    || self.ends.contains(&message)
                    || self.binds.contains(&message) && message.from == agent
            }
            Cause::Spawn(answer) => {
                let child = Some(answer.from.0).filter(|id| *id > 0);
                self.spawns.remove(&Message { from: agent, ..answer }) == Some(child)
            }
            Cause::Told(message) => self.asked.remove(&message) == Some(true),
            Cause::Input(index) => {
                (self.inputs.len() as u64) < self.released && self.inputs.insert(index)
            }
        };
        match (found, cause) {
            (true, _) => Ok(()),
            (false, Cause::Message(message)) => Err(Want::Message(message)),
            (false, Cause::Denial(message)) => Err(Want::Denial(message)),
            (false, Cause::Timer(message)) => Err(Want::Timer(message)),
            (false, Cause::Down(message) | Cause::Exit(message)) => Err(Want::End(message)),
            (false, Cause::Input(index)) => Err(Want::Input(index)),
            (false, Cause::Told(message)) => Err(Want::Told(message)),
            (false, Cause::Spawn(answer)) => Err(Want::Spawn(Message { from: agent, ..answer })),
        }
    }

    fn control(&mut self, position: Position, control: &Control, orphans: &mut Orphans) {
        let founded = match control {
            Control::Principal(principal) => {
                if self.principals.insert(principal.id) {
                    Ok(())
                } else {
                    Err(Want::Unique(principal.id))
                }
            }
            Control::Reason(reason) => {
                let founded = match (reason.label.trim(), reason.parent) {
                    ("", _) => Err(Want::Label(reason.id)),
                    (_, None) => Ok(()),
                    // A parent is recorded before its children, so there are no circles.
                    (_, Some(parent)) => self.reason(parent),
                };
                enter_once(&mut self.reasons, reason.id, founded)
            }
            Control::Grant(grant) => {
                let founded = self.principal(grant.principal).and(self.reason(grant.reason));
                enter_once(&mut self.grants, grant.id, founded)
            }
            Control::Terms(terms) => {
                let above = terms.parent.map_or(Ok(()), |parent| self.lease(parent).map(|_| ()));
                let founded = above.and(self.grant(terms.grant)).and(self.reason(terms.reason));
                self.open(terms.lease, terms.owner, founded)
            }
            Control::Order(order) => self.principal(order.principal),
            Control::Import(import) => self.lease(import.lease).map(|_| ()),
            Control::Memory(memory) => self.lease(memory.lease).map(|_| ()),
            Control::Proposal(proposal) => {
                let founded = self.holds(proposal.lease, proposal.agent);
                match self.proposals.entry(proposal.id) {
                    Entry::Vacant(entry) => {
                        entry.insert(Proposed::Open);
                        founded
                    }
                    Entry::Occupied(_) => Err(Want::Unique(proposal.id)),
                }
            }
            Control::Approval(approval) => {
                let founded = match (approval.principal, approval.lease) {
                    (None, None) => Err(Want::Approver),
                    (Some(principal), _) => self.principal(principal),
                    (None, Some(lease)) => self.lease(lease).map(|_| ()),
                };
                match self.proposals.get_mut(&approval.proposal) {
                    None => Err(Want::Proposal(approval.proposal)),
                    Some(Proposed::Approved | Proposed::Used) => {
                        Err(Want::Approved(approval.proposal))
                    }
                    Some(open) => {
                        if founded.is_ok() {
                            *open = Proposed::Approved;
                        }
                        founded
                    }
                }
            }
            Control::Intent(intent) => {
                let approved = match intent.proposal {
                    None => Ok(()),
                    Some(proposal) => self.use_approval(proposal),
                };
                let founded = self.holds(intent.lease, intent.agent).and(approved);
                if self.intents.insert(intent.id) { founded } else { Err(Want::Unique(intent.id)) }
            }
            Control::Receipt(receipt) => self.intent(receipt.effect),
            Control::OutcomeUnknown(unknown) => self.intent(unknown.effect),
            // About the node itself, or about something that was not done.
            Control::Genesis(_)
            | Control::Boot(_)
            | Control::Recovered(_)
            | Control::Resume(_)
            | Control::Interrupted(_)
            | Control::Seal(_)
            | Control::Turn(_)
            | Control::Halt(_)
            | Control::Agent(_)
            | Control::Refused(_)
            | Control::ClockBack(_)
            | Control::Snapshot(_)
            | Control::Subjects(_) => return,
        };
        orphans.judge(position, founded, || act(control));
    }

    fn open(&mut self, id: u64, owner: u64, founded: Founded) -> Founded {
        match self.leases.entry(id) {
            Entry::Vacant(entry) => entry.insert(Lease { owner, founded }).founded,
            Entry::Occupied(_) => Err(Want::Unique(id)),
        }
    }

    /// Whether an agent may act under a lease.
    fn holds(&self, lease: u64, agent: u64) -> Founded {
        match self.lease(lease)? {
            owner if owner == agent => Ok(()),
            owner => Err(Want::Owner { lease, owner }),
        }
    }

    /// The holder of a lease whose reason can be found.
    fn lease(&self, id: u64) -> Result<u64, Want> {
        let lease = self.leases.get(&id).ok_or(Want::Lease(id))?;
        lease.founded.map(|()| lease.owner)
    }

    fn grant(&self, id: u64) -> Founded {
        self.grants.get(&id).copied().unwrap_or(Err(Want::Grant(id)))
    }

    fn reason(&self, id: u64) -> Founded {
        self.reasons.get(&id).copied().unwrap_or(Err(Want::Reason(id)))
    }

    fn principal(&self, id: u64) -> Founded {
        self.principals.contains(&id).then_some(()).ok_or(Want::Principal(id))
    }

    fn intent(&self, id: u64) -> Founded {
        self.intents.contains(&id).then_some(()).ok_or(Want::Intent(id))
    }

    /// An approval is for one use.
    fn use_approval(&mut self, proposal: u64) -> Founded {
        let state = self.proposals.get_mut(&proposal).ok_or(Want::Proposal(proposal))?;
        match *state {
            Proposed::Approved => {
                *state = Proposed::Used;
                Ok(())
            }
            Proposed::Open | Proposed::Used => Err(Want::Approval(proposal)),
        }
    }
}

/// A number that was given twice makes whatever rests on it doubtful.
fn enter_once(known: &mut HashMap<u64, Founded>, id: u64, founded: Founded) -> Founded {
    let founded = if known.contains_key(&id) { Err(Want::Unique(id)) } else { founded };
    known.insert(id, founded);
    founded
}

fn act(control: &Control) -> String {
    match control {
        Control::Principal(principal) => format!("principal {} was named", principal.id),
        Control::Reason(reason) => format!("reason {} was given", reason.id),
        Control::Grant(grant) => format!("grant {} was given", grant.id),
        Control::Terms(terms) => format!("lease {} was opened", terms.lease),
        Control::Order(order) => format!("principal {} gave an order", order.principal),
        Control::Import(_) => "an engram was imported".into(),
        Control::Memory(_) => "memories were recorded or erased".into(),
        Control::Proposal(proposal) => format!("proposal {} was made", proposal.id),
        Control::Approval(approval) => format!("proposal {} was approved", approval.proposal),
        Control::Intent(intent) => format!("effect {} was admitted", intent.id),
        Control::Receipt(receipt) => format!("effect {} was reported", receipt.effect),
        Control::OutcomeUnknown(unknown) => format!("effect {} was given up", unknown.effect),
        other => crate::control_kind(other).into(),
    }
}

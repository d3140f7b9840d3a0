//! Backwards: what caused it, and what caused that.

use std::collections::BTreeSet;

use karyon_graph::{At, EntityId, Reader, View};
use karyon_lineage::Tie;
use karyon_log::{Approval, Cause, Control, LOST_STEP, LeaseRecord, Message, OrderVerb, Record};
use karyon_memory_ops::{Content, Value, Vertex};
use karyon_types::{AgentId, LeaseId, Position};

use super::answers::{Source, answerable, approved};
use super::{
    Approved, FROM, Lineage, LineageError, Link, Subject, What, end_of_attempts, link_of,
    order_behind, output_link,
};
use crate::journal::{Found, Journal, JournalError};

/// Records that are looked at behind a start or a reason for what it was for: a principal and some
/// reasons stand between.
const CHANGE_RECORDS: usize = 64;

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
    let (links, told, approved) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut chain = Chain { journal, reader, links, told, approved, source: None };
    match subject {
        Subject::Agent(agent) => chain.agent(agent)?,
        Subject::Record(position) => {
            let end = chain.journal.end();
            let found = chain.journal.record(position)?;
            let found = found.ok_or(LineageError::NoRecord { position, end })?;
            chain.record(&found)?;
        }
    }
    let source = chain.source.or_else(|| chain.links.last().map(Source::of));
    let authority = source.map(|source| answerable(chain.journal, source)).transpose()?;
    Ok(Lineage { links: chain.links, approved: chain.approved, authority: authority.flatten() })
}

struct Chain<'a> {
    journal: &'a mut Journal,
    reader: &'a Reader,
    links: Vec<Link>,
    /// Facts that are in the chain already, by whom and where.
    told: BTreeSet<(AgentId, Position)>,
    approved: Vec<Approved>,
    /// The first authority in a chain of effects and leases.
    source: Option<Source>,
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
        self.links.push(link_of(found, record.clone()));
        if let Record::DeadLetter { agent, loss, .. } = record
            && let Some(order) = order_behind(self.journal, found, agent, loss)?
            && let Some(record) = order.record()
        {
            self.links.push(link_of(&order, record));
        }
        let cause = match record {
            Record::Step { agent, cause, .. } | Record::DeadLetter { agent, cause, .. } => {
                Some((agent, cause))
            }
            Record::Crash { agent, step, .. } => {
                let found = end_of_attempts(self.journal, agent, step)?;
                match found.as_ref().and_then(Found::record) {
                    Some(Record::Step { cause, .. } | Record::DeadLetter { cause, .. }) => {
                        Some((agent, cause))
                    }
                    _ => None,
                }
            }
            Record::Control(control) => return self.control(*control, position),
            Record::Told { by, .. } => Some((by.from, Cause::Told(by))),
            Record::Spawn { lease, .. } => self.lease_of_birth(lease, position)?,
            Record::Lease(lease) => self.origin(&lease, position)?,
            Record::Schedule(_)
            | Record::Tick(_)
            | Record::Input { .. }
            | Record::Change { .. }
            | Record::Order { .. }
            | Record::Lost { .. }
            | Record::Supervised { .. } => None,
        };
        let Some((agent, cause)) = cause else { return Ok(()) };
        match self.cause(agent, cause, position)? {
            Some(fact) => self.fact(fact),
            None => Ok(()),
        }
    }

    /// Adds the lease under which an agent came to life in the course of a run; what led to it.
    fn lease_of_birth(
        &mut self,
        lease: LeaseId,
        position: Position,
    ) -> Result<Option<(AgentId, Cause)>, LineageError> {
        // It lies right in front of the birth.
        let Some(before) = position.0.checked_sub(1).map(Position) else { return Ok(None) };
        let Some(found) = self.journal.record(before)? else { return Ok(None) };
        match found.record() {
            Some(Record::Lease(record)) if record.id == lease && record.cut.is_some() => {
                self.links.push(link_of(&found, Record::Lease(record)));
                self.origin(&record, before)
            }
            _ => Ok(None),
        }
    }

    /// What led to a lease that was cut in the course of a run: the output with which its holder
    /// was spawned; or the order to fork, which is added here.
    fn origin(
        &mut self,
        lease: &LeaseRecord,
        position: Position,
    ) -> Result<Option<(AgentId, Cause)>, LineageError> {
        let Some(cut) = lease.cut else { return Ok(None) };
        if let Some(by) = cut.by {
            return Ok(Some((by.from, Cause::Spawn(by))));
        }
        let Some(before) = position.0.checked_sub(1).map(Position) else { return Ok(None) };
        if let Some(found) = self.journal.record(before)?
            && let Some(order @ Record::Order { verb: OrderVerb::Fork, .. }) = found.record()
        {
            self.links.push(link_of(&found, order));
        }
        Ok(None)
    }

    /// Goes from an effect to what led to it: intent, approval, proposal, the leases down to the
    /// grant; from a reason to those above it. Each was recorded before, so this ends.
    fn control(&mut self, control: Control, position: Position) -> Result<(), LineageError> {
        let mut next = before(&control);
        let mut at = position;
        self.note(&control, at)?;
        while let Some((tie, serial)) = next {
            let mut earlier = Vec::new();
            for tied in self.journal.tied(tie, serial)? {
                let tied = tied?;
                if tied >= at {
                    break;
                }
                // An effect was done on the last approval before it; all else is there once.
                if tie == Tie::ApprovalProposal || earlier.is_empty() {
                    earlier = vec![tied];
                }
            }
            let found = match earlier.first() {
                Some(earlier) => self.journal.record(*earlier)?,
                None => None,
            };
            let Some(found) = found else {
                // Not every effect of a proposal was approved of in a record.
                if tie == Tie::ApprovalProposal {
                    next = Some((Tie::Proposal, serial));
                    continue;
                }
                let what = format!("{} {serial}", named(tie));
                return Err(LineageError::Missing { what, effect: at });
            };
            at = found.position;
            let record = found.record().ok_or(JournalError::Unreadable { position: at })?;
            self.links.push(link_of(&found, record.clone()));
            next = match record {
                Record::Control(control) => {
                    self.note(&control, at)?;
                    before(&control)
                }
                Record::Lease(lease) => {
                    self.source.get_or_insert(Source::Lease(lease.id));
                    Some((Tie::Grant, lease.grant.0))
                }
                Record::Schedule(_)
                | Record::Spawn { .. }
                | Record::Tick(_)
                | Record::Input { .. }
                | Record::Step { .. }
                | Record::Crash { .. }
                | Record::DeadLetter { .. }
                | Record::Change { .. }
                | Record::Order { .. }
                | Record::Lost { .. }
                | Record::Supervised { .. }
                | Record::Told { .. } => {
                    return Err(JournalError::Changed { position: at }.into());
                }
            };
        }
        Ok(())
    }

    /// Notes who approved, and the first authority of the chain.
    fn note(&mut self, control: &Control, position: Position) -> Result<(), LineageError> {
        if let Control::Approval(approval) = control {
            self.approved.push(approved(self.journal, approval, position)?);
            return Ok(());
        }
        if self.source.is_none() {
            self.source = match control {
                Control::Genesis(_) | Control::Boot(_) | Control::Reason(_) => {
                    self.change_from(position)?
                }
                control => source_of(control),
            };
        }
        Ok(())
    }

    /// The authority of the change to which a start of the node or a reason belongs: what it was
    /// for stands right behind it. `None`: nothing there says so.
    fn change_from(&mut self, position: Position) -> Result<Option<Source>, LineageError> {
        for behind in (position.0.saturating_add(1)..).take(CHANGE_RECORDS) {
            let Some(found) = self.journal.record(Position(behind))? else { return Ok(None) };
            let Some(Record::Control(control)) = found.record() else { return Ok(None) };
            match &*control {
                // Behind the genesis the node starts.
                Control::Boot(_) if behind == 1 => {}
                Control::Principal(_) | Control::Reason(_) => {}
                Control::Approval(Approval { principal: Some(principal), .. }) => {
                    return Ok(Some(Source::Principal(*principal)));
                }
                control => return Ok(source_of(control)),
            }
        }
        Ok(None)
    }

    /// Adds the crash in which an agent ended; what it was to handle then, and where that is
    /// recorded as lost.
    fn crash(&mut self, message: Message) -> Result<Option<(Cause, Position)>, LineageError> {
        let Message { from: agent, step, .. } = message;
        let Some(last) = self.journal.crashes(agent, step)?.pop() else { return Ok(None) };
        let Some(found) = self.journal.record(last)? else { return Ok(None) };
        let Some(record) = found.record() else { return Ok(None) };
        self.links.push(link_of(&found, record));
        let Some(lost) = end_of_attempts(self.journal, agent, step)? else { return Ok(None) };
        Ok(match lost.record() {
            Some(Record::DeadLetter { cause, .. }) => Some((cause, lost.position)),
            _ => None,
        })
    }

    /// Adds what a supervisor did with an agent, if that is what it heard of.
    fn supervised(&mut self, message: Message) -> Result<bool, LineageError> {
        let last = self.journal.crashes(message.from, message.step)?.pop();
        let found = last.map(|last| self.journal.record(last)).transpose()?.flatten();
        match found.as_ref().and_then(|found| found.record().map(|record| (found, record))) {
            Some((found, record @ Record::Supervised { .. })) => {
                self.links.push(link_of(found, record));
                Ok(true)
            }
            Some(_) | None => Ok(false),
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
                Cause::Message(message)
                | Cause::Denial(message)
                | Cause::Timer(message)
                | Cause::Down(message)
                | Cause::Exit(message)
                | Cause::Told(message) => message,
                Cause::Spawn(answered) => Message { from: agent, ..answered },
            };
            // Nothing led to it but a step that did not come back.
            if message.step == LOST_STEP {
                return Ok(None);
            }
            let found = self.journal.step(message.from, message.step, effect)?;
            let missing =
                || LineageError::NoCause { agent: message.from, step: message.step, effect };
            let Some(found) = found else {
                if self.supervised(message)? {
                    return Ok(None);
                }
                // Whoever crashed ended there, too, by what it was to handle.
                let (before, position) = self.crash(message)?.ok_or_else(missing)?;
                (agent, cause, effect) = (message.from, before, position);
                continue;
            };
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
}

/// By what it is found who answers for a control record; `None`: it does not say.
fn source_of(control: &Control) -> Option<Source> {
    Some(match control {
        Control::Proposal(proposal) => Source::Lease(LeaseId(proposal.lease)),
        Control::Intent(intent) => Source::Lease(LeaseId(intent.lease)),
        Control::Terms(terms) => Source::Lease(LeaseId(terms.lease)),
        Control::Import(import) => Source::Lease(LeaseId(import.lease)),
        Control::Memory(memory) => Source::Lease(LeaseId(memory.lease)),
        Control::Refused(refused) => match refused.lease {
            Some(lease) => Source::Lease(LeaseId(lease)),
            None => Source::Agent(AgentId(refused.agent)),
        },
        Control::Agent(agent) => Source::Agent(AgentId(agent.id)),
        Control::Grant(grant) => Source::Grant(grant.id),
        Control::Order(order) => Source::Principal(order.principal),
        Control::Principal(principal) => Source::Principal(principal.id),
        Control::Approval(_)
        | Control::Genesis(_)
        | Control::Boot(_)
        | Control::Reason(_)
        | Control::Recovered(_)
        | Control::Resume(_)
        | Control::Interrupted(_)
        | Control::Seal(_)
        | Control::Turn(_)
        | Control::Halt(_)
        | Control::Receipt(_)
        | Control::OutcomeUnknown(_)
        | Control::ClockBack(_)
        | Control::Snapshot(_)
        | Control::Subjects(_) => return None,
    })
}

/// What a control record is there because of.
fn before(control: &Control) -> Option<(Tie, u64)> {
    match control {
        Control::Receipt(receipt) => Some((Tie::Intent, receipt.effect)),
        Control::OutcomeUnknown(unknown) => Some((Tie::Intent, unknown.effect)),
        Control::Intent(intent) => Some(match intent.proposal {
            Some(proposal) => (Tie::ApprovalProposal, proposal),
            None => (Tie::Lease, intent.lease),
        }),
        Control::Approval(approval) => Some((Tie::Proposal, approval.proposal)),
        Control::Proposal(proposal) => Some((Tie::Lease, proposal.lease)),
        Control::Refused(refused) => refused.lease.map(|lease| (Tie::Lease, lease)),
        Control::Terms(terms) => Some(match terms.parent {
            Some(parent) => (Tie::Lease, parent),
            None => (Tie::Grant, terms.grant),
        }),
        Control::Reason(reason) => reason.parent.map(|parent| (Tie::Reason, parent)),
        Control::Genesis(_)
        | Control::Boot(_)
        | Control::Principal(_)
        | Control::Grant(_)
        | Control::Recovered(_)
        | Control::Resume(_)
        | Control::Interrupted(_)
        | Control::Seal(_)
        | Control::Import(_)
        | Control::Memory(_)
        | Control::Turn(_)
        | Control::Halt(_)
        | Control::Agent(_)
        | Control::Order(_)
        | Control::ClockBack(_)
        | Control::Snapshot(_)
        | Control::Subjects(_) => None,
    }
}

/// What has the serial of a tie, in words.
fn named(tie: Tie) -> &'static str {
    match tie {
        Tie::Intent => "effect",
        Tie::Proposal | Tie::ApprovalProposal => "proposal",
        Tie::Lease => "lease",
        Tie::Grant => "grant",
        Tie::Reason => "reason",
        _ => "number",
    }
}

//! Which rows a record has, and their keys.

use karyon_log::{Cause, Control, Measure, Message, Record};
use karyon_types::{AgentId, Position, Tick};

/// What ties a record to something that has a serial: `Tie::LeaseGrant` of 3 are the leases that
/// were cut from grant 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tie {
    /// Every control record; the serial is 0.
    Control = 1,
    /// What began the log; the serial is 0.
    Genesis = 2,
    /// The principal of this serial.
    Principal = 3,
    /// The reason of this serial.
    Reason = 4,
    /// Reasons below this reason.
    ReasonParent = 5,
    /// The grant of this serial.
    Grant = 6,
    /// Grants that this principal gave.
    GrantPrincipal = 7,
    /// Grants that were given for this reason.
    GrantReason = 8,
    /// The lease of this serial.
    Lease = 9,
    /// Leases of this agent.
    LeaseOwner = 10,
    /// Leases that were cut from this grant itself.
    LeaseGrant = 11,
    /// Leases that were cut from this lease.
    LeaseParent = 12,
    /// Leases that were opened for this reason.
    LeaseReason = 13,
    /// Where this agent was born, or was named.
    Agent = 14,
    /// Orders of this principal.
    OrderPrincipal = 15,
    /// The proposal of this serial.
    Proposal = 16,
    /// Proposals under this lease.
    ProposalLease = 17,
    /// Approvals of this proposal.
    ApprovalProposal = 18,
    /// Approvals by the holder of this lease.
    ApprovalLease = 19,
    /// Approvals by this principal.
    ApprovalPrincipal = 20,
    /// The intent of this serial.
    Intent = 21,
    /// Intents under this lease.
    IntentLease = 22,
    /// Intents that this proposal led to.
    IntentProposal = 23,
    /// What came of this effect, or that nobody knows.
    Outcome = 24,
    /// Denials under this lease.
    RefusedLease = 25,
    /// Imports under this lease.
    ImportLease = 26,
    /// What users of the machine ordered about this agent.
    OrderAgent = 27,
}

/// Puts big-endian numbers one behind the other.
macro_rules! key {
    ($bytes:literal: $($number:expr),*) => {{
        let (mut key, mut at) = ([0; $bytes], 0);
        $(for byte in $number.to_be_bytes() {
            if let Some(place) = key.get_mut(at) {
                *place = byte;
            }
            at += 1;
        })*
        debug_assert_eq!(at, $bytes);
        key
    }};
}

pub(crate) fn step_key(agent: AgentId, step: u64, position: u64) -> [u8; 24] {
    key!(24: agent.0, step, position)
}

pub(crate) fn handled_key(message: Message, position: u64) -> [u8; 26] {
    key!(26: message.from.0, message.step, message.output, position)
}

pub(crate) fn input_key(index: u32, position: u64) -> [u8; 12] {
    key!(12: index, position)
}

pub(crate) fn tick_key(tick: u64, position: u64) -> [u8; 16] {
    key!(16: tick, position)
}

pub(crate) fn tie_key(tie: Tie, serial: u64, position: u64) -> [u8; 17] {
    key!(17: (tie as u8), serial, position)
}

/// The number at a place of a key.
pub(crate) fn number_at(key: &[u8], at: usize) -> u64 {
    let number = key.get(at..).and_then(|rest| rest.first_chunk::<8>());
    number.map_or(0, |number| u64::from_be_bytes(*number))
}

/// The position with which a key ends.
pub(crate) fn position_of(key: &[u8]) -> Position {
    Position(number_at(key, key.len().saturating_sub(8)))
}

/// Where a block lies, and the tick before its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRow {
    pub(crate) commit: u64,
    pub(crate) number: u32,
    pub(crate) tick: Option<Tick>,
}

impl BlockRow {
    pub(crate) fn encode(&self) -> [u8; 21] {
        let tick = self.tick.unwrap_or(Tick(0)).0;
        key!(21: self.commit, self.number, u8::from(self.tick.is_some()), tick)
    }

    pub(crate) fn decode(row: &[u8; 21]) -> Option<BlockRow> {
        let number = u32::from_be_bytes(row.get(8..12)?.try_into().ok()?);
        let tick = match row.get(12)? {
            0 => None,
            1 => Some(Tick(number_at(row, 13))),
            _ => return None,
        };
        Some(BlockRow { commit: number_at(row, 0), number, tick })
    }
}

/// What is known at a place of the log: kept with the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The next record to be read.
    pub(crate) position: u64,
    /// The tick in which it happened.
    pub(crate) tick: Option<Tick>,
    /// The latest tick of all.
    pub(crate) latest: Option<Tick>,
}

impl State {
    pub(crate) fn encode(&self) -> [u8; 26] {
        let (tick, latest) = (self.tick.unwrap_or(Tick(0)).0, self.latest.unwrap_or(Tick(0)).0);
        let flags = (u8::from(self.tick.is_some()), u8::from(self.latest.is_some()));
        key!(26: self.position, flags.0, tick, flags.1, latest)
    }

    pub(crate) fn decode(row: &[u8]) -> Option<State> {
        let row: &[u8; 26] = row.try_into().ok()?;
        let tick = |flag: usize| match row.get(flag)? {
            0 => Some(None),
            1 => Some(Some(Tick(number_at(row, flag + 1)))),
            _ => None,
        };
        Some(State { position: number_at(row, 0), tick: tick(8)?, latest: tick(17)? })
    }
}

/// Rows that wait to be sorted and written.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) commits: Vec<(u64, Vec<u8>)>,
    pub(crate) blocks: Vec<(u64, [u8; 21])>,
    pub(crate) ticks: Vec<[u8; 16]>,
    pub(crate) steps: Vec<[u8; 24]>,
    pub(crate) handled: Vec<[u8; 26]>,
    pub(crate) crashes: Vec<[u8; 24]>,
    pub(crate) inputs: Vec<[u8; 12]>,
    pub(crate) ties: Vec<[u8; 17]>,
}

impl Rows {
    /// Adds the rows of the next record.
    pub(crate) fn add(&mut self, state: &mut State, record: &Record<'_>) {
        let position = state.position;
        match record {
            Record::Step { agent, step, cause, .. } => {
                self.steps.push(step_key(*agent, *step, position));
                self.cause(*agent, *cause, position);
            }
            Record::DeadLetter { agent, cause, .. } => self.cause(*agent, *cause, position),
            Record::Crash { agent, step, .. } => {
                self.crashes.push(step_key(*agent, *step, position));
            }
            // An end without a step of its own, or a word that it is wanted, is found as a crash.
            Record::Supervised { agent, step, measure } => match measure {
                Measure::Asked | Measure::Ended | Measure::Killed => {
                    self.crashes.push(step_key(*agent, *step, position));
                }
                Measure::Started | Measure::NotStarted | Measure::Continued => {}
            },
            Record::Tick(tick) => {
                state.tick = Some(*tick);
                if state.latest < state.tick {
                    state.latest = state.tick;
                    self.ticks.push(tick_key(tick.0, position));
                }
            }
            Record::Spawn { agent, .. } => self.tie(Tie::Agent, agent.0, position),
            Record::Lease(lease) => {
                self.tie(Tie::Lease, lease.id.0, position);
                self.tie(Tie::LeaseOwner, lease.owner.0, position);
                self.tie(Tie::LeaseGrant, lease.grant.0, position);
                // Who came to life under it did so by an output.
                if let Some(by) = lease.cut.and_then(|cut| cut.by) {
                    self.handled.push(handled_key(by, position));
                }
            }
            Record::Control(control) => self.control(control, position),
            Record::Order { agent, .. } => self.tie(Tie::OrderAgent, agent.0, position),
            Record::Schedule(_)
            | Record::Input { .. }
            | Record::Change { .. }
            | Record::Lost { .. }
            | Record::Told { .. } => {}
        }
        state.position += 1;
    }

    fn tie(&mut self, tie: Tie, serial: u64, position: u64) {
        self.ties.push(tie_key(tie, serial, position));
    }

    fn cause(&mut self, agent: AgentId, cause: Cause, position: u64) {
        match cause {
            Cause::Spawn(answered) => {
                self.handled.push(handled_key(Message { from: agent, ..answered }, position));
            }
            Cause::Input(index) => self.inputs.push(input_key(index, position)),
            Cause::Message(message)
            | Cause::Denial(message)
            | Cause::Timer(message)
            | Cause::Down(message)
            | Cause::Exit(message)
            | Cause::Told(message) => {
                self.handled.push(handled_key(message, position));
            }
        }
    }

    fn control(&mut self, control: &Control, at: u64) {
        self.tie(Tie::Control, 0, at);
        match control {
            Control::Genesis(_) => self.tie(Tie::Genesis, 0, at),
            Control::Principal(principal) => self.tie(Tie::Principal, principal.id, at),
            Control::Reason(reason) => {
                self.tie(Tie::Reason, reason.id, at);
                reason.parent.into_iter().for_each(|id| self.tie(Tie::ReasonParent, id, at));
            }
            Control::Grant(grant) => {
                self.tie(Tie::Grant, grant.id, at);
                self.tie(Tie::GrantPrincipal, grant.principal, at);
                self.tie(Tie::GrantReason, grant.reason, at);
            }
            Control::Terms(terms) => {
                self.tie(Tie::Lease, terms.lease, at);
                self.tie(Tie::LeaseOwner, terms.owner, at);
                self.tie(Tie::LeaseReason, terms.reason, at);
                match terms.parent {
                    Some(parent) => self.tie(Tie::LeaseParent, parent, at),
                    None => self.tie(Tie::LeaseGrant, terms.grant, at),
                }
            }
            Control::Agent(agent) => self.tie(Tie::Agent, agent.id, at),
            Control::Order(order) => self.tie(Tie::OrderPrincipal, order.principal, at),
            Control::Proposal(proposal) => {
                self.tie(Tie::Proposal, proposal.id, at);
                self.tie(Tie::ProposalLease, proposal.lease, at);
            }
            Control::Approval(approval) => {
                self.tie(Tie::ApprovalProposal, approval.proposal, at);
                approval.lease.into_iter().for_each(|id| self.tie(Tie::ApprovalLease, id, at));
                let principal = approval.principal.into_iter();
                principal.for_each(|id| self.tie(Tie::ApprovalPrincipal, id, at));
            }
            Control::Intent(intent) => {
                self.tie(Tie::Intent, intent.id, at);
                self.tie(Tie::IntentLease, intent.lease, at);
                intent.proposal.into_iter().for_each(|id| self.tie(Tie::IntentProposal, id, at));
            }
            Control::Receipt(receipt) => self.tie(Tie::Outcome, receipt.effect, at),
            Control::OutcomeUnknown(unknown) => self.tie(Tie::Outcome, unknown.effect, at),
            Control::Refused(refused) => {
                refused.lease.into_iter().for_each(|id| self.tie(Tie::RefusedLease, id, at));
            }
            Control::Import(import) => self.tie(Tie::ImportLease, import.lease, at),
            Control::Memory(memory) => self.tie(Tie::ImportLease, memory.lease, at),
            Control::Boot(_)
            | Control::Recovered(_)
            | Control::Resume(_)
            | Control::Interrupted(_)
            | Control::Seal(_)
            | Control::Turn(_)
            | Control::Halt(_)
            | Control::ClockBack(_)
            | Control::Snapshot(_)
            | Control::Subjects(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back() {
        for tick in [None, Some(Tick(0)), Some(Tick(u64::MAX))] {
            let row = BlockRow { commit: 7, number: 3, tick };
            assert_eq!(BlockRow::decode(&row.encode()), Some(row));
            let state = State { position: 9, tick, latest: Some(Tick(300)) };
            assert_eq!(State::decode(&state.encode()), Some(state));
        }
        assert_eq!(position_of(&step_key(AgentId(1), 2, 3)), Position(3));
        assert_eq!(number_at(&step_key(AgentId(1), 2, 3), 8), 2);
        let message = Message { from: AgentId(1), step: 258, output: 3 };
        let key = handled_key(message, 4);
        assert_eq!((number_at(&key, 8), key[16..18].to_vec()), (258, vec![0, 3]));
        assert_eq!(tie_key(Tie::Genesis, 1, 2), *b"\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02");
    }
}

//! What came of authority: of principals, reasons, grants, leases, proposals and effects.

use karyon_lineage::Tie;
use karyon_log::{Control, LeaseRecord, Output, Record};
use karyon_types::{LeaseId, Position};

use super::{More, Tree};
use crate::journal::Found;
use crate::lineage::LineageError;

impl Tree<'_> {
    /// Adds what a control record led to.
    pub(super) fn control(
        &mut self,
        parent: usize,
        position: Position,
        control: &Control,
    ) -> Result<(), LineageError> {
        match control {
            Control::Principal(principal) => {
                let ties = [Tie::GrantPrincipal, Tie::OrderPrincipal, Tie::ApprovalPrincipal];
                self.tied(parent, position, &ties.map(|tie| (tie, principal.id)))
            }
            Control::Reason(reason) => {
                let ties = [Tie::ReasonParent, Tie::GrantReason, Tie::LeaseReason];
                self.tied(parent, position, &ties.map(|tie| (tie, reason.id)))
            }
            Control::Grant(grant) => self.tied(parent, position, &[(Tie::LeaseGrant, grant.id)]),
            Control::Terms(terms) => self.tied(parent, position, &under(terms.lease)),
            Control::Agent(agent) => self.tied(parent, position, &[(Tie::LeaseOwner, agent.id)]),
            Control::Proposal(proposal) => {
                let ties = [Tie::ApprovalProposal, Tie::IntentProposal];
                self.tied(parent, position, &ties.map(|tie| (tie, proposal.id)))
            }
            Control::Approval(approval) => {
                self.tied(parent, position, &[(Tie::IntentProposal, approval.proposal)])
            }
            Control::Intent(intent) => self.tied(parent, position, &[(Tie::Outcome, intent.id)]),
            Control::Genesis(_)
            | Control::Boot(_)
            | Control::Recovered(_)
            | Control::Resume(_)
            | Control::Interrupted(_)
            | Control::Seal(_)
            | Control::Import(_)
            | Control::Memory(_)
            | Control::Turn(_)
            | Control::Halt(_)
            | Control::Order(_)
            | Control::Receipt(_)
            | Control::OutcomeUnknown(_)
            | Control::Refused(_)
            | Control::ClockBack(_)
            | Control::Snapshot(_)
            | Control::Subjects(_) => Ok(()),
        }
    }

    /// Adds the later records that are tied to one at `position`.
    pub(super) fn tied(
        &mut self,
        parent: usize,
        position: Position,
        ties: &[(Tie, u64)],
    ) -> Result<(), LineageError> {
        for (tie, serial) in ties {
            for tied in self.journal.tied(*tie, *serial)? {
                let tied = tied?;
                if tied <= position || !self.look() {
                    continue;
                }
                let found = self.found(tied)?;
                if self.came_of(*tie, position, &found)? && !self.record(Some(parent), &found)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether an intent came of the very record at `position`: of the last approval before it, of
    /// its proposal if there was none, of its lease if it had no proposal. All else did.
    fn came_of(&mut self, tie: Tie, position: Position, found: &Found) -> More {
        let Some(Record::Control(control)) = found.record() else { return Ok(true) };
        let Control::Intent(intent) = *control else { return Ok(true) };
        let Some(proposal) = intent.proposal else { return Ok(true) };
        if tie == Tie::IntentLease {
            return Ok(false);
        }
        let mut last = None;
        for approval in self.journal.tied(Tie::ApprovalProposal, proposal)? {
            let approval = approval?;
            last = if approval < found.position { Some(approval) } else { last };
        }
        Ok(match last {
            Some(approval) => approval == position,
            None => true,
        })
    }

    /// Adds the steps of a lease's holder that did something under it.
    pub(super) fn done_under(
        &mut self,
        parent: usize,
        lease: &LeaseRecord,
        position: Position,
    ) -> Result<(), LineageError> {
        for step in self.journal.steps(lease.owner, 0)? {
            let step = step?;
            if step <= position {
                continue;
            }
            if !self.look() {
                return Ok(());
            }
            let found = self.found(step)?;
            let Some(Record::Step { outputs, .. }) = found.record() else { continue };
            let is_under = |output: &Output<'_>| lease_of(output) == Some(lease.id);
            if outputs.iter().any(is_under) && !self.record(Some(parent), &found)? {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// What is tied to a lease.
pub(super) fn under(lease: u64) -> [(Tie, u64); 6] {
    [
        Tie::LeaseParent,
        Tie::ProposalLease,
        Tie::ApprovalLease,
        Tie::IntentLease,
        Tie::RefusedLease,
        Tie::ImportLease,
    ]
    .map(|tie| (tie, lease))
}

fn lease_of(output: &Output<'_>) -> Option<LeaseId> {
    match output {
        Output::Sent { lease, .. } | Output::Remembered { lease, .. } => Some(*lease),
        Output::Arranged { lease, .. } => *lease,
        Output::Denied { .. }
        | Output::Unarranged { .. }
        | Output::Exit
        | Output::Forgone { .. }
        | Output::DeniedAgain { .. } => None,
    }
}

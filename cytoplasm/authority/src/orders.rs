//! Orders, approvals and receipts: what comes from outside about what is under way.

use karyon_identity::{PublicKey, Signature};
use karyon_log::{Approval, EffectStatus, Order, Receipt, Target, Verb};
use karyon_statements::{SignedStatement, Statement};
use karyon_types::{AgentId, EffectId, LeaseId, PrincipalId, ProposalId};

use crate::ledger::{Ledger, ProposalState, receipt_digest};
use crate::refusal::Refusal;

impl Ledger {
    /// Checks who signed a statement, and that it is for this log.
    fn signer(&self, signed: &SignedStatement) -> Result<PrincipalId, Refusal> {
        if signed.log != self.log {
            return Err(Refusal::OtherLog);
        }
        let principal = self.principal(&signed.principal_key).ok_or(Refusal::UnknownPrincipal)?;
        if signed.verify() { Ok(principal) } else { Err(Refusal::Signature) }
    }

    /// An order to suspend, resume or revoke.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn order(&self, signed: &SignedStatement) -> Result<Order, Refusal> {
        let principal = self.signer(signed)?;
        let Statement::Order { verb, kind, target, number } = signed.statement else {
            return Err(Refusal::UnknownTarget);
        };
        let (verb, target) = Verb::from_number(verb)
            .zip(Target::from_parts(kind, target))
            .ok_or(Refusal::UnknownTarget)?;
        if self.last_order(principal).is_some_and(|last| number <= last) {
            return Err(Refusal::Replayed);
        }
        // Who was revoked stays out; who is suspended may still stop more, and resume.
        if self.standing(Target::Principal(principal)).revoked {
            return Err(Refusal::PrincipalHalted);
        }
        self.answers_for(principal, target)?;
        let standing = self.standing(target);
        match (verb, standing.suspended_by) {
            _ if standing.revoked => return Err(Refusal::AlreadySo),
            (Verb::Suspend, Some(_)) => return Err(Refusal::AlreadySo),
            (Verb::Resume, None) => return Err(Refusal::NotSuspended),
            (Verb::Resume, Some(other)) if other != principal => {
                return Err(Refusal::NotAnswerable);
            }
            (Verb::Suspend | Verb::Resume | Verb::Revoke, _) => {}
        }
        Ok(Order {
            verb: verb as u8,
            target: target.parts(),
            principal: principal.0,
            signed: signed.encode(),
            in_flight: self.in_flight(target),
            at_unix_ms: self.now,
        })
    }

    /// Whether a principal answers for a target, or for a part of what it does.
    fn answers_for(&self, principal: PrincipalId, target: Target) -> Result<(), Refusal> {
        let of_grant = |grant| self.grants.get(&grant).map(|grant| grant.principal == principal);
        let of_lease = |lease| self.leases.get(&lease).and_then(|lease| of_grant(lease.grant));
        let answers = match target {
            Target::Principal(other) => self.principals.get(&other).map(|_| other == principal),
            Target::Grant(grant) => of_grant(grant),
            Target::Lease(lease) => of_lease(lease),
            Target::Reason(reason) => {
                self.reasons.get(&reason).map(|reason| reason.principal == Some(principal))
            }
            Target::Agent(agent) => self
                .agents
                .get(&agent)
                .map(|leases| leases.iter().any(|lease| of_lease(*lease) == Some(true))),
        };
        match answers {
            Some(true) => Ok(()),
            Some(false) => Err(Refusal::NotAnswerable),
            None => Err(Refusal::UnknownTarget),
        }
    }

    /// An approval by a principal.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn approve(&self, signed: &SignedStatement) -> Result<Approval, Refusal> {
        let principal = self.signer(signed)?;
        let Statement::Approval { proposal, digest, expires_unix_ms } = signed.statement else {
            return Err(Refusal::UnknownTarget);
        };
        if self.principals.get(&principal).is_some_and(|p| self.is_held(p.stop)) {
            return Err(Refusal::PrincipalHalted);
        }
        self.pending(ProposalId(proposal), digest)?;
        if self.now >= expires_unix_ms {
            return Err(Refusal::ApprovalExpired);
        }
        Ok(Approval {
            proposal,
            principal: Some(principal.0),
            lease: None,
            signed: signed.encode(),
            at_unix_ms: self.now,
        })
    }

    /// An approval by an agent, under a lease that allows it to approve. Its session stands for
    /// its signature.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn approve_as(
        &self,
        agent: AgentId,
        lease: LeaseId,
        proposal: ProposalId,
        digest: [u8; 32],
    ) -> Result<Approval, Refusal> {
        let held = self.holder(agent, lease).map_err(Refusal::Approver)?;
        if !held.source.terms.approves {
            return Err(Refusal::Approver(karyon_types::Denial::CapabilityNotGranted));
        }
        let proposed = self.pending(proposal, digest)?;
        if !self.is_independent(lease, LeaseId(proposed.lease)) {
            return Err(Refusal::NotIndependent);
        }
        let (signed, at_unix_ms) = (Vec::new(), self.now);
        let (proposal, lease) = (proposal.0, Some(lease.0));
        Ok(Approval { proposal, principal: None, lease, signed, at_unix_ms })
    }

    fn pending(&self, id: ProposalId, digest: [u8; 32]) -> Result<&karyon_log::Proposal, Refusal> {
        match self.proposal(id).ok_or(Refusal::UnknownTarget)? {
            (_, ProposalState::Approved) => Err(Refusal::AlreadyApproved),
            (_, ProposalState::Used) => Err(Refusal::AlreadyUsed),
            (_, ProposalState::Over) => Err(Refusal::ApprovalExpired),
            (proposal, ProposalState::Pending) if proposal.digest != digest => {
                Err(Refusal::OtherArguments)
            }
            (proposal, ProposalState::Pending) => Ok(proposal),
        }
    }

    /// Checks an adapter's receipt for an effect that nobody has heard the end of.
    ///
    /// # Errors
    /// [`Refusal::UnknownTarget`], [`Refusal::UnknownAdapter`], [`Refusal::Signature`].
    pub fn receipt(&self, receipt: &Receipt) -> Result<(), Refusal> {
        if !self.effects.contains_key(&EffectId(receipt.effect)) {
            return Err(Refusal::UnknownTarget);
        }
        let adapter = PublicKey(receipt.adapter);
        let is_known = self.adapters.contains(&adapter) || adapter == self.node;
        match is_known && (receipt.status != EffectStatus::NotDone || adapter == self.node) {
            false => Err(Refusal::UnknownAdapter),
            true if self.is_signed(receipt) => Ok(()),
            true => Err(Refusal::Signature),
        }
    }

    /// Whether the adapter that a receipt names signed it.
    pub(crate) fn is_signed(&self, receipt: &Receipt) -> bool {
        let digest = receipt_digest(self.log, receipt);
        let signature = receipt.signature.as_slice().try_into().map(Signature);
        signature.is_ok_and(|signature| PublicKey(receipt.adapter).verify(&digest.0, &signature))
    }

    /// Whether nobody appears in the lines of both leases: they could act through the one and
    /// approve through the other.
    pub(crate) fn is_independent(&self, one: LeaseId, other: LeaseId) -> bool {
        let owners = || self.line(other).map(|(_, lease)| lease.owner);
        !self.line(one).any(|(_, lease)| owners().any(|owner| owner == lease.owner))
    }
}

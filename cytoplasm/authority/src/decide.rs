//! Decisions about grants, leases and actions. None of them changes the ledger: each gives the
//! records that would.

use std::collections::BTreeMap;

use karyon_log::{
    AgentRecord, Control, GrantRecord, Intent, PrincipalRecord, Proposal, ReasonRecord, Target,
    TermsRecord,
};
use karyon_statements::{GrantError, SignedGrant};
use karyon_types::{
    AgentId, Argument, Arguments, Bound, Capability, Denial, EffectId, GrantId, LeaseId,
    ProposalId, ReasonId, Terms,
};

use crate::bounds::{Wider, check, narrows, number, within};
use crate::ledger::{Ledger, ProposalState, Source, Used, digest, terms_digest};
use crate::limits::{
    ARGUMENTS_BYTES_MAX, CAPABILITIES_MAX, DELEGATIONS_MAX, DEPTH_MAX, EFFECT_MS_MAX,
    IN_FLIGHT_LEASE_MAX, IN_FLIGHT_MAX, LEASE_LOG_BYTES, PENDING_LEASE_MAX, PENDING_MAX,
    PROPOSAL_MS, REASONS_DEEP_MAX, TERMS_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::refusal::{GrantRefused, LeaseRefused, No, Refusal};

/// What an agent wants to do to the world outside.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The asking agent, as its session knows it.
    pub agent: AgentId,
    /// The lease that it names.
    pub lease: LeaseId,
    /// What.
    pub action: &'a str,
    /// To what.
    pub resource: &'a str,
    /// How.
    pub arguments: &'a Arguments,
    /// The proposal that was approved for it, should one be needed.
    pub proposal: Option<ProposalId>,
    /// How long it may take, milliseconds; then its outcome counts as unknown.
    pub within_ms: u64,
}

/// A grant that may be made, and the serials that it will have.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The grant.
    pub id: GrantId,
    /// Its reason.
    pub reason: ReasonId,
    /// What makes it, in order.
    pub records: Vec<Control>,
}

/// The ledger's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It may be done, once this record is durable and applied.
    Admitted(Intent),
    /// Somebody must approve of it first, once this record is durable and applied.
    NeedsApproval(Proposal),
    /// The very same waits for an approval already.
    Pending(ProposalId),
    /// It may not be done.
    Denied(No),
    /// It may not be done now: too much is under way. Pressure, not authority.
    LaneClosed,
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

/// A resource is a path; no segment of it is empty or leads elsewhere.
fn is_resource(resource: &str) -> bool {
    is_text(resource) && resource.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn check_terms(terms: &Terms) -> Result<(), &'static str> {
    let is_plain = |capability: &Capability| {
        is_text(&capability.action)
            && is_resource(&capability.resource)
            && capability.constraints.len() <= CAPABILITIES_MAX
            && capability.constraints.iter().all(|constraint| is_text(&constraint.field))
    };
    let encoded = rmp_serde::to_vec_named(terms).map_or(usize::MAX, |bytes| bytes.len());
    match terms.capabilities.len() <= CAPABILITIES_MAX {
        false => Err("there are more than 64 capabilities"),
        true if encoded > TERMS_BYTES_MAX => Err("they take more than 64 KiB"),
        true if !terms.capabilities.iter().all(is_plain) => Err(
            "an action, resource or field is empty, too long or malformed, or there are more than \
             64 constraints",
        ),
        true => Ok(()),
    }
}

/// Whether arguments can be read again from the log: their size and depth are bounded.
fn are_recordable(arguments: &Arguments) -> bool {
    fn is_shallow(argument: &Argument, depth: usize) -> bool {
        let below = |inner: &Argument| depth < DEPTH_MAX && is_shallow(inner, depth + 1);
        match argument {
            Argument::List(items) => items.iter().all(below),
            Argument::Map(items) => items.values().all(below),
            Argument::Null
            | Argument::Bool(_)
            | Argument::Int(_)
            | Argument::Big(_)
            | Argument::Float(_)
            | Argument::Text(_) => true,
        }
    }
    arguments.values().all(|argument| is_shallow(argument, 1))
        && rmp_serde::to_vec(arguments).is_ok_and(|bytes| bytes.len() <= ARGUMENTS_BYTES_MAX)
}

/// The budgets of a capability; of several on one argument the smallest.
fn budgets(capability: &Capability) -> BTreeMap<&str, u64> {
    let mut budgets = BTreeMap::new();
    for constraint in &capability.constraints {
        if let Bound::Budget(limit) = constraint.bound {
            let least = budgets.entry(constraint.field.as_str()).or_insert(limit);
            *least = limit.min(*least);
        }
    }
    budgets
}

/// Takes `uses` and `amount` of each field out of what is left of a capability.
fn take(
    capability: &Capability,
    used: &Used,
    uses: u64,
    amount: impl Fn(&str) -> Option<u64>,
) -> Result<Used, Option<String>> {
    let mut used = used.clone();
    if let Some(most) = capability.uses {
        let sum = used.uses.checked_add(uses).filter(|sum| *sum <= most);
        used.uses = sum.ok_or(None)?;
    }
    for (field, limit) in budgets(capability) {
        let short = || Some(field.to_owned());
        let spent = used.spent.entry(field.to_owned()).or_insert(0);
        let sum = amount(field).and_then(|amount| spent.checked_add(amount));
        *spent = sum.filter(|sum| *sum <= limit).ok_or_else(short)?;
    }
    Ok(used)
}

/// Cuts `inner` out of a source: what is used of it then, by capability.
pub(crate) fn carve(source: &Source, inner: &Terms) -> Result<Vec<Used>, Wider> {
    let outer = &source.terms;
    let outlives = match (outer.expires_unix_ms, inner.expires_unix_ms) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(outer), Some(inner)) => inner > outer,
    };
    match () {
        () if outlives => return Err(Wider::Expiry),
        () if inner.approves && !outer.approves => return Err(Wider::Approves),
        () if inner.delegates && !outer.delegates => return Err(Wider::Delegates),
        () => {}
    }
    let mut used = source.used.clone();
    for wanted in &inner.capabilities {
        let mut refusal = Wider::Action;
        let mut found = false;
        for (capability, used) in outer.capabilities.iter().zip(&mut used) {
            let cut = narrows(capability, wanted).and_then(|()| {
                let passed_on = budgets(wanted);
                let budget = |field: &str| passed_on.get(field).copied();
                take(capability, used, wanted.uses.unwrap_or(0), budget)
                    .map_err(|field| field.map_or(Wider::Uses, Wider::Budget))
            });
            match cut {
                Ok(rest) => {
                    *used = rest;
                    found = true;
                    break;
                }
                // The capability of the same action says more than one of another.
                Err(Wider::Action) => {}
                Err(other) => refusal = other,
            }
        }
        if !found {
            return Err(refusal);
        }
    }
    Ok(used)
}

impl Ledger {
    /// A grant that a principal signed, with the principal and the reason if they are new. The
    /// caller has compared the key with the one it trusts for that name, and the node.
    ///
    /// # Errors
    /// See [`GrantRefused`].
    pub fn grant(
        &self,
        signed: &SignedGrant,
        terms: Terms,
        under: Option<ReasonId>,
    ) -> Result<Granted, GrantRefused> {
        signed.verify()?;
        if signed.terms.expires_tick.is_some() {
            // The terms say when they end; there are no ticks here.
            return Err(GrantError::Other { what: "kind of run: it ends at a tick" }.into());
        }
        check_terms(&terms).map_err(GrantRefused::Terms)?;
        if terms_digest(&terms) != Some(signed.terms.scenario) {
            return Err(GrantError::Other { what: "set of terms" }.into());
        }
        // One signature is one grant; its nonce tells two of the same terms apart.
        if self.grants.values().any(|grant| grant.signature == signed.signature) {
            return Err(Refusal::Replayed.into());
        }
        let key = signed.terms.principal_key;
        let mut records = Vec::new();
        let principal = match self.principal(&key) {
            Some(id) if self.principals.get(&id).is_some_and(|p| self.is_held(p.stop)) => {
                return Err(Refusal::PrincipalHalted.into());
            }
            Some(id) => id.0,
            None => {
                let id = self.principals.keys().next_back().map_or(1, |last| last.0 + 1);
                let name = signed.terms.principal.clone();
                records.push(Control::Principal(PrincipalRecord { id, name, public_key: key.0 }));
                id
            }
        };
        let label = signed.terms.reason.clone();
        if let Some(parent) = under {
            if self.reasons_above(parent).count() >= REASONS_DEEP_MAX {
                return Err(Refusal::Full.into());
            }
            let above = self.reasons.get(&parent).ok_or(Refusal::UnknownTarget)?;
            if above.principal.is_some_and(|owner| owner.0 != principal) {
                return Err(Refusal::NotAnswerable.into());
            }
            if self.is_held(above.stop) {
                return Err(Refusal::Halted.into());
            }
        }
        let reason = self.next_reason();
        records.push(Control::Reason(ReasonRecord {
            id: reason,
            parent: under.map(|r| r.0),
            label,
        }));
        let id = self.grants.keys().next_back().map_or(1, |last| last.0 + 1);
        records.push(Control::Grant(GrantRecord {
            id,
            principal,
            reason,
            rights: signed.terms.rights,
            scope_first: 0,
            scope_last: 0,
            expires: None,
            signed: signed.encode(),
            terms: Some(terms),
        }));
        Ok(Granted { id: GrantId(id), reason: ReasonId(reason), records })
    }

    fn next_reason(&self) -> u64 {
        self.reasons.keys().next_back().map_or(1, |last| last.0 + 1)
    }

    /// A reason below another one.
    ///
    /// # Errors
    /// [`Refusal::UnknownTarget`], [`Refusal::Halted`], [`Refusal::Text`].
    pub fn reason(&self, parent: ReasonId, label: &str) -> Result<ReasonRecord, Refusal> {
        let above = self.reasons.get(&parent).ok_or(Refusal::UnknownTarget)?;
        match () {
            () if self.is_held(above.stop) => Err(Refusal::Halted),
            () if !is_text(label) => Err(Refusal::Text),
            () if self.reasons_above(parent).count() >= REASONS_DEEP_MAX => Err(Refusal::Full),
            () => {
                let (id, label) = (self.next_reason(), label.to_owned());
                Ok(ReasonRecord { id, parent: Some(parent.0), label })
            }
        }
    }

    /// A new agent.
    ///
    /// # Errors
    /// [`Refusal::Text`].
    pub fn agent(&self, name: &str) -> Result<AgentRecord, Refusal> {
        let id = self.agents.keys().next_back().map_or(1, |last| last.0 + 1);
        if is_text(name) { Ok(AgentRecord { id, name: name.into() }) } else { Err(Refusal::Text) }
    }

    /// A lease for `owner`, cut from a grant.
    ///
    /// # Errors
    /// See [`LeaseRefused`].
    pub fn lease(
        &self,
        grant: GrantId,
        owner: AgentId,
        reason: Option<ReasonId>,
        terms: Terms,
    ) -> Result<TermsRecord, LeaseRefused> {
        let from = self.grants.get(&grant).ok_or(Refusal::UnknownTarget)?;
        let principal = self.principals.get(&from.principal).ok_or(Refusal::UnknownTarget)?;
        if self.is_held(principal.stop) || from.source.stop.is_some_and(|stop| self.is_held(stop)) {
            return Err(Refusal::Halted.into());
        }
        let reason = self.reason_for(from.reason, reason)?;
        self.check_owner(owner)?;
        check_terms(&terms).map_err(LeaseRefused::Terms)?;
        carve(&from.source, &terms).map_err(LeaseRefused::Wider)?;
        let (owner, reason) = (owner.0, reason.0);
        let lease = self.next_lease();
        Ok(TermsRecord { lease, owner, grant: grant.0, parent: None, reason, terms })
    }

    /// A part of the lease of `by`, for `owner`.
    ///
    /// # Errors
    /// See [`LeaseRefused`].
    pub fn attenuate(
        &self,
        by: AgentId,
        parent: LeaseId,
        owner: AgentId,
        reason: Option<ReasonId>,
        terms: Terms,
    ) -> Result<TermsRecord, LeaseRefused> {
        let from = self.holder(by, parent).map_err(No::from)?;
        if !from.source.terms.delegates {
            return Err(LeaseRefused::Wider(Wider::Delegates));
        }
        if self.line(parent).count() >= DELEGATIONS_MAX {
            return Err(Refusal::Full.into());
        }
        let reason = self.reason_for(from.reason, reason)?;
        self.check_owner(owner)?;
        check_terms(&terms).map_err(LeaseRefused::Terms)?;
        carve(&from.source, &terms).map_err(LeaseRefused::Wider)?;
        let (owner, reason, grant) = (owner.0, reason.0, from.grant.0);
        let lease = self.next_lease();
        Ok(TermsRecord { lease, owner, grant, parent: Some(parent.0), reason, terms })
    }

    fn next_lease(&self) -> u64 {
        self.leases.keys().next_back().map_or(1, |last| last.0 + 1)
    }

    fn check_owner(&self, owner: AgentId) -> Result<(), Refusal> {
        let standing = self.standing(Target::Agent(owner));
        match self.agents.contains_key(&owner) {
            false => Err(Refusal::UnknownTarget),
            true if standing.revoked || standing.suspended_by.is_some() => Err(Refusal::Halted),
            true => Ok(()),
        }
    }

    /// The reason of a lease: that of what it comes from, or one below it.
    fn reason_for(&self, own: ReasonId, wanted: Option<ReasonId>) -> Result<ReasonId, Refusal> {
        let reason = wanted.unwrap_or(own);
        let stop = self.reasons.get(&reason).ok_or(Refusal::UnknownTarget)?.stop;
        match self.reasons_above(reason).any(|above| above == own) {
            false => Err(Refusal::NotAnswerable),
            true if self.is_held(stop) => Err(Refusal::Halted),
            true => Ok(reason),
        }
    }

    /// Decides what an agent asks for.
    pub fn ask(&self, ask: &Ask<'_>) -> Decision {
        let decided = self.capability(ask);
        let (capability, needs_approval) = match decided {
            Ok(capability) => capability,
            Err(no) => return Decision::Denied(no),
        };
        let digest =
            digest(self.log, ask.agent, ask.lease, ask.action, ask.resource, ask.arguments);
        let Some(digest) = digest else {
            return Decision::Denied(Denial::MalformedArguments.into());
        };
        let approved = match (ask.proposal, needs_approval) {
            (None, true) => return self.propose(ask, digest.0),
            (None, false) => None,
            // Naming a proposal where none is needed still binds to it.
            (Some(id), _) => match self.proposal(id) {
                Some((proposal, ProposalState::Approved))
                    if proposal.digest == digest.0 && self.approver_stands(id) =>
                {
                    Some(id)
                }
                Some((proposal, ProposalState::Pending)) if proposal.digest == digest.0 => {
                    return Decision::Denied(Denial::NeedsApproval.into());
                }
                Some(_) | None => return Decision::Denied(Denial::NoMatchingApproval.into()),
            },
        };
        let of_lease = self.in_flight(Target::Lease(ask.lease));
        if self.flying().count() >= IN_FLIGHT_MAX || of_lease >= IN_FLIGHT_LEASE_MAX {
            return Decision::LaneClosed;
        }
        Decision::Admitted(Intent {
            id: EffectId(self.last_effect + 1).0,
            agent: ask.agent.0,
            lease: ask.lease.0,
            capability,
            proposal: approved.map(|id| id.0),
            action: ask.action.into(),
            resource: ask.resource.into(),
            arguments: ask.arguments.clone(),
            deadline_unix_ms: self.now.saturating_add(ask.within_ms.min(EFFECT_MS_MAX)),
            at_unix_ms: self.now,
        })
    }

    fn propose(&self, ask: &Ask<'_>, digest: [u8; 32]) -> Decision {
        let pending = |(proposal, state): &(&Proposal, _)| {
            *state == ProposalState::Pending && proposal.digest == digest
        };
        if let Some((same, _)) = self.proposals().find(pending) {
            return Decision::Pending(ProposalId(same.id));
        }
        let waiting = || self.proposals().filter(|(_, state)| *state == ProposalState::Pending);
        let of_lease = waiting().filter(|(proposal, _)| proposal.lease == ask.lease.0).count();
        if waiting().count() >= PENDING_MAX || of_lease >= PENDING_LEASE_MAX {
            return Decision::LaneClosed;
        }
        Decision::NeedsApproval(Proposal {
            id: self.proposals.keys().next_back().map_or(1, |last| last.0 + 1),
            agent: ask.agent.0,
            lease: ask.lease.0,
            action: ask.action.into(),
            resource: ask.resource.into(),
            arguments: ask.arguments.clone(),
            digest,
            expires_unix_ms: self.now.saturating_add(PROPOSAL_MS),
        })
    }

    /// The capability that allows what is asked for, and whether it needs an approval. One that
    /// needs none is preferred.
    fn capability(&self, ask: &Ask<'_>) -> Result<(u32, bool), No> {
        let lease = self.holder(ask.agent, ask.lease)?;
        if !are_recordable(ask.arguments) || !is_resource(ask.resource) {
            return Err(Denial::MalformedArguments.into());
        }
        if lease.log_bytes >= LEASE_LOG_BYTES {
            return Err(Denial::BudgetExhausted.into());
        }
        let mut answer = Err(Denial::CapabilityNotGranted.into());
        let capabilities = lease.source.terms.capabilities.iter().zip(&lease.source.used);
        for (index, (capability, used)) in (0u32..).zip(capabilities) {
            if capability.action != ask.action {
                continue;
            }
            match self.uses(capability, used, ask) {
                Ok(_) if !capability.approval => return Ok((index, false)),
                Ok(_) if answer.is_err() => answer = Ok((index, true)),
                // The first of its action tells why not.
                Err(no) if answer == Err(Denial::CapabilityNotGranted.into()) => answer = Err(no),
                Ok(_) | Err(_) => {}
            }
        }
        answer
    }

    /// What is used of a capability once this is done under it.
    fn uses(&self, capability: &Capability, used: &Used, ask: &Ask<'_>) -> Result<Used, No> {
        if !within(&capability.resource, ask.resource) {
            return Err(Denial::ExceedsCapabilityScope.into());
        }
        check(capability, ask.arguments).map_err(|(field, broken)| No {
            denial: Denial::ExceedsCapability,
            argument: Some((field.to_owned(), broken)),
        })?;
        let amount = |field: &str| number(ask.arguments.get(field)).ok();
        take(capability, used, 1, amount).map_err(|_| Denial::BudgetExhausted.into())
    }

    /// Whether an effect that was admitted may still begin: asked again right before it acts.
    ///
    /// # Errors
    /// Why not.
    pub fn recheck(&self, effect: EffectId) -> Result<&Intent, No> {
        let effect = self.effects.get(&effect).ok_or(Denial::UnknownLease)?;
        let intent = &effect.intent;
        self.holder(AgentId(intent.agent), LeaseId(intent.lease))?;
        let approval = intent.proposal.and_then(|id| self.proposals.get(&ProposalId(id)));
        match approval {
            _ if self.now >= intent.deadline_unix_ms => Err(Denial::LeaseExpired.into()),
            Some((proposal, _))
                if self.now >= proposal.expires_unix_ms
                    || !self.approver_stands(ProposalId(proposal.id)) =>
            {
                Err(Denial::NoMatchingApproval.into())
            }
            Some(_) | None => Ok(intent),
        }
    }

    /// What an intent reserves: what is used of its capability then, and of which budget how much.
    /// `None`: its capability does not hold it.
    pub(crate) fn reserve(&self, intent: &Intent) -> Option<(Used, BTreeMap<String, u64>)> {
        let lease = self.leases.get(&LeaseId(intent.lease))?;
        let index = intent.capability as usize;
        let capability = lease.source.terms.capabilities.get(index)?;
        let holds = lease.owner.0 == intent.agent
            && capability.action == intent.action
            && within(&capability.resource, &intent.resource)
            && check(capability, &intent.arguments).is_ok()
            && (intent.proposal.is_some() || !capability.approval);
        if !holds {
            return None;
        }
        let amount = |field: &str| number(intent.arguments.get(field)).ok();
        let used = take(capability, lease.source.used.get(index)?, 1, amount).ok()?;
        let reserved = budgets(capability)
            .into_keys()
            .filter_map(|field| amount(field).map(|amount| (field.to_owned(), amount)));
        Some((used, reserved.collect()))
    }
}

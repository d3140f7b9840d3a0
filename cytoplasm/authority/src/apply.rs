//! Applying records: the only way in which the ledger changes.

use std::collections::BTreeMap;

use karyon_gate::{Grant as Allowed, Lease as Held, Rights, Scope, Stop};
use karyon_identity::PublicKey;
use karyon_log::{
    Approval, Control, EffectStatus, GrantRecord, Intent, Order, Receipt, Target, TermsRecord, Verb,
};
use karyon_statements::{SignedGrant, SignedStatement, Statement};
use karyon_types::{
    AgentId, Arguments, EffectId, GrantId, LeaseId, PrincipalId, ProposalId, ReasonId, Terms, Tick,
};

use crate::decide::carve;
use crate::ledger::{
    Approver, Effect, EffectState, Grant, Lease, Ledger, Principal, ProposalState, Reason, Source,
    Standing, digest,
};

/// A record that does not follow from those before it: the log was not written by this ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of authority does not follow from those before it: {0}")]
pub struct Contradiction(&'static str);

/// What an intent or a proposal takes in the log beside resource and arguments, with its receipt or
/// approval, bytes.
const RECORD_BYTES: usize = 1024;

/// What all leases of a ledger are in the gate: rights and scopes are in their terms.
fn allowed(terms: &Terms) -> Allowed {
    Allowed {
        id: GrantId(0),
        principal: PrincipalId(0),
        reason: ReasonId(0),
        rights: Rights::ACT,
        scope: Scope { first: 0, last: 0 },
        expires: terms.expires_unix_ms.map(Tick),
    }
}

impl Ledger {
    /// Applies a record that is durable (an order may be so later). Records that are not about
    /// authority change nothing.
    ///
    /// # Errors
    /// [`Contradiction`]; the ledger is unchanged then.
    pub fn apply(&mut self, record: &Control) -> Result<(), Contradiction> {
        match record {
            Control::Principal(record) => {
                let stop = self.new_stop()?;
                let key = PublicKey(record.public_key);
                let principal = Principal { key, stop, last_order: 0 };
                insert_new(&mut self.principals, PrincipalId(record.id), principal)
            }
            Control::Reason(record) => {
                let parent = record.parent.map(ReasonId);
                let above =
                    parent.map(|id| self.reasons.get(&id).ok_or(Contradiction("no parent")));
                let principal = above.transpose()?.and_then(|above| above.principal);
                let stop = self.new_stop()?;
                let reason = Reason { parent, stop, principal };
                insert_new(&mut self.reasons, ReasonId(record.id), reason)
            }
            Control::Grant(record) => self.apply_grant(record),
            Control::Agent(record) => insert_new(&mut self.agents, AgentId(record.id), Vec::new()),
            Control::Terms(record) => self.apply_lease(record),
            Control::Order(record) => self.apply_order(record),
            Control::Proposal(record) => {
                let waiting = (record.clone(), ProposalState::Pending);
                insert_new(&mut self.proposals, ProposalId(record.id), waiting)?;
                self.charge(LeaseId(record.lease), &record.resource, &record.arguments);
                Ok(())
            }
            Control::Approval(record) => self.apply_approval(record),
            Control::Intent(record) => self.apply_intent(record),
            Control::Receipt(record) => self.apply_receipt(record),
            Control::OutcomeUnknown(record) => {
                let effect = self.effects.get_mut(&EffectId(record.effect));
                effect.ok_or(Contradiction("no such effect"))?.state = EffectState::Unknown;
                Ok(())
            }
            Control::ClockBack(_) => {
                self.end_all_that_ends();
                Ok(())
            }
            // About the node, or about what was done already: nothing to hold.
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
            | Control::Refused(_)
            | Control::Snapshot(_)
            | Control::Subjects(_) => Ok(()),
        }
    }

    /// What a principal said in the log, as far as it is what the record says: anybody who can
    /// write the log can write a record, but not sign it.
    fn said(&self, principal: PrincipalId, signed: &[u8]) -> Result<Statement, Contradiction> {
        let signed = SignedStatement::decode(signed);
        let signed = signed.map_err(|_| Contradiction("a principal's word is not signed"))?;
        let known = self.principals.get(&principal).ok_or(Contradiction("nobody said it"))?;
        let is_theirs = signed.log == self.log && signed.principal_key == known.key;
        match is_theirs && signed.verify() {
            true => Ok(signed.statement),
            false => Err(Contradiction("the principal did not sign it")),
        }
    }

    fn apply_approval(&mut self, record: &Approval) -> Result<(), Contradiction> {
        let id = ProposalId(record.proposal);
        let (proposal, state) = self.proposals.get(&id).ok_or(Contradiction("no such proposal"))?;
        if *state != ProposalState::Pending {
            return Err(Contradiction("the proposal is not pending"));
        }
        let (approver, expires) = match (record.principal, record.lease) {
            (Some(principal), None) => match self.said(PrincipalId(principal), &record.signed)? {
                Statement::Approval { proposal: said, digest, expires_unix_ms }
                    if said == proposal.id && digest == proposal.digest =>
                {
                    (Approver::Principal(PrincipalId(principal)), expires_unix_ms)
                }
                Statement::Approval { .. } | Statement::Order { .. } => {
                    return Err(Contradiction("the principal approved of something else"));
                }
            },
            (None, Some(lease)) => {
                let held = self.leases.get(&LeaseId(lease));
                let may = held.is_some_and(|lease| lease.source.terms.approves)
                    && self.is_independent(LeaseId(lease), LeaseId(proposal.lease));
                if !may {
                    return Err(Contradiction("the approver may not approve"));
                }
                (Approver::Lease(LeaseId(lease)), u64::MAX)
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Contradiction("the approval is of nobody, or of two"));
            }
        };
        if let Some((proposal, state)) = self.proposals.get_mut(&id) {
            // Whichever ends first: the proposal or its approval.
            proposal.expires_unix_ms = expires.min(proposal.expires_unix_ms);
            *state = ProposalState::Approved;
        }
        self.approvers.insert(id, approver);
        Ok(())
    }

    fn new_stop(&self) -> Result<Stop, Contradiction> {
        self.gate.new_stop().map_err(|_| Contradiction("too many entries"))
    }

    /// What leases are cut from: the lease, or the grant itself.
    fn source_mut(&mut self, grant: GrantId, lease: Option<LeaseId>) -> Option<&mut Source> {
        match lease {
            Some(lease) => self.leases.get_mut(&lease).map(|lease| &mut lease.source),
            None => self.grants.get_mut(&grant).map(|grant| &mut grant.source),
        }
    }

    fn apply_grant(&mut self, record: &GrantRecord) -> Result<(), Contradiction> {
        let terms = record.terms.clone().unwrap_or_default();
        let signed = SignedGrant::decode(&record.signed);
        let signed = signed.map_err(|_| Contradiction("the grant is not signed"))?;
        let principal = PrincipalId(record.principal);
        let known = self.principals.get(&principal).ok_or(Contradiction("nobody answers"))?;
        if signed.verify().is_err() || signed.terms.principal_key != known.key {
            return Err(Contradiction("its principal did not sign the grant"));
        }
        let is_what_was_signed = crate::terms_digest(&terms) == Some(signed.terms.scenario);
        if record.terms.is_some() && !is_what_was_signed {
            return Err(Contradiction("the principal signed other terms"));
        }
        if !self.reasons.contains_key(&ReasonId(record.reason)) {
            return Err(Contradiction("the grant has no reason"));
        }
        let stop = self.new_stop()?;
        let source = Source::new(terms, Some(stop));
        let (reason, signature) = (ReasonId(record.reason), signed.signature);
        let grant = Grant { principal, reason, source, signature };
        insert_new(&mut self.grants, GrantId(record.id), grant)?;
        if let Some(reason) = self.reasons.get_mut(&ReasonId(record.reason)) {
            reason.principal.get_or_insert(principal);
        }
        Ok(())
    }

    fn apply_lease(&mut self, record: &TermsRecord) -> Result<(), Contradiction> {
        let (id, owner) = (LeaseId(record.lease), AgentId(record.owner));
        let (grant, reason) = (GrantId(record.grant), ReasonId(record.reason));
        let parent = record.parent.map(LeaseId);
        if self.leases.contains_key(&id) || !self.agents.contains_key(&owner) {
            return Err(Contradiction("the lease is there already, or nobody's"));
        }
        let from = self.grants.get(&grant).ok_or(Contradiction("no such grant"))?;
        let above = parent.map(|parent| self.leases.get(&parent));
        let source = match above {
            None => &from.source,
            Some(Some(lease)) if lease.grant == grant => &lease.source,
            Some(_) => return Err(Contradiction("no such lease above")),
        };
        let used = carve(source, &record.terms).map_err(|_| Contradiction("a wider lease"))?;
        let (line, is_new) = match source.stop {
            Some(stop) => (stop, false),
            None => (self.new_stop()?, true),
        };
        let chain = self.chain(from, reason, line).ok_or(Contradiction("no such reason"))?;
        let allowed = allowed(&record.terms);
        let (rights, scope, expires) = (allowed.rights, allowed.scope, allowed.expires);
        let held = Held { id, owner, rights, scope, expires };
        let handle = self.gate.open(&allowed, &held, chain);
        let handle = handle.map_err(|_| Contradiction("the gate is full"))?;
        let up = above.flatten().and_then(|lease| lease.parent);
        if let (true, Some(parent)) = (is_new, parent) {
            // From now on whoever stops what lies above must stop this one too.
            let above = self.source_mut(grant, up);
            above.into_iter().for_each(|above| above.sources.push(parent));
        }
        if let Some(source) = self.source_mut(grant, parent) {
            (source.used, source.stop) = (used, Some(line));
        }
        let source = Source::new(record.terms.clone(), None);
        let lease =
            Lease { owner, grant, parent, reason, handle, source, log_bytes: 0, over: false };
        self.leases.insert(id, lease);
        self.agents.entry(owner).or_default().push(id);
        Ok(())
    }

    fn apply_order(&mut self, record: &Order) -> Result<(), Contradiction> {
        let verb = Verb::from_number(record.verb).ok_or(Contradiction("no such verb"))?;
        let target = Target::from_parts(record.target.0, record.target.1);
        let target = target.ok_or(Contradiction("no such target"))?;
        let principal = PrincipalId(record.principal);
        let Statement::Order { verb: said, kind, target: serial, number } =
            self.said(principal, &record.signed)?
        else {
            return Err(Contradiction("the principal ordered nothing"));
        };
        if (said, (kind, serial)) != (record.verb, record.target) {
            return Err(Contradiction("the principal ordered something else"));
        }
        let by = self.principals.get_mut(&principal).ok_or(Contradiction("nobody ordered it"))?;
        if number <= by.last_order {
            return Err(Contradiction("the order was given before"));
        }
        by.last_order = number;
        self.hold(verb, target);
        let standing = self.standings.entry(target).or_default();
        *standing = match verb {
            Verb::Suspend => Standing { suspended_by: Some(principal), ..*standing },
            Verb::Resume => Standing { suspended_by: None, ..*standing },
            Verb::Revoke => Standing { revoked: true, ..*standing },
        };
        Ok(())
    }

    /// Lets the gate know.
    fn hold(&self, verb: Verb, target: Target) {
        let gate = &self.gate;
        let word = |stop| match verb {
            Verb::Suspend => gate.suspend(stop),
            Verb::Resume => gate.resume(stop),
            Verb::Revoke => gate.revoke(stop),
        };
        match target {
            Target::Principal(id) => {
                self.principals.get(&id).into_iter().for_each(|p| word(p.stop))
            }
            Target::Reason(id) => {
                let below = self
                    .reasons
                    .iter()
                    .filter(|(own, _)| self.reasons_above(**own).any(|above| above == id));
                below.for_each(|(_, reason)| word(reason.stop));
            }
            Target::Grant(id) => {
                let source = self.grants.get(&id).map(|grant| &grant.source);
                source.into_iter().for_each(|source| self.hold_source(source, &word));
            }
            Target::Lease(id) => self.hold_lease(verb, id, &word),
            Target::Agent(id) => {
                let leases = self.agents.get(&id).into_iter().flatten();
                for lease in leases {
                    match (verb, self.leases.get(lease)) {
                        // What it passed on to others goes on while it is only suspended.
                        (Verb::Suspend, Some(lease)) => drop(gate.suspend_agent(&[lease.handle])),
                        (Verb::Resume, Some(lease)) => drop(gate.resume_agent(&[lease.handle])),
                        (Verb::Revoke, _) => self.hold_lease(verb, *lease, &word),
                        (_, None) => {}
                    }
                }
            }
        }
    }

    fn hold_lease(&self, verb: Verb, id: LeaseId, word: &dyn Fn(Stop)) {
        let Some(lease) = self.leases.get(&id) else { return };
        match verb {
            Verb::Suspend => self.gate.suspend_lease(lease.handle),
            Verb::Resume => self.gate.resume_lease(lease.handle),
            Verb::Revoke => self.gate.revoke_lease(lease.handle),
        };
        self.hold_source(&lease.source, word);
    }

    fn hold_source(&self, source: &Source, word: &dyn Fn(Stop)) {
        source.stop.into_iter().for_each(word);
        let below = source.sources.iter().filter_map(|id| self.leases.get(id));
        below.for_each(|lease| self.hold_source(&lease.source, word));
    }

    /// Counts what the log holds for a lease. What is the same in all records is rounded up.
    fn charge(&mut self, lease: LeaseId, resource: &str, arguments: &Arguments) {
        let encoded = rmp_serde::to_vec(arguments).map_or(0, |bytes| bytes.len());
        if let Some(lease) = self.leases.get_mut(&lease) {
            let bytes = (RECORD_BYTES + resource.len() + encoded) as u64;
            lease.log_bytes = lease.log_bytes.saturating_add(bytes);
        }
    }

    fn apply_intent(&mut self, intent: &Intent) -> Result<(), Contradiction> {
        let id = EffectId(intent.id);
        if intent.id <= self.last_effect {
            return Err(Contradiction("the effect is there already"));
        }
        let (used, reserved) =
            self.reserve(intent).ok_or(Contradiction("the capability does not hold the effect"))?;
        if let Some(proposal) = intent.proposal {
            let Intent { agent, lease, action, resource, arguments, .. } = intent;
            let digest =
                digest(self.log, AgentId(*agent), LeaseId(*lease), action, resource, arguments);
            match self.proposals.get_mut(&ProposalId(proposal)) {
                Some((proposal, state @ ProposalState::Approved))
                    if digest.is_some_and(|digest| digest.0 == proposal.digest) =>
                {
                    *state = ProposalState::Used;
                }
                Some(_) | None => return Err(Contradiction("the effect was not approved")),
            }
        }
        let lease = self.leases.get_mut(&LeaseId(intent.lease));
        let place = lease.and_then(|l| l.source.used.get_mut(intent.capability as usize));
        *place.ok_or(Contradiction("no such capability"))? = used;
        self.last_effect = intent.id;
        self.charge(LeaseId(intent.lease), &intent.resource, &intent.arguments);
        let effect = Effect { intent: intent.clone(), state: EffectState::InFlight, reserved };
        self.effects.insert(id, effect);
        Ok(())
    }

    /// Settles what was reserved: what was not used is free again.
    fn apply_receipt(&mut self, receipt: &Receipt) -> Result<(), Contradiction> {
        if !self.is_signed(receipt) {
            return Err(Contradiction("the receipt is not signed"));
        }
        let effect = self.effects.remove(&EffectId(receipt.effect));
        let Effect { intent, reserved, .. } = effect.ok_or(Contradiction("no such effect"))?;
        let lease = self.leases.get_mut(&LeaseId(intent.lease));
        let used = lease.and_then(|l| l.source.used.get_mut(intent.capability as usize));
        let Some(used) = used else { return Ok(()) };
        for (field, reserved) in reserved {
            let spent = used.spent.entry(field.clone()).or_insert(0);
            let unless_told = match receipt.status {
                EffectStatus::Done => reserved,
                EffectStatus::Failed | EffectStatus::NotDone => 0,
            };
            let really = receipt.used.get(&field).copied().unwrap_or(unless_told);
            *spent = spent.saturating_sub(reserved).saturating_add(really);
        }
        if receipt.status == EffectStatus::NotDone {
            used.uses = used.uses.saturating_sub(1);
        }
        Ok(())
    }

    /// The clock was set back: nobody knows any more what time is over.
    fn end_all_that_ends(&mut self) {
        for lease in self.leases.values_mut() {
            lease.over |= lease.source.terms.expires_unix_ms.is_some();
        }
        for (_, state) in self.proposals.values_mut() {
            if matches!(state, ProposalState::Pending | ProposalState::Approved) {
                *state = ProposalState::Over;
            }
        }
    }
}

fn insert_new<K: Ord, V>(map: &mut BTreeMap<K, V>, id: K, value: V) -> Result<(), Contradiction> {
    if map.contains_key(&id) {
        return Err(Contradiction("the serial was used before"));
    }
    map.insert(id, value);
    Ok(())
}

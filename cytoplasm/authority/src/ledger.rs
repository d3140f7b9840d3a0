//! What the ledger holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use karyon_gate::{Chain, Gate, Handle, Hold, Stop};
use karyon_identity::{PublicKey, Signature};
use karyon_log::{Intent, Proposal, Receipt, Target};
use karyon_types::{
    AgentId, Arguments, Denial, EffectId, GrantId, Hash, Hasher, LeaseId, LogId, PrincipalId,
    ProposalId, ReasonId, Terms,
};

/// Whether something is held, by its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who suspended it.
    pub suspended_by: Option<PrincipalId>,
    /// Whether it was revoked.
    pub revoked: bool,
}

pub(crate) struct Principal {
    pub(crate) key: PublicKey,
    pub(crate) stop: Stop,
    /// The number of the last order.
    pub(crate) last_order: u64,
}

pub(crate) struct Reason {
    pub(crate) parent: Option<ReasonId>,
    pub(crate) stop: Stop,
    /// Who granted something for it, or for one above.
    pub(crate) principal: Option<PrincipalId>,
}

/// How much of a capability is used or reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) uses: u64,
    pub(crate) spent: BTreeMap<String, u64>,
}

/// What leases are cut from: a grant, or a lease that was passed on in part.
pub(crate) struct Source {
    pub(crate) terms: Terms,
    /// By capability.
    pub(crate) used: Vec<Used>,
    /// Held with all that was cut from it; a lease gets one when something is cut from it.
    pub(crate) stop: Option<Stop>,
    /// The leases below from which others were cut in turn.
    pub(crate) sources: Vec<LeaseId>,
}

impl Source {
    pub(crate) fn new(terms: Terms, stop: Option<Stop>) -> Source {
        let used = terms.capabilities.iter().map(|_| Used::default()).collect();
        Source { terms, used, stop, sources: Vec::new() }
    }
}

pub(crate) struct Grant {
    pub(crate) principal: PrincipalId,
    pub(crate) reason: ReasonId,
    pub(crate) source: Source,
    pub(crate) signature: Signature,
}

pub(crate) struct Lease {
    pub(crate) owner: AgentId,
    pub(crate) grant: GrantId,
    pub(crate) parent: Option<LeaseId>,
    pub(crate) reason: ReasonId,
    pub(crate) handle: Handle,
    pub(crate) source: Source,
    /// Bytes of the log that its intents and proposals took.
    pub(crate) log_bytes: u64,
    /// Over because the clock was set back.
    pub(crate) over: bool,
}

/// How far a proposal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalState {
    /// It waits for an approval.
    Pending,
    /// It was approved, and may be carried out once before the end that it has now.
    Approved,
    /// It was carried out.
    Used,
    /// Nobody approved in time, or the clock was set back.
    Over,
}

/// Who approved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Approver {
    Principal(PrincipalId),
    /// An agent, under this lease.
    Lease(LeaseId),
}

/// How far an effect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectState {
    /// It was admitted, and nobody has heard of its end.
    InFlight,
    /// Nobody knows whether it happened.
    Unknown,
}

pub(crate) struct Effect {
    pub(crate) intent: Intent,
    pub(crate) state: EffectState,
    /// What is reserved of each budget.
    pub(crate) reserved: BTreeMap<String, u64>,
}

/// The ledger of one log.
pub struct Ledger {
    pub(crate) log: LogId,
    pub(crate) gate: Arc<Gate>,
    pub(crate) now: u64,
    pub(crate) node: PublicKey,
    pub(crate) adapters: Vec<PublicKey>,
    pub(crate) principals: BTreeMap<PrincipalId, Principal>,
    pub(crate) reasons: BTreeMap<ReasonId, Reason>,
    pub(crate) grants: BTreeMap<GrantId, Grant>,
    pub(crate) agents: BTreeMap<AgentId, Vec<LeaseId>>,
    pub(crate) leases: BTreeMap<LeaseId, Lease>,
    pub(crate) standings: BTreeMap<Target, Standing>,
    pub(crate) proposals: BTreeMap<ProposalId, (Proposal, ProposalState)>,
    pub(crate) approvers: BTreeMap<ProposalId, Approver>,
    pub(crate) effects: BTreeMap<EffectId, Effect>,
    pub(crate) last_effect: u64,
}

impl Ledger {
    /// An empty ledger. Receipts are taken from `adapters` and from the node itself only.
    pub fn new(log: LogId, gate: Arc<Gate>, node: PublicKey, adapters: Vec<PublicKey>) -> Ledger {
        Ledger {
            log,
            gate,
            now: 0,
            node,
            adapters,
            principals: BTreeMap::new(),
            reasons: BTreeMap::new(),
            grants: BTreeMap::new(),
            agents: BTreeMap::new(),
            leases: BTreeMap::new(),
            standings: BTreeMap::new(),
            proposals: BTreeMap::new(),
            approvers: BTreeMap::new(),
            effects: BTreeMap::new(),
            last_effect: 0,
        }
    }

    /// Lets time pass, never back; the ledger's time, milliseconds since 1970.
    pub fn advance(&mut self, unix_ms: u64) -> u64 {
        self.now = self.now.max(unix_ms);
        self.now
    }

    /// The gate that the ledger's leases are open in.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The principal whose key this is.
    pub fn principal(&self, key: &PublicKey) -> Option<PrincipalId> {
        self.principals.iter().find(|(_, principal)| principal.key == *key).map(|(id, _)| *id)
    }

    /// Whether there is such an agent.
    pub fn knows(&self, agent: AgentId) -> bool {
        self.agents.contains_key(&agent)
    }

    /// The number that the next order of a principal must exceed.
    pub fn last_order(&self, principal: PrincipalId) -> Option<u64> {
        self.principals.get(&principal).map(|principal| principal.last_order)
    }

    /// Whether something was suspended or revoked by its own; what is above it may hold it too.
    pub fn standing(&self, target: Target) -> Standing {
        self.standings.get(&target).copied().unwrap_or_default()
    }

    /// What is used or reserved of one budget of a lease.
    pub fn spent(&self, lease: LeaseId, capability: usize, field: &str) -> Option<u64> {
        let used = self.leases.get(&lease)?.source.used.get(capability)?;
        Some(used.spent.get(field).copied().unwrap_or(0))
    }

    /// How often a capability of a grant or a lease was used, and how much of each budget: by
    /// effects, and by what was cut from it.
    pub fn used(&self, of: Target, capability: usize) -> Option<(u64, &BTreeMap<String, u64>)> {
        let source = match of {
            Target::Grant(id) => &self.grants.get(&id)?.source,
            Target::Lease(id) => &self.leases.get(&id)?.source,
            Target::Agent(_) | Target::Reason(_) | Target::Principal(_) => return None,
        };
        source.used.get(capability).map(|used| (used.uses, &used.spent))
    }

    /// Whether a lease holds now, with all that it comes from.
    ///
    /// # Errors
    /// Why it does not.
    pub fn holds(&self, lease: LeaseId) -> Result<(), Denial> {
        let owner = self.leases.get(&lease).ok_or(Denial::UnknownLease)?.owner;
        self.holder(owner, lease).map(drop)
    }

    /// A proposal, and how far it has come.
    pub fn proposal(&self, id: ProposalId) -> Option<(&Proposal, ProposalState)> {
        let (proposal, state) = self.proposals.get(&id)?;
        let waits = matches!(state, ProposalState::Pending | ProposalState::Approved);
        let is_over = waits && self.now >= proposal.expires_unix_ms;
        let state = if is_over { ProposalState::Over } else { *state };
        Some((proposal, state))
    }

    /// Whether it was a person who approved of a proposal, and no agent.
    pub fn is_approved_by_person(&self, proposal: ProposalId) -> bool {
        matches!(self.approvers.get(&proposal), Some(Approver::Principal(_)))
    }

    /// All proposals, with how far they have come.
    pub fn proposals(&self) -> impl Iterator<Item = (&Proposal, ProposalState)> {
        self.proposals.keys().filter_map(|id| self.proposal(*id))
    }

    /// Effects that nobody has heard the end of, in the order of their serials.
    pub fn effects(&self) -> impl Iterator<Item = (&Intent, EffectState)> {
        self.effects.values().map(|effect| (&effect.intent, effect.state))
    }

    /// An effect that nobody has heard the end of.
    pub fn effect(&self, id: EffectId) -> Option<(&Intent, EffectState)> {
        self.effects.get(&id).map(|effect| (&effect.intent, effect.state))
    }

    /// Effects in flight whose time is over: nobody will hear of them in time.
    pub fn overdue(&self) -> impl Iterator<Item = EffectId> {
        let late = |effect: &Effect| {
            effect.state == EffectState::InFlight && self.now >= effect.intent.deadline_unix_ms
        };
        self.effects.iter().filter(move |(_, effect)| late(effect)).map(|(id, _)| *id)
    }

    /// The owners of a lease and of those that it was cut from, the lease's own first.
    pub(crate) fn line(&self, lease: LeaseId) -> impl Iterator<Item = (LeaseId, &Lease)> {
        let get = |id: LeaseId| self.leases.get(&id).map(|lease| (id, lease));
        std::iter::successors(get(lease), move |(_, lease)| lease.parent.and_then(get))
    }

    /// A reason and those above it.
    pub(crate) fn reasons_above(&self, id: ReasonId) -> impl Iterator<Item = ReasonId> {
        std::iter::successors(Some(id), |id| self.reasons.get(id).and_then(|reason| reason.parent))
    }

    /// Whether a lease is part of what a target stands for.
    pub(crate) fn is_under(&self, lease: LeaseId, target: Target) -> bool {
        let Some(held) = self.leases.get(&lease) else { return false };
        match target {
            Target::Agent(agent) => self.line(lease).any(|(_, lease)| lease.owner == agent),
            Target::Lease(above) => self.line(lease).any(|(id, _)| id == above),
            Target::Grant(grant) => held.grant == grant,
            Target::Reason(reason) => self.reasons_above(held.reason).any(|id| id == reason),
            Target::Principal(principal) => {
                self.grants.get(&held.grant).is_some_and(|grant| grant.principal == principal)
            }
        }
    }

    pub(crate) fn flying(&self) -> impl Iterator<Item = &Effect> {
        self.effects.values().filter(|effect| effect.state == EffectState::InFlight)
    }

    /// How many effects are in flight under a target.
    pub fn in_flight(&self, target: Target) -> u64 {
        self.flying().filter(|effect| self.is_under(LeaseId(effect.intent.lease), target)).count()
            as u64
    }

    /// Whether who approved of a proposal still stands: an approval does not outlive its approver.
    pub(crate) fn approver_stands(&self, proposal: ProposalId) -> bool {
        match self.approvers.get(&proposal) {
            Some(Approver::Principal(id)) => {
                self.principals.get(id).is_some_and(|principal| !self.is_held(principal.stop))
            }
            Some(Approver::Lease(id)) => {
                let owner = self.leases.get(id).map(|lease| lease.owner);
                owner.is_some_and(|owner| self.holder(owner, *id).is_ok())
            }
            None => false,
        }
    }

    /// The stop words of a lease.
    pub(crate) fn chain(&self, grant: &Grant, reason: ReasonId, line: Stop) -> Option<Chain> {
        let principal = self.principals.get(&grant.principal)?.stop;
        Some(Chain { principal, reason: self.reasons.get(&reason)?.stop, line })
    }

    pub(crate) fn is_held(&self, stop: Stop) -> bool {
        self.gate.hold(stop) != Hold::None
    }

    /// Whether `agent` holds a live lease of that number.
    pub(crate) fn holder(&self, agent: AgentId, lease: LeaseId) -> Result<&Lease, Denial> {
        let held = self.leases.get(&lease);
        let handle = held.map(|lease| lease.handle);
        let handle = handle.ok_or(Denial::UnknownLease)?;
        self.gate.check_holder(Some(handle), agent, self.now)?;
        match held {
            Some(lease) if !lease.over => Ok(lease),
            Some(_) | None => Err(Denial::LeaseExpired),
        }
    }
}

/// What an approval approves of: this agent doing this under this lease, once, in this log.
pub fn digest(
    log: LogId,
    agent: AgentId,
    lease: LeaseId,
    action: &str,
    resource: &str,
    arguments: &Arguments,
) -> Option<Hash> {
    let arguments = rmp_serde::to_vec(arguments).ok()?;
    let mut hasher = Hasher::for_domain("karyon proposal v1");
    hasher.update(&log.0).update(&agent.0.to_le_bytes()).update(&lease.0.to_le_bytes());
    hasher.field(action.as_bytes()).field(resource.as_bytes()).field(&arguments);
    Some(hasher.finish())
}

/// What a principal signs for when they grant these terms.
pub fn terms_digest(terms: &Terms) -> Option<Hash> {
    let terms = rmp_serde::to_vec_named(terms).ok()?;
    Some(Hasher::for_domain("karyon terms v1").field(&terms).finish())
}

/// What an adapter signs.
pub fn receipt_digest(log: LogId, receipt: &Receipt) -> Hash {
    let mut hasher = Hasher::for_domain("karyon receipt v1");
    hasher.update(&log.0).update(&receipt.effect.to_le_bytes());
    hasher.field(receipt.status.name().as_bytes()).update(&receipt.payload);
    hasher.update(&(receipt.used.len() as u64).to_le_bytes());
    for (field, used) in &receipt.used {
        hasher.field(field.as_bytes()).update(&used.to_le_bytes());
    }
    hasher.update(&receipt.started_unix_ms.to_le_bytes());
    hasher.update(&receipt.ended_unix_ms.to_le_bytes()).update(&receipt.adapter);
    hasher.finish()
}

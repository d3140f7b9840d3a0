//! The ledger agrees with a model that holds sets of rights and looks at all of them each time.

use std::collections::{BTreeMap, BTreeSet};

use karyon_authority::{Ask, Decision, LeaseRefused, Ledger};
use karyon_log::{Control, Receipt, Target, Verb};
use karyon_types::{
    AgentId, Argument, Arguments, Bound, Capability, Constraint, Denial, GrantId, LeaseId,
    PrincipalId, ReasonId, Terms,
};
use proptest::prelude::*;

use crate::support::{KEYS, LOG, apply, ledger, order, signed_grant};

const AGENTS: u64 = 4;
const ACTIONS: [&str; 2] = ["pay", "read"];
const RESOURCES: [&str; 5] = ["r", "r/x", "r/x/y", "r/xy", "s"];
const AMOUNTS: std::ops::Range<i64> = 0..12;

#[derive(Clone, Debug)]
enum Op {
    Grant { principal: usize, terms: Terms, under: Option<usize> },
    Reason { parent: usize },
    Lease { grant: usize, owner: u64, reason: Option<usize>, terms: Terms },
    Cut { lease: usize, by_owner: bool, owner: u64, reason: Option<usize>, terms: Option<Terms> },
    Order { principal: usize, verb: Verb, kind: u8, place: usize },
    Ask { lease: usize, by_owner: bool, action: usize, resource: usize, amount: i64 },
    Settle { effect: usize, used: u64 },
    Pass(u64),
}

fn capability() -> impl Strategy<Value = Capability> {
    (
        prop_oneof![4 => Just(0usize), 1 => Just(1)],
        prop_oneof![6 => Just(0usize), 1 => 0..5usize],
        prop::option::weighted(0.4, 4u64..12),
        prop::option::weighted(0.3, 5u64..60),
        prop::option::weighted(0.2, 1u64..8),
    )
        .prop_map(|(action, resource, most, budget, uses)| {
            let bounds = [most.map(Bound::Maximum), budget.map(Bound::Budget)];
            let constraint = |bound| Constraint { field: "amount".into(), bound };
            Capability {
                action: ACTIONS[action].into(),
                resource: RESOURCES[resource].into(),
                constraints: bounds.into_iter().flatten().map(constraint).collect(),
                uses,
                approval: false,
            }
        })
}

fn terms() -> impl Strategy<Value = Terms> {
    (
        prop::collection::vec(capability(), 1..3),
        prop::bool::weighted(0.95),
        prop::option::weighted(0.15, 1u64..20),
    )
        .prop_map(|(capabilities, delegates, expires_unix_ms)| Terms {
            capabilities,
            approves: false,
            delegates,
            expires_unix_ms,
        })
}

fn op() -> impl Strategy<Value = Op> {
    let verb =
        prop_oneof![6 => Just(Verb::Suspend), 6 => Just(Verb::Resume), 1 => Just(Verb::Revoke)];
    let reason = || prop::option::weighted(0.3, 0..8usize);
    let by_owner = || prop::bool::weighted(0.95);
    prop_oneof![
        1 => (0..2usize, terms(), reason())
            .prop_map(|(principal, terms, under)| Op::Grant { principal, terms, under }),
        1 => (0..8usize).prop_map(|parent| Op::Reason { parent }),
        3 => (0..3usize, 1..=AGENTS, reason(), terms()).prop_map(
            |(grant, owner, reason, terms)| Op::Lease { grant, owner, reason, terms }),
        4 => (0..9usize, by_owner(), 1..=AGENTS, reason(), prop::option::weighted(0.2, terms())).prop_map(
            |(lease, by_owner, owner, reason, terms)| Op::Cut { lease, by_owner, owner, reason, terms }),
        3 => (0..2usize, verb, 1..6u8, 0..6usize).prop_map(
            |(principal, verb, kind, place)| Op::Order { principal, verb, kind, place }),
        12 => (0..9usize, by_owner(), prop_oneof![4 => Just(0usize), 1 => Just(1)], 0..5usize, AMOUNTS).prop_map(
            |(lease, by_owner, action, resource, amount)| Op::Ask { lease, by_owner, action, resource, amount }),
        2 => (0..4usize, 0..12u64).prop_map(|(effect, used)| Op::Settle { effect, used }),
        1 => (1..4u64).prop_map(Op::Pass),
    ]
}

fn halved(outer: &Terms) -> Terms {
    let mut terms = outer.clone();
    for capability in &mut terms.capabilities {
        capability.uses = capability.uses.map(|uses| uses / 2);
        for constraint in &mut capability.constraints {
            if let Bound::Budget(limit) = &mut constraint.bound {
                *limit /= 2;
            }
        }
    }
    terms
}

struct Held {
    owner: u64,
    grant: usize,
    parent: Option<usize>,
    reason: u64,
    terms: Terms,
    /// By capability: uses, amount.
    used: Vec<(u64, u64)>,
}

#[derive(Default)]
struct Model {
    grants: Vec<(u64, u64, Terms)>,
    reasons: Vec<Option<u64>>,
    leases: Vec<Held>,
    suspended: BTreeSet<Target>,
    revoked: BTreeSet<Target>,
    now: u64,
}

fn below(scope: &str, resource: &str) -> bool {
    resource == scope || resource.starts_with(&format!("{scope}/"))
}

/// Whether a capability covers a use, budgets and uses aside.
fn covers(capability: &Capability, action: &str, resource: &str, amount: u64) -> bool {
    let within = |constraint: &Constraint| match constraint.bound {
        Bound::Maximum(most) => amount <= most,
        _ => true,
    };
    capability.action == action
        && below(&capability.resource, resource)
        && capability.constraints.iter().all(within)
}

fn budget(capability: &Capability) -> Option<u64> {
    capability.constraints.iter().find_map(|constraint| match constraint.bound {
        Bound::Budget(limit) => Some(limit),
        _ => None,
    })
}

fn most(capability: &Capability) -> Option<u64> {
    capability.constraints.iter().find_map(|constraint| match constraint.bound {
        Bound::Maximum(most) => Some(most),
        _ => None,
    })
}

/// Whether `wanted` may be cut from what is left of a capability.
fn passes(own: &Capability, used: &(u64, u64), wanted: &Capability) -> bool {
    let fits = |outer: Option<u64>, used: u64, inner: Option<u64>| match (outer, inner) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => used + inner <= outer,
    };
    own.action == wanted.action
        && below(&own.resource, &wanted.resource)
        && fits(most(own), 0, most(wanted))
        && fits(own.uses, used.0, wanted.uses)
        && fits(budget(own), used.1, budget(wanted))
}

impl Model {
    fn line(&self, lease: usize) -> Vec<usize> {
        std::iter::successors(Some(lease), |at| self.leases[*at].parent).collect()
    }

    fn reasons_of(&self, reason: u64) -> Vec<u64> {
        std::iter::successors(Some(reason), |id| self.reasons[*id as usize - 1]).collect()
    }

    /// Whether nothing stops a lease.
    fn stands(&self, lease: usize) -> bool {
        let held = &self.leases[lease];
        let line = self.line(lease);
        let (principal, _, grant_terms) = &self.grants[held.grant];
        let mut above = vec![
            Target::Principal(PrincipalId(*principal)),
            Target::Grant(GrantId(held.grant as u64 + 1)),
        ];
        above.extend(
            self.reasons_of(held.reason).into_iter().map(|id| Target::Reason(ReasonId(id))),
        );
        above.extend(line.iter().map(|at| Target::Lease(LeaseId(*at as u64 + 1))));
        let ends = line.iter().map(|at| self.leases[*at].terms.expires_unix_ms);
        let ends = ends.chain([grant_terms.expires_unix_ms]);
        let agents = line.iter().map(|at| Target::Agent(AgentId(self.leases[*at].owner)));
        above.iter().all(|t| !self.suspended.contains(t) && !self.revoked.contains(t))
            && !self.suspended.contains(&Target::Agent(AgentId(held.owner)))
            && agents.into_iter().all(|agent| !self.revoked.contains(&agent))
            && ends.into_iter().flatten().all(|end| self.now < end)
    }

    /// The capability under which a lease allows a use.
    fn allows(&self, lease: usize, action: &str, resource: &str, amount: u64) -> Option<usize> {
        let held = &self.leases[lease];
        if !self.stands(lease) {
            return None;
        }
        let fits = |(capability, (uses, spent)): &(&Capability, &(u64, u64))| {
            covers(capability, action, resource, amount)
                && capability.uses.is_none_or(|most| *uses < most)
                && budget(capability).is_none_or(|limit| spent + amount <= limit)
        };
        held.terms.capabilities.iter().zip(&held.used).position(|pair| fits(&pair))
    }
}

/// All uses that terms cover: the set of rights.
fn rights(terms: &Terms) -> BTreeSet<(usize, usize, i64)> {
    let mut all = BTreeSet::new();
    for (action, resource) in (0..2).flat_map(|a| (0..5).map(move |r| (a, r))) {
        for amount in AMOUNTS {
            let covered = |capability: &Capability| {
                covers(capability, ACTIONS[action], RESOURCES[resource], amount as u64)
            };
            if terms.capabilities.iter().any(covered) {
                all.insert((action, resource, amount));
            }
        }
    }
    all
}

struct Run {
    ledger: Ledger,
    records: Vec<Control>,
    model: Model,
    numbers: [u64; 2],
    /// Effect, lease, capability, amount.
    flying: Vec<(u64, usize, usize, u64)>,
}

impl Run {
    fn new() -> Run {
        let mut run = Run {
            ledger: ledger(),
            records: Vec::new(),
            model: Model::default(),
            numbers: [0; 2],
            flying: Vec::new(),
        };
        for _ in 0..AGENTS {
            let agent = run.ledger.agent("somebody").unwrap();
            run.apply([Control::Agent(agent)]);
        }
        run.begin().unwrap();
        run
    }

    /// A generous grant, a reason below its reason, and a line of delegation: what follows has
    /// something to cut from and to stop.
    fn begin(&mut self) -> Result<(), TestCaseError> {
        let constraint = |bound| Constraint { field: "amount".into(), bound };
        let capability = |action: &str| Capability {
            action: action.into(),
            resource: "r".into(),
            constraints: vec![constraint(Bound::Maximum(10)), constraint(Bound::Budget(200))],
            uses: None,
            approval: false,
        };
        let capabilities = ACTIONS.map(capability).to_vec();
        let terms = Terms { capabilities, approves: false, delegates: true, expires_unix_ms: None };
        self.step(Op::Grant { principal: 0, terms: terms.clone(), under: None })?;
        self.step(Op::Reason { parent: 0 })?;
        self.step(Op::Lease { grant: 0, owner: 1, reason: None, terms: halved(&terms) })?;
        for lease in 0..2 {
            let owner = lease as u64 + 2;
            let reason = (lease == 1).then_some(1);
            self.step(Op::Cut { lease, by_owner: true, owner, reason, terms: None })?;
        }
        prop_assert_eq!(self.model.leases.len(), 3);
        Ok(())
    }

    fn apply(&mut self, records: impl IntoIterator<Item = Control>) {
        for record in records {
            apply(&mut self.ledger, [record.clone()]);
            self.records.push(record);
        }
    }

    fn step(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Grant { principal, terms, under } => {
                let under = under.map(|place| ReasonId(place as u64 + 1));
                let nonce = self.model.grants.len() as u64;
                let signed = signed_grant(principal, &terms, nonce);
                if let Ok(granted) = self.ledger.grant(&signed, terms.clone(), under) {
                    let number = |record: &Control| match record {
                        Control::Grant(grant) => Some(grant.principal),
                        _ => None,
                    };
                    let principal = granted.records.iter().find_map(number).unwrap();
                    let (reason, records) = (granted.reason.0, granted.records);
                    prop_assert_eq!(reason as usize, self.model.reasons.len() + 1);
                    self.model.reasons.push(under.map(|id| id.0));
                    self.model.grants.push((principal, reason, terms));
                    self.apply(records);
                }
            }
            Op::Reason { parent } => {
                if let Ok(record) = self.ledger.reason(ReasonId(parent as u64 + 1), "because") {
                    self.model.reasons.push(record.parent);
                    self.apply([Control::Reason(record)]);
                }
            }
            Op::Lease { grant, owner, reason, terms } => {
                let reason = reason.map(|place| ReasonId(place as u64 + 1));
                let id = GrantId(grant as u64 + 1);
                let lease = self.ledger.lease(id, AgentId(owner), reason, terms.clone());
                if let Ok(record) = lease {
                    let outer = self.model.grants[grant].2.clone();
                    self.opened(grant, None, record.reason, owner, terms, &outer)?;
                    self.apply([Control::Terms(record)]);
                    self.check_totals(None, grant)?;
                }
            }
            Op::Cut { lease, by_owner, owner, reason, terms } => {
                self.cut(lease, by_owner, owner, reason, terms)?;
            }
            Op::Order { principal, verb, kind, place } => {
                self.order(principal, verb, kind, place)?;
            }
            Op::Ask { lease, by_owner, action, resource, amount } => {
                self.ask(lease, by_owner, action, resource, amount)?;
            }
            Op::Settle { effect, used } => {
                if effect < self.flying.len() {
                    let (effect, lease, capability, amount) = self.flying.remove(effect);
                    let used = used.min(amount);
                    let mut receipt = Receipt {
                        effect,
                        status: karyon_log::EffectStatus::Done,
                        payload: [0; 32],
                        used: [("amount".to_owned(), used)].into(),
                        started_unix_ms: 0,
                        ended_unix_ms: 0,
                        adapter: KEYS[2].public_key().0,
                        signature: Vec::new(),
                    };
                    let digest = karyon_authority::receipt_digest(LOG, &receipt);
                    receipt.signature = KEYS[2].sign(&digest.0).0.to_vec();
                    prop_assert_eq!(self.ledger.receipt(&receipt), Ok(()));
                    self.apply([Control::Receipt(receipt)]);
                    let held = &mut self.model.leases[lease];
                    if budget(&held.terms.capabilities[capability]).is_some() {
                        held.used[capability].1 -= amount - used;
                    }
                }
            }
            Op::Pass(ms) => {
                self.model.now += ms;
                self.ledger.advance(self.model.now);
                // A clock that stands behind changes nothing.
                prop_assert_eq!(self.ledger.advance(0), self.model.now);
            }
        }
        Ok(())
    }

    fn cut(
        &mut self,
        lease: usize,
        by_owner: bool,
        owner: u64,
        reason: Option<usize>,
        terms: Option<Terms>,
    ) -> Result<(), TestCaseError> {
        let Some(from) = self.model.leases.get(lease) else { return Ok(()) };
        let by = if by_owner { from.owner } else { from.owner % AGENTS + 1 };
        let (grant, outer) = (from.grant, from.terms.clone());
        // Often the very same terms but for what is counted, of which a half is passed on.
        let terms = terms.unwrap_or_else(|| halved(&outer));
        let free = terms.capabilities.iter().all(|c| c.uses.is_none() && budget(c).is_none());
        let same = terms == outer && free && reason.is_none();
        let reason = reason.map(|place| ReasonId(place as u64 + 1));
        let id = LeaseId(lease as u64 + 1);
        let cut = self.ledger.attenuate(AgentId(by), id, AgentId(owner), reason, terms.clone());
        let stands = self.model.stands(lease) && by_owner;
        match cut {
            Ok(record) => {
                prop_assert!(stands && outer.delegates);
                self.opened(grant, Some(lease), record.reason, owner, terms, &outer)?;
                self.apply([Control::Terms(record)]);
                self.check_totals(Some(lease), grant)?;
            }
            Err(LeaseRefused::Wider(_)) => prop_assert!(!same || !outer.delegates),
            Err(LeaseRefused::Denied(_)) => prop_assert!(!stands),
            Err(LeaseRefused::Terms(_) | LeaseRefused::Refused(_)) => {}
        }
        Ok(())
    }

    /// A lease was opened: it is narrower than what it came from, as sets of rights.
    fn opened(
        &mut self,
        grant: usize,
        parent: Option<usize>,
        reason: u64,
        owner: u64,
        terms: Terms,
        outer: &Terms,
    ) -> Result<(), TestCaseError> {
        prop_assert!(rights(&terms).is_subset(&rights(outer)), "{:?} in {:?}", terms, outer);
        let end = |terms: &Terms| terms.expires_unix_ms.unwrap_or(u64::MAX);
        prop_assert!(end(&terms) <= end(outer) && (outer.delegates || !terms.delegates));
        let above = parent.map_or(self.model.grants[grant].1, |p| self.model.leases[p].reason);
        prop_assert!(self.model.reasons_of(reason).contains(&above));
        if let Some(parent) = parent {
            // What is passed on is used up where it comes from.
            for wanted in &terms.capabilities {
                let held = &mut self.model.leases[parent];
                let from = held.terms.capabilities.iter().zip(&mut held.used);
                let (own, used) =
                    from.into_iter().find(|(own, used)| passes(own, used, wanted)).unwrap();
                used.0 += wanted.uses.unwrap_or(0);
                if budget(own).is_some() {
                    used.1 += budget(wanted).unwrap_or(0);
                }
            }
        }
        let used = terms.capabilities.iter().map(|_| (0, 0)).collect();
        self.model.leases.push(Held { owner, grant, parent, reason, terms, used });
        Ok(())
    }

    /// What was passed on, and what was used here, stays within all budgets together.
    fn check_totals(&self, parent: Option<usize>, grant: usize) -> Result<(), TestCaseError> {
        let outer = match parent {
            Some(lease) => &self.model.leases[lease].terms,
            None => &self.model.grants[grant].2,
        };
        for action in ACTIONS {
            let of_action = |terms: &Terms| -> Vec<Option<u64>> {
                terms.capabilities.iter().filter(|c| c.action == action).map(budget).collect()
            };
            let Some(limits) = of_action(outer).into_iter().collect::<Option<Vec<_>>>() else {
                continue;
            };
            let below = self
                .model
                .leases
                .iter()
                .filter(|held| held.parent == parent && held.grant == grant);
            let passed: u64 = below.flat_map(|held| of_action(&held.terms)).flatten().sum();
            prop_assert!(passed <= limits.iter().sum::<u64>());
        }
        Ok(())
    }

    fn order(
        &mut self,
        principal: usize,
        verb: Verb,
        kind: u8,
        place: usize,
    ) -> Result<(), TestCaseError> {
        let Some(target) = Target::from_parts(kind, place as u64 + 1) else { return Ok(()) };
        self.numbers[principal] += 1;
        let signed = order(principal, verb, target, self.numbers[principal]);
        let Ok(record) = self.ledger.order(&signed) else { return Ok(()) };
        let flying = self.flying.iter().filter(|(_, lease, ..)| self.is_under(*lease, target));
        prop_assert_eq!(record.in_flight, flying.count() as u64);
        self.apply([Control::Order(record)]);
        // The same again is a replay.
        prop_assert!(self.ledger.order(&signed).is_err());
        match verb {
            Verb::Suspend => drop(self.model.suspended.insert(target)),
            Verb::Resume => drop(self.model.suspended.remove(&target)),
            Verb::Revoke => drop(self.model.revoked.insert(target)),
        }
        Ok(())
    }

    fn is_under(&self, lease: usize, target: Target) -> bool {
        let held = &self.model.leases[lease];
        match target {
            Target::Agent(id) => {
                self.model.line(lease).iter().any(|at| self.model.leases[*at].owner == id.0)
            }
            Target::Lease(id) => self.model.line(lease).contains(&(id.0 as usize - 1)),
            Target::Grant(id) => held.grant + 1 == id.0 as usize,
            Target::Reason(id) => self.model.reasons_of(held.reason).contains(&id.0),
            Target::Principal(id) => self.model.grants[held.grant].0 == id.0,
        }
    }

    fn ask(
        &mut self,
        lease: usize,
        by_owner: bool,
        action: usize,
        resource: usize,
        amount: i64,
    ) -> Result<(), TestCaseError> {
        let owner = self.model.leases.get(lease).map_or(1, |held| held.owner);
        let agent = AgentId(if by_owner { owner } else { owner % AGENTS + 1 });
        let arguments: Arguments = BTreeMap::from([("amount".into(), Argument::Int(amount))]);
        let decision = self.ledger.ask(&Ask {
            agent,
            lease: LeaseId(lease as u64 + 1),
            action: ACTIONS[action],
            resource: RESOURCES[resource],
            arguments: &arguments,
            proposal: None,
            within_ms: 1000,
        });
        let Some(held) = self.model.leases.get(lease) else {
            prop_assert_eq!(decision, Decision::Denied(Denial::UnknownLease.into()));
            return Ok(());
        };
        let amount = amount as u64;
        let expected = self.model.allows(lease, ACTIONS[action], RESOURCES[resource], amount);
        let expected = expected.filter(|_| by_owner && held.owner == agent.0);
        match (decision, expected) {
            (Decision::Admitted(intent), Some(capability)) => {
                prop_assert_eq!(intent.capability as usize, capability);
                // Everything above allows it too.
                for above in self.model.line(lease) {
                    let rights = rights(&self.model.leases[above].terms);
                    prop_assert!(rights.contains(&(action, resource, amount as i64)));
                }
                let bounded = budget(&held.terms.capabilities[capability]).is_some();
                self.flying.push((intent.id, lease, capability, amount));
                self.apply([Control::Intent(intent)]);
                let used = &mut self.model.leases[lease].used[capability];
                *used = (used.0 + 1, used.1 + if bounded { amount } else { 0 });
            }
            (Decision::Denied(_), None) => {}
            (decision, expected) => {
                prop_assert!(false, "{:?}, but the model says {:?}", decision, expected);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_sets_of_rights(ops in prop::collection::vec(op(), 1..40)) {
        let mut run = Run::new();
        for op in ops {
            run.step(op)?;
        }
        // The records alone make the same ledger: it answers everything alike.
        let mut again = ledger();
        apply(&mut again, run.records.clone());
        again.advance(run.model.now);
        for (place, held) in run.model.leases.iter().enumerate() {
            for (action, resource) in (0..2).flat_map(|a| (0..5).map(move |r| (a, r))) {
                let arguments = BTreeMap::from([("amount".into(), Argument::Int(3))]);
                let ask = Ask {
                    agent: AgentId(held.owner),
                    lease: LeaseId(place as u64 + 1),
                    action: ACTIONS[action],
                    resource: RESOURCES[resource],
                    arguments: &arguments,
                    proposal: None,
                    within_ms: 1000,
                };
                prop_assert_eq!(again.ask(&ask), run.ledger.ask(&ask));
            }
        }
    }
}

//! The broker: the ledger of one data directory, and its log.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use karyon_authority::{Ledger, No, terms_digest};
use karyon_gate::{Gate, Rights};
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{ClockBack, Control, Genesis, Order, OutcomeUnknown, Target, Verb};
use karyon_runtime::{Beginning, DataDir, Node};
use karyon_safety::StopFile;
use karyon_statements::{Asked, Checkpoint, GrantError, SignedGrant, SignedStatement};
use karyon_types::{AgentId, EffectId, GrantId, Hash, LeaseId, LogId, ProposalId, ReasonId, Terms};
use karyon_verify::Report;

use crate::denials::Denials;
use crate::error::BrokerError;

/// What a broker's log says of itself: a kind of node and its version.
pub const KIND: (&str, u32) = ("broker", 1);

/// The resource that a grant is for: the world, through the broker of one log, so that the same
/// signature is worth nothing in another. The terms say the rest.
pub fn resource(log: LogId) -> String {
    format!("world/{log}")
}

/// How far a clock may stand behind the last record without that being a step back,
/// milliseconds: what time services correct at once.
const CLOCK_STEP_MS: u64 = 10_000;

/// How a session's question was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is recorded as an intent; [`Broker::act`] does it.
    Admitted(EffectId),
    /// Somebody must approve of exactly this.
    NeedsApproval {
        /// What to approve.
        proposal: ProposalId,
        /// The digest that the approval must name.
        digest: Hash,
    },
    /// It may not be done.
    Denied(No),
    /// Too much is under way.
    LaneClosed,
}

/// An order was carried out: nothing new is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Effects that were admitted before and whose end nobody has heard of.
    pub in_flight: u64,
}

/// Gives the time, milliseconds since 1970.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// What a broker needs to know.
pub struct Settings {
    /// The node's key.
    pub key: Arc<SecretKey>,
    /// Whose receipts are taken, besides the node's own.
    pub adapters: Vec<PublicKey>,
    /// The version of Karyon, as recorded.
    pub karyon: String,
    /// The time.
    pub clock: Clock,
    /// Checkpoints of the log that were kept elsewhere: one that it does not extend is refused.
    pub known: Vec<Checkpoint>,
    /// A folder outside the data directory in which the newest checkpoint of each log is kept.
    pub witness: Option<PathBuf>,
}

pub(crate) struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) node: Node,
    stop: StopFile,
    pub(crate) denials: Denials,
    /// Effects that somebody acts on, or has: none is acted on twice.
    pub(crate) begun: BTreeSet<EffectId>,
}

/// See the crate's page. Shared by reference between sessions.
pub struct Broker {
    inner: Mutex<Inner>,
    clock: Clock,
    pub(crate) log: LogId,
    pub(crate) key: Arc<SecretKey>,
}

impl Broker {
    /// Begins a new data directory.
    ///
    /// # Errors
    /// [`BrokerError::Node`].
    pub fn create(dir: DataDir, settings: Settings) -> Result<Broker, BrokerError> {
        let genesis = Genesis {
            karyon: settings.karyon.clone(),
            created_unix_ms: (settings.clock)(),
            scenario_name: KIND.0.into(),
            scenario: String::new(),
            kinds: vec![(KIND.0.into(), KIND.1)],
            inputs: Vec::new(),
        };
        let beginning = Beginning { genesis, authority: Vec::new(), inputs: Vec::new() };
        let node = Node::create(dir, Arc::clone(&settings.key), 1, beginning)?;
        Broker::over(node, settings)
    }

    /// Goes on where a broker ended. Nobody acts on an effect twice: after a kill, those that were
    /// in flight have an unknown outcome from now on; after a clean end, those that were begun.
    ///
    /// # Errors
    /// [`BrokerError::Node`], [`BrokerError::Contradiction`], [`BrokerError::Log`].
    pub fn open(dir: DataDir, settings: Settings) -> Result<Broker, BrokerError> {
        let kinds = [(KIND.0.to_owned(), KIND.1)];
        let (key, known) = (Arc::clone(&settings.key), &settings.known);
        let (node, report) = Node::resume(dir, key, 1, &settings.karyon, &kinds, known)?;
        let broker = Broker::over(node, settings)?;
        broker.recover(&report)?;
        Ok(broker)
    }

    fn over(mut node: Node, settings: Settings) -> Result<Broker, BrokerError> {
        let Settings { key, adapters, clock, witness, .. } = settings;
        let log = node.log();
        if let Some(witness) = witness {
            node.witnessed_by(witness.join(log.to_string()));
        }
        let stop = node.stop_file()?;
        let ledger = Ledger::new(log, Arc::new(Gate::default()), key.public_key(), adapters);
        let (denials, begun) = (Denials::default(), BTreeSet::new());
        let inner = Mutex::new(Inner { ledger, node, stop, denials, begun });
        Ok(Broker { inner, clock, log, key })
    }

    fn recover(&self, report: &Report) -> Result<(), BrokerError> {
        let mut inner = self.lock();
        for record in &report.controls {
            inner.ledger.apply(record)?;
        }
        let found_unix_ms = (self.clock)();
        let recorded_unix_ms = report.last_wall_ms;
        inner.ledger.advance(found_unix_ms);
        let mut records = Vec::new();
        // A clock that is corrected by a little is not set back.
        if found_unix_ms.saturating_add(CLOCK_STEP_MS) < recorded_unix_ms {
            records.push(Control::ClockBack(ClockBack { recorded_unix_ms, found_unix_ms }));
        }
        // Who ended in good order has said itself of which effects nobody knows.
        let paused = matches!(report.controls.last(), Some(Control::Interrupted(_)));
        let flying = inner.ledger.effects().filter(|_| !paused);
        let flying = flying.filter(|(_, state)| *state == karyon_authority::EffectState::InFlight);
        records.extend(flying.map(|(intent, _)| {
            let why = "the node ended before it heard of the end".into();
            Control::OutcomeUnknown(OutcomeUnknown { effect: intent.id, why })
        }));
        inner.record(records)
    }

    /// The log that statements must be signed for.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Takes a grant whose signer the caller trusts: `principal_key` is the key of that name as
    /// this machine knows it.
    ///
    /// # Errors
    /// [`BrokerError::Grant`], [`BrokerError::Log`].
    pub fn grant(
        &self,
        signed: &SignedGrant,
        principal_key: PublicKey,
        terms: Terms,
        under: Option<ReasonId>,
    ) -> Result<(GrantId, ReasonId), BrokerError> {
        let unreadable = || GrantError::Other { what: "set of terms" };
        signed.permits(&Asked {
            principal_key,
            node_key: self.key.public_key(),
            scenario: terms_digest(&terms).ok_or_else(unreadable)?,
            resource: &resource(self.log),
            rights: Rights::ACT.0,
        })?;
        let mut inner = self.enter()?;
        let granted = inner.ledger.grant(signed, terms, under)?;
        let ids = (granted.id, granted.reason);
        inner.record(granted.records)?;
        Ok(ids)
    }

    /// A reason below another one.
    ///
    /// # Errors
    /// [`BrokerError::Refused`], [`BrokerError::Log`].
    pub fn reason(&self, parent: ReasonId, label: &str) -> Result<ReasonId, BrokerError> {
        let mut inner = self.enter()?;
        let record = inner.ledger.reason(parent, label)?;
        let id = ReasonId(record.id);
        inner.record(vec![Control::Reason(record)])?;
        Ok(id)
    }

    /// A new agent.
    ///
    /// # Errors
    /// [`BrokerError::Refused`], [`BrokerError::Log`].
    pub fn agent(&self, name: &str) -> Result<AgentId, BrokerError> {
        let mut inner = self.enter()?;
        let record = inner.ledger.agent(name)?;
        let id = AgentId(record.id);
        inner.record(vec![Control::Agent(record)])?;
        Ok(id)
    }

    /// A lease for `owner`, cut from a grant.
    ///
    /// # Errors
    /// [`BrokerError::Lease`], [`BrokerError::Log`].
    pub fn lease(
        &self,
        grant: GrantId,
        owner: AgentId,
        reason: Option<ReasonId>,
        terms: Terms,
    ) -> Result<LeaseId, BrokerError> {
        let mut inner = self.enter()?;
        let record = inner.ledger.lease(grant, owner, reason, terms)?;
        let id = LeaseId(record.lease);
        inner.record(vec![Control::Terms(record)])?;
        Ok(id)
    }

    /// A part of `by`'s lease, for `owner`.
    ///
    /// # Errors
    /// [`BrokerError::Lease`], [`BrokerError::Log`].
    pub fn attenuate(
        &self,
        by: AgentId,
        parent: LeaseId,
        owner: AgentId,
        reason: Option<ReasonId>,
        terms: Terms,
    ) -> Result<LeaseId, BrokerError> {
        let mut inner = self.enter()?;
        let record = inner.ledger.attenuate(by, parent, owner, reason, terms)?;
        let id = LeaseId(record.lease);
        inner.record(vec![Control::Terms(record)])?;
        Ok(id)
    }

    /// A principal approves.
    ///
    /// # Errors
    /// [`BrokerError::Refused`], [`BrokerError::Log`].
    pub fn approve(&self, signed: &SignedStatement) -> Result<ProposalId, BrokerError> {
        let mut inner = self.enter()?;
        let approval = inner.ledger.approve(signed)?;
        let id = ProposalId(approval.proposal);
        inner.record(vec![Control::Approval(approval)])?;
        Ok(id)
    }

    /// An agent approves, under a lease that allows it to.
    ///
    /// # Errors
    /// [`BrokerError::Refused`], [`BrokerError::Log`].
    pub fn approve_as(
        &self,
        agent: AgentId,
        lease: LeaseId,
        proposal: ProposalId,
        digest: Hash,
    ) -> Result<(), BrokerError> {
        let mut inner = self.enter()?;
        let approval = inner.ledger.approve_as(agent, lease, proposal, digest.0)?;
        inner.record(vec![Control::Approval(approval)])
    }

    /// Carries out a principal's order. When this returns nothing new is admitted under what was
    /// stopped, and the order is durable.
    ///
    /// # Errors
    /// [`BrokerError::Refused`]; [`BrokerError::Log`]: it holds, but is not durable, and nothing at
    /// all is admitted any more.
    pub fn order(&self, signed: &SignedStatement) -> Result<Stopped, BrokerError> {
        let mut inner = self.enter()?;
        let order = inner.ledger.order(signed)?;
        let stopped = Stopped { in_flight: order.in_flight };
        match Verb::from_number(order.verb) {
            Some(Verb::Suspend | Verb::Revoke) => inner.stop_first(order)?,
            Some(Verb::Resume) | None => inner.record(vec![Control::Order(order)])?,
        }
        Ok(stopped)
    }

    /// Gives up on effects whose time is over: their outcome is unknown. Whoever asks for
    /// something does so as well.
    ///
    /// # Errors
    /// [`BrokerError::Log`].
    pub fn sweep(&self) -> Result<(), BrokerError> {
        self.enter().map(drop)
    }

    /// Looks at the ledger, at the current time.
    pub fn look<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        let mut inner = self.lock();
        inner.ledger.advance((self.clock)());
        look(&inner.ledger)
    }

    /// How many effects are in flight under a target.
    pub fn in_flight(&self, target: Target) -> u64 {
        self.look(|ledger| ledger.in_flight(target))
    }

    /// Ends in good order.
    ///
    /// # Errors
    /// [`BrokerError::Log`], [`BrokerError::Node`].
    pub fn close(self) -> Result<DataDir, BrokerError> {
        let mut inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<_> =
            inner.denials.all_ended().into_iter().map(Control::Refused).collect();
        let begun = inner.begun.iter().filter(|id| inner.ledger.effect(**id).is_some());
        rows.extend(begun.map(|id| {
            let why = "it was begun, and the node ended before it heard of the end".into();
            Control::OutcomeUnknown(OutcomeUnknown { effect: id.0, why })
        }));
        inner.record(rows)?;
        Ok(inner.node.pause()?.0)
    }

    /// Everything in here, at the current time.
    pub(crate) fn enter(&self) -> Result<MutexGuard<'_, Inner>, BrokerError> {
        let mut inner = self.lock();
        inner.ledger.advance((self.clock)());
        let overdue = inner.ledger.overdue().map(|effect| {
            let why = "nobody heard of its end in time".into();
            Control::OutcomeUnknown(OutcomeUnknown { effect: effect.0, why })
        });
        let overdue = overdue.collect();
        inner.record(overdue)?;
        Ok(inner)
    }

    pub(crate) fn now(&self) -> u64 {
        (self.clock)()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A session that panicked did so outside of a change: records come first.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes records durable, then applies them.
    pub(crate) fn record(&mut self, records: Vec<Control>) -> Result<(), BrokerError> {
        if records.is_empty() {
            return Ok(());
        }
        if let Err(failed) = self.node.record_durably(&records) {
            self.ledger.gate().halt();
            return Err(failed.into());
        }
        for record in &records {
            if let Err(contradiction) = self.ledger.apply(record) {
                // The log holds what the ledger does not: nothing may be decided on that.
                self.ledger.gate().halt();
                return Err(contradiction.into());
            }
        }
        Ok(())
    }

    /// Stops first, then makes it durable: as the last words of a full disk, if need be.
    fn stop_first(&mut self, order: Order) -> Result<(), BrokerError> {
        let record = Control::Order(order);
        self.ledger.apply(&record)?;
        if let Err(failed) = self.node.record_urgently(record) {
            self.ledger.gate().halt();
            return Err(failed.into());
        }
        Ok(())
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_present()
    }
}

//! A broker in a temporary directory, with a clock that tests set.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use karyon_authority::{Ask, terms_digest};
use karyon_broker::{
    ActError, Answer, Broker, BrokerError, Outcome, Performed, Settings, resource,
};
use karyon_gate::Rights;
use karyon_identity::SecretKey;
use karyon_log::{Receipt, Target, Verb};
use karyon_runtime::DataDir;
use karyon_statements::{GrantTerms, SignedGrant, SignedStatement, Statement};
use karyon_types::{
    AgentId, Argument, Arguments, Bound, Capability, Constraint, EffectId, GrantId, Hash, LeaseId,
    LogId, ProposalId, ReasonId, Terms,
};
use tempfile::TempDir;

use crate::guardian::Played;

/// When tests begin: an hour ahead of this machine's clock, which stamps the log's blocks.
pub static START: LazyLock<u64> = LazyLock::new(|| {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_millis() as u64 + HOUR
});

pub const HOUR: u64 = 3_600_000;

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

/// The node's, ada's and grace's keys, and an adapter's.
pub const NODE: u8 = 1;
pub const ADA: u8 = 2;
pub const GRACE: u8 = 3;
pub const ADAPTER: u8 = 4;

pub struct World {
    pub broker: Broker,
    pub clock: Arc<AtomicU64>,
    pub played: Played,
    folder: TempDir,
    orders: AtomicU64,
}

pub fn capability(constraints: Vec<(&str, Bound)>) -> Capability {
    let constraint = |(field, bound): (&str, Bound)| Constraint { field: field.into(), bound };
    Capability {
        action: "payment.transfer".into(),
        resource: "bank/acme".into(),
        constraints: constraints.into_iter().map(constraint).collect(),
        uses: None,
        approval: false,
    }
}

pub fn terms(capability: Capability) -> Terms {
    Terms { capabilities: vec![capability], delegates: true, ..Terms::default() }
}

pub fn amount(amount: i64) -> Arguments {
    [("amount".to_owned(), Argument::Int(amount))].into()
}

pub fn signed(log: LogId, principal: u8, terms: &Terms, nonce: u8) -> SignedGrant {
    GrantTerms {
        principal: if principal == ADA { "ada" } else { "grace" }.into(),
        principal_key: key(principal).public_key(),
        node_key: key(NODE).public_key(),
        reason: "pay the bills".into(),
        rights: Rights::ACT.0,
        resource: resource(log),
        scenario: terms_digest(terms).unwrap(),
        expires_tick: None,
        nonce: [nonce; 16],
    }
    .sign(&key(principal))
    .unwrap()
}

fn clock(time: &Arc<AtomicU64>) -> Box<dyn Fn() -> u64 + Send + Sync> {
    let time = Arc::clone(time);
    Box::new(move || time.load(Ordering::SeqCst))
}

impl World {
    pub fn new() -> World {
        let time = Arc::new(AtomicU64::new(*START));
        World::with(settings(&time), time)
    }

    pub fn with(settings: Settings, clock: Arc<AtomicU64>) -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("data").join("safety")).unwrap();
        let played = Played::new();
        let dir = under(&played, &folder.path().join("data"));
        let broker = Broker::create(dir, settings).unwrap();
        World { broker, clock, played, folder, orders: AtomicU64::new(0) }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Ends in good order and comes back.
    pub fn reopened(self) -> World {
        let World { broker, clock, played, folder, orders } = self;
        drop(broker.close().unwrap());
        let broker = open(&played, &folder.path().join("data"), &clock).unwrap();
        World { broker, clock, played, folder, orders }
    }

    pub fn pass(&self, ms: u64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn grant(&self, principal: u8, terms: &Terms) -> (GrantId, ReasonId) {
        let nonce = self.orders.fetch_add(1, Ordering::SeqCst) as u8;
        let signed = signed(self.broker.log(), principal, terms, nonce);
        self.broker.grant(&signed, key(principal).public_key(), terms.clone(), None).unwrap()
    }

    /// An agent with a lease of ada's.
    pub fn agent(&self, name: &str, terms: Terms) -> (AgentId, LeaseId) {
        let (grant, _) = self.grant(ADA, &terms);
        let agent = self.broker.agent(name).unwrap();
        (agent, self.broker.lease(grant, agent, None, terms).unwrap())
    }

    pub fn ask(&self, (agent, lease): (AgentId, LeaseId), arguments: &Arguments) -> Answer {
        self.ask_with((agent, lease), arguments, None)
    }

    pub fn ask_with(
        &self,
        (agent, lease): (AgentId, LeaseId),
        arguments: &Arguments,
        proposal: Option<ProposalId>,
    ) -> Answer {
        let ask = Ask {
            agent,
            lease,
            action: "payment.transfer",
            resource: "bank/acme",
            arguments,
            proposal,
            within_ms: 60_000,
        };
        self.broker.ask(&ask).unwrap()
    }

    pub fn act(&self, effect: EffectId) -> Result<Receipt, ActError> {
        let done = Performed { outcome: Outcome::Done, ..Performed::default() };
        self.broker.act(effect, &key(ADAPTER), |_| done)
    }

    pub fn order(&self, principal: u8, verb: Verb, target: Target) -> Result<u64, BrokerError> {
        let number = self.orders.fetch_add(1, Ordering::SeqCst) + 1000;
        let signed = order(self.broker.log(), principal, verb, target, number);
        self.broker.order(&signed).map(|stopped| stopped.in_flight)
    }

    pub fn approve(
        &self,
        principal: u8,
        proposal: ProposalId,
        digest: Hash,
    ) -> Result<ProposalId, BrokerError> {
        self.broker.approve(&approval(self.broker.log(), principal, proposal, digest))
    }
}

pub fn under(played: &Played, data: &Path) -> DataDir {
    DataDir::under(Arc::clone(&played.guard), data).unwrap()
}

pub fn open(played: &Played, data: &Path, time: &Arc<AtomicU64>) -> Result<Broker, BrokerError> {
    Broker::open(under(played, data), settings(time))
}

pub fn settings(time: &Arc<AtomicU64>) -> Settings {
    Settings {
        key: Arc::new(key(NODE)),
        adapters: vec![key(ADAPTER).public_key()],
        karyon: "0.1.0".into(),
        clock: clock(time),
        known: Vec::new(),
        witness: None,
    }
}

pub fn order(
    log: LogId,
    principal: u8,
    verb: Verb,
    target: Target,
    number: u64,
) -> SignedStatement {
    let (kind, target) = target.parts();
    Statement::Order { verb: verb as u8, kind, target, number }.sign(log, &key(principal))
}

pub fn approval(log: LogId, principal: u8, proposal: ProposalId, digest: Hash) -> SignedStatement {
    let (proposal, digest, expires_unix_ms) = (proposal.0, digest.0, u64::MAX);
    Statement::Approval { proposal, digest, expires_unix_ms }.sign(log, &key(principal))
}

/// The stable code of a refusal.
pub fn refused<T: std::fmt::Debug>(result: Result<T, BrokerError>) -> &'static str {
    match result {
        Err(BrokerError::Refused(refusal)) => refusal.code(),
        other => panic!("not refused: {other:?}"),
    }
}

pub fn denied(answer: &Answer) -> String {
    match answer {
        Answer::Denied(no) => no.code().into_owned(),
        other => format!("{other:?}"),
    }
}

pub fn admitted(answer: &Answer) -> EffectId {
    match answer {
        Answer::Admitted(effect) => *effect,
        other => panic!("not admitted: {other:?}"),
    }
}

pub fn proposed(answer: &Answer) -> (ProposalId, Hash) {
    match answer {
        Answer::NeedsApproval { proposal, digest } => (*proposal, *digest),
        other => panic!("not proposed: {other:?}"),
    }
}

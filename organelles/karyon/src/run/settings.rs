//! How a run is run.

use std::sync::Arc;

use karyon_gate::Rights;
use karyon_log::{Target, Verb};
use karyon_runtime::{Adapter, Change, Effects, Every, Intensity, Limits, Permit, Schedule};
use karyon_types::{AgentId, LeaseId, Tick};

use super::Run;
use crate::address::Pid;
use crate::agent::Agent;
use crate::error::RunError;

/// How a run is run: all with a default that suits a test.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) schedulers: usize,
    pub(crate) seed: u64,
    pub(crate) chaos: f64,
    pub(crate) intensity: Intensity,
    pub(crate) limits: Limits,
    /// Agents that may come to life, beside [`Limits::spawned`] and [`Limits::forks`].
    pub(crate) spawned: u64,
    pub(crate) schedule: Schedule,
    pub(crate) rights: Rights,
    /// Beside those, to recall.
    pub(crate) recalls: bool,
    pub(crate) expires: Vec<(AgentId, Tick)>,
    pub(crate) changes: Vec<Change>,
    pub(crate) snapshots: Option<Every>,
    pub(crate) effects: Effects,
    /// Whether Ctrl-C and SIGTERM end it in good order, on a data directory.
    pub(crate) signals: bool,
    /// Whether it is asked about itself while it runs on a data directory.
    pub(crate) socket: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            schedulers: 1,
            seed: 1,
            chaos: 0.0,
            intensity: Intensity { restarts: 1_000, period_ticks: 10 },
            limits: Limits::default(),
            spawned: 0,
            schedule: Schedule::default(),
            rights: Rights::SEND.and(Rights::REMEMBER),
            recalls: false,
            expires: Vec::new(),
            changes: Vec::new(),
            snapshots: None,
            effects: Effects::default(),
            signals: true,
            socket: true,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), RunError> {
        if !(0.0..1.0).contains(&self.chaos) {
            return Err(RunError::Chaos(self.chaos));
        }
        let Effects { permits, .. } = &self.effects;
        if let Some(permit) = permits.iter().find(|permit| !permit.is_valid()) {
            return Err(RunError::Permit(permit.action.clone(), permit.resource.clone()));
        }
        Ok(())
    }

    /// Likewise, where it is run and not only repeated.
    pub(super) fn check_adapter(&self) -> Result<(), RunError> {
        let Effects { permits, adapter, .. } = &self.effects;
        match permits.is_empty() || adapter.is_some() {
            true => Ok(()),
            false => Err(RunError::NobodyPerforms),
        }
    }
}

impl Run {
    /// Threads that run agents, 1 or more; 1, if it is not said. What comes out is the same.
    pub fn schedulers(&mut self, threads: usize) -> &mut Run {
        self.settings.schedulers = threads;
        self
    }

    /// The seed of the chaos; 1, if it is not said.
    pub fn seed(&mut self, seed: u64) -> &mut Run {
        self.settings.seed = seed;
        self
    }

    /// Lets each step crash with this probability, in [0, 1), after all that it did: the same steps
    /// for the same seed. 0, if it is not said.
    pub fn chaos(&mut self, probability: f64) -> &mut Run {
        self.settings.chaos = probability;
        self
    }

    /// When the one supervisor of a run without a tree gives up, and with it the run: more than `restarts` within
    /// `period_ticks`. 1,000 within 10, if it is not said.
    pub fn intensity(&mut self, restarts: u64, period_ticks: u64) -> &mut Run {
        self.settings.intensity = Intensity { restarts, period_ticks };
        self
    }

    /// In which order agents act within a tick; all at once, if it is not said. The order is
    /// recorded, and a run that is resumed or replayed must have the same.
    pub fn schedule(&mut self, schedule: Schedule) -> &mut Run {
        self.settings.schedule = schedule;
        self
    }

    /// Free-running: agents act as soon as something reaches them, without an order of the whole.
    /// The order in which they did is in the log, and a replay follows it. A tick is a millisecond
    /// since the run began: so much is meant by `after`, [`Run::input`], the end of a lease and
    /// [`Run::intensity`]. A full mailbox refuses, and whoever sent hears of it.
    ///
    /// With several threads two runs may come to different ends; with one, [`Run::test`] does the
    /// same again: there time passes only where nothing else is to be done.
    pub fn free_running(&mut self) -> &mut Run {
        self.settings.schedule = Schedule::free();
        self
    }

    /// Bounds: outputs of a step (64, if it is not said), messages for one agent in one tick
    /// (1,024), bytes of the log for what one agent puts out (no bound). To pass one of the first
    /// two ends the run, unless it sheds; what is beyond the third is denied. And how many agents
    /// may come to life: see [`Run::may_spawn`] and [`Run::order`].
    pub fn limits(&mut self, limits: Limits) -> &mut Run {
        self.settings.limits = limits;
        self
    }

    /// Those bounds, as they were said.
    pub fn bounds(&self) -> Limits {
        self.settings.limits
    }

    /// What the principal grants, and so each lease holds: to send and to remember, if it is not
    /// said. To link takes `Rights::LINK`; to spawn comes with [`Run::may_spawn`], to recall with
    /// [`Run::may_recall`].
    pub fn rights(&mut self, rights: Rights) -> &mut Run {
        self.settings.rights = rights;
        self
    }

    /// Whether a run on a data directory answers there, at the socket `node.sock`, while it runs:
    /// `karyon ps|tree|inspect|pause|resume|kill|restart|fork --data DIR`. It does, if it is not
    /// said, but only under a guardian: nobody else could end what is reached so. Orders that come
    /// so are recorded with the user who gave them, and repeated by [`Run::resume`]. A fork takes
    /// `Limits::forks`. No part of the run's digest.
    pub fn socket(&mut self, is_open: bool) -> &mut Run {
        self.settings.socket = is_open;
        self
    }

    /// Whether Ctrl-C and SIGTERM end a run on a data directory in good order, at its next tick: it
    /// gives back [`Ending::Interrupted`](crate::Ending), and [`Run::resume`] goes on. They do, if it
    /// is not said; while no run is under way they do what they do in any program. Whoever listens to
    /// them otherwise says `false`. No part of the run's digest.
    pub fn signals(&mut self, are_heard: bool) -> &mut Run {
        self.settings.signals = are_heard;
        self
    }

    /// Lets agents ask the run's memory ([`Context::recall`](crate::Context::recall)): adds
    /// `Rights::RECALL` to what the principal grants. Leases reach all agents of the run, so each may
    /// ask about each.
    pub fn may_recall(&mut self) -> &mut Run {
        self.settings.recalls = true;
        self
    }

    /// Lets agents of kind `A` have something done in the world outside
    /// ([`Context::effect`](crate::Context::effect)): one action, on one resource and all below it.
    /// `permit::<Clerk>("pay", "bank/acme")` holds `bank/acme/savings`, and not `bank/acmeville`.
    /// Adds `Rights::ACT` to what the principal grants; what is permitted is part of what they sign.
    pub fn permit<A: Agent>(&mut self, action: &str, resource: &str) -> &mut Run {
        let kind = A::KIND.0.name.into();
        let permit = Permit { kind, action: action.into(), resource: resource.into() };
        self.settings.effects.permits.push(permit);
        self
    }

    /// Who does what agents want done: a function, or an [`Adapter`]. It is called on a thread of its
    /// own, for one effect at a time, when the effect is durable, and should come back within a time
    /// that it knows: the run waits for it. No part of the run's digest, and never called by
    /// [`Run::replay`].
    ///
    /// On a data directory effects are done under a guardian only (`docs/guardian.md`): nobody else
    /// could end them. Without one agents are told [`NotDone::Unguarded`](crate::NotDone). In
    /// [`Run::test`] they are done.
    pub fn performs(&mut self, adapter: impl Adapter + 'static) -> &mut Run {
        self.settings.effects.adapter = Some(Arc::new(adapter));
        self
    }

    /// Lets an agent's lease end: in this tick it no longer holds.
    pub fn lease_ends(&mut self, agent: impl Into<Pid>, tick: u64) -> &mut Run {
        let agent = self.known(agent.into());
        self.settings.expires.push((agent, Tick(tick)));
        self
    }

    /// Takes an agent's authority away from the beginning of this tick on, for good.
    pub fn revoke(&mut self, agent: impl Into<Pid>, tick: u64) -> &mut Run {
        self.change(agent.into(), tick, Verb::Revoke)
    }

    /// Suspends an agent's authority from the beginning of this tick on.
    pub fn suspend(&mut self, agent: impl Into<Pid>, tick: u64) -> &mut Run {
        self.change(agent.into(), tick, Verb::Suspend)
    }

    /// Lifts a suspension at the beginning of this tick; each [`Run::suspend`] takes one.
    pub fn unsuspend(&mut self, agent: impl Into<Pid>, tick: u64) -> &mut Run {
        self.change(agent.into(), tick, Verb::Resume)
    }

    fn change(&mut self, agent: Pid, tick: u64, verb: Verb) -> &mut Run {
        // An agent has one lease, of its own number.
        let AgentId(lease) = self.known(agent);
        self.settings.changes.push((Tick(tick), verb, Target::Lease(LeaseId(lease))));
        self
    }

    fn known(&mut self, agent: Pid) -> AgentId {
        if self.place(agent).is_none() {
            self.wrong(move || RunError::NoAgent(agent.0));
        }
        agent.id()
    }
}

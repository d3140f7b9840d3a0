//! Trees of supervisors: how they are written down, and what the runtime makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use karyon_supervision::AutoShutdown;
use karyon_supervision::{
    ChildId, ChildSpec, Flags, Intensity, Restart, Shutdown, Spec, Strategy, Supervised,
};

use karyon_runtime::ChildTerms;

use super::Run;
use crate::address::Pid;
use crate::error::RunError;

/// The number of the first supervisor: above those of all agents, each of which takes memory.
const SUPERVISORS: u64 = 1 << 32;
/// What an agent that is asked to end has for it, if it is not said: OTP gives 5 seconds.
const SHUTDOWN_TICKS: u64 = 5;
/// What a supervisor bears, if it is not said: Elixir bears as many in 5 seconds.
const INTENSITY: Intensity = Intensity { restarts: 3, period_ticks: 5 };

/// A supervisor with its children, in the order in which they are started; stopped in the reverse.
///
/// ```
/// # use karyon::{Agent, Child, Context, Kind, Pid, Result, Run, Supervisor};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Part;
/// # impl Agent for Part {
/// #     type Message = ();
/// #     const KIND: Kind = Kind::new("part");
/// #     fn handle(&mut self, _: Pid, (): (), _: &mut Context<'_, Self>) -> Result {
/// #         Ok(())
/// #     }
/// # }
/// # let mut run = Run::new("shop");
/// # let [store, cache, till, clerk] =
/// #     ["store", "cache", "till", "clerk"].map(|name| run.agent(name, Part));
/// run.supervise(
///     Supervisor::rest_for_one()
///         .intensity(3, 10)
///         .child(store)
///         .child_with(cache, Child::transient().shutdown(2))
///         .supervisor(Supervisor::one_for_all().child(till).child(clerk)),
/// );
/// # run.test()?;
/// # Ok::<(), karyon::RunError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Supervisor {
    flags: Flags,
    /// As a child of the one above.
    restart: Restart,
    significant: bool,
    children: Vec<Below>,
    /// By which agents find it, if they may add children to it.
    name: Option<String>,
}

#[derive(Clone, Debug)]
enum Below {
    /// `None`: as its kind says.
    Agent(Pid, Option<Child>),
    Supervisor(Supervisor),
}

/// How one agent is supervised.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    restart: Restart,
    shutdown: Shutdown,
    significant: bool,
}

impl Child {
    /// Always started again.
    pub fn permanent() -> Child {
        Child::of(Restart::Permanent)
    }

    /// Started again only if it failed or was killed.
    pub fn transient() -> Child {
        Child::of(Restart::Transient)
    }

    /// Never started again.
    pub fn temporary() -> Child {
        Child::of(Restart::Temporary)
    }

    fn of(restart: Restart) -> Child {
        let shutdown = Shutdown::Timeout { ticks: SHUTDOWN_TICKS };
        Child { restart, shutdown, significant: false }
    }

    /// When its supervisor stops it and it traps exits, it is asked to end
    /// ([`Agent::exit`](crate::Agent::exit)), and killed if it did not within so many ticks; 5, if
    /// it is not said. One that does not trap exits ends at once.
    #[must_use]
    pub fn shutdown(self, ticks: u64) -> Child {
        Child { shutdown: Shutdown::Timeout { ticks }, ..self }
    }

    /// It is asked to end, and waited for however long that takes.
    #[must_use]
    pub fn shutdown_infinity(self) -> Child {
        Child { shutdown: Shutdown::Infinity, ..self }
    }

    /// It is not asked: OTP's `brutal_kill`.
    #[must_use]
    pub fn brutal_kill(self) -> Child {
        Child { shutdown: Shutdown::BrutalKill, ..self }
    }

    /// As the runtime takes it.
    pub(crate) fn terms(self) -> ChildTerms {
        let Child { restart, shutdown, significant } = self;
        ChildTerms { restart, shutdown, significant }
    }

    /// Its end, if it is not started again, may end its supervisor: see
    /// [`Supervisor::auto_shutdown`].
    #[must_use]
    pub fn significant(self) -> Child {
        Child { significant: true, ..self }
    }
}

impl Supervisor {
    /// Starts again whoever ended, and nobody else.
    pub fn one_for_one() -> Supervisor {
        Supervisor::of(Strategy::OneForOne)
    }

    /// Stops all when one ends that is to be started again, and starts all.
    pub fn one_for_all() -> Supervisor {
        Supervisor::of(Strategy::OneForAll)
    }

    /// Stops those behind one that ended and is to be started again, and starts it and them.
    pub fn rest_for_one() -> Supervisor {
        Supervisor::of(Strategy::RestForOne)
    }

    fn of(strategy: Strategy) -> Supervisor {
        let (intensity, auto_shutdown) = (INTENSITY, AutoShutdown::Never);
        let flags = Flags { strategy, intensity, auto_shutdown, max_children: None };
        let (restart, children) = (Restart::Permanent, Vec::new());
        Supervisor { flags, restart, significant: false, children, name: None }
    }

    /// Supervises children that agents add while the run goes on, which find it by this name
    /// ([`Context::spawn_under`](crate::Context::spawn_under)): each alone, all of them stopped at
    /// once. Elixir's `DynamicSupervisor`. When it begins anew it has no more than the children
    /// that are named here.
    pub fn dynamic(name: impl Into<String>) -> Supervisor {
        Supervisor { name: Some(name.into()), ..Supervisor::of(Strategy::Dynamic) }
    }

    /// It has at most so many children; one more is denied. Any number, if it is not said.
    #[must_use]
    pub fn max_children(mut self, most: u64) -> Supervisor {
        self.flags.max_children = Some(most);
        self
    }

    /// More restarts than this within `period_ticks`, and it stops all below it and ends: an exit
    /// to the one above it, which counts that. The root's end fails the run. 3 within 5, if it is
    /// not said.
    #[must_use]
    pub fn intensity(mut self, restarts: u64, period_ticks: u64) -> Supervisor {
        self.flags.intensity = Intensity { restarts, period_ticks };
        self
    }

    /// Whether it ends when significant children did; `Never`, if it is not said.
    #[must_use]
    pub fn auto_shutdown(mut self, when: AutoShutdown) -> Supervisor {
        self.flags.auto_shutdown = when;
        self
    }

    /// As a child of the one above: not started again by itself. A supervisor that gives up ends by
    /// `shutdown`, as in OTP, which is no failure; where others begin anew, it does with them.
    #[must_use]
    pub fn transient(mut self) -> Supervisor {
        self.restart = Restart::Transient;
        self
    }

    /// As a child of the one above: never started again, and forgotten when it ends.
    #[must_use]
    pub fn temporary(mut self) -> Supervisor {
        self.restart = Restart::Temporary;
        self
    }

    /// As a child of the one above: as [`Child::significant`].
    #[must_use]
    pub fn significant(mut self) -> Supervisor {
        self.significant = true;
        self
    }

    /// An agent, started again as its kind says, with 5 ticks to end when it is asked to.
    #[must_use]
    pub fn child(mut self, agent: impl Into<Pid>) -> Supervisor {
        self.children.push(Below::Agent(agent.into(), None));
        self
    }

    /// An agent, supervised so, whatever its kind says of restarts.
    #[must_use]
    pub fn child_with(mut self, agent: impl Into<Pid>, how: Child) -> Supervisor {
        self.children.push(Below::Agent(agent.into(), Some(how)));
        self
    }

    /// Agents, each as [`Supervisor::child`].
    #[must_use]
    pub fn children<P: Into<Pid>>(self, agents: impl IntoIterator<Item = P>) -> Supervisor {
        agents.into_iter().fold(self, Supervisor::child)
    }

    /// A supervisor below this one.
    #[must_use]
    pub fn supervisor(mut self, below: Supervisor) -> Supervisor {
        self.children.push(Below::Supervisor(below));
        self
    }

    /// Finds those with names; `next` is the number of the next one below.
    fn number(
        &self,
        own: u64,
        next: &mut u64,
        named: &mut BTreeMap<String, u64>,
    ) -> Result<(), RunError> {
        if let Some(name) = &self.name
            && named.insert(name.clone(), own).is_some()
        {
            return Err(RunError::TwoSupervisors(name.clone()));
        }
        for below in &self.children {
            if let Below::Supervisor(supervisor) = below {
                let number = *next;
                *next += 1;
                supervisor.number(number, next, named)?;
            }
        }
        Ok(())
    }

    /// All agents below, with what the tree says of each.
    fn agents(&self, seen: &mut Vec<Pid>) {
        for below in &self.children {
            match below {
                Below::Agent(agent, _) => seen.push(*agent),
                Below::Supervisor(supervisor) => supervisor.agents(seen),
            }
        }
    }
}

impl Run {
    /// Puts the agents below this supervisor, the root of the run. Agents that it does not name
    /// stand right below it, behind its own children, in the order in which they were added; agents
    /// added later, too. Without a tree all agents have one supervisor, `one_for_one`, whose
    /// intensity is [`Run::intensity`]; so have those that come to life while the run goes on.
    ///
    /// A tree says when its agents are started again; from which state says their kind
    /// ([`Kind::keeps_its_state`](crate::Kind::keeps_its_state)), and whoever is stopped because
    /// another ended begins anew.
    pub fn supervise(&mut self, root: Supervisor) -> &mut Run {
        if self.tree.replace(root).is_some() {
            self.wrong(|| RunError::TwoTrees);
        }
        self
    }

    /// The supervisors that agents find, by name; their numbers are those of [`Run::supervised`].
    pub(super) fn supervisors(&self) -> Result<BTreeMap<String, u64>, RunError> {
        let mut named = BTreeMap::new();
        if let Some(root) = &self.tree {
            root.number(0, &mut SUPERVISORS.clone(), &mut named)?;
        }
        Ok(named)
    }

    /// The tree as the runtime takes it.
    pub(super) fn supervised(&self) -> Result<Option<Supervised>, RunError> {
        let Some(root) = &self.tree else { return Ok(None) };
        let (mut named, mut seen) = (Vec::new(), BTreeSet::new());
        root.agents(&mut named);
        for pid in named {
            let name = self.name_of(pid);
            if pid == Pid::OUTSIDE || pid.0 > self.places.len() as u64 {
                return Err(RunError::NoAgent(pid.0));
            }
            if !seen.insert(pid) {
                return Err(RunError::SupervisedTwice(name.into()));
            }
        }
        let mut root = root.clone();
        let others = (1..=self.places.len() as u64).map(Pid).filter(|pid| !seen.contains(pid));
        root.children.extend(others.map(|pid| Below::Agent(pid, None)));
        let mut next = SUPERVISORS;
        self.below(&root, &mut next).map(Some)
    }

    fn below(&self, supervisor: &Supervisor, next: &mut u64) -> Result<Supervised, RunError> {
        let flags = supervisor.flags;
        if flags.intensity.period_ticks == 0 {
            return Err(RunError::NoPeriod(self.who(supervisor)));
        }
        let mut children = Vec::with_capacity(supervisor.children.len());
        for child in &supervisor.children {
            let (restart, significant, who, spec) = match child {
                Below::Agent(agent, how) => {
                    let how = how.unwrap_or_else(|| self.as_its_kind_says(*agent));
                    let Child { restart, shutdown, significant } = how;
                    let id = ChildId(agent.0);
                    let spec = ChildSpec { id, arguments: 0, restart, shutdown, significant };
                    let who = format!("{:?}", self.name_of(*agent));
                    (restart, significant, who, Spec::Worker(spec))
                }
                Below::Supervisor(supervisor) => {
                    let id = ChildId(*next);
                    *next += 1;
                    let Supervisor { restart, significant, .. } = *supervisor;
                    let below = Arc::new(self.below(supervisor, next)?);
                    let spec = Spec::Supervisor { id, restart, significant, below };
                    (restart, significant, self.who(supervisor), spec)
                }
            };
            match (significant, flags.auto_shutdown, restart) {
                (true, AutoShutdown::Never, _) => return Err(RunError::InsignificantEnd(who)),
                (true, _, Restart::Permanent) => return Err(RunError::SignificantPermanent(who)),
                (true, _, Restart::Transient | Restart::Temporary) | (false, _, _) => {}
            }
            children.push(spec);
        }
        Ok(Supervised { flags, children })
    }

    fn as_its_kind_says(&self, agent: Pid) -> Child {
        let place = (agent.0 as usize).checked_sub(1).and_then(|at| self.places.get(at));
        let known = place.and_then(|place| self.kinds.get(place.kind));
        Child::of(known.map_or(Restart::Permanent, |known| known.kind.restart))
    }

    /// A supervisor in words: it has no name of its own.
    fn who(&self, supervisor: &Supervisor) -> String {
        if let Some(name) = &supervisor.name {
            return format!("the supervisor {name:?}");
        }
        let mut below = Vec::new();
        supervisor.agents(&mut below);
        match below.first() {
            Some(first) => format!("the supervisor above {:?}", self.name_of(*first)),
            None => "a supervisor without children".into(),
        }
    }
}

/// The tree as part of the run's digest.
pub(super) fn add(tree: &Supervised, hasher: &mut karyon_types::Hasher) {
    let Flags { strategy, intensity, auto_shutdown, max_children } = tree.flags;
    let Intensity { restarts, period_ticks } = intensity;
    hasher.field(format!("{strategy:?} {restarts} {period_ticks} {auto_shutdown:?}").as_bytes());
    if let Some(most) = max_children {
        hasher.field(b"max_children").update(&most.to_le_bytes());
    }
    hasher.update(&(tree.children.len() as u64).to_le_bytes());
    for child in &tree.children {
        match child {
            Spec::Worker(worker) => {
                let ChildSpec { id, arguments: _, restart, shutdown, significant } = worker;
                let words = format!("agent {} {restart:?} {shutdown:?} {significant}", id.0);
                hasher.field(words.as_bytes());
            }
            Spec::Supervisor { id, restart, significant, below } => {
                let words = format!("supervisor {} {restart:?} {significant}", id.0);
                hasher.field(words.as_bytes());
                add(below, hasher);
            }
        }
    }
}

//! A run's tree of supervisors: the leader tells it of the agents' ends, and carries out what it
//! decides, between two ticks, while all schedulers wait.
//!
//! The time is the tick that just ended. What was done is recorded in the framing of the tick that
//! comes next, in the order in which it was done; the first starts of all are not recorded, since
//! each agent's beginning is.

mod added;
mod saved;

use std::collections::{BTreeMap, HashSet, VecDeque};

use karyon_arrangements::{Bond, ExitReason};
use karyon_log::{Measure, Message, Record};
use karyon_supervision::{
    Action, ChildId, ChildState, End, Event, Exit, Intensity, REQUESTS_MAX, Request, Restart,
    RestartWindow, Spec, SpecError, Strategy, Supervised, Tree,
};
use karyon_types::{AgentId, Tick};

use self::added::Added;
pub(crate) use self::added::Admitted;
use crate::agent::Agent;
use crate::bonds::{BondChange, Bonds, Left, Signal};
use crate::census::Ground;
use crate::engine::lock;
use crate::error::RunError;
use crate::processes::Refusal;
use crate::scheduler::{Layout, Scheduler, Stopped, Verdict};

/// The supervisor above all others. No agent has this serial: to an agent that is asked to end it
/// is whoever asks.
pub const ROOT: ChildId = ChildId(0);

/// Starts that may fail between two ticks and be tried again at once; the next is tried a tick
/// later, so that a run whose supervisors bear any number of restarts still ends when it is told to.
const FAILED_STARTS_MAX: u32 = 1_000;

/// Why a tree cannot supervise the agents of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A spec that cannot be.
    #[error(transparent)]
    Spec(SpecError),
    /// A worker that is no agent.
    #[error("{0} is a worker and no agent of the run: a worker has an agent's serial")]
    NoAgent(ChildId),
    /// An agent that stands nowhere in the tree.
    #[error("{0} stands nowhere in the tree: give it a supervisor")]
    Unsupervised(AgentId),
    /// A supervisor that could be taken for an agent.
    #[error("{0} is a supervisor: give it a number above that of the last agent that may come")]
    SupervisorId(ChildId),
}

/// Where actions are carried out.
pub(crate) struct Field<'a, 'g, A> {
    pub(crate) ground: &'a Ground<'g, A>,
    pub(crate) bonds: &'a mut Bonds,
    /// The one supervisor's, where there is no tree.
    pub(crate) window: &'a RestartWindow,
    /// The tick that just ended.
    pub(crate) now: Tick,
}

/// The tree, and what is under way in it.
pub(crate) struct Trees {
    tree: Tree,
    agents: u64,
    has_begun: bool,
    /// Whoever ended in the tick that runs, by serial.
    ended: Vec<(AgentId, Exit)>,
    /// By agent that failed: its supervisor's count of beginnings then.
    resting: BTreeMap<ChildId, u64>,
    /// By agent that was asked to end: the last tick that it has.
    overdue: BTreeMap<ChildId, Tick>,
    /// First and last of agents that were lost: they are not started again.
    lost: Vec<(AgentId, AgentId)>,
    /// How many of these the tree was told of.
    told: usize,
    /// What is told behind the next tick.
    later: Vec<Event>,
    /// What agents want of it.
    pub(crate) added: Added,
    failed_starts: u32,
    last_failed: Option<AgentId>,
    /// The root's.
    intensity: Intensity,
    end: Option<End>,
    records: Vec<u8>,
    count: u32,
}

impl Trees {
    /// The tree above agents with the serials 1 to `agents`; so many may come to life later.
    pub(crate) fn new(below: Supervised, agents: u64, later: u64) -> Result<Trees, TreeError> {
        let mut seen = HashSet::new();
        check(&below, (agents, agents.saturating_add(later)), &mut seen)?;
        if let Some(missing) = (1..=agents).find(|serial| !seen.contains(serial)) {
            return Err(TreeError::Unsupervised(AgentId(missing)));
        }
        let intensity = below.flags.intensity;
        Ok(Trees {
            tree: Tree::new(ROOT, below).map_err(TreeError::Spec)?,
            agents,
            has_begun: false,
            ended: Vec::new(),
            resting: BTreeMap::new(),
            overdue: BTreeMap::new(),
            lost: Vec::new(),
            told: 0,
            later: Vec::new(),
            added: Added::default(),
            failed_starts: 0,
            last_failed: None,
            intensity,
            end: None,
            records: Vec::new(),
            count: 0,
        })
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Notes what concerns it of what happened in a tick.
    pub(crate) fn note(&mut self, change: &BondChange) {
        match change {
            BondChange::End { by, reason, left } if self.supervises(by.from) => {
                self.ended.push((by.from, exit_of(reason)));
                if *left == Left::Resting {
                    let child = ChildId(by.from.0);
                    let above = self.tree.parent(child).unwrap_or(ROOT);
                    self.resting.insert(child, self.tree.begun(above));
                }
            }
            BondChange::Terminate { by, child } => self.added.terminate(*by, *child),
            BondChange::End { .. } | BondChange::Bind { .. } | BondChange::Unbind { .. } => {}
        }
    }

    /// Whether an agent stands in the tree: all of the scenario's do, and those that were added.
    pub(crate) fn supervises(&self, id: AgentId) -> bool {
        id.0 <= self.agents || self.tree.parent(ChildId(id.0)).is_some()
    }

    /// Agents were lost in the tick that runs.
    pub(crate) fn lose(&mut self, first: AgentId, last: AgentId) {
        self.lost.push((first, last));
    }

    fn is_lost(&self, id: AgentId) -> bool {
        self.lost.iter().any(|(first, last)| (*first..=*last).contains(&id))
    }

    /// Whoever is lost was terminated, to the supervisor above: it was killed, and that is no
    /// failure that counts or from which a restart helps.
    fn see_to_lost<A: Agent>(&mut self, field: &mut Field<'_, '_, A>) -> Result<(), RunError> {
        while let Some((first, last)) = self.lost.get(self.told).copied() {
            self.told += 1;
            for child in (first.0..=last.0).map(ChildId) {
                let Some(above) = self.tree.parent(child) else { continue };
                let mut actions = Vec::new();
                self.tree.ask(field.now, above, 0, Request::Terminate(child), &mut actions);
                self.carry_out(field, actions)?;
                let supervisor = self.tree.supervisor(above);
                if let Some(ChildState::Running | ChildState::Stopping) =
                    supervisor.and_then(|supervisor| supervisor.state(child))
                {
                    self.hear(field, Event::Exited(child, Exit::Killed))?;
                }
            }
        }
        Ok(())
    }

    /// The last tick that somebody who was asked to end has; nothing may pass over it.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.overdue.values().copied().min()
    }

    /// Whether nothing more comes of it by itself.
    pub(crate) fn is_quiet(&self) -> bool {
        self.overdue.is_empty() && self.later.is_empty()
    }

    /// Moves the records of what was done behind `records`; how many.
    pub(crate) fn take_records(&mut self, records: &mut Vec<u8>) -> u32 {
        records.append(&mut self.records);
        std::mem::take(&mut self.count)
    }

    /// Starts all agents, before the first tick. Behind each, tells the tree of all that ended in
    /// it, and carries out what it decides.
    pub(crate) fn supervise<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
    ) -> Result<(), RunError> {
        if !self.has_begun {
            self.hear(field, Event::Begin)?;
            self.has_begun = true;
            return self.outcome(field);
        }
        self.failed_starts = 0;
        self.see_to_lost(field)?;
        for event in std::mem::take(&mut self.later) {
            self.hear(field, event)?;
        }
        for (agent, exit) in std::mem::take(&mut self.ended) {
            self.hear(field, Event::Exited(ChildId(agent.0), exit))?;
        }
        self.see_to_terminations(field)?;
        // Whoever ended in its last tick ended in time.
        self.see_to_overdue(field)?;
        self.outcome(field)
    }

    /// Ends those whose time is over. A time of no ticks is over at once.
    fn see_to_overdue<A: Agent>(&mut self, field: &mut Field<'_, '_, A>) -> Result<(), RunError> {
        while self.deadline().is_some_and(|last| last <= field.now) {
            let due = self.overdue.iter().filter(|(_, last)| **last <= field.now);
            let due: Vec<_> = due.map(|(child, _)| *child).collect();
            for child in due {
                if self.overdue.remove(&child).is_some() {
                    self.hear(field, Event::Overdue(child))?;
                }
            }
        }
        Ok(())
    }

    /// An order from outside: stops an agent and starts it again, whatever it is doing.
    pub(crate) fn restart<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        agent: AgentId,
    ) -> Result<Result<(), Refusal>, RunError> {
        let child = ChildId(agent.0);
        let above = match self.restarts(child) {
            Ok(above) => above,
            Err(refusal) => return Ok(Err(refusal)),
        };
        for request in [Request::Terminate(child), Request::Restart(child)] {
            let mut actions = Vec::new();
            self.tree.ask(field.now, above, 0, request, &mut actions);
            self.carry_out(field, actions)?;
        }
        self.see_to_overdue(field)?;
        Ok(Ok(()))
    }

    /// The supervisor that can start a child again because somebody asks.
    fn restarts(&self, child: ChildId) -> Result<ChildId, Refusal> {
        if self.is_lost(AgentId(child.0)) {
            return Err(Refusal::Exited);
        }
        let above = self.tree.parent(child).ok_or(Refusal::Exited)?;
        let supervisor = self.tree.supervisor(above).ok_or(Refusal::Exited)?;
        let spec = supervisor.child(child).ok_or(Refusal::Exited)?;
        let is_kept = supervisor.flags().strategy != Strategy::Dynamic;
        if !is_kept || spec.restart == Restart::Temporary {
            return Err(Refusal::NotKept);
        }
        if supervisor.requests() + 2 > REQUESTS_MAX {
            return Err(Refusal::Busy);
        }
        Ok(above)
    }

    /// Whether the tree goes on.
    fn outcome<A>(&self, field: &Field<'_, '_, A>) -> Result<(), RunError> {
        match self.end {
            Some(End::FailedToStart(child)) => {
                Err(RunError::NotStarted { agent: self.last_failed.unwrap_or(AgentId(child.0)) })
            }
            Some(End::Shutdown) if self.tree.gave_up() == Some(ROOT) => {
                let (tick, intensity) = (field.now, self.intensity);
                Err(RunError::RootGaveUp { tick, intensity, agent: self.last_failed })
            }
            // Its significant agents are done.
            Some(End::Shutdown) | None => Ok(()),
        }
    }

    fn hear<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        event: Event,
    ) -> Result<(), RunError> {
        let mut actions = Vec::new();
        self.tell(field, event, &mut actions)?;
        self.carry_out(field, actions)
    }

    fn tell<A>(
        &mut self,
        field: &Field<'_, '_, A>,
        event: Event,
        actions: &mut Vec<Action>,
    ) -> Result<(), RunError> {
        if let Event::Exited(child, exit) = event {
            self.overdue.remove(&child);
            if matches!(exit, Exit::Failure | Exit::Killed) {
                self.last_failed = Some(AgentId(child.0));
            }
        }
        self.tree
            .decide(field.now, event, actions)
            .map_err(|error| RunError::Runtime(format!("the tree of supervisors: {error}")))
    }

    /// Carries out actions, and what follows from them.
    fn carry_out<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        actions: Vec<Action>,
    ) -> Result<(), RunError> {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            let event = match action {
                Action::Start { child, .. } => Some(self.start(field, child)),
                Action::Stop { child, timeout_ticks } => {
                    self.stop(field, child, Verdict::Ask, timeout_ticks)
                }
                Action::Kill(child) => self.stop(field, child, Verdict::Kill, None),
                Action::Forget(child) => {
                    self.forget(field, child);
                    None
                }
                Action::End(end) => {
                    self.end = Some(end);
                    None
                }
                Action::Begun | Action::Answer { .. } => None,
            };
            if let Some(Event::FailedToStart(_)) = event
                && self.failed_starts > FAILED_STARTS_MAX
            {
                self.later.extend(event);
                continue;
            }
            if let Some(event) = event {
                let mut next = Vec::new();
                self.tell(field, event, &mut next)?;
                actions.extend(next);
            }
        }
        Ok(())
    }

    fn start<A: Agent>(&mut self, field: &mut Field<'_, '_, A>, child: ChildId) -> Event {
        let id = AgentId(child.0);
        let above = self.tree.parent(child).unwrap_or(ROOT);
        // Not below a supervisor that began anew itself: then all begin anew.
        let same = self.resting.remove(&child) == Some(self.tree.begun(above));
        let plan = field.ground.plan;
        let now = field.now;
        let is_lost = self.is_lost(id);
        let (started, steps) = with(field.ground, id, |slab| {
            let started = if is_lost { None } else { slab.start(plan, now, id, same) };
            if started.is_some() && self.has_begun {
                slab.restarted(id);
            }
            // What one that is lost did is nobody's to know.
            (started, if is_lost { 0 } else { slab.steps(id) })
        })
        .unwrap_or_default();
        let Some(goes_on) = started else {
            self.last_failed = Some(id);
            self.failed_starts += 1;
            self.record(id, steps, Measure::NotStarted);
            return Event::FailedToStart(child);
        };
        field.bonds.began(id, goes_on);
        if self.has_begun {
            self.record(id, steps, if goes_on { Measure::Continued } else { Measure::Started });
        }
        Event::Started(child)
    }

    fn stop<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        child: ChildId,
        verdict: Verdict,
        timeout_ticks: Option<u64>,
    ) -> Option<Event> {
        let id = AgentId(child.0);
        let stopped = with(field.ground, id, |slab| slab.stop(id, verdict))?;
        let (by, exit, reason, measure) = match (stopped, verdict) {
            // Its own end is told next, or behind the tick in which it is recorded.
            (Stopped::Absent, _) => return None,
            (Stopped::Asked(by), _) => {
                self.record(id, by.step, Measure::Asked);
                self.ask(field, by);
                if let Some(ticks) = timeout_ticks {
                    self.overdue.insert(child, Tick(field.now.0.saturating_add(ticks)));
                }
                return None;
            }
            (Stopped::Ended(by), Verdict::Ask) => {
                (by, Exit::Shutdown, ExitReason::Shutdown, Measure::Ended)
            }
            (Stopped::Ended(by), Verdict::Kill) => {
                (by, Exit::Killed, ExitReason::Killed, Measure::Killed)
            }
        };
        self.record(id, by.step, measure);
        field.ground.plan.space.remove([id]);
        field.bonds.apply(BondChange::End { by, reason, left: Left::Nothing });
        Some(Event::Exited(child, exit))
    }

    /// An agent that traps exits hears that it is to end.
    fn ask<A>(&mut self, field: &mut Field<'_, '_, A>, by: Message) {
        let (to, who, bond) = (by.from, AgentId(ROOT.0), Bond::Link);
        field.bonds.tell(Signal { to, who, bond, by, reason: ExitReason::Shutdown });
    }

    fn forget<A: Agent>(&mut self, field: &mut Field<'_, '_, A>, child: ChildId) {
        let id = AgentId(child.0);
        let rested = self.resting.remove(&child).is_some();
        if rested || id.0 > self.agents {
            with(field.ground, id, |slab| slab.discard(id));
        }
        if rested {
            field.bonds.forget_monitors(id);
        }
    }

    fn record(&mut self, agent: AgentId, step: u64, measure: Measure) {
        Record::Supervised { agent, step, measure }.encode(&mut self.records);
        self.count += 1;
    }
}

/// What a supervisor makes of a reason.
fn exit_of(reason: &ExitReason) -> Exit {
    match reason {
        ExitReason::Normal => Exit::Normal,
        ExitReason::Shutdown => Exit::Shutdown,
        ExitReason::Killed => Exit::Killed,
        ExitReason::NoProcess | ExitReason::Failure(_) => Exit::Failure,
    }
}

/// Does something with the scheduler of an agent.
pub(crate) fn with<A: Agent, T>(
    ground: &Ground<'_, A>,
    id: AgentId,
    what: impl FnOnce(&mut Scheduler<A>) -> T,
) -> Option<T> {
    let home = Layout::new(ground.plan.agents, ground.slabs.len()).home(id)?;
    let slab = ground.slabs.get(home)?;
    Some(what(&mut lock(slab)))
}

/// Whether workers are agents and supervisors are none.
fn check(
    below: &Supervised,
    (agents, last): (u64, u64),
    seen: &mut HashSet<u64>,
) -> Result<(), TreeError> {
    for spec in &below.children {
        match spec {
            Spec::Worker(worker) if (1..=agents).contains(&worker.id.0) => {
                if !seen.insert(worker.id.0) {
                    return Err(TreeError::Spec(SpecError::Duplicate(worker.id)));
                }
            }
            Spec::Worker(worker) => return Err(TreeError::NoAgent(worker.id)),
            Spec::Supervisor { id, below, .. } => {
                if id.0 <= last {
                    return Err(TreeError::SupervisorId(*id));
                }
                check(below, (agents, last), seen)?;
            }
        }
    }
    Ok(())
}

//! What carries decisions out at once, and writes down what they were.

use std::collections::{BTreeMap, BTreeSet};

use karyon_supervision::{
    Action, AutoShutdown, ChildId, ChildSpec, End, Event, Exit, Flags, Intensity, Refusal, Request,
    Restart, Shutdown, Spec, Strategy, Supervised, Tree, Unexpected,
};
use karyon_types::Tick;

/// The root of every tree in the tests.
pub const ROOT: ChildId = ChildId(0);

pub fn flags(strategy: Strategy, restarts: u64, period_ticks: u64) -> Flags {
    Flags {
        strategy,
        intensity: Intensity { restarts, period_ticks },
        auto_shutdown: AutoShutdown::Never,
        max_children: None,
    }
}

pub fn worker(id: u64, restart: Restart) -> ChildSpec {
    ChildSpec {
        id: ChildId(id),
        arguments: 100 + id,
        restart,
        shutdown: Shutdown::Timeout { ticks: 5 },
        significant: false,
    }
}

/// What a driver did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Did {
    Start(u64),
    /// It was started, and did not begin.
    Fail(u64),
    Stop(u64),
    Kill(u64),
    /// The root ended.
    End,
}

/// Which start of which worker fails, counted from 0 over the worker's whole life.
pub type Failing = BTreeSet<(u64, u32)>;

/// A tree whose workers start and stop at once.
pub struct Driver {
    pub tree: Tree,
    pub now: Tick,
    pub failing: Failing,
    starts: BTreeMap<u64, u32>,
    pub alive: BTreeSet<u64>,
    pub did: Vec<Did>,
    pub answers: Vec<(u64, Result<(), Refusal>)>,
    pub end: Option<End>,
}

impl Driver {
    pub fn new(below: Supervised, failing: Failing) -> Driver {
        Driver {
            tree: Tree::new(ROOT, below).unwrap(),
            now: Tick(0),
            failing,
            starts: BTreeMap::new(),
            alive: BTreeSet::new(),
            did: Vec::new(),
            answers: Vec::new(),
            end: None,
        }
    }

    /// A flat supervisor over workers, which has begun.
    pub fn flat(flags: Flags, workers: &[ChildSpec]) -> Driver {
        let children = workers.iter().copied().map(Spec::Worker).collect();
        let mut driver = Driver::new(Supervised { flags, children }, Failing::new());
        driver.hear(Event::Begin).unwrap();
        driver.did.clear();
        driver
    }

    /// What was done since the last look.
    pub fn did(&mut self) -> Vec<Did> {
        std::mem::take(&mut self.did)
    }

    pub fn hear(&mut self, event: Event) -> Result<(), Unexpected> {
        let mut actions = Vec::new();
        self.tree.decide(self.now, event, &mut actions)?;
        self.carry_out(actions);
        Ok(())
    }

    pub fn ask(&mut self, supervisor: ChildId, request: Request<Spec>) -> Result<(), Refusal> {
        let (mut actions, ticket) = (Vec::new(), self.answers.len() as u64);
        self.tree.ask(self.now, supervisor, ticket, request, &mut actions);
        self.carry_out(actions);
        let (answered, answer) = *self.answers.last().unwrap();
        assert_eq!(answered, ticket);
        answer
    }

    /// A worker that runs ends.
    pub fn exit(&mut self, worker: u64, exit: Exit) {
        assert!(self.alive.remove(&worker), "{worker} does not run");
        self.hear(Event::Exited(ChildId(worker), exit)).unwrap();
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Start { child: ChildId(id), .. } => {
                    let count = self.starts.entry(id).or_default();
                    let fails = self.failing.contains(&(id, *count));
                    *count += 1;
                    if fails {
                        self.did.push(Did::Fail(id));
                        self.hear(Event::FailedToStart(ChildId(id))).unwrap();
                    } else {
                        self.did.push(Did::Start(id));
                        assert!(self.alive.insert(id), "{id} was started twice");
                        self.hear(Event::Started(ChildId(id))).unwrap();
                    }
                }
                Action::Stop { child: ChildId(id), .. } => {
                    self.stop(id, Did::Stop(id), Exit::Shutdown)
                }
                Action::Kill(ChildId(id)) => self.stop(id, Did::Kill(id), Exit::Killed),
                Action::Answer { ticket, answer } => self.answers.push((ticket, answer)),
                Action::End(end) => {
                    assert_eq!(self.alive, BTreeSet::new(), "workers outlived the root");
                    self.did.push(Did::End);
                    self.end = Some(end);
                }
                Action::Forget(_) | Action::Begun => {}
            }
        }
    }

    fn stop(&mut self, id: u64, did: Did, exit: Exit) {
        assert!(self.alive.remove(&id), "{id} was stopped and did not run");
        self.did.push(did);
        self.hear(Event::Exited(ChildId(id), exit)).unwrap();
    }
}

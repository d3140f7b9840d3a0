//! What should happen, written down without events: functions that call each other, children that
//! start and stop at once, restarts that are all remembered and counted anew each time.

use std::collections::BTreeMap;

use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Exit, Flags, Restart, Shutdown, Spec, Strategy, Supervised,
};

use crate::support::{Did, Failing};

/// What is outside of the supervisors.
#[derive(Default)]
pub struct World {
    pub now: u64,
    pub failing: Failing,
    pub starts: BTreeMap<u64, u32>,
    pub did: Vec<Did>,
}

pub struct Sup {
    flags: Flags,
    kids: Vec<Kid>,
    restarts: Vec<u64>,
}

struct Kid {
    spec: Spec,
    runs: Option<Runs>,
}

enum Runs {
    Worker,
    Sup(Sup),
}

#[derive(PartialEq, Eq)]
pub enum Came {
    /// It was not below this supervisor.
    Nowhere,
    Well,
    /// The supervisor has stopped all and ended.
    Ended,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    No,
}

impl Kid {
    fn id(&self) -> ChildId {
        match &self.spec {
            Spec::Worker(spec) => spec.id,
            Spec::Supervisor { id, .. } => *id,
        }
    }

    fn restart(&self) -> Restart {
        match &self.spec {
            Spec::Worker(spec) => spec.restart,
            Spec::Supervisor { restart, .. } => *restart,
        }
    }

    fn is_significant(&self) -> bool {
        match &self.spec {
            Spec::Worker(spec) => spec.significant,
            Spec::Supervisor { significant, .. } => *significant,
        }
    }

    fn start(&mut self, world: &mut World) -> bool {
        self.runs = match &self.spec {
            Spec::Worker(ChildSpec { id: ChildId(id), .. }) => {
                let nth = world.starts.entry(*id).or_default();
                let fails = world.failing.contains(&(*id, *nth));
                *nth += 1;
                world.did.push(if fails { Did::Fail(*id) } else { Did::Start(*id) });
                (!fails).then_some(Runs::Worker)
            }
            Spec::Supervisor { below, .. } => Sup::begin(below, world).map(Runs::Sup),
        };
        self.runs.is_some()
    }

    fn stop(&mut self, world: &mut World) {
        match (self.runs.take(), &self.spec) {
            (Some(Runs::Sup(mut sup)), _) => sup.stop_from(0, world),
            (Some(Runs::Worker), Spec::Worker(spec)) => {
                let is_brutal = spec.shutdown == Shutdown::BrutalKill;
                let id = spec.id.0;
                world.did.push(if is_brutal { Did::Kill(id) } else { Did::Stop(id) });
            }
            (Some(Runs::Worker), Spec::Supervisor { .. }) | (None, _) => {}
        }
    }
}

impl Sup {
    pub fn begin(below: &Supervised, world: &mut World) -> Option<Sup> {
        let kids = below.children.iter().map(|spec| Kid { spec: spec.clone(), runs: None });
        let mut sup = Sup { flags: below.flags, kids: kids.collect(), restarts: Vec::new() };
        for at in 0..sup.kids.len() {
            if !sup.kids[at].start(world) {
                sup.kids.truncate(at);
                sup.stop_from(0, world);
                return None;
            }
        }
        Some(sup)
    }

    /// Stops the children from a place on, the last first; the temporary ones are gone then.
    pub fn stop_from(&mut self, from: usize, world: &mut World) {
        self.kids[from..].iter_mut().rev().for_each(|kid| kid.stop(world));
        let mut at = 0;
        self.kids.retain(|kid| {
            at += 1;
            at <= from || kid.restart() != Restart::Temporary
        });
    }

    /// A worker somewhere below ends.
    pub fn exit(&mut self, worker: ChildId, exit: Exit, world: &mut World) -> Came {
        for at in 0..self.kids.len() {
            let id = self.kids[at].id();
            let exit = match &mut self.kids[at].runs {
                Some(Runs::Worker) if id == worker => exit,
                Some(Runs::Sup(sup)) => match sup.exit(worker, exit, world) {
                    Came::Nowhere => continue,
                    Came::Well => return Came::Well,
                    Came::Ended => Exit::Shutdown,
                },
                Some(Runs::Worker) | None => continue,
            };
            self.kids[at].runs = None;
            return if self.ended(at, exit, world) { Came::Well } else { Came::Ended };
        }
        Came::Nowhere
    }

    /// A child ended; whether the supervisor goes on.
    fn ended(&mut self, at: usize, exit: Exit, world: &mut World) -> bool {
        let again = match self.kids[at].restart() {
            Restart::Permanent => true,
            Restart::Transient => matches!(exit, Exit::Failure | Exit::Killed),
            Restart::Temporary => false,
        };
        if again {
            return self.restart(self.kids[at].id(), world);
        }
        let was_significant = self.kids[at].is_significant();
        self.tidy(at);
        let ends = match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => was_significant,
            AutoShutdown::AllSignificant => {
                was_significant
                    && !self.kids.iter().any(|kid| kid.is_significant() && kid.runs.is_some())
            }
        };
        if ends {
            self.stop_from(0, world);
        }
        !ends
    }

    fn tidy(&mut self, at: usize) {
        let is_dynamic = self.flags.strategy == Strategy::Dynamic;
        if is_dynamic || self.kids[at].restart() == Restart::Temporary {
            self.kids.remove(at);
        }
    }

    /// Tries until all run or it is too much; whether the supervisor goes on.
    fn restart(&mut self, mut who: ChildId, world: &mut World) -> bool {
        loop {
            self.restarts.push(world.now);
            let period = self.flags.intensity.period_ticks;
            let recent = self.restarts.iter().filter(|at| world.now - **at < period).count();
            if recent as u64 > self.flags.intensity.restarts {
                self.stop_from(0, world);
                return false;
            }
            let at = self.kids.iter().position(|kid| kid.id() == who).unwrap();
            let failed = match self.flags.strategy {
                Strategy::OneForOne | Strategy::Dynamic => {
                    (!self.kids[at].start(world)).then_some(at)
                }
                Strategy::OneForAll => self.anew(0, world),
                Strategy::RestForOne => self.anew(at, world),
            };
            match failed {
                None => return true,
                Some(failed) => who = self.kids[failed].id(),
            }
        }
    }

    /// Stops and starts the children from a place on; who did not start.
    fn anew(&mut self, from: usize, world: &mut World) -> Option<usize> {
        self.stop_from(from, world);
        (from..self.kids.len()).find(|at| !self.kids[*at].start(world))
    }

    pub fn find(&mut self, me: ChildId, wanted: ChildId) -> Option<&mut Sup> {
        if me == wanted {
            return Some(self);
        }
        self.kids.iter_mut().find_map(|kid| {
            let id = kid.id();
            match &mut kid.runs {
                Some(Runs::Sup(sup)) => sup.find(id, wanted),
                Some(Runs::Worker) | None => None,
            }
        })
    }

    fn at(&self, id: ChildId) -> Option<usize> {
        self.kids.iter().position(|kid| kid.id() == id)
    }

    pub fn terminate(&mut self, id: ChildId, world: &mut World) -> Answer {
        let Some(at) = self.at(id) else { return Answer::No };
        self.kids[at].stop(world);
        self.tidy(at);
        Answer::Done
    }

    pub fn restart_stopped(&mut self, id: ChildId, world: &mut World) -> Answer {
        match self.at(id) {
            Some(at) if self.kids[at].runs.is_none() && self.kids[at].start(world) => Answer::Done,
            Some(_) | None => Answer::No,
        }
    }

    pub fn delete(&mut self, id: ChildId) -> Answer {
        match self.at(id) {
            Some(at) if self.kids[at].runs.is_none() => {
                self.kids.remove(at);
                Answer::Done
            }
            Some(_) | None => Answer::No,
        }
    }

    pub fn add(&mut self, spec: ChildSpec, world: &mut World) -> Answer {
        let mut kid = Kid { spec: Spec::Worker(spec), runs: None };
        if !kid.start(world) {
            return Answer::No;
        }
        self.kids.push(kid);
        Answer::Done
    }

    /// All workers that run.
    pub fn running(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for kid in &self.kids {
            match &kid.runs {
                Some(Runs::Worker) => all.push(kid.id().0),
                Some(Runs::Sup(sup)) => all.extend(sup.running()),
                None => {}
            }
        }
        all.sort_unstable();
        all
    }
}

//! Starts and stops that take their time: exits, timeouts and requests come in between, in any
//! order. No model says what must happen then; what must never happen is looked for after each
//! event, and who must run when all is quiet.

use std::collections::BTreeSet;

use karyon_supervision::{
    Action, ChildId, ChildState, Event, Exit, Request, Restart, Spec, Strategy, Tree,
};
use karyon_types::Tick;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;

use crate::scenario::{Happens, Holds, Scenario, scenario};
use crate::support::{ROOT, worker};

/// Drawn beside what happens in a scenario.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A start or stop that was decided has come to its end; starts fail if so.
    Answer(usize, bool),
    Overdue(usize),
    Happens(Happens),
    ShutDown,
}

struct Loose {
    tree: Tree,
    now: u64,
    starting: Vec<ChildId>,
    stopping: Vec<ChildId>,
    alive: BTreeSet<ChildId>,
    has_ended: bool,
    asked: u64,
    answered: BTreeSet<u64>,
    /// Without requests the order of starts and stops is known.
    in_order: bool,
}

impl Loose {
    fn hear(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.tree.decide(Tick(self.now), event, &mut actions).unwrap();
        self.note(actions);
    }

    fn ask(&mut self, above: ChildId, request: Request<Spec>) {
        let mut actions = Vec::new();
        self.asked += 1;
        self.tree.ask(Tick(self.now), above, self.asked, request, &mut actions);
        self.note(actions);
    }

    fn note(&mut self, actions: Vec<Action>) {
        // One event may have several supervisors act: the order is judged when all is noted.
        let mut begun = Vec::new();
        for action in actions {
            let is_answer = matches!(action, Action::Answer { .. });
            assert!(is_answer || !self.has_ended, "{action:?} after the end");
            match action {
                Action::Start { child, .. } => {
                    assert!(!self.alive.contains(&child), "{child} is started and runs");
                    assert!(!self.starting.contains(&child), "{child} is started twice");
                    self.starting.push(child);
                    begun.push((child, true));
                }
                Action::Stop { child, .. } => {
                    assert!(self.alive.contains(&child), "{child} is stopped and does not run");
                    assert!(!self.stopping.contains(&child), "{child} is stopped twice");
                    self.stopping.push(child);
                    begun.push((child, false));
                }
                Action::Kill(child) => {
                    assert!(self.alive.contains(&child), "{child} is killed and does not run");
                    if !self.stopping.contains(&child) {
                        self.stopping.push(child);
                        begun.push((child, false));
                    }
                }
                Action::Answer { ticket, .. } => {
                    assert!(self.answered.insert(ticket), "{ticket} is answered twice");
                }
                Action::End(_) => {
                    assert_eq!(self.alive, BTreeSet::new(), "somebody outlives the root");
                    assert_eq!((self.starting.len(), self.stopping.len()), (0, 0));
                    self.has_ended = true;
                }
                Action::Forget(_) | Action::Begun => {}
            }
        }
        begun.into_iter().for_each(|(child, is_start)| self.check_order(child, is_start));
    }

    fn check_order(&self, child: ChildId, is_start: bool) {
        let above = self.tree.supervisor(self.tree.parent(child).unwrap()).unwrap();
        let strategy = above.flags().strategy;
        if strategy == Strategy::Dynamic {
            return;
        }
        let busy = above.children().filter(|(spec, _)| {
            self.starting.contains(&spec.id) || self.stopping.contains(&spec.id)
        });
        assert_eq!(busy.count(), 1, "one after the other");
        if !self.in_order || (is_start && strategy == Strategy::OneForOne) {
            return;
        }
        let behind = above.children().skip_while(|(spec, _)| spec.id != child).skip(1);
        for (spec, _) in behind {
            let runs = self.alive.contains(&spec.id) || self.tree.supervisor(spec.id).is_some();
            assert!(!runs, "{child} before {}, which is behind it", spec.id);
        }
    }

    fn step(&mut self, step: Step, scenario: &Scenario) {
        match step {
            Step::Answer(place, fails) => self.answer(place, fails),
            Step::Overdue(place) => {
                if let Some(child) = at(&self.stopping, place) {
                    self.hear(Event::Overdue(child));
                }
            }
            Step::ShutDown => self.hear(Event::ShutDown),
            Step::Happens(happens) => self.happens(happens, scenario),
        }
    }

    fn answer(&mut self, place: usize, fails: bool) {
        let all: Vec<_> = self.starting.iter().chain(&self.stopping).copied().collect();
        let Some(child) = at(&all, place) else { return };
        if self.starting.contains(&child) {
            self.starting.retain(|other| *other != child);
            if fails {
                self.hear(Event::FailedToStart(child));
            } else {
                self.alive.insert(child);
                self.hear(Event::Started(child));
            }
        } else {
            self.exit(child, if fails { Exit::Failure } else { Exit::Shutdown });
        }
    }

    fn exit(&mut self, child: ChildId, exit: Exit) {
        self.alive.remove(&child);
        self.stopping.retain(|other| *other != child);
        self.hear(Event::Exited(child, exit));
    }

    fn happens(&mut self, happens: Happens, scenario: &Scenario) {
        let (supervisors, children) = crate::scenario::ids(&scenario.below);
        match happens {
            Happens::Exit(place, exit) => {
                let alive: Vec<_> = self.alive.iter().copied().collect();
                if let Some(child) = at(&alive, place) {
                    self.exit(child, exit);
                }
            }
            Happens::Later(ticks) => self.now += ticks,
            Happens::Terminate(place) => {
                if let Some((above, id)) = at(&children, place) {
                    self.ask(above, Request::Terminate(id));
                }
            }
            Happens::Restart(place) => {
                if let Some((above, id)) = at(&children, place) {
                    self.ask(above, Request::Restart(id));
                }
            }
            Happens::Delete(place) => {
                if let Some((above, id)) = at(&children, place) {
                    self.ask(above, Request::Delete(id));
                }
            }
            Happens::Add(place, restart) => {
                let spec = worker(1_000 + self.asked, restart);
                self.ask(at(&supervisors, place).unwrap(), Request::Add(Spec::Worker(spec)));
            }
        }
    }

    /// All that was decided comes to a good end; then everybody runs who should.
    fn quiet(&mut self) {
        while !self.starting.is_empty() || !self.stopping.is_empty() {
            self.answer(0, false);
        }
        assert_eq!(self.answered.len() as u64, self.asked, "each request is answered");
        let mut running = BTreeSet::new();
        self.check_supervisor(ROOT, &mut running);
        assert_eq!(self.alive, running);
        assert_eq!(self.tree.supervisor(ROOT).is_none(), self.has_ended);
    }

    fn check_supervisor(&self, id: ChildId, running: &mut BTreeSet<ChildId>) {
        let Some(supervisor) = self.tree.supervisor(id) else { return };
        for (spec, state) in supervisor.children() {
            match state {
                ChildState::Running if self.tree.supervisor(spec.id).is_some() => {
                    self.check_supervisor(spec.id, running);
                }
                ChildState::Running => {
                    running.insert(spec.id);
                }
                ChildState::Stopped => {
                    let was_asked = !self.in_order;
                    assert!(
                        was_asked || spec.restart == Restart::Transient,
                        "{} stays down",
                        spec.id
                    );
                }
                ChildState::Starting
                | ChildState::Stopping
                | ChildState::Ended(_)
                | ChildState::Restarting => panic!("{} is {state:?} when all is quiet", spec.id),
            }
        }
    }
}

fn at<T: Copy>(all: &[T], place: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[place % all.len()])
}

fn steps(requests: bool) -> impl Generate<Value = (Scenario, Vec<Step>)> {
    let holds = Holds { dynamic: true, requests, time: true, failed_starts: true };
    let place = any::<usize>();
    let answer = (place, prop::bool::weighted(0.1)).prop_map(|(p, fails)| Step::Answer(p, fails));
    let other = prop_oneof![
        30 => answer,
        3 => place.prop_map(Step::Overdue),
        1 => Just(Step::ShutDown),
    ];
    (scenario(holds), prop::collection::vec(other, 0..90)).prop_map(|(scenario, others)| {
        // The history's events, spread among the others.
        let every = others.len() / scenario.happens.len() + 1;
        let mut happens = scenario.happens.iter().map(|happens| Step::Happens(*happens));
        let mut steps = Vec::new();
        for (at, other) in others.into_iter().enumerate() {
            if at % every == 0 {
                steps.extend(happens.next());
            }
            steps.push(other);
        }
        steps.extend(happens);
        (scenario, steps)
    })
}

fn go(scenario: &Scenario, steps: &[Step], in_order: bool) {
    let mut loose = Loose {
        tree: Tree::new(ROOT, scenario.below.clone()).unwrap(),
        now: 0,
        starting: Vec::new(),
        stopping: Vec::new(),
        alive: BTreeSet::new(),
        has_ended: false,
        asked: 0,
        answered: BTreeSet::new(),
        in_order,
    };
    loose.hear(Event::Begin);
    steps.iter().for_each(|step| loose.step(*step, scenario));
    loose.quiet();
    loose.hear(Event::ShutDown);
    loose.quiet();
    assert!(loose.has_ended);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn one_start_for_one_end_in_order_and_in_the_end_all_run_who_should(
        (scenario, steps) in steps(false)
    ) {
        go(&scenario, &steps, true);
    }

    #[test]
    fn requests_at_any_moment_break_nothing_and_are_each_answered((scenario, steps) in steps(true)) {
        go(&scenario, &steps, false);
    }
}

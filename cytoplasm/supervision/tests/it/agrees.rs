//! The tree does, step by step, what the naive model does.

use karyon_supervision::{ChildId, Event, Request, Spec};
use karyon_types::Tick;
use proptest::prelude::*;

use crate::naive::{Answer, Came, Sup, World};
use crate::scenario::{Happens, Holds, Scenario, ids, scenario};
use crate::support::{Did, Driver, ROOT, worker};

const ALL: Holds = Holds { dynamic: true, requests: true, time: true, failed_starts: true };

/// The first id of workers that are added.
const ADDED: u64 = 1000;

struct Both {
    driver: Driver,
    model: Option<Sup>,
    world: World,
    added: u64,
}

impl Both {
    fn begin(scenario: &Scenario) -> Both {
        let mut world = World { failing: scenario.failing.clone(), ..World::default() };
        let model = Sup::begin(&scenario.below, &mut world);
        let mut driver = Driver::new(scenario.below.clone(), scenario.failing.clone());
        driver.hear(Event::Begin).unwrap();
        Both { driver, model, world, added: ADDED }
    }

    fn happens(&mut self, scenario: &Scenario, happens: Happens) {
        let (supervisors, children) = ids(&scenario.below);
        let child = |place: usize| (!children.is_empty()).then(|| children[place % children.len()]);
        let Some(model) = &mut self.model else { return };
        match happens {
            Happens::Later(ticks) => {
                self.world.now += ticks;
                self.driver.now = Tick(self.world.now);
            }
            Happens::Exit(place, exit) => {
                let alive: Vec<_> = self.driver.alive.iter().copied().collect();
                if alive.is_empty() {
                    return;
                }
                let who = alive[place % alive.len()];
                let came = model.exit(ChildId(who), exit, &mut self.world);
                assert!(came != Came::Nowhere, "the model does not run {who}");
                self.driver.exit(who, exit);
                if came == Came::Ended {
                    self.world.did.push(Did::End);
                    self.model = None;
                }
            }
            Happens::Terminate(place) => {
                let Some((above, id)) = child(place) else { return };
                let expected = model.find(ROOT, above).map(|s| s.terminate(id, &mut self.world));
                self.ask(above, Request::Terminate(id), expected);
            }
            Happens::Restart(place) => {
                let Some((above, id)) = child(place) else { return };
                if self.is_dynamic(above) {
                    return;
                }
                let model = self.model.as_mut().unwrap();
                let expected =
                    model.find(ROOT, above).map(|s| s.restart_stopped(id, &mut self.world));
                self.ask(above, Request::Restart(id), expected);
            }
            Happens::Delete(place) => {
                let Some((above, id)) = child(place) else { return };
                if self.is_dynamic(above) {
                    return;
                }
                let model = self.model.as_mut().unwrap();
                let expected = model.find(ROOT, above).map(|s| s.delete(id));
                self.ask(above, Request::Delete(id), expected);
            }
            Happens::Add(place, restart) => {
                let above = supervisors[place % supervisors.len()];
                self.added += 1;
                let spec = worker(self.added, restart);
                let expected = model.find(ROOT, above).map(|s| s.add(spec, &mut self.world));
                self.ask(above, Request::Add(Spec::Worker(spec)), expected);
            }
        }
    }

    fn is_dynamic(&self, id: ChildId) -> bool {
        let refused = self.driver.tree.supervisor(id);
        refused.is_some_and(|s| s.flags().strategy == karyon_supervision::Strategy::Dynamic)
    }

    fn ask(&mut self, above: ChildId, request: Request<Spec>, expected: Option<Answer>) {
        let answer = self.driver.ask(above, request).map_or(Answer::No, |()| Answer::Done);
        assert_eq!(answer, expected.unwrap_or(Answer::No));
    }

    fn compare(&mut self) {
        if self.model.is_none() && self.world.did.last() != Some(&Did::End) {
            self.world.did.push(Did::End);
        }
        assert_eq!(self.driver.did, self.world.did);
        let running = self.model.as_ref().map(Sup::running).unwrap_or_default();
        assert_eq!(self.driver.alive.iter().copied().collect::<Vec<_>>(), running);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn random_trees_and_random_crashes_as_in_the_naive_model(scenario in scenario(ALL)) {
        let mut both = Both::begin(&scenario);
        both.compare();
        for happens in &scenario.happens {
            both.happens(&scenario, *happens);
            both.compare();
        }
        if both.model.take().map(|mut model| model.stop_from(0, &mut both.world)).is_some() {
            both.driver.hear(Event::ShutDown).unwrap();
            both.compare();
        }
    }
}

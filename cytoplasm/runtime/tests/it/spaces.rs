//! What all agents see: what is marked in a tick is seen from the next on, or from the next turn on,
//! the same for any number of schedulers, and in front of an observer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use karyon_gate::Rights;
use karyon_runtime::{Chaos, Layer, Limits, Observer, RunError, Schedule, Space, Whose};
use karyon_supervision::Strategy as Restarts;
use karyon_types::{AgentId, Tick};
use proptest::prelude::*;

use crate::births::SPAWNING;
use crate::naive;
use crate::schedules::schedules;
use crate::sealed;
use crate::support::*;
use crate::trees::{flags, supervised};
use Order::{Add, Claim, Clear, Exit, Fail, Look, Send, Set, Spawn};

/// Six slots of everybody, and one of two words for each agent there may be, in five cells.
pub fn space() -> Space {
    Space::new([Layer::new(Whose::Everybody, 6, 1), Layer::new(Whose::Agents, 24, 2).in_cells(5)])
}

/// What layers hold: slots that hold or stand somewhere, with their cells.
pub fn in_short(layers: &[&Layer]) -> String {
    let slot = |layer: &Layer, slot| {
        let (words, cell) = (layer.words(slot), layer.cell(slot));
        let holds = cell.is_some() || words.iter().any(|word| *word != 0);
        holds.then(|| format!("{slot}{words:?}{}", cell.map_or(String::new(), |c| format!("@{c}"))))
    };
    let layer = |layer: &&Layer| {
        let slots: Vec<_> = (0..layer.slots()).filter_map(|at| slot(layer, at)).collect();
        let lists = (0..9).map(|cell| layer.standing(cell).collect::<Vec<_>>());
        let lists: Vec<_> = lists.filter(|list| !list.is_empty()).collect();
        format!("{} {lists:?}", slots.join(" "))
    };
    layers.iter().map(layer).collect::<Vec<_>>().join("; ")
}

/// Something done to it; some of it about what is not there.
pub fn marks() -> impl Strategy<Value = Order> {
    let cell = prop::option::of(0u32..6);
    let words = prop::collection::vec(0u64..9, 0..3);
    prop_oneof![
        2 => (0u64..7, 0u64..4).prop_map(|(slot, word)| Set(0, slot, None, vec![word])),
        4 => (0u64..9, cell, words).prop_map(|(slot, cell, words)| Set(1, slot, cell, words)),
        1 => (0u8..3, 0u64..8).prop_map(|(layer, slot)| Clear(layer, slot)),
        3 => (0u64..6, 1u64..9, prop::option::of(0u64..6))
            .prop_map(|(slot, word, leave)| Claim(0, slot, word, leave)),
        4 => Just(Look),
    ]
}

/// What each agent should hear, in a run whose agents send nothing: from a model that knows ticks,
/// turns and maps alone.
fn expected(schedule: &Schedule, entries: &[(u64, u64, Vec<Order>)]) -> Vec<Vec<String>> {
    let mut heard = vec![Vec::new(); 8];
    let (mut shared, mut own): (BTreeMap<u64, u64>, BTreeMap<u64, [u64; 2]>) = Default::default();
    let mut cells: Vec<Vec<u64>> = vec![Vec::new(); 5];
    let ends = entries.iter().map(|(tick, ..)| tick + 1).max().unwrap_or(0);
    for tick in 0..ends {
        let mut steps: Vec<_> = entries.iter().filter(|(at, ..)| *at == tick).collect();
        match schedule.is_sequential() {
            true => steps.sort_by_key(|(_, agent, _)| naive::rank_of(schedule, tick, *agent)),
            false => steps.sort_by_key(|(_, agent, _)| *agent),
        }
        let (mut now, mut claims) = (Vec::new(), Vec::new());
        for (_, agent, orders) in steps {
            for order in orders {
                if *order == Look {
                    let shared = shared.iter().filter(|(_, word)| **word != 0);
                    let shared: Vec<_> =
                        shared.map(|(slot, word)| format!("{slot}[{word}]")).collect();
                    let slots = (0..24u64).filter_map(|slot| {
                        let words = own.get(&slot).copied().unwrap_or_default();
                        let cell = cells.iter().position(|cell| cell.contains(&slot));
                        let at = cell.map_or(String::new(), |cell| format!("@{cell}"));
                        let holds = cell.is_some() || words != [0; 2];
                        holds.then(|| format!("{slot}{words:?}{at}"))
                    });
                    let slots: Vec<_> = slots.collect();
                    let lists: Vec<_> = cells.iter().filter(|cell| !cell.is_empty()).collect();
                    heard[*agent as usize - 1].push(format!(
                        "tick {tick}: {} []; {} {lists:?}",
                        shared.join(" "),
                        slots.join(" "),
                    ));
                    continue;
                }
                match order {
                    Claim(..) if !schedule.is_sequential() => {
                        claims.push((naive::rank_of(schedule, tick, *agent), order));
                    }
                    _ => now.push(order),
                }
            }
            if schedule.is_sequential() {
                now.drain(..).for_each(|order| obey(order, &mut shared, &mut own, &mut cells));
            }
        }
        claims.sort_by_key(|(rank, _)| *rank);
        let claims = claims.into_iter().map(|(_, claim)| claim);
        now.into_iter()
            .chain(claims)
            .for_each(|order| obey(order, &mut shared, &mut own, &mut cells));
    }
    heard
}

fn obey(
    order: &Order,
    shared: &mut BTreeMap<u64, u64>,
    own: &mut BTreeMap<u64, [u64; 2]>,
    cells: &mut [Vec<u64>],
) {
    match order {
        Set(0, slot, None, words) if *slot < 6 && words.len() < 2 => {
            shared.extend(words.iter().map(|word| (*slot, *word)));
        }
        // There are eight agents to whom they may send.
        Set(1, slot, cell, words) if *slot < 8 && cell.is_none_or(|cell| cell < 5) => {
            let slots = own.entry(*slot).or_default();
            slots.iter_mut().zip(words).for_each(|(old, new)| *old = *new);
            if let Some(cell) = cell.filter(|cell| !cells[*cell as usize].contains(slot)) {
                cells.iter_mut().for_each(|cell| cell.retain(|other| other != slot));
                cells[cell as usize].insert(0, *slot);
            }
        }
        Clear(0, slot) => drop(shared.remove(slot)),
        Clear(1, slot) => {
            own.remove(slot);
            cells.iter_mut().for_each(|cell| cell.retain(|other| other != slot));
        }
        Claim(0, slot, word, leave) if shared.get(slot).is_none_or(|word| *word == 0) => {
            if let Some(leave) = leave {
                shared.remove(leave);
            }
            shared.insert(*slot, *word);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// What each sees is what a naive model says, in each schedule and for any number of schedulers;
    /// a crash on purpose leaves nothing behind.
    #[test]
    fn all_see_what_the_naive_model_says(
        entries in prop::collection::vec(
            (0u64..5, 1u64..9, prop::collection::vec(marks(), 0..5)), 1..16),
        schedule in schedules(),
        chaos in prop::sample::select(vec![0.0, 0.2]),
    ) {
        let script = Script::new(entries.clone());
        let mut whole: Option<Vec<u8>> = None;
        for schedulers in [1, 2, 3] {
            let stage = Stage {
                agents: 8,
                schedulers,
                schedule,
                space: Some(space()),
                chaos: Chaos::new(7, chaos),
                ..Stage::default()
            };
            let (outcome, records) = stage.complete::<0, 60>(&script);
            prop_assert_eq!(whole.get_or_insert_with(|| records.clone()), &records);
            let heard: Vec<_> =
                outcome.agents.iter().map(|agent| agent.as_ref().unwrap().heard.clone()).collect();
            prop_assert_eq!(heard, expected(&schedule, &entries));
        }
    }
}

/// The same for any number of schedulers.
fn played<const G: u32>(stage: &Stage, script: &Script) -> Vec<Option<Puppet<0, G>>> {
    let mut whole: Option<Vec<u8>> = None;
    let mut agents = Vec::new();
    for schedulers in [1, 2, 4] {
        let stage = Stage { schedulers, space: Some(space()), ..stage.clone() };
        let (outcome, records) = stage.complete::<0, G>(script);
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        agents = outcome.agents;
    }
    agents
}

fn heard<const G: u32>(agents: &[Option<Puppet<0, G>>], id: usize) -> &[String] {
    &agents[id - 1].as_ref().unwrap().heard
}

#[test]
fn who_ends_or_begins_anew_leaves_the_space_and_who_goes_on_stays() {
    let stand = |agent: u64| Set(1, agent - 1, Some(0), vec![agent]);
    let script = Script::new([
        (0, 1, vec![stand(1), Set(0, 0, None, vec![1])]),
        (0, 2, vec![stand(2)]),
        (0, 3, vec![stand(3)]),
        (1, 4, vec![Look]),
        (2, 1, vec![Exit]),
        (2, 2, vec![Fail]),
        (3, 4, vec![Look]),
    ]);
    let agents = played::<0>(&Stage::default(), &script);
    let all = "tick 1: 0[1] []; 0[1, 0]@0 1[2, 0]@0 2[3, 0]@0 [[2, 1, 0]]";
    let left = "tick 3: 0[1] []; 2[3, 0]@0 [[2]]";
    assert_eq!(heard(&agents, 4), [all, left]);
    // It goes on, but for the one who is done.
    let agents = played::<1>(&Stage::default(), &script);
    assert_eq!(heard(&agents, 4)[1], "tick 3: 0[1] []; 1[2, 0]@0 2[3, 0]@0 [[2, 1]]");
    // A supervisor that stops all of them takes them out between the ticks.
    let tree = Some(supervised(4, flags(Restarts::OneForAll)));
    let agents = played::<0>(&Stage { tree, ..Stage::default() }, &script);
    assert_eq!(heard(&agents, 4), ["tick 3: 0[1] []; "].map(|text| format!("{text} []")));
}

#[test]
fn to_change_what_is_anothers_takes_the_right_to_send_to_it() {
    let script = Script::new([
        (0, 1, vec![Set(1, 1, Some(2), vec![5]), Set(0, 0, None, vec![3])]),
        (0, 3, vec![Clear(1, 0), Set(1, 2, None, vec![6]), Claim(0, 6, 1, None)]),
        (1, 4, vec![Look]),
    ]);
    let agents = played::<0>(&Stage::default(), &script);
    assert_eq!(heard(&agents, 4), ["tick 1: 0[3] []; 1[5, 0]@2 2[6, 0] [[1]]"]);
    assert_eq!(agents[2].as_ref().unwrap().denied, ["malformed_arguments"]);
    // Who may send to nobody changes nothing, its own slot included.
    let mute = Stage { rights: Rights::REMEMBER, ..Stage::default() };
    let agents = played::<0>(&mute, &script);
    assert_eq!(heard(&agents, 4), ["tick 1:  [];  []"]);
    assert_eq!(agents[0].as_ref().unwrap().denied.len(), 2);
    // Nor does anybody where there is nothing to see.
    let (outcome, _) = Stage::default().complete::<0, 0>(&script);
    assert_eq!(outcome.agents[0].as_ref().unwrap().denied.len(), 2);
    assert_eq!(outcome.agents[3].as_ref().unwrap().heard, ["tick 1: "]);
}

#[test]
fn newcomers_see_and_are_seen() {
    let born = vec![Set(1, 4, Some(1), vec![9]), Look, Send(1, vec![Look])];
    let script =
        Script::new([(0, 1, vec![Spawn(0, born), Set(0, 3, None, vec![1])]), (5, 2, vec![Look])]);
    let limits = Limits { outputs_per_step: 8, ..SPAWNING };
    let agents = played::<0>(&Stage { limits, ..Stage::default() }, &script);
    assert_eq!(heard(&agents, 5), ["tick 2: 3[1] [];  []"]);
    assert_eq!(heard(&agents, 2), ["tick 5: 3[1] []; 4[9, 0]@1 [[4]]"]);
}

#[test]
fn a_space_has_no_place_in_a_free_running_run_nor_beside_subjects() {
    let script = Script::new([(0, 1, vec![Add(1)])]);
    let free = Stage { schedule: Schedule::free(), space: Some(space()), ..Stage::default() };
    let (outcome, _) = free.play::<0, 0>(&script, recorder(&Disk::default()));
    assert!(matches!(outcome, Err(RunError::NotFree(_))));
    let subjects = sealed::subjects(&BTreeMap::from([(AgentId(1), 1)]), &[]);
    let sealed = Stage { subjects, space: Some(space()), ..Stage::default() };
    let (outcome, _) = sealed.play::<0, 0>(&script, recorder(&Disk::default()));
    assert!(matches!(outcome, Err(RunError::SpaceOfSubjects)));
}

/// Keeps what it was shown, and has seen enough when a slot holds this.
#[derive(Clone, Default)]
struct Diary {
    kept: Arc<Mutex<Vec<String>>>,
    enough: u64,
}

impl Observer for Diary {
    fn behind(&mut self, tick: Tick, space: &Space) -> bool {
        let first = space.layer(0).unwrap().word(0);
        self.kept.lock().unwrap().push(format!("{tick}: {first}"));
        first == self.enough
    }

    fn save(&self) -> Vec<u8> {
        self.kept.lock().unwrap().join("\n").into_bytes()
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        let lines = String::from_utf8_lossy(saved);
        *self.kept.lock().unwrap() = lines.lines().map(str::to_owned).collect();
        true
    }
}

#[test]
fn an_observer_sees_the_end_of_each_tick_and_may_end_the_run() {
    let script = Script::new(
        [0, 1, 4, 6].map(|tick| (tick, 1 + tick % 3, vec![Set(0, 0, None, vec![tick + 1])])),
    );
    for (enough, ticks, words) in [(0, 7, vec![1, 2, 2, 2, 5, 5, 7]), (5, 5, vec![1, 2, 2, 2, 5])] {
        for schedule in [Schedule::default(), Schedule::sequential_random(3)] {
            let diary = Diary { enough, ..Diary::default() };
            let made = diary.clone();
            let observer: MakeObserver = Arc::new(move || Box::new(made.clone()));
            let stage = Stage {
                schedule,
                space: Some(space()),
                observer: Some(observer),
                ..Stage::default()
            };
            let (outcome, _) = stage.complete::<0, 0>(&script);
            assert_eq!(outcome.ticks, ticks);
            let shown = |(tick, word)| format!("tick {tick}: {word}");
            let lines: Vec<_> = (0..).zip(&words).map(shown).collect();
            assert_eq!(*diary.kept.lock().unwrap(), lines);
        }
    }
}

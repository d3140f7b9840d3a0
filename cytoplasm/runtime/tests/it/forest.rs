//! Random trees and random lives: the run does, step by step, what the pure tree decides.
//!
//! The test's own tree hears what the log says ended, and each of its decisions is looked for in
//! the log.

mod model;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use karyon_arrangements::{Arrangement, ChildTerms};
use karyon_log::{
    Cause, CrashKind, Decision, End, LogError, Measure, Message, OrderVerb, Output, Record,
    Records, Walk,
};
use karyon_log_writer::Writer;
use karyon_runtime::processes::{Answer, Question, Refusal};
use karyon_runtime::{
    Chaos, Counts, ExitReason, Intensity, Limits, ROOT, Recorder, Restart, RunError,
};
use karyon_supervision::{
    Action, AutoShutdown, ChildId, ChildSpec, Event, Exit as Ending, Flags, Request, Shutdown,
    Spec, Strategy, Supervised, Tree,
};
use karyon_types::{AgentId, Tick};
use proptest::prelude::*;
use proptest::strategy::Strategy as Generate;

use self::model::{Model, ending_of};
use crate::asker::{Asker, order};
use crate::support::*;
use Order::{Add, After, Exit, ExitWith, Fail, Link, Monitor, Obey, Panic, Send, Trap};

pub const AGENTS: u64 = 6;
/// As many may come to life below dynamic supervisors.
const LATER: u64 = 5;
/// The number of the first supervisor below the root.
const SUPERVISORS: u64 = 100;

#[derive(Clone, Debug)]
struct Scenario {
    below: Supervised,
    script: Script,
    asked: Vec<(u64, Question)>,
    /// Which start of which agent fails, counted from 0.
    failing: BTreeSet<(u64, u32)>,
    chaos: f64,
}

fn restart() -> impl Generate<Value = Restart> {
    prop_oneof![
        3 => Just(Restart::Permanent),
        2 => Just(Restart::Transient),
        1 => Just(Restart::Temporary),
    ]
}

fn shutdown() -> impl Generate<Value = Shutdown> {
    prop_oneof![
        1 => Just(Shutdown::BrutalKill),
        4 => (0u64..4).prop_map(|ticks| Shutdown::Timeout { ticks }),
        1 => Just(Shutdown::Infinity),
    ]
}

fn flags() -> impl Generate<Value = Flags> {
    let strategy = prop_oneof![
        2 => Just(Strategy::OneForOne),
        3 => Just(Strategy::OneForAll),
        3 => Just(Strategy::RestForOne),
        2 => Just(Strategy::Dynamic),
    ];
    let most = prop_oneof![3 => Just(None), 1 => (1u64..4).prop_map(Some)];
    let auto_shutdown = prop_oneof![
        4 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant),
    ];
    (strategy, 0u64..6, 1u64..7, auto_shutdown, most).prop_map(
        |(strategy, restarts, period_ticks, auto_shutdown, max_children)| Flags {
            strategy,
            intensity: Intensity { restarts, period_ticks },
            auto_shutdown,
            max_children,
        },
    )
}

/// Who stands where: for each supervisor but the root, one before it; for each agent, any.
pub fn tree() -> impl Generate<Value = Supervised> {
    let supervisors =
        prop::collection::vec((flags(), restart(), any::<prop::sample::Index>()), 1..4);
    let agent = (restart(), shutdown(), any::<bool>(), any::<prop::sample::Index>());
    (supervisors, prop::collection::vec(agent, AGENTS as usize)).prop_map(
        |(supervisors, agents)| {
            let mut children = vec![Vec::new(); supervisors.len()];
            for (serial, (restart, shutdown, significant, place)) in (1..).zip(agents) {
                let place = place.index(supervisors.len());
                let significant = significant
                    && restart != Restart::Permanent
                    && supervisors[place].0.auto_shutdown != AutoShutdown::Never;
                let id = ChildId(serial);
                let spec = ChildSpec { id, arguments: 0, restart, shutdown, significant };
                children[place].push(Spec::Worker(spec));
            }
            for number in (1..supervisors.len()).rev() {
                let (flags, restart, place) = &supervisors[number];
                let below =
                    Supervised { flags: *flags, children: std::mem::take(&mut children[number]) };
                let spec = Spec::Supervisor {
                    id: ChildId(SUPERVISORS + number as u64),
                    restart: *restart,
                    significant: false,
                    below: Arc::new(below),
                };
                let above = place.index(number);
                // In the midst of the others.
                let at = children[above].len() / 2;
                children[above].insert(at, spec);
            }
            Supervised { flags: supervisors[0].0, children: std::mem::take(&mut children[0]) }
        },
    )
}

/// An agent that is to come to life below some supervisor, or below what is none.
fn child() -> impl Generate<Value = Vec<Order>> {
    let supervisor = prop_oneof![
        2 => Just(0),
        6 => SUPERVISORS + 1..SUPERVISORS + 4,
        1 => Just(2),
    ];
    let time = prop_oneof![Just(None), (0u64..4).prop_map(Some), Just(Some(u64::MAX))];
    let below = (0u8..3, time, prop_oneof![4 => Just(false), 1 => Just(true)]);
    let sum = prop_oneof![9 => 1u64..9, 1 => Just(NOBODY), 1 => Just(PANIC)];
    let told = prop_oneof![
        2 => Just(vec![Fail]),
        1 => Just(vec![Exit]),
        2 => Just(vec![Trap(true), After(3, vec![Add(1)])]),
        1 => Just(vec![Trap(true), Obey, After(2, vec![Fail])]),
        1 => (1..=AGENTS + LATER).prop_map(|to| vec![Link(to)]),
        1 => (AGENTS + 1..=AGENTS + LATER).prop_map(|who| vec![Order::Terminate(who)]),
    ];
    (supervisor, below, sum, told).prop_map(|(supervisor, below, sum, told)| {
        vec![Order::SpawnUnder(supervisor, below, sum, told)]
    })
}

fn deed() -> impl Generate<Value = Vec<Order>> {
    let agent = || 1..=AGENTS + LATER;
    prop_oneof![
        4 => Just(vec![Fail]),
        6 => child(),
        2 => agent().prop_map(|who| vec![Order::Terminate(who)]),
        2 => Just(vec![Add(1), Panic]),
        2 => Just(vec![Exit]),
        1 => Just(vec![ExitWith(ExitReason::Shutdown)]),
        1 => Just(vec![ExitWith(ExitReason::Killed)]),
        3 => any::<bool>().prop_map(|obeys| {
            if obeys { vec![Trap(true), Obey] } else { vec![Trap(true)] }
        }),
        1 => Just(vec![Trap(false)]),
        2 => agent().prop_map(|to| vec![Link(to)]),
        1 => agent().prop_map(|to| vec![Monitor(to)]),
        3 => agent().prop_map(|to| vec![Send(to, vec![Add(1)]), Send(to, vec![Fail])]),
        2 => (1u64..9).prop_map(|ticks| vec![After(ticks, vec![Add(1)])]),
    ]
}

fn scenario() -> impl Generate<Value = Scenario> {
    let lives = prop::collection::vec((0u64..25, 1..=AGENTS, deed()), 1..25);
    let verb = prop_oneof![
        Just(OrderVerb::Kill),
        Just(OrderVerb::Restart),
        Just(OrderVerb::Pause),
        Just(OrderVerb::Resume),
    ];
    let asked = prop::collection::vec((0u64..25, verb, 1..=AGENTS + LATER), 0..7);
    let failing = prop::collection::btree_set((1..=AGENTS + LATER, 1u32..5), 0..4);
    let chaos = prop_oneof![Just(0.0), Just(0.1)];
    (tree(), lives, asked, failing, chaos).prop_map(|(below, lives, asked, failing, chaos)| {
        // In the end all are resumed in each tick, or the run would wait for ever.
        let resumed = (25..60)
            .flat_map(|tick| (1..=AGENTS + LATER).map(move |who| (tick, OrderVerb::Resume, who)));
        let asked = asked.into_iter().chain(resumed);
        let asked = asked.map(|(tick, verb, who)| (tick, order(verb, who))).collect();
        // What is done to them ends behind the last input.
        let script = Script::new(lives.into_iter().chain([(25, 1, vec![Add(1)])]));
        Scenario { below, script, asked, failing, chaos }
    })
}

struct Played {
    records: Vec<u8>,
    error: Option<String>,
    counts: Counts,
    alive: Option<Vec<bool>>,
    answers: Vec<(u64, Question, Answer)>,
}

fn play<const G: u32>(
    scenario: &Scenario,
    schedulers: usize,
    asked: Vec<(u64, Question)>,
    disk: &Disk,
    recorder: Recorder,
) -> Played {
    let asker = Asker::new(scenario.script.clone(), asked);
    let desk = Some(asker.desk.clone());
    let tree = Some(scenario.below.clone());
    let chaos = Chaos::new(7, scenario.chaos);
    let limits = Limits { spawned: LATER, ..LIMITS };
    let stage = Stage { agents: AGENTS, schedulers, tree, desk, chaos, limits, ..Stage::default() };
    let (failing, starts) = (scenario.failing.clone(), Mutex::new(BTreeMap::new()));
    let begin = Arc::new(move |id: AgentId| {
        let mut starts = starts.lock().unwrap_or_else(|broken| broken.into_inner());
        let start = starts.entry(id.0).or_insert(0u32);
        let nth = *start;
        *start += 1;
        assert!(!failing.contains(&(id.0, nth)), "no start");
        Puppet::<0, G>::default()
    });
    let again = Arc::clone(&begin);
    let born: Born<Puppet<0, G>> = Arc::new(move |id, how: &[u8]| {
        let sum = u64::from_le_bytes(how.try_into().ok()?);
        assert_ne!(sum, PANIC, "as ordered");
        (sum != NOBODY).then(|| Puppet { sum, ..again(id) })
    });
    let init = move |id| begin(id);
    let (outcome, recorder) = stage.play_with(init, Some(born), asker.clone(), recorder);
    recorder.unwrap().close().unwrap();
    let answers = asker.answers();
    let records = records(disk).unwrap();
    match outcome {
        Ok(outcome) => {
            let alive = Some(outcome.agents.iter().map(Option::is_some).collect());
            Played { records, error: None, counts: outcome.counts, alive, answers }
        }
        Err(error) => {
            let is_expected = matches!(error, RunError::RootGaveUp { .. });
            assert!(is_expected, "{error}");
            let error = Some(error.to_string());
            Played { records, error, counts: Counts::default(), alive: None, answers }
        }
    }
}

fn end_of(disk: &Disk) -> Result<End, LogError> {
    let mut walk = Walk::new(Box::new(disk.clone()))?;
    while walk.next_group()?.is_some() {}
    Ok(walk.into_end())
}

/// A tick of the log.
struct Ticked<'a> {
    tick: Tick,
    framing: Vec<Record<'a>>,
    /// Who came to life, and by which output.
    born: VecDeque<(u64, Message)>,
    rest: Vec<Record<'a>>,
}

fn ticks(records: &[u8]) -> Vec<Ticked<'_>> {
    let mut ticks: Vec<Ticked<'_>> = Vec::new();
    for record in Records::new(records) {
        match record.unwrap() {
            Record::Tick(tick) => {
                let (framing, born, rest) = (Vec::new(), VecDeque::new(), Vec::new());
                ticks.push(Ticked { tick, framing, born, rest });
            }
            Record::Lease(lease) => {
                if let Some(by) = lease.cut.and_then(|cut| cut.by) {
                    ticks.last_mut().unwrap().born.push_back((lease.owner.0, by));
                }
            }
            record @ (Record::Supervised { .. } | Record::Order { .. }) => {
                ticks.last_mut().unwrap().framing.push(record);
            }
            record => {
                if let Some(last) = ticks.last_mut() {
                    last.rest.push(record);
                }
            }
        }
    }
    ticks
}

/// Goes through the log with the model.
fn agree(scenario: &Scenario, played: &Played, goes_on: bool) {
    let mut model = Model::new(scenario.below.clone(), goes_on);
    // By agent and step: how it ended then.
    let mut ends = BTreeMap::new();
    let mut ended: Vec<(u64, Ending)> = Vec::new();
    let mut tried = BTreeMap::new();
    let mut fails = |id: u64| {
        let nth: &mut u32 = tried.entry(id).or_default();
        *nth += 1;
        scenario.failing.contains(&(id, *nth - 1))
    };
    for ticked in ticks(&played.records) {
        // What was done behind the tick before stands in front of the orders.
        let mut framing = VecDeque::from(ticked.framing);
        take(&mut model, &mut framing, &mut ends);
        for (agent, exit) in std::mem::take(&mut ended) {
            model.hear(Event::Exited(ChildId(agent), exit));
        }
        model.terminate();
        model.see_to_overdue();
        assert!(model.log.is_empty(), "{} {:?}", ticked.tick, model.log);
        while let Some(record) = framing.pop_front() {
            let Record::Order { verb, agent, .. } = record else { panic!("{record:?}") };
            take(&mut model, &mut framing, &mut ends);
            match verb {
                OrderVerb::Pause => drop(model.paused.insert(agent.0)),
                OrderVerb::Resume => drop(model.paused.remove(&agent.0)),
                OrderVerb::Kill => {
                    assert!(model.alive.remove(&agent.0), "who is gone cannot be killed");
                    model.paused.remove(&agent.0);
                }
                OrderVerb::Restart => model.ask_for_restart(agent.0),
                OrderVerb::Fork => panic!("nobody forks here"),
            }
            assert!(model.log.is_empty(), "{} {:?}", ticked.tick, model.log);
        }
        let mut born = ticked.born;
        model.add(&mut born, &mut fails);
        model.now = ticked.tick;
        let mut rest = ticked.rest.into_iter().peekable();
        while let Some(record) = rest.next() {
            let end = match record {
                Record::Crash { decision: Decision::Redelivered, .. } => None,
                Record::Crash { agent, step, kind, decision, .. } => {
                    assert_eq!(decision, Decision::LeftToSupervisor);
                    let exit = match kind {
                        CrashKind::Panic | CrashKind::Error | CrashKind::Chaos => {
                            if model.goes_on {
                                let begun = model.begun_above(agent.0);
                                model.resting.insert(agent.0, begun);
                            }
                            Ending::Failure
                        }
                        CrashKind::Order => Ending::Killed,
                        CrashKind::Link => match rest.peek() {
                            Some(Record::DeadLetter { cause: Cause::Exit(by), .. }) => {
                                ends.get(&(by.from, by.step)).copied().unwrap_or(Ending::Failure)
                            }
                            other => panic!("{other:?}"),
                        },
                    };
                    Some((agent, step, exit, kind))
                }
                Record::Step { agent, step, outputs, .. } => {
                    assert!(model.alive.contains(&agent.0), "{agent} acts and is gone");
                    let mut exit = None;
                    for (index, output) in (0..).zip(&outputs) {
                        let by = Message { from: agent, step, output: index };
                        match output {
                            Output::Exit => exit = Some(Ending::Normal),
                            Output::Arranged { what, .. } => match Arrangement::decode(what) {
                                Some(Arrangement::TrapExit(true)) => {
                                    model.traps.insert(agent.0);
                                }
                                Some(Arrangement::TrapExit(false)) => {
                                    model.traps.remove(&agent.0);
                                }
                                Some(Arrangement::SpawnUnder {
                                    supervisor, child, how, ..
                                }) => {
                                    let is_none = |no: u64| how == no.to_le_bytes();
                                    let fit = !is_none(NOBODY) && !is_none(PANIC);
                                    model.asked.push((by, supervisor, child, fit));
                                }
                                Some(Arrangement::Terminate(child)) => {
                                    model.terminated.push(child.0);
                                }
                                Some(Arrangement::Exit(reason)) => exit = Some(ending_of(&reason)),
                                _ => {}
                            },
                            _ => {}
                        }
                    }
                    exit.map(|exit| (agent, step, exit, CrashKind::Error))
                }
                _ => None,
            };
            if let Some((agent, step, exit, kind)) = end {
                let was = model.alive.remove(&agent.0);
                assert_eq!(was, kind != CrashKind::Order, "{agent} ends once");
                ends.insert((agent, step), exit);
                ended.push((agent.0, exit));
            }
        }
    }
    // What ends in the last tick is followed by another, if anything came of it.
    for (agent, exit) in ended {
        model.hear(Event::Exited(ChildId(agent), exit));
    }
    model.terminate();
    match &played.alive {
        Some(alive) => {
            let expected: Vec<_> =
                (1..=AGENTS + model.later).map(|id| model.alive.contains(&id)).collect();
            assert_eq!(alive, &expected);
            assert!(model.overdue.is_empty());
        }
        None => assert!(model.ended && model.tree.gave_up() == Some(ROOT)),
    }
}

/// Takes what supervisors did from the beginning of the framing.
fn take(
    model: &mut Model,
    framing: &mut VecDeque<Record<'_>>,
    ends: &mut BTreeMap<(AgentId, u64), Ending>,
) {
    while let Some(Record::Supervised { agent, step, measure }) = framing.front() {
        match measure {
            Measure::Asked | Measure::Ended => drop(ends.insert((*agent, *step), Ending::Shutdown)),
            Measure::Killed => drop(ends.insert((*agent, *step), Ending::Killed)),
            Measure::Started | Measure::NotStarted | Measure::Continued => {}
        }
        model.log.push_back((agent.0, *measure));
        framing.pop_front();
    }
}

fn log_of(bytes: &[u8], per_block: usize) -> Disk {
    crate::repeating::log_of(bytes, per_block)
}

fn check<const G: u32>(scenario: &Scenario) {
    let mut first: Option<Played> = None;
    for schedulers in [1, 2, 3] {
        let disk = Disk::default();
        let asked = scenario.asked.clone();
        let played = play::<G>(scenario, schedulers, asked, &disk, recorder(&disk));
        if let Some(first) = &first {
            assert_eq!(first.records, played.records, "{schedulers} schedulers");
            assert_eq!(first.error, played.error);
        } else {
            agree(scenario, &played, G > 0);
            first = Some(played);
        }
    }
    let whole = first.unwrap();
    let counts = whole.counts;
    let lost = counts.denied + counts.refused + counts.dead_lettered;
    assert_eq!(counts.sent, counts.delivered + lost);
    // What was refused is not asked again: behind another order it might be carried out.
    let done: Vec<_> = (0..)
        .zip(crate::repeating::ticks(&whole.records))
        .flat_map(|(tick, orders)| orders.into_iter().map(move |order| (tick, order)))
        .collect();
    // Some cuts a case, each at another place in the next.
    let count = Records::new(&whole.records).count();
    for kept in (count % 7..=count).step_by(1 + count / 8) {
        let mut cut = Records::new(&whole.records);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole.records[..whole.records.len() - cut.rest().len()];
        let disk = log_of(prefix, 1 + kept % 5);
        let end = end_of(&disk).unwrap();
        let walk = Walk::new(Box::new(disk.clone())).unwrap();
        let writer =
            Writer::start(Box::new(disk.clone()), &header(), key(), 2, end.clone()).unwrap();
        let recorder = Recorder::resuming(Some(writer), walk, &end);
        let again = crate::repeating::not_recorded(done.clone(), prefix);
        let played = play::<G>(scenario, 1 + kept % 3, again, &disk, recorder);
        assert_eq!(played.records, whole.records, "{kept} records kept");
        assert_eq!(played.error, whole.error);
        for (_, _, answer) in played.answers {
            assert!(!matches!(answer, Answer::Refused(Refusal::Busy)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_run_does_what_the_pure_tree_decides(scenario in scenario()) {
        check::<0>(&scenario);
    }

    #[test]
    fn and_so_it_does_with_agents_that_go_on_from_their_last_good_state(scenario in scenario()) {
        check::<1>(&scenario);
    }
}

//! Free-running: no order of the whole, but one in the log, which a replay follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use karyon_arrangements::Lane;
use karyon_gate::Rights;
use karyon_log::{Cause, Message, Output, Record, Records, Walk};
use karyon_runtime::processes::OrderVerb::{Fork, Kill, Pause, Restart, Resume};
use karyon_runtime::processes::{Desk, OrderVerb};
use karyon_runtime::{
    Asked, Chaos, EveryTick, ExitReason, Intensity, Limits, Outcome, Prefix, Recaller, Recorder,
    RunError, Schedule, Shed, Watch, add_state,
};
use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Flags, Shutdown, Spec, Strategy as Restarts, Supervised,
};
use karyon_types::{AgentId, Hasher, Tick};
use proptest::prelude::*;

use crate::asker::{Asker, order};
use crate::following::busy;
use crate::repeating::{end_of, log_of};
use crate::support::*;
use Order::{
    Add, After, Cancel, Demonitor, Every, Exit, ExitWith, Fail, Hang, Link, Monitor, Panic, Recall,
    Say, SayIn, Send, SendIn, Spawn, Trap, Unlink,
};

const ROOMY: Limits = Limits { messages_per_tick: 10_000, ..LIMITS };

pub fn stage(schedulers: usize) -> Stage {
    Stage {
        agents: 11,
        schedulers,
        schedule: Schedule::free(),
        intensity: Intensity { restarts: 100_000, period_ticks: 10 },
        limits: ROOMY,
        rights: Stage::default().rights.and(Rights::RECALL),
        recaller: Some(Arc::new(|| Box::new(Upto))),
        ..Stage::default()
    }
}

/// A memory that says up to where it was asked.
struct Upto;

impl Recaller for Upto {
    fn answer(&mut self, prefix: Prefix, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
        Ok(format!("{:?} {prefix:?}", asked.about).into_bytes())
    }
}

fn root<const R: u8, const G: u32>(outcome: &Outcome<Puppet<R, G>>) -> String {
    let names: Vec<_> = (1..12).map(|n| n.to_string()).collect();
    let mut hasher = Hasher::for_domain("test");
    add_state(outcome, &names, &mut hasher);
    hasher.finish().to_string()
}

/// Repeats all that a disk holds.
pub fn replay<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
    disk: &Disk,
) -> Result<Outcome<Puppet<R, G>>, RunError> {
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let recorder = Recorder::resuming(None, walk, &end_of(disk).unwrap());
    stage.play(script, recorder).0
}

/// Goes on behind what a disk holds, to the end.
fn go_on<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
    disk: &Disk,
) -> Result<Outcome<Puppet<R, G>>, RunError> {
    let (outcome, recorder) = stage.play(script, resuming(disk));
    recorder.unwrap().close().unwrap();
    outcome
}

/// Runs to the end, on a disk.
pub fn live<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
) -> (Outcome<Puppet<R, G>>, Disk) {
    let disk = Disk::default();
    let (outcome, recorder) = stage.play(script, recorder(&disk));
    recorder.unwrap().close().unwrap();
    (outcome.unwrap(), disk)
}

/// Whether each record lies behind what caused it, and no message is handled or lost twice.
fn check_causes(bytes: &[u8]) {
    let (mut made, mut used, mut steps) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let mut use_up = |made: &BTreeSet<Message>, agent: AgentId, cause: Cause| {
        let by = match cause {
            Cause::Message(m) | Cause::Timer(m) | Cause::Denial(m) | Cause::Told(m) => m,
            Cause::Input(_) | Cause::Down(_) | Cause::Exit(_) | Cause::Spawn(_) => return,
        };
        assert!(made.contains(&by), "{agent} handles {cause:?}, which nobody has sent");
        if let Cause::Message(_) = cause {
            assert!(used.insert(by), "{agent} handles {cause:?} twice");
        }
    };
    for record in Records::new(bytes) {
        match record.unwrap() {
            Record::Step { agent, step, cause, outputs } => {
                use_up(&made, agent, cause);
                let next = steps.entry(agent).or_insert(0);
                assert!(step >= *next, "{agent}: {step} behind {next}");
                *next = step + 1;
                for (number, output) in outputs.iter().enumerate() {
                    if !matches!(output, Output::Exit) {
                        let output = number as u16;
                        made.insert(Message { from: agent, step, output });
                    }
                }
            }
            Record::DeadLetter { agent, cause, .. } => use_up(&made, agent, cause),
            _ => {}
        }
    }
}

#[track_caller]
fn check_counts<A>(outcome: &Outcome<A>) {
    let counts = outcome.counts;
    assert_eq!(
        counts.sent,
        counts.delivered + counts.denied + counts.refused + counts.dead_lettered
    );
}

#[test]
fn what_is_sent_arrives_and_a_replay_agrees() {
    let relay = (1..12).rev().fold(vec![Add(1)], |orders, agent| vec![Send(agent, orders), Add(1)]);
    let script =
        Script::new([(0, 3, relay.clone()), (0, 9, relay), (2, 1, vec![Say(2, "?".into())])]);
    for schedulers in [1, 2, 4] {
        let stage = stage(schedulers);
        let (outcome, disk) = live::<0, 0>(&stage, &script);
        check_counts(&outcome);
        let records = records(&disk).unwrap();
        check_causes(&records);
        let again = replay::<0, 0>(&stage, &script, &disk).unwrap();
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
    }
}

fn orders(depth: u32) -> impl Strategy<Value = Vec<Order>> {
    let leaf = prop::collection::vec((1u64..50).prop_map(Add), 0..3);
    leaf.prop_recursive(depth, 24, 3, |inner| {
        prop::collection::vec(
            prop_oneof![
                6 => (1u64..13, inner.clone()).prop_map(|(to, orders)| Send(to, orders)),
                2 => (1u64..50).prop_map(Add),
                1 => Just(Fail),
                1 => Just(Panic),
                2 => (1u64..6, inner.clone()).prop_map(|(ticks, orders)| After(ticks, orders)),
                1 => (1u64..6, inner).prop_map(|(ticks, orders)| Every(ticks, orders)),
                4 => life(),
            ],
            0..4,
        )
    })
}

/// Bonds, ends, and what takes timers back.
fn life() -> impl Strategy<Value = Order> {
    let reason = prop::sample::select(vec![
        ExitReason::Normal,
        ExitReason::Shutdown,
        ExitReason::failure("tired"),
    ]);
    prop_oneof![
        2 => (1u64..13).prop_map(Monitor),
        2 => (1u64..13).prop_map(Link),
        1 => (1u64..13).prop_map(Demonitor),
        1 => (1u64..13).prop_map(Unlink),
        1 => any::<bool>().prop_map(Trap),
        1 => (0u64..4, 0u16..3).prop_map(|(step, output)| Cancel(step, output)),
        1 => reason.prop_map(ExitWith),
        1 => (0u64..13).prop_map(|about| Recall(about, "?".into())),
    ]
}

pub fn script() -> impl Strategy<Value = Script> {
    prop::collection::vec((0u64..6, 1u64..12, orders(4)), 1..12).prop_map(Script::new)
}

/// A run of random orders, in which intervals end because leases do.
fn wild(schedulers: usize, seed: u64, chaos: f64, virtual_time: bool) -> Stage {
    Stage {
        chaos: Chaos::new(seed, chaos),
        expires: (1..12).map(|agent| (AgentId(agent), Tick(9 + agent % 4))).collect(),
        virtual_time,
        ..stage(schedulers)
    }
}

/// Whatever happens in it, its replay agrees, and wherever its log is cut it goes on to an end that
/// its replay agrees with.
fn check<const R: u8, const G: u32>(stage: &Stage, script: &Script, cuts: usize) {
    let (outcome, disk) = live::<R, G>(stage, script);
    check_counts(&outcome);
    let whole = records(&disk).unwrap();
    check_causes(&whole);
    for schedulers in [1, 3] {
        let again = replay::<R, G>(&Stage { schedulers, ..stage.clone() }, script, &disk).unwrap();
        assert_eq!(again.agents, outcome.agents);
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
        assert_eq!(again.ticks, outcome.ticks);
    }
    let count = Records::new(&whole).count();
    for kept in (0..count).step_by(1 + count / cuts) {
        let mut cut = Records::new(&whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        let disk = log_of(prefix, 1 + kept % 7);
        let outcome = go_on::<R, G>(stage, script, &disk).unwrap();
        check_counts(&outcome);
        let all = records(&disk).unwrap();
        assert_eq!(&all[..prefix.len()], prefix);
        check_causes(&all);
        let again = replay::<R, G>(stage, script, &disk).unwrap();
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_run_is_confirmed_and_goes_on_wherever_it_was_cut(
        script in script(),
        seed: u64,
        schedulers in prop::sample::select(vec![1usize, 2, 4]),
        virtual_time: bool,
    ) {
        for chaos in [0.0, 0.2] {
            let stage = wild(schedulers, seed, chaos, virtual_time);
            check::<0, 0>(&stage, &script, 12);
            check::<0, 3>(&stage, &script, 12);
            check::<2, 0>(&stage, &script, 6);
        }
    }
}

/// What puppets of a random family do.
fn family(depth: u32) -> impl Strategy<Value = Vec<Order>> {
    let leaf = prop::collection::vec((1u64..50).prop_map(Add), 0..3);
    leaf.prop_recursive(depth, 24, 3, |inner| {
        let lane = prop::sample::select(vec![Lane::Critical, Lane::Normal, Lane::Speculative]);
        let one = prop_oneof![
            6 => (1u64..50, inner.clone()).prop_map(|(sum, orders)| Spawn(sum, orders)),
            1 => prop::sample::select(vec![NOBODY, PANIC]).prop_map(|sum| Spawn(sum, vec![])),
            4 => (1u64..24, inner.clone()).prop_map(|(to, orders)| Send(to, orders)),
            3 => (lane, 1u64..24, inner.clone())
                .prop_map(|(lane, to, orders)| SendIn(lane, to, orders)),
            2 => (1u64..4, inner).prop_map(|(ticks, orders)| After(ticks, orders)),
            2 => life(),
            1 => Just(Fail),
            1 => Just(Panic),
            1 => Just(Exit),
        ];
        prop::collection::vec(one, 0..5)
    })
}

/// One supervisor that never gives up.
fn tree(agents: u64, strategy: Restarts) -> Supervised {
    let intensity = Intensity { restarts: u64::MAX, period_ticks: 1 };
    let flags =
        Flags { strategy, intensity, auto_shutdown: AutoShutdown::Never, max_children: None };
    let worker = |id| {
        Spec::Worker(ChildSpec {
            id: ChildId(id),
            arguments: 0,
            restart: karyon_runtime::Restart::Permanent,
            shutdown: Shutdown::Timeout { ticks: 3 },
            significant: false,
        })
    };
    Supervised { flags, children: (1..=agents).map(worker).collect() }
}

/// Gives these orders while a run runs, and lets all go on again until it ends.
fn meddle<T>(desk: &Arc<Desk>, orders: &[(OrderVerb, u64)], run: impl FnOnce() -> T) -> T {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (verb, agent) in orders {
                while desk.put(order(*verb, *agent)).is_err() && !over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_micros(50));
                }
                std::thread::sleep(Duration::from_micros(300));
            }
            while !over.load(Ordering::SeqCst) {
                (1..24).for_each(|agent| drop(desk.put(order(Resume, agent))));
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let _over = Over(&over);
        run()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn with_orders_families_trees_and_full_mailboxes_its_replay_agrees(
        entries in prop::collection::vec((0u64..12, 1u64..8, family(4)), 1..10),
        given in prop::collection::vec(
            (prop::sample::select(vec![Pause, Resume, Kill, Restart, Fork]), 1u64..12), 0..20),
        strategy in prop::option::of(prop::sample::select(vec![
            Restarts::OneForOne, Restarts::OneForAll, Restarts::RestForOne, Restarts::Dynamic])),
        bound in prop_oneof![Just(10_000u64), 1u64..4],
        seed: u64,
        schedulers in prop::sample::select(vec![1usize, 2, 4]),
    ) {
        let limits = Limits {
            spawned: 30,
            forks: 8,
            messages_per_tick: bound,
            shed: Some(Shed { speculative: bound.div_ceil(2), critical: 1 }),
            ..LIMITS
        };
        let script = Script::new(entries);
        let stage = Stage {
            agents: 7,
            limits,
            rights: Stage::default().rights.and(Rights::CRITICAL).and(Rights::RECALL),
            tree: strategy.map(|strategy| tree(7, strategy)),
            desk: Some(Arc::default()),
            expires: (1..8).map(|agent| (AgentId(agent), Tick(20 + agent % 4))).collect(),
            ..wild(schedulers, seed, 0.1, false)
        };
        let desk = stage.desk.clone().unwrap();
        let (outcome, disk) = meddle(&desk, &given, || live::<0, 3>(&stage, &script));
        check_counts(&outcome);
        let whole = records(&disk).unwrap();
        check_causes(&whole);
        for schedulers in [1, 3] {
            let stage = Stage { schedulers, desk: None, ..stage.clone() };
            let again = replay::<0, 3>(&stage, &script, &disk).unwrap();
            prop_assert_eq!(&again.agents, &outcome.agents);
            prop_assert_eq!(again.counts, outcome.counts);
        }
        let count = Records::new(&whole).count();
        for kept in (0..count).step_by(1 + count / 6) {
            let mut cut = Records::new(&whole);
            (0..kept).for_each(|_| assert!(cut.pass()));
            let prefix = &whole[..whole.len() - cut.rest().len()];
            let disk = log_of(prefix, 1 + kept % 7);
            let outcome = meddle(&desk, &[], || go_on::<0, 3>(&stage, &script, &disk)).unwrap();
            check_counts(&outcome);
            let all = records(&disk).unwrap();
            prop_assert_eq!(&all[..prefix.len()], prefix);
            check_causes(&all);
            let stage = Stage { desk: None, ..stage.clone() };
            let again = replay::<0, 3>(&stage, &script, &disk).unwrap();
            prop_assert_eq!(again.counts, outcome.counts);
            prop_assert_eq!(&again.agents, &outcome.agents);
        }
    }
}

#[test]
fn a_run_on_one_scheduler_with_virtual_time_does_the_same_again() {
    let stage = Stage { virtual_time: true, chaos: Chaos::new(3, 0.1), ..stage(1) };
    let (one, first) = live::<0, 3>(&stage, &busy());
    let (other, second) = live::<0, 3>(&stage, &busy());
    assert_eq!(records(&first).unwrap(), records(&second).unwrap());
    assert_eq!(one.agents, other.agents);
}

#[test]
fn messages_of_one_agent_to_another_keep_their_order() {
    // Each of ten sends the eleventh numbers that rise, while all are about something.
    let count = 60u64;
    let mut entries = Vec::new();
    for at in 0..count {
        for from in 1..11u64 {
            entries.push((
                at / 20,
                from,
                vec![Send(11, vec![Add(at)]), Send(from % 10 + 1, vec![])],
            ));
        }
    }
    for schedulers in [1, 2, 4] {
        let (outcome, disk) = live::<0, 0>(&stage(schedulers), &Script::new(entries.clone()));
        check_counts(&outcome);
        let mut last = BTreeMap::new();
        let bytes = records(&disk).unwrap();
        for record in Records::new(&bytes) {
            if let Some(Record::Step { agent, cause: Cause::Message(m), .. }) = record {
                let before = last.insert((m.from, agent), (m.step, m.output));
                assert!(before < Some((m.step, m.output)), "{m:?} behind {before:?}");
            }
        }
    }
}

#[test]
fn a_full_mailbox_refuses_and_tells_and_the_replay_agrees() {
    let many = (0..8).map(|_| Say(2, "?".into())).collect::<Vec<_>>();
    let burst = |lane| vec![SayIn(lane, 2, "?".into()), SayIn(lane, 2, "?".into())];
    // The second is paused: what it is sent waits.
    let script = Script::new([
        (3, 1, many),
        (6, 3, burst(Lane::Speculative)),
        (6, 4, burst(Lane::Critical)),
        (400, 1, vec![]),
    ]);
    for schedulers in [1, 2] {
        let limits = Limits {
            messages_per_tick: 5,
            shed: Some(Shed { speculative: 2, critical: 1 }),
            ..LIMITS
        };
        let orders = [(0, order(Pause, 2)), (300, order(Kill, 2))];
        let asker = Asker::new(script.clone(), orders);
        let stage = Stage {
            limits,
            agents: 4,
            virtual_time: true,
            desk: Some(Arc::clone(&asker.desk)),
            rights: Stage::default().rights.and(Rights::CRITICAL),
            ..stage(schedulers)
        };
        let disk = Disk::default();
        let (outcome, recorder) = stage.play_from::<2, 0>(asker, recorder(&disk));
        recorder.unwrap().close().unwrap();
        let outcome = outcome.unwrap();
        check_counts(&outcome);
        let denied = |agent: usize| &outcome.agents[agent].as_ref().unwrap().denied;
        assert_eq!(denied(0), &vec!["mailbox_full by 2".to_owned(); 3]);
        assert_eq!(denied(2), &vec!["lane_closed by 2".to_owned(); 2]);
        assert_eq!(denied(3), &vec!["mailbox_full by 2".to_owned()]);
        assert_eq!((outcome.counts.refused, outcome.counts.dead_lettered), (6, 6));
        let stage = Stage { desk: None, ..stage };
        let again = replay::<2, 0>(&stage, &script, &disk).unwrap();
        assert_eq!((again.counts, &again.agents), (outcome.counts, &outcome.agents));
    }
}

#[test]
fn no_timer_fires_before_its_time_and_an_idle_run_sleeps() {
    let script = Script::new([(0, 1, vec![After(300, vec![Add(1)]), After(20, vec![Add(1)])])]);
    for schedulers in [1, 2] {
        let began = Instant::now();
        let (outcome, disk) = live::<0, 0>(&stage(schedulers), &script);
        assert!(began.elapsed() >= Duration::from_millis(299), "{:?}", began.elapsed());
        let mut now = 0;
        let mut fired = Vec::new();
        let bytes = records(&disk).unwrap();
        for record in Records::new(&bytes) {
            match record.unwrap() {
                Record::Tick(tick) => {
                    assert!(tick.0 >= now);
                    now = tick.0;
                }
                Record::Step { cause: Cause::Timer(m), .. } => fired.push((m.output, now)),
                _ => {}
            }
        }
        assert_eq!(fired.iter().map(|(output, _)| *output).collect::<Vec<_>>(), [1, 0]);
        assert!(fired[0].1 >= 20 && fired[1].1 >= 300, "{fired:?}");
        assert!(outcome.ticks >= 300);
        // It looked at nothing in between: few epochs.
        let ticks = Records::new(&bytes).filter(|r| matches!(r, Some(Record::Tick(_)))).count();
        assert!(ticks < 12, "{ticks}");
    }
}

#[test]
fn what_a_paused_agent_is_answered_waits_and_the_run_with_it() {
    let script = Script::new((0..40).map(|ms| (ms, 1, vec![Recall(1, "what".into())])));
    let desk = Arc::new(Desk::default());
    let stage = Stage { desk: Some(Arc::clone(&desk)), ..stage(2) };
    let put = |verb| while desk.put(order(verb, 1)).is_err() {};
    let disk = Disk::default();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            put(Resume);
            std::thread::sleep(Duration::from_millis(10));
            put(Pause);
            std::thread::sleep(Duration::from_millis(10));
            put(Resume);
        });
        stage.play_from::<0, 0>(Arc::new(script.clone()), recorder(&disk)).0.unwrap()
    });
    let answered = outcome.agents[0].as_ref().unwrap().heard.len() as u64;
    // What came while it was paused is asked at once, and may be more than has room.
    assert_eq!(answered + outcome.counts.unarranged, 40, "each is answered once");
    assert!(answered >= 20, "{answered}");
}

#[test]
fn inputs_for_all_at_once_are_refused() {
    let inputs = Arc::new(EveryTick::new(4, 3).unwrap());
    let disk = Disk::default();
    let (outcome, _) = stage(1).play_from::<0, 0>(inputs, recorder(&disk));
    let words = outcome.map(drop).unwrap_err().to_string();
    assert!(words.contains("has no inputs for all agents at once"), "{words}");
}

#[test]
fn a_step_that_does_not_return_ends_the_run_and_what_was_recorded_before_is_kept() {
    for (schedulers, hang) in [(1, 16), (2, 17), (4, 18)] {
        let _released = Released(hang);
        let told = Arc::new(Mutex::new(Vec::new()));
        let watch = Watch {
            limit: Duration::from_millis(400),
            told: {
                let told = Arc::clone(&told);
                Arc::new(move |stuck| told.lock().unwrap().push(stuck.agent))
            },
        };
        let script = Script::new([
            (0, 1, vec![Send(5, vec![Add(1)])]),
            (20, 2, vec![Send(9, vec![Hang(hang)])]),
        ]);
        let stage = Stage { watch: Some(watch), ..stage(schedulers) };
        let disk = Disk::default();
        let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
        recorder.unwrap().close().unwrap();
        let error = outcome.map(drop).unwrap_err();
        assert!(matches!(error, RunError::Stuck(_)), "{error}");
        assert_eq!(*told.lock().unwrap(), [AgentId(9)]);
        let words = in_words(&records(&disk).unwrap());
        assert!(words.iter().any(|word| word.starts_with("agent 5 step 0 on 1.0.0")), "{words:?}");
        assert!(words.iter().all(|word| !word.starts_with("agent 9")), "{words:?}");
    }
}

/// Should a scheduler die, nobody waits for it.
#[test]
fn a_failure_of_the_runtime_itself_ends_all_schedulers() {
    for schedulers in [1, 2, 4] {
        let begun = AtomicUsize::new(0);
        let init = move |id: AgentId| {
            // What panics is its second beginning, in the middle of an epoch.
            assert!(id.0 != 5 || begun.fetch_add(1, Ordering::SeqCst) == 0, "as ordered");
            Puppet::<0, 0>::default()
        };
        let script = Script::new([(3, 5, vec![Send(1, vec![]), Fail]), (3, 5, vec![Fail])]);
        let disk = Disk::default();
        let (outcome, _) = stage(schedulers).play_as(init, Arc::new(script), recorder(&disk));
        assert!(matches!(outcome.map(drop), Err(RunError::Runtime(_))));
    }
}

/// A signal that ends the run at a moment of its own: what waits then is handled by the next.
#[test]
fn interrupted_at_any_moment_nothing_is_lost_and_the_whole_is_confirmed() {
    for (schedulers, after) in (0..24u64).map(|n| (1 + n as usize % 4, n * 37)) {
        let interrupt = Arc::new(AtomicUsize::new(0));
        let rounds = (0..2_000u64).map(|n| {
            (n % 3, 1 + n % 11, vec![Send(1 + n * 5 % 11, vec![Send(1 + n % 11, vec![Add(1)])])])
        });
        let script = Script::new(rounds);
        let first = Stage { interrupt: Arc::clone(&interrupt), ..stage(schedulers) };
        let disk = Disk::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(after * 10));
                interrupt.store(15, Ordering::SeqCst);
            });
            let (outcome, recorder) = first.play::<0, 0>(&script, recorder(&disk));
            recorder.unwrap().close().unwrap();
            outcome.unwrap();
        });
        let stage = stage(5 - schedulers);
        let outcome = go_on::<0, 0>(&stage, &script, &disk).unwrap();
        check_counts(&outcome);
        assert_eq!(outcome.counts.delivered, 4_000);
        let sum: u64 = outcome.agents.iter().flatten().map(|puppet| puppet.sum).sum();
        assert_eq!(sum, 2_000);
        let again = replay::<0, 0>(&stage, &script, &disk).unwrap();
        assert_eq!((root(&again), again.counts), (root(&outcome), outcome.counts));
    }
}

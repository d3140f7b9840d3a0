//! Snapshots: a run that goes on from one does what the whole run did, wherever it was cut, with
//! any number of schedulers; and the same moment gives the same bytes for any number of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use karyon_gate::Rights;
use karyon_log::{Lane as Lanes, Records, Target, Verb, Walk};
use karyon_runtime::processes::OrderVerb::{Fork, Kill, Pause, Restart, Resume};
use karyon_runtime::processes::Question;
use karyon_runtime::{
    Change, Chaos, Every, ExitReason, Intensity, Keep, Lane, Limits, Outcome, Recorder, RunError,
    Schedule, Shed, Snapshot, Snapshots, Start, add_state,
};
use karyon_supervision::{Flags, Strategy as Restarts, Supervised};
use karyon_types::{AgentId, Hash, Hasher, Tick};
use proptest::prelude::*;

use crate::asker::{Asker, order};
use crate::forest::{AGENTS, tree};
use crate::recalls::Echo;
use crate::repeating::{log_of, not_recorded, ticks};
use crate::schedules::schedules;
use crate::sealed;
use crate::spaces;
use crate::support::*;
use crate::trees::{flags, supervised};

/// Keeps all of them.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<Snapshot>>>);

impl Keep for Kept {
    fn keep(&self, snapshot: &Snapshot) -> io::Result<()> {
        self.0.lock().unwrap().push(snapshot.clone());
        Ok(())
    }
}

impl Kept {
    pub fn every_tick(&self) -> Option<Snapshots> {
        Some(Snapshots { every: Every::Ticks(1), keep: Arc::new(self.clone()) })
    }

    pub fn all(&self) -> Vec<Snapshot> {
        self.0.lock().unwrap().clone()
    }
}

pub fn start(snapshot: &Snapshot) -> Start {
    let snapshot = snapshot.clone();
    Box::new(move || Some(snapshot))
}

/// A run in which everything may happen.
#[derive(Clone, Debug)]
pub struct Case {
    pub script: Script,
    pub asked: Vec<(u64, Question)>,
    changes: Vec<Change>,
    schedule: Schedule,
    chaos: f64,
    seed: u64,
    limits: Limits,
    intensity: Intensity,
    above: Option<Supervised>,
    /// Who belongs to whom.
    pub subjects: BTreeMap<AgentId, u64>,
}

impl Case {
    pub fn stage(&self, schedulers: usize, asker: &Asker<Script>, kept: &Kept) -> Stage {
        Stage {
            agents: AGENTS,
            schedulers,
            schedule: self.schedule,
            small_tick: 3,
            chaos: Chaos::new(self.seed, self.chaos),
            intensity: self.intensity,
            limits: self.limits,
            // Intervals end with what allows them.
            expires: (1..=AGENTS).map(|agent| (AgentId(agent), Tick(12 + agent % 4))).collect(),
            changes: self.changes.clone(),
            tree: self.above.clone(),
            rights: Stage::default().rights.and(Rights::CRITICAL).and(Rights::RECALL),
            recaller: Some(Arc::new(|| Box::new(Echo))),
            desk: Some(asker.desk.clone()),
            snapshots: kept.every_tick(),
            subjects: sealed::subjects(&self.subjects, &[]),
            // What all see cannot be sealed.
            space: self.subjects.is_empty().then(spaces::space),
            ..Stage::default()
        }
    }
}

pub struct Played<const G: u32> {
    /// Or how it failed.
    pub outcome: Result<Outcome<Puppet<0, G>>, String>,
    pub records: Vec<u8>,
    kept: Vec<Snapshot>,
}

fn root<const G: u32>(outcome: &Outcome<Puppet<0, G>>) -> Hash {
    let names: Vec<_> = (1..=AGENTS).map(|n| n.to_string()).collect();
    let mut hasher = Hasher::for_domain("test");
    add_state(outcome, &names, &mut hasher);
    hasher.finish()
}

/// The run's own records, without those about the node.
pub fn run_records(disk: &Disk) -> Vec<u8> {
    let mut walk = Walk::new(Box::new(disk.clone())).unwrap();
    let mut bytes = Vec::new();
    while let Some(blocks) = walk.next_group().unwrap() {
        let blocks = blocks.iter().filter(|block| block.header.lane == Lanes::Ticks);
        blocks.for_each(|block| bytes.extend_from_slice(&block.body));
    }
    bytes
}

pub fn play<const G: u32>(
    case: &Case,
    schedulers: usize,
    asked: Vec<(u64, Question)>,
    disk: &Disk,
    recorder: Recorder,
) -> Played<G> {
    let asker = Asker::new(case.script.clone(), asked);
    let kept = Kept::default();
    let (outcome, recorder) =
        case.stage(schedulers, &asker, &kept).play_from(asker.clone(), recorder);
    recorder.unwrap().close().unwrap();
    let outcome = outcome.map_err(|error| match error {
        // Nothing of the test's own making, such as another record than was recorded.
        RunError::RootGaveUp { .. } | RunError::IntensityExceeded { .. } => error.to_string(),
        other => panic!("{other}"),
    });
    Played { outcome, records: run_records(disk), kept: kept.all() }
}

fn first(records: &[u8], kept: u64) -> &[u8] {
    let mut cut = Records::new(records);
    (0..kept).for_each(|_| assert!(cut.pass()));
    &records[..records.len() - cut.rest().len()]
}

fn check<const G: u32>(case: &Case, seed: usize) {
    let disk = Disk::default();
    let whole = play::<G>(case, 1, case.asked.clone(), &disk, recorder(&disk));
    for schedulers in [2, 4] {
        let disk = Disk::default();
        let other = play::<G>(case, schedulers, case.asked.clone(), &disk, recorder(&disk));
        assert_eq!(other.records, whole.records);
        let same = other.kept.len() == whole.kept.len()
            && other.kept.iter().zip(&whole.kept).all(|(a, b)| a == b);
        assert!(same, "{schedulers} schedulers take other snapshots");
    }
    let count = Records::new(&whole.records).count() as u64;
    // What was refused is not asked again: behind another order it might be carried out.
    let done: Vec<_> = (0..)
        .zip(ticks(&whole.records))
        .flat_map(|(tick, orders)| orders.into_iter().map(move |order| (tick, order)))
        .collect();
    // Some ten a case, others in the next.
    let step = 1 + whole.kept.len() / 10;
    for (number, snapshot) in whole.kept.iter().enumerate().skip(seed % step).step_by(step) {
        let behind = count - snapshot.records;
        for (schedulers, left) in [(1, 0), (2, behind / 2), (4, behind), (3, behind / 3)] {
            let prefix = first(&whole.records, snapshot.records + left);
            let disk = log_of(prefix, 1 + number % 9);
            let asked = not_recorded(done.clone(), prefix);
            let recorder = resuming(&disk).starting_from(vec![start(snapshot)]);
            let tick = snapshot.tick;
            let again = play::<G>(case, schedulers, asked, &disk, recorder);
            assert!(
                again.records == whole.records,
                "from {tick}, {left} behind it: {:#?}",
                in_words(&again.records)
                    .iter()
                    .zip(in_words(&whole.records))
                    .find(|(a, b)| *a != b)
            );
            match (&again.outcome, &whole.outcome) {
                (Ok(again), Ok(whole)) => {
                    assert_eq!(again.resumed_from, Some(tick));
                    assert_eq!(again.agents, whole.agents);
                    assert_eq!(again.counts, whole.counts);
                    assert_eq!(again.ticks, whole.ticks);
                    assert_eq!(again.born, whole.born);
                    assert_eq!(again.leases, whole.leases);
                    assert_eq!(root(again), root(whole));
                }
                (Err(again), Err(whole)) => assert_eq!(again, whole),
                (again, whole) => panic!("{:?} and {:?}", again.is_ok(), whole.is_ok()),
            }
            for taken in &again.kept {
                let was = whole.kept.iter().find(|kept| kept.tick == taken.tick);
                assert!(was == Some(taken), "another snapshot of {}", taken.tick);
            }
        }
    }
}

fn deeds() -> impl Strategy<Value = Vec<Order>> {
    use Order::{
        Add, After, Cancel, Demonitor, Every, ExitWith, Fail, Link, Monitor, Panic, Recall,
        Remember, SendIn, Spawn, Trap, Unlink,
    };
    let leaf = prop::collection::vec((1u64..50).prop_map(Add), 0..3);
    let reason = || {
        prop::sample::select(vec![
            ExitReason::Normal,
            ExitReason::Shutdown,
            ExitReason::failure("tired"),
        ])
    };
    let lane = || prop::sample::select(vec![Lane::Critical, Lane::Normal, Lane::Speculative]);
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let one = prop_oneof![
            6 => (1u64..14, inner.clone()).prop_map(|(to, orders)| Order::Send(to, orders)),
            3 => (lane(), 1u64..5, inner.clone())
                .prop_map(|(lane, to, orders)| SendIn(lane, to, orders)),
            3 => (1u64..50, inner.clone()).prop_map(|(sum, orders)| Spawn(sum, orders)),
            1 => prop::sample::select(vec![NOBODY, PANIC]).prop_map(|sum| Spawn(sum, vec![])),
            2 => (1u64..6, inner.clone()).prop_map(|(ticks, orders)| After(ticks, orders)),
            1 => (1u64..6, inner).prop_map(|(ticks, orders)| Every(ticks, orders)),
            2 => (1u64..50).prop_map(Add),
            1 => Just(Remember("something".into())),
            2 => (0u64..9).prop_map(|about| Recall(about, "what".into())),
            3 => Just(Fail),
            1 => Just(Panic),
            2 => (1u64..14).prop_map(Monitor),
            2 => (1u64..14).prop_map(Link),
            1 => (1u64..14).prop_map(Demonitor),
            1 => (1u64..14).prop_map(Unlink),
            3 => any::<bool>().prop_map(Trap),
            1 => Just(Order::Obey),
            1 => (0u64..4, 0u16..3).prop_map(|(step, output)| Cancel(step, output)),
            1 => reason().prop_map(ExitWith),
            4 => spaces::marks(),
        ];
        prop::collection::vec(one, 0..4)
    })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let target = (1u64..14).prop_map(|serial| Target::Agent(AgentId(serial)));
    let one = (0u64..8, target, prop::option::of(prop::option::weighted(0.8, 0u64..4)));
    prop::collection::vec(one, 0..5).prop_map(|list| {
        let mut changes = Vec::new();
        for (tick, target, suspended) in list {
            let Some(length) = suspended else {
                changes.push((Tick(tick), Verb::Revoke, target));
                continue;
            };
            changes.push((Tick(tick), Verb::Suspend, target));
            changes.extend(length.map(|length| (Tick(tick + length), Verb::Resume, target)));
        }
        changes
    })
}

fn asked() -> impl Strategy<Value = Vec<(u64, Question)>> {
    let verb =
        prop_oneof![Just(Pause), Just(Pause), Just(Resume), Just(Kill), Just(Restart), Just(Fork)];
    prop::collection::vec((0u64..12, verb, 1u64..12), 0..7).prop_map(|mut orders| {
        // In the end all are resumed in each tick, or the run would wait for ever.
        orders.extend((12..24).flat_map(|tick| (1..20).map(move |agent| (tick, Resume, agent))));
        orders.into_iter().map(|(tick, verb, agent)| (tick, order(verb, agent))).collect()
    })
}

pub fn case() -> impl Strategy<Value = Case> {
    let shed = prop::option::of(Just(Shed { speculative: 1, critical: 10_000 }));
    let limits = (shed, prop_oneof![3 => Just(u64::MAX), 1 => 0u64..300]).prop_map(
        |(shed, log_bytes_per_lease)| {
            let messages_per_tick = if shed.is_some() { 2 } else { 10_000 };
            Limits {
                outputs_per_step: 16,
                messages_per_tick,
                log_bytes_per_lease,
                shed,
                spawned: 6,
                forks: 2,
            }
        },
    );
    let intensity = prop_oneof![
        4 => Just(Intensity { restarts: u64::MAX, period_ticks: 1 }),
        1 => (1u64..9, 1u64..9)
            .prop_map(|(restarts, period_ticks)| Intensity { restarts, period_ticks }),
    ];
    let above = (intensity, prop::option::of(tree()));
    let entries = prop::collection::vec((0u64..6, 1u64..=AGENTS, deeds()), 1..12);
    let chaos = prop_oneof![Just(0.0), Just(0.15)];
    // Half of the runs have subjects, and most agents of these belong to one.
    let of = prop::collection::btree_map((1..=AGENTS).prop_map(AgentId), 1u64..3, 1..6);
    let subjects = prop_oneof![Just(BTreeMap::new()), of];
    let above = (above, subjects);
    (entries, asked(), changes(), schedules(), chaos, any::<u64>(), limits, above).prop_map(
        |(entries, asked, changes, schedule, chaos, seed, limits, (above, subjects))| {
            let (intensity, above) = above;
            let script = Script::new(entries.into_iter().chain([(24, 1, vec![])]));
            Case {
                script,
                asked,
                changes,
                schedule,
                chaos,
                seed,
                limits,
                intensity,
                above,
                subjects,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn a_run_goes_on_from_any_of_its_snapshots_wherever_it_was_cut(case in case(), seed: usize) {
        check::<0>(&case, seed);
    }

    #[test]
    fn and_so_does_one_whose_agents_go_on_from_their_last_good_state(case in case(), seed: usize) {
        check::<3>(&case, seed);
    }
}

/// Agent 1 failed and waits for its supervisor, which waits for agent 2, which was asked to end and
/// does not; agent 3 was paused, and ended with what waited for it; 4 to 6 are refused.
#[test]
fn what_takes_several_ticks_is_part_of_a_snapshot() {
    use Order::{Add, After, Fail, Monitor, Send, SendIn, Trap};
    let tell = |lane, to| vec![SendIn(lane, to, vec![Add(1)]), SendIn(lane, to, vec![Add(2)])];
    // One that does not trap exits is ended at once, and all are started again.
    let script = |traps| {
        Script::new([
            (0, 1, vec![Monitor(4), After(9, vec![Add(1)]), Add(5)]),
            (0, 2, vec![Trap(traps)]),
            (1, 4, vec![Send(3, vec![Add(1)])]),
            (3, 1, vec![Fail]),
            (3, 4, tell(Lane::Normal, 6)),
            (3, 5, tell(Lane::Speculative, 6)),
            (3, 6, tell(Lane::Normal, 6)),
            (9, 1, vec![Fail]),
            (14, 1, vec![Add(7)]),
        ])
    };
    let intensity = Intensity { restarts: 1, period_ticks: 30 };
    let shed = Some(Shed { speculative: 1, critical: 9 });
    let case = |traps| Case {
        script: script(traps),
        asked: vec![(1, order(Pause, 3))],
        changes: vec![],
        schedule: Schedule::default(),
        chaos: 0.0,
        seed: 0,
        limits: Limits { messages_per_tick: 2, shed, ..LIMITS },
        intensity: Intensity { restarts: u64::MAX, period_ticks: 1 },
        above: Some(supervised(AGENTS, Flags { intensity, ..flags(Restarts::OneForAll) })),
        subjects: BTreeMap::new(),
    };
    for seed in 0..4 {
        check::<1>(&case(true), seed);
        check::<1>(&case(false), seed);
    }
}

/// `cargo test --release -p karyon-runtime --test it figures -- --ignored --nocapture`
#[test]
#[ignore = "takes figures"]
fn figures_of_a_hundred_thousand_agents() {
    use std::time::Instant;
    let agents = 100_000;
    let ticks = 10;
    // In each tick each adds something and tells the next.
    let script = Script::new((0..ticks).flat_map(|tick| {
        (1..=agents).map(move |agent| {
            let next = 1 + agent % agents;
            (tick, agent, vec![Order::Add(1), Order::Send(next, vec![Order::Add(1)])])
        })
    }));
    let stage = Stage { agents, small_tick: 64, ..Stage::default() };
    let run = |snapshots, recorder| {
        let begun = Instant::now();
        let stage = Stage { snapshots, ..stage.clone() };
        let (outcome, recorder) = stage.play::<0, 0>(&script, recorder);
        recorder.unwrap().close().unwrap();
        (outcome.unwrap(), begun.elapsed())
    };
    let (_, without) = run(None, recorder(&Disk::default()));
    let (disk, kept) = (Disk::default(), Kept::default());
    let (whole, with) = run(kept.every_tick(), recorder(&disk));
    let kept = kept.all();
    println!("{agents} agents, {} steps in {} ticks: {without:?}", whole.counts.steps, whole.ticks);
    println!(
        "with {} snapshots {with:?}: {:?} each, {} bytes of the last",
        kept.len(),
        with.saturating_sub(without) / kept.len() as u32,
        kept.last().unwrap().content.len()
    );
    let (_, zero) = run(None, resuming(&disk));
    let newest = kept.last().unwrap();
    let (again, from) = run(None, resuming(&disk).starting_from(vec![start(newest)]));
    assert_eq!((again.resumed_from, again.counts), (Some(newest.tick), whole.counts));
    println!("resumed from the beginning {zero:?}, from {} {from:?}", newest.tick);
}

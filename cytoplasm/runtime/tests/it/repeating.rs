//! A resumed run is repeated: compared with what is committed, then appended to.

use std::num::NonZeroU64;

use karyon_log::{Cause, End, Lane, LogError, Record, Records, Target, Verb, Walk};
use karyon_log_writer::{Block, Writer};
use karyon_runtime::processes::OrderVerb::{Fork, Kill, Pause, Restart, Resume};
use karyon_runtime::processes::{Answer, Question, Refusal};
use karyon_runtime::{
    Chaos, Compared, Divergence, ExitReason, Limits, RecordError, Recorder, RunError,
};
use karyon_types::{AgentId, Position, ReasonId, Tick};

use crate::asker::{Asker, order};
use crate::births::family;
use crate::support::*;
use Order::{Add, After, Every, ExitWith, Fail, Link, Monitor, Send, Trap};
use proptest::prelude::*;

fn script() -> Script {
    let greet = |to| vec![Send(to, vec![Add(3)]), Add(1)];
    let greetings = (0..20).map(|tick| (tick, 1 + tick % 4, greet(1 + (tick * 7) % 4)));
    // The fifth and the sixth arrange their lives; the run goes on behind its last input.
    let lives = [
        (0, 5, vec![Trap(true), Link(6), Monitor(6), After(2, vec![Add(1)])]),
        (1, 6, vec![Every(3, vec![Add(1)])]),
        (9, 6, vec![ExitWith(ExitReason::failure("tired"))]),
        (12, 5, vec![Link(6), Trap(false)]),
        (14, 6, vec![After(9, vec![Fail]), After(20, vec![Add(2)])]),
    ];
    Script::new(greetings.chain(lives))
}

/// With authority that changes, and a budget that some pass: all of it is repeated, too.
fn stage() -> Stage {
    let agent = |serial| Target::Agent(AgentId(serial));
    let changes = vec![
        (Tick(3), Verb::Suspend, agent(2)),
        (Tick(12), Verb::Revoke, agent(3)),
        (Tick(9), Verb::Resume, agent(2)),
        (Tick(15), Verb::Suspend, Target::Reason(ReasonId(1))),
        (Tick(17), Verb::Resume, Target::Reason(ReasonId(1))),
    ];
    let limits = Limits { log_bytes_per_lease: 44, ..LIMITS };
    Stage { agents: 6, changes, limits, ..Stage::default() }
}

pub fn end_of(disk: &Disk) -> Result<End, LogError> {
    let mut walk = Walk::new(Box::new(disk.clone()))?;
    while walk.next_group()?.is_some() {}
    Ok(walk.into_end())
}

/// A log that holds these records, in blocks of `per_block` records.
pub fn log_of(records: &[u8], per_block: usize) -> Disk {
    let disk = Disk::default();
    recorder(&disk).close().unwrap();
    let writer =
        Writer::start(Box::new(disk.clone()), &header(), key(), 1, End::of_new_log()).unwrap();
    let mut walk = Records::new(records);
    let (mut start, mut count) = (0, 0);
    loop {
        let more = walk.pass();
        let at = records.len() - walk.rest().len();
        count += u32::from(more);
        if (!more || count as usize == per_block) && at > start {
            let body = records[start..at].to_vec();
            writer
                .append(Block { lane: Lane::Ticks, count, body, wall_ms: 0, seals: false })
                .unwrap();
            (start, count) = (at, 0);
        }
        if !more {
            break;
        }
    }
    writer.close().unwrap();
    disk
}

fn resume(disk: &Disk, schedulers: usize) -> Result<(), RunError> {
    let end = end_of(disk).unwrap();
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let writer = Writer::start(Box::new(disk.clone()), &header(), key(), 2, end.clone()).unwrap();
    let recorder = Recorder::resuming(Some(writer), walk, &end);
    let stage = Stage { schedulers, ..stage() };
    let (outcome, recorder) = stage.play::<0, 0>(&script(), recorder);
    recorder.unwrap().close().unwrap();
    outcome.map(drop)
}

#[test]
fn a_run_cut_at_any_record_is_completed_to_the_same_records() {
    let (outcome, whole) = stage().complete::<0, 0>(&script());
    let denied = &outcome.agents[1].as_ref().unwrap().denied;
    assert!(denied.contains(&"agent_halted".into()), "{denied:?}");
    let denied = &outcome.agents[3].as_ref().unwrap().denied;
    assert!(denied.contains(&"lease_suspended".into()), "{denied:?}");
    assert!(denied.contains(&"budget_exhausted".into()), "{denied:?}");
    let words = in_words(&whole);
    for cause in ["timer 0.3", "timer 0.0", "exit 6.", "down 6.", "Link, Restarted"] {
        assert!(words.iter().any(|word| word.contains(cause)), "{cause}: {words:#?}");
    }
    let count = Records::new(&whole).count();
    for kept in 0..=count {
        let mut cut = Records::new(&whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        for (per_block, schedulers) in [(1, 1), (3, 2), (1000, 4)] {
            let disk = log_of(prefix, per_block);
            resume(&disk, schedulers).unwrap();
            assert_eq!(records(&disk).unwrap(), whole, "{kept} records kept");
        }
    }
}

/// Repeats the whole run, on no disk, up to the record `records` of `disk`.
fn compare(disk: &Disk, records: u64, schedulers: usize) -> (Result<(), RunError>, Compared) {
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let stage = Stage { schedulers, ..stage() };
    let (outcome, recorder) = stage.play::<0, 0>(&script(), Recorder::comparing(walk, records));
    (outcome.map(drop), recorder.unwrap().compared())
}

/// Each record with its length, and the tick that it is in.
fn each(records: &[u8]) -> Vec<(Vec<u8>, Option<Tick>)> {
    let (mut walk, mut start, mut tick) = (Records::new(records), 0, None);
    let mut found = Vec::new();
    while let Some(record) = walk.next() {
        if let Some(Record::Tick(begun)) = record {
            tick = Some(begun);
        }
        let end = records.len() - walk.rest().len();
        found.push((records[start..end].to_vec(), tick));
        start = end;
    }
    found
}

#[track_caller]
fn divergence(outcome: Result<(), RunError>) -> Divergence {
    match outcome {
        Err(RunError::Record(RecordError::Diverged(first))) => *first,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_that_is_not_the_recorded_one_is_found_at_the_record() {
    let (_, whole) = stage().complete::<0, 0>(&script());
    let was = each(&whole);
    // Each in turn, with another last byte.
    for (index, (bytes, _)) in was.iter().enumerate() {
        let other = {
            let mut other = bytes.clone();
            *other.last_mut().unwrap() ^= 1;
            other
        };
        let mut changed: Vec<_> = was.iter().map(|(bytes, _)| bytes.clone()).collect();
        changed[index] = other.clone();
        let changed = changed.concat();
        // Before a tick's own record that of the tick before holds.
        let tick = index.checked_sub(1).and_then(|before| was[before].1);
        let expected = Divergence {
            position: Position(index as u64),
            tick: if let Some(Record::Tick(_)) = Records::new(bytes).next().unwrap() {
                tick
            } else {
                was[index].1
            },
            expected: Some(other),
            got: Some(bytes.clone()),
            why: None,
        };
        for (per_block, schedulers) in [(1, 1), (5, 2), (1000, 4)] {
            let disk = log_of(&changed, per_block);
            assert_eq!(divergence(resume(&disk, schedulers)), expected);
            let (outcome, compared) = compare(&disk, was.len() as u64, schedulers);
            assert_eq!(divergence(outcome), expected);
            assert_eq!((compared.records, compared.tick), (index as u64, expected.tick));
        }
    }
}

#[test]
fn a_payload_that_is_not_the_recorded_one_is_named_with_both() {
    let (_, whole) = stage().complete::<0, 0>(&script());
    let at = whole.len() / 2
        + whole[whole.len() / 2..].windows(4).position(|w| w == b"\xa3Add").unwrap()
        + 4;
    let mut other = whole.clone();
    other[at] ^= 1;
    let first = divergence(resume(&log_of(&other, 5), 2));
    let of = |bytes: &Option<Vec<u8>>| match Records::new(bytes.as_ref().unwrap()).next() {
        Some(Some(Record::Step { agent, step, cause: cause @ Cause::Input(_), outputs })) => {
            (agent, step, cause, outputs.len())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&first.expected), of(&first.got));
    assert_ne!(first.expected, first.got);
    let words = RecordError::Diverged(Box::new(first.clone())).to_string();
    assert!(words.contains(&format!("{}, in tick ", first.position)), "{words}");
}

#[test]
fn a_comparison_ends_at_any_record() {
    let (_, whole) = stage().complete::<0, 0>(&script());
    let was = each(&whole);
    for (per_block, schedulers) in [(1, 1), (5, 2), (1000, 4)] {
        let disk = log_of(&whole, per_block);
        for records in 1..=was.len() {
            let (outcome, compared) = compare(&disk, records as u64, schedulers);
            assert!(
                matches!(outcome, Err(RunError::Record(RecordError::Reached))),
                "{records}: {outcome:?}"
            );
            let last = Some(Position(records as u64 - 1));
            let tick = was[records - 1].1;
            let expected = Compared { records: records as u64, last, tick, from: None };
            assert_eq!(compared, expected);
        }
    }
}

#[test]
fn more_than_the_run_does_is_found() {
    let (_, whole) = stage().complete::<0, 0>(&script());
    let mut records = whole.clone();
    let mut more = Vec::new();
    Record::Tick(Tick(999)).encode(&mut more);
    records.extend_from_slice(&more);
    let was = each(&whole);
    let expected = Divergence {
        position: Position(was.len() as u64),
        tick: was.last().unwrap().1,
        expected: Some(more),
        got: None,
        why: None,
    };
    for per_block in [1, 10, 1000] {
        assert_eq!(divergence(resume(&log_of(&records, per_block), 2)), expected);
    }
}

#[test]
fn less_than_the_run_does_is_found_where_nothing_may_follow() {
    let (_, whole) = stage().complete::<0, 0>(&script());
    let was = each(&whole);
    let (last, before) = was.split_last().unwrap();
    let kept: Vec<u8> = before.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
    let disk = log_of(&kept, 7);
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let recorder = Recorder::resuming(None, walk, &end_of(&disk).unwrap());
    let (outcome, _) = stage().play::<0, 0>(&script(), recorder);
    let first = divergence(outcome.map(drop));
    let position = Position(before.len() as u64);
    let got = Some(last.0.clone());
    assert_eq!(first, Divergence { position, tick: last.1, expected: None, got, why: None });
}

type Asked = Vec<(u64, Question)>;

/// Orders about four agents at any ticks. In the end all are resumed in each tick, or the run
/// would wait for ever.
fn orders() -> impl Strategy<Value = Asked> {
    let verb = prop_oneof![Just(Pause), Just(Resume), Just(Kill), Just(Restart)];
    let one = (0u64..20, verb, 1u64..5);
    prop::collection::vec(one, 0..7).prop_map(|mut orders| {
        orders.extend((20..40).flat_map(|tick| (1..5).map(move |agent| (tick, Resume, agent))));
        orders.into_iter().map(|(tick, verb, agent)| (tick, order(verb, agent))).collect()
    })
}

/// The orders of each tick in these records.
pub fn ticks(records: &[u8]) -> Vec<Vec<Question>> {
    let mut ticks = Vec::<Vec<Question>>::new();
    for record in Records::new(records) {
        match record.unwrap() {
            Record::Tick(_) => ticks.push(Vec::new()),
            Record::Order { verb, agent, .. } => {
                ticks.last_mut().unwrap().push(order(verb, agent.0));
            }
            _ => {}
        }
    }
    ticks
}

/// What is still to be asked behind these records. Orders of one tick are carried out as they were
/// asked, so one that was asked before a recorded one and is not recorded itself was refused then;
/// so was what is left of a tick that another follows.
pub fn not_recorded(asked: Asked, records: &[u8]) -> Asked {
    let ticks = ticks(records);
    let mut open = asked;
    for (tick, orders) in (0u64..).zip(&ticks) {
        let (of_tick, others): (Asked, Asked) = open.into_iter().partition(|(at, _)| *at == tick);
        let mut of_tick = of_tick.into_iter();
        for done in orders {
            let found = of_tick.any(|(_, order)| order == *done);
            assert!(found, "nothing is done that was not asked");
        }
        let last = tick + 1 == ticks.len() as u64;
        open = others;
        open.extend(of_tick.filter(|_| last));
    }
    open
}

fn ordered_stage(schedulers: usize, asker: &Asker<Script>) -> Stage {
    let desk = Some(asker.desk.clone());
    Stage { schedulers, chaos: Chaos::new(7, 0.1), desk, ..stage() }
}

/// Resumes with these questions; what was answered.
fn resume_ordered(disk: &Disk, schedulers: usize, asked: Asked) -> Vec<(u64, Question, Answer)> {
    let end = end_of(disk).unwrap();
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let writer = Writer::start(Box::new(disk.clone()), &header(), key(), 2, end.clone()).unwrap();
    let recorder = Recorder::resuming(Some(writer), walk, &end);
    let asker = Asker::new(script(), asked);
    let (outcome, recorder) =
        ordered_stage(schedulers, &asker).play_from::<0, 0>(asker.clone(), recorder);
    recorder.unwrap().close().unwrap();
    outcome.unwrap();
    asker.answers()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_run_with_orders_is_the_same_for_any_schedulers_and_repeats_them_wherever_it_was_cut(
        asked in orders(),
        per_block in 1usize..9,
    ) {
        let mut whole: Option<Vec<u8>> = None;
        for schedulers in [1, 2, 3] {
            let disk = log_of(&[], 1);
            resume_ordered(&disk, schedulers, asked.clone());
            let records = records(&disk).unwrap();
            prop_assert_eq!(whole.get_or_insert_with(|| records.clone()), &records);
        }
        let whole = whole.unwrap();
        let count = Records::new(&whole).count();
        // Some thirty cuts a case, each at another place in the next.
        for kept in (per_block..=count).step_by(1 + count / 30) {
            let mut cut = Records::new(&whole);
            (0..kept).for_each(|_| assert!(cut.pass()));
            let prefix = &whole[..whole.len() - cut.rest().len()];
            let disk = log_of(prefix, per_block);
            // What is not recorded is ordered again, and something else while it repeats.
            let mut again = not_recorded(asked.clone(), prefix);
            let repeated = ticks(prefix).len() as u64;
            again.extend((0..repeated.saturating_sub(1)).map(|tick| (tick, order(Kill, 3))));
            for (tick, _, answer) in resume_ordered(&disk, 1 + kept % 3, again) {
                if tick + 1 < repeated {
                    prop_assert_eq!(answer, Answer::Refused(Refusal::Repeating));
                }
            }
            prop_assert_eq!(&records(&disk).unwrap(), &whole, "{} records kept", kept);
        }
    }
}

#[test]
fn an_order_refused_before_one_that_is_recorded_is_not_asked_again() {
    let asked = vec![(19, order(Pause, 3)), (3, order(Pause, 3)), (19, order(Resume, 3))];
    let disk = log_of(&[], 1);
    let mut all = asked.clone();
    all.extend((20..40).flat_map(|tick| (1..5).map(move |agent| (tick, order(Resume, agent)))));
    resume_ordered(&disk, 1, all);
    let whole = records(&disk).unwrap();
    let mut cut = Records::new(&whole);
    while ticks(&whole[..whole.len() - cut.rest().len()]).get(19).is_none_or(Vec::is_empty) {
        assert!(cut.pass());
    }
    let prefix = &whole[..whole.len() - cut.rest().len()];
    assert_eq!(not_recorded(asked, prefix), []);
}

fn family_stage(schedulers: usize, asker: &Asker<Script>) -> Stage {
    let limits = Limits { spawned: 12, forks: 3, messages_per_tick: 10_000, ..LIMITS };
    let changes = vec![
        (Tick(4), Verb::Suspend, Target::Agent(AgentId(1))),
        (Tick(6), Verb::Resume, Target::Agent(AgentId(1))),
        (Tick(7), Verb::Revoke, Target::Agent(AgentId(9))),
    ];
    let desk = Some(asker.desk.clone());
    Stage {
        agents: 4,
        schedulers,
        chaos: Chaos::new(7, 0.1),
        limits,
        changes,
        desk,
        ..Stage::default()
    }
}

/// Plays behind what `disk` holds, with these questions.
fn resume_family(disk: &Disk, schedulers: usize, script: &Script, asked: Asked) {
    resume_paced(disk, schedulers, script, asked, None);
}

/// The same at a pace.
fn resume_paced(
    disk: &Disk,
    schedulers: usize,
    script: &Script,
    asked: Asked,
    rate: Option<NonZeroU64>,
) {
    let end = end_of(disk).unwrap();
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let writer = Writer::start(Box::new(disk.clone()), &header(), key(), 2, end.clone()).unwrap();
    let recorder = Recorder::resuming(Some(writer), walk, &end);
    let asker = Asker::new(script.clone(), asked);
    let stage = Stage { rate, ..family_stage(schedulers, &asker) };
    let (outcome, recorder) = stage.play_from::<1, 0>(asker.clone(), recorder);
    recorder.unwrap().close().unwrap();
    outcome.unwrap();
}

#[test]
fn at_a_pace_each_order_of_the_log_is_carried_out_once() {
    let greet = |tick| (tick, 1, vec![Send(2, vec![Add(1)]); 4]);
    let script = Script::new((0..8).map(greet));
    let asked = vec![(2, order(Fork, 1)), (3, order(Fork, 2)), (5, order(Kill, 2))];
    let disk = log_of(&[], 1);
    resume_family(&disk, 1, &script, asked);
    let whole = records(&disk).unwrap();
    let mut cut = Records::new(&whole);
    (0..Records::new(&whole).count() - 4).for_each(|_| assert!(cut.pass()));
    let disk = log_of(&whole[..whole.len() - cut.rest().len()], 8);
    resume_paced(&disk, 1, &script, Vec::new(), NonZeroU64::new(500));
    assert_eq!(records(&disk).unwrap(), whole);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_run_with_families_is_repeated_wherever_it_was_cut(
        entries in prop::collection::vec((0u64..6, 1u64..5, family(4)), 1..8),
        forks in prop::collection::vec((0u64..9, 1u64..12, any::<bool>()), 0..5),
        per_block in 1usize..9,
    ) {
        let forks = forks.into_iter();
        let asked: Asked = forks
            .map(|(tick, of, kill)| (tick, order(if kill { Kill } else { Fork }, of)))
            .collect();
        let script = Script::new(entries.into_iter().chain([(9, 1, vec![])]));
        let mut whole: Option<Vec<u8>> = None;
        for schedulers in [1, 2, 3] {
            let disk = log_of(&[], 1);
            resume_family(&disk, schedulers, &script, asked.clone());
            let records = records(&disk).unwrap();
            prop_assert_eq!(whole.get_or_insert_with(|| records.clone()), &records);
        }
        let whole = whole.unwrap();
        // What was refused is not asked again: behind another order it might be carried out.
        let done: Asked = (0..)
            .zip(ticks(&whole))
            .flat_map(|(tick, orders)| orders.into_iter().map(move |order| (tick, order)))
            .collect();
        let count = Records::new(&whole).count();
        for kept in (per_block..=count).step_by(1 + count / 30) {
            let mut cut = Records::new(&whole);
            (0..kept).for_each(|_| assert!(cut.pass()));
            let prefix = &whole[..whole.len() - cut.rest().len()];
            let disk = log_of(prefix, per_block);
            let again = not_recorded(done.clone(), prefix);
            resume_family(&disk, 1 + kept % 3, &script, again);
            prop_assert_eq!(&records(&disk).unwrap(), &whole, "{} records kept", kept);
        }
    }
}

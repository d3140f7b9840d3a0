//! A resumed run is repeated: compared with what is committed, then appended to.

use karyon_log::{End, Lane, LogError, Records, Target, Verb, Walk};
use karyon_log_writer::{Block, Writer};
use karyon_runtime::{ExitReason, Limits, RecordError, Recorder, RunError};
use karyon_types::{AgentId, ReasonId, Tick};

use crate::support::*;
use Order::{Add, After, Every, ExitWith, Fail, Link, Monitor, Send, Trap};

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

fn end_of(disk: &Disk) -> Result<End, LogError> {
    let mut walk = Walk::new(Box::new(disk.clone()))?;
    while walk.next_group()?.is_some() {}
    Ok(walk.into_end())
}

/// A log that holds these records, in blocks of `per_block` records.
fn log_of(records: &[u8], per_block: usize) -> Disk {
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

#[test]
fn a_run_that_is_not_the_recorded_one_is_found_at_the_record() {
    let (_, whole) = stage().complete::<0, 0>(&script());
    // One more in the sum of an order somewhere in the middle: another payload, equally long.
    let at = whole.len() / 2
        + whole[whole.len() / 2..].windows(4).position(|w| w == b"\xa3Add").unwrap()
        + 4;
    let mut other = whole.clone();
    other[at] ^= 1;
    let mut before = Records::new(&other);
    let mut expected = 0;
    while before.pass() && other.len() - before.rest().len() <= at {
        expected += 1;
    }
    for per_block in [1, 5, 1000] {
        match resume(&log_of(&other, per_block), 2) {
            Err(RunError::Record(RecordError::Diverged(damage))) => {
                assert_eq!(damage.first_record, expected);
            }
            other => panic!("{per_block} records a block: {other:?}"),
        }
    }
}

#[test]
fn more_than_the_run_does_is_found() {
    let (_, mut records) = stage().complete::<0, 0>(&script());
    karyon_log::Record::Tick(karyon_types::Tick(999)).encode(&mut records);
    match resume(&log_of(&records, 10), 2) {
        Err(RunError::Record(RecordError::Short(1))) => {}
        other => panic!("{other:?}"),
    }
}

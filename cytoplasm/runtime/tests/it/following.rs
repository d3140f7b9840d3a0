//! A replay of a free-running run follows its log: what cannot be, or differs, is named.

use karyon_log::{Cause, Loss, Record, Records};
use karyon_runtime::{Divergence, ExitReason, RecordError, RunError};

use crate::free::{live, replay, stage};
use crate::repeating::log_of;
use crate::support::*;
use Order::{Add, After, ExitWith, Fail, Link, Monitor, Send, Trap};

#[track_caller]
fn divergence<T>(outcome: Result<T, RunError>) -> Divergence {
    match outcome {
        Err(RunError::Record(RecordError::Diverged(first))) => *first,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("confirmed"),
    }
}

/// Each record with its length.
pub fn each(records: &[u8]) -> Vec<Vec<u8>> {
    let (mut walk, mut start) = (Records::new(records), 0);
    let mut found = Vec::new();
    while walk.pass() {
        let end = records.len() - walk.rest().len();
        found.push(records[start..end].to_vec());
        start = end;
    }
    found
}

pub fn busy() -> Script {
    let greet = |to| vec![Send(to, vec![Add(3), Send(1, vec![Add(1)])]), Add(1)];
    let lives = [
        (0, 5, vec![Trap(true), Link(6), Monitor(6), After(2, vec![Add(1)])]),
        (1, 6, vec![ExitWith(ExitReason::failure("tired"))]),
        (2, 4, vec![Fail]),
    ];
    let greetings = (0..20u64).map(|at| (at % 4, 1 + at % 9, greet(1 + (at * 7) % 11)));
    Script::new(greetings.chain(lives))
}

/// Whether two records differ in what an agent handled or lost, and in that alone.
fn is_another_cause(one: &[u8], other: &[u8]) -> bool {
    let of = |bytes| match Records::new(bytes).next().flatten() {
        Some(Record::Step { agent, step, cause, outputs }) => {
            Some((agent, Some(step), cause, format!("{outputs:?}")))
        }
        Some(Record::DeadLetter { agent, cause, loss }) => {
            Some((agent, None, cause, format!("{loss:?}")))
        }
        _ => None,
    };
    match (of(one), of(other)) {
        (Some(one), Some(other)) => {
            (one.0, one.1, &one.3) == (other.0, other.1, &other.3) && one.2 != other.2
        }
        _ => false,
    }
}

#[test]
fn any_byte_of_any_step_that_is_changed_is_named_at_its_record() {
    for schedulers in [1, 2] {
        let stage = Stage { virtual_time: true, ..stage(schedulers) };
        let (_, disk) = live::<0, 0>(&stage, &busy());
        let was = each(&records(&disk).unwrap());
        for (index, bytes) in was.iter().enumerate() {
            let Some(Some(record)) = Records::new(bytes).next() else { panic!("no record") };
            let is_input = matches!(record, Record::Tick(_));
            if let Record::Schedule(_) = record {
                continue;
            }
            // Behind its length and its kind.
            for at in 2..bytes.len() {
                let mut changed = was.clone();
                changed[index][at] ^= 1;
                let disk = log_of(&changed.concat(), 5);
                let outcome = replay::<0, 0>(&stage, &busy(), &disk);
                if is_input {
                    // Time is what the log says; one that nothing rests on is as good as another.
                    continue;
                }
                let first = divergence(outcome.map(drop));
                let position = first.position.0 as usize;
                if is_another_cause(bytes, &changed[index]) {
                    // It may have come in that order: then it is missed where it did come.
                    assert!(position >= index, "{record:?}, byte {at}: {first:?}");
                    continue;
                }
                assert_eq!(position, index, "{record:?}, byte {at}: {first:?}");
                assert_eq!(first.expected.as_ref(), Some(&changed[index]));
            }
        }
    }
}

#[test]
fn records_in_an_order_that_cannot_be_are_named() {
    let stage = Stage { virtual_time: true, ..stage(2) };
    let (_, disk) = live::<0, 0>(&stage, &busy());
    let was = each(&records(&disk).unwrap());
    let is = |bytes: &[u8], wanted: fn(&Record<'_>) -> bool| {
        Records::new(bytes).next().flatten().is_some_and(|record| wanted(&record))
    };
    // One that is left out: what follows from it, or the end, is not possible.
    for index in 0..was.len() {
        if !is(&was[index], |record| matches!(record, Record::Step { .. })) {
            continue;
        }
        let mut changed = was.clone();
        changed.remove(index);
        let first = divergence(replay::<0, 0>(&stage, &busy(), &log_of(&changed.concat(), 5)));
        assert!(first.position.0 >= index as u64, "{index}: {first:?}");
    }
    // One that comes twice.
    let index = was.iter().position(|bytes| {
        is(bytes, |record| matches!(record, Record::Step { cause: Cause::Message(_), .. }))
    });
    let index = index.unwrap();
    let mut changed = was.clone();
    changed.insert(index + 1, was[index].clone());
    let first = divergence(replay::<0, 0>(&stage, &busy(), &log_of(&changed.concat(), 5)));
    assert_eq!(first.position.0, index as u64 + 1);
    assert_eq!(first.why, Some("that does not wait for it"));
    let words = RecordError::Diverged(Box::new(first)).to_string();
    assert!(words.contains("cannot come to be: that does not wait for it"), "{words}");
    // A loss of what was handled.
    let mut lost = Vec::new();
    let Some(Some(Record::Step { agent, cause, .. })) = Records::new(&was[index]).next() else {
        panic!("no step")
    };
    for (loss, why) in [
        (Loss::Refused, "its mailbox had room for it"),
        (Loss::ReceiverGone, "it lives"),
        (Loss::MailboxEmptied, "it lost no mailbox there"),
        (Loss::Poison, "it did not fail there"),
    ] {
        lost.clear();
        Record::DeadLetter { agent, cause, loss }.encode(&mut lost);
        let mut changed = was.clone();
        changed[index] = lost.clone();
        let first = divergence(replay::<0, 0>(&stage, &busy(), &log_of(&changed.concat(), 5)));
        assert_eq!((first.position.0, first.why), (index as u64, Some(why)));
    }
}

//! Each look-up against a scan of the records in the plainest way.

use karyon_lineage::{Index, Tie, catch_up};
use karyon_log::{Cause, Control, Message, Record, Records, Walk};
use karyon_types::{AgentId, Position, Tick};
use proptest::prelude::*;

use crate::support::*;

/// Positions of the records for which `is_it` holds.
fn scan(records: &[Record<'_>], is_it: impl Fn(&Record<'_>) -> bool) -> Vec<Position> {
    let found = (0..).zip(records).filter(|(_, record)| is_it(record));
    found.map(|(position, _)| Position(position)).collect()
}

fn cause_of(record: &Record<'_>) -> Option<Cause> {
    match record {
        Record::Step { cause, .. } | Record::DeadLetter { cause, .. } => Some(*cause),
        _ => None,
    }
}

fn tied(index: &Index, tie: Tie, serial: u64) -> Vec<Position> {
    index.tied(tie, serial).unwrap().map(Result::unwrap).collect()
}

/// What stands in the log where the index says that a record lies.
fn read_at(log: &Log, index: &Index, position: Position) -> (Option<Tick>, Vec<u8>) {
    let spot = index.block_of(position).unwrap().unwrap();
    let mut walk = Walk::resume(log.path(), &spot.place).unwrap().unwrap();
    assert_eq!(walk.end().commits, spot.commit);
    let block = walk.next_group().unwrap().unwrap().swap_remove(spot.block);
    assert_eq!(block.first_record, spot.first);
    let (mut tick, mut records) = (spot.tick, Records::new(&block.body));
    for _ in spot.first.0..position.0 {
        if let Some(Some(Record::Tick(now))) = records.next() {
            tick = Some(now);
        }
    }
    let rest = records.rest().to_vec();
    if let Some(Some(Record::Tick(now))) = records.next() {
        tick = Some(now);
    }
    (tick, rest[..rest.len() - records.rest().len()].to_vec())
}

/// Compares everything that can be asked.
pub fn agrees(log: &Log, records: &[Record<'_>], index: &Index) {
    assert_eq!(index.end(), Position(records.len() as u64));
    assert!(index.is_current(log.path()).unwrap());
    let mut now = None;
    for (position, record) in (0..).zip(records) {
        if let Record::Tick(tick) = record {
            now = Some(*tick);
        }
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(read_at(log, index, Position(position)), (now, bytes), "{position}");
    }
    assert!(index.block_of(index.end()).unwrap().is_none());
    assert_eq!(index.last_tick(), now);
    for tick in 0..7 {
        let later = scan(records, |record| matches!(record, Record::Tick(t) if t.0 > tick));
        assert_eq!(index.tick_after(Tick(tick)).unwrap(), later.first().copied(), "{tick}");
    }
    assert_eq!(index.tick_after(Tick(u64::MAX)).unwrap(), None);
    (1..5).for_each(|agent| agent_agrees(records, index, AgentId(agent)));
    for input in 0..5 {
        let expected = scan(records, |record| cause_of(record) == Some(Cause::Input(input)));
        assert_eq!(index.input(input).unwrap(), expected);
    }
    ties_agree(records, index);
}

fn agent_agrees(records: &[Record<'_>], index: &Index, agent: AgentId) {
    let is_step = |step: u64| move |record: &Record<'_>| matches!(record, Record::Step { agent: a, step: s, .. } if (*a, *s) == (agent, step));
    let mut all = Vec::new();
    for step in 0..6 {
        let found = scan(records, is_step(step));
        all.extend(&found);
        for before in 0..=records.len() as u64 {
            let expected = found.iter().rfind(|position| position.0 < before).copied();
            assert_eq!(index.step(agent, step, Position(before)).unwrap(), expected);
        }
        let crashed = scan(
            records,
            |record| matches!(record, Record::Crash { agent: a, step: s, .. } if (*a, *s) == (agent, step)),
        );
        assert_eq!(index.crashes(agent, step).unwrap(), crashed);
        let mut sent = Vec::new();
        for (later, output) in (step..6).flat_map(|step| [(step, 0), (step, 1)]) {
            let message = Message { from: agent, step: later, output };
            let found = scan(records, |record| cause_of(record) == Some(Cause::Message(message)));
            assert_eq!(index.handled(message).unwrap(), found);
            sent.extend(found.into_iter().map(|position| (message, position)));
        }
        let found = index.handled_of(agent, step).unwrap();
        assert_eq!(found.map(Result::unwrap).collect::<Vec<_>>(), sent);
    }
    assert_eq!(index.last_step(agent).unwrap(), all.last().copied());
    let steps: Vec<_> = index.steps(agent, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(steps, all);
}

fn ties_agree(records: &[Record<'_>], index: &Index) {
    let controls = |is_it: &dyn Fn(&Control) -> bool| {
        scan(records, |record| matches!(record, Record::Control(control) if is_it(control)))
    };
    assert_eq!(tied(index, Tie::Control, 0), controls(&|_| true));
    let mut last = None;
    for id in 0..6 {
        let leases = scan(records, |record| match record {
            Record::Lease(lease) => lease.id.0 == id,
            Record::Control(control) => {
                matches!(&**control, Control::Terms(terms) if terms.lease == id)
            }
            _ => false,
        });
        last = if leases.is_empty() { last } else { Some(id) };
        assert_eq!(tied(index, Tie::Lease, id), leases);
        let of_grant = scan(records, |record| match record {
            Record::Lease(lease) => lease.grant.0 == id,
            Record::Control(control) => {
                matches!(&**control, Control::Terms(t) if t.grant == id && t.parent.is_none())
            }
            _ => false,
        });
        assert_eq!(tied(index, Tie::LeaseGrant, id), of_grant);
        for (tie, is_it) in [
            (
                Tie::LeaseParent,
                &(|c: &Control| matches!(c, Control::Terms(t) if t.parent == Some(id)))
                    as &dyn Fn(&Control) -> bool,
            ),
            (Tie::Reason, &|c| matches!(c, Control::Reason(r) if r.id == id)),
            (Tie::ReasonParent, &|c| matches!(c, Control::Reason(r) if r.parent == Some(id))),
            (Tie::Intent, &|c| matches!(c, Control::Intent(i) if i.id == id)),
            (Tie::IntentLease, &|c| matches!(c, Control::Intent(i) if i.lease == id)),
            (Tie::IntentProposal, &|c| matches!(c, Control::Intent(i) if i.proposal == Some(id))),
            (Tie::Outcome, &|c| matches!(c, Control::Receipt(r) if r.effect == id)),
        ] {
            assert_eq!(tied(index, tie, id), controls(is_it), "{tie:?} {id}");
        }
    }
    assert_eq!(index.last_serial(Tie::Lease).unwrap(), last);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_look_up_is_what_a_scan_finds(commits in commits()) {
        let log = Log::of(1, &commits);
        agrees(&log, &flat(&commits), &log.index());
    }

    #[test]
    fn caught_up_bit_by_bit_it_is_the_same(commits in commits()) {
        let (log, mut records) = (Log::new(1), Vec::new());
        for commit in &commits {
            log.commit(commit);
            let from = records.len() as u64;
            commit.iter().for_each(|block| records.extend(block.iter().cloned()));
            let caught_up = catch_up(&log.file(), log.path(), &mut |_| ()).unwrap();
            assert_eq!((caught_up.from, caught_up.rebuilt), (Position(from), None));
            assert_eq!(caught_up.to, Position(records.len() as u64));
        }
        agrees(&log, &records, &log.index());
    }
}

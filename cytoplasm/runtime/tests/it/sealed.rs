//! Agents that belong to a subject: what they hear and remember is sealed in the log, and a run that
//! is repeated without the keys takes what they did from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use karyon_log::{Output, Record, Records, Walk};
use karyon_runtime::processes::OrderVerb::Fork;
use karyon_runtime::{
    Closed, Compared, ExitReason, Opaque, Outcome, RecordError, Recorder, RunError, SEAL_BYTES,
    Schedule, Sealing, Seals, Subjects,
};
use karyon_types::{AgentId, Hasher, Position};
use proptest::prelude::*;

use crate::asker::{Asker, order};
use crate::births::SPAWNING;
use crate::repeating::{end_of, log_of};
use crate::snapshots::{Case, Kept, case, play, run_records, start};
use crate::support::*;

/// Seals with hashes: enough to tell what is sealed from what is not.
struct Sealer {
    closed: BTreeMap<u64, Closed>,
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::for_domain("sealed in a test");
    for part in parts {
        hasher.field(part);
    }
    hasher.finish().0
}

fn stream(key: &[u8], nonce: &[u8], bytes: &[u8]) -> Vec<u8> {
    let blocks = (0u64..).flat_map(|block| digest(&[key, nonce, &block.to_le_bytes()]));
    bytes.iter().zip(blocks).map(|(byte, stream)| byte ^ stream).collect()
}

impl Sealer {
    fn seal_as(key: &[u8], what: Sealing, plain: &[u8]) -> Vec<u8> {
        let name = format!("{what:?}");
        let nonce = &digest(&[key, b"nonce", name.as_bytes(), plain])[..24];
        let text = stream(key, nonce, plain);
        let tag = &digest(&[key, b"tag", name.as_bytes(), nonce, &text])[..16];
        [nonce, &text, tag].concat()
    }

    fn open_as(key: &[u8], what: Sealing, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(24)?;
        let (text, _) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
        let plain = stream(key, nonce, text);
        (Sealer::seal_as(key, what, &plain) == sealed).then_some(plain)
    }

    fn key(&self, subject: u64) -> [u8; 8] {
        assert!(!self.closed.contains_key(&subject), "there is no key");
        subject.to_le_bytes()
    }
}

impl Seals for Sealer {
    fn closed(&self, subject: u64) -> Option<Closed> {
        self.closed.get(&subject).copied()
    }

    fn seal(&self, subject: u64, what: Sealing, plain: &[u8]) -> Vec<u8> {
        Sealer::seal_as(&self.key(subject), what, plain)
    }

    fn open(&self, subject: u64, what: Sealing, sealed: &[u8]) -> Option<Vec<u8>> {
        Sealer::open_as(&self.key(subject), what, sealed)
    }

    fn seal_memory(&self, subject: u64, what: Sealing, write: &[u8]) -> Vec<u8> {
        [b"memory:".to_vec(), self.seal(subject, what, write)].concat()
    }

    fn seal_all(&self, what: Sealing, plain: &[u8]) -> Vec<u8> {
        Sealer::seal_as(b"all", what, plain)
    }

    fn open_all(&self, what: Sealing, sealed: &[u8]) -> Option<Vec<u8>> {
        self.closed.is_empty().then(|| Sealer::open_as(b"all", what, sealed))?
    }
}

/// That these agents belong to subjects, of which some are closed.
pub fn subjects(of: &BTreeMap<AgentId, u64>, closed: &[(u64, Closed)]) -> Option<Subjects> {
    let seals = Arc::new(Sealer { closed: closed.iter().copied().collect() });
    (!of.is_empty()).then(|| Subjects { of: of.clone(), seals })
}

fn of(pairs: &[(u64, u64)]) -> BTreeMap<AgentId, u64> {
    pairs.iter().map(|(agent, subject)| (AgentId(*agent), *subject)).collect()
}

const CANARY: &str = "canary-7f3a91";

fn sings(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

/// Agents 1 and 2 are of subject 1, agent 3 of subject 2; 4 is of none, and tells them.
fn singing() -> (Stage, Script) {
    use Order::{Add, After, ExitWith, Monitor, Remember, Send, Spawn};
    let song = || Remember(CANARY.into());
    let script = Script::new([
        (0, 4, vec![Send(1, vec![song()]), Send(3, vec![song()]), Monitor(2)]),
        (0, 1, vec![Send(2, vec![song()]), After(3, vec![song(), Send(4, vec![Add(1)])])]),
        (1, 2, vec![Spawn(7, vec![song()]), Send(1, vec![song(), Add(3)])]),
        (2, 2, vec![ExitWith(ExitReason::failure(CANARY))]),
        (9, 4, vec![Add(1)]),
    ]);
    let subjects = subjects(&of(&[(1, 1), (2, 1), (3, 2)]), &[]);
    (Stage { limits: SPAWNING, subjects, ..Stage::default() }, script)
}

#[test]
fn what_agents_of_a_subject_hear_say_to_themselves_and_remember_is_not_in_the_log() {
    let (stage, script) = singing();
    let (open, in_the_open) = Stage { subjects: None, ..stage.clone() }.complete::<2, 0>(&script);
    assert!(sings(&in_the_open));
    let (sealed, records) = stage.complete::<2, 0>(&script);
    assert!(!sings(&records));
    assert_eq!(sealed.agents, open.agents, "they live as others do");
    assert_eq!(sealed.counts, open.counts);
    assert!(sealed.opaque.is_empty());
    // What was said to somebody else, and who did what, stays readable.
    let words = |records: &[u8]| in_words(records);
    assert_eq!(words(&records), words(&in_the_open));
    let said = |record| match record {
        Some(Record::Step { agent, outputs, .. }) => outputs
            .iter()
            .filter_map(|output| match output {
                Output::Sent { to, payload, .. } => Some((agent.0, to.0, payload.len())),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let of = |records| Records::new(records).flat_map(said).collect::<Vec<_>>();
    for (open, sealed) in of(&in_the_open).into_iter().zip(of(&records)) {
        let longer = if sealed.1 == 4 { 0 } else { SEAL_BYTES };
        assert_eq!(sealed, (open.0, open.1, open.2 + longer));
    }
}

/// Repeats without writing anything, with these subjects closed.
fn replay<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
    records: &[u8],
    closed: &[(u64, Closed)],
) -> (Result<Outcome<Puppet<R, G>>, RunError>, Compared, Opaque) {
    let disk = log_of(records, 3);
    let walk = Walk::new(Box::new(disk.clone())).unwrap();
    let recorder = Recorder::resuming(None, walk, &end_of(&disk).unwrap());
    let of = stage.subjects.as_ref().unwrap().of.clone();
    let stage = Stage { subjects: subjects(&of, closed), ..stage.clone() };
    let (outcome, recorder) = stage.play::<R, G>(script, recorder);
    let recorder = recorder.unwrap();
    (outcome, recorder.compared(), recorder.opaque().clone())
}

#[test]
fn a_run_is_repeated_without_the_keys_of_a_subject_and_all_else_is_compared() {
    let (stage, script) = singing();
    let (whole, records) = stage.complete::<2, 0>(&script);
    let count = Records::new(&records).count() as u64;
    for schedulers in [1, 2, 4] {
        let stage = Stage { schedulers, ..stage.clone() };
        let (again, compared, opaque) = replay::<2, 0>(&stage, &script, &records, &[]);
        assert_eq!((again.unwrap().agents, compared.records), (whole.agents.clone(), count));
        assert_eq!(opaque, Opaque::default());

        let erased = Some((1, Closed::Erased));
        let (again, compared, opaque) =
            replay::<2, 0>(&stage, &script, &records, &[(1, Closed::Erased)]);
        let again = again.unwrap();
        assert_eq!(compared.records, count);
        // Agent 4 was to hear in which words agent 2 ended.
        let agents = [(1, erased), (2, erased), (4, None), (5, erased)];
        assert_eq!(opaque.agents, agents.map(|(agent, why)| (AgentId(agent), why)).into());
        assert_eq!(again.opaque, opaque);
        assert!(again.agents[0].is_none() && again.agents[3].is_none());
        assert_eq!(again.agents[2], whole.agents[2]);
        let steps = |records| {
            Records::new(records)
                .filter(|record| {
                    matches!(record, Some(Record::Step { agent, .. }) if [1, 2, 5].contains(&agent.0))
                })
                .count() as u64
        };
        // Of agent 4 only what it did since it heard that.
        assert_eq!(opaque.steps, steps(&records) + 3);
        let words = "opaque steps of 4 agents: 3 erased, 1 told what only these know";
        assert!(opaque.to_string().ends_with(words), "{opaque}");

        let (again, _, opaque) =
            replay::<2, 0>(&stage, &script, &records, &[(2, Closed::Elsewhere)]);
        assert_eq!(again.unwrap().agents[0], whole.agents[0]);
        assert_eq!(opaque.agents, [(AgentId(3), Some((2, Closed::Elsewhere)))].into());
    }
}

#[test]
fn a_run_whose_keys_are_gone_does_not_go_on() {
    let (stage, script) = singing();
    let (_, records) = stage.complete::<2, 0>(&script);
    let disk = log_of(&records, 3);
    let of = stage.subjects.as_ref().unwrap().of.clone();
    let closed = subjects(&of, &[(2, Closed::Elsewhere)]);
    let (outcome, recorder) =
        Stage { subjects: closed, ..stage.clone() }.play::<2, 0>(&script, resuming(&disk));
    let refused = matches!(outcome, Err(RunError::Closed { subject: 2, why: Closed::Elsewhere }));
    assert!(refused, "{:?}", outcome.err());
    recorder.unwrap().close().unwrap();
    assert_eq!(run_records(&disk), records);
    let free = Stage { schedule: Schedule::free(), ..stage };
    let (outcome, _) = free.play::<2, 0>(&script, recorder_of_nothing());
    assert!(matches!(outcome, Err(RunError::NotFree(_))));
}

fn recorder_of_nothing() -> Recorder {
    recorder(&Disk::default())
}

/// Each record in turn, with another last byte.
#[test]
fn whatever_is_forged_of_those_who_can_be_executed_is_found_without_the_keys_too() {
    let (stage, script) = singing();
    let (_, records) = stage.complete::<2, 0>(&script);
    let mut walk = Records::new(&records);
    let (mut index, mut found) = (0, [0; 2]);
    while let Some(record) = walk.next() {
        let end = records.len() - walk.rest().len();
        let mut forged = records.clone();
        forged[end - 1] ^= 1;
        let whose = match record.unwrap() {
            Record::Step { agent, .. } => Some(agent.0),
            _ => None,
        };
        let differs =
            |closed: &[(u64, Closed)]| match replay::<2, 0>(&stage, &script, &forged, closed).0 {
                Err(RunError::Record(RecordError::Diverged(first))) => first.position.0,
                other => panic!("record {index}: {:?}", other.err()),
            };
        assert_eq!(differs(&[]), index, "with the keys everything is found, what is sealed too");
        found[0] += 1;
        // Agent 3 is of a subject that is not closed, and 4 of none: but of what it says to others.
        if whose == Some(3) {
            assert_eq!(differs(&[(1, Closed::Erased)]), index);
            found[1] += 1;
        }
        index += 1;
    }
    assert!(found[0] > 20 && found[1] > 0, "{found:?}");
}

/// Repeats all of a run, or its first records, without writing anything.
fn repeat<const G: u32>(
    case: &Case,
    (schedulers, closed): (usize, &[(u64, Closed)]),
    recorder: Recorder,
) -> (Result<Outcome<Puppet<0, G>>, RunError>, Recorder) {
    let asker = Asker::new(case.script.clone(), Vec::new());
    let stage = Stage {
        subjects: subjects(&case.subjects, closed),
        snapshots: None,
        ..case.stage(schedulers, &asker, &Kept::default())
    };
    let (outcome, recorder) = stage.play_from(asker, recorder);
    (outcome, recorder.unwrap())
}

fn check<const G: u32>(case: &Case, closed: &[(u64, Closed)]) {
    let disk = Disk::default();
    let whole = play::<G>(case, 1, case.asked.clone(), &disk, recorder(&disk));
    let count = Records::new(&whole.records).count() as u64;
    let disk = log_of(&whole.records, 3);
    let walk = || Walk::new(Box::new(disk.clone())).unwrap();
    let mut first: Option<Opaque> = None;
    for schedulers in [1, 2, 4] {
        let recorder = Recorder::resuming(None, walk(), &end_of(&disk).unwrap());
        let (outcome, recorder) = repeat::<G>(case, (schedulers, closed), recorder);
        match (&outcome, &whole.outcome) {
            (Ok(again), Ok(whole)) => {
                for (serial, (again, was)) in (1..).zip(again.agents.iter().zip(&whole.agents)) {
                    let is_opaque = recorder.opaque().agents.contains_key(&AgentId(serial));
                    assert!(is_opaque || again == was, "agent {serial}");
                    assert!(!is_opaque || again.is_none(), "agent {serial}");
                }
                assert_eq!((&again.born, &again.leases), (&whole.born, &whole.leases));
            }
            (Err(again), Err(whole)) => assert_eq!(&again.to_string(), whole),
            (Err(again), Ok(_)) => panic!("{again:?}"),
            (Ok(_), Err(_)) => panic!("{:?}", whole.outcome.is_ok()),
        }
        assert_eq!(recorder.compared().records, count);
        let opaque = recorder.opaque().clone();
        assert_eq!(first.get_or_insert_with(|| opaque.clone()), &opaque, "{schedulers}");
    }
    for records in (1..count).step_by(1 + count as usize / 7) {
        let (outcome, recorder) =
            repeat::<G>(case, (2, closed), Recorder::comparing(walk(), records));
        let reached = matches!(outcome, Err(RunError::Record(RecordError::Reached)));
        assert!(reached, "{records}: {:?}", outcome.err());
        assert_eq!(recorder.compared().last, Some(Position(records - 1)));
    }
}

fn closed() -> impl Strategy<Value = Vec<(u64, Closed)>> {
    let one = Just(vec![(1, Closed::Erased)]);
    prop_oneof![one, Just(vec![(1, Closed::Elsewhere), (2, Closed::Erased)])]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_a_run_it_is_repeated_without_its_keys(
        case in case(), closed in closed(),
    ) {
        check::<0>(&case, &closed);
    }

    #[test]
    fn and_so_is_one_whose_agents_go_on_from_their_last_good_state(
        case in case(), closed in closed(),
    ) {
        check::<3>(&case, &closed);
    }
}

#[test]
fn a_fork_and_a_child_belong_to_the_subject_of_whom_they_come_from() {
    use Order::{Add, Remember, Send, Spawn};
    let song = || vec![Remember(CANARY.into())];
    let script = Script::new([
        (0, 1, vec![Spawn(7, vec![])]),
        (3, 4, vec![Send(5, song()), Send(6, song()), Send(2, vec![Add(1)])]),
    ]);
    let asker = Asker::new(script.clone(), vec![(2, order(Fork, 5))]);
    let limits = karyon_runtime::Limits { spawned: 3, forks: 3, ..SPAWNING };
    let stage = Stage { limits, desk: Some(asker.desk.clone()), ..Stage::default() };
    for (belong, sing) in [(of(&[(1, 1)]), false), (of(&[(2, 1)]), true)] {
        let disk = Disk::default();
        let stage = Stage { subjects: subjects(&belong, &[]), ..stage.clone() };
        let asker = Asker::new(script.clone(), vec![(2, order(Fork, 5))]);
        let stage = Stage { desk: Some(asker.desk.clone()), ..stage };
        let (outcome, recorder) = stage.play_from::<0, 0>(asker, recorder(&disk));
        recorder.unwrap().close().unwrap();
        assert_eq!(outcome.unwrap().agents.len(), 6);
        assert_eq!(sings(&records(&disk).unwrap()), sing, "{belong:?}");
    }
}

#[test]
fn a_snapshot_is_sealed_and_opened_with_all_keys_alone() {
    let (stage, script) = singing();
    let kept = Kept::default();
    let stage = Stage { snapshots: kept.every_tick(), ..stage };
    let disk = Disk::default();
    let (whole, recorder) = stage.play::<2, 0>(&script, recorder(&disk));
    recorder.unwrap().close().unwrap();
    let (whole, records) = (whole.unwrap(), run_records(&disk));
    let all = kept.all();
    assert!(all.len() > 3 && all.iter().all(|snapshot| !sings(&snapshot.content)));
    let plain = Kept::default();
    let open = Stage { subjects: None, snapshots: plain.every_tick(), ..stage.clone() };
    drop(open.complete::<2, 0>(&script));
    assert!(plain.all().iter().any(|snapshot| sings(&snapshot.content)));
    // With the keys it is gone on with; without, everything is repeated.
    for (closed, from) in [(&[][..], Some(all[2].tick)), (&[(1, Closed::Erased)][..], None)] {
        let disk = log_of(&records, 3);
        let walk = Walk::new(Box::new(disk.clone())).unwrap();
        let recorder = Recorder::resuming(None, walk, &end_of(&disk).unwrap());
        let of = stage.subjects.as_ref().unwrap().of.clone();
        let stage = Stage { subjects: subjects(&of, closed), snapshots: None, ..stage.clone() };
        let recorder = recorder.starting_from(vec![start(&all[2])]);
        let (again, _) = stage.play::<2, 0>(&script, recorder);
        let again = again.unwrap();
        assert_eq!(again.resumed_from, from);
        assert_eq!(again.agents[2], whole.agents[2]);
    }
}

/// Agent 3 of nobody is linked to agent 2 of a subject, and ends with it; agent 4 hears of that.
#[test]
fn words_that_nobody_knows_make_whoever_hears_them_opaque_by_whatever_way() {
    use Order::{Add, ExitWith, Fail, Link, Monitor};
    for (last, opaque) in [
        (ExitWith(ExitReason::failure(CANARY)), true),
        // The words of a step that failed are recorded nowhere.
        (Fail, true),
        (ExitWith(ExitReason::Shutdown), false),
        (Order::Panic, false),
    ] {
        let script = Script::new([
            (0, 3, vec![Link(2)]),
            (0, 4, vec![Monitor(3)]),
            (2, 2, vec![last]),
            (9, 4, vec![Add(1)]),
        ]);
        let stage = Stage { subjects: subjects(&of(&[(2, 1)]), &[]), ..Stage::default() };
        let (whole, records) = stage.complete::<2, 0>(&script);
        assert_eq!(whole.agents[3].as_ref().unwrap().heard.len(), 1);
        let (again, _, found) = replay::<2, 0>(&stage, &script, &records, &[(1, Closed::Erased)]);
        let again = again.unwrap();
        let expected = if opaque { &None } else { &whole.agents[3] };
        assert_eq!(&again.agents[3], expected);
        assert_eq!(found.agents.contains_key(&AgentId(4)), opaque);
    }
}

#[test]
fn of_what_is_sealed_for_who_is_erased_the_length_is_compared() {
    use Order::{Remember, Send};
    let script = Script::new([(0, 4, vec![Send(1, vec![Remember(CANARY.into())])])]);
    let stage = Stage { subjects: subjects(&of(&[(1, 1)]), &[]), ..Stage::default() };
    let (_, records) = stage.complete::<2, 0>(&script);
    for (more, is_found) in [(0, false), (1, true)] {
        let mut forged = Vec::new();
        for record in Records::new(&records) {
            let mut record = record.unwrap();
            let mut payload = Vec::new();
            if let Record::Step { agent: AgentId(4), outputs, .. } = &mut record
                && let [Output::Sent { payload: said, .. }] = &mut outputs[..]
            {
                payload.extend_from_slice(said);
                payload[0] ^= 1;
                payload.resize(said.len() + more, 0);
                *said = &payload;
                record.encode(&mut forged);
                continue;
            }
            record.encode(&mut forged);
        }
        assert_ne!(forged, records);
        let (outcome, ..) = replay::<2, 0>(&stage, &script, &forged, &[(1, Closed::Erased)]);
        assert_eq!(outcome.is_err(), is_found, "{more} bytes more");
        assert!(replay::<2, 0>(&stage, &script, &forged, &[]).0.is_err());
    }
}

/// One after the other, a child may hear something, and fail, in the tick in which it begins.
#[test]
fn a_child_that_fails_at_once_is_told_from_one_that_does_not_begin() {
    use Order::{Add, Fail, Spawn};
    let script = Script::new([
        (0, 1, vec![Spawn(7, vec![Fail]), Spawn(NOBODY, vec![Add(1)]), Spawn(8, vec![Add(1)])]),
        (5, 4, vec![Add(1)]),
    ]);
    let mut at_once = 0;
    for seed in 0..12 {
        let schedule = Schedule::sequential_random(seed);
        let subjects = subjects(&of(&[(1, 1)]), &[]);
        let stage = Stage { schedule, subjects, limits: SPAWNING, ..Stage::default() };
        let (whole, records) = stage.complete::<2, 0>(&script);
        let failed = |record| matches!(record, Some(Record::Crash { agent: AgentId(5), .. }));
        let second = Records::new(&records)
            .position(|record| matches!(record, Some(Record::Tick(tick)) if tick.0 == 2));
        let crash = Records::new(&records).position(failed);
        at_once += u32::from(crash < second);
        let (again, _, opaque) = replay::<2, 0>(&stage, &script, &records, &[(1, Closed::Erased)]);
        assert_eq!(again.unwrap().born, whole.born, "seed {seed}");
        assert_eq!(opaque.agents.len(), 4, "seed {seed}");
    }
    assert!(at_once > 0);
}

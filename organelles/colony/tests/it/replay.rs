//! A replay agrees with the run that was recorded, and names the first record that does not:
//! also where whoever changed it has the node's key and signed everything anew.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use karyon_colony::contacts::Contacts;
use karyon_colony::life::replay::{self, Diverged, Verdict};
use karyon_colony::life::{LifeError, RIGHTS, Settings, begin, resource, terms_digest};
use karyon_colony::rumour::Rumour;
use karyon_colony::scenario::Scenario;
use karyon_identity::SecretKey;
use karyon_log::{Control, DiskFolder, End, Lane, Record, Records, Walk, origin};
use karyon_log_writer::{Block, Writer, WriterOptions};
use karyon_runtime::datadir::{checkpoint_file, log_folder};
use karyon_runtime::{Authority, DataDir, NodeError};
use karyon_statements::{Checkpoint, GrantTerms};
use karyon_types::{AgentId, Hash, Position, Tick};
use karyon_verify::{KeyStatus, Trust};
use proptest::prelude::*;
use tempfile::TempDir;

const NODE: [u8; 32] = [5; 32];
const PRINCIPAL: [u8; 32] = [6; 32];

fn key() -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed(NODE).unwrap())
}

fn trust() -> Trust {
    Trust { node_key: Some(key().public_key()), known: Vec::new() }
}

/// With everything that a run can have: crashes, and authority that ends and changes.
const SCENARIO: &str = "seed = 7\n[model]\nname = \"rumour\"\nsource = \"p1\"\n\
    [chaos]\nprobability = 0.2\n[supervision]\nintensity = 4_000_000\n\
    [authority]\nexpires = [{ agent = \"p2\", tick = 30 }]\n\
    change = [{ tick = 9, suspend = \"p3\" }, { tick = 25, resume = \"p3\" }, \
              { tick = 40, revoke = \"p4\" }]\n";

fn text() -> String {
    (0..400).map(|n: u64| format!("p{} p{} {n}\n", n * n % 11, (n * 7 + n / 5) % 13)).collect()
}

/// A run in a new folder, ended by `interrupt` or at its end.
fn life(text: &str, settings: &Settings) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scenario = Scenario::parse(SCENARIO).unwrap();
    let contacts = Contacts::parse(text.as_bytes().to_vec()).unwrap().0;
    let rumour = Rumour::new(&scenario, contacts).unwrap();
    let principal = SecretKey::from_seed(PRINCIPAL).unwrap();
    let terms = GrantTerms {
        principal: "ada".into(),
        principal_key: principal.public_key(),
        node_key: key().public_key(),
        reason: "to see".into(),
        rights: RIGHTS.0,
        resource: resource("rumour"),
        scenario: terms_digest(&scenario, rumour.contacts.raw()),
        expires_tick: None,
        nonce: [1; 16],
    };
    let principal_key = principal.public_key();
    let authority = Authority { signed: terms.sign(&principal).unwrap(), principal_key };
    let dir = DataDir::create(&folder.path().join("d")).unwrap();
    let begun = begin(dir, key(), "rumour", &scenario, &rumour, &authority, settings).unwrap();
    begun.live(&scenario, &rumour, settings).unwrap();
    folder
}

fn settings(schedulers: usize) -> Settings {
    Settings { schedulers, ..Settings::default() }
}

/// A whole run, made once.
fn whole() -> &'static Path {
    static RUN: OnceLock<TempDir> = OnceLock::new();
    RUN.get_or_init(|| life(&text(), &settings(2))).path()
}

fn copy(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (from.join("d"), folder.path());
    let copied = std::process::Command::new("cp").arg("-a").args([&*from, to]).status();
    assert!(copied.unwrap().success());
    folder
}

fn replayed(folder: &Path, until: Option<u64>, schedulers: usize) -> Result<Verdict, LifeError> {
    replay::open(&folder.join("d"), &trust(), until.map(Position))?.run(&settings(schedulers))
}

#[track_caller]
fn diverged(verdict: Result<Verdict, LifeError>) -> Diverged {
    match verdict {
        Ok(Verdict::Diverged(diverged)) => *diverged,
        Ok(Verdict::Confirmed(confirmed)) => panic!("{confirmed:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// Each record of a log with its length, its lane and the tick that it is in.
fn records(folder: &Path) -> Vec<(Vec<u8>, Lane, Option<Tick>)> {
    let mut walk = Walk::open(&log_folder(&folder.join("d"))).unwrap();
    let (mut found, mut tick) = (Vec::new(), None);
    while let Some(blocks) = walk.next_group().unwrap() {
        for block in blocks {
            let (mut records, mut start) = (Records::new(&block.body), 0);
            while let Some(record) = records.next() {
                if let Some(Record::Tick(begun)) = record {
                    tick = Some(begun);
                }
                let end = block.body.len() - records.rest().len();
                found.push((block.body[start..end].to_vec(), block.header.lane, tick));
                start = end;
            }
        }
    }
    found
}

/// Writes the log of a finished run anew, with its records changed, and signs it and its
/// checkpoint with the node's own key.
fn forge(folder: &Path, mut change: impl FnMut(u64, &mut Vec<u8>)) {
    let data = folder.join("d");
    let log = log_folder(&data);
    let mut walk = Walk::open(&log).unwrap();
    let header = walk.header().clone();
    let mut blocks = Vec::new();
    while let Some(group) = walk.next_group().unwrap() {
        blocks.extend(group);
    }
    fs::remove_dir_all(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let (anew, options) = (Arc::new(DiskFolder::new(&log)), WriterOptions::default());
    let writer = Writer::open(anew, &header, key(), 1, &End::of_new_log(), options).unwrap();
    for block in blocks {
        let (mut body, mut records, mut start) = (Vec::new(), Records::new(&block.body), 0);
        for position in block.first_record.0.. {
            if !records.pass() {
                break;
            }
            let end = block.body.len() - records.rest().len();
            let mut record = block.body[start..end].to_vec();
            change(position, &mut record);
            body.extend(record);
            start = end;
        }
        let (lane, count, seals) = (block.header.lane, block.header.count, block.header.seals);
        writer.append(Block { lane, count, body, wall_ms: block.header.wall_ms, seals }).unwrap();
    }
    let end = writer.close().unwrap();
    let (size, root) = (end.tree.size(), end.tree.root());
    let checkpoint = Checkpoint { origin: origin(header.log), size, root };
    fs::write(checkpoint_file(&data), checkpoint.to_note(&key()).unwrap()).unwrap();
}

/// One bit of a record in the middle of a payload.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

/// Where the payload of a message or memory lies in a step.
fn payload_of(bytes: &[u8]) -> Option<usize> {
    use karyon_log::Output::{Remembered, Sent};
    let Some(Some(Record::Step { outputs, .. })) = Records::new(bytes).next() else { return None };
    outputs.iter().find_map(|output| match output {
        Sent { payload, .. } | Remembered { write: payload, .. } => {
            Some(payload.as_ptr() as usize - bytes.as_ptr() as usize + payload.len() - 1)
        }
        _ => None,
    })
}

#[test]
fn a_run_is_confirmed_with_any_number_of_schedulers() {
    for schedulers in [1, 2, 5] {
        let Ok(Verdict::Confirmed(confirmed)) = replayed(whole(), None, schedulers) else {
            panic!("not confirmed with {schedulers}")
        };
        let records = records(whole());
        let of_run = records.iter().filter(|record| record.1 == Lane::Ticks).count();
        assert_eq!(confirmed.compared.records, of_run as u64);
        let report = replay::open(&whole().join("d"), &trust(), None).unwrap().report;
        assert_eq!(report.key, KeyStatus::Trusted);
        assert_eq!(confirmed.state_root, report.seal().map(|seal| Hash(seal.state_root)));
        assert!(confirmed.state_root.is_some());
    }
}

#[test]
fn what_a_run_can_have_is_in_the_run_that_is_tested() {
    let records = records(whole());
    let has = |is: fn(&Record<'_>) -> bool| {
        records.iter().any(|(bytes, ..)| is(&Records::new(bytes).next().unwrap().unwrap()))
    };
    assert!(has(|record| matches!(record, Record::Crash { .. })), "crashes");
    assert!(has(|record| matches!(record, Record::Change { .. })), "changes");
    let denied = |record: &Record<'_>| match record {
        Record::Step { outputs, .. } => {
            outputs.iter().any(|output| matches!(output, karyon_log::Output::Denied { .. }))
        }
        _ => false,
    };
    assert!(has(denied), "denials");
}

#[test]
fn a_replay_stops_behind_any_record_and_no_further() {
    let records = records(whole());
    let last = records.len() as u64 - 1;
    for until in (0..=last).step_by(7).chain([last - 1, last]) {
        let before = &records[..=until as usize];
        let of_run = before.iter().filter(|record| record.1 == Lane::Ticks).count() as u64;
        let Ok(Verdict::Confirmed(confirmed)) = replayed(whole(), Some(until), 2) else {
            panic!("not confirmed up to {until}")
        };
        assert_eq!(confirmed.compared.records, of_run);
        let expected = before.iter().rposition(|record| record.1 == Lane::Ticks);
        assert_eq!(confirmed.compared.last, expected.map(|at| Position(at as u64)));
        let tick = expected.and_then(|at| before[at].2);
        assert_eq!(confirmed.compared.tick, tick);
        assert_eq!(confirmed.state_root, None);
    }
    match replayed(whole(), Some(last + 1), 2) {
        Err(LifeError::Beyond { asked, last: end }) => {
            assert_eq!((asked, end), (Position(last + 1), Position(last)));
        }
        _ => panic!("there is no such record"),
    }
}

#[test]
fn a_divergence_behind_the_place_where_it_stops_is_not_met() {
    let records = records(whole());
    let at = records.len() / 2;
    let victim = (at..).find(|at| payload_of(&records[*at].0).is_some()).unwrap() as u64;
    let folder = copy(whole());
    forge(folder.path(), |position, bytes| {
        if position == victim {
            let at = payload_of(bytes).unwrap();
            flip(bytes, at);
        }
    });
    for until in [0, victim - 20, victim - 1] {
        assert!(matches!(replayed(folder.path(), Some(until), 2), Ok(Verdict::Confirmed(_))));
    }
    for until in [Some(victim), Some(victim + 1), None] {
        let found = diverged(replayed(folder.path(), until, 2));
        assert_eq!(found.first.position, Position(victim));
    }
}

#[test]
fn another_end_is_named_at_the_seal() {
    let last = records(whole()).len() as u64 - 1;
    type Change = fn(&mut karyon_log::Seal);
    let changes: [Change; 2] = [|seal| seal.ticks += 1, |seal| seal.state_root[3] ^= 8];
    for change in changes {
        let folder = copy(whole());
        forge(folder.path(), |position, bytes| {
            let Some(Some(Record::Control(control))) = Records::new(bytes).next() else { return };
            let Control::Seal(mut seal) = *control else { return };
            assert_eq!(position, last);
            change(&mut seal);
            bytes.clear();
            Record::Control(Box::new(Control::Seal(seal))).encode(bytes);
        });
        let found = diverged(replayed(folder.path(), None, 2));
        assert_eq!((found.first.position, found.agent), (Position(last), None));
        let seals = [found.first.expected, found.first.got].map(|bytes| {
            match Records::new(&bytes.unwrap()).next() {
                Some(Some(Record::Control(control))) => match *control {
                    Control::Seal(seal) => seal,
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        });
        assert_ne!(seals[0], seals[1]);
    }
}

#[test]
fn a_run_that_fails_where_its_log_goes_on_says_why() {
    let folder = copy(whole());
    // With these bounds it could never have gone so far.
    forge(folder.path(), |_, bytes| {
        let Some(Some(Record::Control(control))) = Records::new(bytes).next() else { return };
        let Control::Genesis(mut genesis) = *control else { return };
        let scenario = Scenario::parse(&genesis.scenario).unwrap();
        let mut tighter = scenario.clone();
        tighter.supervision.intensity = 3;
        genesis.scenario = tighter.to_toml();
        bytes.clear();
        Record::Control(Box::new(Control::Genesis(genesis))).encode(bytes);
    });
    let found = diverged(replayed(folder.path(), None, 2));
    assert!(found.failure.unwrap().to_string().contains("supervisor gave up"));
    assert!(found.first.expected.is_some() && found.first.got.is_none());
}

#[test]
fn an_interrupted_run_is_confirmed_up_to_its_end() {
    // A signal that is there from the beginning ends it before its first tick.
    let signal = Arc::new(AtomicUsize::new(15));
    let folder = life(&text(), &Settings { interrupt: signal, ..settings(1) });
    let Ok(Verdict::Confirmed(confirmed)) = replayed(folder.path(), None, 5) else {
        panic!("not confirmed")
    };
    assert_eq!(confirmed.state_root, None);
    // Leases and spawns of 13 people.
    assert_eq!((confirmed.compared.records, confirmed.compared.tick), (26, None));
}

#[test]
fn other_versions_are_refused_and_stop_ends_it() {
    type Change = fn(&mut karyon_log::Genesis);
    let changes: [Change; 2] =
        [|genesis| genesis.karyon = "0.0.9".into(), |genesis| genesis.kinds[0].1 += 1];
    for change in changes {
        let folder = copy(whole());
        forge(folder.path(), |_, bytes| {
            let Some(Some(Record::Control(control))) = Records::new(bytes).next() else { return };
            let Control::Genesis(mut genesis) = *control else { return };
            change(&mut genesis);
            bytes.clear();
            Record::Control(Box::new(Control::Genesis(genesis))).encode(bytes);
        });
        match replayed(folder.path(), None, 2) {
            Err(LifeError::Node(error @ NodeError::Mismatch { .. })) => {
                assert!(error.to_string().contains("use the version that began it"));
            }
            _ => panic!("another version"),
        }
    }
    let folder = copy(whole());
    fs::write(folder.path().join("d/safety/STOP"), "").unwrap();
    let stopped = replayed(folder.path(), None, 2);
    assert!(matches!(stopped, Err(LifeError::Node(NodeError::Stop { .. }))));
}

#[test]
fn where_nothing_was_recorded_there_is_nothing_to_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let Err(error) = replayed(folder.path(), None, 1) else { panic!("there is nothing") };
    assert!(matches!(error, LifeError::Node(NodeError::NothingRecorded { .. })));
}

#[test]
fn a_record_that_was_made_nobodys_gets_nobodys_name() {
    let records = records(whole());
    let of_the_first = |bytes: &[u8]| {
        matches!(Records::new(bytes).next(), Some(Some(Record::Step { agent: AgentId(1), .. })))
    };
    let victim = records.iter().position(|(bytes, ..)| of_the_first(bytes)).unwrap() as u64;
    let folder = copy(whole());
    forge(folder.path(), |position, bytes| {
        if position == victim {
            // Behind its length and its kind.
            assert_eq!(std::mem::take(&mut bytes[2]), 1);
        }
    });
    let Diverged { first, agent, .. } = diverged(replayed(folder.path(), None, 2));
    assert_eq!(first.position, Position(victim));
    assert_eq!(agent, Some((AgentId(0), String::new())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_byte_of_any_step_that_is_changed_and_signed_anew_is_named(
        which: prop::sample::Index,
        place: prop::sample::Index,
        bit in 0..8u8,
        schedulers in 1..=5usize,
    ) {
        let records = records(whole());
        let steps: Vec<_> = (0u64..).zip(&records).filter(|(_, record)| {
            matches!(Records::new(&record.0).next(), Some(Some(Record::Step { .. })))
        }).collect();
        let (victim, (was, _, tick)) = steps[which.index(steps.len())];
        let mut other = was.clone();
        other[place.index(was.len())] ^= 1 << bit;
        let mut read = Records::new(&other);
        // What no longer is one record would be damage, which verification names.
        let is_record = matches!(read.next(), Some(Some(_))) && read.rest().is_empty();
        let folder = copy(whole());
        forge(folder.path(), |position, bytes| {
            if position == victim {
                bytes.clone_from(&other);
            }
        });
        let verdict = replayed(folder.path(), None, schedulers);
        if is_record {
            let Diverged { first, agent, failure } = diverged(verdict);
            prop_assert_eq!(first.position, Position(victim));
            prop_assert_eq!(first.tick, *tick);
            prop_assert_eq!(first.expected.as_ref(), Some(&other));
            prop_assert_eq!(first.got.as_ref(), Some(was));
            prop_assert!(failure.is_none());
            if let Some(Some(Record::Step { agent: own, .. })) = Records::new(&other).next() {
                let known = own.0 >= 1 && own.0 <= 13;
                prop_assert_eq!(agent.as_ref().map(|(agent, _)| *agent), Some(own));
                prop_assert_eq!(agent.is_some_and(|(_, name)| name.starts_with('p')), known);
            }
        } else {
            match verdict {
                Err(LifeError::Node(NodeError::Verify(error))) => {
                    prop_assert!(error.is_refutation());
                }
                _ => prop_assert!(false, "what cannot be read is damage"),
            }
        }
    }
}

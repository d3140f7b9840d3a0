//! `karyon replay --verify`: a run that was recorded is confirmed, and one that was not is named
//! at its first record. Nothing in the data directory changes by it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use karyon_keys::KeyDirectory;
use karyon_log::{Control, DiskFolder, End, Output, Record, Records, Walk, origin};
use karyon_log_writer::{Block, Writer, WriterOptions};
use karyon_statements::Checkpoint;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::safe_mode::tree;
use crate::support::{Ended, Place, contacts, log_file};

const REPLAY: [&str; 5] = ["replay", "--verify", "--data", "d", "--json"];

/// Crashes, and authority that changes.
const SCENARIO: &str = "[model]\nname = \"rumour\"\n[chaos]\nprobability = 0.1\n[supervision]\n\
    intensity = 4_000_000\n[authority]\nchange = [{ tick = 9, suspend = \"p3\" }, \
    { tick = 40, resume = \"p3\" }, { tick = 90, revoke = \"p4\" }]\n";

/// A finished run of several commits.
fn finished() -> Place {
    let place = Place::new();
    place.write("c.txt", &contacts(3_000, 40));
    place.write("s.toml", SCENARIO);
    place.karyon(&["run", "s.toml", "--contacts", "c.txt", "--data", "d"]).expect(0);
    place
}

/// Replays `d`, in which nothing changes by it.
#[track_caller]
fn replay(place: &Place, more: &[&str]) -> Ended {
    let data = place.path("d");
    let was = tree(&data);
    let ended = place.karyon(&[&REPLAY, more].concat());
    assert_eq!(tree(&data), was, "{ended:?}");
    ended
}

/// Writes the log of the finished run in `d` anew with its records changed, as somebody would who
/// has the node's key and knows what proves that it was another: the checkpoints.
fn forge(place: &Place, mut change: impl FnMut(u64, &mut Vec<u8>)) {
    let log = place.path("d/log");
    let key = Arc::new(KeyDirectory::at(place.keys()).load_node_key().unwrap());
    let mut walk = Walk::open(&log).unwrap();
    let header = walk.header().clone();
    let mut blocks = Vec::new();
    while let Some(group) = walk.next_group().unwrap() {
        blocks.extend(group);
    }
    fs::remove_dir_all(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let (anew, options) = (Arc::new(DiskFolder::new(&log)), WriterOptions::default());
    let end = End::of_new_log();
    let writer = Writer::open(anew, &header, Arc::clone(&key), 1, &end, options).unwrap();
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
    fs::write(log.join("checkpoint"), checkpoint.to_note(&key).unwrap()).unwrap();
    fs::remove_dir_all(place.keys().join("checkpoints")).unwrap();
}

/// Where the last byte of a message's payload lies in a step's record.
fn payload_in(bytes: &[u8]) -> Option<usize> {
    let Some(Some(Record::Step { outputs, .. })) = Records::new(bytes).next() else { return None };
    outputs.iter().find_map(|output| match output {
        Output::Sent { payload, .. } => {
            Some(payload.as_ptr() as usize - bytes.as_ptr() as usize + payload.len() - 1)
        }
        _ => None,
    })
}

/// Changes one byte of the payload of a message behind `from`; in which record.
pub(crate) fn change_a_payload(place: &Place, from: u64) -> u64 {
    let mut victim = None;
    forge(place, |position, bytes| {
        if victim.is_none()
            && position >= from
            && let Some(at) = payload_in(bytes)
        {
            bytes[at] ^= 1;
            victim = Some(position);
        }
    });
    victim.unwrap()
}

fn seal_of(place: &Place) -> Value {
    place.verified("d")["state_root"].clone()
}

#[test]
fn a_finished_run_is_confirmed_with_its_root() {
    let place = finished();
    for schedulers in ["1", "2", "5"] {
        let told = replay(&place, &["--schedulers", schedulers]).expect(0).json();
        assert_eq!((&told["confirmed"], &told["sealed"]), (&true.into(), &true.into()));
        assert_eq!(told["state_root"], seal_of(&place));
        assert_eq!((&told["key"], &told["until"]), (&"trusted".into(), &Value::Null));
        assert!(told["compared"].as_u64() > Some(6_000), "{told}");
    }
    let args = ["replay", "--verify", "--data", "d"];
    let said = place.karyon(&args).expect(0);
    assert!(said.out.contains("are as recorded, up to #") && said.out.contains("as sealed"));
    assert_eq!(said.err, "");
}

#[test]
fn it_stops_behind_the_record_that_is_named() {
    let place = finished();
    let records = place.verified("d")["records"].as_u64().unwrap();
    let middle = (records / 2).to_string();
    let told = replay(&place, &["--until", &format!("#{middle}")]).expect(0).json();
    assert_eq!((&told["last_record"], &told["until"]), (&told["until"], &(records / 2).into()));
    assert_eq!(told["state_root"], Value::Null);
    let args = ["replay", "--verify", "--until", &middle, "--data", "d"];
    let said = place.karyon(&args).expect(0).out;
    assert!(said.contains(&format!("stopped     behind record #{middle}, as asked")), "{said}");
    // Before the run's first record, and at the seal, which is none of them.
    let told = replay(&place, &["--until", "0"]).expect(0).json();
    assert_eq!((&told["compared"], &told["last_record"]), (&0.into(), &Value::Null));
    let told = replay(&place, &["--until", &(records - 1).to_string()]).expect(0).json();
    assert_eq!(told["last_record"], records - 2);
    let last = format!("#{}", records - 1);
    replay(&place, &["--until", &records.to_string()]).expect(1).says(&["the log ends at", &last]);
    replay(&place, &["--until", "x"]).expect(2);
    place.karyon(&["replay", "--data", "d"]).expect(2).says(&["--verify"]);
}

#[test]
fn a_payload_that_was_changed_and_signed_anew_is_named_at_its_record() {
    let place = finished();
    let kept = fs::read_to_string(place.path("d/log/checkpoint")).unwrap();
    let records = place.verified("d")["records"].as_u64().unwrap();
    let victim = change_a_payload(&place, records / 2);
    // With the node's own key, and nothing kept elsewhere, verification has nothing to object.
    assert_eq!(place.verified("d")["key"], "trusted");
    place.write("kept", &kept);
    place.karyon(&["audit", "grew", "--since", "kept", "--data", "d"]).expect(5);

    for schedulers in ["1", "2", "5"] {
        let ended = replay(&place, &["--schedulers", schedulers]).expect(5);
        let told = ended.json();
        assert_eq!((&told["confirmed"], &told["record"]), (&false.into(), &victim.into()));
        assert_eq!(
            (&told["expected"]["kind"], &told["got"]["kind"]),
            (&"step".into(), &"step".into())
        );
        let (expected, got) = (&told["expected"], &told["got"]);
        assert_eq!((&expected["agent"], &expected["agent"]), (&got["agent"], &told["agent"]["id"]));
        assert_ne!(expected["outputs"], got["outputs"]);
        let differs = told["differs"].as_str().unwrap();
        assert!(differs.starts_with("outputs[") && differs.contains(".sent.payload"), "{told}");
        let name = format!("(\"{}\")", told["agent"]["name"].as_str().unwrap());
        let (record, tick) = (format!("#{victim}"), format!("in tick {}", told["tick"]));
        ended.says(&[&record, &tick, &name, "recorded  ", "repeated  ", "came out"]);
    }
    let tick = place.karyon(&["audit", "tail", "-n", "100000", "--json", "--data", "d"]).expect(0);
    let own = format!("\"seq\":{victim},");
    let line = tick.out.lines().find(|line| line.contains(&own)).unwrap().to_owned();
    let told = replay(&place, &[]).expect(5).json();
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&entry["tick"], &entry["view"]), (&told["tick"], &told["expected"]));
    // What lies before it is as recorded.
    replay(&place, &["--until", &(victim - 1).to_string()]).expect(0);
    replay(&place, &["--until", &victim.to_string()]).expect(5);
    // A resume finds the same, and says the same.
    let resumed = place.karyon(&["resume", "--data", "d"]).expect(5);
    resumed.says(&[&format!("#{victim}"), "recorded  ", "repeated  ", "came out"]);
}

#[test]
fn a_damaged_log_is_no_divergence() {
    let place = finished();
    let file = log_file(&place.path("d"));
    let mut log = fs::read(&file).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 1;
    fs::write(&file, &log).unwrap();
    let damaged = replay(&place, &[]).expect(5).says(&["block", "record"]);
    assert!(!damaged.err.contains("repeat"), "{damaged:?}");
    assert_eq!(damaged.json()["confirmed"], Value::Null);
}

#[test]
fn after_a_signal_and_after_a_kill_it_is_confirmed_up_to_its_end() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let whole = |place: &Place| {
        let end = place.verified("d");
        let told = replay(place, &["--schedulers", "2"]).expect(0).json();
        assert_eq!(told["records"], end["records"]);
        (told["sealed"].clone(), told["state_root"].clone(), end["state_root"].clone())
    };
    assert_eq!(whole(&place), (false.into(), Value::Null, Value::Null));

    let mut running = place.start(&["resume", "--data", "d", "--schedulers", "1"]);
    let end = place.verified("d")["log_bytes"].as_u64().unwrap();
    running.wait_for_log(&place.path("d"), end + 64 * 1024);
    running.kill();
    // In safe mode nothing is repeated.
    replay(&place, &[]).expect(4).says(&["safe mode", "karyon safety resume --reason"]);
    place.end_safe_mode("d", "looked");
    assert_eq!(whole(&place), (false.into(), Value::Null, Value::Null));
    place.resumes_to_the_same_state("d");
    let (sealed, root, of_seal) = whole(&place);
    assert_eq!((sealed, root), (true.into(), of_seal));
}

#[test]
fn while_the_run_is_under_way_it_is_compared_up_to_its_last_commit() {
    let place = Place::new();
    place.patient();
    let running = place.start_long("d");
    running.signal_node(&place.path("d"), "STOP");
    let told = place.karyon(&REPLAY).expect(0).json();
    assert!(told["compared"].as_u64() > Some(1_000), "{told}");
    assert_eq!(told["sealed"], false);
    running.signal_node(&place.path("d"), "CONT");
    running.end().expect(0);
}

#[test]
fn imports_behind_the_seal_change_nothing() {
    let place = finished();
    let other = ["run", "rumour", "--contacts", "c.txt", "--data", "other"];
    place.karyon(&other).expect(0);
    let export = ["engram", "export", "--agent", "p1", "--out", "p1.engram", "--data", "other"];
    place.karyon(&export).expect(0);
    place.karyon(&["engram", "import", "p1.engram", "--data", "d"]).expect(0);
    assert_eq!(place.verified("d")["imports"], 1);
    let told = replay(&place, &[]).expect(0).json();
    assert_eq!(told["state_root"], seal_of(&place));
    // Where only an import is there is no run, and none in a directory of effects.
    place.karyon(&["engram", "import", "p1.engram", "--data", "mind"]).expect(0);
    place.karyon(&["authority", "new", "--data", "office"]).expect(0);
    for data in ["mind", "office"] {
        let args = ["replay", "--verify", "--data", data];
        place.karyon(&args).expect(1).says(&["holds no run"]);
    }
}

#[test]
fn what_cannot_be_repeated_is_refused_with_words() {
    let place = finished();
    let args = |data| ["replay", "--verify", "--data", data];
    place.karyon(&args("nowhere")).expect(1).says(&["there is no data directory nowhere"]);
    fs::create_dir(place.path("empty")).unwrap();
    place.karyon(&args("empty")).expect(1).says(&["nothing was recorded in empty"]);
    // Written by another version; with the right key, the key is not what is wrong.
    forge(&place, |_, bytes| {
        let Some(Some(Record::Control(control))) = Records::new(bytes).next() else { return };
        let Control::Genesis(mut genesis) = *control else { return };
        genesis.karyon = "0.0.9".into();
        bytes.clear();
        Record::Control(Box::new(Control::Genesis(genesis))).encode(bytes);
    });
    replay(&place, &[]).expect(1).says(&["0.0.9", "use the version that began it"]);
    replay(&place, &["--key", &"11".repeat(32)]).expect(5);
}

#[test]
fn a_signal_ends_it_at_once_and_leaves_nothing() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    let was = tree(&place.path("d"));
    let signals = [(Signal::INT, 2), (Signal::TERM, 15)];
    for (signal, number) in signals.into_iter().filter(|(_, number)| !is_ignored(*number)) {
        let mut command = place.command();
        command.args(REPLAY).stdout(Stdio::null());
        let mut replay = command.spawn().unwrap();
        // Past its first instructions, before any end: it has opened the log.
        let opened = format!("/proc/{}/fd", replay.id());
        let log = fs::canonicalize(log_file(&place.path("d"))).unwrap();
        while !has_open(Path::new(&opened), &log) {
            assert!(replay.try_wait().unwrap().is_none(), "it ended before it was looked at");
        }
        // By no program: while one starts the replay could end.
        kill_process(Pid::from_child(&replay), signal).unwrap();
        assert_eq!(replay.wait().unwrap().signal(), Some(number));
        assert_eq!(tree(&place.path("d")), was);
    }
}

/// Whether this process, and so all that it starts, ignores a signal: a shell does so to what it
/// puts into the background.
fn is_ignored(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() >> (number - 1) & 1 == 1
}

fn has_open(folder: &Path, file: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|open| open == file))
}

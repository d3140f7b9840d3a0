//! Safe mode: everything can be read, and nothing in the data directory changes by it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use karyon_engram::Engram;
use karyon_safety::{Marker, replace};

use crate::support::{Ended, Place, contacts};

/// What may be asked of a run; all have to answer alike before and after a person resumed.
/// `OUT` is a file that is made for the answer.
const QUESTIONS: [&str; 21] = [
    "memory count contact --json",
    "memory count heard --at 2000",
    "memory get p1 --json",
    "memory get p1 --as-recorded 4100 --json",
    "memory get p1 --at tick:1",
    "memory history p1 --csv",
    "memory neighbours p1 --dot",
    "memory list contact --at 300 --csv",
    "memory plot p1 --out OUT",
    "why p1 --json",
    "why p1 --consequences",
    "why #4100 --dot",
    "engram export --agent p1 --out OUT",
    "engram inspect p1.engram --json",
    "audit verify --json",
    "audit export --out OUT",
    "audit export --bare --out -",
    "audit prove #100 --out OUT",
    "audit tail -n 50",
    "audit orphans --json",
    "audit grew --since since --json",
];

/// Those that are answered from memory or from the index of causes.
fn reads_memory(question: &str) -> bool {
    ["memory", "why", "engram export"].iter().any(|word| question.starts_with(word))
}

/// Asks about the data directory `d` of a folder: what is answered, and the file that is made.
fn ask(place: &Place, folder: &Path, question: &str) -> (Ended, Vec<u8>) {
    let out = folder.join("out");
    let of_data = if question.contains("inspect") { "" } else { " --data d" };
    let question = format!("{question}{of_data}").replace("OUT", "out");
    let args: Vec<&str> = question.split(' ').collect();
    let ended = place.end_of(place.command().current_dir(folder).args(&args), &args).expect(0);
    let mut made = fs::read(&out).unwrap_or_default();
    if out.exists() {
        fs::remove_file(out).unwrap();
    }
    if question.starts_with("engram export") {
        // It holds the moment at which it was made.
        let mut opened = Engram::open(&made).unwrap();
        opened.engram.manifest.created_unix_ms = 0;
        made = format!("{:?}", opened.engram).into_bytes();
    }
    (ended, made)
}

/// A directory as it is: each name with what it is, how long, and when it was last changed.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, [i64; 7]> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        if data.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let (inode, mode, length) = (data.ino() as i64, data.mode().into(), data.len() as i64);
        let (written, changed) = (data.mtime(), data.ctime());
        let nanos = (data.mtime_nsec(), data.ctime_nsec());
        found.insert(path, [inode, mode, length, written, nanos.0, changed, nanos.1]);
    }
    found
}

/// The contents of all files.
fn contents_of(tree: &BTreeMap<PathBuf, [i64; 7]>) -> Vec<Vec<u8>> {
    tree.keys().filter(|path| path.is_file()).map(|path| fs::read(path).unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

/// What lies in the folder `memory`.
const MEMORIES: [&str; 4] = ["current", "damaged", "unmarked", "absent"];

/// Brings the memory of `data` into a state; `current` is the folder of one that is current.
fn put_memory(data: &Path, current: &Path, state: &str) {
    let memory = data.join("memory");
    if memory.exists() {
        fs::remove_dir_all(&memory).unwrap();
    }
    if state != "absent" {
        copy(current, &memory);
    }
    for name in ["graph", "lineage"] {
        match state {
            "damaged" => {
                let file = memory.join(name).with_extension("redb");
                let mut bytes = fs::read(&file).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::write(file, bytes).unwrap();
            }
            // As after a kill: nobody knows what it should be.
            "unmarked" => fs::remove_file(memory.join(name).with_extension("blake3")).unwrap(),
            _ => {}
        }
    }
}

/// Asks everything of `d`, which is in safe mode, with the memory in each state: answered as after
/// a resume, and nothing changes.
fn all_can_be_read_and_nothing_is_written(place: &Place) {
    // What would be answered if a person had resumed.
    let (data, resumed) = (place.path("d"), place.path("resumed"));
    fs::create_dir(&resumed).unwrap();
    copy(&data, &resumed);
    let stop = resumed.join("d/safety/STOP");
    if stop.exists() {
        fs::remove_file(stop).unwrap();
    }
    place.end_safe_mode("resumed/d", "to compare");
    let args = ["engram", "export", "--agent", "p1", "--out", "p1.engram", "--data", "resumed/d"];
    place.karyon(&args).expect(0);
    let exported = place.karyon(&["audit", "export", "--out", "-", "--data", "d"]).expect(0).json();
    place.write("since", exported["checkpoint"].as_str().unwrap());
    for name in ["p1.engram", "since"] {
        fs::copy(place.path(name), resumed.join(name)).unwrap();
    }
    let answers: Vec<_> = QUESTIONS.iter().map(|ask_it| ask(place, &resumed, ask_it)).collect();

    for state in MEMORIES {
        put_memory(&data, &resumed.join("d/memory"), state);
        let was = tree(&data);
        let held = contents_of(&was);
        for (question, (expected, file)) in QUESTIONS.iter().zip(&answers) {
            let (answer, made) = ask(place, &place.path(""), question);
            assert_eq!(answer.out, expected.out, "{question}, {state}");
            assert!(made == *file, "{question}, {state}: the file that was made differs");
            let built = reads_memory(question) && state != "current";
            assert_eq!(
                answer.err.contains("safe mode: "),
                built,
                "{question}, {state}: {answer:?}"
            );
            assert_eq!(answer.err.contains("is not kept"), built, "{question}, {state}");
            assert_eq!(tree(&data), was, "{question}, {state}");
        }
        let status = ["safety", "status", "--json", "--data", "d"];
        assert_eq!(place.karyon(&status).expect(0).json()["start_permitted"], false);
        // To build it anew is to write.
        let how = ["not built anew", "karyon safety resume --reason", "--data d"];
        place.karyon(&["memory", "rebuild", "--data", "d"]).expect(4).says(&how);
        assert_eq!(tree(&data), was, "status, rebuild, {state}");
        assert!(contents_of(&was) == held, "{state}");
    }
}

#[test]
fn after_stop_half_way() {
    let place = Place::new();
    let running = place.start_long("d");
    fs::write(place.path("d/safety/STOP"), "").unwrap();
    running.end().expect(4);
    all_can_be_read_and_nothing_is_written(&place);
}

#[test]
fn after_a_kill() {
    let place = Place::new();
    place.start_long("d").kill();
    all_can_be_read_and_nothing_is_written(&place);
}

/// A small run that came to its end.
fn finished() -> Place {
    let place = Place::new();
    place.write("c.txt", &contacts(4_000, 40));
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "d"]).expect(0);
    place
}

#[test]
fn after_a_halt_behind_the_end() {
    let place = finished();
    replace(&place.path("d"), &Marker::Halted { n: 1, reason: "smoke".into() }).unwrap();
    all_can_be_read_and_nothing_is_written(&place);
}

#[test]
fn without_a_marker() {
    let place = finished();
    fs::remove_file(place.path("d/safety/marker")).unwrap();
    all_can_be_read_and_nothing_is_written(&place);
}

#[test]
fn the_authority_of_a_halted_directory_can_be_shown() {
    let place = Place::new();
    place.karyon(&["authority", "new", "--data", "d"]).expect(0);
    let show = ["authority", "show", "--json", "--data", "d"];
    let before = place.karyon(&show).expect(0).out;
    replace(&place.path("d"), &Marker::Halted { n: 9, reason: "smoke".into() }).unwrap();
    let was = tree(&place.path("d"));
    assert_eq!(place.karyon(&show).expect(0).out, before);
    assert_eq!(tree(&place.path("d")), was);
}

#[test]
fn while_a_run_is_under_way_its_memory_is_kept() {
    // The marker of a living run looks like that of a crashed one.
    let place = Place::new();
    place.patient();
    let running = place.start_long("d");
    running.signal_node(&place.path("d"), "STOP");
    let asked = place.karyon(&["memory", "count", "contact", "--data", "d"]).expect(0);
    assert!(!asked.err.contains("safe mode"), "{asked:?}");
    assert!(place.path("d/memory/graph.redb").exists());
    running.signal_node(&place.path("d"), "CONT");
    running.end().expect(0);
}

#[test]
fn after_a_resume_what_is_named_can_be_done() {
    let place = finished();
    place.karyon(&["authority", "new", "--data", "office"]).expect(0);
    let export = ["engram", "export", "--agent", "p1", "--out", "p1.engram", "--data", "d"];
    place.karyon(&export).expect(0);
    place.karyon(&["engram", "import", "p1.engram", "--data", "mind"]).expect(0);
    fs::create_dir(place.path("empty")).unwrap();
    for (data, way, other) in [
        ("d", "karyon resume --data d", "authority"),
        ("office", "karyon authority show --data office", "karyon resume"),
        ("mind", "karyon engram import", "karyon resume"),
        ("empty", "karyon run", "karyon resume"),
    ] {
        place.karyon(&["halt", "--reason", "smoke", "--data", data]).expect(0);
        let said = place.karyon(&["safety", "resume", "--reason", "r", "--data", data]).expect(0);
        assert!(said.out.contains(way) && !said.out.contains(other), "{data}: {}", said.out);
    }
    // And so it can.
    place.karyon(&["authority", "show", "--data", "office"]).expect(0);
    place.karyon(&["authority", "agent", "p", "--data", "office"]).expect(0);
    place.karyon(&["engram", "import", "p1.engram", "--data", "mind"]).expect(0);
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "empty"]).expect(0);
}

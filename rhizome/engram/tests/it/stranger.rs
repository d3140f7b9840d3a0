//! The stranger's reader, `scripts/read_engram.py`, judges as this crate does. It is written from
//! `docs/engram-format.md` alone.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipld_core::ipld::Ipld;
use karyon_engram::Engram;

use crate::support::*;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/read_engram.py")
}

/// Whether the script can run here; said aloud where not.
fn can_run() -> bool {
    let tried = Command::new("python3").args(["-c", "import blake3, cryptography"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        let why = b"SKIPPED the stranger's reader: python3 with blake3 and cryptography\n";
        std::io::stderr().write_all(why).unwrap();
    }
    can
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs the script over each file, in one process: its last words on each.
fn verdicts(name: &str, files: &[Vec<u8>]) -> Vec<String> {
    const EACH: &str = "import contextlib, io, runpy, sys\n\
        script, folder, count = sys.argv[1:]\n\
        for number in range(int(count)):\n\
        \x20   sys.argv[1:] = [f'{folder}/{number}']\n\
        \x20   out, err = io.StringIO(), io.StringIO()\n\
        \x20   try:\n\
        \x20       with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):\n\
        \x20           runpy.run_path(script, run_name='__main__')\n\
        \x20   except SystemExit as end: print(end.code)\n\
        \x20   except BaseException as end: print('FAILED', repr(end))\n\
        \x20   else: print(err.getvalue().strip().splitlines()[-1])\n";
    let folder = folder(name);
    for (number, bytes) in files.iter().enumerate() {
        std::fs::write(folder.join(number.to_string()), bytes).unwrap();
    }
    let mut command = Command::new("python3");
    command.args(["-W", "ignore", "-c", EACH]).arg(script()).arg(&folder);
    let output = command.arg(files.len().to_string()).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<String> = words.lines().map(str::to_owned).collect();
    assert_eq!(words.len(), files.len(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(folder).unwrap();
    words
}

/// Both judge alike.
#[track_caller]
fn judged_alike(name: &str, files: &[Vec<u8>]) {
    for (number, words) in verdicts(name, files).iter().enumerate() {
        let ours = Engram::open(&files[number]);
        let expected = if ours.is_ok() { "verified: " } else { "NOT VERIFIED: " };
        let why = ours.err().map(|error| error.to_string());
        assert!(words.starts_with(expected), "{number}: {words} and here {why:?}");
    }
}

#[test]
fn the_golden_file_is_listed() {
    if !can_run() {
        return;
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1.car");
    let key = signer().to_string();
    let read = |key: &str| {
        let mut command = Command::new("python3");
        let output = command.arg(script()).arg(&golden).args(["--key", key]).output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), out, err)
    };
    let (code, out, err) = read(&key);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().count(), sample().len());
    let memories: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let contact = memories.iter().find(|memory| memory["entity"]["edge"].is_object()).unwrap();
    assert_eq!(contact["recorded"]["position"], 17);
    assert_eq!(contact["content"]["present"]["properties"]["count"]["i64"], 2);
    assert!(err.starts_with("verified: 3 memories") && err.contains(&key), "{err}");
    let (code, out, err) = read(&other_key().public_key().to_string());
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("another key than yours"), "{err}");
}

#[test]
fn flipped_and_cut_files_are_judged_alike() {
    if !can_run() {
        return;
    }
    let file = sealed(&sample());
    let flipped = (0..file.len()).map(|at| {
        let mut bytes = file.clone();
        bytes[at] ^= if at % 2 == 0 { 0x01 } else { 0x80 };
        bytes
    });
    let cut = (0..file.len()).step_by(7).map(|len| file[..len].to_vec());
    let more = [file.clone(), [&file[..], &[0]].concat(), sealed(&[])];
    judged_alike("flipped", &flipped.chain(cut).chain(more).collect::<Vec<_>>());
}

type Change = fn(&mut BTreeMap<String, Ipld>);

fn manifest(change: Change) -> Vec<u8> {
    let mut parts = Parts::of(&sample());
    change(&mut parts.manifest);
    parts.signed()
}

fn memory(change: impl Fn(&mut BTreeMap<String, Ipld>)) -> Vec<u8> {
    let mut parts = Parts::of(&sample()[1..2]);
    let Ipld::Map(mut map) = serde_ipld_dagcbor::from_slice(&parts.blocks[0]).unwrap() else {
        panic!("a memory is a map")
    };
    change(&mut map);
    parts.blocks = vec![serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap()];
    parts.listed_and_signed()
}

fn with_value(value: Ipld) -> Vec<u8> {
    memory(|memory| {
        let Some(Ipld::Map(content)) = memory.get_mut("content") else { panic!("content") };
        let Some(Ipld::Map(present)) = content.get_mut("present") else { panic!("present") };
        let properties = BTreeMap::from([("x".to_owned(), value.clone())]);
        present.insert("properties".into(), Ipld::Map(properties));
    })
}

fn typed(name: &str, value: Ipld) -> Ipld {
    Ipld::Map(BTreeMap::from([(name.to_owned(), value)]))
}

#[test]
fn forged_files_are_judged_alike() {
    if !can_run() {
        return;
    }
    let nested = |levels: u32| {
        (0..levels).fold(Ipld::Null, |value, _| typed("list", Ipld::List(vec![value])))
    };
    let text = |text: &str| Ipld::String(text.into());
    let manifests: [Change; 12] = [
        |_| {},
        |m| drop(m.insert("version".into(), Ipld::Integer(2))),
        |m| drop(m.insert("more".into(), Ipld::Null)),
        |m| drop(m.remove("reason")),
        |m| drop(m.insert("reason".into(), Ipld::String("a\nb".into()))),
        |m| drop(m.insert("reason".into(), Ipld::String("r".repeat(4097)))),
        |m| drop(m.insert("at".into(), Ipld::List(vec![Ipld::Integer(0), Ipld::Integer(1 << 40)]))),
        |m| {
            let Some(Ipld::List(links)) = m.get_mut("memories") else { panic!("links") };
            links.reverse();
        },
        |m| {
            let Some(Ipld::List(names)) = m.get_mut("names") else { panic!("names") };
            names.pop();
        },
        |m| {
            let Some(Ipld::List(names)) = m.get_mut("names") else { panic!("names") };
            names.push(Ipld::List(vec![Ipld::Integer(500), Ipld::String("eve".into())]));
        },
        |m| {
            let Some(Ipld::List(agents)) = m.get_mut("agents") else { panic!("agents") };
            agents[0] = Ipld::List(vec![Ipld::Integer(9), Ipld::String("eve".into())]);
        },
        |m| {
            let Some(Ipld::Map(origin)) = m.get_mut("origin") else { panic!("origin") };
            origin.insert("records".into(), Ipld::Integer(999));
        },
    ];
    let mut files: Vec<_> = manifests.map(manifest).into();
    for value in [
        Ipld::Null,
        Ipld::Integer(1),
        text("x"),
        typed("i64", Ipld::Integer(1)),
        typed("i64", Ipld::Integer(1 << 63)),
        typed("i64", Ipld::Float(1.0)),
        typed("i32", Ipld::Integer(1)),
        typed("f64", Ipld::Float(0.5)),
        typed("named", text("")),
        typed("named", text("a\u{7}")),
        typed("time", Ipld::List(vec![Ipld::Integer(0), Ipld::Integer(1_000_000_000)])),
        typed("map", typed("y", typed("text", text("z")))),
        typed("map", typed("", Ipld::Null)),
        Ipld::Map(BTreeMap::new()),
        nested(8),
        nested(9),
        nested(100),
    ] {
        files.push(with_value(value));
    }
    files.push(memory(|m| drop(m.insert("more".into(), Ipld::Null))));
    files.push(memory(|m| drop(m.remove("recorded"))));
    files.push(memory(|m| drop(m.insert("content".into(), Ipld::String("ended".into())))));
    files.push(memory(|m| drop(m.insert("content".into(), Ipld::String("begun".into())))));
    files.push(memory(|m| {
        let Some(Ipld::Map(valid)) = m.get_mut("valid") else { panic!("valid") };
        valid.insert("to".into(), valid["from"].clone());
    }));
    files.push(memory(|m| {
        let Some(Ipld::Map(recorded)) = m.get_mut("recorded") else { panic!("recorded") };
        recorded.insert("output".into(), Ipld::Integer(1 << 16));
    }));
    judged_alike("forged", &files);
}

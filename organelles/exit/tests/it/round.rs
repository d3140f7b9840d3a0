//! Out and in: nothing is lost, and nothing else comes along.

use std::fs::{self, File};

use karyon_exit::{ExportError, ImportError, Place as Target, is_export, manifest};
use karyon_runtime::datadir::{checkpoint_file, inputs, log_file};
use karyon_statements::Checkpoint;
use serde_json::Value;

use crate::support::{Pieces, Place, digits, header, key, names, report};

fn lines(pieces: &Pieces, name: &str) -> Vec<Value> {
    let text = std::str::from_utf8(pieces.content(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn out_and_in_and_out_again() {
    let place = Place::new();
    for (key, name) in [(Some(key()), "signed"), (None, "bare")] {
        let (out, data, again) =
            (format!("{name}.tar"), format!("{name}.d"), format!("{name}2.tar"));
        let exported = place.export("d", key.as_ref(), &out);
        assert_eq!(exported.bytes, fs::metadata(place.path(&out)).unwrap().len());
        let taken = place.import(&out, &data).unwrap();
        let (here, there) =
            (report(&place.path("d")).unwrap(), report(&place.path(&data)).unwrap());
        assert_eq!(taken.end, there.end);
        assert_eq!(here.end.without_tail(), there.end, "all but what was never committed");
        assert!(here.end.tail_bytes > 0);
        let memory = |data: &str| {
            let graph = karyon_memory::open(&place.path(data), &mut |_| ()).unwrap().graph;
            graph.read().unwrap().memory_root().unwrap().to_string()
        };
        assert_eq!(memory("d"), exported.manifest.memory_root);
        assert_eq!(memory(&data), exported.manifest.memory_root);
        for file in [checkpoint_file, |data: &_| inputs(data).join("contacts")] {
            let [one, two] = ["d", &data].map(|data| fs::read(file(&place.path(data))).unwrap());
            assert_eq!(one, two);
        }
        // What it became is a data directory in which nothing ever ran.
        assert_eq!(names(&place.path(&data)), ["inputs", "lock", "log", "memory", "safety"]);
        assert_eq!(names(&place.path(&data).join("inputs")), ["contacts"]);
        assert_eq!(names(&place.path(&data).join("safety")), [""; 0]);
        assert_eq!(names(&place.path(&data).join("memory")), ["graph.blake3", "graph.redb"]);
        // Out again: the same bytes.
        place.export(&data, key.as_ref(), &again);
        let [one, two] = [&out, &again].map(|out| fs::read(place.path(out)).unwrap());
        assert!(one == two, "{name}: {} and {} bytes", one.len(), two.len());
    }
    let left: Vec<_> = place.names();
    assert!(left.iter().all(|name| !name.contains("import") && !name.contains("part")), "{left:?}");
}

#[test]
fn what_is_in_it() {
    let place = Place::new();
    let exported = place.export("d", Some(&key()), "d.tar");
    let pieces = Pieces::of(&fs::read(place.path("d.tar")).unwrap());
    let expected = [
        "manifest.json",
        "manifest.dsse.json",
        "README.txt",
        "authority.jsonl",
        "principals.json",
        "reasons.json",
        "grants.json",
        "log.jsonl",
        "memory.jsonl",
        "log/00000000.log",
        "log/checkpoint",
        "inputs/contacts",
        "SHA256SUMS",
    ];
    assert_eq!(pieces.0.len(), expected.len());
    for (at, name) in expected.iter().enumerate() {
        assert_eq!(pieces.at(name), at, "{name}");
        // As anybody else's tar would write it.
        assert_eq!(pieces.0[at].0, header(name, pieces.content(name).len()), "{name}");
    }
    let manifest = pieces.manifest();
    assert_eq!(manifest, exported.manifest);
    assert_eq!((manifest.records, manifest.state_root.as_ref()), (610, None));
    assert_eq!(manifest.log_id, "02".repeat(16));
    for file in &manifest.files {
        assert_eq!(file.sha256, digits(pieces.content(&file.name)), "{}", file.name);
    }
    // The hashes as `sha256sum` has them: of all files but their own.
    let sums = std::str::from_utf8(pieces.content("SHA256SUMS")).unwrap();
    for (line, name) in sums.lines().zip(expected) {
        assert_eq!(line, format!("{}  {name}", digits(pieces.content(name))));
    }
    assert_eq!(sums.lines().count(), expected.len() - 1);
    // In words.
    let json = |name: &str| -> Value { serde_json::from_slice(pieces.content(name)).unwrap() };
    let [principals, reasons, grants] =
        ["principals.json", "reasons.json", "grants.json"].map(json);
    assert_eq!(principals[0]["name"], "ada");
    assert_eq!((&principals[0]["record"], &reasons[0]["record"]), (&1.into(), &2.into()));
    assert_eq!(reasons[0]["label"], "to learn");
    assert_eq!(grants[0]["signed"], "0102");
    let leases = lines(&pieces, "authority.jsonl");
    assert_eq!(leases.len(), 3);
    assert!(leases.iter().all(|line| line["kind"] == "lease"), "{leases:?}");
    assert_eq!(leases[2]["record"], 8);
    let memories = lines(&pieces, "memory.jsonl");
    assert_eq!(memories.len() as u64, exported.memories);
    assert_eq!(memories.len(), 3 + 300, "each agent, and each version of each fact");
    let counted: Vec<_> = memories
        .iter()
        .filter(|item| item["subject"] == "two" && item["kind"] == "fact")
        .map(|item| item["properties"]["number"].as_i64().unwrap())
        .collect();
    assert_eq!(counted, (0..100).map(|number| number * 3 + 1).collect::<Vec<_>>());
    assert_eq!(memories[1]["recorded"]["tick"], 0);
    assert!(lines(&pieces, "log.jsonl").last().unwrap()["checkpoint"].is_string());
}

#[test]
fn nothing_is_written_over() {
    let place = Place::new();
    place.export("d", None, "d.tar");
    let bytes = fs::read(place.path("d.tar")).unwrap();
    let again = std::panic::catch_unwind(|| place.export("d", None, "d.tar"));
    assert!(again.is_err(), "written over");
    assert_eq!(fs::read(place.path("d.tar")).unwrap(), bytes);
    // A directory with something in it, a file, a link to an empty folder.
    fs::create_dir(place.path("full")).unwrap();
    fs::write(place.path("full/mine"), "").unwrap();
    fs::create_dir(place.path("empty")).unwrap();
    std::os::unix::fs::symlink(place.path("empty"), place.path("link")).unwrap();
    let before = place.names();
    for data in ["full", "d.tar", "link", "d"] {
        let refused = place.import("d.tar", data);
        assert!(matches!(refused, Err(ImportError::NotEmpty { .. })), "{data}: {refused:?}");
        assert_eq!(place.names(), before, "{data}");
    }
    place.import("d.tar", "empty").unwrap();
    let refused = place.import("d.tar", "..");
    assert!(matches!(refused, Err(ImportError::NotEmpty { .. } | ImportError::NoName { .. })));
}

#[test]
fn what_a_killed_import_left_is_taken_up_and_two_do_not_meet() {
    let place = Place::new();
    place.export("d", None, "d.tar");
    let open = || File::open(place.path("d.tar")).unwrap();
    // Half way, as a kill leaves it.
    let half = Target::take(&place.path("new")).unwrap().unpack(open(), &mut |_| ()).unwrap();
    assert_eq!(half.path(), place.path(".new.importing"));
    let second = Target::take(&place.path("new"));
    assert!(matches!(second, Err(ImportError::Place(_))), "{second:?}");
    std::mem::forget(half);
    fs::write(place.path(".new.importing/log/00000007.log"), "left").unwrap();
    // Its lock is held as long as this process lives; another one's would be free.
    fs::remove_file(place.path(".new.importing/lock")).unwrap();
    let taken_up = Target::take(&place.path("new")).unwrap();
    assert_eq!(taken_up.leftover(), Some(&*place.path(".new.importing")));
    let mut staged = taken_up.unpack(open(), &mut |_| ()).unwrap();
    staged.verify(&karyon_verify::Trust::default()).unwrap();
    staged.build_memory().unwrap();
    staged.put_in_place().unwrap();
    drop(staged);
    assert_eq!(names(&place.path("new/log")), ["00000000.log", "checkpoint"]);
    assert!(!place.path(".new.importing").exists());
    assert!(Target::take(&place.path("other")).unwrap().leftover().is_none());
    assert!(!place.path(".other.importing").exists(), "what is dropped leaves nothing");
}

#[test]
fn a_log_that_grows_meanwhile_is_not_exported() {
    let place = Place::new();
    let data = place.path("d");
    let mut report = report(&data).unwrap();
    let graph = karyon_memory::open(&data, &mut |_| ()).unwrap().graph;
    let reader = graph.read().unwrap();
    let out = place.path("d.tar");
    let tried_with = |report: &karyon_verify::Report, reader: &karyon_graph::Reader| {
        let request = karyon_exit::Export {
            data: &data,
            report,
            reader,
            key: None,
            karyon: "0.1.0",
            out: &out,
        };
        karyon_exit::export(&request, &mut |_| ())
    };
    let tried = |report: &karyon_verify::Report| tried_with(report, &reader);
    let empty = karyon_graph::Graph::in_memory().unwrap();
    let behind = tried_with(&report, &empty.read().unwrap());
    assert!(matches!(behind, Err(ExportError::Grew)), "the memory knows less");
    report.end.records -= 1;
    assert!(matches!(tried(&report), Err(ExportError::Grew)), "the memory knows more");
    report.end.records += 1;
    report.end.commits += 1;
    assert!(matches!(tried(&report), Err(ExportError::Grew)), "the log has fewer");
    report.end.commits -= 1;
    // Somebody records beside it, and the checkpoint is of more.
    let checkpoint = checkpoint_file(&data);
    let kept = fs::read(&checkpoint).unwrap();
    let size = report.end.tree.size() + 1;
    let more = Checkpoint { origin: karyon_log::origin(report.log), size, root: [7; 32] };
    fs::write(&checkpoint, more.to_note(&key()).unwrap()).unwrap();
    assert!(matches!(tried(&report), Err(ExportError::Grew)), "the checkpoint knows more");
    fs::write(&checkpoint, kept).unwrap();
    // A file that is shorter than it was.
    let log = fs::OpenOptions::new().write(true).open(log_file(&data)).unwrap();
    log.set_len(4096).unwrap();
    assert!(tried(&report).is_err());
    assert!(!out.exists() && !place.path("d.tar.part").exists());
}

#[test]
fn its_beginning_says_what_it_is() {
    let place = Place::new();
    let exported = place.export("d", Some(&key()), "d.tar");
    let open = |name: &str| File::open(place.path(name)).unwrap();
    assert!(is_export(open("d.tar")));
    assert_eq!(manifest(open("d.tar")).unwrap(), exported.manifest);
    let bytes = fs::read(place.path("d.tar")).unwrap();
    fs::write(place.path("cut"), &bytes[..bytes.len() - 1]).unwrap();
    assert!(is_export(open("cut")));
    fs::write(place.path("other"), &bytes[512..]).unwrap();
    fs::write(place.path("empty"), "").unwrap();
    for name in ["other", "empty", "d/log/00000000.log"] {
        assert!(!is_export(open(name)), "{name}");
        assert!(matches!(manifest(open(name)), Err(ImportError::Damaged { .. })), "{name}");
    }
}

//! What a stranger finds in an export, with the script and nothing else.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use karyon_audit::{ExportError, Manner, export};
use karyon_identity::SecretKey;
use karyon_log::{Record, origin};
use karyon_statements::Checkpoint;
use karyon_types::{Tick, hash};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/verify_audit.py")
}

/// Whether the script can run here; said aloud where not.
fn can_run() -> bool {
    let tried = Command::new("python3").args(["-c", "import blake3, cryptography"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        let why = b"SKIPPED the stranger's verifier: python3 with blake3 and cryptography\n";
        std::io::stderr().write_all(why).unwrap();
    }
    can
}

/// A log of 40 commits with a block of 5 records each.
fn log() -> TempDir {
    write_blocks(ticks(40, 5))
}

fn export_of(folder: &Path, manner: &Manner<'_>) -> String {
    let mut out = Vec::new();
    let done = export(folder, manner, &mut out).unwrap();
    assert_eq!(done.bytes, out.len() as u64);
    String::from_utf8(out).unwrap()
}

fn signed(folder: &Path) -> String {
    export_of(folder, &Manner::Signed(&key()))
}

/// What the script says, and whether it is content.
fn verdict(export: &str, checkpoint: Option<&str>) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    let (file, kept) = (dir.path().join("export"), dir.path().join("checkpoint"));
    std::fs::write(&file, export).unwrap();
    let mut command = Command::new("python3");
    command.arg(script()).arg(file).args(["--key", &key().public_key().to_string()]);
    if let Some(checkpoint) = checkpoint {
        std::fs::write(&kept, checkpoint).unwrap();
        command.arg("--checkpoint").arg(kept);
    }
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn accepted(export: &str, checkpoint: Option<&str>) {
    let (content, words) = verdict(export, checkpoint);
    assert!(content && words.starts_with("verified: "), "{words}");
}

/// The script names this record, and not another.
#[track_caller]
fn names(export: &str, checkpoint: Option<&str>, record: &str, why: &str) {
    let (content, words) = verdict(export, checkpoint);
    let begin = format!("NOT VERIFIED: record #{record}");
    assert!(!content && words.lines().count() == 1, "{words}");
    assert!(words.starts_with(&begin) && words.contains(why), "expected {begin} … {why}: {words}");
}

type Lines = Vec<String>;

/// The place of a record's line.
fn at(lines: &Lines, record: u64) -> usize {
    let begin = format!("{{\"seq\":{record},");
    lines.iter().position(|line| line.starts_with(&begin)).unwrap()
}

/// The place of the last line of a kind before another line.
fn before(lines: &Lines, place: usize, kind: &str) -> usize {
    lines[..place].iter().rposition(|line| line.starts_with(&format!("{{\"{kind}\":"))).unwrap()
}

fn bytes_in(line: &str, field: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(line).unwrap();
    BASE64.decode(value[field].as_str().unwrap().as_bytes()).unwrap()
}

fn changed(export: &str, change: impl FnOnce(&mut Lines)) -> String {
    let mut lines: Lines = export.lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Makes record 17 another one of the same length.
fn alter(lines: &mut Lines) {
    let place = at(lines, 17);
    let (old, new) = (BASE64.encode(&[2, 18, 17]), BASE64.encode(&[2, 18, 99]));
    assert!(lines[place].contains(&old));
    lines[place] = lines[place].replace(&old, &new);
}

#[test]
fn a_fresh_export_is_accepted() {
    if !can_run() {
        return;
    }
    for folder in [log(), write_records(&story()), write_blocks(ticks(3, 9_000))] {
        accepted(&signed(folder.path()), None);
        accepted(&export_of(folder.path(), &Manner::Bare(None)), None);
    }
    accepted(&signed(write_blocks([]).path()), None);
}

#[test]
fn twelve_tamperings_are_named_by_record() {
    if !can_run() {
        return;
    }
    let export = signed(log().path());
    let forged = |seq: u64| {
        let mut body = Vec::new();
        Record::Tick(Tick(5_000)).encode(&mut body);
        format!("{{\"seq\":{seq},\"record\":\"{}\",\"view\":{{}}}}", BASE64.encode(&body))
    };
    type Change<'a> = Box<dyn Fn(&mut Lines) + 'a>;
    let table: Vec<(&str, Change<'_>, &str, &str)> = vec![
        ("its bytes", Box::new(alter), "17:", "altered"),
        (
            "only its view",
            Box::new(|lines| {
                let place = at(lines, 17);
                lines[place] = lines[place].replace("\"tick\":17", "\"tick\":18");
            }),
            "17:",
            "altered",
        ),
        (
            "removed",
            Box::new(|lines| {
                lines.remove(at(lines, 17));
            }),
            "17:",
            "removed",
        ),
        (
            "two change places",
            Box::new(|lines| {
                let place = at(lines, 17);
                lines.swap(place, place + 1);
            }),
            "17:",
            "stands late",
        ),
        (
            "a copy is inserted",
            Box::new(|lines| {
                let place = at(lines, 17);
                lines.insert(place, lines[place - 1].clone());
            }),
            "17:",
            "put before it",
        ),
        (
            "a forged one is inserted",
            Box::new(|lines| {
                let place = at(lines, 17);
                lines.insert(place, forged(17));
            }),
            "17:",
            "put before it",
        ),
        (
            "a forged one in another form",
            Box::new(|lines| {
                let place = at(lines, 17);
                lines.insert(place, format!(" {}", forged(17)));
            }),
            "17:",
            "another line",
        ),
        ("the end is cut off", Box::new(|lines| lines.truncate(at(lines, 170))), "170:", "cut off"),
        (
            "the block is hashed again",
            Box::new(|lines| {
                alter(lines);
                let place = before(lines, at(lines, 17), "block");
                let mut block = bytes_in(&lines[place], "block");
                for record in 15..20 {
                    block.extend(bytes_in(&lines[at(lines, record)], "record"));
                }
                let place = before(lines, place, "commit");
                let mut commit = bytes_in(&lines[place], "commit");
                commit[128..160].copy_from_slice(&hash(&block).0);
                lines[place] = json!({ "commit": BASE64.encode(&commit) }).to_string();
            }),
            "17:",
            "altered",
        ),
        (
            "another commit's signature",
            Box::new(|lines| {
                let place = before(lines, at(lines, 17), "commit");
                let other = before(lines, place, "commit");
                let mut commit = bytes_in(&lines[place], "commit");
                let signature = commit.len() - 64;
                let other = bytes_in(&lines[other], "commit");
                commit[signature..].copy_from_slice(&other[signature..]);
                lines[place] = json!({ "commit": BASE64.encode(&commit) }).to_string();
            }),
            "15:",
            "not signed by this key",
        ),
        (
            "another checkpoint",
            Box::new(|lines| {
                let forged = SecretKey::from_seed([8; 32]).unwrap();
                let note = checkpoint(40, &forged);
                *lines.last_mut().unwrap() = json!({ "checkpoint": note }).to_string();
            }),
            "0:",
            "not signed by this key",
        ),
        (
            "an older checkpoint of its own",
            Box::new(|lines| {
                let note = checkpoint(30, &key());
                *lines.last_mut().unwrap() = json!({ "checkpoint": note }).to_string();
            }),
            "150:",
            "no signature covers it",
        ),
    ];
    for (what, change, record, why) in table {
        println!("{what}");
        names(&changed(&export, change), None, record, why);
    }
}

/// A checkpoint over the first blocks of the log.
fn checkpoint(blocks: u64, key: &SecretKey) -> String {
    let folder = write_blocks(ticks(blocks, 5));
    let mut walk = karyon_log::Walk::open(folder.path()).unwrap();
    while walk.next_group().unwrap().is_some() {}
    let (size, root) = (blocks, walk.end().tree.root());
    Checkpoint { origin: origin(header().log), size, root }.to_note(key).unwrap()
}

#[test]
fn further_tamperings() {
    if !can_run() {
        return;
    }
    let export = signed(log().path());
    let last = |lines: &Lines| lines.len() - 1;
    // The list that names records is itself signed.
    names(
        &changed(&export, |lines| {
            let place = before(lines, last(lines), "hashes");
            lines[place] = lines[place].replacen("hashes\":\"", "hashes\":\"AAAA", 1);
        }),
        None,
        "0:",
        "not signed by this key",
    );
    names(
        &changed(&export, |lines| {
            lines.remove(before(lines, last(lines), "hashes"));
        }),
        None,
        "0:",
        "no signature covers it",
    );
    for (cut, record) in [(2, "200:"), (1, "200:")] {
        let text = changed(&export, |lines| lines.truncate(lines.len() - cut));
        names(&text, None, record, "cut off");
    }
    // Cut at a commit, with its checkpoint of then: only one that was kept elsewhere tells.
    let older = signed(write_blocks(ticks(30, 5)).path());
    accepted(&older, None);
    names(&older, Some(&checkpoint(40, &key())), "150:", "cut off");
    accepted(&export, Some(&checkpoint(30, &key())));

    // Without lists damage is named by block; framing cannot be moved either.
    let bare = export_of(log().path(), &Manner::Bare(None));
    names(&changed(&bare, alter), None, "15 to #19:", "block altered");
    let remove = |lines: &mut Lines| drop(lines.remove(at(lines, 17)));
    names(&changed(&bare, remove), None, "17:", "another record");
    let (one, two) = (BASE64.encode(&[2, 18, 17]), BASE64.encode(&[2, 18, 18]));
    let (joined, empty) = (BASE64.encode(&[2, 18, 17, 2, 18, 18]), String::new());
    names(&bare.replace(&two, &empty).replace(&one, &joined), None, "17:", "not as long");
}

#[test]
fn the_end_is_said_not_to_be_shown_and_nothing_signed_is_nothing() {
    if !can_run() {
        return;
    }
    let folder = log();
    let shown = |export: &str, checkpoint: Option<&str>| {
        let (content, words) = verdict(export, checkpoint);
        assert!(content, "{words}");
        !words.contains("THE END IS NOT SHOWN")
    };
    let (older, whole) = (checkpoint(30, &key()), checkpoint(40, &key()));
    let bare = export_of(folder.path(), &Manner::Bare(None));
    assert!(!shown(&bare, None) && !shown(&bare, Some(&older)) && shown(&bare, Some(&whole)));
    assert!(!shown(&export_of(folder.path(), &Manner::Bare(Some(&older))), None));
    assert!(shown(&signed(folder.path()), None));
    // A log that nobody wrote.
    let invented = export_of(write_blocks([]).path(), &Manner::Bare(None));
    names(&invented, None, "0:", "unsigned");
    names(&invented.replace("1111", "2222"), None, "0:", "unsigned");
}

#[test]
fn a_kept_checkpoint_may_be_signed_by_witnesses_too() {
    if !can_run() {
        return;
    }
    let export = signed(log().path());
    let kept = checkpoint(40, &key());
    for cosigned in [cosigned(&kept, true), cosigned(&kept, false)] {
        accepted(&export, Some(&cosigned));
    }
    let (body, own) = kept.split_once("\n\n").unwrap();
    let witness = cosigned(&kept, true).replace(own, "");
    names(&export, Some(&witness), "0", "not signed by this key");
    names(&export, Some(body), "0", "");
    // In an export nothing stands that is not checked.
    let crowded = changed(&export, |lines| {
        let note = cosigned(&kept, true);
        *lines.last_mut().unwrap() = json!({ "checkpoint": note }).to_string();
    });
    names(&crowded, None, "0", "of another log or form");
}

/// Texts and numbers that JSON can show in several ways.
#[test]
fn views_have_one_form_whatever_they_show() {
    if !can_run() {
        return;
    }
    let odd: String =
        (0..0x180).chain([0x2028, 0x202e, 0xfeff, 0x1f600]).filter_map(char::from_u32).collect();
    let mut records = story();
    records.insert(5, reason(3, None, &odd));
    let numbers = [0.1, 1e-5, 1e16, -2.5e-300, 5.0, f64::MAX, f64::MIN_POSITIVE];
    let list = numbers.map(karyon_types::Argument::Float).to_vec();
    let Record::Control(mut control) = intent(3, 3, 3, None) else { panic!() };
    if let karyon_log::Control::Intent(intent) = &mut *control {
        intent.arguments.insert("numbers".into(), karyon_types::Argument::List(list));
    }
    records.insert(records.len() - 1, Record::Control(control));
    accepted(&signed(write_records(&records).path()), None);
}

/// A line, written in other ways that many readers take for the same.
fn rewritten(line: &str) -> Vec<String> {
    vec![
        format!("{line}\r"),
        format!("\u{feff}{line}"),
        format!(" {line}"),
        line.replacen(':', ": ", 1),
        line.replacen("\":", "\" :", 1),
        format!("{{\"\\u{:04x}{}", u32::from(line.as_bytes()[2]), &line[3..]),
        line.replacen('{', "{\"x\":1,", 1),
        format!("{},\"x\":1}}", &line[..line.len() - 1]),
        format!("{},{}", &line[..line.len() - 1], &line[1..]),
        String::new(),
    ]
}

#[test]
fn every_line_counts_in_both_forms() {
    if !can_run() {
        return;
    }
    let folder = write_records(&story());
    let kept = {
        let mut walk = karyon_log::Walk::open(folder.path()).unwrap();
        while walk.next_group().unwrap().is_some() {}
        let tree = &walk.end().tree;
        let (size, root) = (tree.size(), tree.root());
        Checkpoint { origin: origin(header().log), size, root }.to_note(&key()).unwrap()
    };
    for export in [
        signed(folder.path()),
        export_of(folder.path(), &Manner::Bare(Some(&kept))),
        export_of(folder.path(), &Manner::Bare(None)),
    ] {
        accepted(&export, None);
        let lines: Lines = export.lines().map(str::to_owned).collect();
        let with = |place: usize, other: &[String]| {
            let mut lines = lines.clone();
            lines.splice(place..=place, other.iter().cloned());
            lines.iter().map(|line| format!("{line}\n")).collect::<String>()
        };
        let mut wrong = Vec::new();
        for (place, line) in lines.iter().enumerate() {
            wrong.push(with(place, &[]));
            wrong.push(with(place, &[line.clone(), line.clone()]));
            wrong.extend(rewritten(line).into_iter().map(|other| with(place, &[other])));
            let mut flipped = line.clone().into_bytes();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            wrong.push(with(place, &[String::from_utf8(flipped).unwrap()]));
        }
        for more in [
            "{\"hashes\":\"\",\"signature\":\"\"}",
            "{\"hashes signature\":1}",
            "{\"x\":1}",
            "[\"hashes\",\"signature\"]",
            "{\"checkpoint\":null}",
            "1",
        ] {
            for place in [1, lines.len() / 2, lines.len() - 1] {
                wrong.push(with(place, &[more.to_owned(), lines[place].clone()]));
            }
            wrong.push(format!("{export}{more}\n"));
        }
        let five = |other: &str| export.replace("{\"seq\":1,", &format!("{{\"seq\":{other},"));
        wrong.extend(["1.0", "true", "01", "1e0", "-1"].map(five));
        wrong.extend(
            ["true", "1.0"]
                .map(|one| export.replacen("version\":1", &format!("version\":{one}"), 1)),
        );
        wrong.push(export.trim_end().to_owned());
        // Views that nobody signed, however their name is written.
        let unlisted = |view: &str| {
            let lines = export.lines().filter(|line| !line.starts_with("{\"hashes\":"));
            let forged = lines.map(|line| match line.split_once(",\"view\":") {
                Some((record, _)) => format!("{record},{view}:{{}}}}\n"),
                None => format!("{line}\n"),
            });
            forged.collect::<String>()
        };
        if export.contains("\"view\"") {
            wrong.extend(["\"view\"", "\"view\" ", "\"vi\\u0065w\"", "\"View\""].map(unlisted));
        }
        for (export, words) in wrong.iter().zip(verdicts(&wrong)) {
            assert!(words.starts_with("NOT VERIFIED: "), "{words}: {export}");
        }
    }
}

/// What the script says of many exports, in one process.
fn verdicts(exports: &[String]) -> Vec<String> {
    const EACH: &str = "import contextlib, io, runpy, sys\n\
        script, key, folder, count = sys.argv[1:]\n\
        for number in range(int(count)):\n\
        \x20   sys.argv, out = [script, f'{folder}/{number}', '--key', key], io.StringIO()\n\
        \x20   try:\n\
        \x20       with contextlib.redirect_stdout(out): runpy.run_path(script, run_name='__main__')\n\
        \x20   except SystemExit as end: print(end.code)\n\
        \x20   else: print(out.getvalue().strip())\n";
    let dir = tempfile::tempdir().unwrap();
    for (number, export) in exports.iter().enumerate() {
        std::fs::write(dir.path().join(number.to_string()), export).unwrap();
    }
    let mut command = Command::new("python3");
    command.args(["-W", "ignore", "-c", EACH]).arg(script()).arg(key().public_key().to_string());
    let output = command.arg(dir.path()).arg(exports.len().to_string()).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let words: Vec<String> = words.lines().map(str::to_owned).collect();
    assert_eq!(words.len(), exports.len(), "{}", String::from_utf8_lossy(&output.stderr));
    words
}

#[test]
fn a_log_that_was_written_anew_is_found_only_with_a_checkpoint_kept_elsewhere() {
    if !can_run() {
        return;
    }
    // Another past from record 100 on, signed with the real key.
    let other = ticks(40, 5).take(20).chain(
        ticks(40, 5)
            .map(|mut block| {
                block.wall_ms += 1;
                block
            })
            .skip(20),
    );
    let anew = signed(write_blocks(other).path());
    accepted(&anew, None);
    accepted(&anew, Some(&checkpoint(20, &key())));
    let why = "written anew";
    names(&anew, Some(&checkpoint(21, &key())), "104 or one before it:", why);
    names(&anew, Some(&checkpoint(40, &key())), "199 or one before it:", why);
}

#[test]
fn an_export_is_what_the_page_says() {
    let export = signed(write_records(&story()).path());
    let lines: Vec<Value> =
        export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["format"], "karyon-audit-export");
    assert_eq!(lines[0]["records"], story().len());
    assert_eq!(lines[0]["node_key"], key().public_key().to_string());
    let records: Vec<&Value> = lines.iter().filter(|line| line["seq"].is_u64()).collect();
    assert_eq!(records.len(), story().len());
    for (line, record) in records.iter().zip(story()) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert_eq!(line["record"], BASE64.encode(&bytes));
        assert_eq!(line["view"]["time"], "2023-11-14T22:13:20Z");
    }
    let kinds = records.iter().map(|line| line["view"]["kind"].as_str().unwrap());
    assert_eq!(kinds.take(4).collect::<Vec<_>>(), ["genesis", "boot", "principal", "reason"]);
}

#[test]
fn another_nodes_log_is_not_vouched_for() {
    let stranger = SecretKey::from_seed([8; 32]).unwrap();
    let mut out = Vec::new();
    let error = export(log().path(), &Manner::Signed(&stranger), &mut out).unwrap_err();
    assert!(matches!(error, ExportError::OtherNode { .. }) && out.is_empty(), "{error:?}");
}

#[test]
fn a_damaged_log_is_not_exported() {
    let folder = log();
    let file = karyon_log::segment_file(folder.path(), 0);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = 4096 * 20 + 10;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut out = Vec::new();
    let error = export(folder.path(), &Manner::Signed(&key()), &mut out).unwrap_err();
    assert!(matches!(error, ExportError::Read(_)) && out.is_empty(), "{error:?}");
}

#[test]
fn the_script_is_short() {
    let text = std::fs::read_to_string(script()).unwrap();
    let (mut code, mut in_docstring) = (0, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("\"\"\"") || (in_docstring && line.ends_with("\"\"\"")) {
            in_docstring = !in_docstring && line.matches("\"\"\"").count() == 1;
        } else if !in_docstring && !line.is_empty() && !line.starts_with('#') {
            code += 1;
        }
    }
    assert!((50..=100).contains(&code), "{code} lines of code, at most 100");
}

#[test]
fn the_lists_hold_as_many_records_as_the_page_says() {
    let export = signed(write_blocks(ticks(2, 8200)).path());
    let lists = export.lines().filter(|line| line.starts_with("{\"hashes\":"));
    assert_eq!(
        lists.map(|line| bytes_in(line, "hashes").len() / 8).collect::<Vec<_>>(),
        [8192, 8192, 16]
    );
}

//! What is carried elsewhere and does not fit: keys of another log, older ones, ones that are there
//! already; and what a directory says whose keys are elsewhere.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::engram::run;
use crate::exit::{carried, export, import, node_key};
use crate::exit_keys::{FOREVER, answers, forget, office, recall, told};
use crate::support::{Place, contacts};

fn log_id(place: &Place, data: &str) -> String {
    place.verified(data)["log_id"].as_str().unwrap().to_owned()
}

/// The names in a folder; none if there is no folder.
pub(crate) fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A copy of a folder, as a backup makes it.
pub(crate) fn copy(place: &Place, from: &str, to: &str) {
    let mut copy = Command::new("cp");
    assert!(copy.arg("-a").args([place.path(from), place.path(to)]).status().unwrap().success());
}

#[test]
fn keys_of_another_log_are_refused_before_anything_is_made() {
    let place = office();
    export(&place, "d", "d.tar", &[]);
    // One that opens nothing of the other, and one whose subjects are all erased there, so that
    // all would be taken for erased.
    for is_erased in [false, true] {
        let other = Place::new();
        for subject in ["zoe", "yan", "xia"] {
            told(&other, "remember", [subject, "terms", "x"]);
            if is_erased {
                forget(&other, "d", &[subject]);
            }
        }
        export(&other, "d", "o.tar", &["--keys", "o.keys"]);
        let there = carried(&place, "d.tar");
        fs::copy(other.path("o.keys"), there.path("o.keys")).unwrap();
        let (of, wanted) = (log_id(&other, "d"), log_id(&place, "d"));
        let wrong = ["import", "d.tar", "--data", "d", "--keys", "o.keys"];
        let refused = there.karyon(&wrong).expect(1);
        refused.says(&["not the keys of this export", &of, &wanted, "nothing was made", "without"]);
        assert_eq!(names(&there.path("")), ["d.tar", "o.keys"], "something was made");
    }
}

#[test]
fn keys_that_lack_what_came_later_are_called_older_and_stay_of_use() {
    let place = office();
    export(&place, "d", "early.tar", &["--keys", "early.keys"]);
    let early = place.verified("d")["records"].to_string();
    // Something new of a subject that they know, and of one that they do not.
    for subject in ["acme", "new"] {
        told(&place, "remember", [subject, "late", "x"]);
        let late = format!("{subject}.tar");
        export(&place, "d", &late, &[]);
        let there = carried(&place, &late);
        fs::copy(place.path("early.keys"), there.path("early.keys")).unwrap();
        fs::copy(place.path("early.tar"), there.path("early.tar")).unwrap();
        let older = ["import", &late, "--data", "d", "--keys", "early.keys"];
        let refused = there.karyon(&older).expect(1);
        let has = place.verified("d")["records"].to_string();
        refused.says(&["older than the export", &format!("{early} records"), &has, "opens 3 of"]);
        assert!(!there.path("d").exists() && !there.path(".d.importing").exists());
        assert_eq!(names(&there.keys().join("keystores")), [""; 0], "a master key is left");
        // What was said is what helps.
        import(&there, "early.tar", "e", &["--keys", "early.keys"]);
        let found = recall(&there, "e", &["--subject", "acme", "--key", "terms"]);
        assert_eq!(found[0]["text"], "14 days net");
    }
}

#[test]
fn keys_that_lack_only_what_was_forgotten_since_are_enough() {
    let place = office();
    export(&place, "d", "early.tar", &["--keys", "early.keys"]);
    told(&place, "remember", ["acme", "late", "x"]);
    forget(&place, "d", &["acme", "--key", "late"]);
    forget(&place, "d", &["deploys"]);
    export(&place, "d", "d.tar", &[]);
    let there = carried(&place, "d.tar");
    fs::copy(place.path("early.keys"), there.path("early.keys")).unwrap();
    import(&there, "d.tar", "d", &["--keys", "early.keys"]);
    assert_eq!(answers(&there, "d"), answers(&place, "d"));
    assert_eq!(recall(&there, "d", &["--subject", "acme", "--key", "late"])[0]["erased"], true);
}

#[test]
fn of_two_imports_of_the_same_keys_at_once_one_has_them() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    for _ in 0..6 {
        let there = carried(&place, "d.tar");
        fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
        let running = ["one", "two", "three"].map(|data| {
            let args = ["import", "d.tar", "--data", data, "--keys", "d.keys"];
            (data, there.start(&args))
        });
        let mut whole = 0;
        for (data, running) in running {
            let ended = running.end();
            if ended.code == Some(0) {
                assert_eq!(answers(&there, data), answers(&place, "d"));
                whole += 1;
            } else {
                ended.expect(1).says(&["has these keys already"]);
                assert!(!there.path(data).exists());
            }
        }
        assert_eq!(whole, 1);
        assert_eq!(names(&there.keys().join("keystores")).len(), 1);
    }
}

#[test]
fn a_directory_that_is_lost_comes_back_beside_its_master_key() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let before = answers(&place, "d");
    fs::rename(place.path("d"), place.path("lost")).unwrap();
    let keystores = place.keys().join("keystores");
    let name = names(&keystores).remove(0);
    let master = fs::read(keystores.join(&name)).unwrap();
    let back = ["import", "d.tar", "--data", "d", "--keys", "d.keys"];
    let refused = place.karyon(&back).expect(1);
    let moved = format!("mv {0} {0}.old", keystores.join(&name).display());
    refused.says(&["has these keys already", "is lost", &moved]);
    assert!(!place.path("d").exists());
    assert_eq!(fs::read(keystores.join(&name)).unwrap(), master, "the master key was changed");
    // As it says.
    let old = format!("{name}.old");
    fs::rename(keystores.join(&name), keystores.join(&old)).unwrap();
    place.karyon(&back).expect(0);
    assert_eq!(answers(&place, "d"), before);
    place.end_safe_mode("d", "it was lost");
    told(&place, "supersede", ["acme", "terms", "7 days net"]);
    // Nothing of the one that was lost is lost.
    fs::rename(place.path("d"), place.path("d.new")).unwrap();
    fs::rename(keystores.join(&old), keystores.join(&name)).unwrap();
    assert_eq!(answers(&place, "lost"), before);
}

/// A directory in which the log says that something is erased, and its key is there still.
pub(crate) fn half_erased() -> Place {
    let place = office();
    copy(&place, "d/keystore", "keystore");
    copy(&place, "keys/keystores", "keystores");
    forget(&place, "d", &["deploys"]);
    for (kept, at) in [("keystore", "d/keystore"), ("keystores", "keys/keystores")] {
        fs::remove_dir_all(place.path(at)).unwrap();
        copy(&place, kept, at);
    }
    place.write("d/erasing", "");
    place
}

#[test]
fn beside_an_erasure_that_was_begun_what_can_be_read_is_read() {
    let place = half_erased();
    let friday: [&str; 4] = ["--subject", "deploys", "--key", "friday"];
    let asked = ["memory", "recall", "--data", "d"];
    // Somebody else has the directory: what is ordered is not told, and nothing is removed.
    let lock = File::open(place.path("d/lock")).unwrap();
    lock.lock().unwrap();
    let keys = names(&place.path("d/keystore"));
    let ended = place.karyon(&asked).expect(0).says(&["is to be erased", "in use"]);
    assert!(
        ended.out.contains("14 days net") && !ended.out.contains("none after noon"),
        "{ended:?}"
    );
    assert_eq!(recall(&place, "d", &friday)[0]["erased"], true);
    place.karyon(&["memory", "brief", "--data", "d"]).expect(0);
    assert!(place.path("d/erasing").exists());
    assert_eq!(names(&place.path("d/keystore")), keys);
    drop(lock);
    // The master key is elsewhere: it stays sealed, and is to be erased still.
    fs::rename(place.keys().join("keystores"), place.path("away")).unwrap();
    let ended = place.karyon(&asked).expect(0).says(&["is to be erased", "master key"]);
    assert!(ended.out.contains("sealed: its key is not here"), "{ended:?}");
    assert!(place.path("d/erasing").exists());
    fs::remove_dir_all(place.keys().join("keystores")).unwrap();
    fs::rename(place.path("away"), place.keys().join("keystores")).unwrap();
    // Where it can be gone on with it is.
    let ended = place.karyon(&asked).expect(0);
    assert!(ended.err.is_empty() && ended.out.contains("14 days net"), "{ended:?}");
    assert_eq!(names(&place.path("d/keystore")), ["keys.4"]);
    assert_ne!(names(&place.path("d/keystore")), keys);
}

#[test]
fn while_it_exports_nobody_records() {
    let place = Place::new();
    run(&place, "d", &contacts(60_000, 400), "p1");
    let mut running = place.start(&["export", "--data", "d", "--out", "d.tar"]);
    let lock = File::open(place.path("d/lock")).unwrap();
    let mut was_held = false;
    while !running.has_ended() {
        match lock.try_lock() {
            Ok(()) => lock.unlock().unwrap(),
            Err(_) => was_held = true,
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // It may have met this very look at the lock.
    let ended = running.end();
    assert!(ended.code == Some(0) || ended.err.contains("in use"), "{ended:?}");
    assert!(was_held || ended.code != Some(0), "nobody was kept out");
}

#[test]
fn an_export_beside_who_records_is_whole_or_refused() {
    let place = Place::new();
    told(&place, "remember", ["acme", "k", "x"]);
    let mut exported = Vec::new();
    for round in 0..4 {
        let key = format!("k{round}");
        let what = ["memory", "remember", "acme", &key, "x", "--data", "d"];
        let mut recording = place.start(&[&what[..], &FOREVER].concat());
        // As often as there is time, and once behind it.
        for attempt in 0.. {
            let is_over = recording.has_ended();
            let out = format!("{round}-{attempt}.tar");
            let ended = place.karyon(&["export", "--data", "d", "--out", &out]);
            if ended.code == Some(0) {
                exported.push(out);
            } else {
                let why = ["in use", "the log grew"];
                assert!(why.iter().any(|why| ended.err.contains(why)), "{ended:?}");
                assert!(!place.path(&out).exists());
            }
            if is_over {
                break;
            }
        }
        let recorded = recording.end();
        assert!(recorded.code == Some(0) || recorded.err.contains("in use"), "{recorded:?}");
    }
    assert!(exported.len() >= 4, "{exported:?}");
    for out in exported {
        carried(&place, &out).karyon(&["import", &out, "--data", "d"]).expect(0);
    }
}

#[test]
fn a_directory_without_its_node_key_says_what_helps_and_makes_none() {
    let place = office();
    export(&place, "d", "d.tar", &["--keys", "d.keys"]);
    let there = carried(&place, "d.tar");
    fs::copy(place.path("d.keys"), there.path("d.keys")).unwrap();
    import(&there, "d.tar", "d", &["--keys", "d.keys"]);
    there.end_safe_mode("d", "brought here");
    let node = node_key(&place);
    let retired = there.keys().join(format!("retired/{node}.key"));
    let remember = [&["memory", "remember", "eve", "x", "y"], &FOREVER[..], &["--data", "d"]];
    let remember = remember.concat();
    let forget = ["memory", "forget", "acme", "--reason", "r", "--data", "d"];
    for args in [&remember[..], &forget] {
        let refused = there.karyon(args).expect(1);
        refused.says(&[&node, "the key that began it", &retired.display().to_string(), "--key"]);
    }
    // Who has to forget is told what goes without it.
    let master = there.keys().join("keystores");
    for args in [&forget[..], &["memory", "expire", "--data", "d"]] {
        let words = ["the key that began it", "An erasure is recorded before", "remove its master"];
        there.karyon(args).expect(1).says(&words).says(&[&master.display().to_string()]);
    }
    // No key was made, so what it says of the log is what it said.
    assert!(!there.keys().join("node.key").exists());
    assert_eq!(there.verified("d")["key"], "unknown");
    assert!(!there.path("d/erasing").exists());
    // With a node of its own, too.
    run(&there, "own", "a b 1\n", "a");
    there.karyon(&remember).expect(1).says(&[&node, &retired.display().to_string()]);
    there.karyon(&["resume", "--data", "d"]).expect(5).says(&[&format!("retired/{node}.key")]);
    // As it says.
    fs::create_dir_all(retired.parent().unwrap()).unwrap();
    fs::set_permissions(retired.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::copy(place.keys().join("node.key"), &retired).unwrap();
    there.karyon(&remember).expect(0);
    assert_eq!(recall(&there, "d", &["--subject", "eve"])[0]["text"], "y");
}

#[test]
fn memories_and_authority_are_told_apart_by_each_command() {
    let place = office();
    place.karyon(&["authority", "new", "--data", "office"]).expect(0);
    let before = names(&place.path("office"));
    let remember = [&["memory", "remember", "a", "b", "c", "--data", "office"], &FOREVER[..]];
    let engram = ["engram", "export", "--subject", "acme", "--out", "a.engram", "--data", "d"];
    place.karyon(&engram).expect(0);
    for args in [
        &remember.concat()[..],
        &["memory", "forget", "a", "--reason", "r", "--data", "office"],
        &["engram", "import", "a.engram", "--keep", "forever", "--data", "office"],
    ] {
        let refused = place.karyon(args).expect(1).says(&["authority directory", "another --data"]);
        assert!(!refused.err.contains("resume"), "{refused:?}");
    }
    assert_eq!(names(&place.path("office")), before);
    for (data, holds) in [("d", "memories"), ("r", "a run")] {
        if data == "r" {
            run(&place, "r", "a b 1\n", "a");
        }
        let refused = place.karyon(&["authority", "agent", "p", "--data", data]).expect(1);
        refused.says(&["no authority directory", &format!("it holds {holds}"), "authority new"]);
    }
}

#[test]
fn an_engram_and_an_export_are_told_apart() {
    let place = office();
    let engram = ["engram", "export", "--subject", "acme", "--out", "a.engram", "--data", "d"];
    place.karyon(&engram).expect(0);
    export(&place, "d", "d.tar", &[]);
    let refused = place.karyon(&["import", "a.engram", "--data", "e"]).expect(5);
    refused.says(&["a.engram is an engram", "`karyon engram import a.engram --data e`"]);
    for verb in ["import", "inspect", "verify"] {
        let data = if verb == "import" { &["--data", "e"][..] } else { &[] };
        let refused = place.karyon(&[&["engram", verb, "d.tar"], data].concat()).expect(5);
        refused.says(&["d.tar is an export", "`karyon import d.tar --data"]);
    }
    assert!(!place.path("e").exists() && !place.path(".e.importing").exists());
}

#[test]
fn what_fails_makes_no_key() {
    let place = office();
    let engram = ["engram", "export", "--subject", "acme", "--out", "a.engram", "--data", "d"];
    place.karyon(&engram).expect(0);
    export(&place, "d", "d.tar", &[]);
    let (there, key) = (carried(&place, "d.tar"), node_key(&place));
    fs::copy(place.path("a.engram"), there.path("a.engram")).unwrap();
    import(&there, "d.tar", "d", &[]);
    fs::create_dir(there.path("mine")).unwrap();
    there.write("mine/notes", "");
    let before = there.verified("d");
    for args in [
        "memory remember a b c --keep 1q --reason r --data e",
        "memory remember a b c --keep forever --since x --reason r --data e",
        "memory remember a b@00000000000000000000000000000000 c --keep forever --reason r --data e",
        "memory remember a b c --keep forever --reason r --principal nobody --data e",
        "memory supersede a b c --keep forever --reason r --data e",
        "memory forget a --reason r --data e",
        "memory expire --data e",
        "memory remember a b c --keep forever --reason r --data mine",
        &format!("engram import a.engram --keep 1q --data e --trust {key}"),
        &format!("engram import a.engram --keep forever --principal nobody --data e --trust {key}"),
        &format!("engram import a.engram --keep forever --data mine --trust {key}"),
        "engram import d.tar --data e",
        "authority new --data mine",
        "run rumour --contacts none --data e",
        "run rumour --principal nobody --data e",
        "run rumour --data mine",
    ] {
        let ended = there.karyon(&args.split(' ').collect::<Vec<_>>());
        assert!(matches!(ended.code, Some(1 | 5)), "{ended:?}");
        for made in ["node.key", "node.pub", "default-principal"] {
            assert!(!there.keys().join(made).exists(), "{args}: it made {made}\n{}", ended.err);
        }
        assert_eq!(names(&there.keys().join("principals")), [""; 0], "{args}");
        assert!(!there.path("e").exists(), "{args}: a directory was begun");
    }
    assert_eq!(there.verified("d"), before);
}

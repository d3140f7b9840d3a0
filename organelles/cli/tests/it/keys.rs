//! Keys, and who may start what.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use karyon_keys::KeyDirectory;
use karyon_log::Control;
use karyon_statements::{GrantTerms, SignedGrant};
use karyon_verify::Trust;
use serde_json::json;

use crate::support::{Ended, Place};

const RUN: [&str; 6] = ["run", "rumour", "--contacts", "c.txt", "--data", "d"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

fn secrets(folder: &Path) -> Vec<PathBuf> {
    let mut found = files_below(folder);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
    found
}

#[test]
fn the_first_run_makes_keys_and_says_so() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    let keys = place.keys();
    place.karyon(&RUN).expect(0).says(&[
        "made the node key",
        "made the principal",
        &keys.display().to_string(),
    ]);
    let made = secrets(&keys);
    assert_eq!(made.len(), 2, "{made:?}");
    for path in &made {
        assert_eq!(mode(path), 0o600, "{}", path.display());
    }
    // Nothing of a key in the data directory.
    let texts: Vec<String> = made.iter().map(|key| fs::read_to_string(key).unwrap()).collect();
    for file in files_below(&place.path("d")) {
        let bytes = fs::read(&file).unwrap();
        for text in &texts {
            let hex = text.split_whitespace().last().unwrap().as_bytes();
            assert!(!bytes.windows(hex.len()).any(|part| part == hex), "{}", file.display());
        }
    }
    let again = place.karyon(&["run", "rumour", "--contacts", "c.txt"]).expect(0);
    assert!(!again.err.contains("made"), "{}", again.err);
    assert_eq!(secrets(&keys), made);
}

#[test]
fn a_principal_is_made_by_name_and_never_overwritten() {
    let place = Place::new();
    place.write("c.txt", "a b 1\n");
    let made = place.karyon(&["init", "--principal", "ada", "--json"]).expect(0).json();
    assert_eq!(made["principal"], "ada");
    assert_eq!(made["public_key"].as_str().map(str::len), Some(64));
    let key = place.keys().join("principals/ada.key");
    assert_eq!(mode(&key), 0o600);
    let before = fs::read(&key).unwrap();
    place.karyon(&["init", "--principal", "ada"]).expect(1).says(&["exists already"]);
    assert_eq!(fs::read(&key).unwrap(), before);
    for name in ["", "a b", "../x", "ä"] {
        let refused = place.karyon(&["init", "--principal", name]);
        assert!(matches!(refused.code, Some(1 | 2)), "{name:?}: {refused:?}");
    }
    let run = place.karyon(&RUN).expect(0);
    assert!(!run.err.contains("made the principal"), "{}", run.err);
    let log = fs::read(place.path("d/log/00000000.log")).unwrap();
    assert!(log.windows(3).any(|part| part == b"ada"), "the log names who answers");
    place.karyon(&[&RUN[..4], &["--principal", "bob"]].concat()).expect(1).says(&["bob"]);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    for name in ["node.key", "principals/ada.key"] {
        let place = Place::new();
        place.write("c.txt", "a b 1\n");
        place.karyon(&["init", "--principal", "ada"]).expect(0);
        place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "first"]).expect(0);
        let key = place.keys().join(name);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        place.karyon(&RUN).expect(1).says(&["others may read it", "chmod 600"]);
        assert!(!place.path("d/log").exists());
    }
}

#[test]
fn a_running_node_holds_no_principals_key() {
    let place = Place::new();
    let running = place.start_long("d");
    let process = PathBuf::from(format!("/proc/{}", running.node(&place.path("d"))));
    let open: Vec<_> = fs::read_dir(process.join("fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .collect();
    assert!(open.iter().any(|path| path.ends_with("d/log/00000000.log")), "{open:?}");
    assert!(!open.iter().any(|path| path.starts_with(place.keys())), "{open:?}");
    let environment = fs::read(process.join("environ")).unwrap();
    let text = fs::read_to_string(&secrets(&place.keys().join("principals"))[0]).unwrap();
    let secret = text.split_whitespace().last().unwrap().as_bytes();
    assert!(!environment.windows(secret.len()).any(|part| part == secret));
}

#[test]
fn a_node_goes_on_without_any_principals_key() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    fs::remove_dir_all(place.keys().join("principals")).unwrap();
    place.resumes_to_the_same_state("d");
}

/// A place with a grant as `run` signs it for [`RUN`], which `change` may change before it is
/// signed anew.
fn granted(change: impl Fn(&mut GrantTerms)) -> (Place, String) {
    let place = Place::new();
    place.write("c.txt", "a b 1\nb c 2\n");
    let first = ["run", "rumour", "--contacts", "c.txt", "--data", "first"];
    place.karyon(&first).expect(0);
    let data = place.path("first");
    let log = data.join("log");
    let (checkpoint, inputs) = (data.join("log/checkpoint"), data.join("inputs"));
    let report = karyon_verify::verify(&log, &checkpoint, &inputs, &Trust::default()).unwrap();
    let signed = report.controls.iter().find_map(|control| match control {
        Control::Grant(grant) => Some(SignedGrant::decode(&grant.signed).unwrap()),
        _ => None,
    });
    let mut terms = signed.unwrap().terms;
    let keys = KeyDirectory::at(place.keys());
    let key = keys.load_principal_key(&terms.principal).unwrap();
    change(&mut terms);
    let signed = terms.sign(&key).unwrap();
    let hex = signed.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    (place, hex)
}

fn run_with(place: &Place, grant: &str, args: &[&str]) -> Ended {
    fs::create_dir_all(place.path("d")).unwrap();
    let key = fs::read_to_string(place.keys().join("principals").join(format!(
        "{}.pub",
        KeyDirectory::at(place.keys()).default_principal().unwrap().unwrap()
    )))
    .unwrap();
    let said = json!({ "grant": [grant, key.split_whitespace().last().unwrap()] });
    place.node(args, &said, &[("KARYON_INPUT_CONTACTS", "c.txt")])
}

/// The gate says no, and nothing ran.
#[track_caller]
fn refused(place: &Place, grant: &str, extra: &[&str]) {
    let ended = run_with(place, grant, &[&RUN[..], extra].concat());
    assert!(!place.path("d/log/00000000.log").exists(), "{ended:?}");
    place.remove("d");
    ended.expect(3).says(&["refused"]);
}

#[test]
fn a_grant_starts_what_it_is_for() {
    let (place, grant) = granted(|_| {});
    run_with(&place, &grant, &RUN).expect(0);
}

#[test]
fn a_changed_grant_is_refused() {
    let (place, grant) = granted(|_| {});
    for changed in ["", "0", "zz", "00", &grant[..grant.len() - 2], &format!("{grant}00")] {
        refused(&place, changed, &[]);
    }
    for at in (0..grant.len()).step_by(17) {
        let flipped = if &grant[at..=at] == "0" { "1" } else { "0" };
        let changed = format!("{}{flipped}{}", &grant[..at], &grant[at + 1..]);
        refused(&place, &changed, &[]);
    }
}

#[test]
fn a_grant_for_something_else_is_refused() {
    let (place, grant) = granted(|_| {});
    for other in [["--seed", "2"], ["--chaos", "0.1"], ["--source", "b"]] {
        refused(&place, &grant, &other);
    }
    place.write("c.txt", "a b 1\nb c 3\n");
    refused(&place, &grant, &[]);

    for change in [
        |terms: &mut GrantTerms| terms.rights = 0,
        |terms: &mut GrantTerms| terms.resource = "colony/other".into(),
        |terms: &mut GrantTerms| terms.node_key.0[0] ^= 1,
        |terms: &mut GrantTerms| terms.scenario.0[0] ^= 1,
    ] {
        let (place, grant) = granted(change);
        refused(&place, &grant, &[]);
    }
}

#[test]
fn a_refused_grant_leaves_the_directory_as_it_was() {
    let (place, grant) = granted(|_| {});
    run_with(&place, &grant, &[&RUN[..], &["--seed", "2"]].concat()).expect(3);
    place.karyon(&RUN).expect(0);
}

#[test]
fn a_grant_that_expired_is_refused() {
    // Valid until before the first tick: nobody may send.
    let (place, grant) = granted(|terms| terms.expires_tick = Some(0));
    let ended = run_with(&place, &grant, &[&RUN[..], &["--json"]].concat());
    let denied = ended.code == Some(0) && ended.json()["messages"]["delivered"] == 0;
    assert!(ended.code == Some(3) || denied, "an expired grant was used: {ended:?}");
}

//! In a directory in safe mode everything that acts is refused with exit code 4 and the way to
//! resume, and everything that reads is answered. The commands are those of the command tree: one
//! that is not in the table here fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use karyon_safety::{Found, Marker, read, replace};

use crate::support::Place;

/// What a command does with a directory in safe mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It acts: exit code 4.
    Acts,
    /// It reads: exit code 0.
    Reads,
    /// It asks a run that is under way, and finds none: exit code 1.
    Asks,
    /// It has no data directory, or is the way out.
    Other,
}
use Kind::{Acts, Asks, Other, Reads};

/// Each command with its arguments: `RUN` and `OFFICE` are data directories.
const TABLE: &[(&str, &str, Kind)] = &[
    ("init", "", Other),
    ("key new", "", Other),
    ("key show", "", Other),
    ("key rotate", "", Other),
    ("key export-public", "", Other),
    ("key follow", "", Other),
    ("check", "rumour", Reads),
    ("new", "", Other),
    ("run", "rumour --contacts c.txt --data RUN", Acts),
    ("resume", "--data RUN", Acts),
    ("replay", "--verify --data RUN", Acts),
    ("diff", "RUN RUN", Reads),
    ("sweep", "", Other),
    ("bench list", "", Other),
    ("bench run", "", Other),
    ("bench show", "", Other),
    ("bench diff", "", Other),
    ("plot", "RUN --out plot.png", Reads),
    ("ps", "--data RUN", Asks),
    ("tree", "--data RUN", Asks),
    ("inspect", "a --data RUN", Asks),
    ("pause", "a --data RUN", Asks),
    ("kill", "1 --data RUN", Asks),
    ("restart", "1 --data RUN", Asks),
    ("fork", "1 --data RUN", Asks),
    ("halt", "", Other),
    ("memory count", "contact --data RUN", Reads),
    ("memory get", "a --data RUN", Reads),
    ("memory history", "a --data RUN", Reads),
    ("memory neighbours", "a --data RUN", Reads),
    ("memory list", "contact --data RUN", Reads),
    ("memory khop", "a 2 --data RUN", Reads),
    ("memory paths", "a c --data RUN", Reads),
    ("memory diff", "1 2 --data RUN", Reads),
    ("memory plot", "a --out plot.svg --data RUN", Reads),
    ("memory rebuild", "--data RUN", Acts),
    ("memory remember", "x y z --keep forever --reason r --data RUN", Acts),
    ("memory supersede", "x y z --keep forever --reason r --data RUN", Acts),
    ("memory recall", "--data RUN", Reads),
    ("memory brief", "--data RUN", Reads),
    ("memory forget", "x --reason r --data RUN", Acts),
    ("memory expire", "--data RUN", Acts),
    ("why", "a --data RUN", Reads),
    ("engram export", "--agent a --out OUT --data RUN", Reads),
    ("engram inspect", "a.engram", Reads),
    ("engram verify", "a.engram", Reads),
    ("engram diff", "a.engram a.engram", Reads),
    ("engram import", "a.engram --data RUN", Acts),
    ("export", "--out OUT --data RUN", Reads),
    // Where something is already, nothing is imported.
    ("import", "", Other),
    ("audit verify", "--data RUN", Reads),
    ("audit export", "--out - --data RUN", Reads),
    ("audit tail", "--data RUN", Reads),
    ("audit prove", "#1 --out OUT --data RUN", Reads),
    ("audit grew", "--since RUN/log/checkpoint --data RUN", Reads),
    ("audit orphans", "--data RUN", Reads),
    ("authority new", "--data OFFICE", Acts),
    ("authority show", "--data OFFICE", Reads),
    ("authority grant", "--terms t.toml --reason r --data OFFICE", Acts),
    ("authority agent", "x --data OFFICE", Acts),
    ("authority lease", "--grant 1 --to p --data OFFICE", Acts),
    ("authority delegate", "--lease 1 --to p --terms t.toml --data OFFICE", Acts),
    ("authority ask", "--lease 1 --action a.b --resource c --data OFFICE", Acts),
    ("authority do", "1 --data OFFICE -- touch done", Acts),
    ("authority approve", "1 --yes --data OFFICE", Acts),
    ("authority suspend", "agent:p --data OFFICE", Acts),
    ("authority resume", "agent:p --data OFFICE", Acts),
    ("authority revoke", "agent:p --data OFFICE", Acts),
    ("safety status", "--data RUN", Reads),
    ("safety resume", "", Other),
    ("safety sign", "", Other),
];

/// All commands that have none below them, from what `--help` lists.
fn leaves(place: &Place, above: &[&str], found: &mut BTreeSet<String>) {
    let help = place.karyon(&[above, &["--help"]].concat()).expect(0).out;
    let Some((_, below)) = help.split_once("\nCommands:\n") else {
        found.insert(above.join(" "));
        return;
    };
    let names = below.lines().take_while(|line| !line.is_empty());
    for name in names.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next()) {
        if name != "help" {
            leaves(place, &[above, &[name]].concat(), found);
        }
    }
}

#[test]
fn the_table_holds_every_command() {
    let place = Place::new();
    let mut found = BTreeSet::new();
    leaves(&place, &[], &mut found);
    let table: BTreeSet<_> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(found, table);
}

/// A place with a run and an office that ended well, and copies of how they were before.
fn place() -> Place {
    let place = Place::new();
    place.write("c.txt", "a b 1\nb c 2\n");
    place.write("t.toml", "delegates = true\n[[capability]]\naction = \"a.b\"\nresource = \"c\"\n");
    place.karyon(&["run", "rumour", "--contacts", "c.txt", "--data", "run"]).expect(0);
    let export = ["engram", "export", "--agent", "a", "--out", "a.engram", "--data", "run"];
    place.karyon(&export).expect(0);
    place.karyon(&["authority", "new", "--data", "office"]).expect(0);
    let grant = ["authority", "grant", "--terms", "t.toml", "--reason", "r", "--data", "office"];
    place.karyon(&grant).expect(0);
    place.karyon(&["authority", "agent", "p", "--data", "office"]).expect(0);
    let lease = ["authority", "lease", "--grant", "1", "--to", "p", "--data", "office"];
    place.karyon(&lease).expect(0);
    place
}

fn all_is_refused(what: &str, bring: impl Fn(&Place, &Path)) {
    let place = place();
    for data in ["run", "office"] {
        bring(&place, &place.path(data));
    }
    for (number, (name, arguments, kind)) in TABLE.iter().enumerate() {
        let arguments = arguments.replace("RUN", "run").replace("OFFICE", "office");
        let arguments = arguments.replace("OUT", &format!("out{number}"));
        let args: Vec<_> = name.split(' ').chain(arguments.split_whitespace()).collect();
        match kind {
            Other => {}
            Reads => drop(place.karyon(&args).expect(0)),
            Asks => drop(place.karyon(&args).expect(1).says(&["no node runs in run"])),
            Acts => {
                let ended = place.karyon(&args);
                assert_eq!(ended.code, Some(4), "{what}: {ended:?}");
                let way = ["karyon safety resume", "until a person removes it"];
                assert!(way.iter().any(|way| ended.err.contains(way)), "{what}: {ended:?}");
            }
        }
    }
    assert!(!place.path("done").exists(), "{what}");
}

#[test]
fn halted() {
    all_is_refused("halted", |place, data| {
        let data = data.to_str().unwrap();
        place.karyon(&["halt", "--reason", "smoke", "--data", data]).expect(0);
    });
}

#[test]
fn killed() {
    all_is_refused("killed", |_, data| {
        let Found::Marker(marker) = read(data) else { panic!("no marker") };
        replace(data, &Marker::Running { n: marker.n() }).unwrap();
    });
}

#[test]
fn unknown() {
    all_is_refused("unknown", |place, _| {
        let known = place.keys().join("directories");
        if known.exists() {
            fs::remove_dir_all(known).unwrap();
        }
    });
}

#[test]
fn copied() {
    all_is_refused("copied", |_, data| {
        let copy = data.with_extension("copy");
        assert!(Command::new("cp").arg("-a").args([data, &copy]).status().unwrap().success());
        fs::rename(data, data.with_extension("original")).unwrap();
        fs::rename(copy, data).unwrap();
    });
}

#[test]
fn rolled_back() {
    all_is_refused("rolled back", |place, data| {
        let marker = data.join("safety/marker");
        let before = fs::read(&marker).unwrap();
        let more = match data.ends_with("run") {
            true => &["resume", "--data", "run"][..],
            false => &["authority", "agent", "q", "--data", "office"],
        };
        place.karyon(more).expect(0);
        fs::write(marker, before).unwrap();
    });
}

#[test]
fn under_stop() {
    all_is_refused("STOP", |_, data| fs::write(data.join("safety/STOP"), "").unwrap());
}

#[test]
fn with_a_marker_that_is_missing_broken_or_of_an_earlier_version() {
    let marker = |data: &Path| data.join("safety/marker");
    all_is_refused("missing", |_, data| fs::remove_file(marker(data)).unwrap());
    all_is_refused("broken", |_, data| fs::write(marker(data), "clear").unwrap());
    let former = "karyon-safety-marker-v1 clear 0\n";
    all_is_refused("v1", |_, data| fs::write(marker(data), former).unwrap());
}

#[test]
fn a_run_that_fails_by_itself_is_halted_with_its_own_reason() {
    let place = Place::new();
    place.write("c.txt", "a b 1\na c 1\nb d 1\nc d 1\nd a 1\nb a 1\n");
    let scenario =
        "[model]\nname = \"rumour\"\n[chaos]\nprobability = 0.9\n[supervision]\nintensity = 1\n";
    place.write("s.toml", scenario);
    let failed = place.karyon(&["run", "s.toml", "--contacts", "c.txt", "--data", "d"]).expect(1);
    let why = "the supervisor gave up at";
    failed.says(&[why]);
    let Found::Marker(Marker::Halted { reason, .. }) = read(&place.path("d")) else {
        panic!("not halted")
    };
    assert!(reason.contains(why), "{reason}");
    let events = fs::read_to_string(place.path("d/logs/safety_events.jsonl")).unwrap();
    assert!(events.contains("\"safety_halt\"") && events.contains(why), "{events}");
    let status = place.karyon(&["safety", "status", "--data", "d"]).expect(0).out;
    assert!(status.contains(why), "{status}");
}

//! Agents that belong to a subject, on a data directory: what they know is sealed with its key, and
//! gone with it.

use std::path::Path;

use karyon::memory::Value;
use karyon::{
    Agent, AgentRef, Authority, Context, Data, Every, ExitReason, KeyDirectory, Kind, Outcome, Pid,
    Replayed, Result, Rights, Run, RunError,
};
use karyon_keystore::{Erasure, Keystore, id_in};
use karyon_memory::{Filter, Said, recall};
use serde::{Deserialize, Serialize};

use crate::remembering::clear;
use crate::support::data;

/// Keeps what it is told, and passes it on.
#[derive(Default, Serialize, Deserialize)]
struct Clerk {
    next: Option<AgentRef<Clerk>>,
    counter: Option<AgentRef<Counter>>,
    notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Note {
    Keep(String),
    Later(String),
    Help(String),
    End(String),
}

impl Agent for Clerk {
    type Message = Note;
    const KIND: Kind = Kind::new("clerk").keeps_its_state(30);

    fn handle(&mut self, _from: Pid, note: Note, ctx: &mut Context<'_, Self>) -> Result {
        match note {
            Note::Keep(words) => {
                ctx.remember_fact("said", [("words", Value::Text(words.clone()))])?;
                if let Some(next) = self.next {
                    ctx.cast(next, Note::Keep(format!("{words}, passed on")));
                }
                if let Some(counter) = self.counter {
                    ctx.cast(counter, 1);
                }
                self.notes.push(words);
            }
            Note::Later(words) => drop(ctx.after(2, Note::Keep(words))),
            Note::Help(words) => {
                let notes = vec![words];
                let clerk = Clerk { next: None, counter: self.counter, notes };
                ctx.spawn("helper", clerk)?;
            }
            Note::End(words) => ctx.exit_with(ExitReason::failure(&words)),
        }
        Ok(())
    }

    fn timer(&mut self, _id: karyon::TimerId, note: Note, ctx: &mut Context<'_, Self>) -> Result {
        let me = Pid(0);
        self.handle(me, note, ctx)
    }
}

/// Of nobody.
#[derive(Default, Serialize, Deserialize)]
struct Counter {
    count: u64,
}

impl Agent for Counter {
    type Message = u64;
    const KIND: Kind = Kind::new("counter").keeps_its_state(30);

    fn handle(&mut self, _from: Pid, more: u64, _ctx: &mut Context<'_, Self>) -> Result {
        self.count += more;
        Ok(())
    }
}

const CANARY: &str = "canary-50a1f3e7";

/// Two clerks of acme, one of bea, and a counter of nobody.
fn office() -> (Run, [AgentRef<Clerk>; 3], AgentRef<Counter>) {
    let mut run = Run::new("office");
    let counter = run.agent("counter", Counter::default());
    let clerk = |next| Clerk { next, counter: Some(counter), notes: Vec::new() };
    let second = run.agent("second", clerk(None));
    let first = run.agent("first", clerk(Some(second)));
    let bea = run.agent("bea's", clerk(None));
    run.subject(first, "acme of canary-50a1f3e7").subject(second, "acme of canary-50a1f3e7");
    run.subject(bea, "bea").may_spawn::<Clerk>(3);
    let words = |number: u32| format!("{CANARY} {number}");
    run.input(0, first, Note::Keep(words(1))).input(1, first, Note::Later(words(2)));
    run.input(2, second, Note::Help(words(3))).input(2, bea, Note::Keep(words(4)));
    run.input(3, bea, Note::Later(words(5))).input(9, second, Note::End(words(6)));
    run.input(12, first, Note::Keep(words(7)));
    (run, [first, second, bea], counter)
}

/// The files below a folder that hold these bytes; what is compressed, unpacked.
fn holding(folder: &Path, canary: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, canary));
        } else if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn master(keys: &Path, data: &Path) -> (std::path::PathBuf, karyon_types::LogId) {
    let id = id_in(data).unwrap().unwrap();
    (KeyDirectory::at(keys).keystores().unwrap().join(format!("{id}.key")), id)
}

/// What forgetting a subject does to its keys.
fn forget(keys: &Path, data: &Path, subject: &str) {
    let (master, id) = master(keys, data);
    let mut keystore = Keystore::open(data, &master, id).unwrap();
    let erased = keystore.erase(Erasure::new().erase_subject(subject)).unwrap();
    assert!(erased.leftover.is_none());
}

fn confirmed(replayed: Replayed) -> (u64, Option<karyon_types::Hash>, karyon::Opaque) {
    match replayed {
        Replayed::Confirmed { compared, state_root, opaque } => {
            (compared.records, state_root, opaque)
        }
        other => panic!("{other}"),
    }
}

/// What is remembered of a subject, as a person hears it.
fn told(keys: &Path, data: &Path, subject: &str) -> Vec<Said> {
    let (master, id) = master(keys, data);
    let keystore = Keystore::open_read_only(data, &master, id).ok();
    let opened = karyon_memory::open(data, &mut |_| ()).unwrap();
    let reader = opened.graph.read().unwrap();
    let filter = Filter { subject: Some(subject), ..Filter::default() };
    let found = recall(&reader, keystore.as_ref(), &filter, &karyon_graph::View::NOW).unwrap();
    found.into_iter().map(|memo| memo.said).collect()
}

#[test]
fn what_a_subject_s_agents_know_is_nowhere_in_the_open_and_gone_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let keys = folder.path().join("keys");
    let (mut run, [first, second, bea], counter) = office();
    let outcome = run.snapshots(Every::Ticks(2)).begin(&data).unwrap();
    assert_eq!(outcome.state(first).unwrap().notes.len(), 3);
    assert_eq!(outcome.state(counter).unwrap().count, 8);
    // It ended in words of its own, and began anew.
    assert_eq!(outcome.state(second).unwrap().notes.len(), 1);
    assert!(outcome.state(bea).is_some());
    assert_eq!(holding(data.path(), CANARY), Vec::<String>::new(), "not even before");

    // With the keys it is as any other run.
    let (records, root, opaque) = confirmed(run.replay(&data).unwrap());
    assert_eq!((root, opaque.is_empty()), (Some(outcome.state_root), true));
    assert_eq!(run.schedulers(2).resume(&data).unwrap().state_root, outcome.state_root);
    let words = told(&keys, data.path(), "bea");
    let said = |words: &Said| match words {
        Said::Words(words) => words.text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(words.len(), 1, "one fact, said twice");
    assert!(said(&words[0]).contains("canary-50a1f3e7 5"), "{words:?}");

    // Elsewhere, without the keystore, it says so, and so does a replay.
    let hidden = folder.path().join("hidden");
    std::fs::rename(data.path().join("keystore"), &hidden).unwrap();
    let replayed = run.replay(&data).unwrap();
    let words = replayed.to_string();
    assert!(words.contains("sealed under keys that are not here"), "{words}");
    let (compared, root, opaque) = confirmed(replayed);
    assert_eq!((compared, root, opaque.agents.len()), (records, None, 4));
    match run.resume(&data) {
        Err(RunError::Run(error)) => assert!(error.to_string().contains("cannot go on"), "{error}"),
        other => panic!("{:?}", other.map(drop)),
    }
    std::fs::rename(&hidden, data.path().join("keystore")).unwrap();

    forget(&keys, data.path(), "acme of canary-50a1f3e7");
    let replayed = run.replay(&data).unwrap();
    let words = replayed.to_string();
    assert!(words.contains("3 erased") && words.contains("not compared: 3 opaque"), "{words}");
    let (compared, root, opaque) = confirmed(replayed);
    assert_eq!((compared, root, opaque.agents.len()), (records, None, 3));
    assert_eq!(told(&keys, data.path(), "acme of canary-50a1f3e7"), [Said::Erased, Said::Erased]);
    assert_eq!(told(&keys, data.path(), "bea").len(), 1);
    assert_eq!(holding(data.path(), CANARY), Vec::<String>::new());
    assert_eq!(holding(&keys, CANARY), Vec::<String>::new(), "the name is gone too");
}

#[test]
fn the_same_records_for_any_schedulers_and_chaos_with_one_key() {
    // In memory all runs have one key.
    let (mut run, ..) = office();
    let once = run.test().unwrap();
    for schedulers in [1, 2, 3] {
        let again = run.schedulers(schedulers).test().unwrap();
        assert_eq!(again.records_root, once.records_root);
        assert_eq!(again.state_root, once.state_root);
        let chaotic = run.clone().chaos(0.2).test().unwrap();
        assert_eq!(chaotic.state_root, once.state_root, "{schedulers}");
    }
    run.test_snapshots().unwrap();
    let open = {
        let (mut open, ..) = office();
        open.subject(Pid(1), "counter");
        open.test().unwrap()
    };
    assert_ne!(open.records_root, once.records_root);
    let _: &Outcome = &open;
}

#[test]
fn what_is_wrong_with_a_subject_is_named() {
    let check = |wrong: &dyn Fn(&mut Run, AgentRef<Clerk>)| {
        let (mut run, [first, ..], _) = office();
        wrong(&mut run, first);
        run.test().map(drop).unwrap_err().to_string()
    };
    assert!(
        check(&|run, first| {
            run.subject(first, "");
        })
        .contains("1 to 256 bytes")
    );
    assert!(
        check(&|run, first| {
            run.subject(first, "bea");
        })
        .contains("two subjects")
    );
    assert!(
        check(&|run, _| {
            run.subject(Pid(99), "bea");
        })
        .contains("no agent 99")
    );
    assert!(
        check(&|run, _| {
            run.free_running();
        })
        .contains("free-running")
    );
    // Another run than the recorded one.
    let folder = tempfile::tempdir().unwrap();
    let data: Data = data(&folder);
    office().0.begin(&data).unwrap();
    let (mut other, [first, ..], _) = office();
    other.input(20, first, Note::Keep("more".into()));
    assert!(matches!(other.replay(&data), Err(RunError::OtherRun(_))));
}

#[test]
fn who_was_handed_nothing_but_a_grant_has_no_place_for_keys() {
    let key = |seed| karyon_identity::SecretKey::from_seed([seed; 32]).unwrap();
    let (node, ada, folder) = (key(3), key(4), tempfile::tempdir().unwrap());
    let (run, ..) = office();
    let terms = karyon_statements::GrantTerms {
        principal: "ada".into(),
        principal_key: ada.public_key(),
        node_key: node.public_key(),
        reason: "a test".into(),
        rights: Rights::SEND.and(Rights::REMEMBER).and(Rights::SPAWN).0,
        resource: run.resource(),
        scenario: run.digest(),
        expires_tick: None,
        nonce: karyon_statements::GrantTerms::random_nonce().unwrap(),
    };
    let authority =
        Authority { signed: terms.sign(&ada).unwrap(), principal_key: ada.public_key() };
    let path = folder.path().join("run");
    let begun = run.begin(&Data::granted(&path, node, authority));
    assert!(matches!(begun, Err(RunError::NoKeystore)), "{:?}", begun.map(drop));
    assert!(!path.exists());
}

const FOLDER: &str = "KARYON_TEST_SUBJECTS";

/// A run of some thousand ticks.
fn busy() -> (Run, [AgentRef<Clerk>; 3]) {
    let (mut run, clerks, _) = office();
    for tick in 20..3_000 {
        let words = format!("{CANARY} {tick}");
        run.input(tick, clerks[tick as usize % 3], Note::Keep(words));
    }
    run.intensity(100_000, 10).chaos(0.05).snapshots(Every::Ticks(100));
    (run, clerks)
}

/// The process that is killed: only where the other test asks for it.
#[test]
fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    busy().0.schedulers(2).begin(&at(Path::new(&folder))).unwrap();
}

fn at(folder: &Path) -> Data {
    Data::new(folder.join("run"), "ada", "a test").keys(KeyDirectory::at(folder.join("keys")))
}

#[test]
fn a_run_that_was_killed_goes_on_with_its_keys_and_is_repeated() {
    let (mut run, clerks) = busy();
    let whole = run.test().unwrap();
    let notes = |outcome: &Outcome| {
        clerks.map(|clerk| outcome.state(clerk).unwrap().notes.clone()).concat()
    };
    let mut killed = 0;
    for round in 0..6_u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "subjects::the_process_that_is_killed"])
            .env(FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !folder.path().join("run/snapshots").exists() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(15 * round));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            continue;
        }
        killed += 1;
        let data = at(folder.path());
        assert_eq!(holding(data.path(), CANARY), Vec::<String>::new());
        clear(data.path(), &folder.path().join("keys"));
        run.schedulers(1 + round as usize % 3);
        let resumed = match round % 2 {
            0 => run.resume(&data).unwrap(),
            _ => run.resume_from_zero(&data).unwrap(),
        };
        assert_eq!(notes(&resumed), notes(&whole), "round {round}");
        let (_, root, opaque) = confirmed(run.replay(&data).unwrap());
        assert_eq!((root, opaque.is_empty()), (Some(resumed.state_root), true));
        assert_eq!(holding(data.path(), CANARY), Vec::<String>::new());
    }
    assert!(killed > 1, "{killed} killed");
}

/// What each step of giving out keys leaves, where nothing came behind it.
#[test]
fn a_beginning_that_was_cut_off_between_its_keys_and_its_log_is_begun_again() {
    for step in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let data = data(&folder);
        let keystores = KeyDirectory::at(folder.path().join("keys")).keystores().unwrap();
        std::fs::create_dir(data.path()).unwrap();
        std::fs::write(data.path().join("lock"), "").unwrap();
        let id = karyon_types::LogId([7; 16]);
        let master = keystores.join(format!("{id}.key"));
        let waiting = keystores.join(format!(".{id}.key.new"));
        if step > 0 {
            let mut keystore = Keystore::create(data.path(), &master, id).unwrap();
            if step > 3 {
                keystore.give_out("bea").unwrap();
            }
        }
        // The folder alone; the file beside a master that waits; both; and both with a key given out.
        match step {
            1 => {
                std::fs::rename(&master, &waiting).unwrap();
                std::fs::remove_file(data.path().join("keystore/keys.1")).unwrap();
            }
            2 => std::fs::rename(&master, &waiting).unwrap(),
            _ => {}
        }
        let (run, ..) = office();
        let outcome = run.begin(&data).unwrap_or_else(|error| panic!("step {step}: {error}"));
        let (_, root, opaque) = confirmed(run.replay(&data).unwrap());
        assert_eq!((root, opaque.is_empty()), (Some(outcome.state_root), true), "step {step}");
        let made = id_in(data.path()).unwrap().unwrap();
        assert_eq!(made == id, step > 1, "step {step}");
    }
}

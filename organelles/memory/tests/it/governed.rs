//! Memories for which somebody answers, without a command line: random chains of beliefs, horizons,
//! and keys that follow the log.

use std::collections::BTreeMap;
use std::path::Path;

use karyon_graph::{Graph, View};
use karyon_keystore::Keystore;
use karyon_log::{Cause, Control, Genesis, Output, Record};
use karyon_memory::{
    Change, ChangeError, Filter, NewMemo, Recalled, Said, Settled, Which, Words, brief, due,
    find_all, history, recall, settle,
};
use karyon_memory_ops::{Content, Entity, MemoKind, Time, Valid, Vertex, Write};
use karyon_types::{AgentId, LeaseId, LogId, Position};
use proptest::prelude::*;
use tempfile::TempDir;

/// By the clock of these tests nothing is to come.
const NOW: Time = Time::MAX;

/// A keystore and a memory, with what was recorded.
struct Office {
    keys: Keystore,
    graph: Graph,
    controls: Vec<Control>,
    records: u64,
    folder: TempDir,
}

impl Office {
    fn new() -> Office {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "keys"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (data, master) = (folder.path().join("data"), folder.path().join("keys/master"));
        let keys = Keystore::create(&data, &master, LogId([1; 16])).unwrap();
        let (graph, controls) = (Graph::in_memory().unwrap(), Vec::new());
        let mut office = Office { keys, graph, controls, records: 0, folder };
        office.record(Control::Genesis(Genesis {
            karyon: String::new(),
            created_unix_ms: 0,
            scenario_name: String::new(),
            scenario: String::new(),
            kinds: Vec::new(),
            inputs: Vec::new(),
        }));
        office
    }

    fn record(&mut self, control: Control) -> Position {
        let mut body = Vec::new();
        Record::Control(Box::new(control.clone())).encode(&mut body);
        self.graph.projector(Path::new("")).unwrap().apply(&[&body]).unwrap();
        self.controls.push(control);
        self.records += 1;
        Position(self.records - 1)
    }

    /// What the node does with a change.
    fn take(&mut self, change: &Change) -> Position {
        let bytes = change.encode().unwrap();
        let change = Change::decode(&bytes).unwrap();
        let lease = self.records;
        let records = change.records(lease, 0).into_iter();
        records.map(|record| self.record(Control::Memory(record))).last().unwrap()
    }

    /// What an agent writes, about whatever it is.
    fn agent_writes(&mut self, write: &Write) {
        let (mut bytes, mut body) = (Vec::new(), Vec::new());
        write.encode(&mut bytes).unwrap();
        let outputs = vec![Output::Remembered { lease: LeaseId(1), write: &bytes }];
        let (agent, cause) = (AgentId(1), Cause::Input(0));
        Record::Step { agent, step: self.records, cause, outputs }.encode(&mut body);
        self.graph.projector(Path::new("")).unwrap().apply(&[&body]).unwrap();
        self.records += 1;
    }

    /// What a node would be asked to record at a moment.
    #[expect(clippy::result_large_err, reason = "the crate's own error, in a test")]
    fn ask(
        &mut self,
        memo: &NewMemo<'_>,
        replaces: bool,
        now: Time,
    ) -> Result<Change, ChangeError> {
        let reader = self.graph.read().unwrap();
        match replaces {
            true => Change::supersede(&mut self.keys, &reader, memo, now),
            false => Change::remember(&mut self.keys, Some(&reader), memo, now),
        }
    }

    #[expect(clippy::result_large_err, reason = "the crate's own error, in a test")]
    fn tell(&mut self, memo: &NewMemo<'_>, replaces: bool) -> Result<Position, ChangeError> {
        let change = self.ask(memo, replaces, NOW)?;
        Ok(self.take(&change))
    }

    fn settle(&mut self) -> Settled {
        settle(&mut self.keys, &self.controls).unwrap()
    }

    fn texts(&self, filter: &Filter<'_>) -> Vec<String> {
        let reader = self.graph.read().unwrap();
        let found = recall(&reader, Some(&self.keys), filter, &View::NOW).unwrap();
        found.into_iter().map(|memo| said(memo.said)).collect()
    }

    /// One alone, by its id.
    fn forget(&mut self, subject: &str, id: &str) {
        let reader = self.graph.read().unwrap();
        let goes = Change::goes(&self.keys, &reader, subject, Which::Id(id)).unwrap();
        drop(reader);
        self.take(&Change::forget_these(&goes));
        self.settle();
    }

    fn history(&self, subject: &str, key: &str) -> Vec<Recalled> {
        let reader = self.graph.read().unwrap();
        history(&reader, Some(&self.keys), subject, key, &View::NOW).unwrap()
    }

    fn reopen(&mut self) {
        let (data, master) =
            (self.folder.path().join("data"), self.folder.path().join("keys/master"));
        self.keys = Keystore::open(&data, &master, LogId([1; 16])).unwrap();
    }
}

fn said(said: Said) -> String {
    match said {
        Said::Words(words) => words.text,
        Said::Erased => "(erased)".into(),
        Said::Locked => "(sealed)".into(),
        Said::Damaged => "(damaged)".into(),
    }
}

fn memo<'a>(subject: &'a str, key: &'a str, text: &str) -> NewMemo<'a> {
    NewMemo {
        subject,
        key,
        kind: MemoKind::Fact,
        words: Words { text: text.into(), ..Words::default() },
        owner: "ada",
        reason: "because",
        horizon: None,
        from: Time::new(0, 0).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is remembered, superseded and forgotten, in whatever order: what holds is what was
    /// told last, its history is all of it, and what was recorded then is told as it was.
    #[test]
    fn random_chains(acts in prop::collection::vec((0..3usize, 0..2usize, 0..5u8), 1..40)) {
        let (subjects, keys) = (["ada", "bob", "cyd"], ["a", "b"]);
        let mut office = Office::new();
        let mut model: BTreeMap<(usize, usize), Vec<(Position, String)>> = BTreeMap::new();
        let mut gone = [false; 3];
        for (number, (subject, key, act)) in acts.into_iter().enumerate() {
            let (name, text) = (subjects[subject], number.to_string());
            let told = memo(name, keys[key], &text);
            let chain = model.entry((subject, key)).or_default();
            let is_live = chain.last().is_some_and(|(_, text)| text != "(erased)");
            match act {
                0..3 => {
                    let told = office.tell(&told, is_live);
                    if gone[subject] {
                        let refused = matches!(told, Err(ChangeError::Erased { .. }));
                        prop_assert!(refused);
                    } else {
                        chain.push((told.unwrap(), text));
                    }
                }
                3 => {
                    let reader = office.graph.read().unwrap();
                    let change = Change::forget(&office.keys, &reader, name, keys[key]);
                    drop(reader);
                    if is_live && !gone[subject] {
                        office.take(&change.unwrap());
                        office.settle();
                        chain.iter_mut().for_each(|(_, text)| *text = "(erased)".into());
                    } else {
                        prop_assert!(change.is_err());
                    }
                }
                _ if number % 3 == 0 => {
                    let change = Change::forget_subject(&office.keys, name);
                    let is_known = model.iter().any(|((of, _), chain)| *of == subject && !chain.is_empty());
                    if is_known && !gone[subject] {
                        office.take(&change.unwrap());
                        office.settle();
                        gone[subject] = true;
                        let all = model.iter_mut().filter(|((of, _), _)| *of == subject);
                        all.flat_map(|(_, chain)| chain).for_each(|(_, text)| *text = "(erased)".into());
                    } else {
                        prop_assert!(change.is_err());
                    }
                }
                _ => office.reopen(),
            }
        }
        let reader = office.graph.read().unwrap();
        for ((subject, key), chain) in &model {
            let (subject, key) = (subjects[*subject], keys[*key]);
            let ask = |view| history(&reader, Some(&office.keys), subject, key, &view).unwrap();
            let found: Vec<_> = ask(View::NOW).into_iter().map(|memo| (memo.position, said(memo.said))).collect();
            prop_assert_eq!(&found, chain);
            for (number, (position, text)) in chain.iter().enumerate() {
                let then = ask(View::NOW.as_recorded(*position));
                prop_assert_eq!(then.len(), number + 1);
                prop_assert_eq!(&said(then.last().unwrap().said.clone()), text);
            }
            let filter = Filter { subject: Some(subject), key: Some(key), ..Filter::default() };
            let now = office.texts(&filter);
            prop_assert_eq!(now, chain.last().map(|(_, text)| text.clone()).into_iter().collect::<Vec<_>>());
        }
        // Nobody who names no subject hears of what is erased.
        prop_assert!(!office.texts(&Filter::default()).contains(&"(erased)".to_owned()));
    }
}

#[test]
fn what_is_due_is_found_by_its_horizon_and_erased_once() {
    let mut office = Office::new();
    for number in 0..60i64 {
        let (subject, key) = (format!("s{}", number % 7), format!("k{number}"));
        let horizon = (number % 3 != 0).then_some(number * 10);
        let told = NewMemo { horizon, ..memo(&subject, &key, &number.to_string()) };
        office.tell(&told, false).unwrap();
    }
    let expected = |second: i64| (0..60).filter(|n| n % 3 != 0 && n * 10 <= second).count();
    let mut left = 0;
    for second in [5, 200, 200, 305, 10_000] {
        let reader = office.graph.read().unwrap();
        let found = due(&reader, &office.keys, second).unwrap();
        drop(reader);
        assert_eq!(found.len(), expected(second) - left, "{second}");
        left = expected(second);
        let Some(change) = Change::expire(found, second) else { continue };
        office.take(&change);
        // Only once the keys follow is it so.
        office.settle();
        assert_eq!(office.settle(), Settled::default());
    }
    assert_eq!(left, 40);
    let filter = Filter { now: Some(10_000), ..Filter::default() };
    assert_eq!(office.texts(&filter).len(), 20);
    // By the index nothing is looked at any more.
    let reader = office.graph.read().unwrap();
    let mut rows = 0;
    let count = |_, _| {
        rows += 1;
        std::ops::ControlFlow::Continue(())
    };
    reader.each_horizon(Time::MAX, count).unwrap();
    assert_eq!(rows, 0);
    let briefing = brief(&reader, Some(&office.keys), &filter, &View::NOW).unwrap();
    assert_eq!(briefing.parts.iter().map(|(_, memos)| memos.len()).sum::<usize>(), 20);
}

#[test]
fn what_was_recorded_and_not_destroyed_yet_is_destroyed_by_whoever_comes_next() {
    let mut office = Office::new();
    office.tell(&memo("ada", "a", "one"), false).unwrap();
    office.tell(&memo("ada", "b", "two"), false).unwrap();
    let reader = office.graph.read().unwrap();
    let change = Change::forget(&office.keys, &reader, "ada", "a").unwrap();
    drop(reader);
    office.take(&change);
    // Killed here.
    office.reopen();
    assert_eq!(office.settle(), Settled { memories: 1, subjects: 0 });
    let filter = Filter { subject: Some("ada"), ..Filter::default() };
    assert_eq!(office.texts(&filter), ["(erased)", "two"]);
}

/// Somebody else forgot a part of what expires, in between.
#[test]
fn what_is_gone_in_part_goes_as_a_whole() {
    let mut office = Office::new();
    for key in ["a", "b", "c"] {
        let told = NewMemo { horizon: Some(10), ..memo("ada", key, key) };
        office.tell(&told, false).unwrap();
    }
    let reader = office.graph.read().unwrap();
    let expires = Change::expire(due(&reader, &office.keys, 10).unwrap(), 10).unwrap();
    let forgets = Change::forget(&office.keys, &reader, "ada", "a").unwrap();
    drop(reader);
    office.take(&forgets);
    assert_eq!(office.settle(), Settled { memories: 1, subjects: 0 });
    office.take(&expires);
    assert_eq!(office.settle(), Settled { memories: 2, subjects: 0 });
    let of_ada = Filter { subject: Some("ada"), ..Filter::default() };
    assert_eq!(office.texts(&of_ada), ["(erased)", "(erased)", "(erased)"]);
    assert_eq!(office.settle(), Settled::default());
}

#[test]
fn keys_from_a_backup_are_told_what_was_sealed_since() {
    let mut office = Office::new();
    office.tell(&memo("ada", "a", "one"), false).unwrap();
    let keystore = office.folder.path().join("data/keystore/keys.1");
    let backup = std::fs::read(&keystore).unwrap();
    // More than is reserved at once.
    for number in 0..1_100 {
        office.tell(&memo("ada", "a", &number.to_string()), true).unwrap();
    }
    std::fs::write(&keystore, &backup).unwrap();
    office.reopen();
    office.tell(&memo("ada", "b", "two"), false).unwrap();
    let reader = office.graph.read().unwrap();
    let mut indexes = Vec::new();
    for key in ["a", "b"] {
        let all = history(&reader, Some(&office.keys), "ada", key, &View::NOW).unwrap();
        indexes.extend(all.iter().map(|memo| memo.memo.sealed.index));
    }
    let count = indexes.len();
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!((indexes.len(), count), (1_102, 1_102));
}

/// An agent writes about a subject by its number, for a time to come, and that there is no more.
#[test]
fn what_agents_write_hides_nothing_for_which_somebody_answers() {
    let mut office = Office::new();
    office.tell(&memo("ada", "a", "so it is"), false).unwrap();
    let entity = Entity::Fact { subject: Vertex::Named("~1".into()), predicate: "a".into() };
    let later = Valid::since(Time::new(1_000_000, 0).unwrap());
    for content in [Content::with([("text", "not so".into())]), Content::Ended] {
        office.agent_writes(&Write { entity: entity.clone(), valid: later, content });
        for subject in [None, Some("ada")] {
            assert_eq!(office.texts(&Filter { subject, ..Filter::default() }), ["so it is"]);
        }
        let reader = office.graph.read().unwrap();
        let all = history(&reader, Some(&office.keys), "ada", "a", &View::NOW).unwrap();
        assert_eq!(all.len(), 1);
    }
    office.tell(&memo("ada", "a", "otherwise"), true).unwrap();
    assert_eq!(office.texts(&Filter::default()), ["otherwise"]);
}

#[test]
fn what_is_no_change_is_not_taken() {
    let mut office = Office::new();
    let change = Change::remember(&mut office.keys, None, &memo("ada", "a", "x"), NOW).unwrap();
    let bytes = change.encode().unwrap();
    assert_eq!(Change::decode(&bytes).unwrap(), change);
    for cut in 0..bytes.len() {
        assert!(Change::decode(&bytes[..cut]).is_err(), "{cut}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert_ne!(Change::decode(&flipped).ok().as_ref(), Some(&change), "{at}");
    }
}

/// Versions to come: what is said now replaces what holds now, and what was taken back before it
/// began is in nobody's way.
#[test]
fn what_begins_later_does_not_lock_its_key() {
    let now = Time::new(100, 0).unwrap();
    let at = |from: i64, text: &'static str| NewMemo {
        from: Time::new(from, 0).unwrap(),
        ..memo("ada", "a", text)
    };
    let mut office = Office::new();
    let first = office.tell(&at(10, "first"), false).unwrap();
    let later = office.ask(&at(500, "later"), true, now).unwrap();
    let later = format!("{}.0", office.take(&later));
    // While it stands, what would be cut off by it is refused, and it is named.
    let refused = office.ask(&at(100, "now"), true, now);
    let Err(ChangeError::Later { id, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(id, later);
    office.forget("ada", &later);
    let second = office.ask(&at(100, "now"), true, now).unwrap();
    let second = office.take(&second);
    let all = office.history("ada", "a");
    assert_eq!(all.iter().map(|memo| memo.valid.from.units()).collect::<Vec<_>>(), [10, 100, 500]);
    assert_eq!(all[1].memo.supersedes, Some(first));
    assert_eq!(all[0].replaced_by(&all).unwrap().position, second);
    // It does not come between when its time comes; nor does one that is to begin behind it wait.
    assert_eq!(office.texts(&Filter { now: Some(600), ..Filter::default() }), ["now"]);
    let third = office.ask(&at(700, "third"), true, now).unwrap();
    office.take(&third);
    let third = office.history("ada", "a").pop().unwrap();
    assert_eq!(third.memo.supersedes, Some(second));
    // Of one that has begun it is said that it is gone, and what it had replaced stays history.
    office.forget("ada", &third.id());
    let gone = office.ask(&at(800, "x"), true, at(750, "").from);
    assert!(matches!(gone, Err(ChangeError::Gone { .. })), "{gone:?}");
    assert_eq!(office.texts(&Filter { now: Some(750), ..Filter::default() }), [""; 0]);
    let anew = office.tell(&at(800, "anew"), false).unwrap();
    assert_eq!(office.history("ada", "a").pop().unwrap().position, anew);
}

/// Nothing at all holds before a version that is to begin later.
#[test]
fn what_is_only_to_come_and_was_taken_back_was_never_there() {
    let now = Time::new(100, 0).unwrap();
    let mut office = Office::new();
    let later = NewMemo { from: Time::new(500, 0).unwrap(), ..memo("ada", "a", "later") };
    let later = format!("{}.0", office.tell(&later, false).unwrap());
    let told = NewMemo { from: now, ..memo("ada", "a", "now") };
    for replaces in [true, false] {
        let refused = office.ask(&told, replaces, now);
        assert!(matches!(refused, Err(ChangeError::Later { .. })), "{refused:?}");
    }
    office.forget("ada", &later);
    let refused = office.ask(&told, true, now);
    assert!(matches!(refused, Err(ChangeError::Missing { .. })), "{refused:?}");
    let change = office.ask(&told, false, now).unwrap();
    office.take(&change);
    assert_eq!(office.texts(&Filter { now: Some(600), ..Filter::default() }), ["now"]);
}

#[test]
fn what_would_be_gone_before_it_begins_is_refused() {
    let mut office = Office::new();
    for (horizon, is_taken) in [(99, false), (100, false), (101, true)] {
        let from = Time::new(100, 500).unwrap();
        let told = NewMemo { from, horizon: Some(horizon), ..memo("ada", "a", "x") };
        match office.tell(&told, false) {
            Ok(_) => assert!(is_taken, "{horizon}"),
            Err(ChangeError::Malformed { why, .. }) => {
                assert!(!is_taken && why.contains("it would never hold"), "{why}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Whoever asks for the subject hears that it is erased, whoever had it erased; nobody is told of
/// it as of something to come.
#[test]
fn what_is_erased_is_told_as_that_whether_or_not_its_time_was_over() {
    let mut office = Office::new();
    let told = NewMemo { horizon: Some(50), ..memo("ada", "a", "x") };
    office.tell(&told, false).unwrap();
    let later = NewMemo { from: Time::new(500, 0).unwrap(), ..memo("ada", "b", "y") };
    let later = format!("{}.0", office.tell(&later, false).unwrap());
    let of_ada = Filter { subject: Some("ada"), now: Some(100), ..Filter::default() };
    let left_out = |office: &Office| {
        let reader = office.graph.read().unwrap();
        let found = find_all(&reader, Some(&office.keys), &of_ada, &View::NOW).unwrap();
        let said: Vec<_> = found.memories.into_iter().map(|memo| said(memo.said)).collect();
        (said, found.expired, found.later)
    };
    assert_eq!(left_out(&office), (vec![], 1, 1));
    let reader = office.graph.read().unwrap();
    let due = due(&reader, &office.keys, 100).unwrap();
    drop(reader);
    office.take(&Change::expire(due, 100).unwrap());
    office.settle();
    office.forget("ada", &later);
    assert_eq!(left_out(&office), (vec!["(erased)".into()], 0, 0));
}

//! Memories for which somebody answers, without a command line: random chains of beliefs, horizons,
//! and keys that follow the log.

use std::collections::BTreeMap;
use std::path::Path;

use karyon_graph::{Graph, View};
use karyon_keystore::Keystore;
use karyon_log::{Cause, Control, Genesis, Output, Record};
use karyon_memory::{
    Change, ChangeError, Filter, NewMemo, Said, Settled, Words, brief, due, history, recall, settle,
};
use karyon_memory_ops::{Content, Entity, MemoKind, Time, Valid, Vertex, Write};
use karyon_types::{AgentId, LeaseId, LogId, Position};
use proptest::prelude::*;
use tempfile::TempDir;

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

    #[expect(clippy::result_large_err, reason = "the crate's own error, in a test")]
    fn tell(&mut self, memo: &NewMemo<'_>, replaces: bool) -> Result<Position, ChangeError> {
        let reader = self.graph.read().unwrap();
        let change = match replaces {
            true => Change::supersede(&mut self.keys, &reader, memo)?,
            false => Change::remember(&mut self.keys, Some(&reader), memo)?,
        };
        drop(reader);
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
    let change = Change::remember(&mut office.keys, None, &memo("ada", "a", "x")).unwrap();
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

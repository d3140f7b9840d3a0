//! The keystore beside a plain map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::crash_tests::{create, open, open_read_only};
use crate::erasure::Erasure;
use crate::error::{KeystoreError, UnsealError};
use crate::keystore::{Keystore, Sealed};
use crate::simulated::Disk;
use crate::state::{Subject, SubjectId};

const NAMES: [&str; 4] = ["ada", "bo", "ada ", "Ünïcödé"];

#[derive(Clone, Debug)]
enum Act {
    Seal { name: usize, length: usize },
    Prepare { names: Vec<usize> },
    Erase { subjects: Vec<usize>, ranges: Vec<(usize, u32, u32)> },
    Advance { name: usize, end: u32 },
    Reopen { is_closed: bool },
}

fn act() -> impl Strategy<Value = Act> {
    let name = 0..NAMES.len();
    prop_oneof![
        8 => (name.clone(), 0usize..300).prop_map(|(name, length)| Act::Seal { name, length }),
        1 => prop::collection::vec(name.clone(), 0..4).prop_map(|names| Act::Prepare { names }),
        2 => (
            prop::collection::vec(name.clone(), 0..2),
            prop::collection::vec((name.clone(), 0u32..30, 0u32..6), 0..4),
        ).prop_map(|(subjects, ranges)| Act::Erase { subjects, ranges }),
        1 => (name, 0u32..40).prop_map(|(name, end)| Act::Advance { name, end }),
        1 => any::<bool>().prop_map(|is_closed| Act::Reopen { is_closed }),
    ]
}

/// What the keystore should know.
#[derive(Default)]
struct Model {
    /// Serial, the index behind the last one, and whether the subject is erased.
    subjects: BTreeMap<&'static str, (SubjectId, u32, bool)>,
    /// What was sealed, and whether it is erased by itself.
    sealed: Vec<(&'static str, Sealed, Vec<u8>, bool)>,
    generation: u64,
}

impl Model {
    fn subject(&self, name: &str) -> Subject {
        match self.subjects.get(name) {
            None => Subject::Never,
            Some((subject, _, true)) => Subject::Erased(*subject),
            Some((subject, _, false)) => Subject::Live(*subject),
        }
    }

    fn check(&self, keystore: &Keystore) {
        for name in NAMES {
            assert_eq!(keystore.subject(name), self.subject(name), "{name}");
        }
        let mut live: Vec<(SubjectId, &str)> = self
            .subjects
            .iter()
            .filter(|(_, known)| !known.2)
            .map(|(name, known)| (known.0, *name))
            .collect();
        live.sort();
        assert_eq!(keystore.subjects().collect::<Vec<_>>(), live);
        assert_eq!(keystore.generation(), self.generation);
        for (name, sealed, plaintext, is_erased) in &self.sealed {
            let Sealed { subject, index, bytes } = sealed;
            let is_erased = *is_erased || self.subjects[name].2;
            let expected = match is_erased {
                true => Err(UnsealError::Erased { subject: *subject, index: *index }),
                false => Ok(plaintext.clone()),
            };
            assert_eq!(keystore.unseal(*subject, *index, name.as_bytes(), bytes), expected);
            if !is_erased {
                let damaged = Err(UnsealError::Damaged { subject: *subject, index: *index });
                assert_eq!(keystore.unseal(*subject, *index, b"else", bytes), damaged);
                let damaged = Err(UnsealError::Damaged { subject: *subject, index: index + 1 });
                let other = keystore.unseal(*subject, index + 1, name.as_bytes(), bytes);
                assert!(other == damaged || matches!(other, Err(UnsealError::Erased { .. })));
            }
        }
    }

    /// Erases, or says that it is refused.
    fn erase(&mut self, subjects: &[usize], ranges: &[(usize, u32, u32)]) -> (Erasure, bool) {
        let mut erasure = Erasure::new();
        let mut is_refused = false;
        for name in subjects {
            erasure.erase_subject(NAMES[*name]);
            is_refused |= !self.subjects.contains_key(NAMES[*name]);
        }
        let mut cut = Vec::new();
        for (name, start, length) in ranges {
            let (subject, end, is_erased) =
                self.subjects.get(NAMES[*name]).copied().unwrap_or((SubjectId(99), 0, false));
            erasure.erase(subject, *start..start + length);
            is_refused |= !is_erased && (*length == 0 || start + length > end);
            cut.push((subject, *start..start + length));
        }
        if !is_refused {
            let mut is_news = false;
            for name in subjects {
                let known = self.subjects.get_mut(NAMES[*name]).unwrap();
                is_news |= !std::mem::replace(&mut known.2, true);
            }
            for (subject, range) in cut {
                for (name, sealed, _, is_erased) in &mut self.sealed {
                    if sealed.subject == subject && range.contains(&sealed.index) {
                        is_news |= !std::mem::replace(is_erased, true) && !self.subjects[name].2;
                    }
                }
            }
            // What was given out and never sealed is erased too, which shows in the generation.
            self.generation += u64::from(is_news);
        }
        (erasure, is_refused)
    }
}

fn run(acts: &[Act]) {
    let disk = Disk::default();
    let mut keystore = create(&disk).unwrap();
    let mut model = Model { generation: 1, ..Model::default() };
    for (number, act) in acts.iter().enumerate() {
        match act {
            Act::Seal { name, length } => {
                let (name, plaintext) = (NAMES[*name], vec![number as u8; *length]);
                let end = match keystore.subject(name) {
                    Subject::Live(subject) => keystore.end(subject),
                    Subject::Never | Subject::Erased(_) => Some(0),
                };
                let outcome = keystore.seal(name, name.as_bytes(), &plaintext);
                let next = SubjectId(model.subjects.len() as u64 + 1);
                let known = model.subjects.entry(name).or_insert((next, 0, false));
                if known.2 {
                    assert!(
                        matches!(outcome, Err(KeystoreError::SubjectErased { subject }) if subject == known.0)
                    );
                    continue;
                }
                let sealed = outcome.unwrap();
                assert_eq!(sealed.subject, known.0);
                assert!(sealed.index >= known.1, "{} was given out", sealed.index);
                assert_eq!(Some(sealed.index), end);
                assert_eq!(sealed.bytes.len(), length + crate::limits::OVERHEAD_BYTES);
                known.1 = sealed.index + 1;
                model.sealed.push((name, sealed, plaintext, false));
            }
            Act::Prepare { names } => {
                let names: Vec<_> = names.iter().map(|name| NAMES[*name]).collect();
                let outcome = keystore.prepare(&names);
                if names.iter().any(|name| matches!(model.subject(name), Subject::Erased(_))) {
                    assert!(matches!(outcome, Err(KeystoreError::SubjectErased { .. })));
                    continue;
                }
                for (name, subject) in names.iter().zip(outcome.unwrap()) {
                    let next = SubjectId(model.subjects.len() as u64 + 1);
                    assert_eq!(model.subjects.entry(name).or_insert((next, 0, false)).0, subject);
                }
            }
            Act::Erase { subjects, ranges } => {
                // Where it ended is the keystore's to say: a crash skips indexes.
                for known in model.subjects.values_mut().filter(|known| !known.2) {
                    known.1 = keystore.end(known.0).unwrap();
                }
                let (before, (erasure, is_refused)) =
                    (model.generation, model.erase(subjects, ranges));
                let files = disk.files();
                let outcome = keystore.erase(&erasure);
                assert_eq!(outcome.is_err(), is_refused, "{outcome:?}");
                if let Ok(committed) = outcome {
                    assert!(committed.leftover.is_none());
                    assert!(committed.generation >= model.generation);
                    assert!(committed.generation <= before + 1);
                    model.generation = committed.generation;
                } else {
                    assert_eq!(disk.files(), files);
                }
            }
            Act::Advance { name, end } => {
                let known = model.subjects.get_mut(NAMES[*name]);
                let subject = known.as_ref().map_or(SubjectId(0), |known| known.0);
                let before = keystore.end(subject);
                assert_eq!(keystore.advance(subject, *end).is_ok(), known.is_some());
                // Never back.
                assert_eq!(keystore.end(subject), before.map(|before| before.max(*end)));
                if let Some(known) = known.filter(|known| !known.2) {
                    known.1 = known.1.max(*end);
                }
            }
            Act::Reopen { is_closed } => {
                // What was advanced and not used is the log's to tell again.
                for (name, known) in &mut model.subjects {
                    let own = model.sealed.iter().filter(|(of, ..)| of == name);
                    known.1 = own.map(|(_, sealed, ..)| sealed.index + 1).max().unwrap_or(0);
                }
                if *is_closed {
                    let ends: Vec<_> = keystore
                        .subjects()
                        .map(|(subject, _)| (subject, keystore.end(subject)))
                        .collect();
                    keystore.close().unwrap();
                    keystore = open(&disk).unwrap();
                    for (subject, end) in ends {
                        assert!(keystore.end(subject) <= end);
                    }
                } else {
                    keystore = open(&disk).unwrap();
                }
            }
        }
        if number % 8 == 0 {
            model.check(&keystore);
        }
    }
    model.check(&keystore);
    model.check(&open_read_only(&disk).unwrap());
    drop(keystore);
    model.check(&open(&disk).unwrap());
}

proptest! {
    #[test]
    fn it_does_what_a_map_does(acts in prop::collection::vec(act(), 1..60)) {
        run(&acts);
    }
}

#[test]
fn what_the_log_told_and_is_erased_is_not_given_out_after_a_crash() {
    for is_closed in [false, true] {
        run(&[
            Act::Seal { name: 0, length: 1 },
            // Nothing is reserved any more.
            Act::Reopen { is_closed: true },
            Act::Advance { name: 0, end: 40 },
            Act::Erase { subjects: vec![], ranges: vec![(0, 1, 39)] },
            Act::Reopen { is_closed },
            Act::Seal { name: 0, length: 1 },
        ]);
    }
}

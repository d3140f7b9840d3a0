//! The keys follow the log: what a record says is erased, is.

use std::path::Path;

use karyon_graph::Reader;
use karyon_keystore::{Erasure, Keystore, KeystoreError, Source, Subject, SubjectId};
use karyon_log::Control;

use super::change::ChangeError;
use super::recall::first_unused;

/// What was destroyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Keys of single memories.
    pub memories: u64,
    /// Subjects with all of their keys.
    pub subjects: u64,
}

/// Destroys the keys of which the log says that they are to be, as far as they are there.
///
/// # Errors
/// See [`KeystoreError`]; asked again, it goes on.
pub fn settle(keys: &mut Keystore, controls: &[Control]) -> Result<Settled, KeystoreError> {
    let (erasure, settled) = ordered(keys, controls)?;
    match keys.erase(&erasure)?.leftover {
        // The keys are gone; that nothing is left of them is a part of it.
        Some(error) => Err(error),
        None => Ok(settled),
    }
}

/// Writes the keys to a file for another machine: none of which the log says that it is to be
/// destroyed, and such that nothing in the log is sealed under a key to come. `keys` may be opened
/// for reading only; `source` is the log of the controls.
///
/// # Errors
/// [`ChangeError::Keys`], [`ChangeError::Graph`]. There is no file then.
pub fn carry_keys(
    keys: &mut Keystore,
    reader: &Reader,
    controls: &[Control],
    source: Source,
    file: &Path,
) -> Result<(), ChangeError> {
    // Keys that were brought back from a backup do not know what was sealed since.
    let subjects: Vec<_> = keys.subjects().map(|(subject, _)| subject).collect();
    for subject in subjects {
        keys.advance(subject, first_unused(reader, subject.0)?)?;
    }
    let (erasure, _) = ordered(keys, controls)?;
    Ok(keys.carry(&erasure, source, file)?)
}

/// What the log says is to be destroyed, as far as it is there.
pub(super) fn ordered(
    keys: &mut Keystore,
    controls: &[Control],
) -> Result<(Erasure, Settled), KeystoreError> {
    let (mut erasure, mut settled) = (Erasure::new(), Settled::default());
    let records = controls.iter().filter_map(|control| match control {
        Control::Memory(record) => Some(record),
        _ => None,
    });
    for (subject, first, last) in records.flat_map(|record| record.erased.iter().copied()) {
        let subject = SubjectId(subject);
        let Some(name) = keys.name(subject) else { continue };
        if last == u32::MAX {
            erasure.erase_subject(name);
            settled.subjects += 1;
            continue;
        }
        // Part of it may be gone already: others erase, too.
        let live = (first..=last).filter(|index| keys.is_live(subject, *index)).count();
        if live > 0 {
            // Keys that were brought back from a backup do not know what was sealed since.
            keys.advance(subject, last.saturating_add(1))?;
            erasure.erase(subject, first..last.saturating_add(1));
            settled.memories += live as u64;
        }
    }
    Ok((erasure, settled))
}

/// The number of a subject that is or was known, and whether it is erased.
pub(super) fn find(keys: &Keystore, name: &str) -> Option<(u64, bool)> {
    match keys.subject(name) {
        Subject::Never => None,
        Subject::Live(subject) => Some((subject.0, false)),
        Subject::Erased(subject) => Some((subject.0, true)),
    }
}

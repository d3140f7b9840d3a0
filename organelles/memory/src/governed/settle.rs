//! The keys follow the log: what a record says is erased, is.

use karyon_keystore::{Erasure, Keystore, KeystoreError, Subject, SubjectId};
use karyon_log::Control;

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
        } else if keys.is_live(subject, first) {
            erasure.erase(subject, first..last + 1);
            settled.memories += u64::from(last - first) + 1;
        }
    }
    match keys.erase(&erasure)?.leftover {
        // The keys are gone; that nothing is left of them is a part of it.
        Some(error) => Err(error),
        None => Ok(settled),
    }
}

/// The number of a subject that is or was known, and whether it is erased.
pub(super) fn find(keys: &Keystore, name: &str) -> Option<(u64, bool)> {
    match keys.subject(name) {
        Subject::Never => None,
        Subject::Live(subject) => Some((subject.0, false)),
        Subject::Erased(subject) => Some((subject.0, true)),
    }
}

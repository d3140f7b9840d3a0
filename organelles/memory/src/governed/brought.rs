//! Keys that were brought from elsewhere: what they open.

use karyon_graph::{EntityId, GraphError, NOBODY, Reader, View};
use karyon_keystore::Keystore;
use karyon_types::Position;

use super::recall::{Said, opened, serial_of};

/// What keys open of all that principals ever recorded to be remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Versions that they open.
    pub opens: u64,
    /// Versions whose keys were destroyed.
    pub erased: u64,
    /// Versions whose keys are not among them.
    pub missing: u64,
    /// The first record of those.
    pub first_missing: Option<Position>,
}

/// Tries the keys on every version of everything.
///
/// # Errors
/// See [`GraphError`].
pub fn opening(reader: &Reader, keys: &Keystore) -> Result<Opening, GraphError> {
    let mut opening = Opening::default();
    for entity in reader.written_by(NOBODY)? {
        let EntityId::Fact { subject, predicate } = &entity else { continue };
        let Some(serial) = serial_of(reader, *subject)? else { continue };
        for version in reader.history(&entity, &View::NOW)? {
            // An agent may write whatever it likes about anything.
            if version.recorded.agent != NOBODY {
                continue;
            }
            let position = version.position;
            match opened(Some(keys), serial, predicate, version).map(|memo| memo.said) {
                None => {}
                Some(Said::Words(_)) => opening.opens += 1,
                Some(Said::Erased) => opening.erased += 1,
                Some(Said::Locked | Said::Damaged) => {
                    opening.missing += 1;
                    let first = opening.first_missing.map_or(position, |first| first.min(position));
                    opening.first_missing = Some(first);
                }
            }
        }
    }
    Ok(opening)
}

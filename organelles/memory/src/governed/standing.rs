//! What a new version meets under its key: what it replaces, and what stands in its way.

use karyon_graph::{Reader, View};
use karyon_keystore::Keystore;
use karyon_memory_ops::Time;

use super::change::{ChangeError, NewMemo};
use super::recall::{Recalled, Said, versions};
use super::settle::find;

/// What lies on either side of the moment at which a version is to begin.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What holds then: its place is taken.
    pub(super) before: Option<Recalled>,
    /// The first that begins later and is not erased: it would go on as if nothing had been said.
    pub(super) behind: Option<Recalled>,
}

impl Standing {
    /// Under the key of a memory to come. What was erased `now`, before it began, never was.
    ///
    /// # Errors
    /// [`ChangeError::Erased`] of a subject that was forgotten as a whole; what reading says.
    pub(super) fn of(
        keys: &Keystore,
        reader: Option<&Reader>,
        memo: &NewMemo<'_>,
        now: Time,
    ) -> Result<Standing, ChangeError> {
        let Some((subject, is_erased)) = find(keys, memo.subject) else {
            return Ok(Standing::default());
        };
        if is_erased {
            return Err(ChangeError::Erased { subject: memo.subject.into(), key: None });
        }
        let Some(reader) = reader else { return Ok(Standing::default()) };
        let mut all = versions(reader, Some(keys), subject, memo.key, &View::NOW)?;
        all.retain(|held| !held.in_run && (held.said != Said::Erased || held.valid.from <= now));
        let (before, behind): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|held| held.valid.from <= memo.from);
        let behind = behind.into_iter().find(|held| held.said != Said::Erased);
        Ok(Standing { before: holds(before), behind })
    }
}

/// What holds of versions that have begun, the last to begin last: that one, unless it is erased and
/// something was said here since, which does not wait for the moment of what is gone.
pub(super) fn holds(mut begun: Vec<Recalled>) -> Option<Recalled> {
    let last = begun.pop()?;
    // What came from elsewhere later may well be older there.
    if last.said != Said::Erased || last.memo.origin.is_some() {
        return Some(last);
    }
    let is_since = |memo: &Recalled| memo.said != Said::Erased && memo.position > last.position;
    Some(begun.into_iter().rfind(is_since).unwrap_or(last))
}

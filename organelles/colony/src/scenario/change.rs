//! `[[authority.change]]`: somebody's authority changes while the run goes on.

use std::collections::BTreeMap;

use karyon_log::Verb;
use serde::{Deserialize, Serialize};

use super::{MAX_CHANGES, NAME, is_name};
use crate::network::OutOfRange;

/// What happens to whose authority, from which tick on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Keys", into = "Keys")]
pub struct Change {
    /// The first tick for which it holds.
    pub tick: u64,
    /// What happens.
    pub verb: Verb,
    /// The name of a person, [`Expiry::BUSIEST`](super::Expiry::BUSIEST), or one of those below.
    pub whose: String,
}

impl Change {
    /// Stands for the run's grant.
    pub const GRANT: &'static str = "grant";
    /// Stands for the principal who answers for the run.
    pub const PRINCIPAL: &'static str = "principal";
    /// Stands for the run's reason.
    pub const REASON: &'static str = "reason";
}

/// A change as it is written.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    tick: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoke: Option<String>,
}

impl TryFrom<Keys> for Change {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        let (verb, whose) = match (keys.suspend, keys.resume, keys.revoke) {
            (Some(whose), None, None) => (Verb::Suspend, whose),
            (None, Some(whose), None) => (Verb::Resume, whose),
            (None, None, Some(whose)) => (Verb::Revoke, whose),
            (None, None, None) => {
                return Err("say whom: write suspend, resume or revoke = \"NAME\"");
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                return Err("one change does one thing: write suspend, resume or revoke");
            }
        };
        Ok(Change { tick: keys.tick, verb, whose })
    }
}

impl From<Change> for Keys {
    fn from(Change { tick, verb, whose }: Change) -> Self {
        let keys = Keys { tick, ..Keys::default() };
        match verb {
            Verb::Suspend => Keys { suspend: Some(whose), ..keys },
            Verb::Resume => Keys { resume: Some(whose), ..keys },
            Verb::Revoke => Keys { revoke: Some(whose), ..keys },
        }
    }
}

/// Whether every change is in its range, and whatever is resumed was suspended before, under the
/// same name.
pub(super) fn check(changes: &[Change]) -> Result<(), OutOfRange> {
    OutOfRange::unless(
        changes.len() <= MAX_CHANGES,
        "authority.change",
        format!("{} entries", changes.len()),
        "at most 1,000 entries",
    )?;
    let mut in_order: Vec<&Change> = changes.iter().collect();
    in_order.sort_by_key(|change| change.tick);
    let mut suspended = BTreeMap::new();
    for Change { tick, verb, whose } in in_order {
        let key = match verb {
            Verb::Suspend => "authority.change.suspend",
            Verb::Resume => "authority.change.resume",
            Verb::Revoke => "authority.change.revoke",
        };
        OutOfRange::unless(is_name(whose), key, whose, NAME)?;
        let fits = i64::try_from(*tick).is_ok();
        OutOfRange::unless(fits, "authority.change.tick", tick, "0 to 9,223,372,036,854,775,807")?;
        let count = suspended.entry(whose).or_insert(0u32);
        match verb {
            Verb::Suspend => *count += 1,
            Verb::Resume => {
                let there = *count > 0;
                OutOfRange::unless(there, key, whose, "a name that is suspended by then")?;
                *count -= 1;
            }
            Verb::Revoke => {}
        }
    }
    Ok(())
}

//! Whether a start is permitted.

use std::fmt;
use std::path::Path;

use crate::{Damage, Found, Marker};

/// Why nothing may start before a person has looked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SafeMode {
    /// The last run ended without a word, or is still under way.
    Running {
        /// Its boot.
        boot: u64,
        /// Its number.
        n: u64,
    },
    /// The last run was halted.
    Halted {
        /// Its number.
        n: u64,
        /// Why.
        reason: String,
    },
    /// There is no marker.
    Missing,
    /// The marker cannot be believed.
    Broken {
        /// What is wrong with it.
        why: Damage,
    },
}

impl SafeMode {
    /// What happened and how to resume, with the command for this data directory.
    pub fn message(&self, data: &Path) -> String {
        self.text(&data.display())
    }

    fn text(&self, data: &dyn fmt::Display) -> String {
        let happened = match self {
            SafeMode::Running { boot, .. } => {
                format!("the last run (boot {boot}) did not end cleanly")
            }
            SafeMode::Halted { reason, .. } => {
                format!("the last run was halted: {}", crate::checked::escape(reason))
            }
            SafeMode::Missing => "the file safety/marker is missing".to_owned(),
            SafeMode::Broken { why } => format!("the file safety/marker is broken: {why}"),
        };
        format!(
            "safe mode: {happened}. Nothing starts before a person has looked. To resume: \
             karyon safety resume --reason \"…\" --data {data}"
        )
    }
}

impl fmt::Display for SafeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&"DIR"))
    }
}

/// The number to start with, for a clear marker only.
///
/// # Errors
/// [`SafeMode`] for everything else. Whether STOP is there is for [`crate::StopFile`] to say.
pub fn permit_start(found: &Found) -> Result<u64, SafeMode> {
    match found {
        Found::Marker(Marker::Clear { n }) => Ok(*n),
        Found::Marker(Marker::Running { boot, n }) => Err(SafeMode::Running { boot: *boot, n: *n }),
        Found::Marker(Marker::Halted { n, reason }) => {
            Err(SafeMode::Halted { n: *n, reason: reason.clone() })
        }
        Found::Missing => Err(SafeMode::Missing),
        Found::Broken { why } => Err(SafeMode::Broken { why: why.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_starts() {
        let halted = Marker::Halted { n: 7, reason: "too\nhot".into() };
        for (found, expected) in [
            (Found::Marker(Marker::Clear { n: 7 }), Ok(7)),
            (
                Found::Marker(Marker::Running { boot: 3, n: 7 }),
                Err(SafeMode::Running { boot: 3, n: 7 }),
            ),
            (Found::Marker(halted), Err(SafeMode::Halted { n: 7, reason: "too\nhot".into() })),
            (Found::Missing, Err(SafeMode::Missing)),
            (Found::Broken { why: Damage::Check }, Err(SafeMode::Broken { why: Damage::Check })),
        ] {
            let permitted = permit_start(&found);
            assert_eq!(permitted, expected);
            if let Err(mode) = permitted {
                let command = "karyon safety resume --reason \"…\" --data";
                assert!(mode.to_string().ends_with(&format!("{command} DIR")));
                assert!(mode.message(Path::new("/d")).ends_with(&format!("{command} /d")));
                assert!(!mode.to_string().contains('\n'));
            }
        }
    }
}

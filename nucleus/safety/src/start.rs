//! Whether a start is permitted.

use std::error::Error;
use std::path::Path;

use crate::checked::words;
use crate::files::BrokenFile;
use crate::{Damage, Entry, Found, Marker, SafetyLog, marker};

/// Why nothing may start before a person has looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SafeMode {
    /// The marker is not clear.
    Marker(Found),
    /// This machine has never run it.
    Unknown,
    /// This machine knows it from another place, where the original may still be.
    Copied,
    /// The marker has another number than this machine knows: an older state was put back, or
    /// it ran elsewhere.
    RolledBack {
        /// What this machine knows.
        known: u64,
        /// What the marker says.
        found: u64,
    },
    /// The safety log was cut or changed.
    SafetyLog {
        /// What is wrong with it.
        why: Damage,
    },
    /// What this machine knows of the directory cannot be believed.
    Registry(BrokenFile),
}

impl Error for SafeMode {}
words! { SafeMode: mode => ("{}", mode.message(Path::new("DIR"))); }

impl SafeMode {
    /// What happened and how to resume, with the command for this data directory.
    pub fn message(&self, data: &Path) -> String {
        format!(
            "safe mode: {}. Nothing starts before a person has looked. To resume: \
             karyon safety resume --reason \"…\" --data {}",
            self.happened(),
            data.display()
        )
    }

    pub(crate) fn happened(&self) -> String {
        match self {
            SafeMode::Marker(Found::Marker(Marker::Running { .. })) => {
                "the last run did not end cleanly".into()
            }
            SafeMode::Marker(Found::Marker(Marker::Halted { reason, .. })) => {
                format!("the last run was halted: {}", crate::checked::escape(reason))
            }
            SafeMode::Marker(found) => format!("the file safety/marker is {found}"),
            SafeMode::Unknown => "this machine has never run it".into(),
            SafeMode::Copied => "it is a copy, or was moved".into(),
            SafeMode::RolledBack { known, found } => format!(
                "it was rolled back or ran elsewhere: its marker has number {found}, this \
                 machine knows {known}"
            ),
            SafeMode::SafetyLog { why } => format!("its safety log is broken: {why}"),
            SafeMode::Registry(broken) => broken.to_string(),
        }
    }
}

/// The number to start with, for a clear marker only. For a guarded start see [`admit`].
///
/// # Errors
/// [`SafeMode`] for everything else. Whether STOP is there is for [`crate::StopFile`] to say.
pub fn permit_start(found: &Found) -> Result<u64, SafeMode> {
    match found {
        Found::Marker(Marker::Clear { n }) => Ok(*n),
        Found::Marker(Marker::Running { .. } | Marker::Halted { .. })
        | Found::Missing
        | Found::Broken { .. } => Err(SafeMode::Marker(found.clone())),
    }
}

/// What this machine knows of a directory that may start: the marker is clear, and directory,
/// number and safety log are those of the entry.
///
/// # Errors
/// [`SafeMode`]. Whether STOP is there is for [`crate::StopWatch`] to say.
pub fn admit(data: &Path, config: &Path) -> Result<Entry, SafeMode> {
    let found = permit_start(&marker::read(data))?;
    let entry = Entry::load(data, config).map_err(SafeMode::Registry)?.ok_or(SafeMode::Unknown)?;
    if !entry.is_at(data) {
        return Err(SafeMode::Copied);
    }
    if entry.n != found {
        return Err(SafeMode::RolledBack { known: entry.n, found });
    }
    match SafetyLog::check(data) {
        Ok((head, _)) if head == entry.log_head => Ok(entry),
        Ok(_) => Err(SafeMode::SafetyLog { why: Damage::Head }),
        Err(why) => Err(SafeMode::SafetyLog { why }),
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
            (Found::Marker(Marker::Running { n: 7 }), Err("did not end cleanly")),
            (Found::Marker(halted), Err("was halted: too\\nhot.")),
            (Found::Missing, Err("marker is missing")),
            (Found::Broken { why: Damage::Check }, Err("marker is broken: its check")),
            (Found::Broken { why: Damage::OldVersion }, Err("of an earlier version")),
        ] {
            let permitted = permit_start(&found);
            assert_eq!(permitted.is_ok(), expected.is_ok());
            if let (Err(mode), Err(words)) = (permitted, expected) {
                assert!(mode.to_string().contains(words), "{mode}");
                assert_eq!(mode, SafeMode::Marker(found));
                let command = "karyon safety resume --reason \"…\" --data";
                assert!(mode.to_string().ends_with(&format!("{command} DIR")));
                assert!(mode.message(Path::new("/d")).ends_with(&format!("{command} /d")));
                assert!(!mode.to_string().contains('\n'));
            }
        }
    }
}

//! Whether a start is permitted.

use std::error::Error;
use std::path::Path;

use crate::checked::{escape, words};
use crate::{Entry, Found, Marker, SafetyLog, is_present, marker};

/// Why nothing may start before a person has looked: the marker is not clear; this machine has
/// never run the directory, or knows it from another place or with another number; or its safety
/// log or its entry cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeMode {
    why: String,
}

impl Error for SafeMode {}
words! { SafeMode: mode => ("{}", mode.message(Path::new("DIR"))); }

impl SafeMode {
    /// What happened and how to resume, with the command for this data directory.
    pub fn message(&self, data: &Path) -> String {
        format!(
            "safe mode: {}. Nothing starts before a person has looked. To resume: \
             karyon safety resume --reason \"…\" --data {}",
            self.why,
            data.display()
        )
    }

    /// What happened.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// Whether nothing ever began in a data directory: there is certainly neither marker nor log. A
/// person can put STOP there beforehand.
pub fn is_new(data: &Path) -> bool {
    !["safety/marker", "log", "logs/safety_events.jsonl"]
        .iter()
        .any(|name| is_present(data.join(name)))
}

/// The number to start with, for a clear marker only. For a guarded start see [`admit`].
///
/// # Errors
/// [`SafeMode`] for everything else. Whether STOP is there is for [`crate::StopFile`] to say.
pub fn permit_start(found: &Found) -> Result<u64, SafeMode> {
    let why = match found {
        Found::Marker(Marker::Clear { n }) => return Ok(*n),
        Found::Marker(Marker::Running { .. }) => "the last run did not end cleanly".into(),
        Found::Marker(Marker::Halted { reason, .. }) => {
            format!("the last run was halted: {}", escape(reason))
        }
        Found::Missing | Found::Broken { .. } => format!("the file safety/marker is {found}"),
    };
    Err(SafeMode { why })
}

/// What this machine knows of a directory that may start: the marker is clear, and directory,
/// number and safety log are those of the entry.
///
/// # Errors
/// [`SafeMode`]. Whether STOP is there is for [`crate::StopWatch`] to say.
pub fn admit(data: &Path, config: &Path) -> Result<Entry, SafeMode> {
    let found = permit_start(&marker::read(data))?;
    known(data, config, found).map_err(|why| SafeMode { why })
}

fn known(data: &Path, config: &Path, found: u64) -> Result<Entry, String> {
    let entry = Entry::load(data, config)?.ok_or("this machine has never run it")?;
    if !entry.is_at(data) {
        return Err("it is a copy, or was moved".into());
    }
    if entry.n != found {
        return Err(format!(
            "it was rolled back or ran elsewhere: its marker has number {found}, this machine \
             knows {}",
            entry.n
        ));
    }
    if !entry.clear {
        return Err("its marker was put back: this machine knows of a halt, or of a run that did \
                    not end, behind it"
            .into());
    }
    match SafetyLog::check(data).map_err(|why| format!("its safety log is broken: {why}"))? {
        (head, _) if head == entry.log_head => Ok(entry),
        _ => Err("its safety log is broken: it does not end where this machine saw it end".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checked::{OLD_VERSION, UNSEALED};

    #[test]
    fn only_clear_starts() {
        let halted = Marker::Halted { n: 7, reason: "too\nhot".into() };
        for (found, expected) in [
            (Found::Marker(Marker::Clear { n: 7 }), Ok(7)),
            (Found::Marker(Marker::Running { n: 7 }), Err("did not end cleanly")),
            (Found::Marker(halted), Err("was halted: too\\nhot.")),
            (Found::Missing, Err("marker is missing")),
            (Found::Broken { why: UNSEALED.into() }, Err("marker is broken: its check")),
            (Found::Broken { why: OLD_VERSION.into() }, Err("of an earlier version")),
        ] {
            let permitted = permit_start(&found);
            assert_eq!(permitted.is_ok(), expected.is_ok());
            if let (Err(mode), Err(words)) = (permitted, expected) {
                assert!(mode.to_string().contains(words), "{mode}");
                let command = "karyon safety resume --reason \"…\" --data";
                assert!(mode.to_string().ends_with(&format!("{command} DIR")));
                assert!(mode.message(Path::new("/d")).ends_with(&format!("{command} /d")));
                assert!(!mode.to_string().contains('\n'));
            }
        }
    }
}

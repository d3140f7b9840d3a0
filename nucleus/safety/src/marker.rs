//! The marker: how the last run of a data directory ended.
//!
//! `safety/marker` is one line `karyon-safety-marker-v2 <state>` and one with its digest.
//! States: `clear <n>`, `running <n>`, `halted <n> <reason>`.

use std::error::Error;
use std::path::Path;

use crate::checked::{cut, escape, seal, unescape, unseal, words};
use crate::files::{self, Damage, FileError};
use crate::{MAX_REASON_BYTES, SAFETY};

const NAME: &str = "marker";
const VERSION: &str = "karyon-safety-marker-v2 ";
const FORMER_VERSION: &str = "karyon-safety-marker-v1 ";

/// What a marker says. `n` counts the times that a data directory was declared clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// The last run ended cleanly, or a person resumed: a start is permitted.
    Clear {
        /// Greater than in any marker before.
        n: u64,
    },
    /// A run is under way, or ended without a word.
    Running {
        /// That of the `clear` it started from.
        n: u64,
    },
    /// A run was halted.
    Halted {
        /// That of the run.
        n: u64,
        /// Why; cut to 1,000 bytes when written.
        reason: String,
    },
}

impl Marker {
    /// The number of this marker.
    pub fn n(&self) -> u64 {
        match self {
            Marker::Clear { n } | Marker::Running { n } | Marker::Halted { n, .. } => *n,
        }
    }

    fn encode(&self) -> String {
        let state = match self {
            Marker::Clear { n } => format!("clear {n}"),
            Marker::Running { n } => format!("running {n}"),
            Marker::Halted { n, reason } => {
                format!("halted {n} {}", escape(cut(reason, MAX_REASON_BYTES)))
            }
        };
        seal(&format!("{VERSION}{state}\n"))
    }

    fn decode(text: &str) -> Result<Marker, Damage> {
        if text.starts_with(FORMER_VERSION) {
            return Err(Damage::OldVersion);
        }
        let line = unseal(text)?.strip_prefix(VERSION).and_then(|line| line.strip_suffix('\n'));
        let mut words = line.ok_or(Damage::Form)?.splitn(3, ' ');
        let marker = match (words.next(), words.next(), words.next()) {
            (Some("clear"), Some(n), None) => number(n).map(|n| Marker::Clear { n }),
            (Some("running"), Some(n), None) => number(n).map(|n| Marker::Running { n }),
            (Some("halted"), Some(n), Some(reason)) => {
                number(n).zip(unescape(reason)).map(|(n, reason)| Marker::Halted { n, reason })
            }
            _ => None,
        };
        // One state has one text.
        marker.filter(|marker| marker.encode() == text).ok_or(Damage::Form)
    }
}

words! { Marker:
    Marker::Clear { n } => ("clear({n})");
    Marker::Running { n } => ("running({n})");
    Marker::Halted { n, reason } => ("halted({n}): {}", escape(reason));
}

/// What is in the marker's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A marker.
    Marker(Marker),
    /// Nothing.
    Missing,
    /// Something that cannot be believed.
    Broken {
        /// What is wrong with it.
        why: Damage,
    },
}

words! { Found:
    Found::Marker(marker) => ("{marker}");
    Found::Missing => ("missing");
    Found::Broken { why } => ("broken: {why}");
}

/// Why a marker was not written.
#[derive(Debug)]
pub enum MarkerError {
    /// This state does not follow that one. After anything but `clear` and a clean finish a
    /// person resumes.
    Order {
        /// What is there.
        present: Box<Found>,
        /// What was to be written.
        next: Marker,
    },
    /// The file system refused.
    File(FileError),
}

impl Error for MarkerError {}
words! { MarkerError:
    MarkerError::Order { present, next } =>
        ("the safety marker is {present} and cannot become {next}");
    MarkerError::File(error) => ("{error}");
}

impl From<FileError> for MarkerError {
    fn from(error: FileError) -> MarkerError {
        MarkerError::File(error)
    }
}

/// Reads the marker of a data directory. There is no error: whatever is wrong is a finding.
pub fn read(data: &Path) -> Found {
    match files::read(&data.join(SAFETY).join(NAME), Marker::decode) {
        Ok(Some(marker)) => Found::Marker(marker),
        Ok(None) => Found::Missing,
        Err(why) => Found::Broken { why },
    }
}

/// Makes `safety/` with `clear(0)` in a data directory that is new.
///
/// # Errors
/// [`MarkerError::Order`] when anything is in the marker's place, [`MarkerError::File`].
pub fn initialise(data: &Path) -> Result<(), MarkerError> {
    let next = Marker::Clear { n: 0 };
    files::create_folder(data)?;
    match read(data) {
        Found::Missing => Ok(write(data, &next)?),
        present => Err(MarkerError::Order { present: Box::new(present), next }),
    }
}

/// Durably replaces the marker by one that may follow it:
///
/// | present | next |
/// |---|---|
/// | `clear(n)` | `running(n)` |
/// | `running(n)` | `clear(n+1)`: a clean finish |
/// | anything but a greater `n` | `halted(n)` |
///
/// # Errors
/// [`MarkerError::Order`] for any other step, [`MarkerError::File`].
pub fn replace(data: &Path, next: &Marker) -> Result<(), MarkerError> {
    let present = read(data);
    let permitted = match (&present, next) {
        (Found::Marker(Marker::Clear { n }), Marker::Running { n: next }) => next == n,
        (Found::Marker(Marker::Running { n }), Marker::Clear { n: next }) => {
            n.checked_add(1) == Some(*next)
        }
        (Found::Marker(marker), Marker::Halted { n, .. }) => *n >= marker.n(),
        (Found::Missing | Found::Broken { .. }, Marker::Halted { .. }) => true,
        (_, Marker::Clear { .. } | Marker::Running { .. }) => false,
    };
    if !permitted {
        return Err(MarkerError::Order { present: Box::new(present), next: next.clone() });
    }
    Ok(write(data, next)?)
}

/// Writes a marker over whatever is there.
pub(crate) fn write(data: &Path, marker: &Marker) -> Result<(), FileError> {
    files::replace(data, NAME, &marker.encode())
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[cfg(test)]
#[path = "marker_tests.rs"]
mod tests;

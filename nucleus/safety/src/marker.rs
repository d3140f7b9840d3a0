//! The marker: how the last run of a data directory ended.
//!
//! `safety/marker` is one line `karyon-safety-marker-v2 <state>` and one with its digest.
//! States: `clear <n>`, `running <n>`, `halted <n> <reason>`.

use std::io;
use std::path::Path;

use crate::checked::{cut, escape, seal, unescape, unseal, words};
use crate::files::{self, FileError, failed, make_folder};
use crate::{MAX_REASON_BYTES, SAFETY};

const NAME: &str = "marker";
const VERSION: &str = "karyon-safety-marker-v2 ";

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

    fn decode(text: &str) -> Result<Marker, String> {
        Ok(unseal(text, VERSION, Marker::parse, Marker::encode)?)
    }

    fn parse(line: &str) -> Option<Marker> {
        let (state, rest) = line.strip_suffix('\n')?.split_once(' ')?;
        let (n, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let n = n.parse().ok()?;
        match state {
            "clear" => Some(Marker::Clear { n }),
            "running" => Some(Marker::Running { n }),
            "halted" => Some(Marker::Halted { n, reason: unescape(reason)? }),
            _ => None,
        }
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
        why: String,
    },
}

words! { Found:
    Found::Marker(marker) => ("{marker}");
    Found::Missing => ("missing");
    Found::Broken { why } => ("broken: {why}");
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
/// [`FileError`], also when anything is in the marker's place.
pub fn initialise(data: &Path) -> Result<(), FileError> {
    make_folder(data, SAFETY)?;
    replace(data, &Marker::Clear { n: 0 })
}

/// Durably replaces the marker by one that may follow it:
///
/// | present | next |
/// |---|---|
/// | nothing | `clear(0)`: a first start |
/// | `clear(n)` | `running(n)` |
/// | `running(n)` | `clear(n+1)`: a clean finish |
/// | anything but a greater `n` | `halted(n)` |
///
/// # Errors
/// [`FileError`], also for any other step: after those a person resumes.
pub fn replace(data: &Path, next: &Marker) -> Result<(), FileError> {
    let present = read(data);
    let permitted = match (&present, next) {
        (Found::Missing, Marker::Clear { n }) => *n == 0,
        (Found::Marker(Marker::Clear { n }), Marker::Running { n: next }) => next == n,
        (Found::Marker(Marker::Running { n }), Marker::Clear { n: next }) => {
            n.checked_add(1) == Some(*next)
        }
        (Found::Marker(marker), Marker::Halted { n, .. }) => *n >= marker.n(),
        (Found::Missing | Found::Broken { .. }, Marker::Halted { .. }) => true,
        (_, Marker::Clear { .. } | Marker::Running { .. }) => false,
    };
    if permitted {
        return write(data, next);
    }
    let order = io::Error::other(format!("it is {present} and cannot become {next}"));
    Err(failed("replace", &data.join(SAFETY).join(NAME))(order))
}

/// Writes a marker over whatever is there: a person's decision.
///
/// # Errors
/// [`FileError`].
pub fn write(data: &Path, marker: &Marker) -> Result<(), FileError> {
    files::replace(data, NAME, &marker.encode())
}

#[cfg(test)]
#[path = "marker_tests.rs"]
mod tests;

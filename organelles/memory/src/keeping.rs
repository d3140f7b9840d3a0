//! Whether what is built from the log may be kept in its data directory: not in safe mode, where
//! nothing is written, and not where nothing can be.

use std::fmt;
use std::io;
use std::path::Path;

use karyon_runtime::DataDir;
use karyon_safety::{SafeMode, permit_start};

/// Why something was built in memory, and is gone with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unkept {
    /// The data directory is in safe mode: it stays as it is until a person has looked.
    SafeMode,
    /// The directory, or its file system, cannot be written to.
    ReadOnly,
    /// Whoever asks wants nothing to be written.
    Asked,
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unkept::SafeMode => "safe mode",
            Unkept::ReadOnly => "the data directory cannot be written to",
            Unkept::Asked => "nothing is to be written",
        })
    }
}

/// Why nothing may be written in a data directory; `None`: it is clear, or a run is under way,
/// whose marker looks like that of a crashed one.
pub(crate) fn safe_mode(data: &Path) -> Option<SafeMode> {
    let mode = permit_start(&karyon_safety::read(data)).err()?;
    match DataDir::is_in_use(data) {
        Some(true) => None,
        Some(false) | None => Some(mode),
    }
}

/// Whether the file system refused because nothing can be written there.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

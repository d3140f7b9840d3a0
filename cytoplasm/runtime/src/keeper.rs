//! Who keeps the safety marker of a node's start: its guardian, or the node itself.
//!
//! Under a guardian the node neither reads nor writes the marker; it says how it ended, and the
//! guardian decides. Words that do not arrive leave the marker at `running`: safe mode too.

use std::path::PathBuf;
use std::sync::Arc;

use karyon_guard::{End, Guard};
use karyon_log::GuardianRecord;
use karyon_safety::{Found, Marker, StopFile};
use karyon_types::LogId;

use crate::datadir::{DataDir, DataDirError};
use crate::node::NodeError;

/// Who keeps the marker.
pub(crate) enum Keeper {
    /// The guardian that started this process.
    Guardian(Arc<Guard>),
    /// The node: nobody guards it.
    Node {
        /// The data directory.
        data: PathBuf,
        /// The number of the marker that permitted the start.
        n: u64,
    },
}

impl Keeper {
    /// Asks for a first start: in a directory in which nothing was ever recorded. Its first
    /// marker is made, where the guardian has not done so.
    pub(crate) fn permit_first(dir: &DataDir) -> Result<Keeper, NodeError> {
        if dir.guard().is_none() {
            match karyon_safety::read(dir.path()) {
                Found::Missing => karyon_safety::initialise(dir.path())?,
                Found::Marker(_) | Found::Broken { .. } => {}
            }
        } else if !dir.is_unused()? {
            // Nobody has looked since the guardian locked the directory.
            let (path, found) = (dir.path().to_path_buf(), "a run".into());
            return Err(DataDirError::NotEmpty { path, found }.into());
        }
        Keeper::permit(dir)
    }

    /// Whether a start is permitted: STOP is absent and the marker clear; the guardian has looked
    /// at the marker before it started this process.
    pub(crate) fn permit(dir: &DataDir) -> Result<Keeper, NodeError> {
        let data = dir.path().to_path_buf();
        let permitted = match dir.guard() {
            Some(guard) => Ok(Keeper::Guardian(Arc::clone(guard))),
            None => karyon_safety::permit_start(&karyon_safety::read(&data))
                .map(|n| Keeper::Node { data: data.clone(), n }),
        };
        let stop = StopFile::watch(dir.path());
        if stop.as_ref().is_ok_and(StopFile::is_present) {
            return Err(NodeError::Stop { data, halted: permitted.is_err() });
        }
        let keeper = permitted.map_err(|mode| NodeError::SafeMode { data: data.clone(), mode })?;
        stop.map_err(|source| NodeError::Io { path: data.join("safety"), source })?;
        Ok(keeper)
    }

    /// Before anything is recorded: from here on only an end in good order is a clean one.
    pub(crate) fn begin(&self, log: LogId) -> Result<(), NodeError> {
        match self {
            Keeper::Guardian(guard) => Ok(guard.begin_log(&log.to_string())?),
            Keeper::Node { data, n } => {
                Ok(karyon_safety::replace(data, &Marker::Running { n: *n })?)
            }
        }
    }

    /// The log holds the reasons up to this one durably.
    pub(crate) fn resumes_recorded(&self, last: u64) -> Result<(), NodeError> {
        match self {
            Keeper::Guardian(guard) => Ok(guard.resumes_recorded(last)?),
            Keeper::Node { data, .. } => {
                karyon_safety::resumes_recorded(data, last).map_err(NodeError::Resume)
            }
        }
    }

    /// The node ended in good order.
    pub(crate) fn clear(&self) -> Result<(), NodeError> {
        match self {
            Keeper::Guardian(guard) => Ok(guard.end(End::Clean)?),
            Keeper::Node { data, n } => {
                Ok(karyon_safety::replace(data, &Marker::Clear { n: n + 1 })?)
            }
        }
    }

    /// The node had to give up.
    pub(crate) fn halt(&self, reason: &str) -> Result<(), NodeError> {
        match self {
            Keeper::Guardian(guard) => Ok(guard.end(End::Halted(reason.into()))?),
            Keeper::Node { data, n } => {
                let halted = Marker::Halted { n: *n, reason: reason.into() };
                Ok(karyon_safety::replace(data, &halted)?)
            }
        }
    }

    /// The node had to give up for this error, which is the one to tell: where the halt itself is
    /// not heard or written, the marker says `running`, which keeps a start from going on too.
    pub(crate) fn halted(&self, error: NodeError) -> NodeError {
        match self.halt(&error.to_string()) {
            Ok(()) | Err(_) => error,
        }
    }
}

/// What a start's record says of its guardian.
pub(crate) fn guardian_record(dir: &DataDir) -> Option<GuardianRecord> {
    let terms = dir.guard()?.terms();
    Some(GuardianRecord { limits: terms.limits, held: terms.held.clone() })
}

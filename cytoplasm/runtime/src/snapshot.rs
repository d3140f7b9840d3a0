//! Snapshots: what a run needs to go on behind a tick, so that it need not be repeated from its
//! beginning.
//!
//! A snapshot is a cache. It is believed only if a committed record of the log names it by its
//! digest; what is missing, damaged or of another log is passed over, and the run is repeated from
//! an older one or from its beginning. Its content is canonical: the same bytes for any number of
//! schedulers, which any other number can go on from.

mod content;
mod folder;
mod taker;
mod wake;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use karyon_log::SnapshotRecord;
use karyon_types::{Hash, Hasher, Tick};

pub(crate) use self::content::{
    By, Content, SavedAgent, SavedApart, SavedBirths, SavedBonds, SavedDeed, SavedHeld, SavedLater,
    SavedLife, SavedMail, SavedOrders, SavedParked, SavedRecalls, SavedSeed, SavedSignal,
    SavedTimer, SavedTrees, SavedWhat, by_of, message_of,
};
pub use self::folder::SnapshotFolder;
pub(crate) use self::taker::Taker;
pub(crate) use self::wake::{Woken, wake};

/// What a run needs to go on behind a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The tick.
    pub tick: Tick,
    /// Records of the run up to its end.
    pub records: u64,
    /// What the run was then.
    pub content: Arc<[u8]>,
}

impl Snapshot {
    /// By which the log names it.
    pub fn digest(&self) -> Hash {
        let mut hasher = Hasher::for_domain("karyon snapshot v3");
        hasher.update(&self.tick.0.to_le_bytes()).update(&self.records.to_le_bytes());
        hasher.field(&self.content).finish()
    }

    /// What the log says of it.
    pub fn record(&self) -> SnapshotRecord {
        SnapshotRecord { tick: self.tick.0, records: self.records, digest: self.digest().0 }
    }
}

/// When a run takes snapshots, beside its interruption in good order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// When so much time has passed since the last one, at the end of a tick. One that is still
    /// being kept by then is not waited for.
    Time(Duration),
    /// Behind each tick that is a multiple of this; each waits until the one before is kept.
    Ticks(u64),
}

/// Where snapshots are kept.
pub trait Keep: Send + Sync {
    /// Keeps one, durably; older ones may go.
    ///
    /// # Errors
    /// Why it could not be kept. The run goes on all the same.
    fn keep(&self, snapshot: &Snapshot) -> io::Result<()>;
}

/// That a run takes snapshots.
#[derive(Clone)]
pub struct Snapshots {
    /// When.
    pub every: Every,
    /// Where they are kept.
    pub keep: Arc<dyn Keep>,
}

/// Reads a snapshot from which a run may start; `None`: it is not to be believed.
pub type Start = Box<dyn FnOnce() -> Option<Snapshot> + Send>;

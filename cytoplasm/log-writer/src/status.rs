//! How far a log has come, and why it goes no further.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use karyon_log::{End, LogError, Tree};

use crate::commit_times::{CommitTimes, Stopwatch};

/// Why nothing more is written. The first failure stays the answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log cannot be written: {message}")]
pub struct LogFailed {
    /// What kind of failure it was.
    pub kind: io::ErrorKind,
    /// The system's words.
    pub message: String,
}

impl LogFailed {
    pub(crate) fn from_io(error: &io::Error) -> LogFailed {
        LogFailed { kind: error.kind(), message: error.to_string() }
    }
}

/// How far the log has come; read while it is written.
#[derive(Default)]
pub struct WriterStatus {
    records: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
    /// Records in blocks that were handed over and are not durable.
    waiting: AtomicU64,
    /// Records that are gathered for the next block.
    gathered: AtomicU64,
    commit_times: Stopwatch,
    tree: Mutex<Tree>,
    failed: OnceLock<LogFailed>,
    hashing_failed: OnceLock<String>,
}

impl WriterStatus {
    /// Records that are durable.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Acquire)
    }

    /// The committed bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Commits that are durable.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Records that were made and are not durable yet: what a crash of the machine would lose.
    pub fn lag(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed) + self.gathered.load(Ordering::Relaxed)
    }

    /// How long commits took since this start, each from its first byte to the end of fdatasync.
    pub fn commit_times(&self) -> CommitTimes {
        self.commit_times.read()
    }

    /// Tells how many records are gathered for the next block.
    pub fn gathers(&self, records: u32) {
        self.gathered.store(u64::from(records), Ordering::Relaxed);
    }

    /// The size and the root of the tree of what is durable: what a checkpoint may say.
    pub fn durable(&self) -> (u64, [u8; 32]) {
        let tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (tree.size(), tree.root())
    }

    /// Whether the writer gave up.
    pub fn failure(&self) -> Option<&LogFailed> {
        self.failed.get()
    }

    /// Why record hashes could not be made. The log goes on without; the next start makes them.
    pub fn hashing_failure(&self) -> Option<&str> {
        self.hashing_failed.get().map(String::as_str)
    }

    pub(crate) fn waits(&self, records: u32) {
        self.waiting.fetch_add(u64::from(records), Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, records: u64, took: Duration) {
        self.waiting.fetch_sub(records, Ordering::Relaxed);
        self.commit_times.took(took);
    }

    pub(crate) fn publish(&self, end: &End) {
        *self.tree.lock().unwrap_or_else(PoisonError::into_inner) = end.tree.clone();
        self.records.store(end.records, Ordering::Release);
        self.commits.store(end.commits, Ordering::Release);
    }

    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Release);
    }

    pub(crate) fn fail(&self, error: &io::Error) {
        self.failed.get_or_init(|| LogFailed::from_io(error));
    }

    pub(crate) fn hashing_failed(&self, error: &LogError) {
        self.hashing_failed.get_or_init(|| error.to_string());
    }
}

//! The memory of a run while the run goes on: one thread that follows the committed log, into a file
//! that this process began empty.
//!
//! It reads what is durable and nothing behind that, in transactions that hold whole commits of the
//! log with the place behind them. They outlive the process only once a second: a file whose process
//! died is never gone on with, so that nobody needs them. Who reads waits for the position that it
//! wants to see, and holds a view.
//!
//! # Invariants
//! 1. What the file holds is the log up to its place, whatever came between: a thread that fails goes on
//!    from there.
//! 2. It is at most [`limits::LAG_RECORDS`](crate::limits::LAG_RECORDS) behind what this process has
//!    recorded, plus a tick, or the run waits.
//! 3. A run in which nobody remembers or asks has none, and pays nothing for it.

mod thread;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use karyon_graph::limits::VIEW_AGE_MAX;
use karyon_graph::{Graph, GraphError, Reader, Views};
use karyon_log::{DiskFolder, ReadFolder};
use karyon_log_writer::WriterStatus;
use karyon_runtime::datadir::{inputs, log_folder, memory_file};
use karyon_runtime::{Prefix, Progress};
use karyon_types::Position;

use crate::checksum::failed;
use crate::limits::{BATCH_BYTES, LAG_RECORDS};
use crate::open::Fresh;
use crate::stretches::{Stretch, Stretches};

/// Why a memory that follows its log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// It failed more often than is borne.
    #[error("the projector was restarted too often, last because: {0}")]
    GaveUp(String),
    /// It does not follow the log any more: the run is over.
    #[error("the run is over, and its memory does not follow the log any more")]
    Over,
    /// What was waited for did not come in time.
    #[error("the memory has not come to record {position} within {} ms", waited.as_millis())]
    Late {
        /// What was waited for.
        position: Position,
        /// How long.
        waited: Duration,
    },
    /// The log does not hold what was asked for.
    #[error("the log was committed up to {tick}, and ends before that", tick = .0.tick)]
    NotRecorded(Prefix),
    /// The memory cannot be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// A memory that follows the log of a run under way.
pub struct Projection {
    data: PathBuf,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Option<Graph>>>>,
}

/// What the thread and those who ask share.
struct Shared {
    log: Arc<dyn ReadFolder>,
    inputs: PathBuf,
    file: PathBuf,
    /// How many records of the log are durable.
    durable: Box<dyn Fn() -> u64 + Send + Sync>,
    /// How many were when this process began.
    before: u64,
    batch_bytes: usize,
    lag_records: u64,
    shown: Arc<Progress>,
    is_begun: AtomicBool,
    /// Whether the run waits for it.
    is_waited_for: AtomicBool,
    ends: AtomicBool,
    /// Records that the file holds; told behind `state`.
    position: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    #[cfg(test)]
    probe: Option<thread::Probe>,
}

#[derive(Default)]
struct State {
    stretches: Stretches,
    /// Those of the transaction that is under way.
    coming: Vec<Stretch>,
    /// The next record to be read.
    position: u64,
    views: Option<Views>,
    /// The view that all hold who have asked since the last transaction.
    view: Option<Arc<Reader>>,
    over: Option<Over>,
}

/// Why nothing more is read.
enum Over {
    GaveUp(String),
    Ended,
}

impl Projection {
    /// Of the log in a data directory that `status` tells of. Nothing is begun before there is
    /// something to follow: [`begin`](Projection::begin). How far it comes is told to `shown`.
    pub fn of(data: &Path, status: Arc<WriterStatus>, shown: Arc<Progress>) -> Projection {
        let log: Arc<dyn ReadFolder> = Arc::new(DiskFolder::new(&log_folder(data)));
        let durable = Box::new(move || status.records());
        Projection::with(data, log, durable, shown)
    }

    fn with(
        data: &Path,
        log: Arc<dyn ReadFolder>,
        durable: Box<dyn Fn() -> u64 + Send + Sync>,
        shown: Arc<Progress>,
    ) -> Projection {
        let shared = Shared {
            log,
            inputs: inputs(data),
            file: run_file(data),
            before: durable(),
            durable,
            batch_bytes: BATCH_BYTES,
            lag_records: LAG_RECORDS,
            shown,
            is_begun: AtomicBool::new(false),
            is_waited_for: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            position: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
            #[cfg(test)]
            probe: None,
        };
        Projection { data: data.into(), shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Begins to follow, if that has not begun.
    pub fn begin(&self) {
        let shared = &self.shared;
        if shared.is_begun.load(Ordering::Acquire) {
            return;
        }
        let mut thread = self.thread();
        if shared.is_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        shared.shown.memory.is_begun.store(true, Ordering::Relaxed);
        let work = Arc::clone(shared);
        let spawned = std::thread::Builder::new().name("memory".into());
        match spawned.spawn(move || thread::follow(&work)) {
            Ok(begun) => *thread = Some(begun),
            Err(error) => shared.is_over(Over::GaveUp(error.to_string())),
        }
    }

    /// The next record to be read: everything before it is in the memory.
    pub fn position(&self) -> Position {
        Position(self.shared.position.load(Ordering::Acquire))
    }

    /// How many durable records are not in the memory yet.
    pub fn lag(&self) -> u64 {
        (self.shared.durable)().saturating_sub(self.position().0)
    }

    /// Whether it is near enough to what this process has recorded that the run may go on. What the log
    /// held before is not counted, or a long run that is resumed would wait at its beginning.
    ///
    /// # Errors
    /// [`ProjectionError::GaveUp`].
    pub fn keeps_up(&self) -> Result<bool, ProjectionError> {
        let shared = &self.shared;
        if !shared.is_begun.load(Ordering::Acquire) {
            return Ok(true);
        }
        let read = self.position().0.max(shared.before);
        let keeps_up = (shared.durable)().saturating_sub(read) <= shared.lag_records;
        if shared.is_waited_for.swap(!keeps_up, Ordering::Relaxed) == keeps_up && !keeps_up {
            tracing::debug!(lag = self.lag(), "the run waits for its memory");
            shared.shown.memory.waits.fetch_add(1, Ordering::Relaxed);
        }
        match &shared.lock().over {
            Some(Over::GaveUp(why)) => Err(ProjectionError::GaveUp(why.clone())),
            Some(Over::Ended) | None => Ok(keeps_up),
        }
    }

    /// Waits until everything before `position` is in the memory, so that whoever wrote it reads it.
    ///
    /// # Errors
    /// [`ProjectionError::Late`], [`ProjectionError::GaveUp`], [`ProjectionError::Over`].
    pub fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), ProjectionError> {
        let reached = |state: &State| (state.position >= position.0).then_some(());
        let late = || ProjectionError::Late { position, waited: timeout };
        self.wait(Some(timeout), reached)?.ok_or_else(late)
    }

    /// Waits until the memory holds what a prefix holds that is committed: its last record.
    pub(crate) fn wait_for_prefix(&self, prefix: Prefix) -> Result<Position, ProjectionError> {
        let durable = (self.shared.durable)();
        let reached = |state: &State| match state.stretches.last(prefix.records) {
            None if state.position < durable => None,
            found => Some(found),
        };
        let found = self.wait(None, reached)?.flatten();
        found.ok_or(ProjectionError::NotRecorded(prefix))
    }

    /// Waits for what `reached` finds; `None`: not in time.
    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        reached: impl Fn(&State) -> Option<T>,
    ) -> Result<Option<T>, ProjectionError> {
        self.begin();
        self.wake();
        let begun = Instant::now();
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = reached(&state) {
                return Ok(Some(found));
            }
            match &state.over {
                Some(Over::GaveUp(why)) => return Err(ProjectionError::GaveUp(why.clone())),
                Some(Over::Ended) => return Err(ProjectionError::Over),
                None => {}
            }
            let left = match timeout {
                Some(timeout) => timeout.saturating_sub(begun.elapsed()),
                None => Duration::MAX,
            };
            if left.is_zero() {
                return Ok(None);
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(LONG));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A view of everything that is in the memory now; it stays as it is. It is the same for all who ask
    /// before more is projected. As long as one is held, the pages that it shows are not used again.
    ///
    /// # Errors
    /// [`ProjectionError::GaveUp`], [`ProjectionError::Over`], and see [`GraphError`].
    pub fn read(&self) -> Result<Arc<Reader>, ProjectionError> {
        // The thread makes the file.
        let views = |state: &State| state.views.is_some().then_some(());
        self.wait(None, views)?;
        let mut state = self.shared.lock();
        // Where nothing more is recorded it is replaced before it is too old to be asked.
        if let Some(view) = state.view.as_ref().filter(|view| view.age() < VIEW_AGE_MAX / 2) {
            return Ok(Arc::clone(view));
        }
        let views = state.views.as_ref().ok_or(ProjectionError::Over)?;
        let view = Arc::new(views.read()?);
        state.view = Some(Arc::clone(&view));
        Ok(view)
    }

    /// Reads the rest of the log, and gives the memory to whoever signs what comes of it. If none was
    /// begun it is built now. The caller holds the directory's lock, and has made all durable.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn finish(&self) -> Result<Fresh, GraphError> {
        match self.end() {
            Some(graph) => Fresh::go_on(&self.data, graph),
            None => Fresh::build(&self.data),
        }
    }

    /// Ends it, and removes its file: nobody ever believes what a run leaves that did not come to its
    /// end. While the directory's lock is held; behind [`finish`](Projection::finish) it does nothing.
    pub fn discard(&self) {
        if let Some(graph) = self.end() {
            self.shared.remove_file();
            drop(graph);
        }
    }

    /// Ends the thread; what it leaves. Nobody reads any more.
    fn end(&self) -> Option<Graph> {
        self.shared.ends.store(true, Ordering::Release);
        // Nothing is begun from here on.
        self.shared.is_begun.store(true, Ordering::Release);
        self.wake();
        let thread = self.thread().take();
        let graph = thread.and_then(|thread| thread.join().ok().flatten());
        self.shared.is_over(Over::Ended);
        graph
    }

    fn wake(&self) {
        if let Some(thread) = &*self.thread() {
            thread.thread().unpark();
        }
    }

    fn thread(&self) -> MutexGuard<'_, Option<JoinHandle<Option<Graph>>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long whoever waits sleeps at most before it looks again.
const LONG: Duration = Duration::from_secs(1);

/// Where the memory of a run under way lies.
pub(crate) fn run_file(data: &Path) -> PathBuf {
    memory_file(data).with_file_name("run.redb")
}

/// Makes room for an empty file.
pub(crate) fn remove(file: &Path) -> Result<(), GraphError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(file)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Drop for Projection {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove_file(&self) {
        if let Err(error) = remove(&self.file) {
            tracing::warn!(%error, "what is left of a run's memory stays, and is of no use");
        }
    }

    fn is_over(&self, why: Over) {
        let mut state = self.lock();
        (state.views, state.view) = (None, None);
        state.over.get_or_insert(why);
        drop(state);
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;

//! Opening the memory of a data directory: brought up to its log, whatever it was before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use karyon_graph::{CaughtUp, Graph, GraphError, Reader, Rebuild, Rebuilt};
use karyon_log::{LogError, segment_file};
use karyon_runtime::datadir::{inputs, log_folder, memory_file};
use karyon_safety::SafeMode;

use crate::checksum::{self, Checked, failed};
use crate::keeping::{Unkept, is_read_only, safe_mode};
use crate::projection::{remove, run_file};

/// How long to wait for another process that is bringing the memory up to the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often to look whether it is done.
const EVERY: Duration = Duration::from_millis(20);

/// A memory that was brought up to its log.
pub struct Opened {
    /// The memory.
    pub graph: Graph,
    /// What had to be done; `None`: it was up to date.
    pub caught_up: Option<CaughtUp>,
    /// Why it was built in memory and is not kept; `None`: it is the one in the data directory.
    pub unkept: Option<Unkept>,
}

/// Why a memory was not built anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Nothing is written in safe mode.
    #[error("the memory is not built anew: {}", mode.message(data))]
    SafeMode {
        /// The data directory.
        data: PathBuf,
        /// What happened.
        mode: SafeMode,
    },
    /// It cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Opens the memory of `data`, and reads what is new in the log. A memory that is missing,
/// damaged or not of this log is built anew: its file is hashed before anything is answered from
/// it, since the database under it does not check what it reads.
///
/// In safe mode, and where nothing can be written, nothing is: a memory that would have to be
/// written to is built in memory instead.
///
/// `progress` is called with the number of records read.
///
/// # Errors
/// See [`GraphError`].
pub fn open(data: &Path, progress: &mut dyn FnMut(u64)) -> Result<Opened, GraphError> {
    let (file, log, inputs) = (memory_file(data), log_folder(data), inputs(data));
    // Where there is no log, no memory is made.
    let first = segment_file(&log, 0);
    first.metadata().map_err(|error| GraphError::Log(LogError::Io(error)))?;
    if safe_mode(data).is_some() {
        return unwritten(Unkept::SafeMode, data, progress);
    }
    match wait(|| attempt(&file, &log, &inputs, progress)) {
        Err(GraphError::Io { source, .. }) if is_read_only(&source) => {
            in_memory(Unkept::ReadOnly, &log, &inputs, progress)
        }
        other => other,
    }
}

/// As [`open`], for whoever must not write anything: a memory that would have to be written to is
/// built in memory instead.
///
/// # Errors
/// See [`GraphError`].
pub fn open_unwritten(data: &Path, progress: &mut dyn FnMut(u64)) -> Result<Opened, GraphError> {
    unwritten(Unkept::Asked, data, progress)
}

fn unwritten(
    why: Unkept,
    data: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Opened, GraphError> {
    let log = log_folder(data);
    match look(&memory_file(data), &log) {
        Ok(Stored::Current(graph)) => Ok(Opened { graph, caught_up: None, unkept: None }),
        // Whatever is wrong with the file, it is not for now to mend; what is wrong with the
        // log is met again.
        Ok(Stored::Behind | Stored::Damaged) | Err(_) => {
            in_memory(why, &log, &inputs(data), progress)
        }
    }
}

/// Builds the memory of `data` anew from the log.
///
/// # Errors
/// [`RebuildError::SafeMode`], and see [`GraphError`].
pub fn rebuild(data: &Path, progress: &mut dyn FnMut(u64)) -> Result<Rebuild, RebuildError> {
    if let Some(mode) = safe_mode(data) {
        return Err(RebuildError::SafeMode { data: data.into(), mode });
    }
    let (file, log, inputs) = (memory_file(data), log_folder(data), inputs(data));
    let first = segment_file(&log, 0);
    first.metadata().map_err(|error| GraphError::Log(LogError::Io(error)))?;
    // Until the new one has its place the checksum is the old one's; from then on it fits nothing.
    let rebuilt = wait(|| karyon_graph::rebuild(&file, &log, &inputs, progress))?;
    note(&file)?;
    Ok(rebuilt)
}

/// A memory built from nothing but the log, in a file of its own that nobody asks: for whoever
/// signs what comes of it.
pub struct Fresh {
    data: PathBuf,
    own: PathBuf,
    graph: Graph,
}

impl Fresh {
    /// Reads the log of `data` from its beginning. The caller holds the directory's lock.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn build(data: &Path) -> Result<Fresh, GraphError> {
        let own = run_file(data);
        remove(&own)?;
        Fresh::go_on(data, Graph::open(&own)?)
    }

    /// Reads the rest of the log into a graph that this process began empty in the run's own file.
    pub(crate) fn go_on(data: &Path, mut graph: Graph) -> Result<Fresh, GraphError> {
        graph.catch_up(&log_folder(data), &inputs(data), &mut |_| ())?;
        Ok(Fresh { data: data.into(), own: run_file(data), graph })
    }

    /// What is in it.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn read(&self) -> Result<Reader, GraphError> {
        self.graph.read()
    }

    /// Reads what is new in the log, and makes it the memory that is asked. Who asks the old one
    /// just now keeps it.
    ///
    /// # Errors
    /// See [`GraphError`]. Whoever asks next builds the memory then.
    pub fn install(self) -> Result<(), GraphError> {
        let own = self.own.clone();
        self.put_in_place().inspect_err(|_| {
            // Nobody would ever look at it again.
            if let Err(error) = remove(&own) {
                tracing::warn!(%error, "what is left of a run's memory stays, and is of no use");
            }
        })
    }

    fn put_in_place(mut self) -> Result<(), GraphError> {
        self.graph.catch_up(&log_folder(&self.data), &inputs(&self.data), &mut |_| ())?;
        compact(&mut self.graph);
        drop(self.graph);
        let file = memory_file(&self.data);
        std::fs::rename(&self.own, &file).map_err(failed(&file))?;
        note(&file)
    }
}

/// Notes what the file is, which was just put in its place.
fn note(file: &Path) -> Result<(), GraphError> {
    let mut opened = Graph::open_read_only(file);
    if let Err(GraphError::Unclosed { .. }) = opened {
        // A projector that failed while it wrote leaves pages that belong to nothing.
        opened = Graph::open(file).and_then(|mended| {
            drop(mended);
            Graph::open_read_only(file)
        });
    }
    match opened {
        Ok(_held) => checksum::remember(file),
        // Somebody brings it up to the log already, and notes what it is then.
        Err(GraphError::InUse { .. } | GraphError::Unclosed { .. }) => Ok(()),
        Err(other) => Err(other),
    }
}

/// Makes the file small, as far as that can be done: whatever is wrong with the file is met again
/// when it is opened.
fn compact(graph: &mut Graph) {
    if let Err(error) = graph.compact() {
        tracing::warn!(%error, "the memory's file is as large as it was");
    }
}

/// Tries again while another process has the file.
fn wait<T>(mut attempt: impl FnMut() -> Result<T, GraphError>) -> Result<T, GraphError> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(GraphError::InUse { .. } | GraphError::Unclosed { .. })
                if begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(EVERY);
            }
            other => return other,
        }
    }
}

/// What lies in the memory's place.
enum Stored {
    /// The memory of the log as it is now, undamaged. While it is open nobody writes to it.
    Current(Graph),
    /// None, or one that has to be read on, as far as can be told.
    Behind,
    /// One that has to be replaced.
    Damaged,
}

/// Looks at the file; writes nothing.
fn look(file: &Path, log: &Path) -> Result<Stored, GraphError> {
    match Graph::open_read_only(file) {
        Ok(graph) => Ok(match checksum::check(file)? {
            Checked::Same if graph.is_current(log)? => Stored::Current(graph),
            Checked::Same | Checked::Unknown => Stored::Behind,
            Checked::Differs => Stored::Damaged,
        }),
        Err(GraphError::Unusable { .. } | GraphError::Damaged { .. }) => Ok(Stored::Damaged),
        Err(GraphError::Missing { .. } | GraphError::Unclosed { .. }) => Ok(Stored::Behind),
        Err(other) => Err(other),
    }
}

/// A memory that lies nowhere, from the whole log.
fn in_memory(
    why: Unkept,
    log: &Path,
    inputs: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Opened, GraphError> {
    let mut graph = Graph::in_memory()?;
    let caught_up = Some(graph.catch_up(log, inputs, progress)?);
    Ok(Opened { graph, caught_up, unkept: Some(why) })
}

fn attempt(
    file: &Path,
    log: &Path,
    inputs: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Opened, GraphError> {
    let damaged = match look(file, log)? {
        Stored::Current(graph) => return Ok(Opened { graph, caught_up: None, unkept: None }),
        Stored::Behind => false,
        Stored::Damaged => true,
    };
    if damaged {
        std::fs::remove_file(file).map_err(failed(file))?;
    }
    let mut graph = Graph::open(file)?;
    // From here on the file changes; should this be killed, the next one knows no checksum.
    checksum::forget(file)?;
    let mut caught_up = graph.catch_up(log, inputs, progress)?;
    if damaged && caught_up.rebuilt.is_none() {
        let what = "it is not as it was written".into();
        caught_up.rebuilt = Some(Rebuilt::Damaged { what });
    }
    if caught_up.from.0 == 0 {
        compact(&mut graph);
    }
    drop(graph);
    let graph = Graph::open_read_only(file)?;
    checksum::remember(file)?;
    Ok(Opened { graph, caught_up: Some(caught_up), unkept: None })
}

/// Whether the error says that there is no log at all.
pub fn is_without_log(error: &GraphError) -> bool {
    match error {
        GraphError::Log(LogError::Io(error)) => error.kind() == std::io::ErrorKind::NotFound,
        GraphError::Log(LogError::NotALog) => true,
        _ => false,
    }
}

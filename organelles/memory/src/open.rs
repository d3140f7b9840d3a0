//! Opening the memory of a data directory: brought up to its log, whatever it was before.

use std::path::Path;
use std::time::{Duration, Instant};

use karyon_graph::{CaughtUp, Graph, GraphError};
use karyon_log::{LogError, segment_file};
use karyon_runtime::datadir::{inputs, log_folder, memory_file};

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
}

/// Opens the memory of `data`, and reads what is new in the log. A memory that is missing,
/// damaged or not of this log is built anew.
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
    let begun = Instant::now();
    loop {
        match attempt(&file, &log, &inputs, progress) {
            Err(GraphError::InUse { .. }) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(EVERY);
            }
            other => return other,
        }
    }
}

fn attempt(
    file: &Path,
    log: &Path,
    inputs: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Opened, GraphError> {
    match Graph::open_read_only(file) {
        Ok(graph) if graph.is_current(log)? => return Ok(Opened { graph, caught_up: None }),
        Ok(_)
        | Err(
            GraphError::Missing { .. } | GraphError::Unusable { .. } | GraphError::Damaged { .. },
        ) => {}
        Err(other) => return Err(other),
    }
    let mut graph = Graph::open(file)?;
    let caught_up = graph.catch_up(log, inputs, progress)?;
    Ok(Opened { graph, caught_up: Some(caught_up) })
}

/// Whether the error says that there is no log at all.
pub fn is_without_log(error: &GraphError) -> bool {
    match error {
        GraphError::Log(LogError::Io(error)) => error.kind() == std::io::ErrorKind::NotFound,
        GraphError::Log(LogError::NotALog) => true,
        _ => false,
    }
}

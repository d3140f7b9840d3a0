//! Why nothing was measured.

use std::io;
use std::path::PathBuf;

use karyon_graph::GraphError;
use karyon_log_writer::LogFailed;

use crate::level::Level;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No workload has this name.
    #[error("there is no workload {name:?}; there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names there are.
        known: String,
    },
    /// A workload was named twice.
    #[error("the workload {0} is named twice")]
    Twice(&'static str),
    /// A workload is not to be had at this level.
    #[error("{workload} has no level {level}: it has {levels}")]
    NoLevel {
        /// Which.
        workload: &'static str,
        /// What was asked for.
        level: Level,
        /// What there is.
        levels: String,
    },
    /// A run failed.
    #[error("{workload} at {level}: {source}")]
    Run {
        /// Which.
        workload: &'static str,
        /// Where.
        level: Level,
        /// Why.
        source: Box<Failed>,
    },
    /// The same work with the same seed was not the same.
    #[error(
        "{workload} at {level} did {before} {unit} first and {now} later: nothing is measured by that"
    )]
    Uneven {
        /// Which.
        workload: &'static str,
        /// Where.
        level: Level,
        /// What is counted.
        unit: &'static str,
        /// In the first run.
        before: u64,
        /// In a later one.
        now: u64,
    },
    /// A folder for what is measured cannot be made or removed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody ended it.
    #[error("ended before all was measured")]
    Interrupted,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A run of agents.
    #[error(transparent)]
    Run(#[from] karyon::RunError),
    /// A run of agents that ended before its end.
    #[error("the run ended as {0}")]
    Ended(String),
    /// The memory.
    #[error(transparent)]
    Memory(#[from] GraphError),
    /// The memory answers what is not so.
    #[error("the memory says {found} of agent {agent} as of {moment}")]
    Wrong {
        /// About whom.
        agent: u64,
        /// When.
        moment: i64,
        /// What it says.
        found: String,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] LogFailed),
    /// Its files.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A constant of this program is none.
    #[error("{0}")]
    Constant(&'static str),
}

//! How much of the governance a workload runs under.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of the governance a workload runs under. Less than the gate there is not: nobody can
/// switch it off in the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Each output is checked and recorded; the log is built, hashed, chained and signed in memory,
    /// and gone with the process.
    #[serde(rename = "gate")]
    Gate,
    /// The same with the log in files, each commit followed by `fdatasync`.
    #[serde(rename = "gate+log")]
    GateLog,
    /// A run on a data directory as `karyon run` makes it: a grant that is signed, the durable log,
    /// the memory projected from it, and the seal.
    #[serde(rename = "gate+log+memory")]
    GateLogMemory,
}

/// All of them, the least first.
pub const LEVELS: [Level; 3] = [Level::Gate, Level::GateLog, Level::GateLogMemory];

impl Level {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Level::Gate => "gate",
            Level::GateLog => "gate+log",
            Level::GateLogMemory => "gate+log+memory",
        }
    }

    /// What of the log is left when the clock stops.
    pub fn durability(self) -> &'static str {
        match self {
            Level::Gate => "none: the log is in memory",
            Level::GateLog | Level::GateLogMemory => "fdatasync behind each commit",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        let found = LEVELS.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| match text {
            "off" => "there is no such level: nobody can switch the gate off".into(),
            _ => format!("the levels are {}", LEVELS.map(Level::name).join(", ")),
        })
    }
}

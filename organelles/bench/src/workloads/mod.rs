//! The workloads, on the public library alone but for the log's.

pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod messages;
pub(crate) mod models;

use crate::level::{LEVELS, Level};

/// What a run of agents is to be had at.
const ALL: &[Level] = &LEVELS;

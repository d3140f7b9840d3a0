//! What is measured: a name, what is counted, and a way to do it once more.

use std::path::Path;
use std::time::Duration;

use karyon::{Data, Ending, KeyDirectory, Outcome, Run};

use crate::error::Failed;
use crate::level::Level;
use crate::workloads::{log, memory, messages, models};

/// Who answers for runs on a data directory: a name, whose key is gone with the directory.
const PRINCIPAL: &str = "bench";

/// A named workload.
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// The levels that it is to be had at.
    pub levels: &'static [Level],
    /// Whom and how much, in words.
    pub(crate) size: fn(Scale) -> String,
    /// Makes what is not measured.
    pub(crate) prepare: fn(&Setting<'_>) -> Result<Trial, Failed>,
}

/// The number of the set: another one for every change of a workload, its size, or its levels.
pub const SET: u64 = 1;

/// The set, in the order in which it is run.
pub const WORKLOADS: &[Workload] = &[
    messages::PAIRS,
    messages::RING,
    messages::FAN_IN,
    messages::REPLY,
    models::SCHELLING,
    models::SIR,
    models::WOLF_SHEEP,
    memory::WRITE,
    memory::AS_OF,
    log::APPEND,
];

impl Workload {
    /// The workload of a name.
    pub fn of(name: &str) -> Option<&'static Workload> {
        WORKLOADS.iter().find(|workload| workload.name == name)
    }

    /// Whom and how much, in words.
    pub fn size(&self, scale: Scale) -> String {
        (self.size)(scale)
    }
}

/// By what the work of a workload is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale(u64);

impl Scale {
    /// All of it.
    pub const FULL: Scale = Scale(1);
    /// A tenth.
    pub const QUICK: Scale = Scale(10);
    /// As little as shows that it works.
    pub const TINY: Scale = Scale(500);

    /// That part of `all`, at least 1.
    pub(crate) fn of(self, all: u64) -> u64 {
        (all / self.0).max(1)
    }
}

/// How a workload is run.
pub(crate) struct Setting<'a> {
    pub(crate) level: Level,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) scale: Scale,
    /// A folder of its own, for what is made once for all samples.
    pub(crate) place: &'a Path,
}

/// Does it once, in a folder of its own.
pub(crate) type Trial = Box<dyn FnMut(&Path) -> Result<Sample, Failed>>;

/// What was done, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) work: u64,
    pub(crate) took: Duration,
}

/// A run of agents, again and again; `work` counts what it did.
pub(crate) fn trial_of(mut run: Run, setting: &Setting<'_>, work: fn(&Outcome) -> u64) -> Trial {
    let level = setting.level;
    // Whoever started the benchmark is the one who hears Ctrl-C.
    run.schedulers(setting.threads).signals(false);
    Box::new(move |place| {
        let outcome = match level {
            Level::Gate => run.test()?,
            Level::GateLog => run.test_logged(&place.join("log"))?,
            Level::GateLogMemory => {
                let data = Data::new(place.join("run"), PRINCIPAL, "to measure");
                run.begin(&data.keys(KeyDirectory::at(place.join("keys"))))?
            }
        };
        match outcome.ending {
            Ending::Completed => Ok(Sample { work: work(&outcome), took: outcome.took }),
            other => Err(Failed::Ended(format!("{other:?}"))),
        }
    })
}

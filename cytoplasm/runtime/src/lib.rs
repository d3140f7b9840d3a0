//! The actor runtime: agents, schedulers, supervision, ticks.
//!
//! An [`Agent`] is a pure step over a state of its own. Schedulers own slabs of agents and run
//! their steps on threads of their own; each output passes the gate, each step becomes a record,
//! and only then do its messages arrive, in the next tick. A step that panics leaves nothing
//! behind but the record that it did; its supervisor decides what follows. The same scenario
//! gives the same records and the same state for any number of schedulers.

mod agent;
mod ahead;
mod annex;
mod authority;
mod barrier;
mod births;
mod bonds;
mod branches;
mod census;
mod chaos;
mod checkpoints;
mod clock;
pub mod codec;
mod committed;
pub mod datadir;
mod draws;
mod effects;
mod engine;
mod epoch;
mod error;
mod input;
mod keeper;
mod leases;
mod node;
mod orders;
mod pace;
mod panics;
mod pressure;
pub mod processes;
mod recall;
mod recorder;
mod registry;
mod root;
mod schedule;
mod scheduler;
mod services;
mod snapshot;
mod space;
mod standing;
mod subjects;
mod tally;
mod terms;
mod trace;
mod trees;
mod watchdog;
mod watching;
mod wheel;

pub use agent::{
    Agent, AgentKind, Context, Deed, Event, Failure, Payload, RestartFrom, Restore, SpawnId,
};
pub use annex::Annex;
pub use authority::Authority;
pub use barrier::{Barrier, Poisoned};
pub use chaos::Chaos;
pub use clock::Clock;
pub use committed::{Compared, Divergence, run_records_up_to};
pub use datadir::{DataDir, DataDirError};
pub use draws::{below, exponential, ln, unit};
pub use effects::{
    ACTION_BYTES_MAX, ARGUMENTS_BYTES_MAX, Adapter, EFFECTS_PER_AGENT, Effect, Effects, Permit,
    RESOURCE_BYTES_MAX,
};
pub use engine::run;
pub use error::RunError;
pub use input::{Batch, EveryTick, InputItem, InputSource};
pub use karyon_arrangements::{
    ChildTerms, ExitReason, Lane, Mark, NotDone, REASON_BYTES_MAX, RECEIPT_BYTES_MAX, Receipt,
    SPAWN_NAME_BYTES_MAX, Schedule, TimerId, Turns, WORDS_MAX, Words,
};
pub use karyon_supervision::{Exit, Intensity, Restart, Shutdown};
pub use leases::{Change, ChangeError, Leased};
pub use node::{Beginning, Node, NodeError, verified_run, watch_stop};
pub use panics::first_crash;
pub use pressure::{Refused, Shed};
pub use recall::{ANSWER_BYTES_MAX, Asked, Prefix, RECALL_TICKS, RECALLS_PER_AGENT, Recaller};
pub use recorder::{RecordError, Recorder, wall_ms};
pub use registry::{MEMBERSHIPS_MAX, NAMES_MAX, REGISTERED_BYTES_MAX, Registered};
pub use root::add_state;
pub use scheduler::{BONDS_PER_AGENT, TIMER_TICKS_MAX, TIMERS_PER_AGENT};
pub use snapshot::{Every, Keep, Snapshot, SnapshotFolder, Snapshots, Start};
pub use space::{LAYERS_MAX, Layer, Observer, SLOTS_MAX, Space, Whose};
pub use subjects::{Closed, Opaque, SEAL_BYTES, Sealing, Seals, Subjects};
pub use tally::{Tallied, Tally};
pub use terms::{
    Born, Counts, Ending, Followed, KINDS_MAX, Limits, Outcome, Population, Progress, RunConfig,
    SMALL_TICK,
};
pub use trees::{ROOT, TreeError};
pub use watchdog::{STEP_LIMIT, Stuck, Watch};

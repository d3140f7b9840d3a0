//! What a run is told, and what it tells.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use karyon_arrangements::Schedule;
use karyon_gate::Grant;
use karyon_guard::Guard;
use karyon_safety::StopFile;
use karyon_supervision::{Intensity, Supervised};
use karyon_types::{AgentId, Tick};
use serde::{Deserialize, Serialize};

use crate::chaos::Chaos;
use crate::effects::Effects;
use crate::leases::{Change, Leased};
use crate::pressure::Shed;
use crate::processes::Desk;
use crate::recall::Recaller;
use crate::snapshot::Snapshots;
use crate::space::{Observer, Space};
use crate::subjects::{Opaque, Subjects};
use crate::tally::Tally;
use crate::watchdog::Watch;

/// The kinds of a run, at most: the number of a kind takes two bytes of a record.
pub const KINDS_MAX: usize = 16_384;

/// Bounds of a run in tick mode. Passing one of the first two ends the run, unless it sheds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Outputs of one step; at most 65,536, which is what a message's identity has room for.
    pub outputs_per_step: u64,
    /// Messages to one agent in one tick: the bound of its mailbox. In a free-running run, of what
    /// waits for it; there one more is refused, whether the run sheds or not.
    pub messages_per_tick: u64,
    /// Bytes of the log that the outputs under one lease may take, as they are encoded; what is
    /// beyond is denied. `u64::MAX`: no bound.
    pub log_bytes_per_lease: u64,
    /// What is refused rather than that the run ends; `None`: nothing is.
    pub shed: Option<Shed>,
    /// Agents that agents may bring to life in a run; one more is denied. Bounds memory, also that
    /// of those that ended: each keeps its place, some 200 bytes, and its lease.
    pub spawned: u64,
    /// Agents that may be forked in a run by orders from outside; one more is refused. Bounds
    /// memory likewise, and twice the state of each: a fork begins again as it began.
    pub forks: u64,
}

impl Default for Limits {
    /// What suits a test: 64 outputs, 1,024 messages, any bytes, nothing is shed and nobody comes
    /// to life.
    fn default() -> Limits {
        Limits {
            outputs_per_step: 64,
            messages_per_tick: 1_024,
            log_bytes_per_lease: u64::MAX,
            shed: None,
            spawned: 0,
            forks: 0,
        }
    }
}

impl Limits {
    /// How far the leases of the scenario's agents reach beyond these: to all that may come to
    /// life, where agents can bring that about.
    pub(crate) fn reach(&self) -> u64 {
        match self.spawned {
            0 => 0,
            spawned => spawned.saturating_add(self.forks),
        }
    }
}

/// What was counted; each output is counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Steps that ended well.
    pub steps: u64,
    /// Messages that agents wanted to send.
    pub sent: u64,
    /// Messages that were handled.
    pub delivered: u64,
    /// Messages that the gate denied.
    pub denied: u64,
    /// Memories that were written.
    pub remembered: u64,
    /// Memories that the gate denied.
    pub forgone: u64,
    /// Messages refused under pressure.
    pub refused: u64,
    /// Of these, speculative ones.
    pub refused_speculative: u64,
    /// Messages that nobody handled.
    pub dead_lettered: u64,
    /// External inputs that nobody handled.
    pub inputs_lost: u64,
    /// Steps that failed.
    pub crashes: u64,
    /// Agents that were started again.
    pub restarts: u64,
    /// Agents that ended because one that they were linked to did.
    pub exits: u64,
    /// Marks, timers, births, bonds and other arrangements that the gate denied.
    pub unarranged: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.denied += other.denied;
        self.remembered += other.remembered;
        self.forgone += other.forgone;
        self.refused += other.refused;
        self.refused_speculative += other.refused_speculative;
        self.dead_lettered += other.dead_lettered;
        self.inputs_lost += other.inputs_lost;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.exits += other.exits;
        self.unarranged += other.unarranged;
    }
}

/// Makes the state of an agent that is spawned, from the bytes that it was given.
pub type Born<A> = Arc<dyn Fn(AgentId, &[u8]) -> Option<A> + Send + Sync>;

/// The agents of a run: numbered from 1.
pub struct Population<A> {
    /// Their names, in the order of their serials.
    pub names: Vec<String>,
    /// Makes an agent as it is born.
    pub init: Arc<dyn Fn(AgentId) -> A + Send + Sync>,
    /// Makes an agent that another one spawns, from the bytes that it was given; `None` and a panic
    /// both mean that these are no state: the agent ends as it begins. The same bytes make it again
    /// when it is restarted from init. Without it nobody spawns.
    pub born: Option<Born<A>>,
    /// What they may do at most. Their leases reach all agents of the run and nothing else.
    pub grant: Grant,
    /// When an agent's lease ends, should that be before the grant does.
    pub expires: Vec<(AgentId, Tick)>,
    /// What happens to their authority while they run: each at the beginning of its tick, those
    /// of one tick in this order. A change behind the run's last tick never comes.
    pub changes: Vec<Change>,
    /// The supervisors above them; each agent is a worker in it, named by its serial, and
    /// supervisors have numbers above the last serial. `None`: one `one_for_one` supervisor that
    /// starts each again as its kind says.
    pub tree: Option<Supervised>,
    /// Which of them belong to a subject; `None`: none do. Not in a free-running run.
    pub subjects: Option<Subjects>,
}

/// The usual [`RunConfig::small_tick`]: waking another thread costs some 10 µs, an event less
/// than a microsecond.
pub const SMALL_TICK: u64 = 64;

/// How a run is run.
pub struct RunConfig {
    /// Threads that run agents; the result is the same for any number.
    pub schedulers: usize,
    /// How the agents take turns: recorded, so that a run goes on as it began. Those that act one
    /// after the other are run by one scheduler, however many there may be.
    pub schedule: Schedule,
    /// Ticks of fewer events are run by one thread while the others wait. Usually [`SMALL_TICK`].
    pub small_tick: u64,
    /// Which steps die.
    pub chaos: Chaos,
    /// When the supervisor gives up.
    pub intensity: Intensity,
    /// Bounds.
    pub limits: Limits,
    /// Looked for at every tick.
    pub stop: Option<StopFile>,
    /// The number of the signal that asks for an end; 0: none.
    pub interrupt: Arc<AtomicUsize>,
    /// Read by whoever shows progress.
    pub progress: Arc<Progress>,
    /// The guardian that is told of ticks and crashes with each of its beats.
    pub guard: Option<Arc<Guard>>,
    /// Where the run is asked about its agents, and takes orders about them.
    pub desk: Option<Arc<Desk>>,
    /// Messages and inputs a second at most; `None`: as fast as can be. What is only repeated is.
    pub rate: Option<NonZeroU64>,
    /// Of a free-running run: time passes only where nothing else is to be done, and then at once.
    /// For tests: with one scheduler, the same run does the same again.
    pub virtual_time: bool,
    /// How steps are watched; `None`: one that does not return ends nothing but the run.
    pub watch: Option<Watch>,
    /// When snapshots are taken, and where they are kept; `None`: none are.
    pub snapshots: Option<Snapshots>,
    /// The memory that agents ask, and that the run waits for where it falls behind; `None`: nobody
    /// may ask, and nothing is waited for.
    pub recaller: Option<Box<dyn Recaller>>,
    /// What agents may do outside, and who does it.
    pub effects: Effects,
    /// What all agents see, as it is when the run begins; `None`: nothing. Not in a free-running run,
    /// and not where agents belong to subjects: what they mark could not be forgotten.
    pub space: Option<Space>,
    /// Who looks at it behind each tick.
    pub observer: Option<Box<dyn Observer>>,
}

/// How far a run has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// The tick that runs.
    pub tick: AtomicU64,
    /// External inputs released.
    pub inputs: AtomicU64,
    /// Messages on their way so far.
    pub messages: AtomicU64,
    /// Messages refused so far, because a mailbox was full.
    pub refused: AtomicU64,
    /// The first paused agent for which something waits, while the run waits for orders because
    /// all that is left to do waits for such agents, or too much does; 0: it does not.
    pub waiting: AtomicU64,
    /// What was counted, if somebody wants to know while the run goes on.
    pub tally: Tally,
    /// How far the memory has come, if one follows the log while the run goes on.
    pub memory: Followed,
}

/// How far whoever follows a log has come; told by the one who follows.
#[derive(Debug, Default)]
pub struct Followed {
    /// Whether it has begun.
    pub is_begun: AtomicBool,
    /// Records of the log that it has read, from the first on.
    pub records: AtomicU64,
    /// How often it failed and began again.
    pub restarts: AtomicU64,
    /// How often the run waited for it.
    pub waits: AtomicU64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was left to do.
    Completed,
    /// A signal asked for it; the run can be resumed.
    Interrupted {
        /// Its number.
        signal: u32,
    },
    /// STOP was found.
    Halted,
}

/// What is left of a run.
pub struct Outcome<A> {
    /// How it ended.
    pub ending: Ending,
    /// Ticks that ran.
    pub ticks: u64,
    /// What was counted.
    pub counts: Counts,
    /// The agents in the order of their serials; `None` for those that exited. Behind those of the
    /// scenario come those that came to life in the run.
    pub agents: Vec<Option<A>>,
    /// The names of the latter.
    pub born: Vec<String>,
    /// Their leases, likewise.
    pub leases: Leased,
    /// How many were lost with a step that did not return.
    pub lost: u64,
    /// Behind which tick it went on from a snapshot; `None`: it ran from its beginning.
    pub resumed_from: Option<Tick>,
    /// What was not executed, because nobody could read it. Of these agents no state is known.
    pub opaque: Opaque,
    /// Who belongs to a subject, those who came to life included; `None`: nobody does.
    pub subjects: Option<Subjects>,
    /// What all see; `None`: the run has no space.
    pub space: Option<Arc<Space>>,
}

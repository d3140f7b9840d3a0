//! Arguments of the commands about agents of a run that is under way.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// A run that is under way, and how its answer is shown.
#[derive(ClapArgs)]
pub(crate) struct UnderWay {
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// By what `ps` sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortBy {
    Id,
    Name,
    Steps,
    Mailbox,
    Restarts,
}

/// Which agents `ps` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfStatus {
    Running,
    Paused,
    Exited,
    Lost,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon ps --data runs/rumour-1
  karyon ps --sort mailbox --desc --limit 5 --watch --data runs/rumour-1
  karyon ps --status paused --json --data runs/rumour-1

Asks the node that runs there; what ran before is in the record: karyon audit, karyon memory.
An answer is true of one place in the log, which it names: \"not durable yet\" means that a crash of
the machine could undo what it shows.")]
pub(crate) struct Ps {
    /// By what
    #[arg(long, value_name = "COLUMN", value_enum, default_value = "id")]
    pub(crate) sort: SortBy,
    /// The largest first
    #[arg(long)]
    pub(crate) desc: bool,
    /// Only agents whose name holds this text
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Only those
    #[arg(long, value_name = "STATUS", value_enum)]
    pub(crate) status: Option<OfStatus>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Leave so many out at the beginning
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) offset: u64,
    /// Ask again every second, until Ctrl-C or the end of the run
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) under: UnderWay,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon tree --data runs/rumour-1
  karyon tree --offset 1000 --limit 1000 --json --data runs/rumour-1

Each supervisor stands above those whom it starts, in the order of their starts: with its strategy,
how many restarts it has seen within its period, and how many it bears. A run without a tree of its
own has one supervisor. Status: running, paused, stopping (asked to end), waiting (to be started),
exited.")]
pub(crate) struct Tree {
    /// At most so many lines
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Leave so many out at the beginning
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) offset: u64,
    #[command(flatten)]
    pub(crate) under: UnderWay,
}

/// An agent of a run that is under way.
#[derive(ClapArgs)]
pub(crate) struct Aim {
    /// Its number as `karyon ps` shows it, or its name; where both could be meant: id:17, name:17
    #[arg(value_name = "ID|NAME")]
    pub(crate) agent: String,
    #[command(flatten)]
    pub(crate) under: UnderWay,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon inspect name:17 --data runs/rumour-1
  karyon inspect name:1276 --json --data runs/rumour-1

What is running, why, on whose behalf, what it may do, what it has done, when it must stop; and its
state, as the runtime encodes it: fields in their order, without their names.")]
pub(crate) struct InspectAgent {
    #[command(flatten)]
    pub(crate) aim: Aim,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon pause name:17 --data runs/rumour-1
  karyon resume 17 --data runs/rumour-1

From the next tick on what it is sent waits, in order. The order is recorded, with the user who gave
it. A run in which all that is left waits for paused agents waits too.")]
pub(crate) struct Pause {
    #[command(flatten)]
    pub(crate) aim: Aim,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon kill 17 --data runs/rumour-1

It ends at the next tick, whatever waits for it is lost and recorded as such, and its supervisor
decides what follows, as after a crash. To end the run: karyon halt, or Ctrl-C.")]
pub(crate) struct Kill {
    #[command(flatten)]
    pub(crate) aim: Aim,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon restart 17 --data runs/rumour-1

It ends at the next tick and begins anew, whatever its supervisor would decide.")]
pub(crate) struct RestartAgent {
    #[command(flatten)]
    pub(crate) aim: Aim,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon fork 17 --data runs/rumour-1
  karyon fork name:1276 --json --data runs/rumour-1
  karyon fork --at 50 --set wolf_reproduce=0.2 --data runs/meadow --out runs/meadow-fork
  karyon diff runs/meadow runs/meadow-fork

Of an agent: from the next tick on there is a second one with the state that this one has then, and a
number and a name of its own: NAME/fork-NUMBER. It may do what the other may and no more. Nothing
waits for it, it has no timers and is bound to nobody. Restarted, it begins with that state again.

Of a whole run of a model, with --at: another run, with a log of its own, that has the same past and
from that tick on another future. What agents look at can be different, such as rates and what they
need, and how long it goes on; what the run begins with cannot. With nothing different it ends in the
same state.")]
pub(crate) struct Fork {
    /// An agent's number as `karyon ps` shows it, or its name; where both could be meant: id:17, name:17
    #[arg(value_name = "ID|NAME", required_unless_present = "at", conflicts_with_all = ["at", "out", "set"])]
    pub(crate) agent: Option<String>,
    /// Fork the whole run: the first tick that is different
    #[arg(long, value_name = "TICK")]
    pub(crate) at: Option<u64>,
    /// What is different then; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::key_value, requires = "at")]
    pub(crate) set: Vec<(String, String)>,
    /// Where the second run goes; must not hold a run [default: ./runs/MODEL-N]
    #[arg(long, value_name = "DIR", requires = "at")]
    pub(crate) out: Option<PathBuf>,
    /// Threads that run its agents [default: one a core]
    #[arg(long, value_name = "N", requires = "at", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) schedulers: Option<u16>,
    /// Who answers for it [default: the principal that was made first]
    #[arg(long, value_name = "NAME", requires = "at")]
    pub(crate) principal: Option<String>,
    /// Seconds between its snapshots; 0: none at all
    #[arg(long, value_name = "S", default_value_t = super::SNAPSHOTS_S)]
    pub(crate) snapshots: u64,
    #[command(flatten)]
    pub(crate) under: UnderWay,
}

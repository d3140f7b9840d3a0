//! Arguments, with the examples that `--help` shows.

mod audit;
mod authority;
mod bench;
mod colony;
mod engram;
mod exit;
mod governed;
mod key;
mod making;
mod memory;
mod process;
mod safety;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args as ClapArgs, Parser, Subcommand};

use karyon_metrics::Loopback;

use crate::logging::{Format, Levels};

pub(crate) use audit::{Audit, ExportLog, FindOrphans, Grew, Prove, Tail, Verify};
pub(crate) use authority::{
    Approve, Ask, Authority, Delegate, Do, Grant, Lease, MakeAgent, NewAuthority, OrderArgs,
    ShowAuthority,
};
pub(crate) use bench::{Bench, DiffReports, ListWorkloads, RunBench, ShowReport};
pub(crate) use colony::{DiffRuns, PlotRuns, Sweep};
pub(crate) use engram::{Choice, DiffEngrams, Engram, Export, Import, Inspect, VerifyEngram};
pub(crate) use exit::{ExportData, ImportData, Table};
pub(crate) use governed::{Brief, Expire, Forget, Keep, Recall, Telling, Wanted};
pub(crate) use key::{ExportPublic, Follow, Key, New, Rotate, Show};
pub(crate) use making::{Check, NewColony};
pub(crate) use memory::{
    Count, Diff, Direction, Edges, Form, Get, History, Khop, List, Looking, Memory, Narrowing,
    Neighbours, Paths, Plot, Rebuild, Why,
};
pub(crate) use process::{
    Fork, InspectAgent, Kill, OfStatus, Pause, Ps, RestartAgent, SortBy, Tree,
};
pub(crate) use safety::{Halt, Safety, SafetyResume, Sign, Status};

/// The version line: the program's and those of its formats.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (log format 1, safety marker 2, grant 1, engram 1, agent kinds: person 2)"
);

const CODES: &str = "Examples:\n  karyon run rumour\n  \
                     karyon memory count heard --at 2000 --data runs/rumour-1\n  \
                     karyon why 1276 --data runs/rumour-1\n  \
                     karyon audit verify --data runs/rumour-1\n\n\
                     Exit codes: 0 ok, 1 failure, 2 usage, 3 refused by the gate, 4 halted, \
                     5 verification failed, 6 done but agents were lost, 130 or 143 interrupted";

/// A governed actor runtime for agents: every message passes a gate, every step is recorded
/// before it counts, the memory answers as of any moment, and a file called STOP ends it all.
#[derive(Parser)]
#[command(name = "karyon", version = VERSION, after_help = CODES, max_term_width = 100)]
#[command(arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Tell what happens inside on standard error: error, warn, info, debug, trace, or MODULE=LEVEL
    /// with commas between [default: $KARYON_LOG, else off]
    #[arg(long, global = true, value_name = "LEVEL", value_parser = Levels::from_str)]
    pub(crate) log_level: Option<Levels>,
    /// How it is told
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub(crate) log_format: Format,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a principal, as `key new` does
    Init(Init),
    /// Make, show and rotate keys
    #[command(subcommand, after_help = "Example:\n  karyon key show")]
    Key(Key),
    /// Make a crate with agents of your own
    New(NewColony),
    /// Check a scenario before it is run
    Check(Check),
    /// Run a scenario to its end
    Run(Run),
    /// Go on with a run that was interrupted or killed, or with a paused agent of one
    Resume(Resume),
    /// Repeat a run and compare it with its log
    Replay(Replay),
    /// Run a scenario with many values and seeds
    Sweep(Sweep),
    /// Draw what runs measured
    Plot(PlotRuns),
    /// Find where two runs part
    Diff(DiffRuns),
    /// Measure named workloads, with a report that discloses everything
    #[command(subcommand, after_help = "Example:\n  karyon bench run")]
    Bench(Bench),
    /// List the agents of a run that is under way
    Ps(Ps),
    /// Show the tree of supervisors of a run that is under way
    Tree(Tree),
    /// Show all about one agent of a run that is under way
    Inspect(InspectAgent),
    /// Let what an agent is sent wait
    Pause(Pause),
    /// End an agent; its supervisor decides what follows
    Kill(Kill),
    /// End an agent and begin it anew
    Restart(RestartAgent),
    /// Begin a second agent with the state of one, or a second run with the past of one
    Fork(Fork),
    /// Stop everything that runs in a directory, until a person resumes
    Halt(Halt),
    /// Ask the memory of a run about any moment
    #[command(
        subcommand,
        after_help = "Example:\n  karyon memory count heard --at 2000 --data runs/rumour-1"
    )]
    Memory(Memory),
    /// Explain how something came to be, back to who answers for it
    Why(Why),
    /// Carry memories from one instance to another
    #[command(
        subcommand,
        after_help = "Example:\n  karyon engram export --agent 1276 --out 1276.engram --data runs/rumour-1"
    )]
    Engram(Engram),
    /// Write all that a data directory holds to one file in open formats
    Export(ExportData),
    /// Take in such a file, as a data directory with the same roots
    Import(ImportData),
    /// Look into a run's log
    #[command(subcommand, after_help = "Example:\n  karyon audit verify --data runs/rumour-1")]
    Audit(Audit),
    /// Grants, leases, approvals and orders for agents that act on the world outside
    #[command(subcommand, after_help = "Example:\n  karyon authority show --data office")]
    Authority(Authority),
    /// Look at, or end, safe mode; sign that it may end
    #[command(subcommand, after_help = "Example:\n  karyon safety status --data runs/rumour-1")]
    Safety(Safety),
}

/// Seconds between snapshots, unless it is said otherwise: about what a resume repeats at most, and
/// many times what taking one costs.
const SNAPSHOTS_S: u64 = 30;

#[derive(ClapArgs)]
#[command(
    after_help = "Example:\n  karyon init --principal ada\n\nThe same as `karyon key new ada`."
)]
pub(crate) struct Init {
    /// Its name: 1 to 64 of A-Z a-z 0-9 . _ -
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: String,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon run rumour
  karyon run rumour --contacts messages.txt --source 9
  karyon run my-scenario.toml --seed 7 --chaos 0.01 --data runs/chaos --json
  karyon run rumour --rate 5000                  (a minute: time to try karyon ps)
  karyon run schelling --set need=4 --seed 7     (another model, with a parameter changed)

Stop it with Ctrl-C (`karyon resume` goes on), or for good with `touch DIR/safety/STOP`.")]
pub(crate) struct Run {
    /// A scenario file, or the name of a built-in one: rumour, flocking, forest-fire, gossip,
    /// maki-thompson, moran, schelling, sir, sir-events, wealth, wolf-sheep
    pub(crate) scenario: String,
    /// Contacts to use instead of the scenario's: lines `SRC DST TIME`
    #[arg(long, value_name = "FILE")]
    pub(crate) contacts: Option<PathBuf>,
    /// Who knows the rumour from the beginning [default: the first sender]
    #[arg(long, value_name = "ID")]
    pub(crate) source: Option<String>,
    /// Another value for a key of the scenario, in whatever section it is: `need=4`, or with its
    /// section, `chaos.probability=0.1`; may be given again. Not for the rumour
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Seed of all that is drawn [default: the scenario's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: Option<u64>,
    /// Threads that run agents; the result is the same for any number [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) schedulers: Option<u16>,
    /// Messages and inputs a second at most; what is only repeated is not slowed down [default: as
    /// fast as can be]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU64>,
    /// Probability that an attempt of a step crashes, 0 to below 1 [default: the scenario's]
    #[arg(long, value_name = "P", value_parser = probability)]
    pub(crate) chaos: Option<f64>,
    /// Where log and results go; must not hold a run [default: ./runs/SCENARIO-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Who answers for the run [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// Offer metrics for Prometheus to this machine, such as at 127.0.0.1:9464; port 0: any free
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics: Option<Loopback>,
    /// Seconds between snapshots, from which a resume goes on; one more at Ctrl-C; 0: none at all
    #[arg(long, value_name = "S", default_value_t = SNAPSHOTS_S)]
    pub(crate) snapshots: u64,
    /// Print one JSON object, last
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon resume --data runs/rumour-1
  karyon resume 17 --data runs/rumour-1      (an agent that is paused, while the run is under way)

The run is repeated from its newest snapshot, or from its beginning, compared record by record with
its log, and goes on where the log ends. After a kill, a crash or a halt a person has to look first:
  karyon safety resume --reason \"power was cut\" --data runs/rumour-1")]
pub(crate) struct Resume {
    /// A paused agent of a run that is under way, to go on with that and nothing else
    #[arg(value_name = "ID|NAME", conflicts_with_all = ["schedulers", "rate", "metrics", "from_zero"])]
    pub(crate) agent: Option<String>,
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Threads that run agents; may differ from before [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) schedulers: Option<u16>,
    /// Messages and inputs a second at most; what is only repeated is not slowed down [default: as
    /// fast as can be]
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<NonZeroU64>,
    /// Offer metrics for Prometheus to this machine, such as at 127.0.0.1:9464; port 0: any free
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics: Option<Loopback>,
    /// Repeat it from its beginning, whatever snapshots there are
    #[arg(long)]
    pub(crate) from_zero: bool,
    /// Seconds between snapshots, from which a resume goes on; one more at Ctrl-C; 0: none at all
    #[arg(long, value_name = "S", default_value_t = SNAPSHOTS_S)]
    pub(crate) snapshots: u64,
    /// Print one JSON object, last
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon replay --verify --data runs/rumour-1
  karyon replay --verify --until 38267 --data runs/rumour-1
  karyon replay --verify --data copied-run --key 9f2c… (64 hexadecimal digits, or a file with them)

The log is verified as `karyon audit verify` does; then the run is repeated from its scenario and
its input copies, and each of its records is compared with the log. Of a sealed log the root of the
final state is compared too; any other is compared up to its end, also while it is written. Nothing
is written, and nothing that was done is done again.

Exit code 0: all that was compared is as recorded. 5: it is not, and the first record that differs
is named with what was recorded and what came out; or the log is damaged. In safe mode nothing is
repeated: exit code 4. Ctrl-C ends it at once.")]
pub(crate) struct Replay {
    /// Compare each record, and name the first that differs
    #[arg(long, required = true)]
    pub(crate) verify: bool,
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Stop behind this record [default: the log's last]
    #[arg(long, value_name = "SEQ", value_parser = record)]
    pub(crate) until: Option<u64>,
    /// Begin at the newest snapshot that lies before the end: what lies before that is not repeated
    #[arg(long)]
    pub(crate) from_snapshot: bool,
    /// Threads that run agents; may differ from before [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) schedulers: Option<u16>,
    /// The public key of the node that wrote the log [default: this machine's node key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// Whether the answer is all that is wanted: where work is done, it is done even if nobody
    /// hears of it.
    pub(crate) fn asks(&self) -> bool {
        match &self.command {
            Command::Init(_) | Command::Run(_) | Command::Resume(_) | Command::Halt(_) => false,
            Command::Pause(_) | Command::Kill(_) | Command::Restart(_) => false,
            Command::Fork(_) | Command::Sweep(_) | Command::Plot(_) | Command::New(_) => false,
            Command::Ps(_) | Command::Tree(_) | Command::Inspect(_) => true,
            Command::Key(args) => args.asks(),
            Command::Authority(args) => args.asks(),
            Command::Safety(args) => args.asks(),
            Command::Bench(args) => args.asks(),
            Command::Memory(_) | Command::Why(_) | Command::Engram(_) | Command::Audit(_) => true,
            Command::Replay(_) | Command::Diff(_) | Command::Export(_) => true,
            Command::Check(_) => true,
            Command::Import(_) => false,
        }
    }

    /// Whether the answer is for a machine.
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Command::Init(args) => args.json,
            Command::Key(args) => args.json(),
            Command::New(args) => args.json,
            Command::Check(args) => args.json,
            Command::Run(args) => args.json,
            Command::Resume(args) => args.json,
            Command::Replay(args) => args.json,
            Command::Diff(args) => args.json,
            Command::Bench(args) => args.json(),
            Command::Sweep(args) => args.json,
            Command::Plot(args) => args.json,
            Command::Ps(args) => args.under.json,
            Command::Tree(args) => args.under.json,
            Command::Inspect(args) => args.aim.under.json,
            Command::Pause(args) => args.aim.under.json,
            Command::Kill(args) => args.aim.under.json,
            Command::Restart(args) => args.aim.under.json,
            Command::Fork(args) => args.under.json,
            Command::Memory(args) => args.json(),
            Command::Why(args) => args.json,
            Command::Engram(args) => args.json(),
            Command::Audit(args) => args.json(),
            Command::Export(args) => args.json,
            Command::Import(args) => args.json,
            Command::Authority(args) => args.json(),
            Command::Safety(args) => args.json(),
            Command::Halt(args) => args.json,
        }
    }
}

/// The number of a record, with or without its sign.
fn record(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits.parse().map_err(|_| "expected the number of a record, such as 1276".into())
}

fn key_value(given: &str) -> Result<(String, String), String> {
    let (key, value) = given.split_once('=').ok_or("write KEY=VALUE")?;
    match key.trim() {
        "" => Err("write KEY=VALUE".into()),
        key => Ok((key.into(), value.trim().into())),
    }
}

fn probability(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(p) if (0.0..1.0).contains(&p) => Ok(p),
        Ok(_) | Err(_) => Err("expected a number from 0 to below 1, such as 0.01".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn probabilities() {
        for (text, expected) in [("0", Some(0.0)), ("0.5", Some(0.5)), ("1", None)] {
            assert_eq!(probability(text).ok(), expected, "{text}");
        }
        for text in ["-0.1", "NaN", "x", "1e9", ""] {
            assert!(probability(text).is_err(), "{text}");
        }
    }
}

//! Arguments of `karyon bench`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args as ClapArgs, Subcommand};
use karyon_bench::{Level, REPEAT, REPEAT_MAX, SEED};

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// List the workloads, with what each does and its levels
    List(ListWorkloads),
    /// Measure workloads, and write a report with all that a reader has to know
    Run(RunBench),
    /// Verify a report and show it
    Show(ShowReport),
    /// Find what differs between two reports, the conditions first
    Diff(DiffReports),
}

impl Bench {
    /// Whether the answer is all that is wanted.
    pub(crate) fn asks(&self) -> bool {
        !matches!(self, Bench::Run(_))
    }

    /// Whether the answer is for a machine.
    pub(crate) fn json(&self) -> bool {
        match self {
            Bench::List(args) => args.json,
            Bench::Run(args) => args.json,
            Bench::Show(args) => args.json,
            Bench::Diff(args) => args.json,
        }
    }
}

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  karyon bench list --json")]
pub(crate) struct ListWorkloads {
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon bench run
  karyon bench run pairs ring --level gate --repeat 20
  karyon bench run --quick --out reports/now && karyon bench diff reports/before reports/now

Without a workload all are run, each at all of its levels: gate (the log in memory), gate+log (a
durable log), gate+log+memory (a data directory, as karyon run makes it). There is no level without
the gate: nobody can switch it off. What each number means, and what it does not: docs/bench.md.

It writes report.json, report.md and report.svg. A report is signed by this machine's node key, if
there is one. Data directories lie in --out while they are measured, and are removed: its file system
is the one that is measured. Nothing else should be running.")]
pub(crate) struct RunBench {
    /// Workloads; see `karyon bench list` [default: all]
    #[arg(value_name = "WORKLOAD")]
    pub(crate) workloads: Vec<String>,
    /// Where the report goes; must not hold one [default: ./reports/bench-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Samples of each workload at each level
    #[arg(long, value_name = "N", default_value_t = REPEAT)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=REPEAT_MAX))]
    pub(crate) repeat: u64,
    /// Threads that run agents [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// One level alone: gate, gate+log, gate+log+memory [default: all that a workload has]
    #[arg(long, value_name = "LEVEL", value_parser = Level::from_str)]
    pub(crate) level: Option<Level>,
    /// Seed of all that is drawn, the same for each sample
    #[arg(long, value_name = "N", default_value_t = SEED)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub(crate) seed: u64,
    /// A tenth of the work: to see that it works, not for numbers
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon bench show reports/bench-1

Exit code 1: it is no report, or a field of it is missing; the field is named. 5: what it says does not
follow from its samples, or it is not what was signed.")]
pub(crate) struct ShowReport {
    /// The report, or the directory that it lies in
    pub(crate) file: PathBuf,
    /// Print it as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon bench diff reports/before reports/now

Both are verified first. What differs in machine, program, flags and load is listed before the
results. A difference counts where each sample of the one is faster than each of the other; any other
is within the spread.

Exit code 0: no difference was shown. 1: one was, or a workload is in one alone. 5: a report does not
follow from its samples.")]
pub(crate) struct DiffReports {
    /// The one report, or its directory
    #[arg(value_name = "A")]
    pub(crate) first: PathBuf,
    /// The other
    #[arg(value_name = "B")]
    pub(crate) second: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

//! Arguments of what is done with runs of a scenario beside running them.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::key_value;

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon diff runs/schelling-1 runs/schelling-2
  karyon diff runs/meadow runs/meadow-fork --json

Both logs are verified first. Then the runs are compared record by record from their beginnings on,
whatever the number of threads that each had: the first tick and agent where they part is named, with
what happened there in each of the runs, and in which keys their scenarios differ.

Exit code 0: nothing is different, as far as both were run. 1: they part. 5: a log is damaged.")]
pub(crate) struct DiffRuns {
    /// The data directory of the one run
    #[arg(value_name = "A")]
    pub(crate) first: PathBuf,
    /// Of the other
    #[arg(value_name = "B")]
    pub(crate) second: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon sweep schelling --set need=2,3,4,5 --seeds 1..=20
  karyon sweep meadow.toml --out sweeps/meadow          (with a [sweep] in the scenario)
  karyon plot sweeps/schelling-1 --measure happy --out happy.png

Each combination of values and seeds is a run of its own, with its log, in runs/NUMBER of the sweep's
directory; two go on at a time for each core. What came of them stands in results.csv (a row
for each run), points.csv (mean and standard error over the seeds) and sweep.svg.

A sweep that was interrupted or killed is gone on with by the same command and --out: what is done is
not done again.

Exit code 0: all runs are complete. 1: some failed, and are named. 130 or 143: interrupted.")]
pub(crate) struct Sweep {
    /// A scenario file of a model, or the name of a built-in one
    pub(crate) scenario: String,
    /// The values of a key, with commas between; one value holds for all runs. May be given again
    #[arg(long, value_name = "KEY=A,B,…", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// The seeds: a range, or with commas between
    #[arg(long, value_name = "1..=10")]
    pub(crate) seeds: Option<String>,
    /// Where everything goes [default: ./sweeps/SCENARIO-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Runs at a time [default: two a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// Who answers for the runs [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon plot runs/schelling-1 --out schelling.svg
  karyon plot runs/meadow runs/meadow-fork --measure wolves --out wolves.png
  karyon plot sweeps/schelling-1 --measure happy --out happy.svg

Of one run all measures are drawn in one chart; of several a chart for each measure, with a line for
each run. The runs of a sweep that differ in their seeds alone are one line: their mean, in a band of
one standard deviation.")]
pub(crate) struct PlotRuns {
    /// Data directories of runs, and directories of sweeps
    #[arg(value_name = "DIR", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// A measure to be drawn; may be given again [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) measure: Vec<String>,
    /// Above the picture [default: the names of the directories]
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// The picture, SVG or PNG by its name; replaced if it is there
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    pub(crate) out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

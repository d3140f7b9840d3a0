//! Arguments of what is done with runs of a scenario beside running them.

use std::path::PathBuf;

use clap::Args as ClapArgs;

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

//! Scenarios and crates before anything runs.

use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon check my-scenario.toml
  karyon check wolf-sheep --json
  karyon check --schema > scenario.schema.json     (for editors that know TOML)

Nothing is made: neither keys nor a data directory. What is wrong is told with its line and column.
Exit code 0: it can be run; 1: it cannot, and the first thing that is wrong is told.")]
pub(crate) struct Check {
    /// A scenario file, or the name of a built-in one
    #[arg(required_unless_present = "schema")]
    pub(crate) scenario: Option<String>,
    /// Print the JSON Schema of all scenarios, draft 2020-12, and check nothing
    #[arg(long, conflicts_with_all = ["scenario", "json"])]
    pub(crate) schema: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon new demo && cd demo && cargo run
  karyon new demo --path ~/karyon       (a checkout of Karyon that it is to be built with)

It makes the folder NAME: an agent kind of its own on the library, a run of it that writes series.csv
and series.svg, and tests. docs/first-colony.md goes on from there.")]
pub(crate) struct NewColony {
    /// The crate's name: 1 to 64 of a-z 0-9 _ -, beginning with a letter
    pub(crate) name: String,
    /// The checkout of Karyon that it is built with [default: the one that this command was built in,
    /// if it is still there, else the repository]
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

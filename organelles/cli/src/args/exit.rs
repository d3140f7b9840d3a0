//! Arguments of `karyon export` and `karyon import`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon export --data runs/rumour-1 --out rumour-1.tar
  karyon export --data office --out office.tar --keys office.keys
  tar -xf rumour-1.tar && sha256sum -c SHA256SUMS
  karyon export --table series --data sweeps/schelling-1 --out schelling.parquet
  karyon export --table agents --data runs/wolf-sheep-1 --out animals.csv

The file is a tar: who answers, why, what was allowed, every record, every version of every memory,
as JSON; and the log and the inputs as they lie. docs/exit.md shows each. It holds no secret: what
people recorded to be remembered stays sealed. The node that wrote the log signs it, if its key is
here. Nothing may be under way in the directory, and nothing in it changes.

--keys writes the keys of what is sealed to a second file, of mode 0600, with all that is needed to
use them: whoever has both files can read everything that is not erased. Carry it another way.

--table writes a table instead, CSV or Parquet by the name of the file. series: a row for each tick
and measure of a run, or of all runs of a sweep. agents: a row for each tick and agent of a model,
with the words that it says of itself; the run is repeated for that, and compared with its log.")]
pub(crate) struct ExportData {
    /// A table of what was measured, instead of all that the directory holds
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with = "keys")]
    pub(crate) table: Option<Table>,
    /// The data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The file; must not be there
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A second file, for the keys of what people recorded to be remembered; must not be there
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// A row for each tick and measure
    Series,
    /// A row for each tick and agent
    Agents,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon import rumour-1.tar --data runs/from-ada --trust ada-node.pub
  karyon import office.tar --data office --keys office.keys --trust ada-node.pub

Every byte is checked, the log is verified and the memory built from it, and both must have the
roots that the export promises; only then is the directory there, as a whole. It is in safe mode:
it can be asked anything, and nothing acts in it before `karyon safety resume --reason … --data DIR`.

Without --trust the signer of the log has to be this machine's node to count as known; of any other
the answer says that the key is unknown, as `karyon audit verify` does.

Exit code 3: the log is signed by another key than --trust names. 5: the export is not as it was
written, or does not keep what it promises. Nothing is there then.")]
pub(crate) struct ImportData {
    /// The export
    pub(crate) file: PathBuf,
    /// The data directory that is made; must not be there, or be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The public key of the node that wrote the log: 64 hexadecimal digits, or a file with them
    #[arg(long, value_name = "KEY")]
    pub(crate) trust: Option<String>,
    /// The file that `export --keys` wrote; a new master key is made for what is in it
    #[arg(long, value_name = "KEYFILE")]
    pub(crate) keys: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

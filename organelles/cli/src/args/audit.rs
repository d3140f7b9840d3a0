//! Arguments of `karyon audit`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::record;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Verify a run's log, its checkpoint and its input copies
    Verify(Verify),
    /// Write the whole log as text that a stranger can verify
    Export(ExportLog),
    /// Show the last records, and with --follow those that come
    Tail(Tail),
    /// Prove that a record is in the log, or check such a proof
    Prove(Prove),
    /// Verify that the log only grew since a checkpoint
    Grew(Grew),
    /// Find what was done without a reason that can be found
    Orphans(FindOrphans),
}

impl Audit {
    /// Whether the answer is for a machine.
    pub(crate) fn json(&self) -> bool {
        match self {
            Audit::Verify(args) => args.json,
            Audit::Export(args) => args.json,
            Audit::Tail(args) => args.json,
            Audit::Prove(args) => args.json,
            Audit::Grew(args) => args.json,
            Audit::Orphans(args) => args.json,
        }
    }
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon audit verify --data runs/rumour-1
  karyon audit verify --data copied-run --key 9f2c… (64 hexadecimal digits, or a file with them)

Exit code 0: the log is what its signer wrote, and the answer says whether the signer's key is
trusted or unknown. 5: it is not; blocks and records are named. Results (arrivals.csv and the
like) are not covered; `karyon resume` writes them anew from a finished run.")]
pub(crate) struct Verify {
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The public key of the node that wrote it [default: this machine's node key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon audit export --data runs/rumour-1 --out rumour-1.jsonl
  karyon audit export --data runs/rumour-1 --out - | gzip > rumour-1.jsonl.gz
  python3 scripts/verify_audit.py rumour-1.jsonl --key node.pub

One line a commit, a block and a record, and a checkpoint last; docs/audit.md shows each. The
node that wrote the log signs lists of hashes of the lines, so that the script names a record that
was changed. With --bare no key is needed, and damage is named by block.")]
pub(crate) struct ExportLog {
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// A file that is not there yet; -: standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Without views and without the node's key
    #[arg(long)]
    pub(crate) bare: bool,
    /// Print one JSON object, last; on standard error with --out -
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon audit tail --data runs/rumour-1
  karyon audit tail -n 100 --follow --data runs/rumour-1
  karyon audit tail --json --data runs/rumour-1 | jq .view.kind

Only committed records are shown. --follow ends with Ctrl-C, exit code 0.")]
pub(crate) struct Tail {
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// How many records
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,
    /// Go on with those that are committed from now on
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print one JSON object a record
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon audit prove 1276 --data runs/rumour-1 --out 1276.tlog-proof
  karyon audit prove --check 1276.tlog-proof --key node.pub

The proof holds the record's block, its way to the root of the tree (RFC 6962) and a checkpoint
(c2sp.org/tlog-proof). It is checked with the node's public key and nothing else. Exit code 5: it
does not hold.")]
pub(crate) struct Prove {
    /// The record's number
    #[arg(required_unless_present = "check", conflicts_with = "check", value_parser = record)]
    pub(crate) seq: Option<u64>,
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR", required_unless_present = "check", conflicts_with = "check")]
    pub(crate) data: Option<PathBuf>,
    /// Where the proof goes [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(crate) out: Option<PathBuf>,
    /// Check this proof instead; no log is needed
    #[arg(long, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,
    /// The public key of the node that wrote the log [default: this machine's node key]
    #[arg(long, value_name = "KEY", requires = "check")]
    pub(crate) key: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon audit grew --since yesterday.checkpoint --data runs/rumour-1
  karyon audit grew --since yesterday.checkpoint --proof growth --data runs/rumour-1

The checkpoint is a copy of DIR/log/checkpoint that was kept elsewhere. Exit code 5: the log is
shorter than it, has another past, is another log, or another key signed.")]
pub(crate) struct Grew {
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The checkpoint
    #[arg(long, value_name = "CHECKPOINT")]
    pub(crate) since: PathBuf,
    /// The public key of the node that wrote the log [default: this machine's node key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Write the proof (RFC 6962) into a file that is not there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon audit orphans --data runs/rumour-1

Whatever was done is traced: an output, an effect or an import to its lease, its grant, the
principal and the reason; a step to the message, denial or input that it handled. Exit code 0:
all of it; 5: not, and the first 20 are listed.")]
pub(crate) struct FindOrphans {
    /// The run's data directory; only read
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

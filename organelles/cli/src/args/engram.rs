//! Arguments of `karyon engram`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args as ClapArgs, Subcommand};

use super::governed::{Keep, KindOf};
use super::memory::MOMENTS;

#[derive(Subcommand)]
pub(crate) enum Engram {
    /// Write what agents remember to a signed file
    Export(Export),
    /// Verify an engram and say what it holds
    Inspect(Inspect),
    /// Verify an engram, and whether who signed it is trusted here
    Verify(VerifyEngram),
    /// What is different between two engrams
    Diff(DiffEngrams),
    /// Bring an engram into another memory
    Import(Import),
}

/// What to take out. Of agents' memories, what any of these chooses; of what somebody answers for,
/// what all of them choose.
#[derive(ClapArgs)]
#[group(required = true, multiple = true)]
pub(crate) struct Choice {
    /// Whose memory: they, their facts, the edges that begin or end at them; several may follow
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) agent: Vec<String>,
    /// The same of everything with this label, such as person; several may follow
    #[arg(long, value_name = "LABEL", num_args = 1..)]
    pub(crate) label: Vec<String>,
    /// What this agent wrote, about whatever it is; several may follow
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) writer: Vec<String>,
    /// The facts of this kind, such as heard, of everybody; several may follow
    #[arg(long, value_name = "PREDICATE", num_args = 1..)]
    pub(crate) fact: Vec<String>,
    /// Everything within --hops edges: it, its facts, the edges between; several may follow
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) around: Vec<String>,
    /// Of what somebody answers for, what is about this subject; several may follow
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with_all = AGENTS)]
    pub(crate) subject: Vec<String>,
    /// Of what somebody answers for, what is under this key; several may follow
    #[arg(long, value_name = "KEY", num_args = 1.., conflicts_with_all = AGENTS)]
    pub(crate) key: Vec<String>,
    /// Of what somebody answers for, what this one does; several may follow
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with_all = AGENTS)]
    pub(crate) owner: Vec<String>,
    /// Of what somebody answers for, what is of this kind; several may follow
    #[arg(long, value_name = "KIND", num_args = 1.., conflicts_with_all = AGENTS)]
    pub(crate) kind: Vec<KindOf>,
}

/// What chooses memories of agents: an engram holds either those, or what people answer for.
const AGENTS: [&str; 5] = ["agent", "label", "writer", "fact", "around"];

impl Choice {
    /// Whether memories are chosen for which somebody answers.
    pub(crate) fn is_governed(&self) -> bool {
        let Choice { subject, key, owner, kind, .. } = self;
        [subject, key, owner].into_iter().any(|names| !names.is_empty()) || !kind.is_empty()
    }
}

#[derive(ClapArgs)]
#[command(after_help = format!("Examples:
  karyon engram export --agent 1276 --out 1276.engram --data runs/rumour-1
  karyon engram export --agent 1276 6268 --at 2000 --out both.engram --data runs/rumour-1
  karyon engram export --around 1276 --hops 2 --out near.engram --data runs/rumour-1
  karyon engram export --fact heard --no-history --out heard.engram --data runs/rumour-1
  karyon engram export --owner ada --kind decision lesson --out ada.engram --data office

An engram holds what is chosen, with all versions that begin no later than T, and where each was
recorded. A label, and which edges lead away, are looked at as they are at T. This machine's node
signs it. What --agent, --label, --writer, --fact and --around choose is taken together.
--subject, --key, --owner and --kind choose what `karyon memory remember` recorded: of several of
these all must hold, of several names behind one any. It is opened for that, so THE FILE SAYS IN
THE OPEN what is sealed here; the manifest names --principal as who answers for that.

{MOMENTS}"))]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) choice: Choice,
    /// With --around: at most so many edges away, in either direction [default: 1]
    #[arg(long, value_name = "K", requires = "around")]
    pub(crate) hops: Option<u32>,
    /// With --subject, --key, --owner or --kind: who gives them away [default: the first principal]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// Only what was so by this moment [default: everything]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// Only what holds at the moment, and nothing of what held before
    #[arg(long)]
    pub(crate) no_history: bool,
    /// The file; must not be there
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The run's data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon engram inspect 1276.engram

Every block, the signature and the contents are verified. Who signed is shown; whether to trust
them is for whoever imports.")]
pub(crate) struct Inspect {
    /// The engram
    pub(crate) file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon engram verify 1276.engram
  karyon engram verify from-ada.engram --trust ada-node.pub

Every hash, the signature and the form of every block are verified. The signer is trusted if it is
this machine's node, or the one that --trust names.

Exit code 0: all is right, and the signer is trusted. 3: all is right, but nobody here trusts the
signer, so that an import would be refused. 5: the file is not what was signed.")]
pub(crate) struct VerifyEngram {
    /// The engram
    pub(crate) file: PathBuf,
    /// The public key of the node that is to have signed it: 64 hexadecimal digits, or a file
    #[arg(long, value_name = "KEY")]
    pub(crate) trust: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon engram diff 1276-in-may.engram 1276-in-june.engram

Both are verified first. Memories are compared by what they are about, by name, so that engrams of
different logs can be compared: - only the first holds it, + only the second, ~ both tell of it, and
differently, = both say the same, but recorded in another log or at another place.

Exit code 0: nothing is different. 1: something is, in the memories or in what the engrams say of
themselves. 5: one of them is not what was signed.")]
pub(crate) struct DiffEngrams {
    /// The one engram
    #[arg(value_name = "A")]
    pub(crate) first: PathBuf,
    /// The other
    #[arg(value_name = "B")]
    pub(crate) second: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon engram import 1276.engram --data runs/elsewhere
  karyon engram import from-ada.engram --data runs/rumour-2 --trust ada-node.pub
  karyon engram import 1276.engram --dry-run --data runs/rumour-2
  karyon engram import ada.engram --keep 2y --owner bea --data office-2 --trust ada-node.pub

A data directory that is not there is made, and holds nothing but what is imported. Memories from
elsewhere stay marked as foreign: they answer beside the own ones, with their origin, and become
no one's authority. What is there already is not added again; what contradicts is kept beside and
reported. Without --trust only engrams signed by this machine's node are taken.
What somebody answered for there is sealed again under keys of its subject here; who answers for it
here, and how long it is kept, is said anew.")]
pub(crate) struct Import {
    /// The engram
    pub(crate) file: PathBuf,
    /// The data directory that takes it in; not of a run that is unfinished
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The public key of the node that signed it: 64 hexadecimal digits, or a file with them
    #[arg(long, value_name = "KEY")]
    pub(crate) trust: Option<String>,
    /// Who answers for the import [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// What somebody answered for: how long it is kept here: 12h, 90d, 4w, 2y, a date, or forever
    #[arg(long, value_name = "HOW_LONG", value_parser = Keep::from_str)]
    pub(crate) keep: Option<Keep>,
    /// What somebody answered for: who answers for it here [default: the principal]
    #[arg(long, value_name = "NAME")]
    pub(crate) owner: Option<String>,
    /// What somebody answered for: also what was forgotten here as another log had told it
    #[arg(long)]
    pub(crate) again: bool,
    /// Verify and compare everything, say what the import would do, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Engram {
    /// Whether the answer is for a machine.
    pub(super) fn json(&self) -> bool {
        match self {
            Engram::Export(args) => args.json,
            Engram::Inspect(args) => args.json,
            Engram::Verify(args) => args.json,
            Engram::Diff(args) => args.json,
            Engram::Import(args) => args.json,
        }
    }
}

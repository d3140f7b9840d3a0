//! Arguments of the commands about keys.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Key {
    /// Make a principal: the person who answers for what agents do in their name
    New(New),
    /// List keys: whose, public half, since when; never a secret
    Show(Show),
    /// Put a new key in the place of one, which names its successor and is kept as a former one
    Rotate(Rotate),
    /// Print a public key, for those who verify logs
    ExportPublic(ExportPublic),
    /// Follow statements of rotation from a key that you trust to the one that is used now
    Follow(Follow),
}

impl Key {
    /// Whether the answer is all that is wanted.
    pub(crate) fn asks(&self) -> bool {
        match self {
            Key::New(_) | Key::Rotate(_) => false,
            Key::Show(_) | Key::ExportPublic(_) | Key::Follow(_) => true,
        }
    }

    /// Whether the answer is for a machine.
    pub(crate) fn json(&self) -> bool {
        match self {
            Key::New(args) => args.json,
            Key::Show(args) => args.json,
            Key::Rotate(args) => args.json,
            Key::ExportPublic(args) => args.json,
            Key::Follow(args) => args.json,
        }
    }
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:\n  karyon key new ada\n  karyon key new bob --default

The node's key is made by the first `karyon run`. The first principal answers where none is named.")]
pub(crate) struct New {
    /// Its name: 1 to 64 of A-Z a-z 0-9 . _ -
    pub(crate) name: String,
    /// Let it answer from now on where no other is named
    #[arg(long)]
    pub(crate) default: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(
    after_help = "Examples:\n  karyon key show\n  karyon key show ada\n  karyon key show --node --json"
)]
pub(crate) struct Show {
    /// A principal's keys only
    #[arg(conflicts_with = "node")]
    pub(crate) name: Option<String>,
    /// The node's keys only
    #[arg(long)]
    pub(crate) node: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon key rotate --node
  karyon key rotate ada --destroy-old

The old pair goes to `retired`, with a statement, signed by the old key, that the new one follows.
Logs that the old node key began are resumed with it and verify as before. With --destroy-old its
secret is overwritten and removed, and they cannot be resumed any more; what an SSD or a backup
keeps of it is out of reach.")]
pub(crate) struct Rotate {
    /// The principal
    #[arg(required_unless_present = "node", conflicts_with = "node")]
    pub(crate) name: Option<String>,
    /// The node's key
    #[arg(long)]
    pub(crate) node: bool,
    /// Erase the old secret
    #[arg(long)]
    pub(crate) destroy_old: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon key export-public > node.pub
  karyon key export-public ada --out ada.pub")]
pub(crate) struct ExportPublic {
    /// The principal [default: the node]
    #[arg(conflicts_with = "node")]
    pub(crate) name: Option<String>,
    /// The node's key
    #[arg(long)]
    pub(crate) node: bool,
    /// A file to write, which must not be there yet [default: print it]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon key follow --from node.pub 9f2c….rotation

Exit code 0: the key that follows, and each step is signed by the key before it. 5: a statement is
not what its key signed, or a key has named two successors.")]
pub(crate) struct Follow {
    /// Statements of rotation, in any order: the files retired/KEY.rotation
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The key that you trust: 64 hexadecimal digits, or a file with them
    #[arg(long, value_name = "KEY")]
    pub(crate) from: String,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

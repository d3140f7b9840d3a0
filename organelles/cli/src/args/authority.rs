//! Arguments of the commands about authority.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

#[derive(Subcommand)]
pub(crate) enum Authority {
    /// Begin a directory in which grants, leases and effects are recorded
    New(NewAuthority),
    /// Show who may do what, what waits for an approval, and which effects are not settled
    Show(ShowAuthority),
    /// Allow something, as a principal, with a reason
    Grant(Grant),
    /// Make an agent
    Agent(MakeAgent),
    /// Give an agent a grant, or a part of it
    Lease(Lease),
    /// Give another agent a part of a lease, as the lease's owner
    Delegate(Delegate),
    /// Ask whether something may be done, as the lease's owner
    Ask(Ask),
    /// Do an effect that was admitted, once, by running a command
    Do(Do),
    /// Approve of exactly one proposal, as a principal
    Approve(Approve),
    /// Stop an agent, lease, grant, reason or principal until it is resumed
    Suspend(Suspend),
    /// End a suspension
    Resume(ResumeOrder),
    /// Stop an agent, lease, grant, reason or principal for good
    Revoke(Revoke),
}

impl Authority {
    /// Whether the answer is all that is wanted.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Authority::Show(_))
    }

    /// Whether the answer is for a machine.
    pub(crate) fn json(&self) -> bool {
        self.place().json
    }

    fn place(&self) -> &Place {
        match self {
            Authority::New(args) => &args.place,
            Authority::Show(args) => &args.place,
            Authority::Grant(args) => &args.place,
            Authority::Agent(args) => &args.place,
            Authority::Lease(args) => &args.place,
            Authority::Delegate(args) => &args.place,
            Authority::Ask(args) => &args.place,
            Authority::Do(args) => &args.place,
            Authority::Approve(args) => &args.place,
            Authority::Suspend(Suspend { order }) => &order.place,
            Authority::Resume(ResumeOrder { order }) => &order.place,
            Authority::Revoke(Revoke { order }) => &order.place,
        }
    }
}

/// Where, and for whom the answer is.
#[derive(ClapArgs)]
pub(crate) struct Place {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Print one JSON object, last
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  karyon authority new --data office")]
pub(crate) struct NewAuthority {
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon authority show --data office
  karyon authority show --data office --json
  karyon authority show --data from-ada --key ada-node.pub

Reads the log only: also while a command runs there, and in safe mode.")]
pub(crate) struct ShowAuthority {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The public key of the node that wrote the log [default: this machine's node key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon authority grant --terms terms.toml --reason \"pay the bills\" --data office

terms.toml:
  delegates = true
  expires = \"2027-12-31T00:00:00Z\"

  [[capability]]
  action = \"payment.transfer\"
  resource = \"bank/acme\"
  approval = true
  uses = 10
  constraints = [
    { field = \"amount\", maximum = 100000 },
    { field = \"amount\", budget = 250000 },
    { field = \"currency\", one_of = [\"EUR\"] },
  ]")]
pub(crate) struct Grant {
    /// What is allowed, as TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) terms: PathBuf,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The number of the reason that this one is a part of
    #[arg(long, value_name = "REASON")]
    pub(crate) under: Option<u64>,
    /// Who answers [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  karyon authority agent payer --data office")]
pub(crate) struct MakeAgent {
    /// Its name; no number, and no other agent's
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon authority lease --grant 1 --to payer --data office
  karyon authority lease --grant 1 --to payer --terms less.toml --data office")]
pub(crate) struct Lease {
    /// The number of the grant
    #[arg(long, value_name = "N")]
    pub(crate) grant: u64,
    /// The agent: its name or number
    #[arg(long, value_name = "AGENT")]
    pub(crate) to: String,
    /// What of it, as TOML [default: all of it]
    #[arg(long, value_name = "FILE")]
    pub(crate) terms: Option<PathBuf>,
    /// The number of the reason: the grant's, or one below it [default: the grant's]
    #[arg(long, value_name = "N")]
    pub(crate) reason: Option<u64>,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(ClapArgs)]
#[command(
    after_help = "Example:\n  karyon authority delegate --lease 1 --to helper --terms less.toml --data office"
)]
pub(crate) struct Delegate {
    /// The number of the lease; its owner speaks
    #[arg(long, value_name = "N")]
    pub(crate) lease: u64,
    /// The agent: its name or number
    #[arg(long, value_name = "AGENT")]
    pub(crate) to: String,
    /// What of it, as TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) terms: PathBuf,
    /// The number of the reason: the lease's, or one below it [default: the lease's]
    #[arg(long, value_name = "N")]
    pub(crate) reason: Option<u64>,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon authority ask --lease 1 --action payment.transfer --resource bank/acme --arg amount=82000 --data office
  karyon authority ask --lease 1 --action payment.transfer --resource bank/acme --arg amount=82000 --proposal 1 --data office -- ./pay.sh

With a command behind `--`, an effect that is admitted is done at once, as `karyon authority do`
does it. Exit code 3: denied, or somebody must approve first.")]
pub(crate) struct Ask {
    /// The number of the lease; its owner asks
    #[arg(long, value_name = "N")]
    pub(crate) lease: u64,
    /// What
    #[arg(long, value_name = "ACTION")]
    pub(crate) action: String,
    /// To what
    #[arg(long, value_name = "RESOURCE")]
    pub(crate) resource: String,
    /// An argument: a JSON number, true, false or null, otherwise a text; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) arg: Vec<String>,
    /// Arguments as one JSON object; whole numbers beyond 64 bits become floating-point
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// The number of the proposal that was approved
    #[arg(long, value_name = "N")]
    pub(crate) proposal: Option<u64>,
    /// How long it may take; then nobody knows its outcome
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = seconds())]
    pub(crate) within: u64,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Does it at once, if it is admitted
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:
  karyon authority do 1 --data office -- ./pay.sh

The command finds what it is to do in KARYON_ACTION, KARYON_RESOURCE, KARYON_ARGUMENTS (JSON) and
KARYON_EFFECT_KEY, the same for each attempt at this effect and for no other. Exit code 0 means
done, any other failed. Its output is passed on (with --json to standard error), and its hash goes
into the receipt.")]
pub(crate) struct Do {
    /// The number of the effect
    pub(crate) effect: u64,
    #[command(flatten)]
    pub(crate) place: Place,
    /// What does it
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon authority approve 1 --data office
  karyon authority approve 1 --principal grace --valid 600 --yes --data office

Shows who wants what on what, with every argument and the digest, and asks. Where nobody can be
asked, --yes is needed.")]
pub(crate) struct Approve {
    /// The number of the proposal
    pub(crate) proposal: u64,
    /// Who approves [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// How long the approval is valid
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = seconds())]
    pub(crate) valid: u64,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon authority suspend agent:payer --data office
  karyon authority suspend grant:1 --data office")]
pub(crate) struct Suspend {
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

#[derive(ClapArgs)]
#[command(after_help = "Example:\n  karyon authority resume agent:payer --data office")]
pub(crate) struct ResumeOrder {
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

#[derive(ClapArgs)]
#[command(after_help = "Examples:
  karyon authority revoke lease:2 --data office
  karyon authority revoke principal:ada --data office

Cannot be taken back.")]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

#[derive(ClapArgs)]
pub(crate) struct OrderArgs {
    /// agent:NAME, principal:NAME, or agent, lease, grant, reason, principal and a number: lease:2
    pub(crate) target: String,
    /// Who orders it [default: the principal that was made first]
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Seconds, up to a century: their milliseconds fit any clock.
fn seconds() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=3_155_760_000)
}

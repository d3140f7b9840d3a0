//! `karyon authority`: grants, leases, approvals, orders and effects in a data directory.
//!
//! Each command becomes the directory's node under the guardian, does one thing durably, and
//! closes it in good order. What a principal says is signed before, outside the node.

mod approve;
mod ask;
mod give;
mod order;
mod past;
mod perform;
mod refused;
mod show;
mod show_text;
mod statement;
mod terms;
mod values;

use std::path::Path;
use std::sync::Arc;

use karyon_broker::{Broker, Settings};
use karyon_colony::life::VERSION;
use karyon_identity::SecretKey;
use karyon_keys::KeyDirectory;
use karyon_log::Verb;
use karyon_runtime::wall_ms;
use karyon_statements::Checkpoint;

use crate::args::Authority;
use crate::error::{CliError, Code};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::{Inputs, Said};
use crate::keys;

pub(crate) fn execute(args: &Authority) -> Result<Code, CliError> {
    match args {
        Authority::New(args) => give::new(args),
        Authority::Show(args) => show::execute(args),
        Authority::Grant(args) => give::grant(args),
        Authority::Agent(args) => give::agent(args),
        Authority::Lease(args) => give::lease(args),
        Authority::Delegate(args) => give::delegate(args),
        Authority::Ask(args) => ask::execute(args),
        Authority::Do(args) => perform::execute(args),
        Authority::Approve(args) => approve::execute(args),
        Authority::Suspend(args) => order::execute(Verb::Suspend, &args.order),
        Authority::Resume(args) => order::execute(Verb::Resume, &args.order),
        Authority::Revoke(args) => order::execute(Verb::Revoke, &args.order),
    }
}

/// A directory that this process is the node of.
struct Opened {
    broker: Broker,
    key: Arc<SecretKey>,
}

/// A broker of this machine: its log must extend what is known of it.
fn settings(key: &Arc<SecretKey>, known: Vec<Checkpoint>) -> Settings {
    Settings {
        key: Arc::clone(key),
        adapters: Vec::new(),
        karyon: VERSION.into(),
        clock: Box::new(wall_ms),
        known,
        // The guardian keeps the checkpoints.
        witness: None,
    }
}

/// Becomes the node of a directory that is there. Returns only when that fails.
fn become_the_node(data: &Path, said: Said, inputs: &Inputs) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let key = keys::of_log(&keys, data)?;
    let launch = Launch { data, key, said, signers: None, tighten: Vec::new(), inputs };
    launch.start(&keys).map(|never| match never {})
}

/// Whether a node may start in `data`, which holds a log.
fn permit(data: &Path) -> Result<(), CliError> {
    guarded::permit_existing(data).map_err(|error| match data.is_dir() {
        true => error,
        false => {
            error.with_hint(format!("`karyon authority new --data {}` makes one", data.display()))
        }
    })
}

/// Opens the directory, does one thing, and closes it in good order, also when that was refused.
fn with<T>(
    node: &Arrived,
    act: impl FnOnce(&Opened) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let key = Arc::clone(&node.key);
    let broker = Broker::open(node.dir()?, settings(&key, node.known.clone()));
    let opened = Opened { broker: broker.map_err(refused::error)?, key };
    let outcome = act(&opened);
    let closed = opened.broker.close().map_err(refused::error);
    let done = outcome?;
    closed?;
    Ok(done)
}

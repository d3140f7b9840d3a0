//! `karyon authority`: grants, leases, approvals, orders and effects in a data directory.
//!
//! Each command opens the directory, does one thing durably, and closes it in good order. What
//! a principal says is signed first, by a process that then becomes the node.

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
use karyon_identity::{Checkpoint, SecretKey};
use karyon_keys::KeyDirectory;
use karyon_log::Verb;
use karyon_runtime::{DataDir, wall_ms};

use crate::args::Authority;
use crate::error::{CliError, Code};
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

/// Opens a directory as its node.
fn open(data: &Path) -> Result<Opened, CliError> {
    let directory = KeyDirectory::from_environment()?;
    let key = Arc::new(keys::of_log(&directory, data)?);
    let dir = DataDir::open(data)?;
    let known = keys::known_of(&directory, data)?;
    let broker = Broker::open(dir, settings(&directory, &key, known)?);
    Ok(Opened { broker: broker.map_err(refused::error)?, key })
}

/// A broker of this machine: its log must extend what is known of it, and its checkpoints are kept
/// beside the keys.
fn settings(
    directory: &KeyDirectory,
    key: &Arc<SecretKey>,
    known: Vec<Checkpoint>,
) -> Result<Settings, CliError> {
    let checkpoints = directory.checkpoints();
    checkpoints.create()?;
    Ok(Settings {
        key: Arc::clone(key),
        adapters: Vec::new(),
        karyon: VERSION.into(),
        clock: Box::new(wall_ms),
        known,
        witness: Some(checkpoints.folder().to_path_buf()),
    })
}

/// Opens a directory, does one thing, and closes it in good order, also when that was refused.
fn with<T>(data: &Path, act: impl FnOnce(&Opened) -> Result<T, CliError>) -> Result<T, CliError> {
    let opened = open(data)?;
    let outcome = act(&opened);
    let closed = opened.broker.close().map_err(refused::error);
    let done = outcome?;
    closed?;
    Ok(done)
}

//! One file a command.

mod audit;
mod authority;
mod bench;
mod check;
mod diff;
mod engram;
mod export;
mod fork;
mod halt;
mod import;
mod init;
mod inspect;
mod key;
mod kill;
mod memory;
pub(crate) mod model;
mod new;
mod pause;
mod plot;
mod ps;
mod replay;
mod restart;
mod resume;
mod run;
mod safety;
mod summary;
pub(crate) mod sweep;
mod tree;
mod why;

use std::path::Path;

use karyon_colony::life;
use karyon_log::Genesis;

use crate::args::{Args, Command};
use crate::error::{CliError, Code};

/// Does what was asked for.
pub(crate) fn dispatch(args: Args) -> Result<Code, CliError> {
    match args.command {
        Command::Init(args) => init::execute(&args),
        Command::Key(args) => key::execute(&args),
        Command::New(args) => new::execute(&args),
        Command::Check(args) => check::execute(&args),
        Command::Run(args) => run::execute(&args),
        Command::Resume(args) => resume::execute(&args),
        Command::Replay(args) => replay::execute(&args),
        Command::Ps(args) => ps::execute(&args),
        Command::Tree(args) => tree::execute(&args),
        Command::Inspect(args) => inspect::execute(&args),
        Command::Pause(args) => pause::execute(&args),
        Command::Kill(args) => kill::execute(&args),
        Command::Restart(args) => restart::execute(&args),
        Command::Fork(args) => fork::execute(&args),
        Command::Memory(args) => guarded(|| memory::execute(&args)),
        Command::Why(args) => guarded(|| why::execute(&args)),
        Command::Engram(args) => engram::execute(&args),
        Command::Export(args) => guarded(|| export::execute(&args)),
        Command::Import(args) => guarded(|| import::execute(&args)),
        Command::Audit(args) => audit::execute(&args),
        Command::Authority(args) => authority::execute(&args),
        Command::Safety(args) => safety::execute(&args),
        Command::Sweep(args) => sweep::execute(&args),
        Command::Plot(args) => plot::execute(&args),
        Command::Diff(args) => diff::execute(&args),
        Command::Bench(args) => bench::execute(&args),
        Command::Halt(args) => halt::execute(&args),
    }
}

/// A run that a program of its own began is repeated by that program alone: whatever else is the
/// matter with its directory, this is told first.
fn refuse_of_another_program(data: &Path) -> Result<(), CliError> {
    let Some(genesis) = life::genesis_of(data).filter(is_of_another_program) else {
        return Ok(());
    };
    let kinds: Vec<_> = genesis.kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    Err(CliError::failure(format!(
        "{} holds the run of a program of its own (agents of {})",
        data.display(),
        kinds.join(", ")
    ))
    .with_hint(
        "only that program has these agents: it goes on by `Run::resume` and repeats by \
         `Run::replay`; karyon audit, memory and why read the directory as any other",
    ))
}

/// Refuses to record memories in a directory of `karyon authority`, which goes on for ever: they need
/// one of their own.
fn refuse_authority(data: &Path) -> Result<(), CliError> {
    let genesis = life::genesis_of(data);
    if genesis.is_none_or(|genesis| genesis.scenario_name != karyon_broker::KIND.0) {
        return Ok(());
    }
    Err(CliError::failure(format!(
        "{} is an authority directory: grants, leases and approvals, and no memories",
        data.display()
    ))
    .with_hint("name another --data for memories, new or used for them; both go on side by side"))
}

/// Refuses to write a file into a data directory that is to be carried out of it: who copies the
/// directory would have it with it, and who records there would find what is none of its own.
fn refuse_inside(out: &Path, data: &Path) -> Result<(), CliError> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let real = |folder: &Path| folder.canonicalize().ok();
    match (real(folder.unwrap_or(Path::new("."))), real(data)) {
        (Some(folder), Some(inside)) if folder.starts_with(&inside) => {
            let (out, data) = (out.display(), data.display());
            Err(CliError::failure(format!("{out} would lie inside of the data directory {data}"))
                .with_hint("name another --out, outside of it"))
        }
        // What is not there lies nowhere, and is met when it is opened.
        _ => Ok(()),
    }
}

fn is_of_another_program(genesis: &Genesis) -> bool {
    let is_broker = genesis.kinds.iter().any(|(kind, _)| kind == karyon_broker::KIND.0);
    !genesis.kinds.is_empty()
        && !is_broker
        && !life::is_of_colony(genesis)
        && !model::is_model(genesis)
}

/// Runs a command that reads the memory's file. The database under it does not check its bytes,
/// and a damaged page can make it panic: that is damage, to be told like any other.
fn guarded(command: impl FnOnce() -> Result<Code, CliError>) -> Result<Code, CliError> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(command));
    std::panic::set_hook(hook);
    outcome.unwrap_or_else(|thrown| {
        let words = thrown.downcast_ref::<String>().map(String::as_str);
        let words = words.or(thrown.downcast_ref::<&str>().copied()).unwrap_or("no words");
        Err(CliError::failure(format!(
            "the memory cannot be read, its file may be damaged: {words}"
        ))
        .with_hint("`karyon memory rebuild --data DIR` builds it anew from the log"))
    })
}

//! One file a command.

mod audit;
mod authority;
mod engram;
mod fork;
mod halt;
mod init;
mod inspect;
mod key;
mod kill;
mod memory;
mod pause;
mod ps;
mod replay;
mod restart;
mod resume;
mod run;
mod safety;
mod summary;
mod tree;
mod why;

use crate::args::{Args, Command};
use crate::error::{CliError, Code};

/// Does what was asked for.
pub(crate) fn dispatch(args: Args) -> Result<Code, CliError> {
    match args.command {
        Command::Init(args) => init::execute(&args),
        Command::Key(args) => key::execute(&args),
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
        Command::Audit(args) => audit::execute(&args),
        Command::Authority(args) => authority::execute(&args),
        Command::Safety(args) => safety::execute(&args),
        Command::Halt(args) => halt::execute(&args),
    }
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

//! One file a command.

mod audit_verify;
mod engram;
mod init;
mod memory;
mod resume;
mod run;
mod safety;
mod summary;
mod why;

use crate::args::{Args, Audit, Command, Safety};
use crate::error::{CliError, Code};

/// Does what was asked for.
pub(crate) fn dispatch(args: Args) -> Result<Code, CliError> {
    match args.command {
        Command::Init(args) => init::execute(&args),
        Command::Run(args) => run::execute(&args),
        Command::Resume(args) => resume::execute(&args),
        Command::Memory(args) => memory::execute(&args),
        Command::Why(args) => why::execute(&args),
        Command::Engram(args) => engram::execute(&args),
        Command::Audit(Audit::Verify(args)) => audit_verify::execute(&args),
        Command::Safety(Safety::Status(args)) => safety::status(&args),
        Command::Safety(Safety::Resume(args)) => safety::resume(&args),
    }
}

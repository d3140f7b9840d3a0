//! `karyon memory`: what is known, as of any moment.

mod ask;
pub(crate) mod change;
mod diff;
pub(crate) mod forget;
pub(crate) mod memo;
mod narrow;
mod plot;
mod rebuild;
mod recall;
pub(crate) mod secrets;
pub(crate) mod show;
mod walk;

use change::Deed;

use crate::args::Memory;
use crate::error::{CliError, Code};

pub(crate) use recall::failed as recall_failed;

pub(crate) use ask::{all_names, moment, named, open, unknown};

/// Does what was asked for.
pub(crate) fn execute(args: &Memory) -> Result<Code, CliError> {
    match args {
        Memory::Get(args) => ask::get(args),
        Memory::History(args) => ask::history(args),
        Memory::Neighbours(args) => ask::neighbours(args),
        Memory::Khop(args) => walk::khop(args),
        Memory::Paths(args) => walk::paths(args),
        Memory::Diff(args) => diff::execute(args),
        Memory::Count(args) => ask::count(args),
        Memory::List(args) => ask::list(args),
        Memory::Plot(args) => plot::execute(args),
        Memory::Rebuild(args) => rebuild::execute(args),
        Memory::Remember(args) => change::execute(Deed::Remember(&args.telling)),
        Memory::Supersede(args) => change::execute(Deed::Supersede(&args.telling)),
        Memory::Recall(args) => recall::execute(args),
        Memory::Brief(args) => recall::briefing(args),
        Memory::Forget(args) => change::execute(Deed::Forget(args)),
        Memory::Expire(args) => change::execute(Deed::Expire(args)),
    }
}

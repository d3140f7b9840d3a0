//! `karyon kill`: an agent ends, and its supervisor decides what follows.

use crate::args::Kill;
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &Kill) -> Result<Code, CliError> {
    let aim = &args.aim;
    asking::order(&aim.under.data, &aim.agent, aim.under.json, Verb::Kill)
}

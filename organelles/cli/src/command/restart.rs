//! `karyon restart`: an agent ends and begins anew.

use crate::args::RestartAgent;
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &RestartAgent) -> Result<Code, CliError> {
    let aim = &args.aim;
    asking::order(&aim.under.data, &aim.agent, aim.under.json, Verb::Restart)
}

//! `karyon pause`: what an agent is sent waits.

use crate::args::Pause;
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &Pause) -> Result<Code, CliError> {
    let aim = &args.aim;
    asking::order(&aim.under.data, &aim.agent, aim.under.json, Verb::Pause)
}

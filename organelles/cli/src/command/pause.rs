//! `karyon pause`: what an agent is sent waits.

use crate::args::Pause;
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &Pause) -> Result<Code, CliError> {
    let aim = &args.aim;
    asking::order(&aim.data, &aim.agent, aim.json, Verb::Pause)
}

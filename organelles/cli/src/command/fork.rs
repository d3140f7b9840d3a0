//! `karyon fork`: a second agent begins with the state of one.

use crate::args::Fork;
use crate::asking::{self, Verb};
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &Fork) -> Result<Code, CliError> {
    let aim = &args.aim;
    asking::order(&aim.under.data, &aim.agent, aim.under.json, Verb::Fork)
}

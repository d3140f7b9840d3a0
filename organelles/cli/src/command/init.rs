//! `karyon init`: makes a principal, as `karyon key new` does.

use super::key;
use crate::args::Init;
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &Init) -> Result<Code, CliError> {
    key::make(&args.principal, false, args.json)
}

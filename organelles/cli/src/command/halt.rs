//! `karyon halt`: ends whatever runs in a directory, until a person resumes.

use karyon_keys::KeyError;
use karyon_safe_mode::{HaltError, Halted, halt};
use serde_json::json;

use crate::args::Halt;
use crate::error::{CliError, Code};
use crate::output;

pub(crate) fn execute(args: &Halt) -> Result<Code, CliError> {
    // Nothing is read but this: a halt rests on no limit, no key and no log.
    let config = karyon_safety::config_home().ok_or(KeyError::NoDirectory)?;
    let data = args.data.as_path();
    if args.reason.contains(['\n', '\r']) {
        return Err(CliError::failure("the reason has several lines; expected one"));
    }
    let halted = halt(data, &config, &args.reason).map_err(|error| {
        let hint = match &error {
            HaltError::Reason | HaltError::NoData(_) => None,
            HaltError::OutOfReach(_) | HaltError::NotProved | HaltError::NotWritten(_) => {
                Some(format!(
                    "touch {} keeps everything from starting meanwhile",
                    data.join("safety").join("STOP").display()
                ))
            }
        };
        CliError { code: Code::Failure, message: error.to_string(), hint }
    })?;
    let (word, words) = match halted {
        Halted::ByGuardian => ("by_guardian", "the guardian ended everything"),
        Halted::ByForce => (
            "by_force",
            "the guardian did not answer: it was killed, and everything below it with it",
        ),
        Halted::Idle => ("idle", "nothing ran"),
    };
    match args.json {
        true => output::json(&json!({ "halted": word, "reason": args.reason, "data": args.data })),
        false => output::line(&format!(
            "halted: {words}; nothing starts any more. To go on: karyon safety resume --reason \
             \"…\" --data {}",
            data.display()
        )),
    }
    Ok(Code::Ok)
}

//! `karyon key follow`: from a key that is trusted to the one that is used now.

use std::path::Path;

use karyon_keys::{Rotation, follow};
use karyon_log::read_regular;
use serde_json::json;

use crate::args::Follow;
use crate::error::{CliError, Code};
use crate::{keys, output};

/// The longest statement, bytes: a few short lines.
const STATEMENT_BYTES_MAX: u64 = 1024;

pub(crate) fn execute(args: &Follow) -> Result<Code, CliError> {
    let from = keys::public_key("--from", &args.from)?;
    let rotations = args.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let (key, steps) = follow(from, &rotations).map_err(|error| refuted(error.to_string()))?;
    if args.json {
        output::json(&json!({
            "from": from.to_string(),
            "key": key.to_string(),
            "steps": steps,
        }));
    } else if steps == 0 {
        output::line(&format!("{key}\nnone of the statements is of this key: it is not followed"));
    } else {
        output::line(&format!("{key}\nfollows {from} by {steps} signed rotations"));
    }
    Ok(Code::Ok)
}

fn read(file: &Path) -> Result<Rotation, CliError> {
    let name = file.display();
    let bytes = read_regular(file, STATEMENT_BYTES_MAX)
        .map_err(|error| CliError::failure(format!("{name}: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| refuted(format!("{name}: it is no text")))?;
    Rotation::parse_and_verify(&text).map_err(|error| refuted(format!("{name}: {error}")))
}

fn refuted(message: String) -> CliError {
    CliError { code: Code::VerificationFailed, message, hint: None }
}

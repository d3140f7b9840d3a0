//! `karyon safety resume`: a person ends safe mode.

use std::path::Path;

use karyon_colony::life;
use karyon_log::read_regular;
use karyon_runtime::{DataDir, datadir, wall_ms};
use karyon_safe_mode::{HumanResume, ResumeRequest};
use karyon_safety::hex;
use serde_json::json;

use super::{least_n, refused};
use crate::args::SafetyResume;
use crate::command::is_of_another_program;
use crate::error::{CliError, Code};
use crate::{guarded, keys, output};

/// The longest signed statement, bytes: a reason of 1,000 bytes, spelled out, and some lines.
const STATEMENT_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn execute(args: &SafetyResume) -> Result<Code, CliError> {
    let signature = args.signature.as_deref().map(statement).transpose()?;
    let resumed = end_safe_mode(&args.data, &args.reason, signature.as_deref())?;
    let signed_by = resumed.signed_by.map(|key| hex(&key));
    if args.json {
        output::json(&json!({
            "n": resumed.n,
            "before": resumed.before,
            "reason": resumed.reason,
            "signed_by": signed_by,
        }));
    } else {
        output::line(&format!(
            "safe mode ended (was: {}), {}; {}",
            resumed.before,
            match signed_by {
                Some(key) => format!("signed by {key}"),
                None => "unsigned (degraded)".into(),
            },
            next(&args.data)
        ));
    }
    Ok(Code::Ok)
}

/// What can be done in a directory now: that depends on what began there.
fn next(data: &Path) -> String {
    let shown = data.display();
    let genesis = life::genesis_of(data);
    if genesis.as_ref().is_some_and(is_of_another_program) {
        return "go on with the program that began it (`Run::resume`)".into();
    }
    match genesis.map(|genesis| genesis.kinds).as_deref() {
        Some([]) => format!(
            "it holds what was imported and no run: `karyon memory …` and `karyon engram import …`, \
             each with --data {shown}"
        ),
        Some(kinds) if kinds.iter().any(|(kind, _)| kind == karyon_broker::KIND.0) => format!(
            "it holds authority and no run: every `karyon authority …` acts again; `karyon \
             authority show --data {shown}` tells what is in force"
        ),
        Some(_) => format!("go on with `karyon resume --data {shown}`"),
        None if datadir::log_folder(data).is_dir() => format!(
            "its log begins with nothing that can be read: `karyon audit verify --data {shown}`"
        ),
        None => format!("nothing ran in it yet: `karyon run … --data {shown}`"),
    }
}

fn statement(file: &Path) -> Result<String, CliError> {
    let text = read_regular(file, STATEMENT_BYTES_MAX).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8 text"))
    });
    text.map_err(|error| {
        CliError::failure(format!("the signature {}: {error}", file.display()))
            .with_hint("`karyon safety sign` makes one")
    })
}

/// Ends safe mode while nothing runs.
pub(crate) fn end_safe_mode(
    data: &Path,
    reason: &str,
    signature: Option<&str>,
) -> Result<HumanResume, CliError> {
    let _nothing_runs = DataDir::open(data)?;
    let (config, limits) = guarded::configured()?;
    let request = ResumeRequest {
        data,
        config: &config,
        log: keys::log_id(data),
        reason,
        unix_ms: wall_ms(),
        least_n: least_n(data),
        signature,
        limits: &limits,
    };
    karyon_safe_mode::resume(request).map_err(|error| refused(&error))
}

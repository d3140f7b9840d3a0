//! `karyon safety`: whether a start is permitted, and a person's word that it is again.

use std::path::Path;

use karyon_runtime::{DataDir, unix_seconds};
use karyon_safety::{HumanResume, ResumeError, ResumeRequest, StopFile};
use serde_json::json;

use crate::args::{SafetyResume, Status};
use crate::error::{CliError, Code, words};
use crate::output;

/// `karyon safety status`.
pub(crate) fn status(args: &Status) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    let stop = StopFile::watch(data).map_or(true, |stop| stop.is_present());
    let found = karyon_safety::read(data);
    let permitted = karyon_safety::permit_start(&found);
    let running = DataDir::is_in_use(data).unwrap_or(false);
    if args.json {
        output::json(&json!({
            "marker": found.to_string(),
            "stop_present": stop,
            "running": running,
            "start_permitted": permitted.is_ok() && !stop && !running,
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!("marker   {found}"));
    output::line(&format!("STOP     {}", if stop { "present" } else { "absent" }));
    output::line(&format!("running  {}", if running { "yes, now" } else { "no" }));
    match permitted {
        Err(mode) if !running => output::line(&mode.message(data)),
        _ => {}
    }
    Ok(Code::Ok)
}

/// `karyon safety resume`.
pub(crate) fn resume(args: &SafetyResume) -> Result<Code, CliError> {
    let resumed = end_safe_mode(&args.data, &args.reason)?;
    if args.json {
        output::json(&json!({
            "n": resumed.n,
            "before": resumed.before,
            "reason": resumed.reason,
        }));
    } else {
        output::line(&format!(
            "safe mode ended (was: {}); go on with `karyon resume --data {}`",
            resumed.before,
            args.data.display()
        ));
    }
    Ok(Code::Ok)
}

/// Ends safe mode while nothing runs.
pub(crate) fn end_safe_mode(data: &Path, reason: &str) -> Result<HumanResume, CliError> {
    let _nothing_runs = DataDir::open(data)?;
    let request = ResumeRequest { reason, unix_seconds: unix_seconds(), least_n: 0 };
    karyon_safety::resume(data, request).map_err(|error| {
        let code = match &error {
            ResumeError::Stop { .. } => Code::Halted,
            _ => Code::Failure,
        };
        CliError { code, message: words(&error), hint: None }
    })
}

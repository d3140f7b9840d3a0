//! `karyon safety`: whether a start is permitted, and a person's word that it is again.

use std::path::Path;

use karyon_keys::KeyError;
use karyon_log::Control;
use karyon_runtime::{DataDir, datadir, unix_seconds};
use karyon_safety::{Found, HumanResume, Limits, ResumeError, ResumeRequest, StopFile};
use karyon_verify::{Trust, verify};
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
    let running = DataDir::is_in_use(data);
    if args.json {
        output::json(&json!({
            "marker": found.to_string(),
            "stop_present": stop,
            "running": running,
            "start_permitted": permitted.is_ok() && !stop && running == Some(false),
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!("marker   {found}"));
    output::line(&format!("STOP     {}", if stop { "present" } else { "absent" }));
    let now = match running {
        Some(true) => "yes, now",
        Some(false) => "no",
        None => "unknown: the system does not tell",
    };
    output::line(&format!("running  {now}"));
    if let (Err(mode), Some(false) | None) = (permitted, running) {
        output::line(&mode.message(data));
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
    let config = karyon_safety::config_home().ok_or(KeyError::NoDirectory)?;
    let limits = Limits::load(&config).map_err(|error| CliError::failure(error.to_string()))?;
    let request = ResumeRequest {
        data,
        config: &config,
        log: [0; 16],
        reason,
        unix_seconds: unix_seconds(),
        least_n: least_n(data),
        signature: None,
        limits: &limits,
    };
    karyon_safety::resume(request).map_err(|error| {
        let code = match &error {
            ResumeError::Stop { .. } => Code::Halted,
            _ => Code::Failure,
        };
        CliError { code, message: words(&error), hint: None }
    })
}

/// Below what the number of the next marker must not fall. A marker that can be read knows its
/// own; for one that is gone the log tells, if it verifies.
fn least_n(data: &Path) -> u64 {
    match karyon_safety::read(data) {
        Found::Marker(_) => 0,
        Found::Missing | Found::Broken { .. } => {
            let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
            verify(&log, &checkpoint, &datadir::inputs(data), &Trust::default()).map_or(
                0,
                |report| {
                    let numbers = report.controls.iter().map(|control| match control {
                        Control::Resume(resume) => resume.n,
                        Control::Boot(boot) => u64::from(boot.boot),
                        _ => 0,
                    });
                    numbers.max().unwrap_or(0)
                },
            )
        }
    }
}

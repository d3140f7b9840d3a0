//! `karyon audit export`: the whole log as text.

use std::io::{BufWriter, Write};
use std::path::Path;

use karyon_audit::{ExportError, Exported, Manner, export};
use serde_json::json;

use super::{Log, create_new, half_written};
use crate::args::ExportLog;
use crate::error::{CliError, Code, words};
use crate::output::{self, size, thousands};

/// What is written at once, bytes.
const BUFFER_BYTES: usize = 1 << 20;

pub(crate) fn execute(args: &ExportLog) -> Result<Code, CliError> {
    let log = Log::in_data(&args.data)?;
    let key = if args.bare { None } else { log.own_key()? };
    let manner = match &key {
        Some(key) => Manner::Signed(key),
        None if args.bare => Manner::Bare(log.kept.as_deref()),
        None => {
            let what = format!(
                "this machine does not have the key {} that signed the log, and cannot vouch \
                 for an export of it",
                log.node_key
            );
            return Err(CliError::failure(what).with_hint(
                "--bare exports without views and signed lists; damage is then named by block",
            ));
        }
    };
    let to_stdout = args.out == Path::new("-");
    let done = if to_stdout {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
        match export(&log.folder, &manner, &mut out) {
            // Whoever reads has seen enough.
            Err(ExportError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Ok(Code::Ok);
            }
            other => other?,
        }
    } else {
        let file = create_new(&args.out)?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let done = export(&log.folder, &manner, &mut out).map_err(|error| {
            let failed = half_written(&args.out, &words(&error));
            CliError { hint: failed.hint, ..CliError::from(error) }
        })?;
        let synced = out.flush().and_then(|()| out.get_ref().sync_all());
        synced.map_err(|error| half_written(&args.out, &error.to_string()))?;
        done
    };
    tell(args, &done, to_stdout);
    Ok(Code::Ok)
}

fn tell(args: &ExportLog, done: &Exported, to_stdout: bool) {
    let words = if args.json {
        json!({
            "out": args.out,
            "log_id": done.log.to_string(),
            "bare": args.bare,
            "records": done.records,
            "blocks": done.blocks,
            "commits": done.commits,
            "bytes": done.bytes,
        })
        .to_string()
    } else {
        format!(
            "{} records in {} blocks and {} commits, {}",
            thousands(done.records),
            thousands(done.blocks),
            thousands(done.commits),
            size(done.bytes)
        )
    };
    // Standard output is the export.
    if to_stdout { output::note(&words) } else { output::line(&words) }
}

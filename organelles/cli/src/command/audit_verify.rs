//! `karyon audit verify`: whether a run's log is what was written.

use std::io::ErrorKind;
use std::path::Path;

use karyon_identity::{KeyDirectory, KeyError, PublicKey};
use karyon_log::{KeyStatus, Report, Trust, VerifyError, read_regular, verify};
use karyon_runtime::datadir;
use serde_json::json;

use crate::args::Verify;
use crate::error::{CliError, Code};
use crate::output::{self, hex, size, thousands};

/// The longest public key file, bytes: one short line.
const KEY_FILE_BYTES_MAX: u64 = 4096;

pub(crate) fn execute(args: &Verify) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    let trust = Trust { node_key: trusted(args)? };
    let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
    let report = match verify(&log, &checkpoint, &datadir::inputs(data), &trust) {
        Err(VerifyError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
            return Err(CliError::failure(format!("nothing was recorded in {}", data.display())));
        }
        other => other?,
    };
    if args.json {
        output::json(&as_json(&report));
    } else {
        show(&report);
    }
    Ok(Code::Ok)
}

/// The key of the node that is to have signed: given, or this machine's.
fn trusted(args: &Verify) -> Result<Option<PublicKey>, CliError> {
    match &args.key {
        Some(given) => {
            let wrong = || {
                CliError::failure(
                    "--key: expected 64 hexadecimal digits, or a public key file such as node.pub",
                )
            };
            if let Some(key) = PublicKey::from_hex(given) {
                return Ok(Some(key));
            }
            let bytes = read_regular(Path::new(given), KEY_FILE_BYTES_MAX).map_err(|error| {
                CliError::failure(format!("--key {given}: {error}"))
                    .with_hint("give 64 hexadecimal digits, or a public key file such as node.pub")
            })?;
            let text = String::from_utf8(bytes).map_err(|_| wrong())?;
            // Nothing of the file is shown: it might be the secret key.
            let hex = match text.split_whitespace().collect::<Vec<_>>()[..] {
                ["karyon-public-key-v1", hex] | [hex] => hex,
                _ => return Err(wrong()),
            };
            PublicKey::from_hex(hex).map(Some).ok_or_else(wrong)
        }
        None => match KeyDirectory::from_environment().and_then(|k| k.load_node_public_key()) {
            Ok(key) => Ok(Some(key)),
            Err(KeyError::Missing { .. } | KeyError::NoDirectory) => Ok(None),
            Err(error) => Err(error.into()),
        },
    }
}

fn state(report: &Report) -> &'static str {
    match (report.seal(), report.checkpoint) {
        (Some(_), _) => "sealed",
        (None, Some(size)) if size == report.end.tree.size() => "interrupted",
        (None, _) => "unsealed",
    }
}

fn as_json(report: &Report) -> serde_json::Value {
    json!({
        "verified": true,
        "log_id": report.log.to_string(),
        "state": state(report),
        "records": report.end.records,
        "blocks": report.end.tree.size(),
        "commits": report.end.commits,
        "log_bytes": report.bytes,
        "tail_bytes": report.end.tail_bytes,
        "root": hex(&report.end.tree.root()),
        "state_root": report.seal().map(|seal| hex(&seal.state_root)),
        "checkpoint": report.checkpoint,
        "node_key": report.node_key.to_string(),
        "key": match report.key {
            KeyStatus::Trusted => "trusted",
            KeyStatus::Unknown => "unknown",
        },
    })
}

fn show(report: &Report) {
    let end = &report.end;
    let word = match report.key {
        KeyStatus::Trusted => "verified  ",
        KeyStatus::Unknown => "consistent",
    };
    output::line(&format!(
        "{word}  {} records in {} blocks and {} commits, {}",
        thousands(end.records),
        thousands(end.tree.size()),
        thousands(end.commits),
        size(report.bytes)
    ));
    output::line(&format!("root        {}", hex(&end.tree.root())));
    if let Some(seal) = report.seal() {
        output::line(&format!("state root  {}", hex(&seal.state_root)));
    }
    output::line(&match report.key {
        KeyStatus::Trusted => format!("signed by   {} (trusted)", report.node_key),
        KeyStatus::Unknown => format!(
            "signed by   {} (key unknown: the log brought it along, so it proves nothing about \
             who wrote it; give the node's with --key)",
            report.node_key
        ),
    });
    if report.seal().is_some() && report.checkpoint.is_none() {
        output::line(
            "checkpoint  missing: whoever removed it could also have changed the last commit",
        );
    }
    match state(report) {
        "sealed" => {}
        "interrupted" => output::line("not sealed  the run was interrupted and can be resumed"),
        _ => output::line("not sealed  the run has not ended, or was killed"),
    }
    if end.tail_bytes > 0 {
        output::line(&format!(
            "tail        {} bytes behind the last commit were never committed",
            thousands(end.tail_bytes)
        ));
    }
}

//! `karyon audit verify`: whether a run's log is what was written.

use karyon_log::Control;
use karyon_verify::{KeyStatus, Report};
use serde_json::json;

use crate::args::Verify;
use crate::error::{CliError, Code};
use crate::keys;
use crate::output::{self, hex, size, thousands};

pub(crate) fn execute(args: &Verify) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    let trusted = keys::trusted(args.key.as_deref(), data)?;
    let report = trusted.verify(data)?;
    if args.json {
        output::json(&as_json(&report, trusted.retired));
    } else {
        show(&report, trusted.retired);
    }
    Ok(Code::Ok)
}

fn state(report: &Report) -> &'static str {
    match (report.end.sealed, report.controls.last()) {
        (true, _) => "sealed",
        (false, Some(Control::Interrupted(_))) => "interrupted",
        (false, _) => "unsealed",
    }
}

fn as_json(report: &Report, retired: bool) -> serde_json::Value {
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
        "imports": report.imports().count(),
        "boots": report.boots(),
        "unguarded": report.unguarded_boots(),
        "checkpoint": report.checkpoint,
        "node_key": report.node_key.to_string(),
        "key": match report.key {
            KeyStatus::Trusted if retired => "retired",
            KeyStatus::Trusted => "trusted",
            KeyStatus::Unknown => "unknown",
        },
    })
}

fn show(report: &Report, retired: bool) {
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
    for import in report.imports() {
        output::line(&format!("imported    an engram of log {}", hex(&import.origin)));
    }
    output::line(&match report.key {
        KeyStatus::Trusted if retired => format!(
            "signed by   {} (trusted: a former key of this machine's node, retired)",
            report.node_key
        ),
        KeyStatus::Trusted => format!("signed by   {} (trusted)", report.node_key),
        KeyStatus::Unknown => format!(
            "signed by   {} (key unknown: the log brought it along, so it proves nothing about \
             who wrote it; give the node's with --key)",
            report.node_key
        ),
    });
    if report.unguarded_boots() > 0 {
        let (unguarded, boots) = (report.unguarded_boots(), report.boots());
        output::line(&format!("unguarded   {unguarded} of {boots} starts"));
    }
    if end.sealed && report.checkpoint.is_none() {
        output::line(
            "checkpoint  missing: whoever removed it could also have changed the last commit",
        );
    }
    match state(report) {
        "sealed" => {}
        "interrupted" => output::line("not sealed  it ended in good order and can go on"),
        _ => output::line("not sealed  the run has not ended, or was killed"),
    }
    if end.tail_bytes > 0 {
        output::line(&format!(
            "tail        {} bytes behind the last commit were never committed",
            thousands(end.tail_bytes)
        ));
    }
}

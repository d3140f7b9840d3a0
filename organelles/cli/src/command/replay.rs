//! `karyon replay`: repeats a run and compares it with its log.

use std::path::Path;
use std::sync::Arc;

use karyon_colony::life::Settings;
use karyon_colony::life::replay::{self, Confirmed, Diverged, Verdict};
use karyon_runtime::Progress;
use karyon_types::Position;
use karyon_verify::{KeyStatus, Report, Trust};
use serde_json::json;

use super::summary;
use crate::args::Replay;
use crate::error::{CliError, Code, words};
use crate::output::safe_json;
use crate::output::{self, plain, put, thousands};
use crate::{divergence, guarded, keys, progress};

/// No signal is listened to: there is nothing to be ended in good order, and a step that never
/// ends would never hear of it.
pub(crate) fn execute(args: &Replay) -> Result<Code, CliError> {
    let data = args.data.as_path();
    super::refuse_of_another_program(data)?;
    guarded::permit_replay(data)?;
    if let Some(asked) = super::model::recorded(data)? {
        return super::model::replay(args, &asked);
    }
    let trusted = keys::trusted(args.key.as_deref(), data)?;
    let trust = Trust { node_key: trusted.key, known: trusted.known };
    let opened = replay::open(data, &trust, args.until.map(Position))?;
    opened.notes.iter().for_each(|note| output::note(&format!("note: {note}")));
    let report = opened.report.clone();
    let settings = Settings {
        schedulers: summary::schedulers(args.schedulers),
        progress: Arc::new(Progress::default()),
        from_snapshot: args.from_snapshot,
        ..Settings::default()
    };
    let contacts = opened.rumour.contacts.list().len() as u64;
    let bar = progress::show(Arc::clone(&settings.progress), contacts, &args.data);
    let verdict = opened.run(&settings);
    drop(bar);
    match verdict? {
        Verdict::Confirmed(confirmed) => {
            show_confirmed(&confirmed, &report, args);
            Ok(Code::Ok)
        }
        Verdict::Diverged(diverged) => {
            show_diverged(&diverged, data, args.json);
            Ok(Code::VerificationFailed)
        }
    }
}

fn show_confirmed(confirmed: &Confirmed, report: &Report, args: &Replay) {
    let Confirmed { compared, state_root } = confirmed;
    let ticks = compared.tick.map_or(0, |tick| tick.0 + 1);
    let key_is_known = match report.key {
        KeyStatus::Trusted => true,
        KeyStatus::Unknown => false,
    };
    if args.json {
        return output::json(&json!({
            "confirmed": true,
            "log_id": report.log.to_string(),
            "compared": compared.records,
            "last_record": compared.last.map(|last| last.0),
            "ticks": ticks,
            "from_tick": compared.from.map(|tick| tick.0),
            "until": args.until,
            "records": report.end.records,
            "sealed": report.end.sealed,
            "state_root": state_root.map(|root| root.to_string()),
            "key": if key_is_known { "trusted" } else { "unknown" },
        }));
    }
    output::line(&format!(
        "confirmed   {} records of {} ticks are as recorded{}",
        thousands(compared.records),
        thousands(ticks),
        compared.last.map(|last| format!(", up to {last}")).unwrap_or_default(),
    ));
    if let Some(from) = compared.from {
        output::line(&format!(
            "from        the snapshot of tick {}: what lies between the run's beginning and that \
             was not repeated",
            thousands(from.0)
        ));
    }
    if let Some(root) = state_root {
        output::line(&format!("state root  {root}, as sealed"));
    } else if let Some(until) = args.until {
        output::line(&format!(
            "stopped     behind record #{until}, as asked; the log has {}",
            thousands(report.end.records)
        ));
    } else {
        output::line("not sealed  compared up to the log's end");
    }
    if !key_is_known {
        output::line(&format!(
            "signed by   {} (key unknown: the log brought it along, so it proves nothing about \
             who wrote it; give the node's with --key)",
            report.node_key
        ));
    }
}

fn show_diverged(diverged: &Diverged, data: &Path, as_json: bool) {
    let Diverged { first, agent, failure } = diverged;
    let whose = agent.as_ref().map(|(agent, name)| format!(", {agent} (\"{}\")", plain(name)));
    output::note(&format!(
        "error: the run in {} does not repeat what is recorded: {first}{}",
        data.display(),
        whose.unwrap_or_default()
    ));
    divergence::lines(first).iter().for_each(|line| output::note(&format!("  {line}")));
    let failure = failure.as_ref().map(|failure| words(failure));
    if let Some(failure) = &failure {
        output::note(&format!("  because   {}", plain(failure)));
    }
    output::note(&format!(
        "  hint: keep the directory as it is; what lies before {} is as recorded",
        first.position
    ));
    if !as_json {
        return;
    }
    let mut answer = json!({
        "confirmed": false,
        "record": first.position.0,
        "tick": first.tick.map(|tick| tick.0),
        "agent": agent.as_ref().map(|(agent, name)| json!({ "id": agent.0, "name": name })),
        "expected": divergence::as_json(first.expected.as_deref()),
        "got": divergence::as_json(first.got.as_deref()),
        "failure": failure,
        "exit_code": Code::VerificationFailed.number(),
    });
    if let Some(difference) = divergence::difference(first) {
        put(&mut answer, "differs", difference.field);
    }
    safe_json(&answer);
}

//! `karyon audit tail`: the last records, and those that follow.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use karyon_audit::{Entry, view};
use serde_json::json;

use super::{Log, safe_json};
use crate::args::Tail;
use crate::error::{CliError, Code};
use crate::output;
use crate::signals;
use crate::words::record_words;

/// How long to wait before looking for new commits again.
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn execute(args: &Tail) -> Result<Code, CliError> {
    let log = Log::in_data(&args.data)?;
    let signal = if args.follow { Some(signals::listen()?) } else { None };
    let mut tail = karyon_audit::Tail::new(&log.folder);
    let mut last = VecDeque::new();
    tail.read(|entry| {
        last.push_back(entry);
        if last.len() > args.lines {
            last.pop_front();
        }
    })?;
    last.iter().for_each(|entry| show(entry, args.json));
    let Some(signal) = signal else { return Ok(Code::Ok) };
    while signal.load(Ordering::Relaxed) == 0 {
        thread::sleep(POLL);
        tail.read(|entry| show(&entry, args.json))?;
    }
    Ok(Code::Ok)
}

fn show(entry: &Entry, as_json: bool) {
    let Some(record) = entry.record() else { return };
    if as_json {
        return safe_json(&json!({
            "seq": entry.position.0,
            "tick": entry.tick.map(|tick| tick.0),
            "wall_unix_ms": entry.wall_ms,
            "view": view(&record),
        }));
    }
    let tick = entry.tick.map(|tick| format!("  {tick}")).unwrap_or_default();
    output::line(&format!("{}{tick}  {}", entry.position, output::plain(&record_words(&record))));
}

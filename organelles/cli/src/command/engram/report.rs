//! What an import did, or would do, and what it contradicts.

use std::io::IsTerminal as _;

use karyon_memory::{Contradiction, Imported, Item};
use serde_json::{Value as Json, json};

use super::super::memory::forget::memories;
use super::super::memory::show;
use crate::args;
use crate::output::{self, plain, put, thousands};

/// Contradictions in a table on a terminal: a screen or two. What a program reads is never cut.
const TERMINAL_CONFLICTS: usize = 50;

/// Shows what came of an import, or would come of it.
pub(super) fn show(imported: &Imported, args: &args::Import) {
    if args.json {
        output::safe_json(&json!({
            "dry_run": args.dry_run,
            "new": imported.new,
            "known": imported.known,
            "conflicts": imported.conflicts.iter().map(as_json).collect::<Vec<_>>(),
            "changed": imported.written,
            "data": args.data,
        }));
        return;
    }
    output::line(&summary(imported, args.dry_run));
    if imported.conflicts.is_empty() {
        return;
    }
    let shown = match std::io::stdout().is_terminal() {
        true => TERMINAL_CONFLICTS,
        false => usize::MAX,
    };
    show::aligned(imported.conflicts.iter().take(shown).flat_map(rows).collect());
    if let Some(more) = imported.conflicts.len().checked_sub(shown).filter(|more| *more > 0) {
        output::note(&format!("note: {} more: --json lists all", thousands(more as u64)));
    }
}

fn summary(imported: &Imported, is_dry_run: bool) -> String {
    let count = |number: usize| thousands(number as u64);
    let (new, known) = (memories(imported.new), count(imported.known));
    if imported.new == 0 {
        return format!("no change: {} there already", memories(imported.known));
    }
    let (verb, were) = match is_dry_run {
        true => ("would be imported", "are"),
        false => ("imported", "were"),
    };
    let contradictions = match imported.conflicts.len() {
        0 => "nothing contradicts what was there".into(),
        1 => "1 contradiction, of which both are kept:".into(),
        many => format!("{} contradictions, of which both are kept:", count(many)),
    };
    format!("{new} {verb}, {known} {were} there already; {contradictions}")
}

/// Two lines of the table, the one here above theirs.
fn rows(conflict: &Contradiction) -> [Vec<String>; 2] {
    let line = |what: String, side: &str, item: &Item, log: Option<String>| {
        let from = log.map_or(String::new(), |log| format!(" of log {log}"));
        vec![
            what,
            side.to_owned(),
            plain(&show::properties_words(item)),
            show::valid_words(item),
            format!("#{}{from}", item.recorded.position.0),
        ]
    };
    let Contradiction { subject, predicate, here, theirs } = conflict;
    let what = plain(&format!("{subject} {predicate}"));
    let log = here.origin.map(|log| log.to_string());
    [line(what, "here", here, log), line(String::new(), "theirs", theirs, None)]
}

fn as_json(conflict: &Contradiction) -> Json {
    json!({
        "subject": conflict.subject,
        "predicate": conflict.predicate,
        "here": told(&conflict.here),
        "theirs": told(&conflict.theirs),
    })
}

/// What one side says, and where it was recorded.
fn told(item: &Item) -> Json {
    let said = show::as_json(item);
    let mut told = json!({});
    for name in ["valid_from", "valid_to", "properties", "ended", "recorded", "origin"] {
        if let Some(value) = said.get(name) {
            put(&mut told, name, value.clone());
        }
    }
    told
}

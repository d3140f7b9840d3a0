//! `karyon memory recall|brief`: what somebody recorded to be remembered.

use karyon_graph::{NOBODY, Reader, View};
use karyon_identity::PublicKey;
use karyon_keys::KeyDirectory;
use karyon_memory::{
    Date, Filter, Item, Moment, RecallError, Recalled, Said, brief, history, known, recall,
};
use karyon_memory_ops::{MemoKind, Time};
use serde_json::{Value as Json, json};

use super::ask::position_of;
use super::change::now;
use super::secrets::Secrets;
use super::{moment, open, show};
use crate::args::{Brief, Recall, Wanted};
use crate::error::{CliError, Code, words};
use crate::output::{self, plain, put, thousands};

/// A memory, its keys, and as of when it is asked.
struct Asking {
    reader: Reader,
    secrets: Option<Secrets>,
    view: View,
    /// Whether there is something, and its keys are elsewhere.
    is_locked: bool,
}

/// What is said where nothing is found of what only keys could find.
const LOCKED: &str = "what is remembered here, and of whom, cannot be told without its keys";

impl Asking {
    fn new(wanted: &Wanted) -> Result<Asking, CliError> {
        let directory = KeyDirectory::from_environment()?;
        let secrets = Secrets::open_settled(&directory, &wanted.data)?;
        let graph = open(&wanted.data)?;
        let mut view = match wanted.at.as_deref().map(|at| moment(at, "--at")).transpose()? {
            None => View::NOW,
            Some(Moment::Time(time)) => View::at(time),
            Some(Moment::Tick(_)) => {
                return Err(CliError::failure("--at: a tick is a place in the record, not a time")
                    .with_hint("--as-recorded tick:N asks for what was recorded by its end"));
            }
        };
        if let Some(position) = &wanted.as_recorded {
            view = view.as_recorded(position_of(position, &wanted.data)?);
        }
        let reader = graph.read()?;
        let is_locked = secrets.is_none() && !reader.written_by(NOBODY)?.is_empty();
        if is_locked {
            output::note(
                "note: the keys of this memory are not on this machine: what was said stays sealed",
            );
        }
        Ok(Asking { reader, secrets, view, is_locked })
    }

    fn filter<'a>(&self, wanted: &'a Wanted, words: &'a [String]) -> Filter<'a> {
        Filter {
            subject: wanted.subject.as_deref(),
            key: wanted.key.as_deref(),
            kind: wanted.kind.map(MemoKind::from),
            owner: wanted.owner.as_deref(),
            tag: wanted.tag.as_deref(),
            words,
            // What was so then is asked by whoever names a moment.
            now: wanted.at.is_none().then(|| now().units()),
        }
    }

    fn keys(&self) -> Option<&karyon_keystore::Keystore> {
        self.secrets.as_ref().map(Secrets::keys)
    }
}

/// `karyon memory recall`.
pub(super) fn execute(args: &Recall) -> Result<Code, CliError> {
    let asking = Asking::new(&args.wanted)?;
    let wanted = &args.wanted;
    let found = match (&wanted.subject, &wanted.key) {
        (Some(subject), Some(key)) if args.history => {
            history(&asking.reader, asking.keys(), subject, key, &asking.view)
        }
        _ => {
            let filter = asking.filter(wanted, &args.words);
            recall(&asking.reader, asking.keys(), &filter, &asking.view)
        }
    }
    .map_err(failed)?;
    if wanted.json {
        let memories: Vec<_> = found.iter().map(as_json).collect();
        output::json(&json!({ "memories": memories, "keys_elsewhere": asking.is_locked }));
    } else if found.is_empty() && asking.is_locked {
        output::line(LOCKED);
    } else if found.is_empty() {
        output::line("nothing is remembered of that");
    } else {
        let origin = |memo: &Recalled| memo.memo.origin.map(|origin| origin.log);
        let replaced = |index: usize| {
            let (one, next) = (found.get(index)?, found.get(index + 1)?);
            (args.history && origin(one) == origin(next)).then_some(next)
        };
        for (index, memo) in found.iter().enumerate() {
            show_one(memo, replaced(index));
        }
    }
    Ok(Code::Ok)
}

/// `karyon memory brief`.
pub(super) fn briefing(args: &Brief) -> Result<Code, CliError> {
    let asking = Asking::new(&args.wanted)?;
    let filter = asking.filter(&args.wanted, &[]);
    let briefing = brief(&asking.reader, asking.keys(), &filter, &asking.view).map_err(failed)?;
    let (known, more) = known(&asking.reader, &filter, &asking.view, args.limit)?;
    if args.wanted.json {
        let mut answer = json!({});
        for (kind, memos) in &briefing.parts {
            put(&mut answer, plural(*kind), memos.iter().map(as_json).collect::<Vec<_>>());
        }
        put(&mut answer, "known_by_agents", known.iter().map(show::as_json).collect::<Vec<_>>());
        put(&mut answer, "more", more);
        put(&mut answer, "keys_elsewhere", asking.is_locked);
        output::json(&answer);
        return Ok(Code::Ok);
    }
    let mut is_empty = true;
    for (kind, memos) in briefing.parts.iter().filter(|(_, memos)| !memos.is_empty()) {
        output::line(&format!("{}:", plural(*kind)));
        memos.iter().for_each(|memo| show_one(memo, None));
        is_empty = false;
    }
    if !known.is_empty() {
        output::line("known by agents:");
        known.iter().for_each(show_known);
        is_empty = false;
    }
    if is_empty {
        output::line(if asking.is_locked { LOCKED } else { "nothing is remembered" });
    }
    if more > 0 {
        let more = thousands(more as u64);
        output::note(&format!("note: agents know {more} more facts: --limit N shows more"));
    }
    Ok(Code::Ok)
}

/// What an agent knows, and from where.
fn show_known(item: &Item) {
    let said = plain(&show::properties_words(item));
    output::line(&format!("{}: {said}", plain(&show::thing_words(&item.thing))));
    let record = item.recorded.position;
    let from = match item.origin {
        None => format!("record {record}"),
        Some(log) => format!("record {} here; record {record} of log {log}", item.position),
    };
    let (valid, writer) = (show::valid_words(item), plain(&item.writer));
    output::line(&format!("    {from}; {valid}; {writer} wrote it"));
}

fn plural(kind: MemoKind) -> &'static str {
    match kind {
        MemoKind::Fact => "facts",
        MemoKind::Decision => "decisions",
        MemoKind::Lesson => "lessons",
        MemoKind::Observation => "observations",
    }
}

/// A subject for a person: its name, or its number where that is not known.
fn subject(memo: &Recalled) -> String {
    memo.subject.as_deref().map_or_else(|| format!("~{}", memo.serial), plain)
}

fn show_one(memo: &Recalled, replaced_by: Option<&Recalled>) {
    let said = match &memo.said {
        Said::Words(words) => plain(&words.text),
        Said::Erased => "erased".to_owned(),
        Said::Locked => "sealed: its key is not here".to_owned(),
    };
    output::line(&format!("{}  {}: {said}", subject(memo), plain(&memo.key)));
    let mut about = vec![
        format!("record {}", memo.position),
        memo.memo.kind.name().to_owned(),
        format!("since {}", Date(memo.valid.from)),
        match memo.memo.horizon.and_then(|second| Time::new(second, 0)) {
            None => "kept until it is erased".to_owned(),
            Some(time) => format!("kept to {}", Date(time)),
        },
        format!("{} answers", plain(&memo.memo.owner)),
        format!("because: {}", plain(&memo.memo.reason)),
    ];
    if let Said::Words(words) = &memo.said {
        let tags: Vec<_> = words.tags.iter().map(|tag| format!("#{}", plain(tag))).collect();
        about.extend((!tags.is_empty()).then(|| tags.join(" ")));
        let evidence: Vec<_> = words.evidence.iter().map(|evidence| plain(evidence)).collect();
        about.extend((!evidence.is_empty()).then(|| format!("on: {}", evidence.join(", "))));
        let via: Vec<_> = words.via.iter().rev().map(|via| plain(via)).collect();
        about.extend((!via.is_empty()).then(|| format!("from {}", via.join(", and before from "))));
    } else if let Some(origin) = memo.memo.origin {
        about.push(format!("from record {} of log {}", origin.record, origin.log));
    }
    output::line(&format!("    {}", about.join("; ")));
    if let Some(by) = replaced_by {
        let reason = plain(&by.memo.reason);
        output::line(&format!("    replaced by record {}, because: {reason}", by.position));
    }
}

fn as_json(memo: &Recalled) -> Json {
    let horizon = memo.memo.horizon.and_then(|second| Time::new(second, 0));
    let mut out = json!({
        "subject": memo.subject,
        "number": memo.serial,
        "key": memo.key,
        "kind": memo.memo.kind.name(),
        "owner": memo.memo.owner,
        "reason": memo.memo.reason,
        "horizon": horizon.map(show::moment),
        "since": show::moment(memo.valid.from),
        "record": memo.position.0,
        "supersedes": memo.memo.supersedes.map(|record| record.0),
        "origin": memo.memo.origin.map(|origin| {
            let signer = PublicKey(origin.signer).to_string();
            json!({ "log": origin.log.to_string(), "record": origin.record.0, "signer": signer })
        }),
    });
    match &memo.said {
        Said::Words(words) => {
            put(&mut out, "text", words.text.clone());
            put(&mut out, "tags", words.tags.iter().cloned().collect::<Vec<_>>());
            put(&mut out, "evidence", words.evidence.clone());
            put(&mut out, "via", words.via.clone());
        }
        Said::Erased => put(&mut out, "erased", true),
        Said::Locked => put(&mut out, "sealed", true),
    }
    out
}

fn failed(error: RecallError) -> CliError {
    let code = match &error {
        RecallError::Forged { .. } => Code::VerificationFailed,
        _ => Code::Failure,
    };
    CliError { code, message: words(&error), hint: None }
}

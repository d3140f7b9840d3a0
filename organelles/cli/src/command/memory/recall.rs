//! `karyon memory recall|brief`: what somebody recorded to be remembered.

use std::collections::BTreeMap;

use karyon_graph::{At, NOBODY, Reader, View};
use karyon_keys::KeyDirectory;
use karyon_memory::{
    Erasure, Filter, FoundMemories, Item, Journal, Moment, RecallError, Recalled, Said, brief,
    contradictions, erasures, find_all, history, is_gone, known, replacement, whole_erasure,
};
use karyon_memory_ops::MemoKind;
use serde_json::{Value as Json, json};

use super::ask::position_of;
use super::change::now;
use super::forget::memories;
use super::memo::{self, Beside};
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
    /// The question's moment, for the JSON answer.
    about: Json,
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
        let at = match view.at {
            At::Moment(time) => show::moment(time),
            At::Now | At::Between(..) => Json::Null,
        };
        let as_recorded = view.as_recorded.map(|position| position.0);
        let about = json!({ "at": at, "as_recorded": as_recorded });
        Ok(Asking { reader, secrets, view, about, is_locked })
    }

    fn filter<'a>(
        &self,
        wanted: &'a Wanted,
        words: &'a [String],
        kinds: &'a [MemoKind],
    ) -> Filter<'a> {
        Filter {
            subject: wanted.subject.as_deref(),
            key: wanted.key.as_deref(),
            kinds,
            owner: wanted.owner.as_deref(),
            tag: wanted.tag.as_deref(),
            words,
            now: self.horizons(),
        }
    }

    /// The second by which what has expired is left out. What was so then is asked by whoever names
    /// a moment that is over; of one to come, what is kept until then.
    fn horizons(&self) -> Option<i64> {
        match self.view.at {
            At::Moment(time) if time > now() => Some(time.units()),
            At::Moment(_) => None,
            At::Now | At::Between(..) => Some(now().units()),
        }
    }

    /// Who had the subject that is asked about forgotten as a whole.
    fn whole(&self, wanted: &Wanted) -> Result<Option<Erasure>, CliError> {
        let (Some(subject), Some(keys)) = (&wanted.subject, self.keys()) else { return Ok(None) };
        if !is_gone(keys, subject) {
            return Ok(None);
        }
        let mut journal = Journal::of(&wanted.data, &mut |_| ())?;
        Ok(whole_erasure(&mut journal, &self.reader, keys, subject)?)
    }

    /// What is told beside each of what was found.
    fn beside(
        &self,
        wanted: &Wanted,
        found: &[Recalled],
        filter: &Filter<'_>,
        is_history: bool,
    ) -> Result<Vec<Beside>, CliError> {
        let (reader, keys, view) = (&self.reader, self.keys(), &self.view);
        let mut erased = BTreeMap::new();
        if found.iter().any(|memo| memo.said == Said::Erased) {
            let mut journal = Journal::of(&wanted.data, &mut |_| ())?;
            erased = erasures(&mut journal, reader, found)?;
        }
        let contradicts = match is_history {
            true => vec![Vec::new(); found.len()],
            false => contradictions(reader, keys, found, filter, view).map_err(failed)?,
        };
        let is_now = *view == View::NOW;
        let told = found.iter().zip(contradicts).map(|(memo, contradicts)| {
            let replaced_by = match () {
                () if is_history => memo.replaced_by(found).cloned(),
                // What holds now is replaced by nothing that has begun.
                () if is_now => None,
                () => replacement(reader, keys, memo, view).map_err(failed)?,
            };
            let erased = erased.get(&(memo.serial, memo.memo.sealed.index)).cloned();
            Ok(Beside { replaced_by, erased, contradicts })
        });
        told.collect()
    }

    fn keys(&self) -> Option<&karyon_keystore::Keystore> {
        self.secrets.as_ref().map(Secrets::keys)
    }
}

/// `karyon memory recall`.
pub(super) fn execute(args: &Recall) -> Result<Code, CliError> {
    let asking = Asking::new(&args.wanted)?;
    let wanted = &args.wanted;
    let kinds = kinds(wanted);
    let filter = asking.filter(wanted, &args.words, &kinds);
    let (reader, keys, view) = (&asking.reader, asking.keys(), &asking.view);
    let found = match (&wanted.subject, &wanted.key) {
        (Some(subject), Some(key)) if args.history => {
            let memories = history(reader, keys, subject, key, view).map_err(failed)?;
            let (damaged, memories) =
                memories.into_iter().partition(|memo| memo.said == Said::Damaged);
            FoundMemories { memories, damaged, ..FoundMemories::default() }
        }
        _ => find_all(reader, keys, &filter, view).map_err(failed)?,
    };
    let told = asking.beside(wanted, &found.memories, &filter, args.history)?;
    let whole = asking.whole(wanted)?;
    if wanted.json {
        let memories = found.memories.iter().zip(&told);
        let mut answer = asking.about.clone();
        put(
            &mut answer,
            "memories",
            memories.map(|(memo, beside)| memo::as_json(memo, beside)).collect::<Vec<_>>(),
        );
        put(&mut answer, "expired", found.expired);
        put(&mut answer, "later", found.later);
        put(&mut answer, "damaged", damaged_json(&found.damaged));
        put(&mut answer, "forgotten", whole.as_ref().map(memo::erasure_json));
        put(&mut answer, "keys_elsewhere", asking.is_locked);
        output::safe_json(&answer);
        return Ok(ends(&found.damaged));
    }
    match found.memories.is_empty() {
        true if asking.is_locked => output::line(LOCKED),
        true if whole.is_some() || !found.damaged.is_empty() => {}
        true => {
            output::line("nothing is remembered of that");
            if let [word] = args.words.as_slice()
                && wanted.subject.is_none()
            {
                output::note(&format!(
                    "hint: looked for the word in what is remembered; a subject is asked for, \
                     also whether it was erased, by --subject {word}"
                ));
            }
        }
        false => {
            let each = found.memories.iter().zip(&told);
            each.for_each(|(memo, beside)| memo::show_one(memo, beside));
        }
    }
    if let (Some(erasure), Some(subject)) = (&whole, &wanted.subject) {
        let (subject, erased) = (plain(subject), memo::erased_words(erasure));
        output::line(&format!("{subject} was forgotten as a whole: {erased}"));
    }
    note_left_out(&found, view);
    memo::note_damaged(&found.damaged);
    Ok(ends(&found.damaged))
}

/// How an answer ends of which this is left out: it is not as it was recorded.
fn ends(damaged: &[Recalled]) -> Code {
    if damaged.is_empty() { Code::Ok } else { Code::VerificationFailed }
}

fn damaged_json(damaged: &[Recalled]) -> Vec<Json> {
    damaged.iter().map(|memo| memo::as_json(memo, &Beside::default())).collect()
}

/// Says what would be there, but for its time.
fn note_left_out(found: &FoundMemories, view: &View) {
    if found.expired > 0 && matches!(view.at, At::Moment(_)) {
        output::note(&format!(
            "note: {} left out: kept no longer than that",
            memories(found.expired)
        ));
    } else if found.expired > 0 {
        output::note(&format!(
            "note: {} left out: expired, and not erased yet; --at a moment shows what was so \
             then, `karyon memory expire` erases it",
            memories(found.expired)
        ));
    }
    if found.later > 0 {
        output::note(&format!(
            "note: {} left out: not so yet; --at a later moment shows what will be so",
            memories(found.later)
        ));
    }
}

/// `karyon memory brief`.
pub(super) fn briefing(args: &Brief) -> Result<Code, CliError> {
    let asking = Asking::new(&args.wanted)?;
    let kinds = kinds(&args.wanted);
    let filter = asking.filter(&args.wanted, &[], &kinds);
    let briefing = brief(&asking.reader, asking.keys(), &filter, &asking.view).map_err(failed)?;
    let (known, more) = known(&asking.reader, &filter, &asking.view, args.limit)?;
    let mut parts = Vec::new();
    for (kind, memos) in briefing.parts {
        let told = asking.beside(&args.wanted, &memos, &filter, false)?;
        parts.push((kind, memos.into_iter().zip(told).collect::<Vec<_>>()));
    }
    if args.wanted.json {
        let mut answer = asking.about.clone();
        for (kind, memos) in &parts {
            let memos = memos.iter().map(|(memo, beside)| memo::as_json(memo, beside));
            put(&mut answer, plural(*kind), memos.collect::<Vec<_>>());
        }
        put(&mut answer, "known_by_agents", known.iter().map(show::as_json).collect::<Vec<_>>());
        put(&mut answer, "more", more);
        put(&mut answer, "damaged", damaged_json(&briefing.damaged));
        put(&mut answer, "keys_elsewhere", asking.is_locked);
        output::safe_json(&answer);
        return Ok(ends(&briefing.damaged));
    }
    let mut is_empty = briefing.damaged.is_empty();
    for (kind, memos) in parts.iter().filter(|(_, memos)| !memos.is_empty()) {
        output::line(&format!("{}:", plural(*kind)));
        memos.iter().for_each(|(memo, beside)| memo::show_one(memo, beside));
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
        let (more, s) = (thousands(more as u64), if more == 1 { "" } else { "s" });
        output::note(&format!("note: agents know {more} more fact{s}: --limit N shows more"));
    }
    memo::note_damaged(&briefing.damaged);
    Ok(ends(&briefing.damaged))
}

fn kinds(wanted: &Wanted) -> Vec<MemoKind> {
    wanted.kind.iter().copied().map(MemoKind::from).collect()
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

pub(crate) fn failed(error: RecallError) -> CliError {
    let code = match &error {
        RecallError::Forged { .. } => Code::VerificationFailed,
        _ => Code::Failure,
    };
    CliError { code, message: words(&error), hint: None }
}

//! One memory for which somebody answers: for a person, for a program.

use karyon_identity::PublicKey;
use karyon_memory::{Date, Erasure, Recalled, Said};
use karyon_memory_ops::Time;
use serde_json::{Value as Json, json};

use super::change::now;
use super::show;
use crate::output::{self, plain, put};

/// What is said of a memory that its key does not open.
const DAMAGED: &str = "sealed by another key, or not as it was recorded";

/// Names what is damaged and left out.
pub(crate) fn note_damaged(damaged: &[Recalled]) {
    for memo in damaged {
        let (subject, key) = (subject(memo), plain(&memo.key));
        output::note(&format!(
            "note: {subject} {key}, record {}, left out: {DAMAGED}",
            memo.position
        ));
    }
}

/// What is told beside a memory.
#[derive(Default)]
pub(crate) struct Beside {
    /// What took its place.
    pub(crate) replaced_by: Option<Recalled>,
    /// Who had it erased.
    pub(crate) erased: Option<Erasure>,
    /// What says otherwise.
    pub(crate) contradicts: Vec<Recalled>,
}

/// A subject for a person: its name, or its number where that is not known.
fn subject(memo: &Recalled) -> String {
    memo.subject.as_deref().map_or_else(|| format!("~{}", memo.serial), plain)
}

/// Milliseconds since 1970, as a moment.
fn moment(unix_ms: u64) -> Time {
    let (seconds, rest) = (unix_ms / 1000, unix_ms % 1000);
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Time::new(seconds, rest as u32 * 1_000_000).unwrap_or(Time::MAX)
}

pub(crate) fn show_one(memo: &Recalled, beside: &Beside) {
    let said = match (&memo.said, &beside.erased) {
        (Said::Words(words), _) => plain(&words.text),
        (Said::Erased, None) => "erased".to_owned(),
        (Said::Erased, Some(erasure)) => erased_words(erasure),
        (Said::Locked, _) => "sealed: its key is not here".to_owned(),
        (Said::Damaged, _) => DAMAGED.to_owned(),
    };
    output::line(&format!("{}  {}: {said}", subject(memo), plain(&memo.key)));
    let mut about = vec![
        format!("record {}", memo.position),
        memo.memo.kind.name().to_owned(),
        format!("since {}", Date(memo.valid.from)),
        match memo.memo.horizon.and_then(|second| Time::new(second, 0)) {
            None => "kept until it is erased".to_owned(),
            Some(time) if memo.is_expired(now().units()) => format!("expired {}", Date(time)),
            Some(time) => format!("kept to {}", Date(time)),
        },
        format!("{} answers", plain(&memo.memo.owner)),
        format!("because: {}", plain(&memo.memo.reason)),
    ];
    about.extend(memo.memo.supersedes.map(|record| format!("instead of record {record}")));
    if let Said::Words(words) = &memo.said {
        let tags: Vec<_> = words.tags.iter().map(|tag| format!("#{}", plain(tag))).collect();
        about.extend((!tags.is_empty()).then(|| tags.join(" ")));
        let evidence: Vec<_> = memo.evidence().iter().map(|evidence| plain(evidence)).collect();
        about.extend((!evidence.is_empty()).then(|| format!("on: {}", evidence.join(", "))));
        let via: Vec<_> = words.via.iter().rev().map(|via| plain(via)).collect();
        about.extend((!via.is_empty()).then(|| format!("from {}", via.join(", and before from "))));
    } else if let Some(origin) = memo.memo.origin {
        about.push(format!("from record {} of log {}", origin.record, origin.log));
    }
    output::line(&format!("    {}", about.join("; ")));
    if let Some(by) = &beside.replaced_by {
        let reason = plain(&by.memo.reason);
        output::line(&format!("    replaced by record {}, because: {reason}", by.position));
    }
    for other in &beside.contradicts {
        let said = match &other.said {
            Said::Words(words) => plain(&words.text),
            Said::Erased | Said::Locked | Said::Damaged => continue,
        };
        let from = other.memo.origin.map(|origin| format!(", from log {}", origin.log));
        let from = from.unwrap_or_default();
        output::line(&format!("    contradicted by record {}{from}: {said}", other.position));
    }
}

/// When something was erased, by whom, by which record, and why.
pub(crate) fn erased_words(erasure: &Erasure) -> String {
    let who = erasure.principal.as_deref().map_or_else(|| "nobody named".to_owned(), plain);
    let date = Date(moment(erasure.at_unix_ms));
    let mut said = format!("erased {date} by {who}, record {}", erasure.position);
    if let Some(reason) = &erasure.reason {
        said = format!("{said}, because: {}", plain(reason));
    }
    said
}

pub(crate) fn erasure_json(erasure: &Erasure) -> Json {
    json!({
        "record": erasure.position.0,
        "at": show::moment(moment(erasure.at_unix_ms)),
        "principal": erasure.principal,
        "reason": erasure.reason,
        "expired": erasure.expired,
    })
}

pub(crate) fn as_json(memo: &Recalled, beside: &Beside) -> Json {
    let horizon = memo.memo.horizon.and_then(|second| Time::new(second, 0));
    let named = |memo: &Recalled| {
        json!({
            "id": memo.id(),
            "record": memo.position.0,
            "reason": memo.memo.reason,
            "log": memo.memo.origin.map(|origin| origin.log.to_string()),
        })
    };
    let mut out = json!({
        "id": memo.id(),
        "subject": memo.subject,
        "number": memo.serial,
        "key": memo.key,
        "kind": memo.memo.kind.name(),
        "owner": memo.memo.owner,
        "reason": memo.memo.reason,
        "horizon": horizon.map(show::moment),
        "expired": memo.is_expired(now().units()),
        "since": show::moment(memo.valid.from),
        "record": memo.position.0,
        "by_agent": memo.in_run,
        "supersedes": memo.memo.supersedes.map(|record| record.0),
        "replaced_by": beside.replaced_by.as_ref().map(named),
        "contradicted_by": beside.contradicts.iter().map(named).collect::<Vec<_>>(),
        "origin": memo.memo.origin.map(|origin| {
            let signer = PublicKey(origin.signer).to_string();
            json!({ "log": origin.log.to_string(), "record": origin.record.0, "signer": signer })
        }),
        "erased": memo.said == Said::Erased,
        "erased_by": beside.erased.as_ref().map(erasure_json),
        "sealed": memo.said == Said::Locked,
        "damaged": memo.said == Said::Damaged,
    });
    if let Said::Words(words) = &memo.said {
        put(&mut out, "text", words.text.clone());
        put(&mut out, "tags", words.tags.iter().cloned().collect::<Vec<_>>());
        put(&mut out, "evidence", memo.evidence());
        put(&mut out, "via", words.via.clone());
    }
    out
}

//! `karyon memory remember|supersede|forget|expire`: what a principal records and erases.
//!
//! What is said is sealed before anything is signed, and only then handed to the node.

use std::collections::BTreeSet;
use std::path::Path;

use karyon_colony::life::VERSION;
use karyon_gate::Rights;
use karyon_graph::{Reader, View};
use karyon_keys::KeyDirectory;
use karyon_keystore::Keystore;
use karyon_memory::{
    CHANGE_BYTES_MAX, Change, ChangeError, GOVERNED, Journal, LineageError, Moment, NewMemo,
    Recalled, Said, Words, due, history, record_change, whole_erasure,
};
use karyon_memory_ops::{MemoKind, Time};
use karyon_runtime::{DataDir, datadir};
use karyon_types::Position;
use serde_json::json;

use super::secrets::{self, Secrets};
use super::{forget, memo, moment, open};
use crate::args::{Expire, Forget, Keep, Telling};
use crate::command::engram::data_directory;
use crate::command::refuse_authority;
use crate::error::{CliError, Code, words};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::{Input, Inputs};
use crate::output;
use crate::{grant, keys};

/// What is to be done.
#[derive(Clone, Copy)]
pub(super) enum Deed<'a> {
    Remember(&'a Telling),
    Supersede(&'a Telling),
    Forget(&'a Forget),
    Expire(&'a Expire),
}

impl Deed<'_> {
    pub(super) fn data(&self) -> &Path {
        match self {
            Deed::Remember(telling) | Deed::Supersede(telling) => &telling.data,
            Deed::Forget(args) => &args.data,
            Deed::Expire(args) => &args.data,
        }
    }

    fn principal(&self) -> Option<&str> {
        match self {
            Deed::Remember(telling) | Deed::Supersede(telling) => telling.principal.as_deref(),
            Deed::Forget(args) => args.principal.as_deref(),
            Deed::Expire(args) => args.principal.as_deref(),
        }
    }

    /// Why, as the grant's reason.
    fn reason(&self) -> &str {
        match self {
            Deed::Remember(telling) | Deed::Supersede(telling) => &telling.reason,
            Deed::Forget(args) => args.reason.as_deref().unwrap_or_default(),
            Deed::Expire(_) => "what was to be kept no longer is erased",
        }
    }

    /// Whether the answer is for a program.
    pub(super) fn is_for_a_program(&self) -> bool {
        match self {
            Deed::Remember(telling) | Deed::Supersede(telling) => telling.json,
            Deed::Forget(args) => args.json,
            Deed::Expire(args) => args.json,
        }
    }

    /// Whether keys are destroyed.
    fn erases(&self) -> bool {
        matches!(self, Deed::Forget(_) | Deed::Expire(_))
    }
}

/// Does it.
pub(super) fn execute(deed: Deed<'_>) -> Result<Code, CliError> {
    match guarded::arrived()? {
        Some(node) => take(deed, node),
        None if let Deed::Forget(args) = deed
            && args.dry_run =>
        {
            forget::try_out(args)
        }
        None if deed.erases() && std::env::var_os(forget::WITHIN).is_none() => forget::erase(deed),
        None => launch(deed),
    }
}

/// Seals, signs, and becomes the node.
fn launch(deed: Deed<'_>) -> Result<Code, CliError> {
    let data = deed.data();
    guarded::permit(data)?;
    let directory = KeyDirectory::from_environment()?;
    // All that can be wrong is looked at before a key is made.
    refuse_authority(data)?;
    keys::refuse_stranger(&directory, data)?;
    let name = grant::answerable(&directory, deed.principal())?;
    match deed {
        Deed::Remember(telling) => new_memo(telling, &name, None)?.check(false).map_err(failed)?,
        Deed::Supersede(telling) => new_memo(telling, &name, None)?.check(true).map_err(failed)?,
        Deed::Forget(_) | Deed::Expire(_) => {}
    }
    if !deed.erases() {
        secrets::settle_if_begun(&directory, data)?;
    }
    // Held while keys are given out, so that no two give out the same.
    let dir = match deed {
        Deed::Remember(_) => data_directory(data)?,
        Deed::Supersede(_) | Deed::Forget(_) | Deed::Expire(_) => DataDir::open(data)?,
    };
    if deed.erases() {
        // Once more, now that nobody else can settle it before it is recorded.
        secrets::begin_erasing(data)?;
    }
    let reader = recorded(data)?;
    let Some((change, goes)) = change(deed, &directory, reader.as_ref(), &name)? else {
        // Whoever waits for the record is told by none.
        return Ok(Code::Ok);
    };
    let change = change.resting_on(reader.as_ref());
    let (bytes, terms) = signed_for(&change, deed.reason().to_owned())?;
    let key = keys::to_go_on(&directory, data)?;
    let said = grant::sign(&directory, key.public_key(), deed.principal(), terms)?;
    let mut inputs = Inputs::default();
    let given = inputs.give(Input::Change, &bytes);
    given
        .and_then(|()| inputs.give(Input::Report, goes.to_string().as_bytes()))
        .map_err(|error| CliError::failure(error.to_string()))?;
    drop(dir);
    let launch = Launch { data, key, said, signers: None, tighten: Vec::new(), inputs: &inputs };
    launch.start(&directory).map(|never| match never {})
}

/// What is remembered in a directory; `None`: nothing was recorded there.
pub(crate) fn recorded(data: &Path) -> Result<Option<Reader>, CliError> {
    Ok(match datadir::log_file(data).exists() {
        true => Some(open(data)?.read()?),
        false => None,
    })
}

/// A change as it is handed over, and what is to be signed for it.
pub(crate) fn signed_for(
    change: &Change,
    reason: String,
) -> Result<(Vec<u8>, grant::Terms), CliError> {
    let bytes = change.encode().map_err(|error| CliError::failure(error.to_string()))?;
    if bytes.len() as u64 > CHANGE_BYTES_MAX {
        return Err(CliError::failure(format!(
            "that is too much at once: {} of {}",
            output::size(bytes.len() as u64),
            output::size(CHANGE_BYTES_MAX)
        )));
    }
    let digest = Change::digest(&bytes);
    let terms =
        grant::Terms { reason, rights: Rights::REMEMBER, resource: GOVERNED.into(), digest };
    Ok((bytes, terms))
}

/// What is to be recorded, and how many memories it erases; `None`: there is nothing to do.
fn change(
    deed: Deed<'_>,
    directory: &KeyDirectory,
    reader: Option<&Reader>,
    principal: &str,
) -> Result<Option<(Change, usize)>, CliError> {
    let data = deed.data();
    let unrecorded = || CliError::unrecorded(data);
    Ok(Some(match deed {
        Deed::Remember(telling) => {
            let mut secrets = Secrets::open_or_create(directory, data, reader)?;
            let memo = new_memo(telling, principal, None)?;
            let change = Change::remember(secrets.keys_mut(), reader, &memo, now());
            let change = change.map_err(|error| telling_of(error, secrets.keys(), data, reader))?;
            secrets.close()?;
            (change, 0)
        }
        Deed::Supersede(telling) => {
            let reader = reader.ok_or_else(unrecorded)?;
            let mut secrets = Secrets::open(directory, data)?;
            let keys = Some(secrets.keys());
            let all = history(reader, keys, &telling.subject, &telling.key, &View::NOW);
            let all = all.map_err(|error| failed(error.into()))?;
            let told = new_memo(telling, principal, None)?;
            let before = Change::replaced(secrets.keys(), reader, &told, now());
            let known = Some(reader);
            let before = before.map_err(|error| {
                elsewhere(&error, &all)
                    .unwrap_or_else(|| telling_of(error, secrets.keys(), data, known))
            })?;
            let memo = new_memo(telling, principal, Some(&before))?;
            let change = Change::supersede(secrets.keys_mut(), reader, &memo, now());
            let change = change.map_err(failed)?;
            secrets.close()?;
            (change, 0)
        }
        Deed::Forget(args) => {
            let reader = reader.ok_or_else(unrecorded)?;
            forget::forgetting(args, reader, &Secrets::open(directory, data)?)?
        }
        Deed::Expire(_) => {
            let reader = reader.ok_or_else(unrecorded)?;
            let (secrets, now) = (Secrets::open(directory, data)?, now().units());
            let due = due(reader, secrets.keys(), now).map_err(|error| failed(error.into()))?;
            let goes = due.len();
            return Ok(Change::expire(due, now).map(|change| (change, goes)));
        }
    }))
}

fn time(text: &str, option: &str) -> Result<Time, CliError> {
    match moment(text, option)? {
        Moment::Time(time) => Ok(time),
        Moment::Tick(_) => {
            Err(CliError::failure(format!("{option}: a tick is a place in the record, not a time"))
                .with_hint("give a date, such as 2027-12-31"))
        }
    }
}

/// The last second, since 1970, to which something is kept; `None`: until somebody erases it.
pub(crate) fn horizon(keep: &Keep) -> Result<Option<i64>, CliError> {
    let now = now().units();
    let horizon = match keep {
        Keep::Forever => None,
        Keep::For(seconds) => Some(now.saturating_add(*seconds)),
        Keep::To(text) => match moment(text, "--keep") {
            Ok(Moment::Time(time)) => Some(time.units()),
            Ok(Moment::Tick(_)) | Err(_) => {
                return Err(CliError::failure(format!(
                    "--keep: \"{text}\" is neither how long (12h, 90d, 4w, 2y), nor a date \
                     (2027-12-31), nor forever"
                )));
            }
        },
    };
    match horizon {
        Some(horizon) if horizon <= now => Err(CliError::failure("--keep: that moment is over")
            .with_hint("give how long, such as 90d, or a date to come, or forever")),
        Some(_) | None => Ok(horizon),
    }
}

/// What is told, with what is left open as it was `before`.
fn new_memo<'a>(
    telling: &'a Telling,
    principal: &'a str,
    before: Option<&'a Recalled>,
) -> Result<NewMemo<'a>, CliError> {
    let mut tags: BTreeSet<String> = telling.tag.iter().cloned().collect();
    if let (true, Some(Said::Words(words))) = (tags.is_empty(), before.map(|memo| &memo.said)) {
        tags = words.tags.clone();
    }
    let kind = telling.kind.map(MemoKind::from).or(before.map(|memo| memo.memo.kind));
    let owner = telling.owner.as_deref().or(before.map(|memo| memo.memo.owner.as_str()));
    let now = now();
    Ok(NewMemo {
        subject: &telling.subject,
        key: &telling.key,
        kind: kind.unwrap_or(MemoKind::Fact),
        words: Words {
            text: telling.text.clone(),
            tags,
            evidence: telling.evidence.clone(),
            via: Vec::new(),
        },
        owner: owner.unwrap_or(principal),
        reason: &telling.reason,
        horizon: horizon(&telling.keep)?,
        from: telling.since.as_deref().map_or(Ok(now), |since| time(since, "--since"))?,
    })
}

/// Seconds since 1970.
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    let units = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Time::new(units, since.subsec_nanos()).unwrap_or(Time::MAX)
}

/// Records what was handed over, as the node; where it stands.
pub(crate) fn record(data: &Path, mut node: Arrived) -> Result<Position, CliError> {
    let bytes = node.inputs.read(Input::Change, data, CHANGE_BYTES_MAX);
    let bytes = bytes.map_err(|error| CliError::failure(error.to_string()))?;
    let dir = node.dir()?;
    if Change::decode(&bytes).is_ok_and(|change| change.erases()) {
        // Once more: between whoever signed it and this node others may have ended what they began.
        secrets::begin_erasing(data)?;
    }
    let authority = grant::received(node.said)?;
    record_change(dir, node.key, &bytes, &authority, &node.known, VERSION).map_err(failed)
}

fn take(deed: Deed<'_>, mut node: Arrived) -> Result<Code, CliError> {
    let goes = deed.erases().then(|| forget::counted(&mut node, deed.data()));
    let position = record(deed.data(), node)?;
    if let Some(goes) = goes {
        forget::tell(position.0, goes);
    }
    if let Deed::Remember(telling) | Deed::Supersede(telling) = deed {
        if telling.json {
            output::json(&json!({
                "record": position.0, "subject": telling.subject, "key": telling.key,
                "data": telling.data,
            }));
        } else {
            output::line(&format!("remembered, record {position}"));
        }
    }
    Ok(Code::Ok)
}

/// Why nothing is superseded, where all that there is came from elsewhere.
fn elsewhere(error: &ChangeError, all: &[Recalled]) -> Option<CliError> {
    let there = all.iter().rfind(|memo| matches!(memo.said, Said::Words(_)));
    let ChangeError::Missing { subject, key: Some(key) } = error else { return None };
    let origin = there?.memo.origin?;
    let what = format!(
        "what is remembered of \"{subject}\" under \"{key}\" came from log {}, and is replaced there \
         alone",
        origin.log
    );
    let hint = "`karyon memory remember` sets one of your own beside it";
    Some(CliError::failure(what).with_hint(hint))
}

/// As [`failed`]; of a subject that was forgotten as a whole also who had it forgotten.
fn telling_of(
    error: ChangeError,
    keys: &Keystore,
    data: &Path,
    reader: Option<&Reader>,
) -> CliError {
    let whole = match (&error, reader) {
        (ChangeError::Erased { subject, key: None }, Some(reader)) => {
            Journal::of(data, &mut |_| ())
                .map_err(LineageError::from)
                .and_then(|mut journal| whole_erasure(&mut journal, reader, keys, subject))
        }
        _ => return failed(error),
    };
    match whole {
        Ok(Some(erasure)) => failed(error).with_hint(format!(
            "it was forgotten as a whole: {}; nothing can be remembered of it again",
            memo::erased_words(&erasure)
        )),
        Ok(None) => failed(error),
        Err(why) => why.into(),
    }
}

pub(crate) fn failed(error: ChangeError) -> CliError {
    if let ChangeError::Later { subject, id, .. } = &error {
        return CliError::failure(words(&error)).with_hint(format!(
            "say a --since behind that to replace it, or take it back first: `karyon memory \
             forget {:?} --id '{id}'`",
            output::plain(subject)
        ));
    }
    let hint = match &error {
        ChangeError::IsThere { horizon: Some(horizon), .. } if *horizon <= now().units() => Some(
            "it has expired, so answers leave it out: `karyon memory expire` erases it, and \
             `karyon memory supersede` replaces it",
        ),
        ChangeError::IsThere { .. } => {
            Some("`karyon memory supersede` replaces it, and keeps it in the history")
        }
        ChangeError::Gone { .. } => Some(
            "`karyon memory remember` says something new under it; `karyon memory recall \
             --history` shows what was erased, by whom and why",
        ),
        ChangeError::Missing { key: Some(_), .. } => {
            Some("`karyon memory recall` shows what there is; `remember` begins something new")
        }
        _ => None,
    };
    let code = match &error {
        ChangeError::Grant(_) | ChangeError::Deed(karyon_memory::DeedError::Denied(_)) => {
            Code::Refused
        }
        _ => Code::Failure,
    };
    CliError { code, message: words(&error), hint: hint.map(ToOwned::to_owned) }
}

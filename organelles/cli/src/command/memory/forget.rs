//! `karyon memory forget|expire`: what keys are destroyed, said before and behind.
//!
//! A key is destroyed behind the record that says so, by the process that has the keys: so erasing
//! takes a process around the one that becomes the node.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use karyon_graph::Reader;
use karyon_keys::KeyDirectory;
use karyon_keystore::id_in;
use karyon_memory::{Change, Recalled, Which};
use karyon_runtime::datadir;
use serde_json::{Value as Json, json};

use super::change::{Deed, failed, recorded};
use super::memo::{Beside, as_json, show_one};
use super::secrets::{self, Secrets};
use crate::args::Forget;
use crate::command::refuse_authority;
use crate::confirm::is_confirmed;
use crate::error::{CliError, Code};
use crate::guarded::{self, Arrived};
use crate::handover::Input;
use crate::keys;
use crate::output::{self, plain, thousands};

/// Tells a process that another one around it destroys the keys.
pub(super) const WITHIN: &str = "KARYON_ERASING";
/// What the node is told to tell: a number.
const REPORT_BYTES_MAX: u64 = 64;

/// Which memories are meant.
pub(super) fn which(args: &Forget) -> Which<'_> {
    match (&args.key, &args.id) {
        (_, Some(id)) => Which::Id(id),
        (Some(key), None) => Which::Key(key),
        (None, None) => Which::All,
    }
}

/// What is to be recorded for it, and how many memories go.
pub(super) fn forgetting(
    args: &Forget,
    reader: &Reader,
    secrets: &Secrets,
) -> Result<(Change, usize), CliError> {
    let which = which(args);
    let goes = Change::goes(secrets.keys(), reader, &args.subject, which).map_err(failed)?;
    let change = match which {
        Which::All => Change::forget_subject(secrets.keys(), &args.subject).map_err(failed)?,
        Which::Key(_) | Which::Id(_) => Change::forget_these(&goes),
    };
    Ok((change, goes.len()))
}

/// Says what would be forgotten. Also in safe mode: it only looks.
pub(super) fn try_out(args: &Forget) -> Result<Code, CliError> {
    let goes = goes(args)?;
    if args.json {
        let memories: Vec<_> = goes.iter().map(|memo| as_json(memo, &Beside::default())).collect();
        output::json(&json!({
            "dry_run": true, "erased": goes.len(), "memories": memories, "data": args.data,
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!("{} would be forgotten:", memories(goes.len())));
    goes.iter().for_each(|memo| show_one(memo, &Beside::default()));
    if which(args) == Which::All {
        let subject = plain(&args.subject);
        output::line(&format!("{subject} itself could not be remembered again"));
    }
    Ok(Code::Ok)
}

fn goes(args: &Forget) -> Result<Vec<Recalled>, CliError> {
    let data = args.data.as_path();
    let directory = KeyDirectory::from_environment()?;
    let (secrets, reader) = (there(&directory, data)?, recorded(data)?);
    let reader = reader.ok_or_else(|| secrets::none(data))?;
    Change::goes(secrets.keys(), &reader, &args.subject, which(args)).map_err(failed)
}

/// The keys, so that nothing is begun where there is nothing.
fn there(directory: &KeyDirectory, data: &Path) -> Result<Secrets, CliError> {
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    Secrets::open_read_only(directory, data)?.ok_or_else(|| secrets::none(data))
}

/// What else can be done where the log cannot say that something is erased.
fn without_node(error: CliError, directory: &KeyDirectory, data: &Path) -> CliError {
    let master = id_in(data).ok().flatten().and_then(|id| secrets::master(directory, id).ok());
    let (Some(hint), Some(master)) = (&error.hint, master) else { return error };
    let hint = format!(
        "{hint}. An erasure is recorded before a key is destroyed, so without that key nothing is \
         forgotten by itself; all that is sealed in {} can be made unreadable at once, for good: \
         overwrite and remove its master key, {}",
        data.display(),
        master.display()
    );
    error.with_hint(hint)
}

/// Has it recorded by a process of its own, and destroys the keys behind that.
pub(super) fn erase(deed: Deed<'_>) -> Result<Code, CliError> {
    let data = deed.data();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    guarded::permit(data)?;
    let directory = KeyDirectory::from_environment()?;
    refuse_authority(data)?;
    keys::refuse_stranger(&directory, data)
        .map_err(|error| without_node(error, &directory, data))?;
    drop(there(&directory, data)?);
    if !datadir::log_file(data).exists() {
        return Err(CliError::unrecorded(data));
    }
    if let Deed::Forget(args) = deed
        && which(args) == Which::All
        && !args.yes
        && !is_meant(args)?
    {
        return Err(CliError::failure("nothing was forgotten"));
    }
    let failed = |error: std::io::Error| CliError::failure(format!("nothing was erased: {error}"));
    secrets::begin_erasing(data)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(WITHIN, "1").stdout(Stdio::piped());
    let done = command.spawn().and_then(std::process::Child::wait_with_output).map_err(failed)?;
    // Also where it failed: what it recorded, it recorded.
    let erased = secrets::end_erasing(&directory, data)?;
    if !done.status.success() {
        return Ok(code_of(done.status));
    }
    let told: Option<Json> = serde_json::from_slice(&done.stdout).ok();
    let number = |name| told.as_ref().and_then(|told| told.get(name)).and_then(Json::as_u64);
    let (record, count) = (number("record"), number("memories").unwrap_or(0));
    if deed.is_for_a_program() {
        output::json(&json!({
            "erased": count, "subjects": erased.subjects, "record": record, "data": data,
        }));
        return Ok(Code::Ok);
    }
    let Some(record) = record else {
        output::line("nothing has expired");
        return Ok(Code::Ok);
    };
    let count = memories(count as usize);
    output::line(&match deed {
        Deed::Forget(args) if which(args) == Which::All => format!(
            "forgotten: {}, and all that was ever remembered of it: {count}, record #{record}",
            plain(&args.subject)
        ),
        Deed::Forget(args) => {
            format!("forgotten: {}, {count}, record #{record}", plain(&args.subject))
        }
        _ => format!("expired, {count}, record #{record}"),
    });
    Ok(Code::Ok)
}

/// Shows what would go, and asks whether that is meant.
fn is_meant(args: &Forget) -> Result<bool, CliError> {
    let (goes, subject) = (goes(args)?, plain(&args.subject));
    let count = memories(goes.len());
    output::note(&format!(
        "{count} of {subject} would be forgotten for good, and {subject} could not be remembered \
         again; --dry-run shows them, --key forgets what lies under one key"
    ));
    is_confirmed(&format!("Forget all of {subject}?"), "nothing was forgotten")
}

/// Tells the process around this one what was recorded.
pub(super) fn tell(record: u64, counted: Option<Vec<u8>>) {
    let memories = counted.and_then(|told| String::from_utf8(told).ok()?.parse::<u64>().ok());
    output::json(&json!({ "record": record, "memories": memories }));
}

/// How many memories go, as the launcher found.
pub(super) fn counted(node: &mut Arrived, data: &Path) -> Option<Vec<u8>> {
    node.inputs.read(Input::Report, data, REPORT_BYTES_MAX).ok()
}

/// How many, in words.
pub(crate) fn memories(count: usize) -> String {
    match count {
        1 => "1 memory".to_owned(),
        count => format!("{} memories", thousands(count as u64)),
    }
}

fn code_of(status: ExitStatus) -> Code {
    match status.code() {
        Some(3) => Code::Refused,
        Some(4) => Code::Halted,
        Some(5) => Code::VerificationFailed,
        Some(130) => Code::Interrupted { signal: 2 },
        Some(143) => Code::Interrupted { signal: 15 },
        Some(_) | None => Code::Failure,
    }
}

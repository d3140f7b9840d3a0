//! `karyon authority do`: an effect done once, by running a command.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use karyon_broker::{Outcome, Performed, effect_key};
use karyon_log::{EffectStatus, Intent};
use karyon_types::{EffectId, Hash, Hasher, LogId};
use serde_json::json;

use super::{Opened, become_the_node, permit, refused, values, with};
use crate::args::Do;
use crate::error::{CliError, Code};
use crate::handover::{self, Inputs, Said};
use crate::{guarded, output, signals};

/// The most of a command's output that is held at once, bytes: it is passed on as it comes.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) fn execute(args: &Do) -> Result<Code, CliError> {
    let Some(node) = guarded::arrived()? else {
        permit(&args.place.data)?;
        return become_the_node(&args.place.data, Said::Nothing, &Inputs::default());
    };
    let effect = EffectId(args.effect);
    with(&node, |node| perform(node, effect, &args.command, args.place.json))
}

/// Lets a command do an effect that was admitted, and says what came of it.
pub(super) fn perform(
    node: &Opened,
    effect: EffectId,
    command: &[OsString],
    as_json: bool,
) -> Result<Code, CliError> {
    // A terminal sends Ctrl-C to the command as well. It ends or not; the receipt is written in
    // either case.
    let _signals = signals::listen()?;
    let log = node.broker.log();
    let mut ended = None;
    let receipt = node.broker.act(effect, &node.key, |intent| {
        let ran = run(log, intent, command, as_json);
        let (outcome, payload) = match &ran {
            Ok((status, payload)) if status.success() => (Outcome::Done, *payload),
            Ok((status, payload)) if status.code().is_some() => (Outcome::Failed, *payload),
            // Nobody knows how far a command had come that was killed.
            Ok((status, payload)) => {
                (Outcome::Unknown(format!("the command ended by {status}")), *payload)
            }
            Err(Ran::NotBegun(_)) => (Outcome::Failed, None),
            Err(Ran::EndUnknown(why)) => (Outcome::Unknown(why.clone()), None),
        };
        ended = Some(ran);
        Performed { outcome, payload, ..Performed::default() }
    });
    let receipt = receipt.map_err(refused::not_done)?;
    let status = match ended {
        Some(Ok((status, _))) => status.to_string(),
        Some(Err(Ran::NotBegun(why) | Ran::EndUnknown(why))) => why,
        None => "it was not begun".into(),
    };
    let (done, payload) = (receipt.status == EffectStatus::Done, Hash(receipt.payload).to_string());
    let code = if done { Code::Ok } else { Code::Failure };
    match as_json {
        true => output::json(&json!({
            "effect": effect.0,
            "status": receipt.status.name(),
            "command": status,
            "payload": payload,
            "exit_code": code.number(),
        })),
        false => {
            output::note(&format!("effect {}: {} ({status})", effect.0, receipt.status.name()))
        }
    }
    Ok(code)
}

/// Why a command has no exit status.
enum Ran {
    /// It never ran.
    NotBegun(String),
    /// It ran, and nobody knows how it ended.
    EndUnknown(String),
}

/// Runs the command to its end: how it ended, and the hash of what it wrote.
fn run(
    log: LogId,
    intent: &Intent,
    command: &[OsString],
    as_json: bool,
) -> Result<(ExitStatus, Option<Hash>), Ran> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| Ran::NotBegun("no command was given".into()))?;
    let mut command = Command::new(program);
    for name in handover::variables() {
        command.env_remove(name);
    }
    let mut child = command
        .args(arguments)
        .env("KARYON_ACTION", &intent.action)
        .env("KARYON_RESOURCE", &intent.resource)
        .env("KARYON_ARGUMENTS", values::object(&intent.arguments).to_string())
        .env("KARYON_EFFECT_KEY", effect_key(log, EffectId(intent.id)).to_string())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Ran::NotBegun(format!("{} cannot be run: {error}", program.to_string_lossy()))
        })?;
    let passed = child.stdout.take().map(|out| match as_json {
        true => pass_on(out, std::io::stderr()),
        false => pass_on(out, std::io::stdout()),
    });
    let status = child.wait();
    let status =
        status.map_err(|error| Ran::EndUnknown(format!("its end cannot be learned: {error}")))?;
    // What it did is told by its exit code; an output that is lost only leaves no hash.
    let payload = passed.and_then(|passed| {
        let lost = |error| output::note(&format!("note: the output cannot be read: {error}"));
        passed.map_err(lost).ok()
    });
    Ok((status, payload))
}

/// Hashes what comes, and passes it on. A reader that went away changes nothing about the effect.
fn pass_on(mut from: impl Read, mut to: impl Write) -> std::io::Result<Hash> {
    let mut hasher = Hasher::default();
    let mut piece = vec![0; PIECE_BYTES];
    let mut is_heard = true;
    loop {
        let length = match from.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let read = piece.get(..length).unwrap_or_default();
        hasher.update(read);
        is_heard = is_heard && to.write_all(read).and_then(|()| to.flush()).is_ok();
    }
}

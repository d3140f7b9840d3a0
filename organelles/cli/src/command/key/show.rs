//! `karyon key show`: which keys there are.

use karyon_keys::{KeyDirectory, KeyError, KeyInfo, KeyState};
use karyon_memory::Readable;
use karyon_memory_ops::Time;
use serde_json::{Value, json};

use super::{in_json, kind};
use crate::args::Show;
use crate::error::{CliError, Code};
use crate::output;

pub(crate) fn execute(args: &Show) -> Result<Code, CliError> {
    let directory = KeyDirectory::from_environment()?;
    let mut keys = directory.list()?;
    if args.node || args.name.is_some() {
        let wanted = kind(args.name.as_deref())?;
        keys.retain(|key| key.kind.as_ref() == Some(&wanted));
        if keys.is_empty() {
            return Err(missing(&directory, args)?);
        }
    }
    if args.json {
        let keys: Vec<_> = keys.iter().map(as_json).collect();
        output::json(&json!({ "keys": keys, "directory": directory.path() }));
        return Ok(Code::Ok);
    }
    if keys.is_empty() {
        output::line(
            "no keys yet: the first `karyon run` makes them, `karyon key new NAME` a principal",
        );
    }
    keys.iter().for_each(show);
    output::line(&format!("keys in {}", directory.path().display()));
    Ok(Code::Ok)
}

/// The error of a key that is not there, as whoever loads it gets it.
fn missing(directory: &KeyDirectory, args: &Show) -> Result<CliError, CliError> {
    let loaded = match &args.name {
        Some(name) => directory.load_principal_public_key(name),
        None => directory.load_node_public_key(),
    };
    let made = match args.name {
        Some(_) => "`karyon key new NAME` makes a principal",
        None => "the first `karyon run` makes it",
    };
    match loaded {
        Err(error @ KeyError::Missing { .. }) => Ok(CliError::from(error).with_hint(made)),
        Err(error) => Err(error.into()),
        Ok(_) => Err(CliError::failure("the key was made just now; ask again")),
    }
}

fn as_json(key: &KeyInfo) -> Value {
    let (kind, name) = key.kind.as_ref().map_or(("principal", None), in_json);
    let mut object = json!({
        "kind": kind,
        "name": name,
        "public_key": key.public.to_string(),
        "created_unix_ms": key.created_unix_ms,
        "default": key.default,
        "secret": key.secret,
    });
    match &key.state {
        KeyState::Current { rotation_pending } => {
            output::put(&mut object, "state", "current");
            output::put(&mut object, "rotation_pending", *rotation_pending);
        }
        KeyState::Retired { rotation } => {
            output::put(&mut object, "state", "retired");
            let new = rotation.as_ref().map(|rotation| rotation.new.to_string());
            output::put(&mut object, "successor", new);
            let at = rotation.as_ref().map(|rotation| rotation.at_unix_ms);
            output::put(&mut object, "retired_unix_ms", at);
        }
    }
    object
}

fn show(key: &KeyInfo) {
    let (kind, name) = key.kind.as_ref().map_or(("principal", Some("?")), in_json);
    let whose = name.map_or(kind.to_owned(), |name| format!("{kind} {name}"));
    let mut about = Vec::new();
    match &key.state {
        KeyState::Current { rotation_pending } => {
            about.push("current".to_owned());
            if *rotation_pending {
                about.push("a rotation was cut off; rotate again to finish it".into());
            }
        }
        KeyState::Retired { rotation: Some(rotation) } => about.push(format!(
            "retired {}, followed by {}",
            date(rotation.at_unix_ms),
            rotation.new
        )),
        KeyState::Retired { rotation: None } => about.push("retired".into()),
    }
    about.extend(key.created_unix_ms.map(|at| format!("made {}", date(at))));
    if key.default {
        about.push("default".into());
    }
    if !key.secret {
        about.push("its secret is not here".into());
    }
    output::line(&format!("{whose}\n  {}\n  {}", key.public, about.join("; ")));
}

fn date(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).ok().and_then(|seconds| Time::new(seconds, 0));
    seconds.map_or_else(|| format!("{unix_ms} ms"), |time| Readable(time).to_string())
}

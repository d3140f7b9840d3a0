//! `karyon key rotate`: a new key in the place of one.

use karyon_identity::PublicKey;
use karyon_keys::{KeyDirectory, KeyKind};
use serde_json::json;

use super::{in_json, kind};
use crate::args::Rotate;
use crate::error::{CliError, Code};
use crate::output;

/// Logs that are named to a person; a machine gets all.
const SHOWN: usize = 10;

pub(crate) fn execute(args: &Rotate) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let kind = kind(args.name.as_deref())?;
    let old = match &kind {
        KeyKind::Node => keys.load_node_key(),
        KeyKind::Principal(name) => keys.load_principal_key(name),
    }?
    .public_key();
    let logs = match kind {
        KeyKind::Node => keys.checkpoints().logs_of(&old)?,
        KeyKind::Principal(_) => Vec::new(),
    };
    let logs: Vec<_> = logs.iter().map(ToString::to_string).collect();
    if args.destroy_old {
        warn(&kind, &old, &logs);
    }
    let rotation = keys.rotate(&kind, &old)?;
    let statement = keys.rotation_file(&kind, &old);
    let destroyed = args.destroy_old
        && keys.destroy_retired(&kind, &old).map_err(|error| {
            CliError::from(error).with_hint(format!(
                "the key was rotated, but the old secret is still there; remove {} yourself",
                statement.with_extension("key").display()
            ))
        })?;
    if args.json {
        let (word, name) = in_json(&kind);
        output::json(&json!({
            "kind": word,
            "name": name,
            "old": old.to_string(),
            "new": rotation.new.to_string(),
            "statement": statement,
            "destroyed": destroyed,
            "logs": logs,
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!("old         {old}"));
    output::line(&format!("new         {}", rotation.new));
    output::line(&format!(
        "statement   {}: give it to those who trust the old key; `karyon key follow` leads them \
         to the new one",
        statement.display()
    ));
    output::line(match (destroyed, &kind) {
        (true, _) => "old secret  overwritten and removed",
        (false, KeyKind::Node) => "old secret  kept; logs that it began are resumed with it",
        (false, KeyKind::Principal(_)) => "old secret  kept",
    });
    Ok(Code::Ok)
}

/// Says what cannot be done any more, before it cannot.
fn warn(kind: &KeyKind, old: &PublicKey, logs: &[String]) {
    let lost = match kind {
        KeyKind::Node => {
            "logs that it began can still be verified, but no longer resumed, imported into or \
             exported from as engrams"
        }
        KeyKind::Principal(_) => "what it signed can still be verified, and it signs nothing more",
    };
    output::note(&format!("warning: the secret of {old} is erased: {lost}"));
    for log in logs.iter().take(SHOWN) {
        output::note(&format!("warning:   log {log}"));
    }
    if logs.len() > SHOWN {
        output::note(&format!("warning:   and {} more", logs.len() - SHOWN));
    }
    output::note(
        "warning: an SSD, a snapshot or a backup may still hold it; overwriting is no promise there",
    );
}

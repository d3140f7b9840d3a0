//! `karyon engram import`: an engram into another memory.

use std::path::Path;
use std::sync::Arc;

use karyon_colony::life::VERSION;
use karyon_gate::Rights;
use karyon_keys::KeyDirectory;
use karyon_memory::{Import, Imported, RESOURCE, TransplantError, import, import_digest, trust};
use karyon_runtime::{DataDir, DataDirError};
use serde_json::json;

use super::open;
use crate::args;
use crate::error::{CliError, Code, words};
use crate::output::{self, thousands};
use crate::{grant, keys};

/// Contradictions that are shown to a person; a machine gets all.
const SHOWN: usize = 5;

pub(crate) fn execute(args: &args::Import) -> Result<Code, CliError> {
    let directory = KeyDirectory::from_environment()?;
    let received = grant::received(&directory)?;
    let (bytes, opened) = open(&args.file)?;
    let named = args.trust.as_deref().map(|key| keys::public_key("--trust", key)).transpose()?;
    let trusted = trust(opened.signer, keys::this_node()?, named).map_err(|error| {
        let known = matches!(error, TransplantError::UnknownSigner { .. });
        let error = CliError::from(error);
        match known {
            true => error.with_hint(format!(
                "if you got that key from its owner in another way, name it: --trust {}",
                opened.signer
            )),
            false => error,
        }
    })?;
    let Some(grant::Received { authority, .. }) = received else {
        let log = opened.engram.manifest.origin.log;
        let current = grant::node_key(&directory)?;
        // A log that is there goes on with the key that began it.
        let node_key = keys::of_log(&directory, &args.data)?.public_key();
        if node_key != current {
            output::note(&format!("note: the log was begun with the former node key {node_key}"));
        }
        return grant::sign_and_become_the_node(
            &directory,
            node_key,
            args.principal.as_deref(),
            grant::Terms {
                reason: format!("import an engram of log {log}"),
                rights: Rights::IMPORT,
                resource: RESOURCE.into(),
                digest: import_digest(&bytes),
            },
            || Ok(args.data.clone()),
        )
        .map(|never| match never {});
    };
    // From here on this is the node.
    let key = Arc::new(keys::of_log(&directory, &args.data)?);
    let dir = data_directory(&args.data)?;
    let request = Import {
        bytes: &bytes,
        opened: &opened,
        trusted,
        authority: &authority,
        known: &keys::known_of(&directory, &args.data)?,
        karyon: VERSION,
    };
    let imported = import(dir, key, &request)?;
    if imported.written {
        keys::keep_checkpoint(&directory, &args.data)?;
    }
    if let Some(error) = &imported.memory_error {
        output::note(&format!(
            "note: the memory does not show it yet, and is built when it is asked: {}",
            words(error)
        ));
    }
    show(&imported, args);
    Ok(Code::Ok)
}

/// The data directory: one that is there, or a new one.
fn data_directory(data: &Path) -> Result<DataDir, CliError> {
    Ok(match DataDir::create(data) {
        Err(DataDirError::NotEmpty { .. }) => DataDir::open(data)?,
        other => other?,
    })
}

fn show(imported: &Imported, args: &args::Import) {
    let conflicts: Vec<_> = imported
        .conflicts
        .iter()
        .map(|conflict| (conflict.subject.as_str(), conflict.predicate.as_str()))
        .collect();
    if args.json {
        let conflicts: Vec<_> =
            conflicts.iter().map(|(id, fact)| json!({ "id": id, "fact": fact })).collect();
        output::json(&json!({
            "new": imported.new,
            "known": imported.known,
            "conflicts": conflicts,
            "changed": imported.written,
            "data": args.data,
        }));
        return;
    }
    if !imported.written {
        output::line(&format!(
            "no change: all {} memories are there already",
            thousands(imported.known as u64)
        ));
        return;
    }
    output::line(&format!(
        "{} memories imported, {} were there already, {} contradict what was there",
        thousands(imported.new as u64),
        thousands(imported.known as u64),
        thousands(conflicts.len() as u64),
    ));
    for (id, fact) in conflicts.iter().take(SHOWN) {
        output::line(&format!("  both kept: {id} {fact}"));
    }
    if conflicts.len() > SHOWN {
        output::line(&format!("  and {} more; --json lists all", conflicts.len() - SHOWN));
    }
}

//! `karyon engram import`: an engram into another memory.

use std::path::Path;

use karyon_colony::life::VERSION;
use karyon_gate::Rights;
use karyon_keys::KeyDirectory;
use karyon_memory::{Import, Imported, RESOURCE, TransplantError, import, import_digest, trust};
use karyon_runtime::{DataDir, DataDirError};
use serde_json::json;

use super::open;
use crate::args;
use crate::error::{CliError, Code, words};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::{Inputs, Signers};
use crate::output::{self, thousands};
use crate::{grant, keys};

/// Contradictions that are shown to a person; a machine gets all.
const SHOWN: usize = 5;

pub(crate) fn execute(args: &args::Import) -> Result<Code, CliError> {
    match guarded::arrived()? {
        None => launch(args),
        Some(node) => take(args, node),
    }
}

/// Checks the engram and who signed it, signs, and becomes the node.
fn launch(args: &args::Import) -> Result<Code, CliError> {
    let data = args.data.as_path();
    guarded::permit(data)?;
    let directory = KeyDirectory::from_environment()?;
    let mut inputs = Inputs::default();
    let (bytes, opened) = open(&args.file, &mut inputs)?;
    let named = args.trust.as_deref().map(|key| keys::public_key("--trust", key)).transpose()?;
    trust(opened.signer, keys::this_node()?, named).map_err(|error| {
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
    let log = opened.engram.manifest.origin.log;
    let this_node = grant::node_key(&directory)?;
    // A log that is there goes on with the key that began it.
    let key = keys::of_log(&directory, data)?;
    let node_key = key.public_key();
    if node_key != this_node {
        output::note(&format!("note: the log was begun with the former node key {node_key}"));
    }
    let terms = grant::Terms {
        reason: format!("import an engram of log {log}"),
        rights: Rights::IMPORT,
        resource: RESOURCE.into(),
        digest: import_digest(&bytes),
    };
    let said = grant::sign(&directory, node_key, args.principal.as_deref(), terms)?;
    let _dir = data_directory(data)?;
    let signers = Some(Signers { this_node, named });
    let launch = Launch { data, key, said, signers, tighten: Vec::new(), inputs: &inputs };
    launch.start(&directory).map(|never| match never {})
}

/// Takes the memories in, as the node.
fn take(args: &args::Import, mut node: Arrived) -> Result<Code, CliError> {
    let (bytes, opened) = open(&args.file, &mut node.inputs)?;
    let signers = node.signers;
    let (this_node, named) =
        (signers.map(|signers| signers.this_node), signers.and_then(|s| s.named));
    let trusted = trust(opened.signer, this_node, named)?;
    let dir = node.dir()?;
    let authority = grant::received(node.said)?;
    let request = Import {
        bytes: &bytes,
        opened: &opened,
        trusted,
        authority: &authority,
        known: &node.known,
        karyon: VERSION,
    };
    let imported = import(dir, node.key, &request)?;
    if let Some(error) = &imported.memory_error {
        output::note(&format!(
            "note: the memory does not show it yet, and is built when it is asked: {}",
            words(error)
        ));
    }
    show(&imported, args);
    Ok(Code::Ok)
}

/// The data directory: one that is there, or a new one. A folder that is used for something else
/// is left alone: as root the guardian would give it to the node.
pub(crate) fn data_directory(data: &Path) -> Result<DataDir, CliError> {
    Ok(match DataDir::create(data) {
        Err(DataDirError::NotEmpty { path, found }) if !data.join("log").is_dir() => {
            return Err(
                DataDirError::NotEmpty { path, found: format!("{found}, but no log") }.into()
            );
        }
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

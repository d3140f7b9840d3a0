//! `karyon engram inspect`: what an engram holds, once it is verified.

use std::collections::BTreeMap;

use karyon_engram::Opened;
use karyon_memory::Readable;
use karyon_memory_ops::{Entity, Memory, Vertex};
use serde_json::json;

use super::open;
use crate::args::Inspect;
use crate::error::{CliError, Code};
use crate::handover::Inputs;
use crate::keys;
use crate::output::{self, size, thousands};

pub(crate) fn execute(args: &Inspect) -> Result<Code, CliError> {
    let (bytes, opened) = open(&args.file, &mut Inputs::default())?;
    let manifest = &opened.engram.manifest;
    let known = keys::this_node()? == Some(opened.signer);
    let kinds = kinds(&opened);
    let agents: Vec<_> = manifest.agents.values().cloned().collect();
    if args.json {
        output::json(&json!({
            "verified": true,
            "root": opened.root.to_string(),
            "bytes": bytes.len(),
            "signer": opened.signer.to_string(),
            "signer_is_this_node": known,
            "origin": {
                "log": manifest.origin.log.to_string(),
                "node_key": manifest.origin.node_key.to_string(),
                "tree_size": manifest.origin.tree_size,
                "tree_root": output::hex(&manifest.origin.tree_root),
                "records": manifest.origin.records,
            },
            "principal": manifest.principal.name,
            "principal_key": manifest.principal.public_key.to_string(),
            "reason": manifest.reason,
            "created_unix_ms": manifest.created_unix_ms,
            "at": manifest.at.map(|at| at.to_string()),
            "agents": agents,
            "memories": opened.engram.memories.len(),
            "kinds": kinds,
        }));
        return Ok(Code::Ok);
    }
    let whole = format!(
        "{} memories, {}, every block and the signature are right",
        thousands(opened.engram.memories.len() as u64),
        size(bytes.len() as u64)
    );
    let signer = match known {
        true => format!("{} (this machine's node)", opened.signer),
        false => format!("{} (not known here; compare it before you trust it)", opened.signer),
    };
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    for (name, value) in [
        ("engram", whole),
        ("root", opened.root.to_string()),
        ("signed by", signer),
        ("from log", manifest.origin.log.to_string()),
        ("answers", format!("{} ({})", manifest.principal.name, manifest.principal.public_key)),
        ("because", manifest.reason.clone()),
        ("as of", manifest.at.map_or("the end".into(), |at| Readable(at).to_string())),
        ("agents", agents.join(", ")),
        ("holds", kinds.join(", ")),
    ] {
        output::line(&format!("{name:9}  {value}"));
    }
    Ok(Code::Ok)
}

/// How many memories there are of each kind.
fn kinds(opened: &Opened) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for (_, Memory { write, .. }) in &opened.engram.memories {
        let kind = match &write.entity {
            Entity::Vertex(Vertex::Agent(_)) => "agent",
            Entity::Vertex(Vertex::Named(_)) => "vertex",
            Entity::Edge { kind, .. } => kind,
            Entity::Fact { predicate, .. } => predicate,
        };
        *kinds.entry(kind.to_owned()).or_insert(0) += 1;
    }
    kinds
}

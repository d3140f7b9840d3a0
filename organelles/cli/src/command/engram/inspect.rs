//! `karyon engram inspect`: what an engram holds, once it is verified.

use std::collections::BTreeMap;

use karyon_memory::Readable;
use karyon_memory_ops::{Entity, Memory, Vertex};
use serde_json::json;

use super::check_each;
use crate::args::Inspect;
use crate::error::{CliError, Code};
use crate::handover::Inputs;
use crate::keys;
use crate::output::{self, size, thousands};

pub(crate) fn execute(args: &Inspect) -> Result<Code, CliError> {
    let mut kinds = BTreeMap::new();
    let engram =
        check_each(&args.file, &mut Inputs::default(), |memory| count(&mut kinds, memory))?;
    let manifest = &engram.manifest;
    let known = keys::this_node()? == Some(engram.signer);
    let agents: Vec<_> = manifest.agents.values().cloned().collect();
    if args.json {
        output::json(&json!({
            "verified": true,
            "root": engram.root.to_string(),
            "bytes": engram.bytes,
            "signer": engram.signer.to_string(),
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
            "memories": engram.memories,
            "kinds": kinds,
        }));
        return Ok(Code::Ok);
    }
    let whole = format!(
        "{} memories, {}, every block and the signature are right",
        thousands(engram.memories as u64),
        size(engram.bytes)
    );
    let signer = match known {
        true => format!("{} (this machine's node)", engram.signer),
        false => format!("{} (not known here; compare it before you trust it)", engram.signer),
    };
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    for (name, value) in [
        ("engram", whole),
        ("root", engram.root.to_string()),
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

/// Counts a memory among those of its kind.
fn count(kinds: &mut BTreeMap<String, u64>, memory: &Memory) {
    let kind = match &memory.write.entity {
        Entity::Vertex(Vertex::Agent(_)) => "agent",
        Entity::Vertex(Vertex::Named(_)) => "vertex",
        Entity::Edge { kind, .. } => kind,
        Entity::Fact { predicate, .. } => predicate,
    };
    match kinds.get_mut(kind) {
        Some(count) => *count += 1,
        None => drop(kinds.insert(kind.to_owned(), 1)),
    }
}

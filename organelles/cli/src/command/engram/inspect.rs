//! `karyon engram inspect`: what an engram holds, once it is verified.

use std::collections::{BTreeMap, BTreeSet};

use karyon_memory::{Date, Readable, Told};
use karyon_memory_ops::{Entity, Memory, Time, Vertex};
use karyon_types::LogId;
use serde_json::{Value as Json, json};

use super::super::memory::forget::memories;

use super::check_each;
use crate::args::Inspect;
use crate::error::{CliError, Code};
use crate::handover::Inputs;
use crate::keys;
use crate::output::{self, plain, size, thousands};

/// Names that are told of many.
const NAMES: usize = 10;

pub(crate) fn execute(args: &Inspect) -> Result<Code, CliError> {
    let (mut kinds, mut governed) = (BTreeMap::new(), Governed::default());
    let engram = check_each(&args.file, &mut Inputs::default(), |memory| match Told::of(memory) {
        Some(told) => governed.count(&told),
        None => count(&mut kinds, memory),
    })?;
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
            "governed": governed.as_json(),
        }));
        return Ok(Code::Ok);
    }
    let whole = format!(
        "{}, {}, every block and the signature are right",
        memories(engram.memories),
        size(engram.bytes)
    );
    let signer = match known {
        true => format!("{} (this machine's node)", engram.signer),
        false => format!("{} (not known here; compare it before you trust it)", engram.signer),
    };
    let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    let told = [
        ("engram", whole),
        ("root", engram.root.to_string()),
        ("signed by", signer),
        ("from log", manifest.origin.log.to_string()),
        ("answers", format!("{} ({})", manifest.principal.name, manifest.principal.public_key)),
        ("because", manifest.reason.clone()),
        ("as of", manifest.at.map_or("the end".into(), |at| Readable(at).to_string())),
        ("agents", agents.join(", ")),
        ("holds", kinds.join(", ")),
    ];
    // Of agents, or of what somebody answers for, there may be none.
    let told = told.into_iter().filter(|(_, value)| !value.is_empty()).chain(governed.lines());
    told.for_each(|(name, value)| output::line(&format!("{name:9}  {value}")));
    Ok(Code::Ok)
}

/// What it holds for which somebody answers.
#[derive(Default)]
struct Governed {
    memories: usize,
    kinds: BTreeMap<&'static str, usize>,
    subjects: BTreeSet<String>,
    keys: BTreeSet<String>,
    owners: BTreeSet<String>,
    /// From when on the first and the last of them is so.
    since: Option<(Time, Time)>,
    /// To when the first and the last of those is kept there that are not kept until they are
    /// erased, and how many are.
    kept: Option<(i64, i64)>,
    forever: usize,
    /// How many came there in engrams, and from how many logs.
    foreign: usize,
    logs: BTreeSet<LogId>,
}

impl Governed {
    fn count(&mut self, told: &Told) {
        self.memories += 1;
        *self.kinds.entry(told.kind.name()).or_default() += 1;
        self.subjects.insert(told.subject.clone());
        self.keys.insert(told.key.clone());
        self.owners.insert(told.owner.clone());
        let (first, last) = self.since.unwrap_or((told.from, told.from));
        self.since = Some((first.min(told.from), last.max(told.from)));
        match told.horizon {
            None => self.forever += 1,
            Some(horizon) => {
                let (first, last) = self.kept.unwrap_or((horizon, horizon));
                self.kept = Some((first.min(horizon), last.max(horizon)));
            }
        }
        if let Some((log, _)) = told.first {
            self.foreign += 1;
            self.logs.insert(log);
        }
    }

    fn as_json(&self) -> Json {
        if self.memories == 0 {
            return Json::Null;
        }
        let second = |second| Time::new(second, 0).map(|time| Date(time).to_string());
        json!({
            "kinds": self.kinds,
            "subjects": self.subjects,
            "keys": self.keys,
            "owners": self.owners,
            "since": self.since.map(|(first, last)| {
                [Date(first).to_string(), Date(last).to_string()]
            }),
            "kept_to": self.kept.map(|(first, last)| [second(first), second(last)]),
            "kept_forever": self.forever,
            "from_elsewhere": self.foreign,
            "logs": self.logs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    /// For a person.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Some((first, last)) = self.since else { return Vec::new() };
        let kinds = self.kinds.iter().map(|(kind, count)| match count {
            1 => format!("1 {kind}"),
            count => format!("{} {kind}s", thousands(*count as u64)),
        });
        let second = |second| Time::new(second, 0).unwrap_or(Time::MAX);
        let mut kept = Vec::new();
        if let Some((first, last)) = self.kept {
            kept.push(format!("to {}", span(second(first), second(last))));
        }
        if self.forever > 0 {
            kept.push(format!("{} until erased", memories(self.forever)));
        }
        let came = match self.foreign {
            0 => "this log itself".to_owned(),
            foreign => format!(
                "{} from elsewhere: log {}",
                memories(foreign),
                some(&self.logs.iter().map(ToString::to_string).collect())
            ),
        };
        vec![
            ("holds", kinds.collect::<Vec<_>>().join(", ")),
            ("about", some(&self.subjects)),
            ("under", some(&self.keys)),
            ("owners", some(&self.owners)),
            ("since", span(first, last)),
            ("kept", kept.join("; ")),
            ("came from", came),
        ]
    }
}

/// The first names, and how many more there are.
fn some(names: &BTreeSet<String>) -> String {
    let shown: Vec<_> = names.iter().take(NAMES).map(|name| plain(name)).collect();
    match names.len().checked_sub(NAMES).filter(|more| *more > 0) {
        None => shown.join(", "),
        Some(more) => format!("{} and {} more", shown.join(", "), thousands(more as u64)),
    }
}

fn span(first: Time, last: Time) -> String {
    match first == last {
        true => Date(first).to_string(),
        false => format!("{} to {}", Date(first), Date(last)),
    }
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

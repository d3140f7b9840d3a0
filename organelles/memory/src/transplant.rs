//! Engrams: taking out what agents remember, and bringing it in elsewhere.
//!
//! An import is an action like any other: a principal answers for it, the gate admits it, and the
//! record stands in the log before the memory shows it. What is imported stays foreign.

use std::collections::BTreeMap;
use std::sync::Arc;

use karyon_engram::{Engram, EngramError, Manifest, Opened, Origin, Principal};
use karyon_gate::Rights;
use karyon_graph::{Cut, GraphError, Reader};
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{Control, ImportRecord, Output, Record};
use karyon_memory_ops::{Entity, Memory, Vertex, Write};
use karyon_runtime::{Annex, Authority, DataDir, NodeError, wall_ms};
use karyon_statements::{Checkpoint, GrantError};
use karyon_types::{Hash, Position, Tick, hash};
use karyon_verify::Report;

use crate::comparison::{Contradiction, compare};
use crate::deed::{DeedError, deed};
use crate::item::spoken_of;
use crate::journal::{Journal, JournalError};
use crate::selection::Selection;

/// What an import's grant is for.
pub const RESOURCE: &str = "memory/foreign";

/// Why nothing was taken out or brought in.
#[derive(Debug, thiserror::Error)]
pub enum TransplantError {
    /// The engram is not made, or not believed.
    #[error(transparent)]
    Engram(#[from] EngramError),
    /// The memory cannot be read.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The memory says something that the log does not.
    #[error(
        "the memory says something else than record {position} of the log; build it anew with \
         `karyon memory rebuild`, and verify the log"
    )]
    NotInLog {
        /// The record.
        position: Position,
    },
    /// The data directory cannot take anything in.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The grant does not allow the import.
    #[error("refused: {0}")]
    Grant(#[from] GrantError),
    /// It is not admitted, or not recorded.
    #[error(transparent)]
    Deed(#[from] DeedError),
    /// Nobody here knows the key that signed the engram.
    #[error("refused: the engram is signed by {signer}, a key that is not trusted here")]
    UnknownSigner {
        /// The key.
        signer: PublicKey,
    },
    /// The log that is to be exported from was written by another node.
    #[error("the log was written by the node {writer}, and this is {here}; export it there")]
    OtherNode {
        /// Who wrote it.
        writer: PublicKey,
        /// Who is here.
        here: PublicKey,
    },
    /// Nothing is chosen.
    #[error(
        "there is nothing in the memory that was chosen so; choose otherwise, or another moment"
    )]
    Nothing,
    /// The neighbourhood is larger than is looked at.
    #[error("within {hops} edges there is more than is looked at ({cut:?}); take fewer hops")]
    TooFar {
        /// How many edges away.
        hops: u32,
        /// What there was too much of.
        cut: Cut,
    },
    /// Nobody answers for what is to be exported.
    #[error("the log names no principal who answers for its memories")]
    NoPrincipal,
    /// The log was imported to itself.
    #[error("the engram comes from this very log: there is nothing to bring in")]
    OwnLog,
}

/// Takes out what is chosen, with every version that begins no later than the moment, or the one
/// alone that holds then.
///
/// `report` is of the log, verified a moment ago, and `journal` reads it: each memory is compared
/// with its record before it is signed. Gives the file, and how many memories it holds.
///
/// # Errors
/// See [`TransplantError`].
pub fn export(
    report: &Report,
    reader: &Reader,
    journal: &mut Journal,
    selection: &Selection<'_>,
    key: &SecretKey,
) -> Result<(Vec<u8>, usize), TransplantError> {
    if report.node_key != key.public_key() {
        return Err(TransplantError::OtherNode { writer: report.node_key, here: key.public_key() });
    }
    let mut memories = selection.memories(reader)?;
    if memories.is_empty() {
        return Err(TransplantError::Nothing);
    }
    // In the order of the log, so that each block is read once.
    memories.sort_by_key(|memory| (memory.recorded.position, memory.recorded.output));
    for memory in &memories {
        if !is_recorded(journal, memory)? {
            return Err(TransplantError::NotInLog { position: memory.recorded.position });
        }
    }
    let names = Engram::mentioned(&memories)
        .into_iter()
        .map(|agent| Ok((agent, spoken_of(reader, None, &Vertex::Agent(agent))?)))
        .collect::<Result<BTreeMap<_, _>, GraphError>>()?;
    let agents = selection
        .named()
        .into_iter()
        .map(|agent| Ok((agent, spoken_of(reader, None, &Vertex::Agent(agent))?)))
        .collect::<Result<BTreeMap<_, _>, GraphError>>()?;
    let principal = report.controls.iter().find_map(|control| match control {
        Control::Principal(principal) => Some(principal),
        _ => None,
    });
    let reason = report.controls.iter().find_map(|control| match control {
        Control::Reason(reason) => Some(reason.label.clone()),
        _ => None,
    });
    let principal = principal.ok_or(TransplantError::NoPrincipal)?;
    let manifest = Manifest {
        origin: Origin {
            log: report.log,
            node_key: report.node_key,
            tree_size: report.end.tree.size(),
            tree_root: report.end.tree.root(),
            records: report.end.records,
        },
        principal: Principal {
            name: principal.name.clone(),
            public_key: PublicKey(principal.public_key),
        },
        reason: reason.unwrap_or_default(),
        created_unix_ms: wall_ms(),
        at: selection.at,
        agents,
        names,
    };
    let bytes = Engram::seal(&manifest, &memories, key)?;
    Ok((bytes, memories.len()))
}

/// Whether the log says what the memory says.
fn is_recorded(journal: &mut Journal, memory: &Memory) -> Result<bool, JournalError> {
    let recorded = &memory.recorded;
    let Some(found) = journal.record(recorded.position)? else { return Ok(false) };
    if found.tick.unwrap_or(Tick(0)) != recorded.tick {
        return Ok(false);
    }
    Ok(match (found.record(), recorded.output) {
        (Some(Record::Step { agent, step, outputs, .. }), Some(index)) => {
            let same = |output: &Output<'_>| match output {
                Output::Remembered { lease, write } => {
                    *lease == recorded.lease && Write::decode(write).as_ref() == Some(&memory.write)
                }
                _ => false,
            };
            (agent, step) == (recorded.agent, recorded.step)
                && outputs.get(usize::from(index)).is_some_and(same)
        }
        (Some(Record::Spawn { agent, lease, .. }), None) => {
            memory.write.entity == Entity::Vertex(Vertex::Agent(agent))
                && (agent, lease) == (recorded.agent, recorded.lease)
        }
        _ => false,
    })
}

/// How the signer of an engram came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// It is this machine's node.
    ThisNode,
    /// A person named its key.
    Named,
}

impl Trusted {
    /// As it is recorded, and told to machines.
    pub fn word(self) -> &'static str {
        match self {
            Trusted::ThisNode => "this node",
            Trusted::Named => "named",
        }
    }
}

/// Whether the signer is one of those who are trusted.
///
/// # Errors
/// [`TransplantError::UnknownSigner`].
pub fn trust(
    signer: PublicKey,
    node: Option<PublicKey>,
    named: Option<PublicKey>,
) -> Result<Trusted, TransplantError> {
    match () {
        () if named == Some(signer) => Ok(Trusted::Named),
        () if node == Some(signer) => Ok(Trusted::ThisNode),
        () => Err(TransplantError::UnknownSigner { signer }),
    }
}

/// What the principal signs for an import.
pub fn import_digest(engram: &[u8]) -> Hash {
    karyon_types::Hasher::for_domain("karyon engram import v1").field(&hash(engram).0).finish()
}

/// An engram that is about to be brought in.
pub struct Import<'a> {
    /// The file.
    pub bytes: &'a [u8],
    /// What it holds.
    pub opened: &'a Opened,
    /// Why its signer is trusted.
    pub trusted: Trusted,
    /// Who answers.
    pub authority: &'a Authority,
    /// Checkpoints that were kept elsewhere: a log that does not extend each is refused.
    pub known: &'a [Checkpoint],
    /// This version of Karyon, as recorded.
    pub karyon: &'a str,
}

/// What came of an import.
#[derive(Debug)]
pub struct Imported {
    /// Memories that are new here.
    pub new: usize,
    /// Memories that were here already.
    pub known: usize,
    /// Facts of which something else was here already, for the same name and a moment that both
    /// speak of; both are kept. Those of one subject and predicate are beside each other.
    pub conflicts: Vec<Contradiction>,
    /// Whether anything was written: not when everything was here already.
    pub written: bool,
    /// Why the memory does not show it yet, though it is in the log: it is built when asked.
    pub memory_error: Option<GraphError>,
}

/// Brings an engram into a data directory: new, or with a complete run.
///
/// # Errors
/// See [`TransplantError`]. The memory shows nothing of it then; should the checkpoint be what
/// cannot be written, the import is in the log, and the same call says that nothing changes.
pub fn import(
    dir: DataDir,
    key: Arc<SecretKey>,
    import: &Import<'_>,
) -> Result<Imported, TransplantError> {
    let digest = import_digest(import.bytes);
    import.authority.permits(key.public_key(), digest, RESOURCE, Rights::IMPORT)?;
    let annex = Annex::begin(dir, key, import.known)?;
    let engram = &import.opened.engram;
    let mut imported = Imported {
        new: engram.memories.len(),
        known: 0,
        conflicts: Vec::new(),
        written: true,
        memory_error: None,
    };
    if let Some(report) = annex.report() {
        if report.log == engram.manifest.origin.log {
            return Err(TransplantError::OwnLog);
        }
        let reader = crate::open(annex.dir().path(), &mut |_| ())?.graph.read()?;
        let compared = compare(&reader, engram)?;
        imported.new -= compared.known;
        imported.known = compared.known;
        imported.conflicts = compared.conflicts;
        if imported.new == 0 {
            imported.written = false;
            return Ok(imported);
        }
    }
    let records = deed(&annex, import.authority, import.karyon, Rights::IMPORT, |lease| {
        let name = format!("{}.engram", hash(import.bytes));
        let file = annex.keep(&name, import.bytes)?;
        Ok::<_, TransplantError>(Control::Import(ImportRecord {
            file,
            root: import.opened.root.to_bytes().to_vec(),
            origin: import.opened.engram.manifest.origin.log.0,
            signer: import.opened.signer.0,
            trusted_by: import.trusted.word().into(),
            lease: lease.0,
            at_unix_ms: wall_ms(),
        }))
    })?;
    let (dir, _) = annex.seal(import.karyon, &records)?;
    imported.memory_error = crate::open(dir.path(), &mut |_| ()).err();
    Ok(imported)
}

//! Engrams: taking out what agents remember, and bringing it in elsewhere.
//!
//! An import is an action like any other: a principal answers for it, the gate admits it, and the
//! record stands in the log before the memory shows it. What is imported stays foreign.

use std::collections::BTreeMap;
use std::sync::Arc;

use karyon_engram::{Engram, EngramError, Manifest, Opened, Origin, Principal};
use karyon_gate::{Gate, Grant, Lease, Request, Rights, Scope};
use karyon_graph::{Cut, GraphError, Reader};
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{Control, Genesis, ImportRecord, LeaseRecord, Output, Record};
use karyon_memory_ops::{Entity, Memory, Vertex, Write};
use karyon_runtime::{Annex, Authority, DataDir, NodeError, wall_ms};
use karyon_statements::{Checkpoint, GrantError};
use karyon_types::{
    AgentId, Denial, GrantId, Hash, LeaseId, Position, PrincipalId, ReasonId, Tick, hash,
};
use karyon_verify::Report;

use crate::comparison::{Contradiction, compare};
use crate::item::spoken_of;
use crate::journal::{Journal, JournalError};
use crate::selection::Selection;

/// The node itself, where an agent is named: agents are numbered from 1.
const NODE: AgentId = AgentId(0);

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
    /// The gate does not allow the import.
    #[error("refused: {0}")]
    Denied(Denial),
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
    let records = records(&annex, import)?;
    let (dir, _) = annex.seal(import.karyon, &records)?;
    imported.memory_error = crate::open(dir.path(), &mut |_| ()).err();
    Ok(imported)
}

/// The import's records: who answers, the lease, and what is brought in, once the gate admits it.
fn records(annex: &Annex, import: &Import<'_>) -> Result<Vec<Record<'static>>, TransplantError> {
    let controls = annex.report().map_or(&[][..], |report| &report.controls);
    let terms = &import.authority.signed.terms;
    let known = controls.iter().find_map(|control| match control {
        Control::Principal(known)
            if known.name == terms.principal && known.public_key == terms.principal_key.0 =>
        {
            Some(known.id)
        }
        _ => None,
    });
    let (mut principals, mut reasons, mut grants) = (0, 0, 0);
    for control in controls {
        match control {
            Control::Principal(record) => principals = record.id.max(principals),
            Control::Reason(record) => reasons = record.id.max(reasons),
            Control::Grant(record) => grants = record.id.max(grants),
            _ => {}
        }
    }
    let grant = Grant {
        id: GrantId(grants + 1),
        principal: PrincipalId(known.unwrap_or(principals + 1)),
        reason: ReasonId(reasons + 1),
        // What the principal signed; the gate refuses a lease that is wider.
        rights: Rights(terms.rights),
        scope: Scope { first: NODE.0, last: NODE.0 },
        expires: terms.expires_tick.map(Tick),
    };
    let lease = Lease {
        id: next_lease(annex)?,
        owner: NODE,
        rights: Rights::IMPORT,
        scope: grant.scope,
        expires: grant.expires,
    };
    admit(&grant, &lease)?;
    let mut all = Vec::new();
    if annex.report().is_none() {
        all.push(Control::Genesis(Genesis {
            karyon: import.karyon.into(),
            created_unix_ms: wall_ms(),
            scenario_name: String::new(),
            scenario: String::new(),
            kinds: Vec::new(),
            inputs: Vec::new(),
        }));
    }
    all.extend(
        import
            .authority
            .records(&grant)
            .into_iter()
            .filter(|record| known.is_none() || !matches!(record, Control::Principal(_))),
    );
    let mut records: Vec<_> =
        all.into_iter().map(|control| Record::Control(Box::new(control))).collect();
    records.push(Record::Lease(LeaseRecord {
        id: lease.id,
        owner: lease.owner,
        grant: grant.id,
        rights: lease.rights.0,
        scope: (lease.scope.first, lease.scope.last),
        expires: lease.expires,
        log_bytes: None,
        cut: None,
    }));
    let name = format!("{}.engram", hash(import.bytes));
    let file = annex.keep(&name, import.bytes)?;
    records.push(Record::Control(Box::new(Control::Import(ImportRecord {
        file,
        root: import.opened.root.to_bytes().to_vec(),
        origin: import.opened.engram.manifest.origin.log.0,
        signer: import.opened.signer.0,
        trusted_by: import.trusted.word().into(),
        lease: lease.id.0,
        at_unix_ms: wall_ms(),
    }))));
    Ok(records)
}

/// Leases are numbered on.
fn next_lease(annex: &Annex) -> Result<LeaseId, TransplantError> {
    if annex.report().is_none() {
        return Ok(LeaseId(1));
    }
    let journal = Journal::of(annex.dir().path(), &mut |_| ())?;
    Ok(LeaseId(journal.last_lease()?.map_or(0, |lease| lease.0) + 1))
}

/// The import passes the gate like every other action.
fn admit(grant: &Grant, lease: &Lease) -> Result<(), TransplantError> {
    let gate = Gate::default();
    let refused = TransplantError::Denied(Denial::CapabilityNotGranted);
    let handle = gate.new_chain().ok().and_then(|chain| gate.open(grant, lease, chain).ok());
    let handle = handle.ok_or(refused)?;
    let request = Request { agent: NODE, right: Rights::IMPORT, target: NODE.0, now: Tick(0) };
    gate.check(Some(handle), &request).map_err(TransplantError::Denied)?;
    Ok(())
}

//! Engrams: taking out what agents remember, and bringing it in elsewhere.
//!
//! An import is an action like any other: a principal answers for it, the gate admits it, and the
//! record stands in the log before the memory shows it. What is imported stays foreign.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as IoWrite;
use std::path::Path;
use std::sync::Arc;

use karyon_engram::{EngramError, Manifest, Origin, Principal, Sealer};
use karyon_gate::Rights;
use karyon_graph::{Cut, GraphError, NOBODY, Reader};
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{Control, ImportRecord, InputFile, Output, PrincipalRecord as Known, Record};
use karyon_memory_ops::{
    Content, Entity, Memo, Memory, Properties, Recorded, Time, Valid, Vertex, Write,
};
use karyon_runtime::{Annex, Authority, DataDir, NodeError, datadir, wall_ms};
use karyon_statements::{Checkpoint, GrantError};
use karyon_types::{AgentId, Hash, LogId, Position, Tick, hash};
use karyon_verify::{Report, Trust, verify};

use crate::carried::Carried;
use crate::comparison::{Contradiction, compare};
use crate::deed::{DeedError, deed};
use crate::governed::RecallError;
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
    /// Somebody speaks for a log that is not theirs.
    #[error(
        "refused: the engram says that it comes from log {log}, which the node {writer} signs, but \
         it is signed by {signer}; get it from that node"
    )]
    OtherSigner {
        /// The log.
        log: LogId,
        /// Who signs that log, by the engram or by an earlier import.
        writer: PublicKey,
        /// Who signed the engram.
        signer: PublicKey,
    },
    /// One record of a log says two things.
    #[error(
        "refused: log {log} has two pasts: the engram tells of \"{subject}\" under \"{key}\" what is \
         not known here by its record {record}; somebody went on with a copy of that log: find out \
         which of the two is right, and take in nothing of the other"
    )]
    TwoPasts {
        /// The log.
        log: LogId,
        /// The record.
        record: Position,
        /// Whom the engram tells of by it.
        subject: String,
        /// Under which key.
        key: String,
    },
    /// The engram comes from this log, and this log is not what it says of it.
    #[error(
        "refused: the engram comes from this very log, but its {records} records there are not what \
         the {here} are here: the log has two pasts, or this is an older state of it; find out which \
         directory is right, and go on with that one alone"
    )]
    OwnPast {
        /// Records of the log where the engram was made.
        records: u64,
        /// Records of the log here.
        here: u64,
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
    /// What is chosen was replaced by what is not.
    #[error(
        "all that was chosen ({superseded}) was replaced by what is not among it: by what was not \
         chosen, has expired or is forgotten; without that it would hold again where it comes in"
    )]
    Superseded {
        /// How many memories.
        superseded: usize,
    },
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
    /// What is to be exported is sealed.
    #[error("what was chosen is sealed, and its keys are not here; export it where they are")]
    Locked,
    /// An engram that is neither one thing nor the other.
    #[error(
        "the engram holds {governed} memories for which somebody answers and {others} of agents; \
         they come in apart from each other: export two engrams"
    )]
    Mixed {
        /// Those of principals.
        governed: usize,
        /// Those of agents.
        others: usize,
    },
    /// What is to be sealed where it comes in.
    #[error(
        "the engram holds {governed} memories for which somebody answers; `karyon engram import \
         --keep` seals them where they come in"
    )]
    Governed {
        /// How many.
        governed: usize,
    },
    /// More than comes in at once.
    #[error(
        "the engram holds {memories} memories for which somebody answers; at most {} come in at \
         once: export them in parts, by --subject, --key or --owner",
        crate::governed::ADOPTED_MAX
    )]
    TooManyGoverned {
        /// How many.
        memories: usize,
    },
    /// More than comes in at once.
    #[error(
        "what the engram brings for which somebody answers has {bytes} bytes; at most {} come in at \
         once: export it in parts, by --subject, --key or --owner",
        crate::governed::CHANGE_BYTES_MAX
    )]
    TooHeavy {
        /// How much.
        bytes: u64,
    },
    /// Nobody can be called so.
    #[error(
        "nobody answers for them who is called {owner:?}: a name is a text of 1 to {} bytes without \
         control characters",
        karyon_memory_ops::limits::NAME_BYTES_MAX
    )]
    Owner {
        /// The name.
        owner: String,
    },
    /// A memory without what is due.
    #[error("memory {cid} is said to be recorded by a principal, and lacks owner, reason or kind")]
    NotGoverned {
        /// The block.
        cid: karyon_engram::Cid,
    },
    /// What is remembered here cannot be read.
    #[error(transparent)]
    Recall(#[from] RecallError),
    /// The log was imported to itself.
    #[error("the engram comes from this very log: there is nothing to bring in")]
    OwnLog,
}

/// Takes out what is chosen, with every version that begins no later than the moment, or the one
/// alone that holds then.
///
/// `report` is of the log, verified a moment ago, and `journal` reads it: what is signed is read
/// from the log, and must be what the memory says. No memory is held: they wait in `spool`, an
/// empty file, and the engram is written to `out`. Gives how long it is, and how many memories it
/// holds.
///
/// # Errors
/// See [`TransplantError`].
pub fn export(
    report: &Report,
    reader: &Reader,
    journal: &mut Journal,
    selection: &Selection<'_>,
    key: &SecretKey,
    (spool, out): (File, &mut impl IoWrite),
) -> Result<(u64, usize), TransplantError> {
    let mut chosen = Vec::new();
    selection.each(reader, |memory| {
        let Recorded { position, output, agent, .. } = memory.recorded;
        // What a principal recorded, and what agents remember of a subject, is sealed under keys that
        // stay here.
        if agent != NOBODY && Memo::of(&memory.write.content).is_none() {
            chosen.push((position, output, digest(&memory)));
        }
        Ok(())
    })?;
    // In the order of the log, so that each block is read once.
    chosen.sort_unstable();
    let kinds = journal.genesis()?.map_or(Vec::new(), |genesis| genesis.kinds);
    let mut sealer = Sealer::new(spool);
    for (position, output, expected) in chosen {
        match recorded(journal, &kinds, position, output)? {
            Some(memory) if digest(&memory) == expected => sealer.add(&memory)?,
            Some(_) | None => return Err(TransplantError::NotInLog { position }),
        }
    }
    seal(report, reader, sealer, (selection.named(), selection.at, None), key, out)
}

/// Seals what was chosen by naming these agents, at a moment, with these words for why it was
/// recorded and who answers; `None`: those of the log's first grant.
pub(crate) fn seal(
    report: &Report,
    reader: &Reader,
    mut sealer: Sealer<File>,
    (named, at, told): (BTreeSet<AgentId>, Option<Time>, Option<(&str, Principal)>),
    key: &SecretKey,
    out: &mut impl IoWrite,
) -> Result<(u64, usize), TransplantError> {
    if report.node_key != key.public_key() {
        return Err(TransplantError::OtherNode { writer: report.node_key, here: key.public_key() });
    }
    let memories = sealer.count()?;
    if memories == 0 {
        return Err(TransplantError::Nothing);
    }
    let names = sealer
        .mentioned()
        .iter()
        .map(|agent| Ok((*agent, spoken_of(reader, None, &Vertex::Agent(*agent))?)))
        .collect::<Result<BTreeMap<_, _>, GraphError>>()?;
    let agents = named
        .into_iter()
        .map(|agent| Ok((agent, spoken_of(reader, None, &Vertex::Agent(agent))?)))
        .collect::<Result<BTreeMap<_, _>, GraphError>>()?;
    let first_reason = || {
        report.controls.iter().find_map(|control| match control {
            Control::Reason(reason) => Some(reason.label.clone()),
            _ => None,
        })
    };
    let first_principal = || {
        report.controls.iter().find_map(|control| match control {
            Control::Principal(Known { name, public_key, .. }) => {
                Some(Principal { name: name.clone(), public_key: PublicKey(*public_key) })
            }
            _ => None,
        })
    };
    let (reason, principal) = match told {
        Some((reason, principal)) => (reason.to_owned(), Some(principal)),
        None => (first_reason().unwrap_or_default(), first_principal()),
    };
    let principal = principal.ok_or(TransplantError::NoPrincipal)?;
    let manifest = Manifest {
        origin: Origin {
            log: report.log,
            node_key: report.node_key,
            tree_size: report.end.tree.size(),
            tree_root: report.end.tree.root(),
            records: report.end.records,
        },
        principal,
        reason,
        created_unix_ms: wall_ms(),
        at,
        agents,
        names,
    };
    Ok((sealer.seal(&manifest, key, out)?, memories))
}

/// An empty file beside another, without a name: it goes with whoever has it open.
///
/// # Errors
/// What the system says.
pub fn spool(beside: &Path) -> std::io::Result<File> {
    let mut name = beside.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).open(&name)?;
    std::fs::remove_file(&name)?;
    Ok(file)
}

/// What a memory says and where it was recorded, in few bytes.
fn digest(memory: &Memory) -> Hash {
    let Memory { write, recorded } = memory;
    let mut bytes = Vec::new();
    // What is out of bounds has no encoding, and is refused when it is to be sealed.
    if write.encode(&mut bytes).is_err() {
        bytes.clear();
    }
    let Recorded { position, tick, agent, step, output, lease } = recorded;
    for number in [position.0, tick.0, agent.0, *step, lease.0] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&output.map_or(0, |output| u32::from(output) + 1).to_le_bytes());
    hash(&bytes)
}

/// The memory that the log holds at a place; `kinds` are those of its genesis.
fn recorded(
    journal: &mut Journal,
    kinds: &[(String, u32)],
    position: Position,
    output: Option<u16>,
) -> Result<Option<Memory>, JournalError> {
    let Some(found) = journal.record(position)? else { return Ok(None) };
    let tick = found.tick.unwrap_or(Tick(0));
    let (write, agent, step, lease) = match (found.record(), output) {
        (Some(Record::Step { agent, step, outputs, .. }), Some(index)) => {
            match outputs.get(usize::from(index)) {
                Some(Output::Remembered { lease, write }) => {
                    let Some(write) = Write::decode(write) else { return Ok(None) };
                    (write, agent, step, *lease)
                }
                _ => return Ok(None),
            }
        }
        (Some(Record::Spawn { agent, kind, lease, .. }), None) => {
            let Some((kind, _)) = kinds.get(kind as usize) else { return Ok(None) };
            let labels = [kind.clone()].into();
            let write = Write {
                entity: Entity::Vertex(Vertex::Agent(agent)),
                valid: Valid::since(Time::MIN),
                content: Content::Present { labels, properties: Properties::new() },
            };
            (write, agent, 0, lease)
        }
        _ => return Ok(None),
    };
    let recorded = Recorded { position, tick, agent, step, output, lease };
    Ok(Some(Memory { write, recorded }))
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

/// Whether the signer is one of those who are trusted, and speaks for a log of their own.
///
/// # Errors
/// [`TransplantError::UnknownSigner`], [`TransplantError::OtherSigner`].
pub fn trust(
    engram: &Carried,
    node: Option<PublicKey>,
    named: Option<PublicKey>,
) -> Result<Trusted, TransplantError> {
    let signer = engram.signer;
    let trusted = match () {
        () if named == Some(signer) => Trusted::Named,
        () if node == Some(signer) => Trusted::ThisNode,
        () => return Err(TransplantError::UnknownSigner { signer }),
    };
    let origin = &engram.manifest.origin;
    match origin.node_key == signer {
        true => Ok(trusted),
        false => {
            let (log, writer) = (origin.log, origin.node_key);
            Err(TransplantError::OtherSigner { log, writer, signer })
        }
    }
}

/// Whether an engram may come into a log that holds these records: not into its own, and a log
/// from which something came before is spoken for by the node that signed it then.
pub(crate) fn may_enter(
    engram: &Carried,
    report: &Report,
    data: &Path,
) -> Result<(), TransplantError> {
    let (log, signer) = (engram.manifest.origin.log, engram.signer);
    if report.log == log {
        return Err(own(engram, report, data));
    }
    let other = |origin: [u8; 16], earlier: [u8; 32]| {
        (origin == log.0 && earlier != signer.0).then_some(PublicKey(earlier))
    };
    let earlier = report.controls.iter().find_map(|control| match control {
        Control::Import(import) => other(import.origin, import.signer),
        Control::Memory(record) => record.writes.iter().find_map(|write| {
            let origin = Memo::of(&Write::decode(write)?.content)?.origin?;
            other(origin.log.0, origin.signer)
        }),
        _ => None,
    });
    match earlier {
        Some(writer) => Err(TransplantError::OtherSigner { log, writer, signer }),
        None => Ok(()),
    }
}

/// Why an engram of this very log does not come in. `data` holds it, and was verified a moment ago.
fn own(engram: &Carried, report: &Report, data: &Path) -> TransplantError {
    let there = &engram.manifest.origin;
    let origin = karyon_log::origin(there.log);
    let then = Checkpoint { origin, size: there.tree_size, root: there.tree_root };
    let trust = Trust { node_key: None, known: vec![then] };
    let files = (datadir::log_folder(data), datadir::checkpoint_file(data), datadir::inputs(data));
    match verify(&files.0, &files.1, &files.2, &trust) {
        Ok(_) => TransplantError::OwnLog,
        Err(error) if error.is_refutation() => {
            TransplantError::OwnPast { records: there.records, here: report.end.records }
        }
        Err(other) => NodeError::from(other).into(),
    }
}

/// What the principal signs for an import of a file with this hash.
pub fn import_digest(engram: &Hash) -> Hash {
    karyon_types::Hasher::for_domain("karyon engram import v1").field(&engram.0).finish()
}

/// An engram that is about to be brought in.
pub struct Import<'a> {
    /// The file.
    pub engram: &'a Carried,
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
    import.engram.of_agents()?;
    let digest = import_digest(&import.engram.hash);
    import.authority.permits(key.public_key(), digest, RESOURCE, Rights::IMPORT)?;
    let annex = Annex::begin(dir, key, import.known)?;
    let engram = import.engram;
    let mut imported = Imported {
        new: engram.memories,
        known: 0,
        conflicts: Vec::new(),
        written: true,
        memory_error: None,
    };
    if let Some(report) = annex.report() {
        may_enter(engram, report, annex.dir().path())?;
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
        Ok::<_, TransplantError>(vec![Control::Import(ImportRecord {
            file: keep(&annex.dir().inputs(), import.engram)?,
            root: import.engram.root.to_bytes().to_vec(),
            origin: import.engram.manifest.origin.log.0,
            signer: import.engram.signer.0,
            trusted_by: import.trusted.word().into(),
            lease: lease.0,
            at_unix_ms: wall_ms(),
        })])
    })?;
    let (dir, _) = annex.seal(import.karyon, &records)?;
    imported.memory_error = crate::open(dir.path(), &mut |_| ()).err();
    Ok(imported)
}

/// Keeps a copy of the engram, durably, under the hash of its file; what the record says of it.
fn keep(inputs: &Path, engram: &Carried) -> Result<InputFile, NodeError> {
    let name = format!("{}.engram", engram.hash);
    let (path, part) = (inputs.join(&name), inputs.join(format!("{name}.part")));
    let written = engram.bytes().and_then(|mut bytes| {
        let mut file = File::create(&part)?;
        std::io::copy(&mut bytes, &mut file)?;
        file.sync_all()?;
        std::fs::rename(&part, &path)?;
        File::open(inputs)?.sync_all()
    });
    written.map_err(|source| NodeError::Io { path, source })?;
    Ok(InputFile { name, size: engram.bytes, hash: engram.hash.0 })
}

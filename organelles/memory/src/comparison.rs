//! What an engram would bring, compared with what is known in a data directory.

use std::path::Path;

use karyon_engram::Engram;
use karyon_graph::Reader;
use karyon_keystore::Keystore;
use karyon_log::{LogError, segment_file};
use karyon_runtime::{DataDirError, NodeError, datadir};
use karyon_types::LogId;
use karyon_verify::{Trust, VerifyError, verify};

use crate::carried::Carried;
use crate::governed::{Adopted, Terms, adopted};
use crate::item::Item;
use crate::open::open_unwritten;
use crate::transplant::{Imported, TransplantError, may_enter};

/// What lies in a data directory in which nothing was recorded: what a guardian, a person who puts
/// STOP there, and an import or an erasure that was ended early leave.
const UNUSED: [&str; 8] =
    ["safety", "lock", "logs", "memory", "log", "inputs", "keystore", "erasing"];

/// A fact that is told in two ways, at some moment at which both hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// Of whom, by name.
    pub subject: String,
    /// Which kind of fact.
    pub predicate: String,
    /// As it is told here, by this log or by one from which something was imported.
    pub here: Item,
    /// As the engram tells it; its places are those of the log that the engram comes from.
    pub theirs: Item,
}

/// What an engram would bring, compared with a held view of the memory here.
pub(crate) struct Compared {
    /// Memories that are here already.
    pub(crate) known: usize,
    /// Facts that are told otherwise here.
    pub(crate) conflicts: Vec<Contradiction>,
}

/// Reads the engram once more. Of its facts only those are held about which something is told here
/// too.
pub(crate) fn compare(reader: &Reader, carried: &Carried) -> Result<Compared, TransplantError> {
    let mut stream = carried.read()?;
    let log = carried.manifest.origin.log;
    let (mut known, mut contested) = (0, Vec::new());
    while let Some((cid, memory)) = stream.next_memory()? {
        known += usize::from(reader.is_known(log, &cid.to_bytes())?);
        if reader.is_told(&carried.manifest, &memory)? {
            contested.push((cid, memory));
        }
    }
    let engram = Engram { manifest: stream.into_manifest(), memories: contested };
    let mut conflicts = Vec::new();
    for conflict in reader.conflicts(&engram)? {
        let told = engram.memories.binary_search_by_key(&conflict.memory, |(cid, _)| *cid);
        let Some((_, memory)) = told.ok().and_then(|at| engram.memories.get(at)) else { continue };
        let theirs = Item::told(memory, &engram.manifest.names);
        let here = Item::read(reader, &conflict.entity, conflict.version)?;
        if let Some((subject, predicate)) = theirs.thing.fact() {
            let (subject, predicate) = (subject.to_owned(), predicate.to_owned());
            conflicts.push(Contradiction { subject, predicate, here, theirs });
        }
    }
    Ok(Compared { known, conflicts })
}

/// What [`import`](crate::import) would say, without doing it: nothing is written, in the data
/// directory or elsewhere, and one that is not there is not made. Whether the signer is trusted is
/// for [`trust`](crate::trust) to say.
///
/// `keys` says by whose key the log here is to be signed, and what was kept of it elsewhere.
///
/// # Errors
/// As those of [`import`](crate::import), but for those of a grant.
pub fn foretell(data: &Path, keys: &Trust, carried: &Carried) -> Result<Imported, TransplantError> {
    carried.of_agents()?;
    let mut imported = Imported {
        new: carried.memories,
        known: 0,
        conflicts: Vec::new(),
        written: false,
        memory_error: None,
    };
    if let Some((reader, _)) = enterable(data, keys, carried)? {
        let compared = compare(&reader, carried)?;
        imported.new -= compared.known;
        imported.known = compared.known;
        imported.conflicts = compared.conflicts;
    }
    Ok(imported)
}

/// What an engram of memories for which somebody answers would bring; as [`foretell`].
///
/// # Errors
/// See [`TransplantError`].
pub fn foretell_governed(
    data: &Path,
    keys: &Trust,
    keystore: Option<&Keystore>,
    carried: &Carried,
    terms: &Terms<'_>,
) -> Result<Adopted, TransplantError> {
    let here = enterable(data, keys, carried)?;
    adopted(here.as_ref().map(|(reader, log)| (reader, *log)), keystore, carried, terms)
}

/// The memory that an engram would come into, as it is, and its log; `None`: nothing was recorded
/// there.
fn enterable(
    data: &Path,
    keys: &Trust,
    carried: &Carried,
) -> Result<Option<(Reader, LogId)>, TransplantError> {
    let log = datadir::log_folder(data);
    let first = segment_file(&log, 0);
    if !first.try_exists().map_err(|source| NodeError::Io { path: first, source })? {
        unused(data)?;
        return Ok(None);
    }
    let (checkpoint, inputs) = (datadir::checkpoint_file(data), datadir::inputs(data));
    let report = match verify(&log, &checkpoint, &inputs, keys) {
        Ok(report) => report,
        Err(VerifyError::Log(LogError::NotALog)) => {
            return Err(NodeError::NothingRecorded { data: data.into() }.into());
        }
        Err(other) => return Err(NodeError::from(other).into()),
    };
    match &report.end {
        end if end.commits == 0 => {
            return Err(NodeError::NothingRecorded { data: data.into() }.into());
        }
        end if !end.sealed => return Err(NodeError::Unfinished { data: data.into() }.into()),
        _ => may_enter(carried, &report, data)?,
    }
    Ok(Some((open_unwritten(data, &mut |_| ())?.graph.read()?, report.log)))
}

/// A folder that is used for something else is no data directory.
fn unused(data: &Path) -> Result<(), NodeError> {
    let failed = |source| NodeError::Io { path: data.into(), source };
    let entries = match std::fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !UNUSED.contains(&name.as_str()) {
            let found = format!("\"{name}\", but no log");
            return Err(DataDirError::NotEmpty { path: data.into(), found }.into());
        }
    }
    Ok(())
}

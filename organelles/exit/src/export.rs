//! Writing an export.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use karyon_audit::Manner;
use karyon_engram::envelope;
use karyon_graph::Reader;
use karyon_identity::SecretKey;
use karyon_log::limits::CHECKPOINT_BYTES_MAX;
use karyon_log::{
    Control, DiskFolder, list_records, open_regular, read_regular, records_name, segment_name,
};
use karyon_runtime::datadir;
use karyon_statements::Checkpoint;
use karyon_types::Hash;
use karyon_verify::Report;

use crate::archive::Archive;
use crate::content::{Progress, sha256};
use crate::error::{ExportError, unwritten};
use crate::limits::FILES_MAX;
use crate::manifest::{FORMAT, FileEntry, Manifest, PAYLOAD_TYPE, VERSION};
use crate::{names, told};

/// What is exported, and how.
pub struct Export<'a> {
    /// The data directory, in which nothing is under way: whoever exports holds it.
    pub data: &'a Path,
    /// Of its log, verified a moment ago.
    pub report: &'a Report,
    /// Its memory, brought up to the log.
    pub reader: &'a Reader,
    /// The key that signed the log, if it is at hand.
    pub key: Option<&'a SecretKey>,
    /// This version of Karyon.
    pub karyon: &'a str,
    /// The file to be written; must not be there.
    pub out: &'a Path,
}

/// What was exported.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What the export says of itself.
    pub manifest: Manifest,
    /// The length of the file, bytes.
    pub bytes: u64,
    /// Versions of memories in it.
    pub memories: u64,
}

/// A file of the data directory, and how much of it is exported.
struct Copied {
    name: String,
    from: Origin,
    bytes: u64,
}

/// From where it is copied.
enum Origin {
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// Writes a file with all that the data directory holds. `progress` hears how many bytes it has.
///
/// # Errors
/// See [`ExportError`]. There is no such file then.
pub fn export(
    request: &Export<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Exported, ExportError> {
    let Export { data, report, reader, key, karyon, out } = *request;
    if reader.end().0 != report.end.records {
        return Err(ExportError::Grew);
    }
    let kept = kept(data, report)?;
    let copied = copied(data, report, kept.as_ref())?;
    let empty = |name: &str| FileEntry { name: name.to_owned(), bytes: 0, sha256: String::new() };
    let told = names::TOLD.iter().copied();
    let mut manifest = Manifest {
        format: FORMAT.into(),
        version: VERSION,
        karyon: karyon.into(),
        log_id: report.log.to_string(),
        node_key: report.node_key.to_string(),
        records: report.end.records,
        tree_size: report.end.tree.size(),
        tree_root: Hash(report.end.tree.root()).to_string(),
        state_root: report.seal().map(|seal| Hash(seal.state_root).to_string()),
        memory_root: reader.memory_root()?.to_string(),
        files: told.chain(copied.iter().map(|file| file.name.as_str())).map(empty).collect(),
    };
    if manifest.files.len() > FILES_MAX {
        let found = manifest.files.len();
        return Err(ExportError::TooMany { found, most: FILES_MAX });
    }
    let encoded = |error: serde_json::Error| unwritten(out)(io::Error::from(error));
    let len = manifest.len().map_err(encoded)?;
    let mut archive = Archive::begin(out, Progress::new(progress))?;
    let place = archive.keep_room(len as u64)?;
    let envelope_place = match key {
        Some(_) => Some(archive.keep_room(envelope::sealed_len(PAYLOAD_TYPE, len) as u64)?),
        None => None,
    };
    let mut files = Vec::with_capacity(manifest.files.len());
    let memories = tell(request, kept, &mut archive, &mut files)?;
    for file in &copied {
        let (entry, ()) = archive.add(&file.name, |to| copy(file, out, to))?;
        files.push(entry);
    }
    manifest.files = files;
    let bytes = manifest.encode().map_err(encoded)?;
    let mut first = vec![(names::MANIFEST, sha256(&bytes))];
    if let (Some(key), Some(place)) = (key, envelope_place) {
        let sealed = envelope::seal(PAYLOAD_TYPE, &bytes, key);
        first.push((names::ENVELOPE, sha256(&sealed)));
        archive.put(place, names::ENVELOPE, &sealed)?;
    }
    archive.put(place, names::MANIFEST, &bytes)?;
    let sums = manifest.sums(&first);
    archive.add(names::SUMS, |to| to.write_all(sums.as_bytes()).map_err(unwritten(out)))?;
    Ok(Exported { manifest, bytes: archive.end()?, memories })
}

/// Adds what the export says in words; how many memories there are.
fn tell(
    request: &Export<'_>,
    kept: Option<Vec<u8>>,
    archive: &mut Archive<'_>,
    files: &mut Vec<FileEntry>,
) -> Result<u64, ExportError> {
    let Export { data, report, reader, key, out, .. } = *request;
    let log = datadir::log_folder(data);
    let text = told::README.as_bytes();
    let (readme, ()) =
        archive.add(names::README, |to| to.write_all(text).map_err(unwritten(out)))?;
    let commits = report.end.commits;
    let (authority, given) =
        archive.add(names::AUTHORITY, |to| told::authority(&log, commits, out, to))?;
    files.extend([readme, authority]);
    for (name, all) in [
        (names::PRINCIPALS, &given.principals),
        (names::REASONS, &given.reasons),
        (names::GRANTS, &given.grants),
    ] {
        files.push(archive.add(name, |to| told::list(all, out, to))?.0);
    }
    let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
    let manner = key.map_or(Manner::Bare(kept.as_deref()), Manner::Signed);
    let (entry, exported) =
        archive.add(names::LOG, |to| Ok(karyon_audit::export(&log, &manner, to)?))?;
    if (exported.records, exported.blocks) != (report.end.records, report.end.tree.size()) {
        return Err(ExportError::Grew);
    }
    files.push(entry);
    let (entry, memories) = archive.add(names::MEMORY, |to| told::memory(reader, out, to))?;
    files.push(entry);
    Ok(memories)
}

/// The checkpoint beside the log; `None`: there is none.
///
/// # Errors
/// [`ExportError::Grew`]: it is of more than was verified.
fn kept(data: &Path, report: &Report) -> Result<Option<Vec<u8>>, ExportError> {
    let file = datadir::checkpoint_file(data);
    let bytes = match read_regular(&file, CHECKPOINT_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(unwritten(&file))?,
    };
    // One that cannot be read was found by whoever verified the log.
    let size = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| Checkpoint::parse_unverified(text).ok().map(|checkpoint| checkpoint.size));
    match size.is_some_and(|size| size > report.end.tree.size()) {
        true => Err(ExportError::Grew),
        false => Ok(Some(bytes)),
    }
}

/// The files that are copied: the log's, and those that it names.
fn copied(
    data: &Path,
    report: &Report,
    kept: Option<&Vec<u8>>,
) -> Result<Vec<Copied>, ExportError> {
    let log = datadir::log_folder(data);
    let end = &report.end;
    let hashed = list_records(&DiskFolder::new(&log)).map_err(unwritten(&log))?;
    let file = |name: String| {
        let from = log.join(&name);
        let bytes = from.metadata().map_err(unwritten(&from))?.len();
        let name = names::of_log(&name);
        Ok::<_, ExportError>(Copied { name, from: Origin::File(from), bytes })
    };
    let mut copied = Vec::new();
    for segment in 0..=end.segment {
        let mut of_segment = file(segment_name(segment))?;
        if segment == end.segment {
            // What lies behind was never committed.
            of_segment.bytes = end.offset;
        }
        copied.push(of_segment);
        if hashed.contains(&segment) && (segment < end.segment || end.ends_file()) {
            copied.push(file(records_name(segment))?);
        }
    }
    // As it was read: whoever commits replaces it.
    copied.extend(kept.map(|kept| Copied {
        name: names::CHECKPOINT.to_owned(),
        bytes: kept.len() as u64,
        from: Origin::Bytes(kept.clone()),
    }));
    for (name, bytes) in named(report) {
        let exported = names::input(name);
        if names::kind(&exported) != Some(names::Kind::Input(name)) {
            return Err(ExportError::Name { name: name.to_owned() });
        }
        let from = Origin::File(datadir::inputs(data).join(name));
        copied.push(Copied { name: exported, from, bytes });
    }
    Ok(copied)
}

/// The inputs that a log names, with their lengths.
pub(crate) fn named(report: &Report) -> BTreeMap<&str, u64> {
    let files = report.controls.iter().flat_map(|control| match control {
        Control::Genesis(genesis) => genesis.inputs.as_slice(),
        Control::Import(import) => std::slice::from_ref(&import.file),
        _ => &[],
    });
    files.map(|file| (file.name.as_str(), file.size)).collect()
}

fn copy(file: &Copied, out: &Path, to: &mut dyn io::Write) -> Result<(), ExportError> {
    let from = match &file.from {
        Origin::Bytes(bytes) => return to.write_all(bytes).map_err(unwritten(out)),
        Origin::File(path) => open_regular(path).map_err(unwritten(path))?,
    };
    let copied = io::copy(&mut from.take(file.bytes), to).map_err(unwritten(out))?;
    // It was as long when it was verified.
    if copied == file.bytes { Ok(()) } else { Err(ExportError::Grew) }
}

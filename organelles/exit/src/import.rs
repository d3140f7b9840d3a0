//! Taking an export in: unpacked beside its place, checked there, and put in its place by one
//! rename.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};

use karyon_engram::envelope;
use karyon_identity::{PublicKey, random_bytes};
use karyon_log::{SegmentHeader, Walk, open_regular};
use karyon_memory::Fresh;
use karyon_runtime::{DataDir, DataDirError, datadir};
use karyon_types::Hash;
use karyon_verify::{Report, Trust, verify};

use crate::archive::sync_folder_of;
use crate::content::{Content, Progress, sha256};
use crate::error::{ImportError, untaken};
use crate::export::named;
use crate::limits::ENVELOPE_BYTES_MAX;
use crate::manifest::{FileEntry, Manifest, PAYLOAD_TYPE, may_be};
use crate::names::{self, Kind};
use crate::tar::{self, BLOCK, Block};

/// What is read at once, bytes.
const BUFFER_BYTES: usize = 1 << 20;
/// A folder that every data directory has: STOP and the marker lie in it.
const SAFETY: &str = "safety";
/// Held as long as somebody unpacks there.
const LOCK: &str = "lock";
/// Says, as long as it is not in its place, that an import made what lies there, and which.
const NOTE: &str = "importing";
/// The length of the note: hexadecimal digits and a line break, bytes.
const NOTE_BYTES: usize = 33;

/// What an export says of itself, from its beginning alone: nothing of it is proved. For whoever
/// looks whether it is the right one before anything is made.
///
/// # Errors
/// As [`Place::unpack`].
pub fn manifest(file: File) -> Result<Manifest, ImportError> {
    let len = file.metadata().map_err(untaken(Path::new("the export")))?.len();
    let from = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut unheard = |_| ();
    let mut archive = Reader { from, at: 0, progress: Progress::new(&mut unheard) };
    Ok(archive.manifest(len)?.0)
}

/// Whether a file begins as an export does.
pub fn is_export(mut file: impl Read) -> bool {
    let mut block = [0; BLOCK];
    let first = file.read_exact(&mut block).ok().and_then(|()| tar::read(&block).ok());
    first.is_some_and(|(name, _)| name == names::MANIFEST)
}

/// Where an export is to be taken in, and the folder beside it in which it is unpacked; held by
/// nobody else. When this is dropped, that folder goes.
#[derive(Debug)]
pub struct Place {
    target: PathBuf,
    staging: PathBuf,
    is_taken_up: bool,
    left: Option<String>,
    note: String,
    has_moved: bool,
    _dir: DataDir,
}

impl Place {
    /// Takes the place: one that is not there, or an empty folder.
    ///
    /// # Errors
    /// [`ImportError::NotEmpty`], [`ImportError::NoName`], [`ImportError::Stray`],
    /// [`ImportError::Place`]: another import is under way, [`ImportError::Io`].
    pub fn take(target: &Path) -> Result<Place, ImportError> {
        refuse_used(target)?;
        let no_name = || ImportError::NoName { path: target.into() };
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().ok_or_else(no_name)?);
        name.push(".importing");
        let staging = target.with_file_name(name);
        let is_taken_up = match staging.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(untaken(&staging)(error)),
            Ok(found) if found.is_dir() => true,
            Ok(_) => return Err(ImportError::NotEmpty { path: staging }),
        };
        if is_taken_up {
            // Before a lock is made there.
            note_in(&staging)?;
        }
        let dir = match DataDir::create(&staging) {
            Err(DataDirError::NotEmpty { .. }) => DataDir::open(&staging)?,
            other => other?,
        };
        let left = note_in(&staging)?;
        let note: String = random_bytes::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let target = target.to_owned();
        Ok(Place { target, staging, is_taken_up, left, note, has_moved: false, _dir: dir })
    }

    /// Where it is unpacked.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    /// The name of this import, which no other has: 32 hexadecimal digits.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The name of the import that was killed here; `None`: it did not come so far as to have one.
    pub fn note_left(&self) -> Option<&str> {
        self.left.as_deref()
    }

    /// What an import to this place has left that was killed; `None`: nothing.
    pub fn leftover(&self) -> Option<&Path> {
        self.is_taken_up.then_some(&*self.staging)
    }

    /// Unpacks an export, and compares each byte of it with what its manifest says. `progress`
    /// hears how many bytes are read.
    ///
    /// # Errors
    /// See [`ImportError`].
    pub fn unpack(self, file: File, progress: &mut dyn FnMut(u64)) -> Result<Staged, ImportError> {
        self.clear()?;
        self.write_note()?;
        for folder in [datadir::log_folder(&self.staging), datadir::inputs(&self.staging)] {
            fs::create_dir(&folder).map_err(untaken(&folder))?;
        }
        let len = file.metadata().map_err(untaken(&self.target))?.len();
        let from = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut archive = Reader { from, at: 0, progress: Progress::new(progress) };
        let (manifest, bytes) = archive.manifest(len)?;
        let mut first = vec![(names::MANIFEST, sha256(&bytes))];
        let mut next = archive.next_file()?;
        let mut signer = None;
        if next.0 == names::ENVELOPE {
            let sealed = archive.small(next.1, ENVELOPE_BYTES_MAX, "bytes in a signed manifest")?;
            let bad = |what: String| ImportError::in_file(names::ENVELOPE, what);
            let (payload, key) = envelope::open(PAYLOAD_TYPE, &sealed)
                .map_err(|error| bad(format!("it is not signed as it says: {error}")))?;
            if payload != bytes {
                return Err(bad("what it signs is not the manifest beside it".into()));
            }
            if key.to_string() != manifest.node_key {
                return Err(bad("it is not signed by the key that the manifest names".into()));
            }
            signer = Some(key);
            first.push((names::ENVELOPE, sha256(&sealed)));
            next = archive.next_file()?;
        }
        for entry in &manifest.files {
            self.unpack_file(&mut archive, &next, entry)?;
            next = archive.next_file()?;
        }
        let sums = manifest.sums(&first);
        if next != (names::SUMS.to_owned(), sums.len() as u64) {
            return Err(archive.wrong("the list of hashes should follow here"));
        }
        if archive.small(next.1, next.1, "bytes")? != sums.as_bytes() {
            let what = "it does not list the hashes of the files before it";
            return Err(ImportError::in_file(names::SUMS, what));
        }
        archive.end()?;
        Ok(Staged { place: self, manifest, signer })
    }

    /// Says which import it is from here on.
    fn write_note(&self) -> Result<(), ImportError> {
        let path = self.staging.join(NOTE);
        let written = match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => OpenOptions::new().write(true).create_new(true).open(&path),
        };
        let written = written.and_then(|mut file| {
            writeln!(file, "{}", self.note)?;
            file.sync_all()
        });
        written.and_then(|()| sync_folder_of(&path)).map_err(untaken(&path))
    }

    /// Takes away what an import that was killed has left; the note that it did goes last.
    fn clear(&self) -> Result<(), ImportError> {
        let failed = untaken(&self.staging);
        for entry in fs::read_dir(&self.staging).map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let path = entry.path();
            let removed = match entry.file_type().map_err(&failed)?.is_dir() {
                true => fs::remove_dir_all(&path),
                false if [LOCK, NOTE].iter().any(|name| entry.file_name() == *name) => Ok(()),
                false => fs::remove_file(&path),
            };
            removed.map_err(untaken(&path))?;
        }
        Ok(())
    }

    fn unpack_file(
        &self,
        archive: &mut Reader<'_>,
        (name, bytes): &(String, u64),
        entry: &FileEntry,
    ) -> Result<(), ImportError> {
        if (name, bytes) != (&entry.name, &entry.bytes) {
            let FileEntry { name: promised, bytes, .. } = entry;
            let what = format!("{promised} of {bytes} bytes should follow here");
            return Err(archive.wrong(&what));
        }
        let folder = match names::kind(name) {
            Some(Kind::Told) => None,
            Some(Kind::Log) => Some(datadir::log_folder(&self.staging)),
            Some(Kind::Input(_)) => Some(datadir::inputs(&self.staging)),
            None => return Err(ImportError::in_file(name, "no export holds such a file")),
        };
        let to = folder.zip(Path::new(name).file_name()).map(|(folder, name)| folder.join(name));
        let (read, found) = match &to {
            None => archive.content(*bytes, &mut io::sink(), Path::new(name))?,
            Some(path) => {
                let mut file = OpenOptions::new();
                let mut file =
                    file.write(true).create_new(true).open(path).map_err(untaken(path))?;
                archive.content(*bytes, &mut file, path)?
            }
        };
        if (read, &found) != (*bytes, &entry.sha256) {
            return Err(ImportError::in_file(
                name,
                "it does not have the hash that the manifest names",
            ));
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.has_moved {
            // What stays is taken up by the next import to this place.
            drop(self.clear().map(|()| fs::remove_dir_all(&self.staging)));
        }
    }
}

/// An export that was unpacked, and is as its manifest says; not in its place yet.
#[derive(Debug)]
pub struct Staged {
    place: Place,
    manifest: Manifest,
    signer: Option<PublicKey>,
}

impl Staged {
    /// Where it lies for now: a data directory in which nothing ever ran.
    pub fn path(&self) -> &Path {
        &self.place.staging
    }

    /// Whether it is in its place, also where an error says that more was to be done.
    pub fn is_in_place(&self) -> bool {
        self.place.has_moved
    }

    /// What the export says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the node that wrote the log signed the manifest.
    pub fn is_signed(&self) -> bool {
        self.signer.is_some()
    }

    /// What the log says of itself, which proves nothing.
    ///
    /// # Errors
    /// [`ImportError::Verify`].
    pub fn header(&self) -> Result<SegmentHeader, ImportError> {
        let walk = Walk::open(&datadir::log_folder(self.path()));
        Ok(walk.map_err(karyon_verify::VerifyError::from)?.header().clone())
    }

    /// Verifies the log, and compares it with what the manifest says.
    ///
    /// # Errors
    /// [`ImportError::Verify`], [`ImportError::Signer`], [`ImportError::Promise`],
    /// [`ImportError::Damaged`]: there is what the log does not name.
    pub fn verify(&self, trust: &Trust) -> Result<Report, ImportError> {
        let data = self.path();
        let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
        let report = verify(&log, &checkpoint, &datadir::inputs(data), trust)?;
        if let Some(signer) = self.signer.filter(|signer| *signer != report.node_key) {
            return Err(ImportError::Signer { signer, node_key: report.node_key });
        }
        let end = &report.end;
        let promised = &self.manifest;
        let none = || "none".to_owned();
        let state_root = report.seal().map(|seal| Hash(seal.state_root).to_string());
        for (what, promised, found) in [
            ("log", promised.log_id.clone(), report.log.to_string()),
            ("node key", promised.node_key.clone(), report.node_key.to_string()),
            ("number of records", promised.records.to_string(), end.records.to_string()),
            ("number of blocks", promised.tree_size.to_string(), end.tree.size().to_string()),
            ("tree root", promised.tree_root.clone(), Hash(end.tree.root()).to_string()),
            (
                "state root",
                promised.state_root.clone().unwrap_or_else(none),
                state_root.unwrap_or_else(none),
            ),
        ] {
            if promised != found {
                return Err(ImportError::Promise { what, promised, found });
            }
        }
        if end.tail_bytes > 0 {
            let what = "the log goes on behind its last commit with what was never committed";
            return Err(ImportError::in_file("log", what));
        }
        let known: BTreeSet<&str> = named(&report).into_keys().collect();
        let names = promised.files.iter();
        let mut stray = names.filter_map(|file| match names::kind(&file.name) {
            Some(Kind::Input(name)) => Some(name).filter(|name| !known.contains(name)),
            _ => None,
        });
        match stray.next() {
            Some(name) => {
                Err(ImportError::in_file(&names::input(name), "the log names no such input"))
            }
            None => Ok(report),
        }
    }

    /// Builds the memory from the log, and compares it with what the manifest says; its root.
    ///
    /// # Errors
    /// [`ImportError::Memory`], [`ImportError::Promise`].
    pub fn build_memory(&self) -> Result<Hash, ImportError> {
        let fresh = Fresh::build(self.path())?;
        let root = fresh.read()?.memory_root()?;
        let (promised, found) = (self.manifest.memory_root.clone(), root.to_string());
        if promised != found {
            return Err(ImportError::Promise { what: "memory root", promised, found });
        }
        fresh.install()?;
        Ok(root)
    }

    /// Puts it durably in its place. What is refused can be tried again.
    ///
    /// # Errors
    /// [`ImportError::NotEmpty`], [`ImportError::Io`].
    pub fn put_in_place(&mut self) -> Result<(), ImportError> {
        let (staging, target) = (self.place.staging.clone(), self.place.target.clone());
        let safety = staging.join(SAFETY);
        fs::create_dir_all(&safety).map_err(untaken(&safety))?;
        sync_all(&staging)?;
        refuse_used(&target)?;
        // An empty folder in its place is replaced; anything that is put into it now is in the way.
        fs::rename(&staging, &target).map_err(untaken(&target))?;
        self.place.has_moved = true;
        let note = target.join(NOTE);
        fs::remove_file(&note).map_err(untaken(&note))?;
        sync_folder_of(&note).and_then(|()| sync_folder_of(&target)).map_err(untaken(&target))
    }
}

/// The name of the import that made a folder; `None`: it came no further than to its lock. A folder
/// that holds anything else is nobody's to clear.
fn note_in(staging: &Path) -> Result<Option<String>, ImportError> {
    let stray = || ImportError::Stray { path: staging.to_owned() };
    let path = staging.join(NOTE);
    let text = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Ok(found) if !found.is_file() => return Err(stray()),
        found => {
            found.map_err(untaken(&path))?;
            let file = open_regular(&path).map_err(untaken(&path))?;
            let mut text = Vec::new();
            file.take(NOTE_BYTES as u64 + 1).read_to_end(&mut text).map_err(untaken(&path))?;
            text
        }
    };
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let note = text.strip_suffix(b"\n").filter(|digits| digits.len() + 1 == NOTE_BYTES);
    if let Some(digits) = note.filter(|digits| digits.iter().all(is_digit)) {
        return Ok(std::str::from_utf8(digits).ok().map(ToOwned::to_owned));
    }
    for entry in fs::read_dir(staging).map_err(untaken(staging))? {
        let name = entry.map_err(untaken(staging))?.file_name();
        if name != LOCK && name != NOTE {
            return Err(stray());
        }
    }
    Ok(None)
}

/// Makes everything below a folder durable, and its names.
fn sync_all(folder: &Path) -> Result<(), ImportError> {
    let failed = untaken(folder);
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        let path = entry.path();
        match entry.file_type().map_err(&failed)?.is_dir() {
            true => sync_all(&path)?,
            false => File::open(&path).and_then(|file| file.sync_all()).map_err(untaken(&path))?,
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(&failed)
}

/// Refuses a place where something is.
fn refuse_used(target: &Path) -> Result<(), ImportError> {
    let used = || ImportError::NotEmpty { path: target.into() };
    match target.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(untaken(target)(error)),
        Ok(found) if !found.is_dir() => Err(used()),
        Ok(_) => match fs::read_dir(target).map_err(untaken(target))?.next() {
            None => Ok(()),
            Some(_) => Err(used()),
        },
    }
}

/// An archive as it is read.
struct Reader<'p> {
    from: BufReader<File>,
    /// How much was read, bytes.
    at: u64,
    progress: Progress<'p>,
}

impl Reader<'_> {
    /// The manifest, with its bytes: the first file. `len` is the length of the archive.
    fn manifest(&mut self, len: u64) -> Result<(Manifest, Vec<u8>), ImportError> {
        let (name, bytes) = self.next_file()?;
        if name != names::MANIFEST {
            return Err(self.wrong("this is no export: its first file is not manifest.json"));
        }
        may_be(bytes)?;
        let encoded = self.small(bytes, bytes, "bytes")?;
        let manifest = Manifest::decode(&encoded)?;
        let held = |bytes: u64| BLOCK as u64 + bytes + tar::padding(bytes);
        let least = manifest.files.iter().map(|file| held(file.bytes)).sum::<u64>() + held(bytes);
        if least > len {
            let what = format!("it ends there, and {least} bytes are promised at least");
            return Err(ImportError::Damaged { place: format!("byte {len}"), what });
        }
        Ok((manifest, encoded))
    }

    /// The name and the length of the next file.
    fn next_file(&mut self) -> Result<(String, u64), ImportError> {
        let at = self.at;
        let block = self.block()?;
        tar::read(&block).map_err(|what| ImportError::Damaged {
            place: format!("byte {at}"),
            what: format!("there is {what}"),
        })
    }

    /// The whole of a small file.
    fn small(&mut self, bytes: u64, most: u64, what: &'static str) -> Result<Vec<u8>, ImportError> {
        if bytes > most {
            return Err(ImportError::TooMuch { what, most });
        }
        let mut content = Vec::new();
        self.content(bytes, &mut content, Path::new("memory"))?;
        Ok(content)
    }

    /// Passes on a file's content, and reads the zeros behind it: how much it was, and its hash.
    fn content(
        &mut self,
        bytes: u64,
        to: &mut dyn io::Write,
        path: &Path,
    ) -> Result<(u64, String), ImportError> {
        let mut content = Content::new(to, &mut self.progress);
        let copied = io::copy(&mut (&mut self.from).take(bytes), &mut content);
        let copied = copied.map_err(untaken(path))?;
        content.flush().map_err(untaken(path))?;
        let ended = content.end();
        self.at += copied;
        if copied < bytes {
            return Err(self.wrong("the file ends early"));
        }
        let mut zeros = Vec::new();
        let padding = tar::padding(bytes);
        (&mut self.from).take(padding).read_to_end(&mut zeros).map_err(untaken(path))?;
        if zeros.len() as u64 != padding || zeros.iter().any(|byte| *byte != 0) {
            return Err(self.wrong("there should be zeros"));
        }
        self.at += padding;
        Ok(ended)
    }

    /// The end: two blocks of zeros, and nothing behind them.
    fn end(&mut self) -> Result<(), ImportError> {
        let blocks = [self.block()?, self.block()?];
        let rest = (&mut self.from).take(1).read_to_end(&mut Vec::new());
        let is_over = matches!(rest, Ok(0));
        match is_over && blocks == [[0; BLOCK]; 2] {
            true => Ok(()),
            false => Err(self.wrong("it should end here")),
        }
    }

    fn block(&mut self) -> Result<Block, ImportError> {
        let mut block = [0; BLOCK];
        match self.from.read_exact(&mut block) {
            Ok(()) => {
                self.at += BLOCK as u64;
                Ok(block)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.wrong("the file ends early"))
            }
            Err(source) => Err(ImportError::Io { path: "the export".into(), source }),
        }
    }

    fn wrong(&self, what: &str) -> ImportError {
        ImportError::Damaged { place: format!("byte {}", self.at), what: what.to_owned() }
    }
}

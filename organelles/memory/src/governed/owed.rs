//! What the log says is erased and the keys open still, whatever became of the note that it was
//! begun: a crash may have taken that, or somebody brought older keys back.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use karyon_graph::GraphError;
use karyon_keystore::{Erasure, Keystore};
use karyon_log::{Control, LogError, Record, Records, Walk, read_regular};
use karyon_runtime::datadir;

use super::change::ChangeError;
use super::settle::ordered;
use crate::keeping::safe_mode;

/// In the memory's folder: that keys were compared with the log, up to which end. Its bytes are the
/// keystore's own mark of that end, so nobody else can say so, nor an older keystore.
const COMPARED: &str = "compared";
/// Its length, bytes.
const MARK_BYTES: u64 = 32;

/// What is to be destroyed, and is there still.
#[derive(Clone, Debug)]
pub struct Owed(pub Erasure);

/// Compares the keys with what the log of a data directory says is erased; `None`: all of it is
/// destroyed, or nothing is recorded there. The log is read once for each end that it has and each
/// erasure in the keystore. It is not verified: whoever destroys keys does that first.
///
/// # Errors
/// [`ChangeError::Graph`]: the log cannot be read. [`ChangeError::Keys`].
pub fn owed(keys: &mut Keystore, data: &Path) -> Result<Option<Owed>, ChangeError> {
    let failed = |error| ChangeError::Graph(GraphError::Log(error));
    if !datadir::log_file(data).exists() {
        return Ok(None);
    }
    let end = end_of(data).map_err(|error| failed(LogError::Io(error)))?;
    let mark = keys.mark(&end);
    let file = datadir::memory_file(data).with_file_name(COMPARED);
    if read_regular(&file, MARK_BYTES).is_ok_and(|found| found == mark) {
        return Ok(None);
    }
    let mut walk = Walk::open(&datadir::log_folder(data)).map_err(failed)?;
    let mut controls = Vec::new();
    while let Some(blocks) = walk.next_group().map_err(failed)? {
        for record in blocks.iter().flat_map(|block| Records::new(&block.body)) {
            if let Some(Record::Control(control)) = record
                && matches!(&*control, Control::Memory(record) if !record.erased.is_empty())
            {
                controls.push(*control);
            }
        }
    }
    let (erasure, settled) = ordered(keys, &controls)?;
    if settled != super::Settled::default() {
        return Ok(Some(Owed(erasure)));
    }
    if safe_mode(data).is_none() {
        // Nothing but time is lost where it cannot be written: it is compared again then.
        drop(note(&file, &mark));
    }
    Ok(None)
}

/// What differs for each end that a log has: each of its files with its length and when it was
/// written last, and the checkpoint.
fn end_of(data: &Path) -> io::Result<Vec<u8>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(datadir::log_folder(data))? {
        let entry = entry?;
        let is = entry.metadata()?;
        files.push((entry.file_name(), is.ino(), is.len(), is.mtime(), is.mtime_nsec()));
    }
    files.sort_unstable();
    let mut end = format!("{files:?}").into_bytes();
    match fs::read(datadir::checkpoint_file(data)) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        checkpoint => end.extend(checkpoint?),
    }
    Ok(end)
}

/// Writes it whole, and follows no link.
fn note(file: &Path, mark: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).open(&new)?.write_all(mark)?;
    fs::rename(&new, file)
}

//! Writing an archive: its first file is written last, when the hashes of all others are known.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::content::{Content, Progress};
use crate::error::{ExportError, unwritten};
use crate::manifest::FileEntry;
use crate::tar::{self, BLOCK};

/// What is written at once, bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// An archive that is being written beside its place. Unless it is [ended](Archive::end), nothing
/// of it stays.
pub(crate) struct Archive<'p> {
    path: PathBuf,
    part: PathBuf,
    out: BufWriter<File>,
    /// How much was written, bytes.
    at: u64,
    /// What is put in its place at the end: headers whose lengths were not known, and the room that
    /// was kept.
    late: Vec<(u64, Vec<u8>)>,
    progress: Progress<'p>,
    has_ended: bool,
}

impl<'p> Archive<'p> {
    /// Begins one, beside `path`.
    ///
    /// # Errors
    /// [`ExportError::Exists`], [`ExportError::Io`].
    pub(crate) fn begin(path: &Path, progress: Progress<'p>) -> Result<Archive<'p>, ExportError> {
        refuse_existing(path)?;
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = OpenOptions::new().write(true).create_new(true).open(&part);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ExportError::Exists { path: part.clone() },
            _ => unwritten(&part)(error),
        })?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let (path, late) = (path.to_owned(), Vec::new());
        Ok(Archive { path, part, out, at: 0, late, progress, has_ended: false })
    }

    /// Keeps room for a file of a known length, and gives its place.
    pub(crate) fn keep_room(&mut self, bytes: u64) -> Result<u64, ExportError> {
        let at = self.at;
        let room = BLOCK as u64 + bytes + tar::padding(bytes);
        self.zeros(room)?;
        Ok(at)
    }

    /// Puts a file into the room that was kept for it.
    pub(crate) fn put(&mut self, at: u64, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let header = header(name, bytes.len() as u64)?;
        self.late.push((at, [&header, bytes].concat()));
        Ok(())
    }

    /// Adds a file, as `write` writes it; what it is, and what `write` gave.
    pub(crate) fn add<T>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn io::Write) -> Result<T, ExportError>,
    ) -> Result<(FileEntry, T), ExportError> {
        let place = self.at;
        self.zeros(BLOCK as u64)?;
        let mut content = Content::new(&mut self.out, &mut self.progress);
        let given = write(&mut content)?;
        let (bytes, sha256) = content.end();
        self.at += bytes;
        self.zeros(tar::padding(bytes))?;
        self.late.push((place, header(name, bytes)?.to_vec()));
        Ok((FileEntry { name: name.to_owned(), bytes, sha256 }, given))
    }

    /// Puts the archive durably in its place; its length.
    pub(crate) fn end(mut self) -> Result<u64, ExportError> {
        self.zeros(2 * BLOCK as u64)?;
        let part = self.part.clone();
        let failed = unwritten(&part);
        self.out.flush().map_err(&failed)?;
        let file = self.out.get_ref();
        for (at, bytes) in &self.late {
            file.write_all_at(bytes, *at).map_err(&failed)?;
        }
        file.sync_all().map_err(&failed)?;
        refuse_existing(&self.path)?;
        std::fs::rename(&part, &self.path).map_err(unwritten(&self.path))?;
        self.has_ended = true;
        sync_folder_of(&self.path).map_err(unwritten(&self.path))?;
        Ok(self.at)
    }

    fn zeros(&mut self, bytes: u64) -> Result<(), ExportError> {
        let mut zeros = io::Read::take(io::repeat(0), bytes);
        self.at += io::copy(&mut zeros, &mut self.out).map_err(unwritten(&self.part))?;
        Ok(())
    }
}

impl Drop for Archive<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            // Whatever else went wrong was told; that a part stays shows in its name.
            drop(std::fs::remove_file(&self.part));
        }
    }
}

fn header(name: &str, bytes: u64) -> Result<tar::Block, ExportError> {
    tar::header(name, bytes).ok_or_else(|| ExportError::Name { name: name.to_owned() })
}

/// Refuses to write over anything.
fn refuse_existing(path: &Path) -> Result<(), ExportError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unwritten(path)(error)),
        Ok(_) => Err(ExportError::Exists { path: path.to_owned() }),
    }
}

/// Makes the name of a file durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

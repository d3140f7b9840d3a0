//! What the keystore asks of the system: small whole files, and randomness. A trait, so that tests
//! can stop at each operation and see what is left on the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use karyon_identity::{RandomError, random_bytes};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A file that was read.
pub(crate) struct Found {
    /// At most one byte more than was asked for.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Its permission bits.
    pub(crate) mode: u32,
}

/// Files and randomness.
pub(crate) trait System: Send + Sync {
    /// 32 bytes that nobody can guess.
    fn random(&self) -> Result<Secret, RandomError>;
    /// A regular file; `None`: nothing is there. A link is none.
    fn read(&self, path: &Path, most: u64) -> io::Result<Option<Found>>;
    /// The names in a folder; none if there is no folder.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Where a folder really is, all links followed.
    fn real(&self, folder: &Path) -> io::Result<PathBuf>;
    /// Makes a folder that only its owner may enter, durably; one that is there stays.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a file that only its owner may read, with these bytes, durably but for its name.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Puts a file into the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Holds a file, so that it can be overwritten when its name has gone.
    fn hold(&self, path: &Path) -> io::Result<Box<dyn Held>>;
    /// Waits until nobody else holds a folder, and holds it until what is given back is dropped, or
    /// the process ends.
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Locked>>;
    /// Takes a name away.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file that is held.
pub(crate) trait Held {
    /// Overwrites it with zeros, durably, and truncates it.
    fn destroy(&mut self) -> io::Result<()>;
}

/// A folder that is held.
pub(crate) trait Locked {}

impl Locked for File {}

/// The operating system.
pub(crate) struct Os;

impl System for Os {
    fn random(&self) -> Result<Secret, RandomError> {
        Ok(Secret::new(random_bytes()?))
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Option<Found>> {
        // Asked before opening: opening a pipe would wait for its other end.
        match is_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            asked => asked?,
        }
        let file = match File::open(path) {
            // Removed since it was asked for.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let metadata = file.metadata()?;
        // Room for all of it and a byte, so that no copy is left behind by growing.
        let room = metadata.len().min(most) as usize + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(room as u64).read_to_end(&mut bytes)?;
        Ok(Some(Found { bytes, mode: metadata.permissions().mode() & 0o777 }))
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A folder is none of ours, nor is what has a name that is no text.
            if !entry.file_type()?.is_dir() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        Ok(names)
    }

    fn real(&self, folder: &Path) -> io::Result<PathBuf> {
        named(folder).canonicalize()
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made?,
        }
        folder.parent().map_or(Ok(()), |parent| self.sync_folder(parent))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(named(folder))?.sync_all()
    }

    fn hold(&self, path: &Path) -> io::Result<Box<dyn Held>> {
        // What a link leads to is nobody's to overwrite.
        is_regular(path)?;
        Ok(Box::new(OpenOptions::new().write(true).open(path)?))
    }

    fn lock(&self, folder: &Path) -> io::Result<Box<dyn Locked>> {
        let folder = File::open(named(folder))?;
        folder.lock()?;
        Ok(Box::new(folder))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl Held for File {
    fn destroy(&mut self) -> io::Result<()> {
        overwrite(self)?;
        self.set_len(0)?;
        self.sync_all()
    }
}

/// Zeros over all of a file, durably.
fn overwrite(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(length), file)?;
    file.sync_all()
}

fn is_regular(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
}

/// An empty path is the current directory.
fn named(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_overwritten_before_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for length in [0, 1, 211, 100_000] {
            fs::write(&path, vec![7; length]).unwrap();
            let mut file = OpenOptions::new().write(true).open(&path).unwrap();
            overwrite(&mut file).unwrap();
            assert_eq!(fs::read(&path).unwrap(), vec![0; length]);
            // Held by a name that has gone, it is still this file.
            let other = folder.path().join("other");
            fs::write(&path, vec![7; length]).unwrap();
            fs::hard_link(&path, &other).unwrap();
            let mut held = Os.hold(&path).unwrap();
            fs::remove_file(&path).unwrap();
            held.destroy().unwrap();
            assert_eq!(fs::read(&other).unwrap(), []);
            fs::remove_file(&other).unwrap();
        }
    }

    #[test]
    fn no_two_keys_are_drawn_alike() {
        let drawn: Vec<_> = (0..100).map(|_| *Os.random().unwrap().bytes()).collect();
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), 100);
    }
}

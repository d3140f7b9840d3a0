//! Writing a small file so that it is either there whole, for good, or not there at all.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What to do when the file is already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfPresent {
    /// Leave it and fail with [`io::ErrorKind::AlreadyExists`].
    Refuse,
    /// Put the new file in its place.
    Replace,
}

/// Writes `text` to `path` with `mode`: temporary file beside it, fsync, one atomic step into
/// place, fsync of the directory. The step that refuses to overwrite is a hard link, so the
/// file system has to know them.
pub(crate) fn write(path: &Path, text: &str, mode: u32, present: IfPresent) -> io::Result<()> {
    let directory = parent(path)?;
    let temporary = directory.join(temporary_name()?);
    let result = write_new(&temporary, text, mode).and_then(|()| match present {
        IfPresent::Refuse => fs::hard_link(&temporary, path),
        IfPresent::Replace => fs::rename(&temporary, path),
    });
    // After a rename the name is gone; in every other case it must not stay.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return result.and(Err(error)),
        _ => result?,
    }
    File::open(directory)?.sync_all()
}

/// Makes a directory and its parents with mode 0700, durably; what exists keeps its mode.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    for made in path.ancestors().take_while(|path| !path.as_os_str().is_empty()) {
        match made.parent().map(File::open) {
            Some(Ok(parent)) => parent.sync_all()?,
            // A parent that we may not read was there before.
            _ => break,
        }
    }
    Ok(())
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no parent directory"))
}

fn temporary_name() -> io::Result<OsString> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!(".new-{:016x}", u64::from_le_bytes(random)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn refuses_or_replaces_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, "one", 0o600, IfPresent::Refuse).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let error = write(&path, "two", 0o600, IfPresent::Refuse).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(names(dir.path()), ["file"]);

        write(&path, "three", 0o644, IfPresent::Replace).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn a_dangling_link_is_something_present() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let error = write(&path, "one", 0o600, IfPresent::Refuse).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names(dir.path()), ["file"]);
    }

    #[test]
    fn new_directories_are_private() {
        let dir = tempfile::tempdir().unwrap();
        create_directory(&dir.path().join("a/b")).unwrap();
        for made in ["a", "a/b"] {
            let mode = fs::metadata(dir.path().join(made)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        create_directory(&dir.path().join("a/b")).unwrap();
    }
}

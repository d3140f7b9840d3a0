//! What can be told of a keystore without a secret being used.

use std::io::{self, ErrorKind};
use std::path::Path;

use karyon_types::LogId;
use zeroize::Zeroizing;

use crate::file::{LOG_AT, MAGIC};
use crate::keystore::Keystore;
use crate::place::{FOLDER, generation};
use crate::state::{Entry, SubjectId};
use crate::system::{Os, System};

/// The context in which the key of a mark follows from the master key.
const MARK: &str = "karyon keystore mark v1";
/// The beginning of a keystore file's header, with the log at its end.
const HEADER_BYTES: usize = LOG_AT + 16;

impl Keystore {
    /// The name of a subject; `None`: it is erased, or unknown.
    pub fn name(&self, subject: SubjectId) -> Option<&str> {
        match self.state().entry(subject)? {
            Entry::Live(live) => Some(&live.name),
            Entry::Erased(_) => None,
        }
    }

    /// A digest that this keystore gives of these bytes, and nobody else, until something is erased
    /// in it or it gets another subject: for whoever notes that they were compared with it.
    pub fn mark(&self, bytes: &[u8]) -> [u8; 32] {
        let key = Zeroizing::new(blake3::derive_key(MARK, self.master_bytes()));
        let mut hasher = blake3::Hasher::new_keyed(&key);
        hasher.update(&self.state().last().0.to_le_bytes()).update(bytes);
        *hasher.finalize().as_bytes()
    }

    /// Whether what was sealed for a subject under this index can be unsealed.
    pub fn is_live(&self, subject: SubjectId, index: u32) -> bool {
        match self.state().entry(subject) {
            Some(Entry::Live(live)) => live.cover.above(index).is_some(),
            Some(Entry::Erased(_)) | None => false,
        }
    }
}

/// The id with which the keystore in a data directory was made, as its file says, which is not
/// checked here; `None`: there is none. For whoever looks for its master key.
///
/// # Errors
/// What the system says; [`InvalidData`](ErrorKind::InvalidData) for a file that is none.
pub fn id_in(data: &Path) -> io::Result<Option<LogId>> {
    id_by(&Os, data)
}

pub(crate) fn id_by(system: &dyn System, data: &Path) -> io::Result<Option<LogId>> {
    let folder = data.join(FOLDER);
    let names = system.names(&folder)?;
    let newest = names.iter().filter_map(|name| Some((generation(name)?, name))).max();
    let Some((_, name)) = newest else { return Ok(None) };
    let path = folder.join(name);
    let shown = path.display();
    let none = || {
        let what = format!(
            "{shown} is no keystore; nothing else is called so there: put it aside, or bring the \
             keystore back from where a copy is kept"
        );
        io::Error::new(ErrorKind::InvalidData, what)
    };
    let found = system.read(&path, HEADER_BYTES as u64);
    let found = found.map_err(|error| io::Error::new(error.kind(), format!("{shown}: {error}")))?;
    let found = found.ok_or_else(none)?;
    let header = found.bytes.first_chunk::<HEADER_BYTES>().ok_or_else(none)?;
    let id = header.strip_prefix(MAGIC).and_then(|_| header.last_chunk());
    Ok(Some(LogId(*id.ok_or_else(none)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_told_without_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let (data, outside) = (dir.path().join("data"), dir.path().join("outside"));
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        assert_eq!(id_in(&data).unwrap(), None);
        let id = LogId([7; 16]);
        let mut keys = Keystore::create(&data, &outside.join("key"), id).unwrap();
        assert_eq!(id_in(&data).unwrap(), Some(id));
        let sealed = keys.seal("ada", b"", b"x").unwrap();
        assert_eq!(keys.name(sealed.subject), Some("ada"));
        assert!(keys.is_live(sealed.subject, sealed.index));
        let mark = keys.mark(b"x");
        assert_eq!(Keystore::open(&data, &outside.join("key"), id).unwrap().mark(b"x"), mark);
        assert_ne!(keys.mark(b"y"), mark);
        keys.seal("bo", b"", b"x").unwrap();
        let with_bo = keys.mark(b"x");
        assert_ne!(with_bo, mark, "of before another came");
        let erased = keys.erase(crate::Erasure::new().erase_subject("ada")).unwrap();
        assert!(erased.leftover.is_none());
        assert_ne!(keys.mark(b"x"), with_bo, "of before the erasure");
        assert_eq!(keys.name(sealed.subject), None);
        assert!(!keys.is_live(sealed.subject, sealed.index));
        assert_eq!(id_in(&data).unwrap(), Some(id));
        std::fs::write(data.join("keystore/keys.9"), b"KARYON").unwrap();
        assert_eq!(id_in(&data).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

//! The manifest: which log it is, what its roots are, and every other file with its hash.
//!
//! JSON with its fields in this order, indented by two spaces, then blanks up to the length that it
//! has with every number at its longest, and a line break. So its length is known before the files
//! are written, and there is one form.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::ImportError;
use crate::limits::{FILE_BYTES_MAX, FILES_MAX, MANIFEST_BYTES_MAX};
use crate::names;

/// The name of the format.
pub(crate) const FORMAT: &str = "karyon-export";
/// Its version.
pub(crate) const VERSION: u32 = 1;
/// What is signed.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.karyon.export.manifest.v1+json";
/// The digits of a SHA-256 hash.
const DIGEST_DIGITS: usize = 64;

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name, with its folder.
    pub name: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// Its SHA-256 hash, 64 hexadecimal digits.
    pub sha256: String,
}

/// What an export says of itself. Hashes, keys and ids are lowercase hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `karyon-export`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// The version of Karyon that wrote it.
    pub karyon: String,
    /// The log's identity.
    pub log_id: String,
    /// The public key that signed it.
    pub node_key: String,
    /// Its records.
    pub records: u64,
    /// Its blocks.
    pub tree_size: u64,
    /// The root of the tree over them.
    pub tree_root: String,
    /// The root of the final state; `None`: the log is not sealed.
    pub state_root: Option<String>,
    /// The root of the whole memory.
    pub memory_root: String,
    /// All other files, in the order in which they lie, but for the signed manifest and the list
    /// of hashes.
    pub files: Vec<FileEntry>,
}

/// What every version has.
#[derive(Deserialize)]
struct Beginning {
    format: String,
    version: u32,
}

impl Manifest {
    /// The length of its bytes, whatever the lengths of the files turn out to be.
    pub(crate) fn len(&self) -> Result<usize, serde_json::Error> {
        let files = self.files.iter().map(|file| FileEntry {
            name: file.name.clone(),
            bytes: u64::MAX,
            sha256: "0".repeat(DIGEST_DIGITS),
        });
        let longest = Manifest { files: files.collect(), ..self.clone() };
        Ok(serde_json::to_vec_pretty(&longest)?.len() + 1)
    }

    /// Its bytes, in their one form.
    ///
    /// # Errors
    /// None that memory would give.
    pub fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let len = self.len()?;
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.resize(len.saturating_sub(1).max(bytes.len()), b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The manifest with these bytes.
    ///
    /// # Errors
    /// [`ImportError::Version`], [`ImportError::Damaged`], [`ImportError::TooMuch`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest, ImportError> {
        let bad = |what: String| ImportError::in_file(names::MANIFEST, what);
        let beginning: Beginning = serde_json::from_slice(bytes)
            .map_err(|error| bad(format!("it is no manifest: {error}")))?;
        if beginning.format != FORMAT {
            return Err(bad("it is of something else than an export".into()));
        }
        if beginning.version != VERSION {
            return Err(ImportError::Version { found: beginning.version });
        }
        let manifest: Manifest = serde_json::from_slice(bytes)
            .map_err(|error| bad(format!("it is no manifest: {error}")))?;
        if manifest.encode().ok().as_deref() != Some(bytes) {
            return Err(bad("it is not in its one form".into()));
        }
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ImportError> {
        let bad = |what: String| ImportError::in_file(names::MANIFEST, what);
        if self.files.len() > FILES_MAX {
            return Err(ImportError::TooMuch { what: "files", most: FILES_MAX as u64 });
        }
        let mut seen = BTreeSet::new();
        for FileEntry { name, bytes, sha256 } in &self.files {
            if names::kind(name).is_none() {
                return Err(bad(format!("it names {name:?}, which no export holds")));
            }
            if !seen.insert(name) {
                return Err(bad(format!("it names {name} twice")));
            }
            if *bytes > FILE_BYTES_MAX {
                return Err(ImportError::TooMuch { what: "bytes in a file", most: FILE_BYTES_MAX });
            }
            let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
            if sha256.len() != DIGEST_DIGITS || !sha256.chars().all(is_digit) {
                return Err(bad(format!("the hash of {name} is none")));
            }
        }
        Ok(())
    }

    /// The list of hashes, as `sha256sum -c` reads it.
    pub(crate) fn sums(&self, first: &[(&str, String)]) -> String {
        let first = first.iter().map(|(name, sha256)| format!("{sha256}  {name}\n"));
        let files = self.files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name));
        first.chain(files).collect()
    }
}

/// Whether so long a manifest is read.
pub(crate) fn may_be(bytes: u64) -> Result<(), ImportError> {
    match bytes <= MANIFEST_BYTES_MAX {
        true => Ok(()),
        false => {
            Err(ImportError::TooMuch { what: "bytes in a manifest", most: MANIFEST_BYTES_MAX })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            karyon: "0.1.0".into(),
            log_id: "11".repeat(16),
            node_key: "22".repeat(32),
            records: 7,
            tree_size: 3,
            tree_root: "33".repeat(32),
            state_root: None,
            memory_root: "44".repeat(32),
            files: vec![
                FileEntry { name: "README.txt".into(), bytes: 9, sha256: "a".repeat(64) },
                FileEntry { name: "log/00000000.log".into(), bytes: 4096, sha256: "b".repeat(64) },
            ],
        }
    }

    #[test]
    fn its_length_is_known_before_its_files_are() {
        let mut manifest = manifest();
        let bytes = manifest.encode().unwrap();
        assert_eq!(bytes.len(), manifest.len().unwrap());
        assert!(bytes.ends_with(b" \n"));
        assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
        manifest.files[0].bytes = FILE_BYTES_MAX;
        assert_eq!(manifest.encode().unwrap().len(), bytes.len());
        assert_eq!(manifest.sums(&[("x", "c".repeat(64))]).lines().count(), 3);
    }

    #[test]
    fn there_is_one_form() {
        let bytes = manifest().encode().unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] = b'!';
            let is_text = Manifest::decode(&changed).ok();
            // What is another text is another manifest, and is found by its hash.
            assert_ne!(is_text, Some(manifest()), "byte {at}");
        }
        for other in [
            bytes[..bytes.len() - 1].to_vec(),
            [&bytes[..], b"\n"].concat(),
            serde_json::to_vec(&manifest()).unwrap(),
            [b" ", &bytes[..]].concat(),
        ] {
            assert!(Manifest::decode(&other).is_err());
        }
    }

    #[test]
    fn what_no_export_holds_is_refused() {
        let check = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = manifest();
            change(&mut manifest);
            Manifest::decode(&manifest.encode().unwrap())
        };
        assert!(check(&|_| ()).is_ok());
        let version = check(&|manifest| manifest.version = 2);
        assert!(matches!(version, Err(ImportError::Version { found: 2 })), "{version:?}");
        for change in [
            &(|manifest: &mut Manifest| manifest.format = "x".into()) as &dyn Fn(&mut Manifest),
            &|manifest| manifest.files[1].name = "../x".into(),
            &|manifest| manifest.files[1].name = "/etc/passwd".into(),
            &|manifest| manifest.files[1].name = "safety/marker".into(),
            &|manifest| manifest.files[1].name = "manifest.json".into(),
            &|manifest| manifest.files[1] = manifest.files[0].clone(),
            &|manifest| manifest.files[1].sha256 = "B".repeat(64),
            &|manifest| manifest.files[1].sha256 = "b".repeat(63),
        ] {
            let checked = check(change);
            assert!(matches!(checked, Err(ImportError::Damaged { .. })), "{checked:?}");
        }
        let long = check(&|manifest| manifest.files[1].bytes = FILE_BYTES_MAX + 1);
        assert!(matches!(long, Err(ImportError::TooMuch { .. })), "{long:?}");
        let many = check(&|manifest| {
            let entry = manifest.files[0].clone();
            manifest.files = vec![entry; FILES_MAX + 1];
        });
        assert!(matches!(many, Err(ImportError::TooMuch { .. })), "too many files");
    }
}

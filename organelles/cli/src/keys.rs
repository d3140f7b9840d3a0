//! Keys that are given, or known here, and the key that a log goes on with.

use std::io::ErrorKind;
use std::path::Path;

use karyon_identity::{PublicKey, SecretKey};
use karyon_keys::{KeyDirectory, KeyError};
use karyon_log::{SegmentHeader, Walk, read_regular};
use karyon_runtime::datadir;
use karyon_statements::Checkpoint;
use karyon_verify::{Report, Trust, VerifyError, verify};

use crate::error::CliError;
use crate::{grant, output};

/// The longest public key file, bytes: one short line.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// The key that a log is verified against.
pub(crate) struct Trusted {
    /// None: this machine knows none.
    pub(crate) key: Option<PublicKey>,
    /// Whether it is a former key of this machine's node.
    pub(crate) retired: bool,
    /// The checkpoint that is kept beside the keys, if there is one: the log must extend it.
    pub(crate) known: Vec<Checkpoint>,
}

impl Trusted {
    /// Verifies the log of a data directory against it.
    pub(crate) fn verify(&self, data: &Path) -> Result<Report, CliError> {
        let trust = Trust { node_key: self.key, known: self.known.clone() };
        let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
        match verify(&log, &checkpoint, &datadir::inputs(data), &trust) {
            Err(VerifyError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Err(CliError::unrecorded(data))
            }
            other => Ok(other?),
        }
    }
}

/// The key that is given with `--key`, else this machine's node key, if it has one: the current
/// one, or a former one that the log in `data` says it was begun with.
pub(crate) fn trusted(given: Option<&str>, data: &Path) -> Result<Trusted, CliError> {
    let given = given.map(|given| public_key("--key", given)).transpose()?;
    let keys = match KeyDirectory::from_environment() {
        Ok(keys) => keys,
        Err(KeyError::NoDirectory) => {
            return Ok(Trusted { key: given, retired: false, known: Vec::new() });
        }
        Err(error) => return Err(error.into()),
    };
    let header = header(data);
    let known = match &header {
        Some(header) => known(&keys, header, given.as_ref())?,
        None => Vec::new(),
    };
    if given.is_some() {
        return Ok(Trusted { key: given, retired: false, known });
    }
    let (current, retired) = keys.node_public_keys()?;
    let began = header.map(|header| header.node_key);
    Ok(match began.filter(|key| retired.contains(key)) {
        former @ Some(_) => Trusted { key: former, retired: true, known },
        None => Trusted { key: current, retired: false, known },
    })
}

/// As [`trusted`], of a log that may well be a stranger's: one that no key of this machine signed
/// is not refused, and its key is unknown.
pub(crate) fn trusted_if_known(given: Option<&str>, data: &Path) -> Result<Trusted, CliError> {
    let trusted = trusted(given, data)?;
    let began = header(data).map(|header| header.node_key);
    Ok(match given.is_none() && trusted.key != began {
        true => Trusted { key: None, retired: false, ..trusted },
        false => trusted,
    })
}

/// The checkpoint that is kept beside the keys of the log in `data`.
pub(crate) fn known_of(keys: &KeyDirectory, data: &Path) -> Result<Vec<Checkpoint>, CliError> {
    header(data).map_or(Ok(Vec::new()), |header| known(keys, &header, None))
}

fn known(
    keys: &KeyDirectory,
    header: &SegmentHeader,
    given: Option<&PublicKey>,
) -> Result<Vec<Checkpoint>, CliError> {
    let (current, retired) = keys.node_public_keys()?;
    // The own keys first: a log that names a stranger's is told as that, not as a checkpoint that
    // was changed.
    let own = current.iter().chain(&retired).chain(given).copied();
    let signers: Vec<_> = own.chain([header.node_key]).collect();
    let known = keys.checkpoints().load(header.log, &signers)?;
    Ok(known.into_iter().map(|known| known.checkpoint).collect())
}

/// The secret key that the log in `data` goes on with: the one that began it, current or former.
/// The current one where there is no log yet, or one of a stranger, which is then refused by
/// whoever verifies it.
pub(crate) fn of_log(keys: &KeyDirectory, data: &Path) -> Result<SecretKey, CliError> {
    let began = header(data).map(|header| header.node_key);
    of_node(keys, began.as_ref())
}

/// The same; where it is not the one of this node today, a person is told.
pub(crate) fn of_log_told(
    keys: &KeyDirectory,
    data: &Path,
    this_node: PublicKey,
) -> Result<SecretKey, CliError> {
    let key = of_log(keys, data)?;
    let node_key = key.public_key();
    if node_key != this_node {
        output::note(&format!("note: the log was begun with the former node key {node_key}"));
    }
    Ok(key)
}

/// The same, for a log that may be new: this node's key is made only where it is needed.
pub(crate) fn to_go_on(keys: &KeyDirectory, data: &Path) -> Result<SecretKey, CliError> {
    let (current, retired) = keys.node_public_keys()?;
    let began = header(data).map(|header| header.node_key);
    match began.filter(|key| retired.contains(key)).or(current) {
        Some(this_node) => of_log_told(keys, data, current.unwrap_or(this_node)),
        None => of_log_told(keys, data, grant::node_key(keys)?),
    }
}

/// Refuses a log that was begun elsewhere, with a key whose secret is not here: whoever is about to
/// record looks before any key is made, which would then be taken for the trusted one.
pub(crate) fn refuse_stranger(keys: &KeyDirectory, data: &Path) -> Result<(), CliError> {
    let Some(began) = header(data).map(|header| header.node_key) else { return Ok(()) };
    match keys.node_key_for(&began) {
        Ok(_) => Ok(()),
        Err(KeyError::NotHere { public, path }) => {
            Err(not_here(KeyError::NotHere { public, path: path.clone() }.into(), &path))
        }
        Err(error) => Err(error.into()),
    }
}

fn not_here(error: CliError, path: &Path) -> CliError {
    error.with_hint(format!(
        "bring it from the machine that began the log, its node.key, as {} (docs/operating.md, \
         Backup); until then the log can be asked, verified (--key) and exported",
        path.display()
    ))
}

/// This machine's node key with this public half; the current one for a stranger's.
pub(crate) fn of_node(
    keys: &KeyDirectory,
    public: Option<&PublicKey>,
) -> Result<SecretKey, CliError> {
    let (_, retired) = keys.node_public_keys()?;
    match public.filter(|key| retired.contains(key)) {
        Some(former) => Ok(keys.node_key_for(former)?),
        None => Ok(keys.load_node_key()?),
    }
}

/// The id that the log in `data` says it has; zeros where there is none to read.
pub(crate) fn log_id(data: &Path) -> [u8; 16] {
    header(data).map_or([0; 16], |header| header.log.0)
}

/// What the log in `data` says of itself, which proves nothing. A log that cannot be read says
/// nothing; why it cannot is told by whoever opens it in earnest.
fn header(data: &Path) -> Option<SegmentHeader> {
    Walk::open(&datadir::log_folder(data)).ok().map(|walk| walk.header().clone())
}

/// This machine's node key, if it has one.
pub(crate) fn this_node() -> Result<Option<PublicKey>, CliError> {
    match KeyDirectory::from_environment().and_then(|keys| keys.load_node_public_key()) {
        Ok(key) => Ok(Some(key)),
        Err(KeyError::Missing { .. } | KeyError::NoDirectory) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A public key: 64 hexadecimal digits, or a file with them.
pub(crate) fn public_key(option: &str, given: &str) -> Result<PublicKey, CliError> {
    let wrong = || {
        CliError::failure(format!(
            "{option}: expected 64 hexadecimal digits, or a public key file such as node.pub"
        ))
    };
    if let Some(key) = PublicKey::from_hex(given) {
        return Ok(key);
    }
    let bytes = read_regular(Path::new(given), KEY_FILE_BYTES_MAX).map_err(|error| {
        CliError::failure(format!("{option} {given}: {error}"))
            .with_hint("give 64 hexadecimal digits, or a public key file such as node.pub")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    // Nothing of the file is shown: it might be the secret key.
    let hex = match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["karyon-public-key-v1", hex] | [hex] => hex,
        _ => return Err(wrong()),
    };
    PublicKey::from_hex(hex).ok_or_else(wrong)
}

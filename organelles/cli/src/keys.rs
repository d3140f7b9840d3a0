//! Public keys that are given, or known here.

use std::path::Path;

use karyon_identity::{KeyDirectory, KeyError, PublicKey};
use karyon_log::read_regular;

use crate::error::CliError;

/// The longest public key file, bytes: one short line.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// The key that is given with `--key`, else this machine's node key, if it has one.
pub(crate) fn trusted(given: Option<&str>) -> Result<Option<PublicKey>, CliError> {
    match given {
        Some(given) => public_key("--key", given).map(Some),
        None => this_node(),
    }
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

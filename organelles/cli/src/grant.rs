//! Before a run or an import: the principal signs what the node may do.
//!
//! A running node never holds a principal's key. So the command signs first, and then replaces
//! itself by the node (`exec`): the same process to the outside, but with nothing of the key
//! left in its memory. The signature comes along in the environment; it is no secret.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use karyon_gate::Rights;
use karyon_identity::{GrantTerms, PublicKey, SignedGrant, is_principal_name};
use karyon_keys::{Created, KeyDirectory};
use karyon_runtime::Authority;
use karyon_types::Hash;

use crate::error::{CliError, Code};
use crate::output::{self, hex};

const SIGNED_GRANT: &str = "KARYON_SIGNED_GRANT";
/// Where the node works; the signer chose it.
const DATA: &str = "KARYON_NODE_DATA";

/// What the signer passed on to the node.
pub(crate) struct Received {
    pub(crate) authority: Authority,
    pub(crate) data: Option<PathBuf>,
}

/// Makes the keys that are missing, and says so; who answers.
fn principal(keys: &KeyDirectory, asked: Option<&str>) -> Result<String, CliError> {
    if let Some(name) = asked {
        return Ok(name.to_owned());
    }
    if let Some(name) = keys.default_principal()? {
        return Ok(name);
    }
    let user = std::env::var("USER").unwrap_or_default();
    let name = if is_principal_name(&user) { user } else { "principal".to_owned() };
    let public = create_principal(keys, &name)?;
    output::note(&format!(
        "made the principal \"{name}\" ({public}), who answers for runs on this machine; \
         its key is in {}",
        keys.path().display()
    ));
    Ok(name)
}

/// Makes a principal; the first one is the default.
pub(crate) fn create_principal(keys: &KeyDirectory, name: &str) -> Result<PublicKey, CliError> {
    let public = keys.create_principal(name)?;
    if keys.default_principal()?.is_none() {
        keys.set_default_principal(name)?;
    }
    Ok(public)
}

/// What the principal is asked to allow.
pub(crate) struct Terms {
    /// Why.
    pub(crate) reason: String,
    pub(crate) rights: Rights,
    pub(crate) resource: String,
    /// The digest of what the principal is to have seen.
    pub(crate) digest: Hash,
}

/// The node's public key; made now, and said so, if there is none.
pub(crate) fn node_key(keys: &KeyDirectory) -> Result<PublicKey, CliError> {
    let (node, created) = keys.load_or_create_node_key()?;
    let public = node.public_key();
    if created == Created::Now {
        output::note(&format!("made the node key ({public}), which signs this machine's logs"));
    }
    Ok(public)
}

/// Signs a grant for the node with this key, and becomes the node. Returns only when that fails.
pub(crate) fn sign_and_become_the_node(
    keys: &KeyDirectory,
    node_key: PublicKey,
    asked: Option<&str>,
    terms: Terms,
    make_data: impl FnOnce() -> Result<PathBuf, CliError>,
) -> Result<std::convert::Infallible, CliError> {
    let name = principal(keys, asked)?;
    let key = keys.load_principal_key(&name)?;
    let random = |error: karyon_identity::RandomError| CliError::failure(error.to_string());
    let signed = GrantTerms {
        principal: name,
        principal_key: key.public_key(),
        node_key,
        reason: terms.reason,
        rights: terms.rights.0,
        resource: terms.resource,
        scenario: terms.digest,
        expires_tick: None,
        nonce: GrantTerms::random_nonce().map_err(random)?,
    };
    let signed = signed.sign(&key).map_err(refused)?;
    drop(key);
    let data = make_data()?;
    become_the_node(&[(SIGNED_GRANT, hex(&signed.encode()).into()), (DATA, data.into())])
}

/// Replaces this process by itself, with what was signed in its environment and nothing of the
/// key left in memory. Returns only when that fails.
pub(crate) fn become_the_node(
    passed_on: &[(&str, OsString)],
) -> Result<std::convert::Infallible, CliError> {
    let program = std::env::current_exe()
        .map_err(|error| CliError::failure(format!("this program cannot be found: {error}")))?;
    let error = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .envs(passed_on.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(CliError::failure(format!("the node could not be started: {error}")))
}

/// What came along, if this process is the node.
pub(crate) fn received(keys: &KeyDirectory) -> Result<Option<Received>, CliError> {
    let Some(text) = std::env::var_os(SIGNED_GRANT) else { return Ok(None) };
    let bytes = decode_hex(&text.to_string_lossy())
        .ok_or_else(|| refused(format!("{SIGNED_GRANT} is not hexadecimal")))?;
    let signed = SignedGrant::decode(&bytes).map_err(refused)?;
    let principal_key = keys.load_principal_public_key(&signed.terms.principal).map_err(refused)?;
    let data = std::env::var_os(DATA).map(PathBuf::from);
    Ok(Some(Received { authority: Authority { signed, principal_key }, data }))
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError { code: Code::Refused, message: format!("refused: {error}"), hint: None }
}

/// Reads pairs of hexadecimal digits; `None` for anything else.
pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| (high * 16 + low) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal() {
        assert_eq!(decode_hex("00fF"), Some(vec![0, 255]));
        for text in ["0", "0g", "é0"] {
            assert_eq!(decode_hex(text), None);
        }
    }
}

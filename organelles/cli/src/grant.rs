//! What a principal signs before a run, an import or a grant of authority, outside the node.

use karyon_gate::Rights;
use karyon_identity::{PublicKey, is_principal_name};
use karyon_keys::{Created, KeyDirectory};
use karyon_runtime::Authority;
use karyon_statements::{GrantTerms, SignedGrant};
use karyon_types::Hash;

use crate::error::{CliError, Code};
use crate::handover::Said;
use crate::output;

/// Who answers, or would: nothing is made. One who is asked for must be there.
pub(crate) fn answerable(keys: &KeyDirectory, asked: Option<&str>) -> Result<String, CliError> {
    if let Some(name) = asked {
        keys.load_principal_public_key(name)?;
        return Ok(name.to_owned());
    }
    if let Some(name) = keys.default_principal()? {
        return Ok(name);
    }
    let user = std::env::var("USER").unwrap_or_default();
    Ok(if is_principal_name(&user) { user } else { "principal".to_owned() })
}

/// Makes the key that is missing, and says so; who answers.
pub(crate) fn principal(keys: &KeyDirectory, asked: Option<&str>) -> Result<String, CliError> {
    let name = answerable(keys, asked)?;
    if asked.is_some() || keys.default_principal()?.is_some() {
        return Ok(name);
    }
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

/// Signs a grant for the node with this key. The principal's key is gone from memory when this
/// process becomes the guardian.
pub(crate) fn sign(
    keys: &KeyDirectory,
    node_key: PublicKey,
    asked: Option<&str>,
    terms: Terms,
) -> Result<Said, CliError> {
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
    let signed: SignedGrant = signed.sign(&key).map_err(refused)?;
    Ok(Said::Grant(signed, key.public_key()))
}

/// The grant that was handed over.
pub(crate) fn received(said: Said) -> Result<Authority, CliError> {
    match said {
        Said::Grant(signed, principal_key) => Ok(Authority { signed, principal_key }),
        Said::Nothing | Said::Statement(_) => Err(refused("nobody signed a grant for it")),
    }
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

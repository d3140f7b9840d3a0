//! Before a run: the principal signs what the node may do.
//!
//! A running node never holds a principal's key. So `karyon run` signs first, and then replaces
//! itself by the node (`exec`): the same process to the outside, but with nothing of the key
//! left in its memory. The signature comes along in the environment; it is no secret.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use karyon_colony::life::{Authority, RIGHTS, resource, terms_digest};
use karyon_colony::scenario::Scenario;
use karyon_identity::{
    Created, GrantTerms, KeyDirectory, PublicKey, SignedGrant, is_principal_name,
};

use crate::error::{CliError, Code};
use crate::output::hex;

const SIGNED_GRANT: &str = "KARYON_SIGNED_GRANT";

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
    eprintln!(
        "made the principal \"{name}\" ({public}), who answers for runs on this machine; \
         its key is in {}",
        keys.path().display()
    );
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

/// Signs a grant for this scenario and these contacts, and becomes the node. Returns only when
/// that fails.
pub(crate) fn sign_and_become_the_node(
    keys: &KeyDirectory,
    asked: Option<&str>,
    scenario_name: &str,
    scenario: &Scenario,
    contacts: &[u8],
    data: &Path,
) -> Result<std::convert::Infallible, CliError> {
    let (node, created) = keys.load_or_create_node_key()?;
    if created == Created::Now {
        eprintln!("made the node key ({}), which signs this machine's logs", node.public_key());
    }
    let name = principal(keys, asked)?;
    let key = keys.load_principal_key(&name)?;
    let random = |error: karyon_identity::RandomError| CliError::failure(error.to_string());
    let terms = GrantTerms {
        principal: name,
        principal_key: key.public_key(),
        node_key: node.public_key(),
        reason: format!("run the scenario {scenario_name}"),
        rights: RIGHTS.0,
        resource: resource(scenario_name),
        scenario: terms_digest(scenario, contacts),
        expires_tick: None,
        nonce: GrantTerms::random_nonce().map_err(random)?,
    };
    let signed = terms.sign(&key).map_err(refused)?;
    drop((node, key));
    let program = std::env::current_exe()
        .map_err(|error| CliError::failure(format!("this program cannot be found: {error}")))?;
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    arguments.push("--data".into());
    arguments.push(data.into());
    let error = std::process::Command::new(program)
        .args(without_data(arguments))
        .env(SIGNED_GRANT, hex(&signed.encode()))
        .exec();
    Err(CliError::failure(format!("the node could not be started: {error}")))
}

/// Leaves only the last `--data`, which names the directory that was made.
fn without_data(arguments: Vec<OsString>) -> Vec<OsString> {
    let (kept, last) = arguments.split_at(arguments.len().saturating_sub(2));
    let mut out = Vec::with_capacity(arguments.len());
    let mut value_follows = false;
    for argument in kept {
        let text = argument.to_string_lossy();
        if value_follows {
            value_follows = false;
        } else if text == "--data" {
            value_follows = true;
        } else if !text.starts_with("--data=") {
            out.push(argument.clone());
        }
    }
    out.extend_from_slice(last);
    out
}

/// The grant that came along, if this process is the node.
pub(crate) fn received(keys: &KeyDirectory) -> Result<Option<Authority>, CliError> {
    let Some(text) = std::env::var_os(SIGNED_GRANT) else { return Ok(None) };
    let bytes = decode_hex(&text.to_string_lossy())
        .ok_or_else(|| refused(format!("{SIGNED_GRANT} is not hexadecimal")))?;
    let signed = SignedGrant::decode(&bytes).map_err(refused)?;
    let principal_key = keys.load_principal_public_key(&signed.terms.principal)?;
    Ok(Some(Authority { signed, principal_key }))
}

fn refused(error: impl std::fmt::Display) -> CliError {
    CliError { code: Code::Refused, message: format!("refused: {error}"), hint: None }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    Some(pairs.iter().map(|[high, low]| (high * 16 + low) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_directory_that_was_made_is_passed_on() {
        for (given, expected) in [
            (vec!["run", "rumour", "--data", "new"], vec!["run", "rumour", "--data", "new"]),
            (vec!["run", "--data", "a", "x", "--data", "a"], vec!["run", "x", "--data", "a"]),
            (vec!["run", "--data=a", "x", "--data", "a"], vec!["run", "x", "--data", "a"]),
        ] {
            let given = given.into_iter().map(OsString::from).collect();
            assert_eq!(without_data(given), expected);
        }
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(decode_hex("00fF"), Some(vec![0, 255]));
        for text in ["0", "0g", "é0"] {
            assert_eq!(decode_hex(text), None);
        }
    }
}

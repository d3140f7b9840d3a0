//! What a principal says after its grants: signed first, by a process that then becomes the node.
//! The signed bytes come along in the environment; they are no secret.

use karyon_identity::{PublicKey, SignedStatement, Statement};
use karyon_keys::KeyDirectory;
use karyon_types::PrincipalId;

use super::past::Past;
use super::refused;
use crate::error::CliError;
use crate::grant::{become_the_node, decode_hex};
use crate::output::hex;

pub(super) const SIGNED: &str = "KARYON_SIGNED_STATEMENT";

/// The statement that came along, if this process is the node.
pub(super) fn received() -> Result<Option<SignedStatement>, CliError> {
    let Some(text) = std::env::var_os(SIGNED) else { return Ok(None) };
    let bytes = decode_hex(&text.to_string_lossy());
    let bytes = bytes.ok_or_else(|| malformed("it is not hexadecimal"))?;
    SignedStatement::decode(&bytes).map(Some).map_err(malformed)
}

fn malformed(why: impl std::fmt::Display) -> CliError {
    refused::refused(format_args!("{SIGNED}: {why} (malformed_statement)"))
}

/// The principal who speaks: its name, and its key if the log knows it.
pub(super) struct Speaker {
    pub(super) name: String,
    key: PublicKey,
}

impl Speaker {
    /// The one that is named, else the default one.
    pub(super) fn find(asked: Option<&str>) -> Result<Speaker, CliError> {
        let directory = KeyDirectory::from_environment()?;
        let name = match asked {
            Some(name) => name.to_owned(),
            None => directory.default_principal()?.ok_or_else(|| {
                CliError::failure("there is no principal on this machine")
                    .with_hint("`karyon key new NAME` makes one")
            })?,
        };
        let key = directory.load_principal_public_key(&name)?;
        Ok(Speaker { name, key })
    }

    /// Its number in a log.
    pub(super) fn number(&self, past: &Past) -> Result<PrincipalId, CliError> {
        past.ledger.principal(&self.key).ok_or_else(|| {
            refused::refused(format_args!(
                "{} granted nothing in this log with the key that it has now (unknown_principal)",
                self.name
            ))
        })
    }
}

/// Signs for the log of `past`, and becomes the node. Returns only when that fails.
pub(super) fn sign_and_become_the_node(
    speaker: &Speaker,
    past: &Past,
    statement: Statement,
) -> Result<std::convert::Infallible, CliError> {
    let key = KeyDirectory::from_environment()?.load_principal_key(&speaker.name)?;
    let signed = statement.sign(past.report.log, &key);
    drop(key);
    become_the_node(&[(SIGNED, hex(&signed.encode()).into())])
}

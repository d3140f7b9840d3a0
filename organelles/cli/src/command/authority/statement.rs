//! What a principal says after its grants: signed by the launcher, taken by the node.

use karyon_identity::PublicKey;
use karyon_keys::KeyDirectory;
use karyon_statements::{SignedStatement, Statement};
use karyon_types::PrincipalId;

use super::past::Past;
use super::refused;
use crate::error::CliError;
use crate::handover::Said;

/// The statement that was handed over.
pub(super) fn received(said: &Said) -> Result<&SignedStatement, CliError> {
    match said {
        Said::Statement(signed) => Ok(signed),
        Said::Nothing | Said::Grant(..) => {
            Err(refused::refused("nobody signed it (malformed_statement)"))
        }
    }
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

/// Signs for the log of `past`.
pub(super) fn sign(
    speaker: &Speaker,
    past: &Past,
    statement: &Statement,
) -> Result<Said, CliError> {
    let key = KeyDirectory::from_environment()?.load_principal_key(&speaker.name)?;
    Ok(Said::Statement(statement.sign(past.report.log, &key)))
}

//! `karyon key`: keys made, shown, rotated and given to others.

mod export_public;
mod follow;
mod new;
mod rotate;
mod show;

pub(crate) use new::make;

use karyon_identity::is_principal_name;
use karyon_keys::{KeyError, KeyKind};

use crate::args::Key;
use crate::error::{CliError, Code};

pub(crate) fn execute(args: &Key) -> Result<Code, CliError> {
    match args {
        Key::New(args) => new::execute(args),
        Key::Show(args) => show::execute(args),
        Key::Rotate(args) => rotate::execute(args),
        Key::ExportPublic(args) => export_public::execute(args),
        Key::Follow(args) => follow::execute(args),
    }
}

/// Whose key is meant: the principal that is named, else the node.
fn kind(name: Option<&str>) -> Result<KeyKind, CliError> {
    match name {
        None => Ok(KeyKind::Node),
        Some(name) if is_principal_name(name) => Ok(KeyKind::Principal(name.to_owned())),
        Some(name) => Err(KeyError::Name { name: name.to_owned() }.into()),
    }
}

/// The words for a kind in answers to machines: the kind, and a principal's name.
fn in_json(kind: &KeyKind) -> (&'static str, Option<&str>) {
    match kind {
        KeyKind::Node => ("node", None),
        KeyKind::Principal(name) => ("principal", Some(name)),
    }
}

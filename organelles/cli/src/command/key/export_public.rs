//! `karyon key export-public`: a public key for others.

use std::fs::OpenOptions;
use std::io::Write as _;

use karyon_keys::{KeyDirectory, KeyKind};
use serde_json::json;

use super::{in_json, kind};
use crate::args::ExportPublic;
use crate::error::{CliError, Code};
use crate::output;

pub(crate) fn execute(args: &ExportPublic) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let kind = kind(args.name.as_deref())?;
    let public = match &kind {
        KeyKind::Node => keys.load_node_public_key(),
        KeyKind::Principal(name) => keys.load_principal_public_key(name),
    }?;
    let line = format!("karyon-public-key-v1 {public}");
    if let Some(out) = &args.out {
        let mut file = OpenOptions::new();
        let written = file.write(true).create_new(true).open(out).and_then(|mut file| {
            writeln!(file, "{line}")?;
            file.sync_all()
        });
        written.map_err(|error| {
            CliError::failure(format!("{}: {error}", out.display()))
                .with_hint("give a file that is not there yet with --out")
        })?;
    }
    if args.json {
        let (word, name) = in_json(&kind);
        output::json(&json!({
            "kind": word,
            "name": name,
            "public_key": public.to_string(),
            "out": args.out,
        }));
    } else if args.out.is_none() {
        output::line(&line);
    }
    Ok(Code::Ok)
}

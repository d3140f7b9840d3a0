//! `karyon engram import`: an engram into another memory.

use std::path::Path;

use karyon_colony::life::VERSION;
use karyon_gate::Rights;
use karyon_identity::PublicKey;
use karyon_keys::KeyDirectory;
use karyon_memory::{
    Carried, Import, RESOURCE, TransplantError, foretell, import, import_digest, trust,
};
use karyon_runtime::{DataDir, DataDirError};
use karyon_verify::Trust;

use super::super::refuse_authority;
use super::{adopt, check, report};
use crate::args;
use crate::error::{CliError, Code, words};
use crate::guarded::{self, Arrived, Launch};
use crate::handover::{Input, Inputs, Signers};
use crate::output;
use crate::{grant, keys};

pub(crate) fn execute(args: &args::Import) -> Result<Code, CliError> {
    match guarded::arrived()? {
        None if args.dry_run => crate::command::guarded(|| try_out(args)),
        None => launch(args),
        Some(node) if node.inputs.holds(Input::Change) => adopt::take(args, node),
        Some(node) => take(args, node),
    }
}

/// Checks the engram and who signed it, signs, and becomes the node.
fn launch(args: &args::Import) -> Result<Code, CliError> {
    let data = args.data.as_path();
    guarded::permit(data)?;
    let directory = KeyDirectory::from_environment()?;
    let mut inputs = Inputs::default();
    let engram = check(&args.file, &mut inputs)?;
    let named = believe(&engram, args)?;
    if is_governed(&engram, args)? {
        return adopt::launch(args, &engram);
    }
    let log = engram.manifest.origin.log;
    refuse_authority(data)?;
    keys::refuse_stranger(&directory, data)?;
    grant::answerable(&directory, args.principal.as_deref())?;
    let _dir = data_directory(data)?;
    let this_node = grant::node_key(&directory)?;
    // A log that is there goes on with the key that began it.
    let key = keys::of_log_told(&directory, data, this_node)?;
    let node_key = key.public_key();
    let terms = grant::Terms {
        reason: format!("import an engram of log {log}"),
        rights: Rights::IMPORT,
        resource: RESOURCE.into(),
        digest: import_digest(&engram.hash),
    };
    let said = grant::sign(&directory, node_key, args.principal.as_deref(), terms)?;
    let signers = Some(Signers { this_node, named });
    let launch = Launch { data, key, said, signers, tighten: Vec::new(), inputs: &inputs };
    launch.start(&directory).map(|never| match never {})
}

/// Whether the engram holds what somebody answered for.
fn is_governed(engram: &Carried, args: &args::Import) -> Result<bool, CliError> {
    let is_governed = engram.governed()? > 0;
    if !is_governed && (args.keep.is_some() || args.owner.is_some() || args.again) {
        return Err(CliError::failure(
            "--keep, --owner and --again are for memories for which somebody answered: this engram holds \
             what agents remember",
        ));
    }
    Ok(is_governed)
}

/// Whether the signer is trusted here; the key that a person named.
fn believe(engram: &Carried, args: &args::Import) -> Result<Option<PublicKey>, CliError> {
    let named = args.trust.as_deref().map(|key| keys::public_key("--trust", key)).transpose()?;
    match trust(engram, keys::this_node()?, named) {
        Ok(_) => Ok(named),
        Err(error @ TransplantError::UnknownSigner { .. }) => {
            Err(CliError::from(error).with_hint(match named {
                // To name that key is to believe the file about itself.
                Some(named) => format!(
                    "--trust names {named}: whoever signed this is somebody else; ask the owner of \
                     the node for its key, by another way than the engram came"
                ),
                None => "get the key of its node from its owner, by another way than the engram \
                         came, compare the two, and only then name it with --trust"
                    .to_owned(),
            }))
        }
        Err(other) => Err(other.into()),
    }
}

/// Says what the import would do. This process is no node and writes nothing.
fn try_out(args: &args::Import) -> Result<Code, CliError> {
    let data = args.data.as_path();
    guarded::permit(data)?;
    let engram = check(&args.file, &mut Inputs::default())?;
    believe(&engram, args)?;
    if is_governed(&engram, args)? {
        return adopt::try_out(args, &engram);
    }
    let keys::Trusted { key: node_key, known, .. } = keys::trusted(None, data)?;
    let imported = foretell(data, &Trust { node_key, known }, &engram)?;
    report::show(&imported, args);
    Ok(Code::Ok)
}

/// Takes the memories in, as the node.
fn take(args: &args::Import, mut node: Arrived) -> Result<Code, CliError> {
    let engram = check(&args.file, &mut node.inputs)?;
    let signers = node.signers;
    let (this_node, named) =
        (signers.map(|signers| signers.this_node), signers.and_then(|s| s.named));
    let trusted = trust(&engram, this_node, named)?;
    let dir = node.dir()?;
    let authority = grant::received(node.said)?;
    let request = Import {
        engram: &engram,
        trusted,
        authority: &authority,
        known: &node.known,
        karyon: VERSION,
    };
    let imported = import(dir, node.key, &request)?;
    if let Some(error) = &imported.memory_error {
        output::note(&format!(
            "note: the memory does not show it yet, and is built when it is asked: {}",
            words(error)
        ));
    }
    report::show(&imported, args);
    Ok(Code::Ok)
}

/// The data directory: one that is there, or a new one. A folder that is used for something else
/// is left alone: as root the guardian would give it to the node.
pub(crate) fn data_directory(data: &Path) -> Result<DataDir, CliError> {
    Ok(match DataDir::create(data) {
        Err(DataDirError::NotEmpty { path, found }) if !data.join("log").is_dir() => {
            return Err(
                DataDirError::NotEmpty { path, found: format!("{found}, but no log") }.into()
            );
        }
        Err(DataDirError::NotEmpty { .. }) => DataDir::open(data)?,
        other => other?,
    })
}

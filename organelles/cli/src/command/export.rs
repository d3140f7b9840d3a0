//! `karyon export`: all that a data directory holds, as one file in open formats.

mod table;

use std::io::ErrorKind;
use std::path::Path;

use karyon_colony::life::VERSION;
use karyon_exit::{Export, Exported, export};
use karyon_identity::{PublicKey, SecretKey};
use karyon_keys::{KeyDirectory, KeyError};
use karyon_keystore::{Source, destroy_carried};
use karyon_memory::{ChangeError, carry_keys};
use karyon_runtime::{DataDir, DataDirError};
use karyon_verify::{KeyStatus, Report};
use serde_json::json;

use super::memory::open;
use super::memory::secrets::{self, Secrets};
use super::refuse_inside;
use crate::args::ExportData;
use crate::error::{CliError, Code, words};
use crate::output::{self, size, thousands};
use crate::{keys, progress};

pub(crate) fn execute(args: &ExportData) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    refuse_inside(&args.out, data)?;
    if let Some(what) = args.table {
        return table::execute(args, what);
    }
    if DataDir::is_in_use(data) == Some(true) {
        return Err(in_use(data));
    }
    // Before it is held: what is held looks as if something ran there, and in safe mode no memory is
    // written. If something was recorded in between, that is found.
    let reader = open(data)?.read()?;
    let _held = hold(data)?;
    let report = verified(data)?;
    let key = own_key(&report.node_key)?;
    if let Some(file) = &args.keys {
        carry(data, &report, &reader, file)?;
    }
    let request = Export {
        data,
        report: &report,
        reader: &reader,
        key: key.as_ref(),
        karyon: VERSION,
        out: &args.out,
    };
    let bar = progress::bytes("exporting", 0);
    let exported = export(&request, &mut |bytes| bar.set(bytes));
    drop(bar);
    let exported = exported.map_err(|error| without_keys(error.into(), args.keys.as_deref()))?;
    show(args, &exported, &report, key.is_some());
    Ok(Code::Ok)
}

/// Keeps others from recording there until it is exported; `None`: nothing can be written there by
/// whoever exports, and what grows meanwhile is found.
fn hold(data: &Path) -> Result<Option<DataDir>, CliError> {
    const CLOSED: [ErrorKind; 2] = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
    match DataDir::open(data) {
        Ok(dir) => Ok(Some(dir)),
        Err(DataDirError::InUse { .. }) => Err(in_use(data)),
        Err(DataDirError::Io { source, .. }) if CLOSED.contains(&source.kind()) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn in_use(data: &Path) -> CliError {
    CliError::failure(format!("{} is in use: something runs there", data.display()))
        .with_hint("wait for it, or interrupt it (Ctrl-C) and go on with it afterwards")
}

fn verified(data: &Path) -> Result<Report, CliError> {
    keys::trusted_if_known(None, data)?.verify(data)
}

/// The key that signed the log, if this machine has it.
fn own_key(signer: &PublicKey) -> Result<Option<SecretKey>, CliError> {
    let directory = match KeyDirectory::from_environment() {
        Err(KeyError::NoDirectory) => return Ok(None),
        other => other?,
    };
    match directory.node_key_for(signer) {
        Ok(key) => Ok(Some(key)),
        Err(KeyError::NotHere { .. } | KeyError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes the keys of what is sealed.
fn carry(
    data: &Path,
    report: &Report,
    reader: &karyon_graph::Reader,
    file: &Path,
) -> Result<(), CliError> {
    let directory = KeyDirectory::from_environment()?;
    let mut secrets =
        Secrets::open_read_only(&directory, data)?.ok_or_else(|| secrets::none(data))?;
    let source = Source { log: report.log, records: report.end.records };
    let carried = carry_keys(secrets.keys_mut(), reader, &report.controls, source, file);
    carried.map_err(|error| match error {
        ChangeError::Keys(error) => secrets::failed(error),
        ChangeError::Graph(error) => error.into(),
        other => CliError::failure(words(&other)),
    })
}

/// The error, without the keys that were to go with the export.
fn without_keys(error: CliError, keys: Option<&Path>) -> CliError {
    match keys.map(|file| (file, destroy_carried(file))) {
        Some((file, Err(left))) => error.with_hint(format!(
            "{} holds keys, and is there still ({left}): overwrite and remove it",
            file.display()
        )),
        Some((_, Ok(_))) | None => error,
    }
}

fn show(args: &ExportData, exported: &Exported, report: &Report, is_signed: bool) {
    let manifest = &exported.manifest;
    if args.json {
        return output::json(&json!({
            "out": args.out,
            "keys": args.keys,
            "data": args.data,
            "log_id": manifest.log_id,
            "records": manifest.records,
            "memories": exported.memories,
            "state_root": manifest.state_root,
            "memory_root": manifest.memory_root,
            "files": manifest.files.len(),
            "bytes": exported.bytes,
            "node_key": manifest.node_key,
            "signed": is_signed,
        }));
    }
    output::line(&format!(
        "{} records and {} versions of memories in {}, {}",
        thousands(manifest.records),
        thousands(exported.memories),
        args.out.display(),
        size(exported.bytes)
    ));
    if let Some(root) = &manifest.state_root {
        output::line(&format!("state root   {root}"));
    }
    output::line(&format!("memory root  {}", manifest.memory_root));
    output::line(&match is_signed {
        true => format!("signed by    {}", manifest.node_key),
        false => format!(
            "not signed   the key {} is not here; the log in it is signed all the same",
            manifest.node_key
        ),
    });
    if report.end.tail_bytes > 0 {
        output::line(&format!(
            "left out     {} bytes behind the last commit, which were never committed",
            thousands(report.end.tail_bytes)
        ));
    }
    if let Some(file) = &args.keys {
        output::line(&format!(
            "keys         {}: whoever has it and the export reads everything that is not erased",
            file.display()
        ));
    }
    // What is exported is what is there; whether to believe it is asked elsewhere.
    match report.key {
        KeyStatus::Trusted => {}
        KeyStatus::Unknown => output::note("note: the key that signed the log is unknown here"),
    }
}

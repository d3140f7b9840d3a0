//! `karyon import`: an export, as a data directory of its own.

use std::path::{Path, PathBuf};

use karyon_exit::{Place, Staged};
use karyon_graph::{Graph, View};
use karyon_keys::KeyDirectory;
use karyon_keystore::{CarriedKeys, Keystore, abandon, id_in};
use karyon_log::open_regular;
use karyon_memory::{Filter, recall, settle};
use karyon_runtime::datadir;
use karyon_types::Hash;
use karyon_verify::{KeyStatus, Report, Trust};
use serde_json::json;

use super::memory::secrets;
use crate::args::ImportData;
use crate::error::{CliError, Code, words};
use crate::output::{self, thousands};
use crate::{keys, progress};

pub(crate) fn execute(args: &ImportData) -> Result<Code, CliError> {
    let file = open_regular(&args.file).map_err(|error| unreadable(&args.file, &error))?;
    let len = file.metadata().map_err(|error| unreadable(&args.file, &error))?.len();
    let given = args.trust.as_deref().map(|key| keys::public_key("--trust", key)).transpose()?;
    let place = Place::take(&args.data)?;
    if let Some(leftover) = place.leftover() {
        clear_keys(leftover)?;
    }
    let carried = args.keys.as_deref().map(Carried::read).transpose()?;
    let bar = progress::bytes("importing", len);
    let staged = place.unpack(file, &mut |bytes| bar.set(bytes));
    drop(bar);
    let mut staged = staged.map_err(|error| in_file(&args.file, error.into()))?;
    let given = given.map(|key| key.to_string());
    let trusted = keys::trusted_if_known(given.as_deref(), staged.path())?;
    let trust = Trust { node_key: trusted.key, known: trusted.known };
    let report = staged.verify(&trust).map_err(|error| in_file(&args.file, error.into()))?;
    let root = staged.build_memory().map_err(|error| in_file(&args.file, error.into()))?;
    let told =
        Told { args, report, root, is_retired: trusted.retired, is_signed: staged.is_signed() };
    match carried {
        None => staged.put_in_place()?,
        Some(carried) => carried.bring(staged, &told.report)?,
    }
    told.show();
    Ok(Code::Ok)
}

fn unreadable(file: &Path, error: &std::io::Error) -> CliError {
    CliError::failure(format!("{} cannot be read: {error}", file.display()))
}

/// The error, with the file that it is about.
fn in_file(file: &Path, error: CliError) -> CliError {
    CliError { message: format!("{}: {}", file.display(), error.message), ..error }
}

/// Takes the master key away that an import left which was killed.
fn clear_keys(leftover: &Path) -> Result<(), CliError> {
    // What cannot be read is no keystore for which a master key was made.
    let Ok(Some(id)) = id_in(leftover) else { return Ok(()) };
    let master = secrets::master(&KeyDirectory::from_environment()?, id)?;
    abandon(leftover, &master, id).map(drop).map_err(secrets::failed)
}

/// Keys that come with the export, and where their master key is to lie.
struct Carried {
    keys: CarriedKeys,
    master: PathBuf,
}

impl Carried {
    fn read(file: &Path) -> Result<Carried, CliError> {
        let keys = CarriedKeys::read(file).map_err(secrets::failed)?;
        let master = secrets::master(&KeyDirectory::from_environment()?, keys.log())?;
        if master.exists() {
            let what = format!(
                "this machine has these keys already, for another data directory: {} is there",
                master.display()
            );
            return Err(CliError::failure(what).with_hint(
                "import it without --keys, or under another configuration (KARYON_CONFIG_HOME)",
            ));
        }
        Ok(Carried { keys, master })
    }

    /// Puts keys and directory in their places: both, or neither.
    fn bring(self, mut staged: Staged, report: &Report) -> Result<(), CliError> {
        let (id, master, data) = (self.keys.log(), self.master, staged.path().to_owned());
        let made = self.keys.settle(&data, &master).map_err(secrets::failed);
        let brought = made.and_then(|mut keystore| {
            check(&mut keystore, &data, report)?;
            keystore.close().map_err(secrets::failed)?;
            Ok(staged.put_in_place()?)
        });
        brought.map_err(|error| match abandon(&data, &master, id) {
            Ok(_) => error,
            Err(_) => error.with_hint(format!("{} is of no use; remove it", master.display())),
        })
    }
}

/// Whether the keys are those of the memories, and follow the log.
fn check(keystore: &mut Keystore, data: &Path, report: &Report) -> Result<(), CliError> {
    let graph = Graph::open_read_only(&datadir::memory_file(data))?;
    let reader = graph.read()?;
    recall(&reader, Some(keystore), &Filter::default(), &View::NOW).map_err(|error| {
        CliError::failure(format!("these are not the keys of this export: {}", words(&error)))
            .with_hint("the keys were written by the `karyon export --keys` of the same directory")
    })?;
    settle(keystore, &report.controls).map(drop).map_err(secrets::failed)
}

/// What came of it.
struct Told<'a> {
    args: &'a ImportData,
    report: Report,
    root: Hash,
    is_retired: bool,
    is_signed: bool,
}

impl Told<'_> {
    fn key(&self) -> &'static str {
        match self.report.key {
            KeyStatus::Trusted if self.is_retired => "retired",
            KeyStatus::Trusted => "trusted",
            KeyStatus::Unknown => "unknown",
        }
    }

    fn show(&self) {
        let Told { args, report, root, is_signed, .. } = self;
        let state_root = report.seal().map(|seal| output::hex(&seal.state_root));
        if args.json {
            return output::json(&json!({
                "data": args.data,
                "log_id": report.log.to_string(),
                "records": report.end.records,
                "state_root": state_root,
                "memory_root": root.to_string(),
                "node_key": report.node_key.to_string(),
                "key": self.key(),
                "signed": is_signed,
                "keys": args.keys.is_some(),
                "safe_mode": true,
            }));
        }
        let data = args.data.display();
        output::line(&format!(
            "{data}  {} records, verified, with the roots that were promised",
            thousands(report.end.records)
        ));
        if let Some(root) = state_root {
            output::line(&format!("state root   {root}"));
        }
        output::line(&format!("memory root  {root}"));
        output::line(&match report.key {
            KeyStatus::Trusted => format!("signed by    {} ({})", report.node_key, self.key()),
            KeyStatus::Unknown => format!(
                "signed by    {} (key unknown: the log brought it along, so it proves nothing \
                 about who wrote it; give the node's with --trust)",
                report.node_key
            ),
        });
        if !is_signed {
            output::line(
                "not signed   nobody vouches for the export as a whole; its log is signed",
            );
        }
        output::line(&format!(
            "safe mode    it can be asked anything; to go on in it: karyon safety resume --reason \
             \"…\" --data {data}"
        ));
    }
}

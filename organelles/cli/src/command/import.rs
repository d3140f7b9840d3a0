//! `karyon import`: an export, as a data directory of its own.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use karyon_engram::Engram;
use karyon_exit::{ImportError, Manifest, Place, Staged, manifest};
use karyon_graph::Graph;
use karyon_keys::KeyDirectory;
use karyon_keystore::{CarriedKeys, Keystore, KeystoreError, Source, abandon, id_in, keep};
use karyon_log::open_regular;
use karyon_memory::{opening, settle};
use karyon_runtime::datadir;
use karyon_types::Hash;
use karyon_verify::{KeyStatus, Report, Trust};
use serde_json::json;

use super::memory::secrets;
use crate::args::ImportData;
use crate::error::{CliError, Code};
use crate::output::{self, thousands};
use crate::{keys, progress};

pub(crate) fn execute(args: &ImportData) -> Result<Code, CliError> {
    let file = opened(&args.file)?;
    let len = file.metadata().map_err(|error| unreadable(&args.file, &error))?.len();
    let given = args.trust.as_deref().map(|key| keys::public_key("--trust", key)).transpose()?;
    // Before anything is made.
    let told = manifest(opened(&args.file)?).map_err(|error| no_export(args, error))?;
    let carried = args.keys.as_deref().map(|keys| Carried::read(keys, args, &told)).transpose()?;
    let place = Place::take(&args.data)?;
    if let Some(note) = place.note_left() {
        clear_keys(place.staging(), note)?;
    }
    let note = note_of(place.staging(), place.note())?;
    if let Some(carried) = &carried {
        carried.refuse_where_they_are()?;
    }
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
        Some(carried) => carried.bring(staged, &note, &told.report)?,
    }
    told.show();
    Ok(Code::Ok)
}

fn opened(file: &Path) -> Result<File, CliError> {
    open_regular(file).map_err(|error| unreadable(file, &error))
}

/// The error about a file that does not begin as an export does; or that it is an engram.
fn no_export(args: &ImportData, error: ImportError) -> CliError {
    let mut beginning = Vec::new();
    let read = opened(&args.file).map(|file| file.take(64).read_to_end(&mut beginning));
    match read {
        Ok(Ok(_)) if Engram::may_begin(&beginning) => {
            let what = "is an engram, a part of a memory, and no export of a whole data directory";
            let (file, data) = (args.file.display(), args.data.display());
            let hint = format!("`karyon engram import {file} --data {data}` takes it in");
            let message = format!("{file} {what}");
            CliError { code: Code::VerificationFailed, message, hint: Some(hint) }
        }
        Ok(_) | Err(_) => in_file(&args.file, error.into()),
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> CliError {
    CliError::failure(format!("{} cannot be read: {error}", file.display()))
}

/// The error, with the file that it is about.
fn in_file(file: &Path, error: CliError) -> CliError {
    CliError { message: format!("{}: {}", file.display(), error.message), ..error }
}

/// Takes the master key away that the import of this name made here, which was killed. That of any
/// other stays: what lies here may be a copy of a directory.
fn clear_keys(leftover: &Path, name: &str) -> Result<(), CliError> {
    // What cannot be read is no keystore for which a master key was made.
    let Ok(Some(id)) = id_in(leftover) else { return Ok(()) };
    let master = secrets::master(&KeyDirectory::from_environment()?, id)?;
    abandon(leftover, &master, id, &note_of(leftover, name)?).map(drop).map_err(secrets::failed)
}

/// What is noted beside a master key, until the directory is in its place: which import made it, and
/// where. A copy of what that import left is elsewhere.
fn note_of(staging: &Path, name: &str) -> Result<Vec<u8>, CliError> {
    let place = staging.canonicalize().map_err(|error| unreadable(staging, &error))?;
    Ok([name.as_bytes(), b"\n", place.as_os_str().as_bytes(), b"\n"].concat())
}

/// Keys that come with the export, and where their master key is to lie.
struct Carried {
    keys: CarriedKeys,
    file: PathBuf,
    master: PathBuf,
}

impl Carried {
    /// Reads the keys, of this export's log and of no other.
    fn read(file: &Path, args: &ImportData, export: &Manifest) -> Result<Carried, CliError> {
        let keys = CarriedKeys::read(file).map_err(secrets::failed)?;
        let of = keys.source().log.to_string();
        if of != export.log_id {
            let what = format!(
                "these are not the keys of this export: {} is of log {of}, and {} of log {}; \
                 nothing was made",
                file.display(),
                args.file.display(),
                export.log_id
            );
            return Err(CliError::failure(what).with_hint(
                "name the key file that `karyon export --keys` wrote for this log, or import \
                 without --keys: what people recorded then stays sealed",
            ));
        }
        let master = secrets::master(&KeyDirectory::from_environment()?, keys.log())?;
        Ok(Carried { keys, file: file.to_owned(), master })
    }

    /// Refuses keys whose master key has its place already: another directory needs that one.
    fn refuse_where_they_are(&self) -> Result<(), CliError> {
        match self.master.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Ok(_) | Err(_) => Err(are_here(&self.master)),
        }
    }

    /// Puts keys and directory in their places: both, or neither.
    fn bring(self, mut staged: Staged, note: &[u8], report: &Report) -> Result<(), CliError> {
        let Carried { keys, file, master } = self;
        let (id, source, data) = (keys.log(), keys.source(), staged.path().to_owned());
        let made = match keys.settle(&data, &master, note) {
            // Another import was first: that one's master key is none of this one's.
            Err(KeystoreError::Exists { path }) if path == master => return Err(are_here(&path)),
            made => made.map_err(secrets::failed),
        };
        let brought = made.and_then(|mut keystore| {
            check(&mut keystore, (&file, source), &data, report)?;
            keystore.close().map_err(secrets::failed)?;
            Ok(staged.put_in_place()?)
        });
        if staged.is_in_place() {
            // Whatever else there is to be said: from here on the directory needs its master key.
            let kept = keep(&data, &master, id).map(drop).map_err(secrets::failed);
            return brought.and(kept);
        }
        brought.map_err(|error| match abandon(&data, &master, id, note) {
            Ok(_) => error,
            Err(left) => error.with_hint(format!(
                "{} may be left of it, and opens nothing then: put it aside before this is tried \
                 again ({left})",
                master.display()
            )),
        })
    }
}

/// There is a master key of this name: it is never written over.
fn are_here(master: &Path) -> CliError {
    let master = master.display();
    CliError::failure(format!(
        "this machine has these keys already, for another data directory: {master} is there; \
         nothing was changed"
    ))
    .with_hint(format!(
        "where that directory is there still, import without --keys, or under another configuration \
         (KARYON_CONFIG_HOME); where it is lost, put its master key aside (mv {master} {master}.old) \
         and import again; a copy of the lost directory would open with {master}.old alone"
    ))
}

/// Lets the keys follow the log, and refuses those that lack some of the memories.
fn check(
    keystore: &mut Keystore,
    (file, source): (&Path, Source),
    data: &Path,
    report: &Report,
) -> Result<(), CliError> {
    // What was forgotten is none that they lack.
    settle(keystore, &report.controls).map_err(secrets::failed)?;
    let graph = Graph::open_read_only(&datadir::memory_file(data))?;
    let found = opening(&graph.read()?, keystore)?;
    let Some(first) = found.first_missing else { return Ok(()) };
    let (had, has) = (source.records, report.end.records);
    let tried = found.opens + found.missing;
    let what = format!(
        "{} opens {} of the {} memories in this export that are not forgotten, and not that of \
         record {first}",
        file.display(),
        thousands(found.opens),
        thousands(tried)
    );
    Err(match had < has {
        true => CliError::failure(format!(
            "{what}: these keys are older than the export; the log had {} records when they were \
             written, and has {} here",
            thousands(had),
            thousands(has)
        ))
        .with_hint(
            "import with a key file that was written with this export or later, or the older export \
             that these keys were written with; without --keys all of it stays sealed",
        ),
        false => CliError::failure(format!(
            "{what}, although they are of this log and no older: where they were written they do \
             not open it either"
        ))
        .with_hint("look there with `karyon memory recall`; without --keys it can be imported"),
    })
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

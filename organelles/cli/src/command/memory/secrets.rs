//! The keys of subjects: beside the log, under a master key that lies beside the other keys.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use karyon_graph::{Reader, View};
use karyon_keys::KeyDirectory;
use karyon_keystore::{Keystore, KeystoreError, id_in};
use karyon_log::Control;
use karyon_memory::{ChangeError, Filter, Owed, Settled, owed, recall, settle as settle_keys};
use karyon_runtime::{DataDir, datadir};
use karyon_statements::GrantTerms;
use karyon_types::LogId;
use karyon_verify::{Trust, verify};

use crate::error::{CliError, Code, words};
use crate::{keys, output};

/// Lies in a data directory while keys are to be destroyed that a record names.
const ERASING: &str = "erasing";

/// The keystore of a data directory.
pub(crate) struct Secrets(Keystore);

impl Secrets {
    /// Opens it, or makes one: not where something is sealed under the keys of another, whose
    /// subjects would be taken for those of this one.
    pub(crate) fn open_or_create(
        keys: &KeyDirectory,
        data: &Path,
        reader: Option<&Reader>,
    ) -> Result<Secrets, CliError> {
        let sealed = match (id_of(data)?, reader) {
            (Some(_), _) | (None, None) => Vec::new(),
            (None, Some(reader)) => recall(reader, None, &Filter::default(), &View::NOW)
                .map_err(|error| CliError::failure(words(&error)))?,
        };
        if !sealed.is_empty() {
            let what = format!(
                "what is remembered in {} is sealed under keys that are not here",
                data.display()
            );
            return Err(CliError::failure(what).with_hint(
                "bring them with the directory: `karyon export --keys`, `karyon import --keys`",
            ));
        }
        let new =
            GrantTerms::random_nonce().map_err(|error| CliError::failure(error.to_string()))?;
        let folder = keys.keystores()?;
        let master = |id| folder.join(master_name(id));
        let keystore = Keystore::open_or_create(data, master, LogId(new)).map_err(failed)?;
        Secrets(keystore).settled(data)
    }

    /// Opens it, for whoever holds the directory.
    pub(crate) fn open(keys: &KeyDirectory, data: &Path) -> Result<Secrets, CliError> {
        let id = id_of(data)?.ok_or_else(|| none(data))?;
        let keystore = Keystore::open(data, &master(keys, id)?, id).map_err(failed)?;
        Secrets(keystore).settled(data)
    }

    /// Destroys first what the log says is to be destroyed, whatever became of the note of it:
    /// nothing is recorded about a subject that was forgotten.
    fn settled(mut self, data: &Path) -> Result<Secrets, CliError> {
        if owed(&mut self.0, data).map_err(unlike)?.is_some() {
            destroy(&mut self.0, data, &verified(data)?)?;
        }
        Ok(self)
    }

    /// Opens it to read, without what the log says is erased; `None`: it, or its master key, is not
    /// on this machine.
    pub(crate) fn open_read_only(
        keys: &KeyDirectory,
        data: &Path,
    ) -> Result<Option<Secrets>, CliError> {
        Ok(Secrets::open_hiding(keys, data)?.map(|(secrets, _)| secrets))
    }

    /// The same, and whether something is hidden so.
    fn open_hiding(keys: &KeyDirectory, data: &Path) -> Result<Option<(Secrets, bool)>, CliError> {
        let Some(id) = id_of(data)? else { return Ok(None) };
        let mut keystore = match Keystore::open_read_only(data, &master(keys, id)?, id) {
            Ok(keystore) => keystore,
            Err(KeystoreError::NotMade { .. } | KeystoreError::MasterMissing { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Some(match owed(&mut keystore, data).map_err(unlike)? {
            None => (Secrets(keystore), false),
            Some(Owed(erasure)) => (Secrets(keystore.hiding(&erasure).map_err(failed)?), true),
        }))
    }

    /// Opens it to read, and goes on with an erasure that was begun, or that the log tells of, where
    /// that can be done; where it cannot, what the log says is erased is not told. The note that it
    /// was begun stays then.
    pub(crate) fn open_settled(
        keys: &KeyDirectory,
        data: &Path,
    ) -> Result<Option<Secrets>, CliError> {
        let (secrets, is_hiding) = match Secrets::open_hiding(keys, data) {
            // What is wrong with the keys is told by whoever goes on with it.
            Err(_) if is_begun(data)? => (None, false),
            opened => opened?.map_or((None, false), |(keys, is_hiding)| (Some(keys), is_hiding)),
        };
        if !is_hiding && !is_begun(data)? {
            return Ok(secrets);
        }
        drop(secrets);
        let Err(why) = settle(keys, data) else {
            return Secrets::open_read_only(keys, data);
        };
        if why.code != Code::Failure || !data.is_dir() {
            return Err(why);
        }
        let secrets = Secrets::open_read_only(keys, data)?;
        output::note(&format!(
            "note: something is to be erased in {}, and its keys could not be destroyed now ({}); \
             what the log says is erased is not told",
            data.display(),
            why.message
        ));
        Ok(secrets)
    }

    pub(crate) fn keys(&self) -> &Keystore {
        &self.0
    }

    pub(crate) fn keys_mut(&mut self) -> &mut Keystore {
        &mut self.0
    }

    pub(crate) fn close(self) -> Result<(), CliError> {
        self.0.close().map_err(failed)
    }
}

/// There is no keystore, or not its master key.
pub(crate) fn none(data: &Path) -> CliError {
    let data = data.display();
    CliError::failure(format!("nothing is remembered in {data} for which somebody answers here"))
        .with_hint("`karyon memory remember` begins it; the keys of what came from another machine are there")
}

/// The id of the keystore in a data directory.
fn id_of(data: &Path) -> Result<Option<LogId>, CliError> {
    id_in(data).map_err(|error| CliError::failure(format!("the keys cannot be read: {error}")))
}

pub(crate) fn master(keys: &KeyDirectory, id: LogId) -> Result<PathBuf, CliError> {
    Ok(keys.keystores()?.join(master_name(id)))
}

fn master_name(id: LogId) -> String {
    format!("{id}.key")
}

pub(crate) fn failed(error: KeystoreError) -> CliError {
    CliError::failure(words(&error))
}

/// What cannot be compared with its log.
fn unlike(error: ChangeError) -> CliError {
    match error {
        ChangeError::Graph(error) => error.into(),
        ChangeError::Keys(error) => failed(error),
        other => CliError::failure(words(&other)),
    }
}

/// Whether there is a note that keys are about to be destroyed, or anything in its place.
fn is_begun(data: &Path) -> Result<bool, CliError> {
    let file = data.join(ERASING);
    match file.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            Ok(false)
        }
        Err(error) => Err(CliError::failure(format!("{}: {error}", file.display()))),
    }
}

/// Notes durably that keys are about to be destroyed: whoever comes next goes on with it.
pub(crate) fn begin_erasing(data: &Path) -> Result<(), CliError> {
    let file = data.join(ERASING);
    let failed = |error: std::io::Error| {
        CliError::failure(format!("nothing was erased: {}: {error}", file.display()))
    };
    // A link in its place is not followed: what it leads to may be anybody's.
    match OpenOptions::new().write(true).create_new(true).open(&file) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if !file.symlink_metadata().map_err(failed)?.is_file() {
                let what = format!("nothing was erased: {} is no regular file", file.display());
                return Err(CliError::failure(what).with_hint(
                    "Karyon notes there that keys are to be destroyed: put aside what is there",
                ));
            }
        }
        made => made.and_then(|file| file.sync_all()).map_err(failed)?,
    }
    File::open(data).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Goes on with what was begun. Where nothing is recorded nothing was, and the note goes: it would
/// look as if the directory were used for something else.
pub(crate) fn settle_if_begun(keys: &KeyDirectory, data: &Path) -> Result<(), CliError> {
    match (is_begun(data)?, datadir::log_file(data).exists()) {
        (true, true) => settle(keys, data).map(drop),
        (true, false) => end_erasing(keys, data).map(drop),
        (false, _) => Ok(()),
    }
}

/// Removes a folder that may not be there.
fn purge(folder: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(CliError::failure(format!("{}: {error}", folder.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Destroys the keys that the log says are to be; what was destroyed just now.
pub(crate) fn settle(keys: &KeyDirectory, data: &Path) -> Result<Settled, CliError> {
    let _dir = DataDir::open(data)?;
    Ok(settle_held(keys, data)?.0)
}

/// The same, and the note goes if all of them are destroyed: for whoever ordered it alone, as to
/// somebody else the record may be still to come. Nobody records in between.
pub(crate) fn end_erasing(keys: &KeyDirectory, data: &Path) -> Result<Settled, CliError> {
    let _dir = DataDir::open(data)?;
    let (settled, is_done) = settle_held(keys, data)?;
    let file = data.join(ERASING);
    match is_done.then(|| fs::remove_file(&file)) {
        Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
            Err(CliError::failure(format!("{}: {error}", file.display())))
        }
        Some(_) | None => Ok(settled),
    }
}

/// What was destroyed, and whether nothing is to be destroyed any more.
fn settle_held(keys: &KeyDirectory, data: &Path) -> Result<(Settled, bool), CliError> {
    // Where nothing was recorded, nothing says that anything is erased.
    if !datadir::log_file(data).exists() {
        return Ok((Settled::default(), true));
    }
    let controls = verified(data)?;
    let (settled, is_done) = match id_of(data)? {
        // Wherever the keys are: they are not destroyed.
        None => {
            purge_snapshots(data, &controls)?;
            (Settled::default(), !controls.iter().any(erases))
        }
        Some(id) => {
            let mut keystore = Keystore::open(data, &master(keys, id)?, id).map_err(failed)?;
            let settled = destroy(&mut keystore, data, &controls)?;
            (settled, owed(&mut keystore, data).map_err(unlike)?.is_none())
        }
    };
    Ok((settled, is_done))
}

/// The control records of a log that verifies: no key is destroyed because of any other.
fn verified(data: &Path) -> Result<Vec<Control>, CliError> {
    let trust = Trust { node_key: None, known: keys::trusted(None, data)?.known };
    let (log, checkpoint) = (datadir::log_folder(data), datadir::checkpoint_file(data));
    Ok(verify(&log, &checkpoint, &datadir::inputs(data), &trust)?.controls)
}

fn erases(control: &Control) -> bool {
    matches!(control, Control::Memory(record) if !record.erased.is_empty())
}

/// Removes what was kept beside the log of what erased keys opened.
fn purge_snapshots(data: &Path, controls: &[Control]) -> Result<(), CliError> {
    let has_subjects = |control: &Control| matches!(control, Control::Subjects(_));
    if controls.iter().any(has_subjects) && controls.iter().any(erases) {
        // None can be opened any more. They are a cache, and what they hold is no longer wanted.
        purge(&data.join("snapshots"))?;
    }
    Ok(())
}

/// Destroys the keys, and what was kept beside the log of what they opened.
fn destroy(
    keystore: &mut Keystore,
    data: &Path,
    controls: &[Control],
) -> Result<Settled, CliError> {
    let settled = settle_keys(keystore, controls).map_err(|error| CliError {
        code: Code::Failure,
        message: format!("the keys could not be destroyed: {}", words(&error)),
        hint: Some("the record says that they are to be; ask again, and it is gone on with".into()),
    })?;
    purge_snapshots(data, controls)?;
    Ok(settled)
}

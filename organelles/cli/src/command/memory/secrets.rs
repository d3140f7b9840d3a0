//! The keys of subjects: beside the log, under a master key that lies beside the other keys.

use std::path::{Path, PathBuf};

use karyon_graph::{Reader, View};
use karyon_keys::KeyDirectory;
use karyon_keystore::{Keystore, KeystoreError, id_in};
use karyon_log::Control;
use karyon_memory::{Filter, Settled, hiding, recall, settle as settle_keys};
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
        Keystore::open_or_create(data, master, LogId(new)).map(Secrets).map_err(failed)
    }

    /// Opens it.
    pub(crate) fn open(keys: &KeyDirectory, data: &Path) -> Result<Secrets, CliError> {
        let id = id_of(data)?.ok_or_else(|| none(data))?;
        Keystore::open(data, &master(keys, id)?, id).map(Secrets).map_err(failed)
    }

    /// Opens it to read; `None`: it, or its master key, is not on this machine.
    pub(crate) fn open_read_only(
        keys: &KeyDirectory,
        data: &Path,
    ) -> Result<Option<Secrets>, CliError> {
        let Some(id) = id_of(data)? else { return Ok(None) };
        match Keystore::open_read_only(data, &master(keys, id)?, id) {
            Ok(keystore) => Ok(Some(Secrets(keystore))),
            Err(KeystoreError::NotMade { .. } | KeystoreError::MasterMissing { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Opens it to read, and goes on with an erasure that was begun where that can be done; where it
    /// cannot, what the log says is erased is not told. The note that it was begun stays then.
    pub(crate) fn open_settled(
        keys: &KeyDirectory,
        data: &Path,
    ) -> Result<Option<Secrets>, CliError> {
        let Err(why) = settle_if_begun(keys, data) else {
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
        Ok(match secrets {
            None => None,
            Some(Secrets(keys)) => {
                Some(Secrets(hiding(keys, data).map_err(super::change::failed)?))
            }
        })
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

/// Notes that keys are about to be destroyed: whoever comes next goes on with it.
pub(crate) fn begin_erasing(data: &Path) -> Result<(), CliError> {
    let file = data.join(ERASING);
    std::fs::File::create(&file).and_then(|file| file.sync_all()).map_err(|error| {
        CliError::failure(format!("nothing was erased: {}: {error}", file.display()))
    })
}

/// Goes on with what was begun.
pub(crate) fn settle_if_begun(keys: &KeyDirectory, data: &Path) -> Result<(), CliError> {
    match data.join(ERASING).exists() {
        true => settle(keys, data).map(drop),
        false => Ok(()),
    }
}

/// Removes a folder that may not be there.
fn purge(folder: &Path) -> Result<(), CliError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::failure(format!("{}: {error}", folder.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Destroys the keys that the log says are to be; what was destroyed just now.
pub(crate) fn settle(keys: &KeyDirectory, data: &Path) -> Result<Settled, CliError> {
    let _dir = DataDir::open(data)?;
    let trust = Trust { node_key: None, known: keys::trusted(None, data)?.known };
    let report = verify(
        &datadir::log_folder(data),
        &datadir::checkpoint_file(data),
        &datadir::inputs(data),
        &trust,
    )?;
    let settled = match id_of(data)? {
        None => Settled::default(),
        Some(id) => {
            let mut keystore = Keystore::open(data, &master(keys, id)?, id).map_err(failed)?;
            let settled = settle_keys(&mut keystore, &report.controls);
            settled.map_err(|error| CliError {
                code: Code::Failure,
                message: format!("the keys could not be destroyed: {}", words(&error)),
                hint: Some(
                    "the record says that they are to be; ask again, and it is gone on with".into(),
                ),
            })?
        }
    };
    let erases =
        |control: &Control| matches!(control, Control::Memory(record) if !record.erased.is_empty());
    let has_subjects = |control: &Control| matches!(control, Control::Subjects(_));
    if report.controls.iter().any(has_subjects) && report.controls.iter().any(erases) {
        // None can be opened any more. They are a cache, and what they hold is no longer wanted.
        purge(&data.join("snapshots"))?;
    }
    Ok(settled)
}

/// Notes that nothing is to be destroyed any more. For whoever ordered it alone: to somebody else
/// the record may be still to come.
pub(crate) fn end_erasing(data: &Path) -> Result<(), CliError> {
    let file = data.join(ERASING);
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CliError::failure(format!("{}: {error}", file.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

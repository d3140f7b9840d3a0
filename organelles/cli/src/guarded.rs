//! Commands that become a node: under the guardian, and in two lives.
//!
//! The first, the *launcher*, does what has to be done outside: it asks, reads keys and files,
//! and signs. Then it replaces itself by the guardian (`exec`: the same process to whoever
//! started it), with nothing of a principal's key left in memory. The guardian starts the same
//! command line again: this is the *node*, which finds in its [`Handover`] what it needs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use karyon_colony::life::VERSION;
use karyon_colony::scenario::GUARDIAN_KEYS;
use karyon_guard::Guard;
use karyon_identity::SecretKey;
use karyon_keys::{KeyDirectory, KeyError};
use karyon_runtime::{DataDir, DataDirError, NodeError};
use karyon_safety::{Limits, StopFile, is_new, is_present};
use karyon_statements::Checkpoint;

use crate::error::{CliError, Code};
use crate::handover::{Handover, Inputs, Said, Signers};
use crate::keys::{self, Trusted};
use crate::limits;

/// The guardian's program, beside this one.
const GUARDIAN: &str = "karyon-guardian";
/// Makes this program the guardian, where it has none beside it.
pub(crate) const AS_GUARDIAN: &str = "--as-guardian";

/// What a launcher has gathered for its node.
pub(crate) struct Launch<'a> {
    /// The directory, which is there.
    pub(crate) data: &'a Path,
    /// The key that its log begins or goes on with.
    pub(crate) key: SecretKey,
    pub(crate) said: Said,
    pub(crate) signers: Option<Signers>,
    /// Limits that are tighter than the machine's: `key=value`.
    pub(crate) tighten: Vec<String>,
    pub(crate) inputs: &'a Inputs,
}

impl Launch<'_> {
    /// Replaces this process by the guardian of the node. Returns only when that fails.
    pub(crate) fn start(self, keys: &KeyDirectory) -> Result<Infallible, CliError> {
        let failed = |error: std::io::Error| {
            CliError::failure(format!("the guardian could not be started: {error}"))
        };
        // Where the guardian keeps them.
        keys.checkpoints().create()?;
        let data = self.data.canonicalize().map_err(failed)?;
        let handover = Handover {
            known: keys::known_of(keys, &data)?,
            data: data.clone(),
            shown: self.data.into(),
            key: self.key,
            said: self.said,
            signers: self.signers,
        };
        let (_kept_open, named) = handover.offer().map_err(failed)?;
        let inputs = self.inputs.offer().map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = match beside(&program) {
            Some(guardian) => Command::new(guardian),
            None => {
                let mut command = Command::new(&program);
                command.arg(AS_GUARDIAN);
                command
            }
        };
        command.arg("--data").arg(&data);
        for tighter in self.tighten {
            command.args(["--tighten", &tighter]);
        }
        command.arg("--").arg(program).args(std::env::args_os().skip(1));
        Err(failed(command.env(named.0, named.1).envs(inputs).exec()))
    }
}

/// The guardian's own program, if it is there.
fn beside(program: &Path) -> Option<PathBuf> {
    Some(program.with_file_name(GUARDIAN)).filter(|guardian| guardian.exists())
}

/// Whether the guardian is a program of its own; else this one takes its place.
pub(crate) fn has_own_guardian() -> bool {
    std::env::current_exe().is_ok_and(|program| beside(&program).is_some())
}

/// A node that has its guardian.
pub(crate) struct Arrived {
    pub(crate) data: PathBuf,
    /// The same, as a person is shown it.
    pub(crate) shown: PathBuf,
    pub(crate) key: Arc<SecretKey>,
    pub(crate) known: Vec<Checkpoint>,
    pub(crate) said: Said,
    pub(crate) signers: Option<Signers>,
    pub(crate) inputs: Inputs,
    guard: Arc<Guard>,
}

impl Arrived {
    /// The directory, which the guardian has locked.
    pub(crate) fn dir(&self) -> Result<DataDir, CliError> {
        Ok(DataDir::under(Arc::clone(&self.guard), &self.data)?)
    }

    /// What the log is verified against.
    pub(crate) fn trusted(&self) -> Trusted {
        let key = Some(self.key.public_key());
        Trusted { key, retired: false, known: self.known.clone() }
    }
}

/// This process as a node; `None`: it is a launcher.
pub(crate) fn arrived() -> Result<Option<Arrived>, CliError> {
    // The guardian first: it waits for a sign of life, whatever comes of the rest.
    let guard = Guard::attach(VERSION).map_err(|error| CliError::failure(error.to_string()))?;
    let handover = Handover::take()?;
    match (handover, guard) {
        (None, None) => Ok(None),
        (Some((handover, inputs)), Some(guard)) => {
            let Handover { data, shown, key, known, said, signers } = handover;
            let (key, guard) = (Arc::new(key), Arc::new(guard));
            Ok(Some(Arrived { data, shown, key, known, said, signers, inputs, guard }))
        }
        (Some(_), None) => Err(CliError::failure("a node without its guardian does nothing")
            .with_hint("start the command anew, without anything that an earlier one left behind")),
        (None, Some(_)) => Err(CliError::failure("the guardian is started by karyon itself")
            .with_hint("leave karyon-guardian away: every command that needs it starts it")),
    }
}

/// The limits that a scenario tightens, as the guardian is told them.
pub(crate) fn tighter(limits: &BTreeMap<String, u64>) -> Vec<String> {
    // In this order, since each is tightened behind the one before.
    let limits = GUARDIAN_KEYS.iter().filter_map(|key| limits.get_key_value(*key));
    limits.map(|(key, most)| format!("{key}={most}")).collect()
}

/// As [`tighter`], and none of them looser than the machine's; `place` says where a key stands.
pub(crate) fn tightened(
    limits: &BTreeMap<String, u64>,
    place: impl Fn(&str) -> String,
) -> Result<Vec<String>, CliError> {
    let (config, mut configured) = configured()?;
    let told = tighter(limits);
    for limit in &told {
        configured.tighten(limit).map_err(|why| {
            let key = limit.split('=').next().unwrap_or(limit);
            CliError::failure(format!("{}: guardian.{why}", place(key))).with_hint(format!(
                "take it out of [guardian], make it tighter, or change the limit of this machine \
                 in {}",
                config.join("guardian.conf").display()
            ))
        })?;
    }
    Ok(told)
}

/// Whether a node may start in a directory that is there, or is to be made. Looks and changes
/// nothing: the guardian looks again, with the directory locked.
pub(crate) fn permit(data: &Path) -> Result<(), CliError> {
    if data.join("lock").exists() {
        // What runs looks like what was killed, but for its lock.
        drop(DataDir::open(data)?);
    }
    permitted(data, false)
}

/// Whether what is recorded in a directory may be repeated: where a node may start, and where one
/// runs. Looks and changes nothing.
pub(crate) fn permit_replay(data: &Path) -> Result<(), CliError> {
    if !data.is_dir() {
        return Err(DataDirError::Missing { path: data.into() }.into());
    }
    permitted(data, DataDir::is_in_use(data) == Some(true))?;
    recorded(data)
}

/// Whether neither safe mode nor STOP is in the way. What `runs` has a marker like that of what
/// was killed, and was permitted when it began.
fn permitted(data: &Path, runs: bool) -> Result<(), CliError> {
    let owned = || data.to_path_buf();
    let (config, limits) = configured()?;
    let permitted = match runs || is_new(data) {
        true => Ok(()),
        false => karyon_safety::admit(data, &config).map(drop),
    };
    if data.is_dir() {
        match stop(data) {
            Stop::Absent => {}
            Stop::Present => {
                return Err(NodeError::Stop { data: owned(), halted: permitted.is_err() }.into());
            }
            Stop::Unknown(why) => {
                let (message, hint) = in_doubt(data, &why);
                return Err(CliError { code: Code::Halted, message, hint: Some(hint) });
            }
        }
    }
    if is_present(&limits.host_stop) {
        return Err(CliError {
            code: Code::Halted,
            message: format!(
                "{} is there: on this machine nothing starts until a person removes it",
                limits.host_stop.display()
            ),
            hint: None,
        });
    }
    permitted.map_err(|mode| NodeError::SafeMode { data: owned(), mode }.into())
}

/// Whether STOP is in a data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Absent,
    Present,
    /// Nobody can tell, for this reason.
    Unknown(String),
}

/// Whether STOP is in a data directory, which is there.
pub(crate) fn stop(data: &Path) -> Stop {
    let folder = data.join("safety");
    match StopFile::watch(data) {
        Ok(stop) if !stop.is_present() => Stop::Absent,
        Ok(_) => match folder.join("STOP").symlink_metadata() {
            Ok(_) => Stop::Present,
            Err(error) => Stop::Unknown(error.to_string()),
        },
        // The marker is missing with it: a directory that is not new is in safe mode.
        Err(error) if error.kind() == ErrorKind::NotFound => Stop::Absent,
        Err(error) => Stop::Unknown(error.to_string()),
    }
}

/// What to say where nobody can tell whether STOP is there, and what to do.
pub(crate) fn in_doubt(data: &Path, why: &str) -> (String, String) {
    let folder = data.join("safety");
    let folder = folder.display();
    let message = format!(
        "{folder} cannot be read ({why}): nobody can tell whether STOP is in it, so nothing starts"
    );
    let hint = format!(
        "it must be a folder that you may search: find out who changed it, then put it back as it \
         was, or `chmod u+rwx {folder}`"
    );
    (message, hint)
}

/// Where the configuration is, and the limits that stand there.
pub(crate) fn configured() -> Result<(PathBuf, Limits), CliError> {
    let config = karyon_safety::config_home().ok_or(KeyError::NoDirectory)?;
    let limits = Limits::load(&config).map_err(|message| {
        let hint = limits::did_you_mean(&message);
        CliError { code: Code::Failure, message, hint }
    })?;
    Ok((config, limits))
}

/// As [`permit`], in a directory that holds a log.
pub(crate) fn permit_existing(data: &Path) -> Result<(), CliError> {
    if !data.is_dir() {
        return Err(DataDirError::Missing { path: data.into() }.into());
    }
    permit(data)?;
    recorded(data)
}

fn recorded(data: &Path) -> Result<(), CliError> {
    match data.join("log").is_dir() {
        true => Ok(()),
        false => Err(CliError::unrecorded(data)),
    }
}

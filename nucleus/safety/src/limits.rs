//! The limits that the guardian keeps: `CONFIG/guardian.conf`, changed by a person only.
//!
//! Lines `key = value`; a line that begins with `#` is a comment. One table says for each
//! number what is in place without it, and what can stand there.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ed25519_compact::PublicKey;

use crate::checked::{FORM, digest, unhex};
use crate::files::{self, unreadable};

const NAME: &str = "guardian.conf";
/// The longest file, in bytes: every key, with pages of comments.
const MAX_CONF_BYTES: u64 = 64 << 10;
/// The most keys that may sign a resume: each is tried.
const MAX_RESUME_KEYS: usize = 16;
/// The guardian misses so many heartbeats before it halts, at least: one may be late.
const LEAST_HEARTBEATS: u64 = 4;
/// More than any machine has, in MiB: an exbibyte.
const MOST_MIB: u64 = 1 << 40;
const MOST_COUNT: u64 = 1_000_000_000_000;
/// Behind it lies the uid that stands for "no change".
const MOST_UID: u32 = u32::MAX - 1;

/// Which way a limit gets tighter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tighter {
    Less,
    More,
    /// It is no limit of a run.
    Fixed,
}

use Tighter::{Fixed, Less, More};

struct Key {
    name: &'static str,
    tighter: Tighter,
    least: u64,
    most: u64,
    get: fn(&Limits) -> u64,
    place: fn(&mut Limits) -> &mut u64,
}

macro_rules! limits {
    ($($(#[doc = $what:literal])* $name:ident = $default:expr, $least:literal..=$most:expr, $tighter:ident;)*) => {
        /// What the guardian allows. A number is the most that is allowed, for free space the
        /// least.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $what])* pub $name: u64,)*
            /// The program that is run to tell a person of a halt.
            pub notify_command: Option<PathBuf>,
            /// Public keys; if there are any, a resume must be signed by one of them.
            pub resume_keys: Vec<[u8; 32]>,
            /// The STOP file of the whole machine.
            pub host_stop: PathBuf,
            /// As whom the runtime runs when root starts it.
            pub runtime_uid: u32,
            /// Whether to refuse a start where there are no namespaces.
            pub require_namespaces: bool,
            /// That of the file's bytes; of nothing where there is no file.
            pub digest: [u8; 32],
        }

        impl Default for Limits {
            fn default() -> Limits {
                Limits {
                    $($name: $default,)*
                    notify_command: None,
                    resume_keys: Vec::new(),
                    host_stop: PathBuf::from("/run/karyon/STOP"),
                    runtime_uid: 77_001,
                    require_namespaces: false,
                    digest: digest(b""),
                }
            }
        }

        const KEYS: &[Key] = &[$(Key {
            name: stringify!($name),
            tighter: $tighter,
            least: $least,
            most: $most,
            get: |limits| limits.$name,
            place: |limits| &mut limits.$name,
        }),*];
    };
}

limits! {
    /// The runtime and the guardian greet each other so often, ms.
    heartbeat_ms = 50, 10..=1_000, Less;
    /// Without a heartbeat for so long, ms.
    heartbeat_limit_ms = 2_000, 40..=60_000, Less;
    /// From SIGTERM to SIGKILL, ms.
    term_grace_ms = 10_000, 0..=600_000, Less;
    /// Questions to the broker in a minute.
    asks_per_minute = 600, 0..=MOST_COUNT, Less;
    /// Tasks of agents' own accord in 24 hours.
    tasks_per_day = 10, 0..=MOST_COUNT, Less;
    /// Denials in sequence to one lease.
    rejections_in_sequence = 3, 0..=MOST_COUNT, Less;
    /// Failed effects in sequence of one lease.
    failures_in_sequence = 5, 0..=MOST_COUNT, Less;
    /// Crashes of agents in a minute.
    crashes_per_minute = 1_000_000, 0..=MOST_COUNT, Less;
    /// Attempts on Karyon itself in 24 hours.
    self_modifications_per_day = 1, 0..=MOST_COUNT, Less;
    /// One step that does not end, s.
    stalled_step_s = 30, 1..=86_400, Less;
    /// Processor time in 24 hours, s.
    cpu_s_per_day = 172_800, 1..=MOST_COUNT, Less;
    /// Memory, MiB.
    memory_mib = four_fifths_of_memory_mib(), 16..=MOST_MIB, Less;
    /// Open files.
    open_files = 4_096, 16..=MOST_COUNT, Less;
    /// Processes.
    processes = 1_024, 2..=MOST_COUNT, Less;
    /// Size of the data directory, MiB.
    disk_use_mib = 102_400, 1..=MOST_MIB, Less;
    /// Free space on its disk, at least, MiB.
    free_space_mib = 64, 0..=MOST_MIB, More;
    /// The clock behind what was recorded, s.
    clock_back_s = 10, 0..=86_400, Less;
    /// For the command that tells a person, ms.
    notify_limit_ms = 5_000, 100..=60_000, Fixed;
}

/// Somebody else can change the limits.
const NOT_OURS: &str =
    "it and its folder must belong to you or to root, and nobody else may write there";
/// Nobody could stop the machine.
const NO_FOLDER: &str = "its folder is none: make the folder, or name a file in one that is there";
const NOT_A_LIMIT: &str = "this is not a limit that can be tightened";

impl Limits {
    /// Reads `guardian.conf`; without one all is as in [`Limits::default`].
    ///
    /// # Errors
    /// The file, the line if it is about one, and what is wrong.
    pub fn load(config: &Path) -> Result<Limits, String> {
        let path = config.join(NAME);
        let place = path.display();
        match read(config, &path).map_err(|why| format!("{place}: {why}"))? {
            None => Ok(Limits::default()),
            Some(text) => {
                Limits::parse(&text).map_err(|(line, why)| format!("{place}:{line}: {why}"))
            }
        }
    }

    fn parse(text: &str) -> Result<Limits, (usize, String)> {
        let mut limits = Limits { digest: digest(text.as_bytes()), ..Limits::default() };
        let (mut seen, mut heartbeat_line) = (Vec::new(), 0);
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |why| (number, why);
            let (key, value) = setting(line).map_err(fault)?;
            if key != "resume_key" && seen.contains(&key) {
                return Err(fault("this key was set before".into()));
            }
            limits.set(key, value).map_err(|why| fault(format!("{key}: {why}")))?;
            seen.push(key);
            if key.starts_with("heartbeat_") {
                heartbeat_line = number;
            }
        }
        limits.check_heartbeat().map_err(|why| (heartbeat_line, why))
    }

    /// Applies one `key=value` that makes a limit tighter, or leaves it as it is. The digest
    /// stays that of the file.
    ///
    /// # Errors
    /// What is wrong with it; then nothing is changed.
    pub fn tighten(&mut self, assignment: &str) -> Result<(), String> {
        *self = self.tightened(assignment).map_err(|why| format!("{assignment}: {why}"))?;
        Ok(())
    }

    fn tightened(&self, assignment: &str) -> Result<Limits, String> {
        let (name, value) = setting(assignment)?;
        let mut next = self.clone();
        next.set(name, value)?;
        let key = KEYS.iter().find(|key| key.name == name).ok_or(NOT_A_LIMIT)?;
        let (present, wanted) = ((key.get)(self), (key.get)(&next));
        let is_looser = match key.tighter {
            Less => wanted > present,
            More => wanted < present,
            Fixed => return Err(NOT_A_LIMIT.into()),
        };
        if is_looser {
            return Err(format!("{present} is in place and can only be tightened"));
        }
        next.check_heartbeat()
    }

    /// The limit of this name; one that is none allows nothing.
    pub fn get(&self, name: &str) -> u64 {
        self.numbers().find(|(known, _)| *known == name).map_or(0, |(_, number)| number)
    }

    /// Every limit that is a number, by name.
    pub fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        KEYS.iter().map(|key| (key.name, (key.get)(self)))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            let number = number(value).filter(|number| (key.least..=key.most).contains(number));
            *(key.place)(self) = number
                .ok_or_else(|| format!("expected a number from {} to {}", key.least, key.most))?;
            return Ok(());
        }
        let file = || {
            // What ends with a slash is no file.
            let path = Path::new(value);
            let is_file = path.is_absolute() && path.file_name().is_some() && !value.ends_with('/');
            is_file.then(|| path.to_owned()).ok_or("expected the absolute path of a file")
        };
        match name {
            "notify_command" => self.notify_command = Some(file()?),
            "host_stop" => {
                self.host_stop = file()?;
                if !self.host_stop.parent().is_some_and(Path::is_dir) {
                    return Err(NO_FOLDER.into());
                }
            }
            "resume_key" => {
                let key = unhex(value).filter(|key| PublicKey::new(*key).validate().is_ok());
                self.resume_keys.push(key.ok_or("expected a public key, 64 hexadecimal digits")?);
                if self.resume_keys.len() > MAX_RESUME_KEYS {
                    return Err(format!("expected at most {MAX_RESUME_KEYS} keys"));
                }
            }
            "runtime_uid" => {
                let uid = number(value).and_then(|uid| u32::try_from(uid).ok());
                let uid = uid.filter(|uid| (1..=MOST_UID).contains(uid));
                self.runtime_uid = uid.ok_or("expected a user's number, not 0")?;
            }
            "require_namespaces" => {
                self.require_namespaces = value.parse().map_err(|_| "expected true or false")?;
            }
            _ => return Err(format!("there is no key {name:?}")),
        }
        Ok(())
    }

    fn check_heartbeat(self) -> Result<Limits, String> {
        match self.heartbeat_limit_ms >= LEAST_HEARTBEATS * self.heartbeat_ms {
            true => Ok(self),
            false => Err(format!(
                "heartbeat_limit_ms must be at least {LEAST_HEARTBEATS} times heartbeat_ms"
            )),
        }
    }
}

/// The text of a file that nobody but its owner can change.
fn read(config: &Path, path: &Path) -> Result<Option<String>, String> {
    let Some(file) = files::open(path)? else { return Ok(None) };
    for found in [config.metadata(), file.metadata()] {
        let found = found.map_err(unreadable)?;
        let ours = [0, rustix::process::geteuid().as_raw()].contains(&found.uid());
        if !ours || found.mode() & 0o022 != 0 {
            return Err(NOT_OURS.into());
        }
    }
    let bytes = files::read_whole(file, MAX_CONF_BYTES)?;
    Ok(String::from_utf8(bytes).map(Some).map_err(|_| FORM)?)
}

fn setting(text: &str) -> Result<(&str, &str), String> {
    let (key, value) = text.split_once('=').ok_or("expected `key = value`")?;
    Ok((key.trim(), value.trim()))
}

/// Digits, and no zero in front of others.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn four_fifths_of_memory_mib() -> u64 {
    let machine = rustix::system::sysinfo();
    let mib = (machine.totalram as u64 * u64::from(machine.mem_unit)) >> 20;
    (mib / 5 * 4).max(16)
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;

//! Who guards a data directory, in `safety/guardian`, for those who ask or who have to end it.

use std::fs;
use std::path::Path;

use crate::record::words;

const NAME: &str = "guardian";

/// A guardian and the first process of its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The guardian's number and start, in the system's clock ticks since boot.
    pub guardian: (i32, u64),
    /// Those of the first process of the namespace.
    pub init: (i32, u64),
    /// The boot of the machine.
    pub boot: String,
    /// The mechanisms, as `name=armed` and `name=absent`.
    pub mechanisms: String,
}

impl Held {
    pub(crate) fn of(init: i32, mechanisms: String) -> Option<Held> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        Some(Held {
            guardian: (own, began(own)?),
            init: (init, began(init)?),
            boot: boot(),
            mechanisms,
        })
    }

    pub(crate) fn write(&self, data: &Path) -> Result<(), String> {
        let Held { guardian, init, boot, mechanisms } = self;
        let text = format!(
            "guardian = {} {}\ninit = {} {}\nboot = {boot}\nheld = {mechanisms}\n",
            guardian.0, guardian.1, init.0, init.1
        );
        let file = data.join("safety").join(NAME);
        karyon_safety::replace_file(&file, text.as_bytes(), 0o644).map_err(words)
    }

    /// What is written there; `None`: nothing, or nothing that can be read.
    pub fn read(data: &Path) -> Option<Held> {
        let text = fs::read_to_string(data.join("safety").join(NAME)).ok()?;
        let value =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        let process = |name: &str| {
            let (number, began) = value(name)?.split_once(' ')?;
            Some((number.parse().ok()?, began.parse().ok()?))
        };
        Some(Held {
            guardian: process("guardian")?,
            init: process("init")?,
            boot: value("boot")?.to_owned(),
            mechanisms: value("held")?.to_owned(),
        })
    }

    pub(crate) fn remove(data: &Path) -> Result<(), String> {
        match fs::remove_file(data.join("safety").join(NAME)) {
            // A runtime that never spoke was never written down.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(words(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether a process is still the one that was meant.
    pub(crate) fn is_alive(&self, process: (i32, u64)) -> bool {
        self.boot == boot() && began(process.0) == Some(process.1)
    }
}

fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim().to_owned()
}

/// When a process began.
fn began(number: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    text.get(text.rfind(')')? + 2..)?.split(' ').nth(19)?.parse().ok()
}

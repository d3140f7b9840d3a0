//! Who guards a data directory, as its guardian wrote it down.

use std::fs;
use std::path::Path;

use karyon_guardian::held::{began, boot, file};

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
    /// What is written there; `None`: nothing, or nothing that can be read.
    pub fn read(data: &Path) -> Option<Held> {
        let text = fs::read_to_string(file(data)).ok()?;
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

    /// Whether a process is still the one that was meant.
    pub(crate) fn is_alive(&self, process: (i32, u64)) -> bool {
        self.boot == boot() && began(process.0) == Some(process.1)
    }
}

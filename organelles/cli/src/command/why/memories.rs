//! What a record of memories holds and erases, beside who answers for it.

use std::path::Path;

use karyon_graph::{Reader, View};
use karyon_keys::KeyDirectory;
use karyon_log::{Control, MemoryRecord};
use karyon_memory::{Filter, Lineage, Recalled, What, erased_by, recall, recorded_in};
use karyon_types::Position;
use serde_json::{Value as Json, json};

use super::super::memory::forget::memories;
use super::super::memory::memo::{Beside, as_json, show_one};
use super::super::memory::recall_failed;
use super::super::memory::secrets::Secrets;
use crate::error::CliError;
use crate::output::{self, plain, put};

/// Memories of one record on a terminal: a screen or two. What a program reads is never cut.
const SHOWN: usize = 20;
/// Records that are named for a subject or key.
const NAMED: usize = 5;

/// What the record tells of memories.
pub(super) struct Memories {
    recorded: Vec<(Recalled, Beside)>,
    erased: Vec<Recalled>,
}

impl Memories {
    /// Those of the record that is explained; `None`: it tells of none.
    pub(super) fn of(
        lineage: &Lineage,
        data: &Path,
        reader: &Reader,
    ) -> Result<Option<Memories>, CliError> {
        let Some((position, record)) = told(lineage) else { return Ok(None) };
        let secrets = Secrets::open_read_only(&KeyDirectory::from_environment()?, data)?;
        let keys = secrets.as_ref().map(Secrets::keys);
        let recorded = recorded_in(reader, keys, position, record).map_err(recall_failed)?;
        let beside = |(memo, replaced_by)| (memo, Beside { replaced_by, ..Beside::default() });
        let recorded = recorded.into_iter().map(beside).collect();
        let erased = erased_by(reader, keys, record).map_err(recall_failed)?;
        Ok(Some(Memories { recorded, erased }))
    }

    /// For a person.
    pub(super) fn show(&self) {
        output::line("");
        for (memo, beside) in self.recorded.iter().take(SHOWN) {
            show_one(memo, beside);
            if let Some(origin) = memo.memo.origin {
                let signer = karyon_identity::PublicKey(origin.signer);
                output::line(&format!("    log {} is signed by {signer}", origin.log));
            }
        }
        if !self.erased.is_empty() {
            output::line(&format!("erased: {}", memories(self.erased.len())));
        }
        let nothing = Beside::default();
        self.erased.iter().take(SHOWN).for_each(|memo| show_one(memo, &nothing));
        let all = self.recorded.len().max(self.erased.len());
        if let Some(more) = all.checked_sub(SHOWN).filter(|more| *more > 0) {
            output::note(&format!("note: {} more: --json tells all", memories(more)));
        }
    }

    /// For a program.
    pub(super) fn put_into(&self, answer: &mut Json) {
        let recorded = self.recorded.iter().map(|(memo, beside)| as_json(memo, beside));
        put(answer, "memories", recorded.collect::<Vec<_>>());
        let nothing = Beside::default();
        let erased = self.erased.iter().map(|memo| as_json(memo, &nothing));
        put(answer, "erases", json!(erased.collect::<Vec<_>>()));
    }
}

/// The record that is explained, if it is one of memories.
fn told(lineage: &Lineage) -> Option<(Position, &MemoryRecord)> {
    let link = lineage.links.first()?;
    let What::Control(control) = &link.what else { return None };
    match &**control {
        Control::Memory(record) => Some((link.position, record)),
        _ => None,
    }
}

/// What is remembered of a subject, or under a key, of this name: where to go on; `None`: nothing.
pub(super) fn named(
    reference: &str,
    data: &Path,
    reader: &Reader,
) -> Result<Option<CliError>, CliError> {
    let secrets = Secrets::open_read_only(&KeyDirectory::from_environment()?, data)?;
    let keys = secrets.as_ref().map(Secrets::keys);
    let (subject, key) = (Some(reference), Some(reference));
    let filters = [
        (Filter { subject, ..Filter::default() }, "a subject of memories", "--subject"),
        (Filter { key, ..Filter::default() }, "a key of memories", "--key"),
    ];
    for (filter, what, option) in filters {
        let found = recall(reader, keys, &filter, &View::NOW).map_err(recall_failed)?;
        if found.is_empty() {
            continue;
        }
        let name = plain(reference);
        let some: Vec<_> = found
            .iter()
            .rev()
            .take(NAMED)
            .map(|memo| format!("karyon why '{}'", memo.position))
            .collect();
        let error = CliError::failure(format!("\"{name}\" is {what}, and no agent"));
        return Ok(Some(error.with_hint(format!(
            "ask of a record: {}; `karyon memory recall {option} {name:?}` shows all",
            some.join(", ")
        ))));
    }
    Ok(None)
}

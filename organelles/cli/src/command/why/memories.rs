//! What a record of memories holds and erases, beside who answers for it.

use std::collections::BTreeSet;
use std::path::Path;

use karyon_graph::{Reader, View};
use karyon_keys::KeyDirectory;
use karyon_log::{Control, MemoryRecord};
use karyon_memory::{
    ErasedError, Filter, Journal, Lineage, Recalled, What, erased_by, erasures, forgotten_in,
    recall, recorded_in,
};
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
    erased: Vec<(Recalled, Beside)>,
    /// Subjects that were forgotten as a whole, by number.
    forgotten: BTreeSet<u64>,
}

impl Memories {
    /// Those of the record that is explained; `None`: it tells of none.
    pub(super) fn of(
        lineage: &Lineage,
        data: &Path,
        reader: &Reader,
        journal: &mut Journal,
    ) -> Result<Option<Memories>, CliError> {
        let Some((position, record)) = told(lineage) else { return Ok(None) };
        let secrets = Secrets::open_read_only(&KeyDirectory::from_environment()?, data)?;
        let keys = secrets.as_ref().map(Secrets::keys);
        let recorded = recorded_in(reader, keys, position, record).map_err(recall_failed)?;
        let (recorded, replaced): (Vec<_>, Vec<_>) = recorded.into_iter().unzip();
        let erasures = erasures(journal, reader, &recorded)?;
        let beside = |(memo, replaced_by): (Recalled, _)| {
            let erased = erasures.get(&(memo.serial, memo.memo.sealed.index)).cloned();
            (memo, Beside { replaced_by, erased, ..Beside::default() })
        };
        let recorded = recorded.into_iter().zip(replaced).map(beside).collect();
        let erased =
            erased_by(journal, reader, keys, (position, record)).map_err(|error| match error {
                ErasedError::Lineage(error) => error.into(),
                ErasedError::Recall(error) => recall_failed(error),
            })?;
        let beside =
            |(memo, erasure)| (memo, Beside { erased: Some(erasure), ..Beside::default() });
        let erased = erased.into_iter().map(beside).collect();
        Ok(Some(Memories { recorded, erased, forgotten: forgotten_in(record) }))
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
        for subject in self.forgotten.iter().take(SHOWN) {
            output::line(&format!(
                "forgotten as a whole: ~{subject}, which cannot be remembered again"
            ));
        }
        self.erased.iter().take(SHOWN).for_each(|(memo, beside)| show_one(memo, beside));
        let all = self.recorded.len().max(self.erased.len());
        if let Some(more) = all.checked_sub(SHOWN).filter(|more| *more > 0) {
            output::note(&format!("note: {} more: --json tells all", memories(more)));
        }
    }

    /// For a program.
    pub(super) fn put_into(&self, answer: &mut Json) {
        let recorded = self.recorded.iter().map(|(memo, beside)| as_json(memo, beside));
        put(answer, "memories", recorded.collect::<Vec<_>>());
        let erased = self.erased.iter().map(|(memo, beside)| as_json(memo, beside));
        put(answer, "erases", json!(erased.collect::<Vec<_>>()));
        put(answer, "forgets", json!(self.forgotten));
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

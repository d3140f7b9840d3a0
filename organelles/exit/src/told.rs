//! What an export says in words: the page for people, records of authority, memories.

use std::io::Write;
use std::path::Path;

use karyon_audit::view;
use karyon_graph::Reader;
use karyon_log::{Control, Record, Records, Walk};
use karyon_memory::{Item, item_json};
use serde_json::{Value, json};

use crate::error::{ExportError, unwritten};

/// The page for people.
pub(crate) const README: &str = "\
All that one Karyon data directory holds, in open formats. docs/exit.md of Karyon says more.

manifest.json       which log this is, its roots, and every file with its length and SHA-256
manifest.dsse.json  the same, signed by the node that wrote the log (DSSE v1, ed25519);
                    missing where its key was not at hand
authority.jsonl     who may act, leases, orders, proposals, approvals, effects: a record a line
principals.json     who answers: names and public keys
reasons.json        why things were allowed
grants.json         what was allowed, by whom, with the principal's signature
log.jsonl           the whole log, a commit, a block or a record a line
memory.jsonl        every version of everything that is remembered, with both its times
log/                the log as it lies: segments, hashes of their records, checkpoint
inputs/             copies of what the log names by its hash
SHA256SUMS          the hashes of all files but this one

Whether all is as it was written:         sha256sum -c SHA256SUMS
Whether the log is what its node signed:  python3 verify_audit.py log.jsonl --key KEY
                                          (scripts/verify_audit.py of Karyon; KEY from the node's
                                          owner, by another way than this file)
Taking all of it in:                      karyon import FILE --data DIR

Times are in milliseconds since 1970 where a name says so; bytes are hexadecimal, in log.jsonl
base64. Memories that people recorded stay sealed here: their keys are not part of an export.
";

/// Authority that is told as a whole.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) principals: Vec<Value>,
    pub(crate) reasons: Vec<Value>,
    pub(crate) grants: Vec<Value>,
}

/// Writes a line for each record of authority, up to `commits`; principals, reasons and grants are
/// given back.
pub(crate) fn authority(
    folder: &Path,
    commits: u64,
    place: &Path,
    out: &mut dyn Write,
) -> Result<Given, ExportError> {
    let mut given = Given::default();
    let mut walk = Walk::open(folder)?;
    while walk.end().commits < commits {
        let Some(blocks) = walk.next_group()? else { return Err(ExportError::Grew) };
        for block in &blocks {
            for (number, record) in (block.first_record.0..).zip(Records::new(&block.body)) {
                let record = record.ok_or(ExportError::Unreadable { record: number })?;
                let told = match &record {
                    Record::Control(control) => match &**control {
                        Control::Principal(_) => Told::In(&mut given.principals),
                        Control::Reason(_) => Told::In(&mut given.reasons),
                        Control::Grant(_) => Told::In(&mut given.grants),
                        control if is_of_authority(control) => Told::Line,
                        _ => Told::No,
                    },
                    Record::Lease(_) | Record::Change { .. } => Told::Line,
                    _ => Told::No,
                };
                match told {
                    Told::No => {}
                    Told::In(list) => list.push(numbered(number, &record)),
                    Told::Line => line(&numbered(number, &record), place, out)?,
                }
            }
        }
    }
    Ok(given)
}

/// Where a record is told.
enum Told<'a> {
    No,
    Line,
    In(&'a mut Vec<Value>),
}

fn is_of_authority(control: &Control) -> bool {
    match control {
        Control::Agent(_)
        | Control::Terms(_)
        | Control::Order(_)
        | Control::Proposal(_)
        | Control::Approval(_)
        | Control::Intent(_)
        | Control::Receipt(_)
        | Control::OutcomeUnknown(_)
        | Control::Refused(_) => true,
        Control::Genesis(_)
        | Control::Boot(_)
        | Control::Principal(_)
        | Control::Reason(_)
        | Control::Grant(_)
        | Control::Recovered(_)
        | Control::Resume(_)
        | Control::Interrupted(_)
        | Control::Seal(_)
        | Control::Import(_)
        | Control::Turn(_)
        | Control::Halt(_)
        | Control::ClockBack(_)
        | Control::Snapshot(_)
        | Control::Memory(_)
        | Control::Subjects(_) => false,
    }
}

fn numbered(record: u64, of: &Record<'_>) -> Value {
    let mut told = view(of);
    if let Some(fields) = told.as_object_mut() {
        fields.insert("record".into(), json!(record));
    }
    told
}

/// Writes a list, an element a line.
pub(crate) fn list(all: &[Value], place: &Path, out: &mut dyn Write) -> Result<(), ExportError> {
    let lines: Vec<_> = all.iter().map(Value::to_string).collect();
    let text = match lines[..] {
        [] => "[]\n".to_owned(),
        [..] => format!("[\n{}\n]\n", lines.join(",\n")),
    };
    out.write_all(text.as_bytes()).map_err(unwritten(place))
}

/// Writes every version of everything, a line each; how many there are.
pub(crate) fn memory(
    reader: &Reader,
    place: &Path,
    out: &mut dyn Write,
) -> Result<u64, ExportError> {
    let mut count = 0;
    reader.each_recorded(|entity, version| {
        count += 1;
        line(&item_json(&Item::read(reader, entity, version)?), place, out)
    })?;
    Ok(count)
}

fn line(value: &Value, place: &Path, out: &mut dyn Write) -> Result<(), ExportError> {
    writeln!(out, "{value}").map_err(unwritten(place))
}

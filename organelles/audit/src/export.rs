//! The export: the whole log as JSON Lines, for a stranger who has neither this program nor the
//! log's bytes. `docs/audit.md` shows each line; `scripts/verify_audit.py` checks them.
//!
//! It streams: what is held is one commit's blocks and one list of hashes.

use std::io::{self, Write};
use std::path::Path;

use data_encoding::BASE64;
use jiff::Timestamp;
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{Walk, origin};
use karyon_statements::{Checkpoint, NoteError};
use karyon_types::{Hasher, LogId, Position, hash};
use serde_json::{Value, json};

use crate::canonical::canonical;
use crate::groups::{Groups, RawBlock, ReadError, each_record};
use crate::limits::LIST_RECORDS;
use crate::view::view;

/// The name of the format.
pub const EXPORT_FORMAT: &str = "karyon-audit-export";
/// Its version.
pub const EXPORT_VERSION: u32 = 1;

const LIST_DOMAIN: &str = "karyon audit export record hashes v1";
/// The part of a line's BLAKE3 hash that a list holds, bytes.
const SHORT_HASH: usize = 8;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The export cannot be written.
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
    /// The node's key is not the one that signed the log.
    #[error(
        "this node's key {own} did not sign the log, {node_key} did; \
         export it on that node, or without views"
    )]
    OtherNode {
        /// The key that signed the log.
        node_key: PublicKey,
        /// The key that was to sign the export.
        own: PublicKey,
    },
    /// The checkpoint cannot be used.
    #[error("the log's checkpoint cannot be used")]
    Note(#[from] NoteError),
    /// The log lost records between two reads.
    #[error("the log was changed while it was exported; run it again")]
    Changed,
}

/// How an export is made.
#[derive(Debug)]
pub enum Manner<'a> {
    /// With views and lists of hashes, signed by the node that wrote the log.
    Signed(&'a SecretKey),
    /// Without; with the checkpoint beside the log, if there is one.
    Bare(Option<&'a str>),
}

/// What was exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Which log.
    pub log: LogId,
    /// Its commits.
    pub commits: u64,
    /// Its blocks.
    pub blocks: u64,
    /// Its records.
    pub records: u64,
    /// The length of the export, bytes.
    pub bytes: u64,
}

/// Writes a log's committed records to `out`. Nothing is written of a log that does not verify.
///
/// # Errors
/// See [`ExportError`].
pub fn export(
    folder: &Path,
    manner: &Manner<'_>,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    // The first walk finds damage before anything is written, and counts; the second ends where
    // the first did, should the log grow meanwhile.
    let mut walk = Walk::open(folder).map_err(ReadError::from)?;
    let node_key = walk.header().node_key;
    if let Manner::Signed(key) = manner
        && key.public_key() != node_key
    {
        return Err(ExportError::OtherNode { node_key, own: key.public_key() });
    }
    while walk.next_group().map_err(ReadError::from)?.is_some() {}
    let end = walk.end();
    let log = walk.header().log;
    let mut lines =
        Lines { out, bytes: 0, manner, log, pending: Vec::new(), first: 0, text: String::new() };
    // Whoever verifies compares the whole line, so the order of its fields is part of the format.
    lines.write(&format!(
        "{{\"format\":\"{EXPORT_FORMAT}\",\"version\":{EXPORT_VERSION},\"log_id\":\"{log}\",\
         \"node_key\":\"{node_key}\",\"commits\":{},\"blocks\":{},\"records\":{}}}",
        end.commits,
        end.tree.size(),
        end.records
    ))?;
    let mut groups = Groups::open(folder)?;
    while groups.walk.end().commits < end.commits {
        let group = groups.next()?.ok_or(ExportError::Changed)?;
        lines.json(&json!({ "commit": BASE64.encode(&group.bytes) }))?;
        group.blocks.iter().try_for_each(|block| lines.block(block))?;
    }
    lines.list()?;
    let (size, root) = (end.tree.size(), end.tree.root());
    let note = match manner {
        Manner::Signed(key) => Some(Checkpoint { origin: origin(log), size, root }.to_note(key)?),
        Manner::Bare(Some(kept)) => {
            Checkpoint::parse_and_verify(kept, &node_key)?;
            Some((*kept).to_owned())
        }
        Manner::Bare(None) => None,
    };
    lines.json(&json!({ "checkpoint": note }))?;
    lines.out.flush().map_err(ExportError::Write)?;
    Ok(Exported {
        log,
        commits: end.commits,
        blocks: end.tree.size(),
        records: end.records,
        bytes: lines.bytes,
    })
}

/// The lines of an export, as they are written.
struct Lines<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
    manner: &'a Manner<'a>,
    log: LogId,
    /// The short hashes of the lines that no list covers yet, and the position of the first.
    pending: Vec<u8>,
    first: u64,
    /// Used again for each record's line.
    text: String,
}

impl Lines<'_> {
    fn json(&mut self, value: &Value) -> Result<(), ExportError> {
        self.write(&value.to_string())
    }

    fn write(&mut self, line: &str) -> Result<(), ExportError> {
        self.bytes += line.len() as u64 + 1;
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        written.map_err(ExportError::Write)
    }

    fn block(&mut self, raw: &RawBlock) -> Result<(), ExportError> {
        self.json(&json!({ "block": BASE64.encode(&raw.header) }))?;
        let millis = i64::try_from(raw.block.header.wall_ms).unwrap_or(i64::MAX);
        // A time that no calendar holds is left out of the views.
        let time = Timestamp::from_millisecond(millis).ok().map(|time| time.to_string());
        each_record(&raw.block, |position, bytes, record| {
            let mut line = std::mem::take(&mut self.text);
            line.clear();
            line.push_str(&format!("{{\"seq\":{},\"record\":\"", position.0));
            BASE64.encode_append(bytes, &mut line);
            line.push('"');
            if let Manner::Signed(_) = self.manner {
                let mut view = view(&record);
                if let (Some(fields), Some(time)) = (view.as_object_mut(), &time) {
                    fields.insert("time".into(), time.as_str().into());
                }
                line.push_str(",\"view\":");
                line.push_str(&canonical(&view)?);
            }
            line.push('}');
            self.write(&line)?;
            self.remember(position, &line)?;
            self.text = line;
            Ok(())
        })
    }

    fn remember(&mut self, position: Position, line: &str) -> Result<(), ExportError> {
        if let Manner::Bare(_) = self.manner {
            return Ok(());
        }
        if self.pending.is_empty() {
            self.first = position.0;
        }
        self.pending.extend(hash(line.as_bytes()).0.iter().take(SHORT_HASH));
        if self.pending.len() == LIST_RECORDS * SHORT_HASH { self.list() } else { Ok(()) }
    }

    /// Writes the list of the lines that none covers yet.
    fn list(&mut self) -> Result<(), ExportError> {
        let Manner::Signed(key) = self.manner else { return Ok(()) };
        if self.pending.is_empty() {
            return Ok(());
        }
        let digest = Hasher::for_domain(LIST_DOMAIN)
            .update(&self.log.0)
            .update(&self.first.to_le_bytes())
            .update(&self.pending)
            .finish();
        let (hashes, signature) = (&self.pending, &key.sign(&digest.0).0);
        let (hashes, signature) = (BASE64.encode(hashes), BASE64.encode(signature));
        self.pending.clear();
        self.write(&format!("{{\"hashes\":\"{hashes}\",\"signature\":\"{signature}\"}}"))
    }
}

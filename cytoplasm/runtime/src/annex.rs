//! A log at rest: what is added to a data directory in which nothing runs.
//!
//! What is added is one sealed segment of the log, there as a whole or not at all, so that a kill
//! leaves nothing that a person would have to look at; the safety marker stays as it is.

use std::sync::Arc;

use karyon_identity::SecretKey;
use karyon_log::{Control, End, InputFile, Lane, LogError, Record, SegmentHeader};
use karyon_log_writer::{Block, write_segment};
use karyon_statements::{Checkpoint, GrantTerms};
use karyon_types::{LogId, hash};
use karyon_verify::{Report, Trust, VerifyError, verify};

use crate::checkpoints::Checkpoints;
use crate::datadir::DataDir;
use crate::keeper::Keeper;
use crate::node::{NodeError, boot_record};
use crate::recorder::wall_ms;

/// A data directory that something can be added to.
pub struct Annex {
    dir: DataDir,
    key: Arc<SecretKey>,
    header: SegmentHeader,
    /// What the log held; `None`: it is new.
    report: Option<Report>,
}

impl Annex {
    /// Takes a data directory that is new, or whose run is complete. `known` are checkpoints that
    /// were kept elsewhere, their signatures checked: a log that does not extend each is refused.
    ///
    /// # Errors
    /// [`NodeError::Unfinished`], [`NodeError::Verify`], and those of a start that is not
    /// permitted.
    pub fn begin(
        dir: DataDir,
        key: Arc<SecretKey>,
        known: &[Checkpoint],
    ) -> Result<Annex, NodeError> {
        let is_new = dir.is_unused()?;
        match is_new {
            true => Keeper::permit_first(&dir)?,
            false => Keeper::permit(&dir)?,
        };
        let trust = Trust { node_key: Some(key.public_key()), known: known.to_vec() };
        let report = verify(&dir.log_folder(), &dir.checkpoint_file(), &dir.inputs(), &trust);
        let report = match report {
            Ok(report) if report.end.sealed => Some(report),
            Ok(report) if report.end.commits == 0 => {
                return Err(NodeError::NothingRecorded { data: dir.path().into() });
            }
            Ok(_) => return Err(NodeError::Unfinished { data: dir.path().into() }),
            Err(VerifyError::Io { source, .. } | VerifyError::Log(LogError::Io(source)))
                if source.kind() == std::io::ErrorKind::NotFound && is_new =>
            {
                dir.furnish()?;
                None
            }
            Err(VerifyError::Log(LogError::NotALog)) => {
                return Err(NodeError::NothingRecorded { data: dir.path().into() });
            }
            Err(other) => return Err(other.into()),
        };
        let log = match &report {
            Some(report) => report.log,
            None => LogId(
                GrantTerms::random_nonce().map_err(|error| NodeError::Sign(error.to_string()))?,
            ),
        };
        let header = SegmentHeader { log, node_key: key.public_key() };
        Ok(Annex { dir, key, header, report })
    }

    /// What the log holds; `None`: it is new.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// The data directory.
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// Keeps a copy of a file that a record will name.
    ///
    /// # Errors
    /// [`NodeError::DataDir`].
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<InputFile, NodeError> {
        self.dir.write(&self.dir.inputs().join(name), bytes)?;
        Ok(InputFile { name: name.into(), size: bytes.len() as u64, hash: hash(bytes).0 })
    }

    /// Adds records, the start of the node before them; the last one seals the log. They are
    /// durable when this returns.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub fn seal(self, karyon: &str, records: &[Record<'_>]) -> Result<(DataDir, End), NodeError> {
        let is_boot = |control: &&Control| matches!(control, Control::Boot(_));
        let boots = self.report.iter().flat_map(|report| &report.controls).filter(is_boot);
        let boot = 1 + boots.count() as u32;
        let mut all = vec![Record::Control(Box::new(boot_record(&self.dir, boot, karyon, 0)))];
        all.extend_from_slice(records);
        // A log begins with its genesis.
        if let Some(Record::Control(first)) = records.first()
            && matches!(**first, Control::Genesis(_))
        {
            all.swap(0, 1);
        }
        let mut body = Vec::new();
        all.iter().for_each(|record| record.encode(&mut body));
        let block = Block {
            lane: Lane::Control,
            count: all.len() as u32,
            body,
            wall_ms: wall_ms(),
            seals: true,
        };
        let end = self.report.map_or_else(End::of_new_log, |report| report.end);
        let folder = self.dir.log_folder();
        let end = write_segment(&folder, &self.header, Arc::clone(&self.key), boot, &end, block)
            .map_err(|source| NodeError::Io { path: folder, source })?;
        Checkpoints::begin(self.header.log, self.key, &self.dir, None)?
            .write(end.tree.size(), end.tree.root())?;
        Ok((self.dir, end))
    }
}

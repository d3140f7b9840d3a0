//! Verification: is this log, with its input copies, what was written?
//!
//! Reads only, and believes nothing that the log brings along: signatures are checked against a
//! key that the caller trusts, and where there is none the report says so.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use karyon_identity::{Checkpoint, PublicKey};
use karyon_types::{Hash, Hasher, LogId};

use crate::block::Lane;
use crate::control::{Control, Genesis, Seal};
use crate::damage::Damage;
use crate::limits::CHECKPOINT_BYTES_MAX;
use crate::record::{Record, Records};
use crate::storage::{FileStorage, open_regular, read_regular};
use crate::walk::{End, LogError, Walk, WalkedBlock};

/// What the caller knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The node's public key.
    pub node_key: Option<PublicKey>,
}

/// Whether the signatures mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// Signed by the key that the caller trusts.
    Trusted,
    /// Signed by the key that the log itself names, which proves nothing.
    Unknown,
}

/// What a log that verifies holds.
#[derive(Clone, Debug)]
pub struct Report {
    /// The log's identity.
    pub log: LogId,
    /// The key that signed it.
    pub node_key: PublicKey,
    /// Whether that key is trusted.
    pub key: KeyStatus,
    /// Where the log ends, with its tree.
    pub end: End,
    /// The size that a checkpoint beside the log covers.
    pub checkpoint: Option<u64>,
    /// All control records, in commit order.
    pub controls: Vec<Control>,
}

impl Report {
    /// How the log began; `None`: nothing was committed.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.controls.iter().find_map(|control| match control {
            Control::Genesis(genesis) => Some(genesis),
            _ => None,
        })
    }

    /// The seal; `None`: the run has not ended.
    pub fn seal(&self) -> Option<&Seal> {
        self.controls.iter().find_map(|control| match control {
            Control::Seal(seal) => Some(seal),
            _ => None,
        })
    }
}

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log is damaged or cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An input copy is missing or differs from what genesis holds.
    #[error("block 0, record #0: the input copy {} {what}", path.display())]
    Input {
        /// The copy.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The checkpoint beside the log is damaged or foreign.
    #[error("the checkpoint {} is not valid: {what}; it covers all blocks and records from block 0, record #0 on", path.display())]
    Checkpoint {
        /// The checkpoint's file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The log's signatures are by another key than the trusted one.
    #[error(
        "block 0 and all behind it, record #0 and all behind it: signed by {found}, not by the trusted key {trusted}"
    )]
    WrongKey {
        /// The key that signed.
        found: PublicKey,
        /// The key that was to sign.
        trusted: PublicKey,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl VerifyError {
    /// Whether the answer is "this is not what was written", rather than "I could not look".
    pub fn is_refutation(&self) -> bool {
        !matches!(
            self,
            VerifyError::Io { .. }
                | VerifyError::Log(LogError::Io(_) | LogError::NotALog | LogError::Version { .. })
        )
    }
}

/// The name of a log's origin in its checkpoints.
pub fn origin(log: LogId) -> String {
    format!("karyon/{log}")
}

/// Verifies the log file, the checkpoint beside it and the input copies.
///
/// # Errors
/// See [`VerifyError`]; each names blocks and records.
pub fn verify(
    log_file: &Path,
    checkpoint_file: &Path,
    inputs_folder: &Path,
    trust: &Trust,
) -> Result<Report, VerifyError> {
    let has_checkpoint = checkpoint_file
        .try_exists()
        .map_err(|source| VerifyError::Io { path: checkpoint_file.into(), source })?;
    let storage = match FileStorage::open_read_only(log_file) {
        Ok(storage) => storage,
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_checkpoint => {
            return Err(LogError::Damaged(Damage {
                what: "the log is gone, but its checkpoint is there",
                first_block: 0,
                last_block: None,
                first_record: 0,
                last_record: None,
                offset: 0,
            })
            .into());
        }
        Err(source) => return Err(VerifyError::Io { path: log_file.into(), source }),
    };
    let mut walk = Walk::new(Box::new(storage)).map_err(|error| match error {
        // With a checkpoint beside it, a log without its first sector was damaged, not unborn.
        LogError::NotALog if has_checkpoint => LogError::Header,
        other => other,
    })?;
    let header = walk.header().clone();
    let key = match trust.node_key {
        Some(trusted) if trusted == header.node_key => KeyStatus::Trusted,
        Some(trusted) => {
            return Err(VerifyError::WrongKey { found: header.node_key, trusted });
        }
        None => KeyStatus::Unknown,
    };
    let checkpoint = read_checkpoint(checkpoint_file, &origin(header.log), &header.node_key)?;
    let (mut controls, mut at_checkpoint) = (Vec::new(), None);
    while let Some(blocks) = walk.next_group()? {
        for block in &blocks {
            check_records(block, &mut controls)?;
        }
        if checkpoint.as_ref().is_some_and(|c| c.size == walk.end().tree.size()) {
            at_checkpoint = Some(walk.end().tree.root());
        }
    }
    let end = walk.into_end();
    if let Some(checkpoint) = &checkpoint {
        let what = "the log is shorter than its checkpoint, or does not extend it";
        if at_checkpoint != Some(checkpoint.root) {
            let mut damage = end.tail.clone().unwrap_or(Damage {
                what,
                first_block: end.tree.size().min(checkpoint.size.saturating_sub(1)),
                last_block: None,
                first_record: end.records,
                last_record: None,
                offset: end.offset,
            });
            damage.last_block.get_or_insert(checkpoint.size.saturating_sub(1));
            return Err(LogError::Damaged(damage).into());
        }
    }
    let report = Report {
        log: header.log,
        node_key: header.node_key,
        key,
        end,
        checkpoint: checkpoint.map(|c| c.size),
        controls,
    };
    if let Some(genesis) = report.genesis() {
        check_inputs(genesis, inputs_folder)?;
    }
    Ok(report)
}

fn read_checkpoint(
    path: &Path,
    origin: &str,
    key: &PublicKey,
) -> Result<Option<Checkpoint>, VerifyError> {
    let invalid = |what: String| VerifyError::Checkpoint { path: path.into(), what };
    let bytes = match read_regular(path, CHECKPOINT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_wrong_file(&error) => return Err(invalid(error.to_string())),
        Err(source) => return Err(VerifyError::Io { path: path.into(), source }),
    };
    let text = String::from_utf8(bytes).map_err(|_| invalid("it is not text".into()))?;
    let checkpoint =
        Checkpoint::parse_and_verify(&text, key).map_err(|error| invalid(error.to_string()))?;
    if checkpoint.origin != origin {
        return Err(invalid(format!("it is of another log, {}", checkpoint.origin)));
    }
    Ok(Some(checkpoint))
}

/// Decodes every record; a block whose records cannot be read was not written by this format.
fn check_records(block: &WalkedBlock, controls: &mut Vec<Control>) -> Result<(), LogError> {
    let mut count = 0;
    let mut seals = false;
    for record in Records::new(&block.body) {
        let Some(record) = record else { return Err(unreadable(block)) };
        count += 1;
        if let Record::Control(control) = record {
            if block.header.lane != Lane::Control {
                return Err(unreadable(block));
            }
            seals = matches!(*control, Control::Seal(_));
            controls.push(*control);
        }
    }
    if count != block.header.count || block.header.seals != seals {
        return Err(unreadable(block));
    }
    Ok(())
}

fn unreadable(block: &WalkedBlock) -> LogError {
    LogError::Damaged(Damage {
        what: "the block's records cannot be read",
        first_block: block.index,
        last_block: Some(block.index),
        first_record: block.first_record.0,
        last_record: Some((block.first_record.0 + u64::from(block.header.count)).saturating_sub(1)),
        offset: block.offset,
    })
}

fn check_inputs(genesis: &Genesis, folder: &Path) -> Result<(), VerifyError> {
    for input in &genesis.inputs {
        let path = folder.join(&input.name);
        let wrong = |what: String| VerifyError::Input { path: path.clone(), what };
        if input.name.contains('/') || input.name.starts_with('.') {
            return Err(wrong("has a name that leaves the folder of inputs".into()));
        }
        match measure(&path, input.size) {
            Ok((size, _)) if size != input.size => {
                return Err(wrong(format!("has {size} bytes, genesis says {}", input.size)));
            }
            Ok((_, hash)) if hash.0 != input.hash => {
                return Err(wrong("does not match the hash in genesis".into()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(wrong("is missing".into()));
            }
            Err(error) if is_wrong_file(&error) => return Err(wrong(error.to_string())),
            Err(source) => return Err(VerifyError::Io { path: path.clone(), source }),
        }
    }
    Ok(())
}

/// Something lies there, but not a file of the kind that was written.
fn is_wrong_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::FileTooLarge)
}

/// The size and the hash of a regular file. One of another size than `expected` is not read.
fn measure(path: &Path, expected: u64) -> io::Result<(u64, Hash)> {
    let mut file = open_regular(path)?;
    let size = file.metadata()?.len();
    let mut hasher = Hasher::default();
    if size == expected {
        let mut buffer = vec![0; 1 << 20];
        let mut left = expected;
        while left > 0 {
            let part = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(part) = buffer.get_mut(..part) else { break };
            file.read_exact(part)?;
            hasher.update(part);
            left -= part.len() as u64;
        }
    }
    Ok((size, hasher.finish()))
}

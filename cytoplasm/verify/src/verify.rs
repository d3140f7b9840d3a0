//! The walk over a whole log, and what a log that verifies holds.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_identity::PublicKey;
use karyon_statements::Checkpoint;
use karyon_types::{Hash, Hasher, LogId};

use karyon_log::limits::CHECKPOINT_BYTES_MAX;
use karyon_log::{
    Boot, Control, Damage, DiskFolder, End, Genesis, ImportRecord, InputFile, Lane, LogError,
    ReadFolder, Record, Records, Seal, Walk, WalkedBlock, open_regular, origin, read_regular,
    segment_file,
};

use crate::past::{Hashes, Past};

/// What the caller knows from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The node's public key.
    pub node_key: Option<PublicKey>,
    /// Checkpoints that were kept elsewhere, their signatures checked ([`read_checkpoint`]): the
    /// log must extend each.
    pub known: Vec<Checkpoint>,
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
    /// The committed bytes of all its files.
    pub bytes: u64,
    /// The size that a checkpoint beside the log covers.
    pub checkpoint: Option<u64>,
    /// All control records, in commit order.
    pub controls: Vec<Control>,
    /// When the last block was sealed, milliseconds since 1970, by the clock of then.
    pub last_wall_ms: u64,
}

impl Report {
    /// How the log began; `None`: nothing was committed.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.controls.iter().find_map(|control| match control {
            Control::Genesis(genesis) => Some(genesis),
            _ => None,
        })
    }

    /// The run's seal; `None`: the run has not ended.
    pub fn seal(&self) -> Option<&Seal> {
        self.controls.iter().find_map(|control| match control {
            Control::Seal(seal) => Some(seal),
            _ => None,
        })
    }

    /// How often a node started and wrote to the log.
    pub fn boots(&self) -> usize {
        self.boot_records().count()
    }

    /// How many of these starts had no guardian.
    pub fn unguarded_boots(&self) -> usize {
        self.boot_records().filter(|boot| boot.guardian.is_none()).count()
    }

    fn boot_records(&self) -> impl Iterator<Item = &Boot> {
        self.controls.iter().filter_map(|control| match control {
            Control::Boot(boot) => Some(boot),
            _ => None,
        })
    }

    /// What was imported after the run, in commit order.
    pub fn imports(&self) -> impl Iterator<Item = &ImportRecord> {
        self.controls.iter().filter_map(|control| match control {
            Control::Import(import) => Some(import),
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
    /// An input copy is missing or differs from what the log holds.
    #[error("block {block}, record #{record}: the input copy {} {what}", path.display())]
    Input {
        /// The block that names it.
        block: u64,
        /// The record that names it: genesis, or an import.
        record: u64,
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
    /// The log is not the one that a checkpoint speaks of, or has another past.
    #[error(
        "block {first_block} and all behind it, record #{first_record} and all behind it: not what the checkpoint of {origin} over {size} blocks covers; the log was rewritten from there on, or replaced"
    )]
    Forked {
        /// The log that the checkpoint speaks of.
        origin: String,
        /// The blocks that it covers.
        size: u64,
        /// The first block that no smaller checkpoint confirms.
        first_block: u64,
        /// The first record in it.
        first_record: u64,
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
        match self {
            VerifyError::Log(error) => error.is_refutation(),
            VerifyError::Io { .. } => false,
            VerifyError::Input { .. }
            | VerifyError::Checkpoint { .. }
            | VerifyError::Forked { .. }
            | VerifyError::WrongKey { .. } => true,
        }
    }
}

/// Verifies all segments in the log's folder, the checkpoint beside them and the input copies.
///
/// # Errors
/// See [`VerifyError`]; each names blocks and records. Where there is no log,
/// [`VerifyError::Io`] of the kind [`NotFound`](io::ErrorKind::NotFound).
pub fn verify(
    log_folder: &Path,
    checkpoint_file: &Path,
    inputs_folder: &Path,
    trust: &Trust,
) -> Result<Report, VerifyError> {
    let folder = Arc::new(DiskFolder::new(log_folder));
    verify_in(folder, checkpoint_file, inputs_folder, trust).map_err(|error| match error {
        VerifyError::Log(LogError::Io(source)) => {
            VerifyError::Io { path: segment_file(log_folder, 0), source }
        }
        other => other,
    })
}

/// The same, of a folder of any kind.
///
/// # Errors
/// See [`verify`]; what the folder answers is a [`LogError::Io`].
pub fn verify_in(
    folder: Arc<dyn ReadFolder>,
    checkpoint_file: &Path,
    inputs_folder: &Path,
    trust: &Trust,
) -> Result<Report, VerifyError> {
    let has_checkpoint = checkpoint_file
        .try_exists()
        .map_err(|source| VerifyError::Io { path: checkpoint_file.into(), source })?;
    let mut walk = Walk::open_in(Arc::clone(&folder)).map_err(|error| match error {
        LogError::Io(error) if error.kind() == io::ErrorKind::NotFound && has_checkpoint => {
            LogError::Damaged(Damage {
                what: "the log is gone, but its checkpoint is there",
                first_block: 0,
                last_block: None,
                first_record: 0,
                last_record: None,
                offset: 0,
            })
        }
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
    let checkpoint = read_checkpoint(checkpoint_file, &header.node_key)?;
    if let Some(checkpoint) = checkpoint.as_ref().filter(|c| c.origin != origin(header.log)) {
        let what = format!("it is of another log, {}", checkpoint.origin);
        return Err(VerifyError::Checkpoint { path: checkpoint_file.into(), what });
    }
    let mut past = Past::new(header.log, trust.known.iter().chain(&checkpoint))?;
    let mut hashes = Hashes::new(folder, &header);
    let (mut controls, mut copies) = (Vec::new(), Vec::new());
    let (mut segment, mut bytes_before, mut last_wall_ms) = (0, 0, 0);
    loop {
        let offset = walk.end().offset;
        let Some(blocks) = walk.next_group().map_err(|error| hashes.name_record(error, &walk))?
        else {
            break;
        };
        if walk.end().segment != segment {
            segment = walk.end().segment;
            bytes_before += offset;
        }
        for block in &blocks {
            hashes.check(block)?;
            check_records(block, &mut controls, &mut copies)
                .map_err(|damage| LogError::Damaged(damage).in_segment(block.segment))?;
            past.extend(block)?;
            last_wall_ms = block.header.wall_ms;
        }
    }
    let end = walk.into_end();
    hashes.finish(&end)?;
    past.finish(&end)?;
    for copy in &copies {
        copy.check(inputs_folder)?;
    }
    Ok(Report {
        log: header.log,
        node_key: header.node_key,
        key,
        bytes: bytes_before + end.offset,
        end,
        checkpoint: checkpoint.map(|c| c.size),
        controls,
        last_wall_ms,
    })
}

/// The checkpoint at `path`, signed by `key`; of which log, its origin says. `None`: there is
/// none.
///
/// # Errors
/// [`VerifyError::Checkpoint`], or [`VerifyError::Io`].
pub fn read_checkpoint(path: &Path, key: &PublicKey) -> Result<Option<Checkpoint>, VerifyError> {
    let invalid = |what: String| VerifyError::Checkpoint { path: path.into(), what };
    let bytes = match read_regular(path, CHECKPOINT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_wrong_file(&error) => return Err(invalid(error.to_string())),
        Err(source) => return Err(VerifyError::Io { path: path.into(), source }),
    };
    let text = String::from_utf8(bytes).map_err(|_| invalid("it is not text".into()))?;
    Checkpoint::parse_and_verify(&text, key).map(Some).map_err(|error| invalid(error.to_string()))
}

/// Decodes every record; a block whose records cannot be read was not written by this format.
fn check_records(
    block: &WalkedBlock,
    controls: &mut Vec<Control>,
    copies: &mut Vec<InputCopy>,
) -> Result<(), Damage> {
    let mut count = 0;
    let (mut seals, mut turns) = (false, false);
    for record in Records::new(&block.body) {
        let Some(record) = record else { return Err(unreadable(block)) };
        (seals, turns) = (false, false);
        if let Record::Control(control) = record {
            if block.header.lane != Lane::Control {
                return Err(unreadable(block));
            }
            seals = control.seals();
            turns = matches!(&*control, Control::Turn(turn) if turn.segment == block.segment);
            let position = block.first_record.0 + u64::from(count);
            let files = match &*control {
                Control::Genesis(genesis) => genesis.inputs.as_slice(),
                Control::Import(import) => std::slice::from_ref(&import.file),
                _ => &[],
            };
            copies.extend(files.iter().map(|file| InputCopy {
                block: block.index,
                record: position,
                file: file.clone(),
            }));
            controls.push(*control);
        }
        count += 1;
    }
    if count != block.header.count || (block.header.seals, block.header.turns) != (seals, turns) {
        return Err(unreadable(block));
    }
    Ok(())
}

fn unreadable(block: &WalkedBlock) -> Damage {
    let last = (block.first_record.0 + u64::from(block.header.count)).saturating_sub(1);
    block.damage("the block's records cannot be read", block.first_record.0, last)
}

/// A copy in the folder of inputs, and the record that names it.
struct InputCopy {
    block: u64,
    record: u64,
    file: InputFile,
}

impl InputCopy {
    fn check(&self, folder: &Path) -> Result<(), VerifyError> {
        let InputCopy { block, record, file } = self;
        let path = folder.join(&file.name);
        let wrong = |what: String| {
            let (block, record, path) = (*block, *record, path.clone());
            Err(VerifyError::Input { block, record, path, what })
        };
        if file.name.contains('/') || file.name.starts_with('.') {
            return wrong("has a name that leaves the folder of inputs".into());
        }
        match measure(&path, file.size) {
            Ok((size, _)) if size != file.size => {
                wrong(format!("has {size} bytes, the log says {}", file.size))
            }
            Ok((_, hash)) if hash.0 != file.hash => {
                wrong("does not match the hash in the log".into())
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => wrong("is missing".into()),
            Err(error) if is_wrong_file(&error) => wrong(error.to_string()),
            Err(source) => Err(VerifyError::Io { path, source }),
        }
    }
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

//! Short hashes of all records of a segment that has ended, signed by the node: where a block
//! does not match its hash, they name the record.

use std::io;

use karyon_identity::{SecretKey, Signature};
use karyon_log::{FORMAT_VERSION, ReadFolder, Records, SegmentHeader, records_name};
use karyon_types::{Hash, Hasher, LogId, hash};

const MAGIC: [u8; 8] = *b"KARYONRH";
const DOMAIN: &str = "karyon record hashes v1";
/// The longest file, bytes: 8 for each record, of which a segment that takes one commit more than
/// its mark holds at most one for every 3 bytes.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why the hashes of a segment's records cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordHashesError {
    /// The disk answered with an error.
    #[error("the record hashes cannot be read")]
    Io(#[from] io::Error),
    /// They are not what was signed.
    #[error("the record hashes in {} do not match their signature", records_name(*segment))]
    Altered {
        /// The number of the segment.
        segment: u32,
    },
}

/// The first bytes of a record's hash.
pub type RecordHash = [u8; 8];

/// The hashes of a segment's records, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHashes {
    /// The log that they belong to.
    pub log: LogId,
    /// The segment.
    pub segment: u32,
    /// The position of its first record.
    pub first_record: u64,
    /// One for each record.
    pub hashes: Vec<RecordHash>,
}

/// The short hash of a record as it lies in a block, length included.
pub fn record_hash(framed: &[u8]) -> RecordHash {
    let [a, b, c, d, e, f, g, h, ..] = hash(framed).0;
    [a, b, c, d, e, f, g, h]
}

/// The records of a block's body as they lie there. Bytes that are no record any more come last,
/// as one.
pub fn frames(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut records = Records::new(body);
    std::iter::from_fn(move || {
        let before = records.rest();
        let whole = records.pass();
        let len = if whole { before.len() - records.rest().len() } else { before.len() };
        if !whole {
            records = Records::new(&[]);
        }
        before.get(..len).filter(|frame| !frame.is_empty())
    })
}

impl RecordHashes {
    /// Those of a segment, checked against the key in the log's header; `None`: there are none.
    ///
    /// # Errors
    /// [`RecordHashesError::Altered`] when they are not what was signed; otherwise the system's.
    pub fn read(
        folder: &dyn ReadFolder,
        header: &SegmentHeader,
        segment: u32,
    ) -> Result<Option<RecordHashes>, RecordHashesError> {
        let file = match folder.open(&records_name(segment)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let altered = RecordHashesError::Altered { segment };
        let len = file.len()?;
        if len > BYTES_MAX {
            return Err(altered);
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(0, &mut bytes)?;
        let read = RecordHashes::decode(&bytes, header);
        read.filter(|read| read.segment == segment).map(Some).ok_or(altered)
    }

    /// The hash of the record at `position`, should it be one of these.
    pub fn at(&self, position: u64) -> Option<RecordHash> {
        let index = position.checked_sub(self.first_record)?;
        self.hashes.get(usize::try_from(index).ok()?).copied()
    }

    /// The bytes of their file, with the node's signature.
    pub fn encode(&self, key: &SecretKey) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.first_record.to_le_bytes());
        out.extend_from_slice(&(self.hashes.len() as u64).to_le_bytes());
        out.extend_from_slice(self.hashes.as_flattened());
        let digest = digest(&out);
        out.extend_from_slice(&digest.0);
        out.extend_from_slice(&key.sign(&digest.0).0);
        out
    }

    fn decode(bytes: &[u8], header: &SegmentHeader) -> Option<RecordHashes> {
        let (rest, signature) = bytes.split_last_chunk::<64>()?;
        let (mut rest, expected) = rest.split_last_chunk::<32>()?;
        let digest = digest(rest);
        if digest.0 != *expected || !header.node_key.verify(expected, &Signature(*signature)) {
            return None;
        }
        let b = &mut rest;
        if take::<8>(b)? != MAGIC || u16::from_le_bytes(take(b)?) != FORMAT_VERSION {
            return None;
        }
        let _reserved: [u8; 2] = take(b)?;
        let segment = u32::from_le_bytes(take(b)?);
        let log = LogId(take(b)?);
        let first_record = u64::from_le_bytes(take(b)?);
        let count = u64::from_le_bytes(take(b)?);
        let (hashes, left) = b.as_chunks::<8>();
        let fits = left.is_empty() && hashes.len() as u64 == count && log == header.log;
        fits.then(|| RecordHashes { log, segment, first_record, hashes: hashes.to_vec() })
    }
}

/// Takes the next `N` bytes.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

fn digest(bytes: &[u8]) -> Hash {
    Hasher::for_domain(DOMAIN).update(bytes).finish()
}

//! The first sector of a log file: whose log it is, and in which format.

use karyon_identity::PublicKey;
use karyon_types::{LogId, hash};

use crate::FORMAT_VERSION;
use crate::block::take;
use crate::limits::SECTOR_BYTES;
use crate::walk::LogError;

const MAGIC: [u8; 8] = *b"KARYONLG";
const CHECKED: usize = 64;

/// The name of a log's origin in its checkpoints.
pub fn origin(log: LogId) -> String {
    format!("karyon/{log}")
}

/// The header of a log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log's identity.
    pub log: LogId,
    /// The key that signs its commits. A key that the log itself brings proves nothing: it finds
    /// accidents, not forgery.
    pub node_key: PublicKey,
}

impl SegmentHeader {
    /// The whole first sector.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SECTOR_BYTES as usize);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.log.0);
        out.extend_from_slice(&self.node_key.0);
        let check = hash(&out);
        out.extend_from_slice(&check.0);
        out.resize(SECTOR_BYTES as usize, 0);
        out
    }

    /// Reads a first sector.
    ///
    /// # Errors
    /// [`LogError::NotALog`], [`LogError::Version`], or [`LogError::Header`] when it is damaged.
    pub fn decode(sector: &[u8]) -> Result<SegmentHeader, LogError> {
        let mut bytes = sector;
        let b = &mut bytes;
        if take::<8>(b).ok_or(LogError::NotALog)? != MAGIC {
            return Err(LogError::NotALog);
        }
        let version = u16::from_le_bytes(take(b).ok_or(LogError::NotALog)?);
        let checked = sector.get(..CHECKED).ok_or(LogError::Header)?;
        let check = sector.get(CHECKED..CHECKED + 32).ok_or(LogError::Header)?;
        if hash(checked).0 != check {
            return Err(LogError::Header);
        }
        if version != FORMAT_VERSION {
            return Err(LogError::Version { found: version });
        }
        let _reserved: [u8; 6] = take(b).ok_or(LogError::Header)?;
        let header = SegmentHeader {
            log: LogId(take(b).ok_or(LogError::Header)?),
            node_key: PublicKey(take(b).ok_or(LogError::Header)?),
        };
        // The padding and the reserved bytes are part of the format.
        if header.encode() != sector {
            return Err(LogError::Header);
        }
        Ok(header)
    }
}

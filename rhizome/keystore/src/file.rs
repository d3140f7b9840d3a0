//! The keystore file: a header that everybody may read, the sealed state, a checksum.
//!
//! The checksum takes no key, so that a damaged file can be told from a wrong master key. What it
//! covers is authenticated by the seal as well: nobody without the master makes a file that opens.

use karyon_types::LogId;
use zeroize::Zeroizing;

use crate::cipher::{self, NONCE_BYTES, TAG_BYTES};
use crate::codec;
use crate::master::Master;
use crate::state::State;

pub(crate) const MAGIC: &[u8; 8] = b"KARYONKS";
/// Where the log stands in the header: behind magic, version and zeros.
pub(crate) const LOG_AT: usize = 16;
const VERSION: u16 = 1;
/// The context in which a file is hashed.
const CHECK: &str = "karyon keystore file v1";
const CHECK_BYTES: usize = 32;

/// Why a file does not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileFault {
    Version(u64),
    OtherLog(LogId),
    WrongMaster,
    Damaged(&'static str),
}

fn header(master: &Master, nonce: &[u8; NONCE_BYTES], sealed: u64) -> Vec<u8> {
    [
        MAGIC.as_slice(),
        &VERSION.to_le_bytes(),
        &[0; 6],
        &master.log.0,
        &master.generation.to_le_bytes(),
        &master.fingerprint(),
        nonce,
        &sealed.to_le_bytes(),
    ]
    .concat()
}

/// A file with this state. The nonce is drawn for it: a master seals many files.
pub(crate) fn seal(state: &State, master: &Master, nonce: &[u8; NONCE_BYTES]) -> Option<Vec<u8>> {
    let mut content = codec::encode(state);
    let mut file = header(master, nonce, (content.len() + TAG_BYTES) as u64);
    cipher::seal(&master.key, nonce, &file, &mut content)?;
    file.extend_from_slice(&content);
    let check = blake3::derive_key(CHECK, &file);
    file.extend_from_slice(&check);
    Some(file)
}

/// The state in a file of this master's log and generation.
pub(crate) fn open(file: &[u8], master: &Master) -> Result<State, FileFault> {
    const CUT: FileFault = FileFault::Damaged("it ends too early");
    let mut rest = file;
    if take::<8>(&mut rest).ok_or(CUT)? != *MAGIC {
        return Err(FileFault::Damaged("it does not begin as a keystore does"));
    }
    let version = u16::from_le_bytes(take(&mut rest).ok_or(CUT)?);
    if version != VERSION {
        return Err(FileFault::Version(version.into()));
    }
    let (checked, check) = file.split_last_chunk::<CHECK_BYTES>().ok_or(CUT)?;
    if blake3::derive_key(CHECK, checked) != *check {
        return Err(FileFault::Damaged("its checksum does not fit"));
    }
    let _zero: [u8; 6] = take(&mut rest).ok_or(CUT)?;
    let log = LogId(take(&mut rest).ok_or(CUT)?);
    let generation = u64::from_le_bytes(take(&mut rest).ok_or(CUT)?);
    let fingerprint: [u8; 16] = take(&mut rest).ok_or(CUT)?;
    let nonce: [u8; NONCE_BYTES] = take(&mut rest).ok_or(CUT)?;
    if log != master.log {
        return Err(FileFault::OtherLog(log));
    }
    if generation != master.generation {
        return Err(FileFault::Damaged("it is of another generation than its name says"));
    }
    if fingerprint != master.fingerprint() {
        return Err(FileFault::WrongMaster);
    }
    let sealed = rest.len().checked_sub(8 + CHECK_BYTES).ok_or(CUT)? as u64;
    let header = header(master, &nonce, sealed);
    let content = checked.strip_prefix(header.as_slice());
    let content = content.ok_or(FileFault::Damaged("its header does not fit"))?;
    let mut content = Zeroizing::new(content.to_vec());
    cipher::unseal(&master.key, &nonce, &header, &mut content)
        .ok_or(FileFault::Damaged("it is not what this master key sealed"))?;
    codec::decode(&content).ok_or(FileFault::Damaged("its content makes no sense"))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    bytes.split_off(..N)?.first_chunk().copied()
}

//! The master key and its file: five lines of text.

use karyon_types::LogId;
use zeroize::Zeroizing;

use crate::secret::Secret;

const KIND: &str = "karyon-master-key-v";
const VERSION: u64 = 1;
/// The context in which the lines are hashed.
const CHECK: &str = "karyon master key file v1";
/// The context in which a key is hashed that is to be recognised.
const FINGERPRINT: &str = "karyon master key fingerprint v1";
/// The longest file that is written, bytes.
const TEXT_BYTES: usize = 256;

/// The key under which a keystore file is sealed.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) log: LogId,
    /// How many masters there were before, and this one: an erasure makes a new one.
    pub(crate) generation: u64,
    pub(crate) key: Secret,
}

/// Why a text is no master key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MasterFault {
    Version(u64),
    Damaged(&'static str),
}

impl Master {
    /// The file's text. Secret.
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES));
        text.extend_from_slice(format!("{KIND}{VERSION}\nlog {}\n", self.log).as_bytes());
        text.extend_from_slice(format!("generation {}\nkey ", self.generation).as_bytes());
        hex(&mut text, self.key.bytes());
        text.push(b'\n');
        let check = blake3::derive_key(CHECK, &text);
        text.extend_from_slice(b"check ");
        hex(&mut text, &check);
        text.push(b'\n');
        text
    }

    /// The key in a file's text.
    pub(crate) fn decode(text: &[u8]) -> Result<Master, MasterFault> {
        let fault = MasterFault::Damaged("it is not the five lines of a master key");
        let mut lines = std::str::from_utf8(text).unwrap_or("").split('\n');
        let mut value = |word: &str| lines.next()?.strip_prefix(word);
        match value(KIND).map(str::parse) {
            Some(Ok(VERSION)) => {}
            Some(Ok(version)) => return Err(MasterFault::Version(version)),
            Some(Err(_)) | None => return Err(fault),
        }
        let log = value("log ").and_then(unhex).map(LogId);
        let generation = value("generation ").and_then(|text| text.parse().ok());
        let key = value("key ").and_then(unhex).map(Secret::new);
        let (Some(log), Some(generation), Some(key)) = (log, generation, key) else {
            return Err(fault);
        };
        let master = Master { log, generation, key };
        // There is one form, and the last line says whether these are its bytes.
        if *master.encode() != text {
            return Err(MasterFault::Damaged("its last line does not fit the others"));
        }
        Ok(master)
    }

    /// By which the key is recognised, and nothing of it is told.
    pub(crate) fn fingerprint(&self) -> [u8; 16] {
        let hash = blake3::derive_key(FINGERPRINT, self.key.bytes());
        std::array::from_fn(|i| hash.get(i).copied().unwrap_or_default())
    }
}

pub(crate) fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for half in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        out.push(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    }
}

pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = text.as_bytes().chunks_exact(2);
    if text.len() != 2 * N {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(digits) {
        let [high, low] = digits else { return None };
        *byte = (half(*high)? << 4) | half(*low)?;
    }
    Some(bytes)
}

/// A digit; lowercase only, since what is read is compared with what would be written.
fn half(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

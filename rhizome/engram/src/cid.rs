//! Content identifiers. Source: <https://github.com/multiformats/cid>.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use karyon_types::hash;

/// The kinds of block in an engram, by their multicodec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Bytes as they are: the envelope.
    Raw = 0x55,
    /// DAG-CBOR: a memory.
    DagCbor = 0x71,
}

const VERSION: u8 = 1;
const BLAKE3: u8 = 0x1e;
const DIGEST: u8 = 32;

/// The identifier of a block by its contents: CIDv1, codec raw or DAG-CBOR, BLAKE3 with 32 bytes.
/// There is no other kind in an engram.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid([u8; Cid::BYTES]);

impl Cid {
    /// Its size, bytes.
    pub const BYTES: usize = 36;

    pub(crate) fn of(codec: Codec, block: &[u8]) -> Cid {
        let mut bytes = [0; Cid::BYTES];
        let (prefix, digest) = bytes.split_at_mut(4);
        prefix.copy_from_slice(&[VERSION, codec as u8, BLAKE3, DIGEST]);
        digest.copy_from_slice(&hash(block).0);
        Cid(bytes)
    }

    pub(crate) fn codec(&self) -> Codec {
        if self.0[1] == Codec::Raw as u8 { Codec::Raw } else { Codec::DagCbor }
    }

    /// Its binary form, as logs and tables keep it.
    pub fn to_bytes(&self) -> [u8; Cid::BYTES] {
        self.0
    }

    /// Reads the binary form; `None` for another kind of CID.
    pub fn from_bytes(bytes: &[u8]) -> Option<Cid> {
        let bytes: [u8; Cid::BYTES] = bytes.try_into().ok()?;
        let [version, codec, multihash, digest, ..] = bytes;
        let known = [Codec::Raw, Codec::DagCbor].into_iter().any(|kind| kind as u8 == codec);
        (known && (version, multihash, digest) == (VERSION, BLAKE3, DIGEST)).then_some(Cid(bytes))
    }
}

impl fmt::Display for Cid {
    /// The text that other tools show: base32, with its prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_text() {
        let cid = Cid::of(Codec::DagCbor, b"");
        assert_eq!(cid.to_bytes()[..6], [1, 0x71, 0x1e, 32, 0xaf, 0x13]);
        assert_eq!(Cid::from_bytes(&cid.to_bytes()), Some(cid));
        assert_eq!(
            cid.to_string(),
            ipld_core::cid::Cid::try_from(&cid.to_bytes()[..]).unwrap().to_string()
        );
        assert_ne!(cid, Cid::of(Codec::Raw, b""));
        assert_eq!(Cid::of(Codec::Raw, b"").codec(), Codec::Raw);
        assert_eq!(cid.codec(), Codec::DagCbor);
    }

    #[test]
    fn other_kinds_are_refused() {
        let good = Cid::of(Codec::Raw, b"x").to_bytes();
        for (at, value) in [(0, 0), (1, 0x70), (2, 0x12), (3, 31)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Cid::from_bytes(&bad), None, "byte {at}");
        }
        assert_eq!(Cid::from_bytes(&good[..35]), None);
        assert_eq!(Cid::from_bytes(&[&good[..], &[0]].concat()), None);
    }
}

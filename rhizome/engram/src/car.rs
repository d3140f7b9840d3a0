//! CARv1: a header, then blocks, each behind its length and its CID.
//! Source: <https://ipld.io/specs/transport/car/carv1/>.
//!
//! Written here, because the crates that read CAR files (`rs-car-sync` 0.5 was looked at) refuse
//! BLAKE3, take lengths in any form, and panic on some that they do not expect. Only the one form
//! that this crate writes is read: shortest varints, one root, no bytes behind.

use ipld_core::cid::Cid as Link;
use karyon_types::varint;
use serde::{Deserialize, Serialize};

use crate::cid::Cid;
use crate::error::EngramError;
use crate::limits::HEADER_BYTES_MAX;

const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Link>,
    version: u64,
}

/// Begins a file.
pub(crate) fn put_header(out: &mut Vec<u8>, root: &Cid) -> Result<(), EngramError> {
    let header = encode_header(root)?;
    varint::write(out, header.len() as u64);
    out.extend_from_slice(&header);
    Ok(())
}

fn encode_header(root: &Cid) -> Result<Vec<u8>, EngramError> {
    let unwritable = EngramError::Header { what: "cannot be written" };
    let Ok(root) = Link::try_from(&root.to_bytes()[..]) else { return Err(unwritable) };
    serde_ipld_dagcbor::to_vec(&Header { roots: vec![root], version: VERSION })
        .map_err(|_| unwritable)
}

/// Appends a block.
pub(crate) fn put_block(out: &mut Vec<u8>, cid: &Cid, data: &[u8]) {
    varint::write(out, (Cid::BYTES + data.len()) as u64);
    out.extend_from_slice(&cid.to_bytes());
    out.extend_from_slice(data);
}

/// Reads a file from its beginning.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    /// Reads the header; its one root.
    pub(crate) fn open(bytes: &'a [u8]) -> Result<(Reader<'a>, Cid), EngramError> {
        let mut reader = Reader { rest: bytes, len: bytes.len() };
        let header = reader.section(HEADER_BYTES_MAX)?;
        let bad = |what| EngramError::Header { what };
        let decoded: Header =
            serde_ipld_dagcbor::from_slice(header).map_err(|_| bad("is not that of a CAR file"))?;
        if decoded.version != VERSION {
            return Err(bad("is not of version 1"));
        }
        let [root] = &decoded.roots[..] else { return Err(bad("does not name one root")) };
        let root = Cid::from_bytes(&root.to_bytes()).ok_or(bad("names no BLAKE3 root"))?;
        if encode_header(&root)? != header {
            return Err(bad("is not in its one form"));
        }
        Ok((reader, root))
    }

    /// The bytes of the next block, which must be `expected`.
    pub(crate) fn block(&mut self, expected: &Cid, most: usize) -> Result<&'a [u8], EngramError> {
        let offset = self.offset();
        if self.rest.is_empty() {
            return Err(EngramError::Missing { cid: *expected });
        }
        let section = self.section(most + Cid::BYTES)?;
        let framing = |what| EngramError::Framing { offset, what };
        let (cid, data) =
            section.split_at_checked(Cid::BYTES).ok_or(framing("a block has no CID"))?;
        let cid = Cid::from_bytes(cid).ok_or(framing("a block has no BLAKE3 CID"))?;
        if cid != *expected {
            return Err(EngramError::Order { offset, expected: *expected, found: cid });
        }
        if Cid::of(cid.codec(), data) != cid {
            return Err(EngramError::Digest { offset, cid });
        }
        Ok(data)
    }

    /// Nothing may follow.
    pub(crate) fn finish(self) -> Result<(), EngramError> {
        let offset = self.offset();
        let what = "bytes follow the last block that the manifest names";
        if self.rest.is_empty() { Ok(()) } else { Err(EngramError::Framing { offset, what }) }
    }

    fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The bytes behind a length.
    fn section(&mut self, most: usize) -> Result<&'a [u8], EngramError> {
        let offset = self.offset();
        let framing = |what| EngramError::Framing { offset, what };
        let len = varint::read(&mut self.rest).ok_or(framing("there is no length"))?;
        let bytes = usize::try_from(len).map_err(|_| framing("a length is beyond any file"))?;
        if bytes > most {
            return Err(EngramError::BlockTooLong { offset, bytes, most });
        }
        let (section, rest) =
            self.rest.split_at_checked(bytes).ok_or(framing("the file is cut off"))?;
        self.rest = rest;
        Ok(section)
    }
}

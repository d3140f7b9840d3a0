//! CARv1: a header, then blocks, each behind its length and its CID.
//! Source: <https://ipld.io/specs/transport/car/carv1/>.
//!
//! Written here, because the crates that read CAR files (`rs-car-sync` 0.5 was looked at) refuse
//! BLAKE3, take lengths in any form, and panic on some that they do not expect. Only the one form
//! that this crate writes is read: shortest varints, one root, no bytes behind.

use std::io::{self, Read};

use ipld_core::cid::Cid as Link;
use karyon_types::varint;
use serde::{Deserialize, Serialize};

use crate::cid::Cid;
use crate::error::EngramError;
use crate::limits::{FILE_BYTES_MAX, HEADER_BYTES_MAX};

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

/// Whether these bytes begin as a file does: behind a length a map of two, of which the first is
/// called `roots`.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    const MAP: &[u8] = b"\xa2\x65roots";
    bytes.split_first().is_some_and(|(_, header)| header.starts_with(MAP))
}

/// Appends a block.
pub(crate) fn put_block(out: &mut Vec<u8>, cid: &Cid, data: &[u8]) {
    varint::write(out, (Cid::BYTES + data.len()) as u64);
    out.extend_from_slice(&cid.to_bytes());
    out.extend_from_slice(data);
}

/// Reads a file from its beginning, block by block. Nothing is held but the block that was read.
pub(crate) struct Reader<R> {
    source: R,
    /// How many bytes were read.
    offset: usize,
    /// The section that was read last.
    section: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the header; its one root.
    pub(crate) fn open(source: R) -> Result<(Reader<R>, Cid), EngramError> {
        let mut reader = Reader { source, offset: 0, section: Vec::new() };
        if !reader.section(HEADER_BYTES_MAX)? {
            return Err(EngramError::Framing { offset: 0, what: "there is no length" });
        }
        let header = &reader.section;
        let bad = |what| EngramError::Header { what };
        let decoded: Header =
            serde_ipld_dagcbor::from_slice(header).map_err(|_| bad("is not that of a CAR file"))?;
        if decoded.version != VERSION {
            return Err(bad("is not of version 1"));
        }
        let [root] = &decoded.roots[..] else { return Err(bad("does not name one root")) };
        let root = Cid::from_bytes(&root.to_bytes()).ok_or(bad("names no BLAKE3 root"))?;
        if encode_header(&root)? != *header {
            return Err(bad("is not in its one form"));
        }
        Ok((reader, root))
    }

    /// The bytes of the next block, which must be `expected`.
    pub(crate) fn block(&mut self, expected: &Cid, most: usize) -> Result<&[u8], EngramError> {
        let offset = self.offset;
        if !self.section(most + Cid::BYTES)? {
            return Err(EngramError::Missing { cid: *expected });
        }
        let framing = |what| EngramError::Framing { offset, what };
        let (cid, data) =
            self.section.split_at_checked(Cid::BYTES).ok_or(framing("a block has no CID"))?;
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
    pub(crate) fn finish(&mut self) -> Result<(), EngramError> {
        let offset = self.offset;
        let what = "bytes follow the last block that the manifest names";
        match self.byte()? {
            None => Ok(()),
            Some(_) => Err(EngramError::Framing { offset, what }),
        }
    }

    /// Gives back the room that a long section took.
    pub(crate) fn shrink(&mut self) {
        self.section = Vec::new();
    }

    /// Reads the bytes behind a length; whether there were any.
    fn section(&mut self, most: usize) -> Result<bool, EngramError> {
        let offset = self.offset;
        let framing = |what| EngramError::Framing { offset, what };
        let mut length = Vec::with_capacity(varint::MAX_BYTES);
        while length.last().is_none_or(|byte| byte & 0x80 != 0) && length.len() < varint::MAX_BYTES
        {
            match self.byte()? {
                Some(byte) => length.push(byte),
                None if length.is_empty() => return Ok(false),
                None => break,
            }
        }
        let len = varint::read(&mut &length[..]).ok_or(framing("there is no length"))?;
        let bytes = usize::try_from(len).map_err(|_| framing("a length is beyond any file"))?;
        if bytes > most {
            return Err(EngramError::BlockTooLong { offset, bytes, most });
        }
        self.section.clear();
        // No room is made for more than is there.
        let mut part = (&mut self.source).take(len);
        part.read_to_end(&mut self.section).map_err(|error| unreadable(offset, &error))?;
        self.count(self.section.len())?;
        if self.section.len() < bytes {
            return Err(framing("the file is cut off"));
        }
        Ok(true)
    }

    fn byte(&mut self) -> Result<Option<u8>, EngramError> {
        let mut byte = [0];
        loop {
            match self.source.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    self.count(1)?;
                    return Ok(byte.first().copied());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(self.offset, &error)),
            }
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), EngramError> {
        self.offset += bytes;
        match self.offset > FILE_BYTES_MAX {
            true => Err(EngramError::FileTooLong { bytes: self.offset }),
            false => Ok(()),
        }
    }
}

fn unreadable(offset: usize, error: &io::Error) -> EngramError {
    EngramError::Unreadable { offset, kind: error.kind(), why: error.to_string() }
}

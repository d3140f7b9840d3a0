//! Bytes on their way, counted and hashed.

use std::io::{self, Write};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// How often it is told how far things are, bytes.
const TOLD_EVERY: u64 = 1 << 20;

/// How far things are.
pub(crate) struct Progress<'a> {
    tell: &'a mut dyn FnMut(u64),
    bytes: u64,
    told: u64,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(tell: &'a mut dyn FnMut(u64)) -> Progress<'a> {
        Progress { tell, bytes: 0, told: 0 }
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= self.told + TOLD_EVERY {
            self.told = self.bytes;
            (self.tell)(self.bytes);
        }
    }
}

/// The hash of some bytes, as 64 digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Passes on what is written, and counts and hashes it.
pub(crate) struct Content<'a, 'p> {
    out: &'a mut dyn Write,
    hasher: Sha256,
    bytes: u64,
    progress: &'a mut Progress<'p>,
}

impl<'a, 'p> Content<'a, 'p> {
    pub(crate) fn new(out: &'a mut dyn Write, progress: &'a mut Progress<'p>) -> Content<'a, 'p> {
        Content { out, hasher: Sha256::new(), bytes: 0, progress }
    }

    /// How much it was, and its hash.
    pub(crate) fn end(self) -> (u64, String) {
        (self.bytes, HEXLOWER.encode(&self.hasher.finalize()))
    }
}

impl Write for Content<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        self.progress.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

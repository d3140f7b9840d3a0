//! An engram in a file: checked to its end, and read again as often as it is needed.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};

use karyon_engram::{Cid, EngramError, Manifest, Stream};
use karyon_identity::PublicKey;
use karyon_memory_ops::Memory;
use karyon_types::{Hash, Hasher};

use crate::governed::is_governed;

/// Bytes of the file that are read at once: few calls, little room.
const PART_BYTES: usize = 256 * 1024;

/// An engram in a file that was read to its end once: all of it was right. Its memories are not
/// held; whoever needs them reads the file again, and every block is checked again.
pub struct Carried {
    file: File,
    /// How long the file is.
    pub bytes: u64,
    /// The hash of the file.
    pub hash: Hash,
    /// What is signed, beside the list of the memories.
    pub manifest: Manifest,
    /// The key that signed it; whose that is it cannot say.
    pub signer: PublicKey,
    /// The CID of the root, which pins every byte.
    pub root: Cid,
    /// How many memories it holds.
    pub memories: usize,
    /// Those among them that a principal recorded.
    pub(crate) by_principals: usize,
}

impl Carried {
    /// Reads the file to its end, from its beginning, and keeps no memory of it.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn check(file: File) -> Result<Carried, EngramError> {
        Carried::check_each(file, |_| ())
    }

    /// The same; `tell` hears of each memory, before it is known whether what follows is right.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn check_each(file: File, mut tell: impl FnMut(&Memory)) -> Result<Carried, EngramError> {
        rewind(&file)?;
        let mut hashed = Hashed { file: &file, hasher: Hasher::default(), bytes: 0 };
        let mut stream = Stream::open(BufReader::with_capacity(PART_BYTES, &mut hashed))?;
        let mut by_principals = 0;
        while let Some((_, memory)) = stream.next_memory()? {
            by_principals += usize::from(is_governed(&memory));
            tell(&memory);
        }
        let (signer, root, memories) = (stream.signer(), stream.root(), stream.memories());
        let manifest = stream.into_manifest();
        let (bytes, hash) = (hashed.bytes, hashed.hasher.finish());
        Ok(Carried { file, bytes, hash, manifest, signer, root, memories, by_principals })
    }

    /// Begins to read it again. Should somebody have changed the file since, that is found.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn read(&self) -> Result<Stream<BufReader<&File>>, EngramError> {
        rewind(&self.file)?;
        let stream = Stream::open(BufReader::with_capacity(PART_BYTES, &self.file))?;
        match stream.root() == self.root {
            true => Ok(stream),
            false => Err(EngramError::Digest { offset: 0, cid: self.root }),
        }
    }

    /// The bytes of the file, from its beginning.
    pub(crate) fn bytes(&self) -> io::Result<impl Read + '_> {
        (&self.file).rewind()?;
        Ok((&self.file).take(self.bytes))
    }
}

fn rewind(mut file: &File) -> Result<(), EngramError> {
    file.rewind().map_err(|error| EngramError::Unreadable {
        offset: 0,
        kind: error.kind(),
        why: error.to_string(),
    })
}

/// A file whose bytes are hashed as they are read.
struct Hashed<'f> {
    file: &'f File,
    hasher: Hasher,
    bytes: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}

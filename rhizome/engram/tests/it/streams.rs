//! Engrams of any size: read block by block, made through a spool.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use karyon_engram::{Engram, EngramError, Sealer, Stream};
use proptest::prelude::*;

use crate::support::*;

/// Gives a byte at a time, and is interrupted before each.
struct Slow<'a> {
    rest: &'a [u8],
    is_interrupted: bool,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let one = buffer.len().min(1);
        self.rest.read(&mut buffer[..one])
    }
}

/// Fails behind so many bytes.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::TimedOut.into()),
            read => Ok(read),
        }
    }
}

#[test]
fn however_it_comes_it_is_the_same() {
    let file = sealed(&sample());
    let opened = Engram::open(&file).unwrap();
    let mut stream = Stream::open(Slow { rest: &file, is_interrupted: false }).unwrap();
    assert_eq!((stream.signer(), stream.root()), (opened.signer, opened.root));
    assert_eq!(stream.memories(), opened.engram.memories.len());
    for told in &opened.engram.memories {
        assert_eq!(stream.next_memory().unwrap().as_ref(), Some(told));
    }
    assert_eq!(stream.next_memory(), Ok(None));
    assert_eq!(stream.into_manifest(), opened.engram.manifest);
}

#[test]
fn what_is_wrong_behind_is_told_when_it_is_read() {
    let file = sealed(&sample());
    let mut broken = file.clone();
    *broken.last_mut().unwrap() ^= 1;
    let mut stream = Stream::open(&broken[..]).unwrap();
    assert!(stream.next_memory().unwrap().is_some());
    assert!(stream.next_memory().unwrap().is_some());
    assert!(matches!(stream.next_memory(), Err(EngramError::Digest { .. })));
    // Whoever asks for all of it hears of it too.
    let error = Stream::open(&broken[..]).unwrap().check().unwrap_err();
    assert_eq!(error, refused(&broken));
    let more = [&file[..], &[0]].concat();
    let error = Stream::open(&more[..]).unwrap().check().unwrap_err();
    assert_eq!(error, refused(&more));
    Stream::open(&file[..]).unwrap().check().unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_not_one_that_is_wrong() {
    let file = sealed(&sample());
    for len in 0..file.len() {
        let read = Stream::open(Failing(&file[..len])).and_then(|mut stream| stream.check());
        let kind = io::ErrorKind::TimedOut;
        let is_so = matches!(read, Err(EngramError::Unreadable { offset, kind: k, .. }) if offset <= len && k == kind);
        assert!(is_so, "{len}: {read:?}");
    }
}

#[test]
fn the_spool_is_not_believed() {
    let memories = sample();
    let seal = |spool: Changing| {
        let mut sealer = Sealer::new(spool);
        memories.iter().for_each(|memory| sealer.add(memory).unwrap());
        let mut file = Vec::new();
        let bytes = sealer.seal(&manifest(&memories), &key(), &mut file)?;
        assert_eq!(bytes, file.len() as u64);
        Ok::<_, EngramError>(file)
    };
    let good = Changing { inner: Cursor::new(Vec::new()), flips: false };
    assert_eq!(seal(good).unwrap(), sealed(&memories));
    let bad = Changing { inner: Cursor::new(Vec::new()), flips: true };
    let error = seal(bad).unwrap_err();
    let kind = io::ErrorKind::InvalidData;
    assert!(matches!(error, EngramError::Unreadable { kind: k, .. } if k == kind), "{error}");
}

/// Gives back something else than was written to it.
struct Changing {
    inner: Cursor<Vec<u8>>,
    flips: bool,
}

impl Write for Changing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Changing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl Read for Changing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if self.flips && read > 40 {
            buffer[40] ^= 1;
        }
        Ok(read)
    }
}

proptest! {
    #[test]
    fn in_whatever_order_and_however_often(
        memories in prop::collection::vec(memories(), 1..12), twice in any::<prop::sample::Index>(),
    ) {
        let mut sealer = Sealer::new(Cursor::new(Vec::new()));
        let again = twice.get(&memories);
        for memory in memories.iter().rev().chain([again]) {
            sealer.add(memory).unwrap();
        }
        prop_assert_eq!(sealer.mentioned(), &Engram::mentioned(&memories));
        let mut file = Vec::new();
        sealer.seal(&manifest(&memories), &key(), &mut file).unwrap();
        prop_assert_eq!(file, sealed(&memories));
    }
}

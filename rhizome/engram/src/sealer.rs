//! Making an engram of any size: the blocks wait in a spool until all of them are known.

use std::collections::BTreeSet;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use karyon_identity::SecretKey;
use karyon_memory_ops::Memory;
use karyon_types::AgentId;

use crate::car::{put_block, put_header};
use crate::cid::{Cid, Codec};
use crate::engram::{block_of, check_position};
use crate::envelope;
use crate::error::EngramError;
use crate::limits::{ENVELOPE_BYTES_MAX, FILE_BYTES_MAX, MEMORIES_MAX};
use crate::manifest::Manifest;
use crate::memory;

/// Bytes of blocks that are put in order in memory at once, so that the spool is read a few times
/// from its beginning to its end, and not block by block from all over it.
const SORTED_BYTES: u64 = 64 * 1024 * 1024;

/// Makes an engram without holding its memories: each is written to a spool when it is added, and
/// the engram from there when all are known. Some 50 bytes a memory are held.
///
/// The spool is a file of the caller's, empty, which can be thrown away afterwards.
pub struct Sealer<S: Write> {
    spool: BufWriter<S>,
    end: u64,
    blocks: Vec<Placed>,
    mentioned: BTreeSet<AgentId>,
    /// The last place in the log at which one of them was recorded.
    last: Option<u64>,
}

/// Where a block lies in the spool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Placed {
    cid: Cid,
    at: u64,
    len: u32,
}

impl<S: Read + Write + Seek> Sealer<S> {
    /// Begins with an empty spool.
    pub fn new(spool: S) -> Sealer<S> {
        Sealer {
            spool: BufWriter::new(spool),
            end: 0,
            blocks: Vec::new(),
            mentioned: BTreeSet::new(),
            last: None,
        }
    }

    /// Adds a memory. The order makes no difference, and each counts once.
    ///
    /// # Errors
    /// See [`EngramError`].
    pub fn add(&mut self, memory: &Memory) -> Result<(), EngramError> {
        let block = block_of(memory)?;
        self.last = self.last.max(Some(memory.recorded.position.0));
        memory::mentions(memory, &mut self.mentioned);
        self.spool.write_all(&block).map_err(|error| failed(self.end, &error))?;
        // It is within the bounds of a block.
        let len = block.len() as u32;
        self.blocks.push(Placed { cid: Cid::of(Codec::DagCbor, &block), at: self.end, len });
        self.end += u64::from(len);
        if self.blocks.len() >= 2 * MEMORIES_MAX {
            self.count()?;
        }
        Ok(())
    }

    /// The agents that the memories mention: the manifest gives each a name.
    pub fn mentioned(&self) -> &BTreeSet<AgentId> {
        &self.mentioned
    }

    /// How many memories there are, each counted once.
    ///
    /// # Errors
    /// [`EngramError::TooMany`].
    pub fn count(&mut self) -> Result<usize, EngramError> {
        self.blocks.sort_unstable();
        self.blocks.dedup_by_key(|placed| placed.cid);
        match self.blocks.len() {
            memories if memories > MEMORIES_MAX => Err(EngramError::TooMany { memories }),
            memories => Ok(memories),
        }
    }

    /// Writes the file; how long it is. The same manifest, memories and key give the same bytes.
    ///
    /// # Errors
    /// See [`EngramError`]: what [`Engram::open`](crate::Engram::open) would refuse is not made,
    /// but for what was written before that is known.
    pub fn seal(
        mut self,
        manifest: &Manifest,
        key: &SecretKey,
        out: &mut impl Write,
    ) -> Result<u64, EngramError> {
        manifest.check(self.count()?)?;
        if let Some(position) = self.last {
            check_position(manifest, position)?;
        }
        manifest.check_names(&self.mentioned)?;
        let head = self.head(manifest, key)?;
        let blocks = self.blocks.iter().map(|placed| {
            let mut length = Vec::new();
            karyon_types::varint::write(&mut length, Cid::BYTES as u64 + u64::from(placed.len));
            length.len() as u64 + Cid::BYTES as u64 + u64::from(placed.len)
        });
        let bytes = head.len() as u64 + blocks.sum::<u64>();
        if bytes > FILE_BYTES_MAX as u64 {
            return Err(EngramError::FileTooLong { bytes: bytes as usize });
        }
        out.write_all(&head).map_err(|error| failed(0, &error))?;
        drop(head);
        let spool = self.spool.into_inner().map_err(|error| failed(self.end, error.error()))?;
        write_blocks(spool, &self.blocks, out)?;
        Ok(bytes)
    }

    /// Header and envelope.
    fn head(&self, manifest: &Manifest, key: &SecretKey) -> Result<Vec<u8>, EngramError> {
        let cids: Vec<Cid> = self.blocks.iter().map(|placed| placed.cid).collect();
        let payload = manifest.encode(&cids)?;
        drop(cids);
        let envelope = envelope::seal(envelope::PAYLOAD_TYPE, &payload, key);
        drop(payload);
        if envelope.len() > ENVELOPE_BYTES_MAX {
            return Err(EngramError::Envelope { what: "is too long; export less at once" });
        }
        let root = Cid::of(Codec::Raw, &envelope);
        let mut head = Vec::new();
        put_header(&mut head, &root)?;
        put_block(&mut head, &root, &envelope);
        Ok(head)
    }
}

/// Writes the blocks in their order, part by part: those of one part are read from the spool in
/// the order in which they lie there.
fn write_blocks<S: Read + Seek>(
    spool: S,
    blocks: &[Placed],
    out: &mut impl Write,
) -> Result<(), EngramError> {
    let mut spool = BufReader::with_capacity(64 * 1024, spool);
    let mut rest = blocks;
    let (mut here, mut block) = (None, Vec::new());
    while !rest.is_empty() {
        let mut sum = 0;
        let part = rest.iter().take_while(|placed| {
            sum += u64::from(placed.len);
            sum <= SORTED_BYTES || sum == u64::from(placed.len)
        });
        let (part, behind) = rest.split_at(part.count());
        rest = behind;
        let mut by_place: Vec<usize> = (0..part.len()).collect();
        by_place.sort_unstable_by_key(|index| part.get(*index).map(|placed| placed.at));
        let mut read: Vec<Vec<u8>> = vec![Vec::new(); part.len()];
        for index in by_place {
            let (Some(placed), Some(data)) = (part.get(index), read.get_mut(index)) else {
                continue;
            };
            let step =
                |here: u64| i64::try_from(placed.at).ok()?.checked_sub(i64::try_from(here).ok()?);
            let moved = match here.and_then(step) {
                // What is in the buffer already is not read again.
                Some(step) => spool.seek_relative(step),
                None => spool.seek(SeekFrom::Start(placed.at)).map(drop),
            };
            let filled = moved.and_then(|()| {
                data.resize(placed.len as usize, 0);
                spool.read_exact(data)
            });
            filled.map_err(|error| failed(placed.at, &error))?;
            here = Some(placed.at + u64::from(placed.len));
        }
        for (placed, data) in part.iter().zip(&read) {
            if Cid::of(Codec::DagCbor, data) != placed.cid {
                return Err(failed(placed.at, &io::ErrorKind::InvalidData.into()));
            }
            block.clear();
            put_block(&mut block, &placed.cid, data);
            out.write_all(&block).map_err(|error| failed(placed.at, &error))?;
        }
    }
    out.flush().map_err(|error| failed(0, &error))
}

fn failed(offset: u64, error: &io::Error) -> EngramError {
    EngramError::Unreadable { offset: offset as usize, kind: error.kind(), why: error.to_string() }
}

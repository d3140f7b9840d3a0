//! Makes groups of blocks durable, one at a time, and goes from one segment file to the next.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use karyon_identity::SecretKey;
use karyon_log::limits::{BLOCK_BYTES_MAX, SECTOR_BYTES, SEGMENT_MAX};
use karyon_log::{
    BlockHeader, Commit, Control, End, Entry, Lane, LaneState, Record, SegmentHeader, Turn,
    segment_name,
};
use karyon_types::hash;

use crate::block::Block;
use crate::folder::{Folder, SPARE};
use crate::limits::{ALLOCATE_BYTES, TURN_BYTES};
use crate::record_hashes;
use crate::status::WriterStatus;
use crate::storage::Storage;
use crate::writer::WriterOptions;

/// The one that writes a log's files.
pub(crate) struct Committer {
    file: Box<dyn Storage>,
    /// `None`: a single storage, which has no end.
    folder: Option<Arc<dyn Folder>>,
    spare: Option<Box<dyn Storage>>,
    hashing: Option<JoinHandle<()>>,
    header: SegmentHeader,
    key: Arc<SecretKey>,
    boot: u32,
    options: WriterOptions,
    /// Up to where the file's space is reserved.
    reserved: u64,
    /// Something that no commit names lies behind the end: cut behind the next commit, so that
    /// the record that says so is durable before.
    cuts_tail: bool,
    end: End,
    status: Arc<WriterStatus>,
    buffer: Vec<u8>,
}

impl Committer {
    /// Writes behind `end` in a storage that is the only one.
    pub(crate) fn single(
        file: Box<dyn Storage>,
        header: &SegmentHeader,
        key: Arc<SecretKey>,
        boot: u32,
        end: &End,
    ) -> Committer {
        let committer = Committer {
            file,
            folder: None,
            spare: None,
            hashing: None,
            header: header.clone(),
            key,
            boot,
            options: WriterOptions { segment_bytes: u64::MAX, ..WriterOptions::default() },
            reserved: end.offset,
            cuts_tail: end.tail_bytes > 0,
            end: end.without_tail(),
            status: Arc::new(WriterStatus::default()),
            buffer: Vec::new(),
        };
        committer.status.add_bytes(end.offset);
        committer.status.publish(&committer.end);
        committer
    }

    /// Writes behind `end` in a folder of segments, and keeps a spare there.
    pub(crate) fn open(
        folder: Arc<dyn Folder>,
        header: &SegmentHeader,
        key: Arc<SecretKey>,
        boot: u32,
        end: &End,
        options: WriterOptions,
    ) -> io::Result<Committer> {
        if end.sealed {
            return Err(invalid("the log is sealed: nothing is written behind a seal"));
        }
        let begin = match (end.commits, end.turned) {
            (0, _) => End { tail_bytes: end.tail_bytes, ..End::of_new_log() },
            (_, true) => End { tail_bytes: end.tail_bytes, ..end.of_next_segment() },
            (_, false) => end.clone(),
        };
        let mut spare = make_spare(&*folder, options.spare_bytes)?;
        let is_begun = end.commits > 0 && !end.turned;
        let there = open_begun(&*folder, header, begin.segment, is_begun)?;
        // What follows a turn without a whole first sector was never part of the log.
        let (file, next_spare, tail) = match there {
            Some(file) => (file, spare, begin.tail_bytes),
            None if end.commits == 0 && folder.open(&segment_name(0)).is_ok() => {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a log is there already"));
            }
            None => {
                promote(&*folder, &mut *spare, header, begin.segment)?;
                (spare, make_spare(&*folder, options.spare_bytes)?, 0)
            }
        };
        let mut committer = Committer {
            folder: Some(Arc::clone(&folder)),
            spare: Some(next_spare),
            options,
            ..Committer::single(file, header, key, boot, &End { tail_bytes: tail, ..begin })
        };
        if tail == 0 {
            committer.reserve(committer.end.offset)?;
        }
        for segment in 0..committer.end.segment {
            let bytes = folder.open(&segment_name(segment))?.len()?;
            committer.status.add_bytes(bytes);
        }
        let before = committer.end.segment.checked_sub(1);
        if let Some(last) = before.filter(|_| committer.end.commits > 0) {
            committer.hash_records(last);
        }
        Ok(committer)
    }

    pub(crate) fn status(&self) -> &Arc<WriterStatus> {
        &self.status
    }

    pub(crate) fn end(&self) -> &End {
        &self.end
    }

    /// Makes `blocks` durable; ends the file with them once it is long enough.
    ///
    /// # Errors
    /// A full disk ([`is_full`]) leaves the log as it was, so that last words can follow. After
    /// any other error nothing may be written any more.
    pub(crate) fn commit(&mut self, mut blocks: Vec<Block>) -> io::Result<()> {
        if self.end.turned {
            self.next_file()?;
            let Some(folder) = &self.folder else { return Err(io::ErrorKind::Unsupported.into()) };
            self.spare = Some(make_spare(&**folder, self.options.spare_bytes)?);
        }
        let behind = self.end.offset + group_len(&blocks);
        let ends = self.folder.is_some()
            && behind >= self.options.segment_bytes
            && !self.cuts_tail
            && self.end.segment < SEGMENT_MAX;
        let last = blocks.last().filter(|block| ends && !block.seals).map(|block| block.wall_ms);
        blocks.extend(last.map(|wall_ms| self.turn(wall_ms)));
        self.write(blocks, last.is_some())
    }

    /// Makes a block durable on a full disk, in the room that is left for it.
    pub(crate) fn last_words(&mut self, block: Block) -> io::Result<()> {
        let words = [block];
        let len = group_len(&words) + TURN_BYTES;
        let [block] = words;
        let fits = |this: &Committer| {
            !this.end.turned && this.end.offset.saturating_add(len) <= this.reserved
        };
        if !fits(self) {
            if self.spare.is_none() || SECTOR_BYTES + len > self.options.spare_bytes {
                let what = "the disk is full, and no room is left for last words";
                return Err(io::Error::new(io::ErrorKind::StorageFull, what));
            }
            if !self.end.turned {
                self.write(vec![self.turn(block.wall_ms)], true)?;
            }
            self.next_file()?;
        }
        self.write(vec![block], false)
    }

    /// Gives back what is not needed any more: reserved space, the spare.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if self.reserved > self.end.offset {
            self.file.set_len(self.end.offset)?;
            self.file.sync()?;
        }
        if let Some(folder) = &self.folder {
            folder.remove(SPARE)?;
            folder.sync()?;
        }
        if self.end.ends_file() {
            self.hash_records(self.end.segment);
        }
        self.join_hashing();
        Ok(())
    }

    /// Goes on in the spare.
    fn next_file(&mut self) -> io::Result<()> {
        let next = self.end.of_next_segment();
        let (Some(folder), Some(mut spare)) = (&self.folder, self.spare.take()) else {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "there is no spare file"));
        };
        if let Err(error) = promote(&**folder, &mut *spare, &self.header, next.segment) {
            self.spare = Some(spare);
            return Err(error);
        }
        self.status.add_bytes(SECTOR_BYTES);
        (self.file, self.reserved, self.end) = (spare, self.options.spare_bytes, next);
        Ok(())
    }

    /// Reserves room for a group that ends at `behind`, and for a turn behind it.
    fn reserve(&mut self, behind: u64) -> io::Result<()> {
        let least = behind.saturating_add(TURN_BYTES);
        if least > self.reserved {
            let step = least.next_multiple_of(ALLOCATE_BYTES).min(self.options.segment_bytes);
            let reserved = step.max(least);
            self.file.reserve(reserved)?;
            self.reserved = reserved;
        }
        Ok(())
    }

    fn turn(&self, wall_ms: u64) -> Block {
        let mut body = Vec::new();
        let turn = Control::Turn(Turn { segment: self.end.segment });
        Record::Control(Box::new(turn)).encode(&mut body);
        Block { lane: Lane::Control, count: 1, body, wall_ms, seals: false }
    }

    fn write(&mut self, blocks: Vec<Block>, turns: bool) -> io::Result<()> {
        let mut next = self.end.clone();
        let (entries, behind) = self.lay_out(blocks, turns, &mut next)?;
        let commit = Commit {
            log: self.header.log,
            number: self.end.commits,
            tree_size: next.tree.size(),
            first_record: self.end.records,
            previous: self.end.last_commit,
            root: next.tree.root(),
            entries,
        };
        let (bytes, digest) = commit.sign(&self.key);
        if let Some(place) = self.buffer.get_mut(..bytes.len()) {
            place.copy_from_slice(&bytes);
        }
        if self.cuts_tail && next.ends_file() {
            // Nothing may lie behind the end of a file, not even for a moment.
            self.file.set_len(self.end.offset)?;
            self.file.sync().map_err(lost)?;
            (self.cuts_tail, self.reserved) = (false, self.end.offset);
        }
        if !self.cuts_tail && (!turns || behind > self.reserved) {
            self.reserve(behind)?;
        }
        let written = self.file.write_at(self.end.offset, &self.buffer);
        self.cuts_tail |= written.is_err();
        written?;
        self.file.sync().map_err(lost)?;
        (next.commits, next.last_commit) = (self.end.commits + 1, digest);
        (next.last_commit_offset, next.offset) = (self.end.offset, behind);
        self.status.add_bytes(behind - self.end.offset);
        self.end = next;
        self.status.publish(&self.end);
        self.clean_up(turns)
    }

    /// What follows a commit that is durable.
    fn clean_up(&mut self, turned: bool) -> io::Result<()> {
        if std::mem::take(&mut self.cuts_tail) {
            self.file.set_len(self.end.offset)?;
            self.file.sync().map_err(lost)?;
            self.reserved = self.end.offset;
        }
        if turned {
            self.file.set_len(self.end.offset)?;
            self.reserved = self.end.offset;
            self.hash_records(self.end.segment);
        }
        Ok(())
    }

    /// Fills the buffer with room for a commit, the blocks, and zeros; where it ends in the file.
    fn lay_out(
        &mut self,
        blocks: Vec<Block>,
        turns: bool,
        next: &mut End,
    ) -> io::Result<(Vec<Entry>, u64)> {
        let mut entries = Vec::with_capacity(blocks.len());
        self.buffer.clear();
        self.buffer.resize(Commit::len(blocks.len()), 0);
        let last = blocks.len().saturating_sub(1);
        for (index, block) in blocks.into_iter().enumerate() {
            if next.ends_file() {
                return Err(invalid("nothing is written behind a seal"));
            }
            next.sealed = block.seals;
            next.turned = turns && index == last;
            let entry = self.block(&block, next)?;
            next.tree.push(entry.hash);
            next.records += u64::from(entry.count);
            entries.push(entry);
        }
        self.buffer.resize(self.buffer.len().next_multiple_of(SECTOR_BYTES as usize), 0);
        Ok((entries, self.end.offset + self.buffer.len() as u64))
    }

    /// Appends a block's bytes to the buffer.
    fn block(&mut self, block: &Block, next: &mut End) -> io::Result<Entry> {
        let too_long = || invalid("a block is too long");
        if block.body.len() > BLOCK_BYTES_MAX {
            return Err(too_long());
        }
        let lane = next.lanes.get_mut(block.lane as usize).ok_or_else(too_long)?;
        let header = BlockHeader {
            log: self.header.log,
            boot: self.boot,
            lane: block.lane,
            first: lane.records,
            count: block.count,
            wall_ms: block.wall_ms,
            previous: lane.last,
            body_len: u32::try_from(block.body.len()).map_err(|_| too_long())?,
            seals: block.seals,
            turns: next.turned,
        };
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&header.encode());
        self.buffer.extend_from_slice(&block.body);
        let bytes = self.buffer.get(start..).ok_or_else(too_long)?;
        let hash = hash(bytes);
        let len = u32::try_from(bytes.len()).map_err(|_| too_long())?;
        *lane = LaneState { records: lane.records + u64::from(block.count), last: hash };
        Ok(Entry { hash, count: block.count, len })
    }

    /// Makes the record hashes of the segments up to `last`, which have ended. That they cannot
    /// be made is no failure of the log: the next start tries again.
    fn hash_records(&mut self, last: u32) {
        self.join_hashing();
        let Some(folder) = self.folder.clone() else { return };
        let (header, key) = (self.header.clone(), Arc::clone(&self.key));
        let status = Arc::clone(&self.status);
        let work = move || {
            if let Err(error) = record_hashes::complete(&*folder, &header, &key, last) {
                status.hashing_failed(&error);
            }
        };
        if !self.options.hash_in_background {
            return work();
        }
        match std::thread::Builder::new().name("log hashes".into()).spawn(work) {
            Ok(thread) => self.hashing = Some(thread),
            Err(error) => self.status.hashing_failed(&error.into()),
        }
    }

    fn join_hashing(&mut self) {
        if self.hashing.take().is_some_and(|thread| thread.join().is_err()) {
            self.status.hashing_failed(&io::Error::other("the thread panicked").into());
        }
    }
}

/// Whether the disk is full: the one failure behind which last words can still be written.
pub(crate) fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A failed sync says nothing of what is durable, also where it says that the disk is full.
fn lost(error: io::Error) -> io::Error {
    if is_full(error.kind()) { io::Error::other(error) } else { error }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

/// The sectors that a group takes, in bytes.
fn group_len(blocks: &[Block]) -> u64 {
    let bodies: usize = blocks.iter().map(|block| BlockHeader::BYTES + block.body.len()).sum();
    ((Commit::len(blocks.len()) + bodies) as u64).next_multiple_of(SECTOR_BYTES)
}

/// Makes the file that becomes the next segment.
pub(crate) fn make_spare(folder: &dyn Folder, bytes: u64) -> io::Result<Box<dyn Storage>> {
    let mut spare = folder.create(SPARE)?;
    spare.reserve(bytes)?;
    spare.sync()?;
    Ok(spare)
}

/// Makes the spare a segment. Its first sector is durable before it has that name.
fn promote(
    folder: &dyn Folder,
    spare: &mut dyn Storage,
    header: &SegmentHeader,
    segment: u32,
) -> io::Result<()> {
    spare.write_at(0, &header.encode())?;
    spare.sync().map_err(lost)?;
    name_spare(folder, segment)
}

/// Gives the spare, which is durable, the name of a segment, durably.
pub(crate) fn name_spare(folder: &dyn Folder, segment: u32) -> io::Result<()> {
    folder.rename(SPARE, &segment_name(segment))?;
    folder.sync().map_err(lost)
}

/// The file of a segment, should it be one of this log: it must, if it is begun.
fn open_begun(
    folder: &dyn Folder,
    header: &SegmentHeader,
    segment: u32,
    is_begun: bool,
) -> io::Result<Option<Box<dyn Storage>>> {
    let file = match folder.edit(&segment_name(segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_begun => return Ok(None),
        other => other?,
    };
    let mut sector = vec![0; SECTOR_BYTES as usize];
    match file.read_at(0, &mut sector) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let is_ours = sector == header.encode();
    if is_begun && !is_ours {
        return Err(invalid("the segment is of another log"));
    }
    Ok(is_ours.then_some(file))
}

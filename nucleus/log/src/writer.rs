//! The writer: one thread that makes blocks durable, in the order in which they were appended.
//!
//! All blocks that wait are written with one commit, one write, one fdatasync; an idle log
//! commits a block at once. The queue is bounded: when the disk falls behind, whoever appends
//! waits. After the first failure nothing is written any more.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use karyon_identity::SecretKey;

use crate::block::{Block, BlockHeader, LaneState, block_hash};
use crate::commit::{Commit, Entry};
use crate::end::End;
use crate::limits::{
    ALLOCATE_BYTES, BLOCK_BYTES_MAX, COMMIT_BLOCKS_MAX, COMMIT_BYTES, QUEUE_BLOCKS, SECTOR_BYTES,
};
use crate::segment::SegmentHeader;
use crate::storage::Storage;

/// Why nothing more is written. The first failure stays the answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the log cannot be written: {message}")]
pub struct LogFailed {
    /// What kind of failure it was.
    pub kind: io::ErrorKind,
    /// The system's words.
    pub message: String,
}

impl LogFailed {
    fn from_io(error: &io::Error) -> LogFailed {
        LogFailed { kind: error.kind(), message: error.to_string() }
    }
}

/// How far the log has come; read while it is written.
#[derive(Default)]
pub struct WriterStatus {
    records: AtomicU64,
    bytes: AtomicU64,
    commits: AtomicU64,
    failed: OnceLock<LogFailed>,
}

impl WriterStatus {
    /// Records that are durable.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Acquire)
    }

    /// The end of the last commit, bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Commits that are durable.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Whether the writer gave up.
    pub fn failure(&self) -> Option<&LogFailed> {
        self.failed.get()
    }
}

enum Job {
    Append(Block),
    /// Answered once everything before it is durable, or never.
    Flush(SyncSender<()>),
}

/// The handle of the writer's thread.
pub struct Writer {
    jobs: SyncSender<Job>,
    status: Arc<WriterStatus>,
    thread: JoinHandle<End>,
}

impl Writer {
    /// Starts writing behind `end`. A tail that lies there is overwritten by the first commit, and
    /// what is left of it is cut right behind: so the commit that says so is durable before.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        storage: Box<dyn Storage>,
        header: &SegmentHeader,
        key: Arc<SecretKey>,
        boot: u32,
        end: End,
    ) -> io::Result<Writer> {
        let (jobs, receiver) = sync_channel(QUEUE_BLOCKS);
        let status = Arc::new(WriterStatus::default());
        status.records.store(end.records, Ordering::Release);
        status.bytes.store(end.offset, Ordering::Release);
        status.commits.store(end.commits, Ordering::Release);
        let mut task = Task {
            storage,
            header: header.clone(),
            key,
            boot,
            reserved: end.offset,
            cuts_tail: end.tail_bytes > 0,
            end,
            status: Arc::clone(&status),
            buffer: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || {
            if let Err(error) = task.run(&receiver) {
                // The first failure is the only one: the task ends with it.
                task.status.failed.get_or_init(|| LogFailed::from_io(&error));
            }
            task.end
        })?;
        Ok(Writer { jobs, status, thread })
    }

    /// How far it has come.
    pub fn status(&self) -> &Arc<WriterStatus> {
        &self.status
    }

    /// Queues a block; waits while the queue is full.
    ///
    /// # Errors
    /// The failure that stopped the writer. The block may or may not be durable then.
    pub fn append(&self, block: Block) -> Result<(), LogFailed> {
        self.jobs.send(Job::Append(block)).map_err(|_| self.failure())
    }

    /// Waits until everything that was appended is durable.
    ///
    /// # Errors
    /// The failure that stopped the writer.
    pub fn flush(&self) -> Result<(), LogFailed> {
        let (done, wait) = sync_channel(1);
        self.jobs.send(Job::Flush(done)).map_err(|_| self.failure())?;
        wait.recv().map_err(|_| self.failure())
    }

    /// Flushes, gives reserved space back, and ends the thread; where the log ends now.
    ///
    /// # Errors
    /// The failure that stopped the writer.
    pub fn close(self) -> Result<End, LogFailed> {
        self.flush()?;
        drop(self.jobs);
        let end = self.thread.join();
        if let Some(failed) = self.status.failed.get() {
            return Err(failed.clone());
        }
        end.map_err(|_| LogFailed {
            kind: io::ErrorKind::Other,
            message: "the writer's thread panicked".into(),
        })
    }

    /// The task stores its failure before it lets go of the queue.
    fn failure(&self) -> LogFailed {
        self.status.failed.get().cloned().unwrap_or_else(|| LogFailed {
            kind: io::ErrorKind::Other,
            message: "the writer's thread is gone".into(),
        })
    }
}

struct Task {
    storage: Box<dyn Storage>,
    header: SegmentHeader,
    key: Arc<SecretKey>,
    boot: u32,
    reserved: u64,
    cuts_tail: bool,
    end: End,
    status: Arc<WriterStatus>,
    buffer: Vec<u8>,
}

impl Task {
    fn run(&mut self, jobs: &Receiver<Job>) -> io::Result<()> {
        let mut blocks = Vec::new();
        let mut flushes: Vec<SyncSender<()>> = Vec::new();
        while let Ok(first) = jobs.recv() {
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Append(block) => {
                        bytes += block.body.len();
                        blocks.push(block);
                    }
                    Job::Flush(done) => flushes.push(done),
                }
                if bytes >= COMMIT_BYTES || blocks.len() >= COMMIT_BLOCKS_MAX {
                    break;
                }
                // Empty or closed: commit what there is; a closed queue ends the outer loop.
                next = jobs.try_recv().ok();
            }
            if !blocks.is_empty() {
                let outcome = self.commit(&mut blocks);
                if let Err(error) = outcome {
                    // Before the waiters learn of it by the closing of their channels.
                    self.status.failed.get_or_init(|| LogFailed::from_io(&error));
                    return Err(error);
                }
            }
            for done in flushes.drain(..) {
                // Whoever waited may have gone; that is no failure of the log.
                if done.send(()).is_err() {
                    continue;
                }
            }
        }
        if self.reserved > self.end.offset {
            self.storage.set_len(self.end.offset)?;
            self.storage.sync()?;
        }
        Ok(())
    }

    fn commit(&mut self, blocks: &mut Vec<Block>) -> io::Result<()> {
        let first_record = self.end.records;
        let mut entries = Vec::with_capacity(blocks.len());
        let commit_len = Commit::len(blocks.len());
        self.buffer.clear();
        self.buffer.resize(commit_len, 0);
        for block in blocks.drain(..) {
            let (entry, seals) = self.lay_out(block)?;
            self.end.tree.push(entry.hash);
            self.end.records += u64::from(entry.count);
            self.end.sealed = seals;
            entries.push(entry);
        }
        let commit = Commit {
            log: self.header.log,
            number: self.end.commits,
            tree_size: self.end.tree.size(),
            first_record,
            previous: self.end.last_commit,
            root: self.end.tree.root(),
            entries,
        };
        let (bytes, digest) = commit.sign(&self.key);
        if let Some(place) = self.buffer.get_mut(..commit_len) {
            place.copy_from_slice(&bytes);
        }
        self.buffer.resize(self.buffer.len().next_multiple_of(SECTOR_BYTES as usize), 0);
        let behind = self.end.offset + self.buffer.len() as u64;
        if behind > self.reserved && !self.cuts_tail {
            self.reserved = behind.next_multiple_of(ALLOCATE_BYTES);
            self.storage.reserve(self.reserved)?;
        }
        self.storage.write_at(self.end.offset, &self.buffer)?;
        self.storage.sync()?;
        if std::mem::take(&mut self.cuts_tail) {
            self.storage.set_len(behind)?;
            self.storage.sync()?;
        }
        self.end.last_commit_offset = self.end.offset;
        self.end.offset = behind;
        self.end.commits += 1;
        self.end.last_commit = digest;
        self.status.records.store(self.end.records, Ordering::Release);
        self.status.bytes.store(self.end.offset, Ordering::Release);
        self.status.commits.store(self.end.commits, Ordering::Release);
        Ok(())
    }

    /// Appends a block's bytes to the buffer.
    fn lay_out(&mut self, block: Block) -> io::Result<(Entry, bool)> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a block is too long");
        if block.body.len() > BLOCK_BYTES_MAX {
            return Err(too_long());
        }
        let lane = self.end.lanes.get_mut(block.lane as usize).ok_or_else(too_long)?;
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
        };
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&header.encode());
        self.buffer.extend_from_slice(&block.body);
        let bytes = self.buffer.get(start..).ok_or_else(too_long)?;
        let hash = block_hash(bytes);
        let len = u32::try_from(bytes.len()).map_err(|_| too_long())?;
        *lane = LaneState { records: lane.records + u64::from(block.count), last: hash };
        Ok((Entry { hash, count: block.count, len }, block.seals))
    }
}

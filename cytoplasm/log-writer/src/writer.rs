//! The writer: one thread that makes blocks durable, in the order in which they were appended.
//!
//! All blocks that wait are written with one commit, one write, one fdatasync. An idle log
//! commits a block at once; while a commit is under way, what comes is gathered; and blocks for
//! which nobody waits are gathered a little longer. The queue is bounded: when the disk falls
//! behind, whoever appends waits. After the first failure nothing is written any more, but for
//! last words on a full disk.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use karyon_identity::SecretKey;
use karyon_log::limits::COMMIT_BYTES;
use karyon_log::{End, Lane, SegmentHeader};

use crate::block::Block;
use crate::committer::{Committer, is_full};
use crate::folder::Folder;
use crate::limits::{LINGER, LINGER_BYTES, QUEUE_BLOCKS, SEGMENT_BYTES, SPARE_BYTES};
use crate::status::{LogFailed, WriterStatus};
use crate::storage::Storage;

/// How a log is written. None of it changes what it says.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// A file ends once it has this many bytes.
    pub segment_bytes: u64,
    /// The size of the spare file.
    pub spare_bytes: u64,
    /// How long blocks for which nobody waits are gathered, behind the commit before or the start.
    pub linger: Duration,
    /// Whether record hashes are made by a thread of their own, while the log goes on.
    pub hash_in_background: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            segment_bytes: SEGMENT_BYTES,
            spare_bytes: SPARE_BYTES,
            linger: LINGER,
            hash_in_background: true,
        }
    }
}

/// The handle of the writer's thread, for any number of threads.
pub struct Writer {
    shared: Arc<Shared>,
    status: Arc<WriterStatus>,
    thread: Option<JoinHandle<End>>,
    /// Held by the one who speaks last words.
    speaking: Mutex<()>,
}

impl Writer {
    /// Writes behind `end` in a single storage. A tail that lies there is overwritten by the
    /// first commit, and what is left of it is cut right behind: so the commit that says so is
    /// durable before.
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
        Writer::spawn(Committer::single(storage, header, key, boot, &end), LINGER)
    }

    /// Writes behind `end` in a folder of segments, which a new log ([`End::of_new_log`]) begins.
    /// When a file is long enough, the log goes on in the next.
    ///
    /// # Errors
    /// [`StorageFull`](io::ErrorKind::StorageFull) when there is no room for a spare file;
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) when a new log finds another there;
    /// otherwise the system's.
    pub fn open(
        folder: Arc<dyn Folder>,
        header: &SegmentHeader,
        key: Arc<SecretKey>,
        boot: u32,
        end: &End,
        options: WriterOptions,
    ) -> io::Result<Writer> {
        let linger = options.linger;
        Writer::spawn(Committer::open(folder, header, key, boot, end, options)?, linger)
    }

    fn spawn(committer: Committer, linger: Duration) -> io::Result<Writer> {
        let shared = Arc::new(Shared::default());
        let status = Arc::clone(committer.status());
        let task = Task { committer, linger, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("log".into()).spawn(move || task.run())?;
        Ok(Writer { shared, status, thread: Some(thread), speaking: Mutex::new(()) })
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
        let mut queue = self.shared.lock();
        while queue.blocks.len() >= QUEUE_BLOCKS && !self.is_over(&queue) {
            queue = wait(&self.shared.room, queue);
        }
        if self.is_over(&queue) {
            return Err(self.failure());
        }
        self.status.waits(block.count);
        queue.bytes += block.body.len();
        queue.blocks.push(block);
        queue.appended += 1;
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Whether everything that was appended is durable.
    pub fn is_durable(&self) -> bool {
        let queue = self.shared.lock();
        queue.durable == queue.appended
    }

    /// Waits until everything that was appended is durable.
    ///
    /// # Errors
    /// The failure that stopped the writer.
    pub fn flush(&self) -> Result<(), LogFailed> {
        let mut queue = self.shared.lock();
        let target = queue.appended;
        queue.waiting += 1;
        self.shared.work.notify_one();
        while queue.durable < target && !self.is_over(&queue) {
            queue = wait(&self.shared.done, queue);
        }
        queue.waiting -= 1;
        if queue.durable < target { Err(self.failure()) } else { Ok(()) }
    }

    /// Makes a block of the control lane durable, also where the disk is full: for what must not
    /// be lost then, a revocation or a halt. Room for some is always kept.
    ///
    /// # Errors
    /// The failure that stopped the writer, should it be another than a full disk, or that no
    /// room is left.
    pub fn last_words(&self, block: Block) -> Result<(), LogFailed> {
        if block.lane != Lane::Control {
            let what = "last words are control records";
            return Err(LogFailed::from_io(&io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        let _one_at_a_time = self.speaking.lock().unwrap_or_else(PoisonError::into_inner);
        match self.append(block.clone()).and_then(|()| self.flush()) {
            Err(failed) if is_full(failed.kind) => {}
            other => return other,
        }
        let mut queue = self.shared.lock();
        queue.last_words = LastWords::Spoken(block);
        self.shared.work.notify_one();
        loop {
            match std::mem::take(&mut queue.last_words) {
                LastWords::Answered(answer) => return answer,
                LastWords::None | LastWords::Spoken(_) if queue.gone => return Err(self.failure()),
                unanswered => queue.last_words = unanswered,
            }
            queue = wait(&self.shared.done, queue);
        }
    }

    /// Flushes, gives reserved space back, and ends the thread; where the log ends now.
    ///
    /// # Errors
    /// The failure that stopped the writer.
    pub fn close(mut self) -> Result<End, LogFailed> {
        self.shared.close();
        let end = self.thread.take().map(JoinHandle::join);
        match (self.status.failure(), end) {
            (Some(failed), _) => Err(failed.clone()),
            (None, Some(Ok(end))) => Ok(end),
            (None, _) => Err(self.failure()),
        }
    }

    fn is_over(&self, queue: &Queue) -> bool {
        queue.gone || self.status.failure().is_some()
    }

    /// The task stores its failure before it tells that it is over.
    fn failure(&self) -> LogFailed {
        self.status.failure().cloned().unwrap_or_else(|| LogFailed {
            kind: io::ErrorKind::Other,
            message: "the writer's thread panicked".into(),
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// There may be something to do.
    work: Condvar,
    /// The queue is shorter.
    room: Condvar,
    /// Something was answered.
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    blocks: Vec<Block>,
    bytes: usize,
    /// Blocks that were ever appended, and those of them that are durable.
    appended: u64,
    durable: u64,
    /// How many wait for them.
    waiting: usize,
    last_words: LastWords,
    closing: bool,
    /// The thread has ended.
    gone: bool,
}

#[derive(Default)]
enum LastWords {
    #[default]
    None,
    Spoken(Block),
    Answered(Result<(), LogFailed>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Whoever panics does so outside; the queue is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closing = true;
        self.work.notify_one();
    }

    /// The blocks of the next commit; `None` when there will be none.
    fn next(&self, gathers_until: Instant) -> Option<Vec<Block>> {
        let mut queue = self.lock();
        loop {
            if queue.blocks.is_empty() {
                if queue.closing {
                    return None;
                }
                queue = wait(&self.work, queue);
                continue;
            }
            let left = gathers_until.saturating_duration_since(Instant::now());
            let is_idle = queue.waiting == 0 && queue.bytes < LINGER_BYTES && !queue.closing;
            if !is_idle || queue.blocks.len() >= QUEUE_BLOCKS || left.is_zero() {
                break;
            }
            queue = self.work.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let (mut bytes, mut count) = (0, 0);
        while let Some(block) = queue.blocks.get(count).filter(|_| bytes < COMMIT_BYTES) {
            (bytes, count) = (bytes + block.body.len(), count + 1);
        }
        let rest = queue.blocks.split_off(count);
        queue.bytes -= bytes;
        let blocks = std::mem::replace(&mut queue.blocks, rest);
        drop(queue);
        self.room.notify_all();
        Some(blocks)
    }
}

fn wait<'a>(condition: &Condvar, queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
    condition.wait(queue).unwrap_or_else(PoisonError::into_inner)
}

struct Task {
    committer: Committer,
    linger: Duration,
    shared: Arc<Shared>,
}

impl Task {
    fn run(mut self) -> End {
        // However the thread ends, nobody waits for it any more.
        let _gone = Gone(Arc::clone(&self.shared));
        let mut gathers_until = Instant::now() + self.linger;
        while let Some(blocks) = self.shared.next(gathers_until) {
            let count = blocks.len() as u64;
            let records = blocks.iter().map(|block| u64::from(block.count)).sum();
            let begun = Instant::now();
            let _commit = tracing::debug_span!("commit", blocks = count, records).entered();
            if let Err(error) = self.committer.commit(blocks) {
                self.committer.status().fail(&error);
                tracing::error!(%error, "the log cannot be written");
                if is_full(error.kind()) {
                    self.hear_last_words();
                }
                return self.committer.end().clone();
            }
            self.committer.status().committed(records, begun.elapsed());
            self.shared.lock().durable += count;
            self.shared.done.notify_all();
            gathers_until = Instant::now() + self.linger;
        }
        if let Err(error) = self.committer.finish() {
            self.committer.status().fail(&error);
        }
        self.committer.end().clone()
    }

    /// On a full disk: until one of them fails in another way, or the writer is closed.
    fn hear_last_words(&mut self) {
        let mut queue = self.shared.lock();
        queue.blocks.clear();
        self.shared.room.notify_all();
        self.shared.done.notify_all();
        while !queue.closing {
            match std::mem::take(&mut queue.last_words) {
                LastWords::Spoken(block) => {
                    let outcome = self.committer.last_words(block);
                    let goes_on = outcome.as_ref().map_or_else(|e| is_full(e.kind()), |()| true);
                    let answer = outcome.map_err(|error| LogFailed::from_io(&error));
                    queue.last_words = LastWords::Answered(answer);
                    self.shared.done.notify_all();
                    if !goes_on {
                        return;
                    }
                }
                other => queue.last_words = other,
            }
            queue = wait(&self.shared.work, queue);
        }
    }
}

/// Says that the thread has ended when it is dropped.
struct Gone(Arc<Shared>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.lock().gone = true;
        self.0.done.notify_all();
        self.0.room.notify_all();
    }
}

//! Signed checkpoints of a log, written while it grows.
//!
//! A checkpoint covers only what is durable. Beside the log it shows that nothing was cut off;
//! kept outside the data directory it shows that nothing was rewritten either, up to there. A
//! guardian keeps each where the node cannot write.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use karyon_guard::Guard;
use karyon_identity::SecretKey;
use karyon_log::origin;
use karyon_log_writer::WriterStatus;
use karyon_statements::Checkpoint;
use karyon_types::LogId;

use crate::datadir::{DataDir, replace_whole};
use crate::node::NodeError;

/// The longest that a log grows without a checkpoint: what a later forger of the log could change
/// unseen.
const INTERVAL: Duration = Duration::from_secs(5);

/// Writes the checkpoints of one log.
pub(crate) struct Checkpoints {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    log: LogId,
    key: Arc<SecretKey>,
    file: PathBuf,
    guard: Option<Arc<Guard>>,
    state: Mutex<State>,
    stop: Condvar,
}

#[derive(Default)]
struct State {
    /// Where each checkpoint is kept too.
    witness: Option<PathBuf>,
    stopped: bool,
}

impl Checkpoints {
    /// Begins with checkpoints of what `status` says is durable; without one, none is written but
    /// on demand.
    pub(crate) fn begin(
        log: LogId,
        key: Arc<SecretKey>,
        dir: &DataDir,
        status: Option<Arc<WriterStatus>>,
    ) -> Result<Checkpoints, NodeError> {
        let (state, stop) = (Mutex::default(), Condvar::new());
        let (file, guard) = (dir.checkpoint_file(), dir.guard().cloned());
        let shared = Arc::new(Shared { log, key, file: file.clone(), guard, state, stop });
        let thread = status.map(|status| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("checkpoints".into())
                .spawn(move || shared.run(&status))
        });
        let thread = thread.transpose().map_err(|source| NodeError::Io { path: file, source })?;
        Ok(Checkpoints { shared, thread })
    }

    pub(crate) fn witnessed_by(&self, file: PathBuf) {
        self.shared.lock().witness = Some(file);
    }

    /// Ends the thread: it writes nothing any more when this returns.
    pub(crate) fn stop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.stop.notify_all();
        match self.thread.take().map(JoinHandle::join) {
            // One that panicked has ended too; what it was to write is written on demand.
            None | Some(Ok(()) | Err(_)) => {}
        }
    }

    /// Signs that the log's tree has that size and root.
    pub(crate) fn write(&self, size: u64, root: [u8; 32]) -> Result<(), NodeError> {
        self.shared.write(size, root)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        // Without waiting: a node that is halted waits for no disk.
        self.shared.lock().stopped = true;
        self.shared.stop.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, status: &WriterStatus) {
        let mut written = 0;
        let mut state = self.lock();
        while !state.stopped {
            let waited = self.stop.wait_timeout_while(state, INTERVAL, |state| !state.stopped);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let (size, root) = status.durable();
            if state.stopped || size == written {
                continue;
            }
            drop(state);
            // One that cannot be written is tried again; the last one tells why.
            match self.write(size, root) {
                Ok(()) => written = size,
                Err(error) => tracing::warn!(%error, size, "a checkpoint cannot be written"),
            }
            state = self.lock();
        }
    }

    fn write(&self, size: u64, root: [u8; 32]) -> Result<(), NodeError> {
        let checkpoint = Checkpoint { origin: origin(self.log), size, root };
        let note = checkpoint.to_note(&self.key);
        let note = note.map_err(|error| NodeError::Sign(error.to_string()))?;
        let witness = self.lock().witness.clone();
        for file in [Some(&self.file), witness.as_ref()].into_iter().flatten() {
            replace_whole(file, note.as_bytes())?;
        }
        tracing::debug!(size, "a checkpoint is written");
        match &self.guard {
            Some(guard) => Ok(guard.checkpoint(&self.log.to_string(), &note)?),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_hold_what_was_signed() {
        let folder = tempfile::tempdir().unwrap();
        let key: Arc<SecretKey> = SecretKey::from_seed([7; 32]).unwrap().into();
        let dir = DataDir::create(&folder.path().join("data")).unwrap();
        dir.furnish().unwrap();
        let (beside, witness) = (dir.checkpoint_file(), folder.path().join("witness"));
        let log = LogId([3; 16]);
        let mut checkpoints =
            Checkpoints::begin(log, Arc::clone(&key), &dir, Some(Arc::default())).unwrap();
        checkpoints.witnessed_by(witness.clone());
        checkpoints.stop();
        checkpoints.write(4, [9; 32]).unwrap();
        for file in [beside, witness] {
            let text = std::fs::read_to_string(file).unwrap();
            let found = Checkpoint::parse_and_verify(&text, &key.public_key()).unwrap();
            assert_eq!((found.origin, found.size, found.root), (origin(log), 4, [9; 32]));
        }
    }
}

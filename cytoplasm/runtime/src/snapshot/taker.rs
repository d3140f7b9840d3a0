//! When a snapshot is due, and that it is kept beside the run rather than in its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use karyon_types::Tick;

use super::{Every, Keep, Snapshot, Snapshots};

/// Takes a run's snapshots.
pub(crate) struct Taker {
    every: Every,
    keep: Arc<dyn Keep>,
    last: Instant,
    /// The thread that keeps the last one.
    keeping: Option<JoinHandle<()>>,
    /// Whether it was told that one could not be taken or kept.
    told: Arc<AtomicBool>,
}

impl Taker {
    pub(crate) fn new(snapshots: Snapshots) -> Taker {
        let Snapshots { every, keep } = snapshots;
        Taker { every, keep, last: Instant::now(), keeping: None, told: Arc::default() }
    }

    /// Whether a snapshot is to be taken behind `tick`.
    pub(crate) fn is_due(&self, tick: Tick) -> bool {
        match self.every {
            Every::Ticks(each) => tick.0.is_multiple_of(each.max(1)),
            Every::Time(each) => {
                self.last.elapsed() >= each
                    && self.keeping.as_ref().is_none_or(JoinHandle::is_finished)
            }
        }
    }

    /// Keeps one, on a thread of its own.
    pub(crate) fn keep(&mut self, snapshot: Snapshot) {
        self.finish();
        let (keep, told) = (Arc::clone(&self.keep), Arc::clone(&self.told));
        let tick = snapshot.tick.0;
        let work = move || match keep.keep(&snapshot) {
            Ok(()) => tracing::debug!(tick, "a snapshot is kept"),
            Err(error) if told.swap(true, Ordering::Relaxed) => {
                tracing::debug!(%error, tick, "a snapshot cannot be kept");
            }
            Err(error) => tracing::warn!(
                %error, tick,
                "a snapshot cannot be kept; the run goes on, and a resume takes longer"
            ),
        };
        match std::thread::Builder::new().name("snapshot".into()).spawn(work) {
            Ok(thread) => self.keeping = Some(thread),
            Err(error) => tracing::warn!(%error, tick, "a snapshot cannot be kept: no thread"),
        }
        self.last = Instant::now();
    }

    /// None can be taken behind `tick`: the next try is when the next one is due.
    pub(crate) fn pass_over(&mut self, tick: Tick) {
        let tick = tick.0;
        match self.told.swap(true, Ordering::Relaxed) {
            true => tracing::debug!(tick, "no snapshot can be taken"),
            false => tracing::warn!(
                tick,
                "no snapshot can be taken now: agents have names, or children are on their way; a \
                 resume from here takes longer"
            ),
        }
        self.last = Instant::now();
    }

    /// Waits until what was taken is kept.
    fn finish(&mut self) {
        if let Some(thread) = self.keeping.take() {
            // If it panicked, the hook has said so, and there is one snapshot less.
            drop(thread.join());
        }
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.finish();
    }
}

//! What the schedulers of a free-running run share while an epoch goes on: what they hand over to
//! each other, the records in the order in which they became visible, and when the epoch is over.
//!
//! **How its end is found.** `busy` counts tokens: one for each scheduler that runs, and one for
//! each inbox that holds something. Only a scheduler that runs puts something into an inbox, and it
//! takes the inbox' token before anything lies in it; whoever empties an inbox gives that token
//! back, and runs while it does so. A scheduler that has nothing to do gives its own token back. So
//! as long as anybody can still do something the count is above zero, and whoever brings it to zero
//! gave back the last one: nobody runs, no inbox holds anything, and nothing can come of it. That
//! scheduler ends the epoch.
//!
//! **No wake-up is lost.** A scheduler goes to sleep under the lock of its inbox, having seen under
//! that lock that it is empty and that the epoch goes on. Who fills the inbox does so under the same
//! lock, and who ends the epoch takes it once after having said so: either comes before the look or
//! finds the sleeper.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::bonds::BondChange;
use crate::engine::lock;
use crate::scheduler::{Envelope, TickOutcome};

/// Looks into the inbox before a scheduler sleeps: a few microseconds, about what waking costs. Only
/// where each scheduler has a core of its own.
const SPINS: u32 = 2_000;
/// Records of an epoch, behind which it ends: bounds what waits to be written, and is some blocks.
const EPOCH_BYTES: usize = 1 << 20;

/// What was handed over to one scheduler.
#[derive(Default)]
struct Inbox {
    letters: Mutex<Vec<Envelope>>,
    /// Whether there are any, for whoever looks in passing.
    filled: AtomicBool,
    wake: Condvar,
}

/// The epoch's records in the order in which they became visible, and what became of bonds in it.
#[derive(Default)]
pub(crate) struct Sequence {
    pub(crate) records: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) bonds: Vec<BondChange>,
}

pub(crate) struct Epoch {
    inboxes: Vec<Inbox>,
    /// See above.
    busy: AtomicUsize,
    over: AtomicBool,
    sequence: Mutex<Sequence>,
    spins: u32,
    since: Instant,
    /// When it ends at the latest, nanoseconds after `since`.
    until: AtomicU64,
}

impl Epoch {
    pub(crate) fn new(schedulers: usize) -> Epoch {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Epoch {
            inboxes: (0..schedulers).map(|_| Inbox::default()).collect(),
            busy: AtomicUsize::new(0),
            over: AtomicBool::new(true),
            sequence: Mutex::default(),
            spins: if schedulers <= cores { SPINS } else { 0 },
            since: Instant::now(),
            until: AtomicU64::new(0),
        }
    }

    /// An epoch begins that lasts so long at most; `None`: as long as there is something to do. All
    /// schedulers wait, and all run from now on.
    pub(crate) fn begin(&self, most: Option<Duration>) {
        let until = most.map_or(u64::MAX, |most| nanos(self.since.elapsed() + most));
        self.until.store(until, Ordering::Relaxed);
        let filled = self.inboxes.iter().filter(|inbox| inbox.filled.load(Ordering::Relaxed));
        self.busy.store(self.inboxes.len() + filled.count(), Ordering::SeqCst);
        self.over.store(false, Ordering::SeqCst);
    }

    /// Whether the epoch is over.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends the epoch, if it is time.
    pub(crate) fn look_at_the_clock(&self) {
        let until = self.until.load(Ordering::Relaxed);
        if until != u64::MAX && nanos(self.since.elapsed()) >= until {
            self.end();
        }
    }

    /// Ends the epoch: each scheduler stops behind what it is about.
    pub(crate) fn end(&self) {
        if !self.over.swap(true, Ordering::SeqCst) {
            for inbox in &self.inboxes {
                drop(lock(&inbox.letters));
                inbox.wake.notify_all();
            }
        }
    }

    /// Makes a scheduler's records visible: those in `outcome` come next.
    pub(crate) fn record(&self, outcome: &mut TickOutcome) {
        if outcome.count == 0 && outcome.bonds.is_empty() {
            return;
        }
        let mut sequence = lock(&self.sequence);
        sequence.records.extend_from_slice(&outcome.records);
        sequence.count += outcome.count;
        sequence.bonds.append(&mut outcome.bonds);
        outcome.records.clear();
        outcome.count = 0;
        if sequence.records.len() >= EPOCH_BYTES {
            drop(sequence);
            self.end();
        }
    }

    /// What was recorded in the epoch, which is over.
    pub(crate) fn take_sequence(&self) -> Sequence {
        std::mem::take(&mut *lock(&self.sequence))
    }

    /// Hands letters over to a scheduler, in their order. What their sender recorded before is
    /// visible already.
    pub(crate) fn hand_over(&self, to: usize, letters: &mut Vec<Envelope>) {
        let Some(inbox) = self.inboxes.get(to) else { return };
        let mut lying = lock(&inbox.letters);
        if lying.is_empty() {
            self.busy.fetch_add(1, Ordering::SeqCst);
            std::mem::swap(&mut *lying, letters);
            inbox.filled.store(true, Ordering::SeqCst);
            drop(lying);
            inbox.wake.notify_one();
        } else {
            lying.append(letters);
        }
    }

    /// Takes what was handed over to a scheduler that runs, into `letters`, which are none.
    pub(crate) fn take(&self, number: usize, letters: &mut Vec<Envelope>) {
        let Some(inbox) = self.inboxes.get(number) else { return };
        if !inbox.filled.load(Ordering::SeqCst) {
            return;
        }
        let mut lying = lock(&inbox.letters);
        if !lying.is_empty() {
            std::mem::swap(&mut *lying, letters);
            inbox.filled.store(false, Ordering::SeqCst);
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// A scheduler has nothing to do: waits until it has, or until the epoch is over, which is
    /// `false`.
    pub(crate) fn wait(&self, number: usize) -> bool {
        let Some(inbox) = self.inboxes.get(number) else { return false };
        if self.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.end();
            return false;
        }
        for _ in 0..self.spins {
            if inbox.filled.load(Ordering::SeqCst) || self.is_over() {
                break;
            }
            std::hint::spin_loop();
        }
        let mut lying = lock(&inbox.letters);
        while lying.is_empty() && !self.is_over() {
            lying = inbox.wake.wait(lying).unwrap_or_else(PoisonError::into_inner);
        }
        if lying.is_empty() || self.is_over() {
            return false;
        }
        // The inbox' own token keeps the count above zero meanwhile.
        self.busy.fetch_add(1, Ordering::SeqCst);
        true
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

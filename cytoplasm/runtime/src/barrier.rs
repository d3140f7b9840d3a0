//! The barrier between ticks: spin a little, then park.
//!
//! The last thread to arrive runs the serial part of the tick before it lets the others go.
//! When a thread dies the barrier is poisoned, and nobody waits for it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Turns of the waiting loop before a thread parks: a few microseconds, about what parking and
/// waking cost. Only where each thread has a core of its own.
const SPINS: u32 = 4_000;

/// A thread died; the run cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poisoned;

/// A reusable barrier for a fixed number of threads.
pub struct Barrier {
    parties: usize,
    spins: u32,
    arrived: AtomicUsize,
    round: AtomicU32,
    poisoned: AtomicBool,
    parked: Mutex<usize>,
    wake: Condvar,
}

impl Barrier {
    /// A barrier for `parties` threads.
    pub fn new(parties: usize) -> Barrier {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Barrier {
            parties,
            spins: if parties <= cores { SPINS } else { 0 },
            arrived: AtomicUsize::new(0),
            round: AtomicU32::new(0),
            poisoned: AtomicBool::new(false),
            parked: Mutex::new(0),
            wake: Condvar::new(),
        }
    }

    /// Waits for all threads; the last one runs `serial` before the others go on.
    ///
    /// # Errors
    /// [`Poisoned`] when a thread died.
    pub fn wait(&self, serial: impl FnOnce()) -> Result<(), Poisoned> {
        let serial = || {
            serial();
            Ok::<(), std::convert::Infallible>(())
        };
        match self.wait_unless(serial) {
            Ok(waited) => waited,
            Err(never) => match never {},
        }
    }

    /// As [`Barrier::wait`], but if `serial` fails the others go on waiting, until somebody
    /// [releases](Barrier::release) them.
    pub(crate) fn wait_unless<E>(
        &self,
        serial: impl FnOnce() -> Result<(), E>,
    ) -> Result<Result<(), Poisoned>, E> {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.parties {
            serial()?;
            self.release();
        } else {
            self.wait_for_round_after(round);
        }
        Ok(if self.poisoned.load(Ordering::Acquire) { Err(Poisoned) } else { Ok(()) })
    }

    /// Ends a round in which all have arrived.
    pub(crate) fn release(&self) {
        let round = self.round.load(Ordering::Acquire);
        self.arrived.store(0, Ordering::Relaxed);
        self.round.store(round.wrapping_add(1), Ordering::SeqCst);
        self.wake_parked();
    }

    /// Lets everybody go, now and later, with an error.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
        self.wake_parked();
    }

    fn open(&self, round: u32) -> bool {
        self.round.load(Ordering::SeqCst) != round || self.poisoned.load(Ordering::SeqCst)
    }

    fn wait_for_round_after(&self, round: u32) {
        for _ in 0..self.spins {
            if self.open(round) {
                return;
            }
            std::hint::spin_loop();
        }
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        *parked += 1;
        while !self.open(round) {
            parked = self.wake.wait(parked).unwrap_or_else(PoisonError::into_inner);
        }
        *parked -= 1;
    }

    fn wake_parked(&self) {
        // Taking the lock orders this after the check of whoever is about to park.
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if *parked > 0 {
            self.wake.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_serial_part_runs_once_a_round_with_all_threads_waiting() {
        for threads in [1, 2, 5] {
            let barrier = Arc::new(Barrier::new(threads));
            let inside = Arc::new(AtomicUsize::new(0));
            let serials = Arc::new(AtomicUsize::new(0));
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    let (barrier, inside, serials) =
                        (Arc::clone(&barrier), Arc::clone(&inside), Arc::clone(&serials));
                    std::thread::spawn(move || {
                        for round in 0..2_000 {
                            inside.fetch_add(1, Ordering::SeqCst);
                            barrier
                                .wait(|| {
                                    assert_eq!(inside.swap(0, Ordering::SeqCst), threads);
                                    assert_eq!(serials.fetch_add(1, Ordering::SeqCst), round);
                                })
                                .unwrap();
                        }
                    })
                })
                .collect();
            workers.into_iter().for_each(|w| w.join().unwrap());
            assert_eq!(serials.load(Ordering::SeqCst), 2_000);
        }
    }

    #[test]
    fn poison_frees_those_who_wait() {
        let barrier = Arc::new(Barrier::new(2));
        let waiting = {
            let barrier = Arc::clone(&barrier);
            std::thread::spawn(move || barrier.wait(|| ()))
        };
        barrier.poison();
        assert_eq!(waiting.join().unwrap(), Err(Poisoned));
        assert_eq!(barrier.wait(|| ()), Err(Poisoned));
    }
}

//! How much memory agents take that have nothing to do.

use std::fs::read_to_string;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use karyon_runtime::{Batch, InputSource};
use karyon_types::Tick;

use crate::governed::{Hopper, LogPlace, Run};
use crate::hop::{Pattern, Traffic};
use crate::rivals::{Engine, Rival};

/// When it is looked: what was needed to make the agents is given back by then.
const LOOKS_AT: Tick = Tick(10);
/// How long it is waited before, for the allocator to give back what is not used.
const REST: Duration = Duration::from_millis(300);

/// Bytes of this process that are in memory.
pub fn resident_bytes() -> u64 {
    let status = read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib << 10
}

/// Looks once, and releases nothing.
#[derive(Default)]
struct Look(AtomicU64);

impl InputSource for Look {
    fn released(&self, tick: Tick) -> Batch<'_> {
        if tick == LOOKS_AT {
            sleep(REST);
            self.0.store(resident_bytes(), Ordering::Relaxed);
        }
        Batch::default()
    }

    fn payload(&self, _: u32, _: &mut Vec<u8>) {}

    fn ends(&self) -> Tick {
        Tick(LOOKS_AT.0 + 1)
    }
}

/// Bytes that `agents` agents take while a run goes on in which nothing happens to them: their
/// states, leases, names and what supervises them, and all that a run has once. The log is in files.
pub fn governed(agents: u64, schedulers: usize, folder: &str) -> u64 {
    let look = Arc::new(Look::default());
    let before = resident_bytes();
    let init = move |_| Hopper::<false>::new(agents, Pattern::Random);
    let inputs = Arc::<Look>::clone(&look);
    let run = Run::new(agents, init, inputs, schedulers, LogPlace::Durable, folder);
    let done = run.go();
    assert_eq!(done.ticks, LOOKS_AT.0 + 1);
    look.0.load(Ordering::Relaxed).saturating_sub(before)
}

/// The same on another engine; the vector by which they find each other included.
pub fn ungoverned<E: Engine>(agents: u64, workers: usize) -> u64 {
    let before = resident_bytes();
    let rival = Rival::<E>::new(Traffic::random(agents, 0), workers).spawn();
    sleep(REST);
    let after = resident_bytes();
    drop(rival);
    after.saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::Channels;

    #[test]
    fn memory_is_found_where_agents_are() {
        let below = std::env::temp_dir();
        let found = governed(200_000, 1, below.to_str().unwrap());
        // An agent has at least its state, and its lease in a slot of 64 bytes.
        assert!((20_000_000..400_000_000).contains(&found), "{found}");
        let found = ungoverned::<Channels>(50_000, 1);
        assert!((5_000_000..200_000_000).contains(&found), "{found}");
    }
}

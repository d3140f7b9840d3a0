//! That agents run, as the guardian hears it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use karyon_guard::Guard;

/// While it lives the guardian is told that agents run, however the run ends.
pub(super) struct Stepping {
    pub(super) guard: Option<Arc<Guard>>,
}

impl Stepping {
    pub(super) fn begin(guard: Option<Arc<Guard>>) -> Stepping {
        let stepping = Stepping { guard };
        stepping.tell(true);
        stepping
    }

    fn tell(&self, is_so: bool) {
        if let Some(guard) = &self.guard {
            guard.counters().stepping.store(is_so, Ordering::Relaxed);
        }
    }
}

impl Drop for Stepping {
    fn drop(&mut self) {
        self.tell(false);
    }
}

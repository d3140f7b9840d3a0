//! Keeps the panics of agents quiet: thousands may crash, and each is in the log.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Mutex, Once, PoisonError};

thread_local! {
    static IN_STEP: Cell<bool> = const { Cell::new(false) };
    static NOTED: Cell<bool> = const { Cell::new(false) };
}

/// The words of the first crash, for the summary.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// While it lives, panics of this thread are an agent's.
pub(crate) struct Quiet;

/// Begins a step.
#[inline]
pub(crate) fn quiet() -> Quiet {
    IN_STEP.set(true);
    Quiet
}

impl Drop for Quiet {
    #[inline]
    fn drop(&mut self) {
        IN_STEP.set(false);
    }
}

/// Makes an agent, quietly if that panics; `None` then.
pub(crate) fn caught<T>(make: impl FnOnce() -> T) -> Option<T> {
    let quiet = quiet();
    let made = panic::catch_unwind(AssertUnwindSafe(make));
    drop(quiet);
    made.ok()
}

/// Keeps `words` if nothing was kept yet. At most one lock a thread.
pub(crate) fn note(words: &str) {
    if !NOTED.replace(true) {
        tracing::warn!(words, "an agent panicked, the first on this thread");
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| words.into());
    }
}

/// What the first crashed agent of this process said; not part of any record.
pub fn first_crash() -> Option<String> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Puts a hook before the one in force, once a process: it keeps silent inside a step.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            if IN_STEP.get() { note(&info.to_string()) } else { before(info) }
        }));
    });
}

//! Ctrl-C and SIGTERM end runs on data directories in good order.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static LISTENING: Mutex<Option<Listening>> = Mutex::new(None);

/// What this process hears, from its first run on.
struct Listening {
    /// The signal that came; 0: none.
    number: Arc<AtomicUsize>,
    /// While no run is there a signal does what it does in any program.
    nobody_runs: Arc<AtomicBool>,
    runs: usize,
}

/// While this lives, a signal ends a run.
pub(crate) struct Heard;

fn listening() -> MutexGuard<'static, Option<Listening>> {
    LISTENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens from now on; where the number of a signal will stand.
pub(crate) fn hear() -> io::Result<(Heard, Arc<AtomicUsize>)> {
    let mut listening = listening();
    if listening.is_none() {
        let (number, nobody_runs) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&nobody_runs))?;
            flag::register_usize(signal, Arc::clone(&number), signal as usize)?;
        }
        *listening = Some(Listening { number, nobody_runs, runs: 0 });
    }
    let Some(all) = listening.as_mut() else { return Err(io::ErrorKind::Other.into()) };
    if all.runs == 0 {
        all.number.store(0, Ordering::Relaxed);
    }
    all.runs += 1;
    all.nobody_runs.store(false, Ordering::SeqCst);
    Ok((Heard, Arc::clone(&all.number)))
}

impl Drop for Heard {
    fn drop(&mut self) {
        if let Some(all) = listening().as_mut() {
            all.runs -= 1;
            all.nobody_runs.store(all.runs == 0, Ordering::SeqCst);
        }
    }
}

//! Ctrl-C and SIGTERM: the first asks the run to end in good order, the second ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::CliError;

/// Where the number of the first signal will stand; 0: none came.
pub(crate) fn listen() -> Result<Arc<AtomicUsize>, CliError> {
    let number = Arc::new(AtomicUsize::new(0));
    let came = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second of two signals finds the mark of the first.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came))
            .and_then(|_| flag::register(signal, Arc::clone(&came)))
            .and_then(|_| flag::register_usize(signal, Arc::clone(&number), signal as usize))
            .map_err(|error| {
                CliError::failure(format!("signals cannot be listened to: {error}"))
            })?;
    }
    Ok(number)
}

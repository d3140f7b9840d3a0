//! Ctrl-C and SIGTERM ask the run to end in good order; a second one changes nothing.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::CliError;

/// Where the number of the last signal will stand; 0: none came.
pub(crate) fn listen() -> Result<Arc<AtomicUsize>, CliError> {
    let number = Arc::new(AtomicUsize::new(0));
    for signal in [SIGINT, SIGTERM] {
        flag::register_usize(signal, Arc::clone(&number), signal as usize).map_err(|error| {
            CliError::failure(format!("signals cannot be listened to: {error}"))
        })?;
    }
    Ok(number)
}

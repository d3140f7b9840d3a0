//! The progress bar: on a terminal only, never in a pipe.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use karyon_runtime::Progress;

use crate::output;

/// How often the bar is drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// Shows how far a run has come, until it is dropped.
pub(crate) struct Bar {
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Shows `progress` towards `inputs` released inputs.
pub(crate) fn show(progress: Arc<Progress>, inputs: u64) -> Bar {
    if !std::io::stderr().is_terminal() {
        return Bar { shown: None };
    }
    let bar = ProgressBar::new(inputs);
    let template = "{bar:32} {percent:>3} %  {pos} of {len} contacts  {per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let (end, ended) = channel();
    let thread = std::thread::spawn(move || {
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
            bar.set_position(progress.inputs.load(Ordering::Relaxed));
        }
        bar.finish_and_clear();
    });
    Bar { shown: Some((end, thread)) }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.shown.take() {
            drop(end);
            if thread.join().is_err() {
                output::note("the progress bar failed; the run did not");
            }
        }
    }
}

/// Shows that the log is being read, until it is dropped; on a terminal only.
pub(crate) struct Spinner(Option<ProgressBar>);

/// Begins to show it.
pub(crate) fn reading() -> Spinner {
    if !std::io::stderr().is_terminal() {
        return Spinner(None);
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} reading the log: {pos} records") {
        bar.set_style(style);
    }
    Spinner(Some(bar))
}

impl Spinner {
    /// How many records were read.
    pub(crate) fn set(&self, records: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(records);
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

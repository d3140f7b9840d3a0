//! How far a run has come: a bar on a terminal, never in a pipe; and in both that it waits.

use std::io::IsTerminal as _;
use std::path::Path;
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

const RUNS: &str = "{bar:32} {percent:>3} %  {pos} of {len} contacts  {per_sec}  {eta} left";
const WAITS: &str = "{bar:32} {percent:>3} %  {pos} of {len} contacts  waits for agent {msg}";

/// Shows `progress` of the run in `data` towards `inputs` released inputs; and that it waits for
/// somebody's order, wherever that is read.
pub(crate) fn show(progress: Arc<Progress>, inputs: u64, data: &Path) -> Bar {
    let shown = data.display().to_string();
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(inputs),
        false => ProgressBar::hidden(),
    };
    set_style(&bar, RUNS);
    let (end, ended) = channel();
    let thread = std::thread::spawn(move || {
        let mut waits_for = 0;
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
            bar.set_position(progress.inputs.load(Ordering::Relaxed));
            let agent = progress.waiting.load(Ordering::Relaxed);
            if agent == waits_for {
                continue;
            }
            waits_for = agent;
            set_style(&bar, if agent == 0 { RUNS } else { WAITS });
            bar.set_message(agent.to_string());
            if agent != 0 {
                bar.suspend(|| output::note(&waiting(agent, &shown)));
            }
        }
        bar.finish_and_clear();
    });
    Bar { shown: Some((end, thread)) }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

fn waiting(agent: u64, data: &str) -> String {
    format!(
        "the run waits: agent {agent} is paused, and what is to come waits for it
  hint: `karyon resume {agent} --data {data}`; `karyon ps --status paused --data {data}` lists \
         all that are paused; Ctrl-C ends the run, and it can be resumed"
    )
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

/// Begins to show how many of `bytes` are done; 0: nobody knows how many there are.
pub(crate) fn bytes(what: &'static str, bytes: u64) -> Spinner {
    if !std::io::stderr().is_terminal() {
        return Spinner(None);
    }
    let (bar, style) = match bytes {
        0 => (ProgressBar::new_spinner(), "{spinner} {msg}: {bytes}, {bytes_per_sec}"),
        _ => (ProgressBar::new(bytes), "{msg} {bar:32} {percent:>3} %  {bytes}  {eta} left"),
    };
    set_style(&bar, style);
    bar.set_message(what);
    Spinner(Some(bar))
}

/// Begins to show how many of so many are done.
pub(crate) fn count(what: &'static str, of: u64) -> Spinner {
    if !std::io::stderr().is_terminal() {
        return Spinner(None);
    }
    let bar = ProgressBar::new(of);
    set_style(&bar, "{bar:32} {percent:>3} %  {pos} of {len} {msg}  {elapsed}  {eta} left");
    bar.set_message(what);
    Spinner(Some(bar))
}

impl Spinner {
    /// How many are done.
    pub(crate) fn set(&self, done: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
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

/// Shows the tick of a run of which nobody knows how long it is, until it is dropped.
pub(crate) fn show_ticks(progress: Arc<Progress>, data: &Path) -> Bar {
    let shown = data.display().to_string();
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    };
    set_style(&bar, "{spinner} tick {pos}, {msg} messages, {elapsed}");
    let (end, ended) = channel();
    let thread = std::thread::spawn(move || {
        let mut waits_for = 0;
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(EVERY) {
            bar.set_position(progress.tick.load(Ordering::Relaxed));
            let messages = progress.messages.load(Ordering::Relaxed);
            bar.set_message(output::thousands(messages));
            let agent = progress.waiting.load(Ordering::Relaxed);
            if agent != std::mem::replace(&mut waits_for, agent) && agent != 0 {
                bar.suspend(|| output::note(&waiting(agent, &shown)));
            }
        }
        bar.finish_and_clear();
    });
    Bar { shown: Some((end, thread)) }
}

//! The runtime's side of the link to its guardian.
//!
//! Heartbeats go both ways. A runtime that no longer hears its guardian ends itself; it would be
//! ended in any case, by the first process of its namespace.

mod frame;
pub mod inherit;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::time::Timespec;

use karyon_guardian::Silence;
pub use karyon_guardian::{
    End, Event, FromGuardian, FromRuntime, LINK, MAX_FRAME_BYTES, PROTOCOL, Terms,
};

/// How long a runtime that was started by a guardian waits for its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// The exit code of a runtime that lost its guardian: halted.
const LOST: i32 = 4;

/// What a runtime tells of itself with each beat. Cooperative: it could lie.
#[derive(Debug, Default)]
pub struct Counters {
    /// Whether agents run just now, so that ticks must go on.
    pub stepping: AtomicBool,
    /// Ticks or turns so far.
    pub ticks: AtomicU64,
    /// Crashes of agents so far.
    pub crashes: AtomicU64,
}

/// Why the guardian was not reached.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The link is no link, or was closed.
    #[error("the guardian does not answer: {why}")]
    Lost {
        /// What the system said, or what was missing.
        why: String,
    },
    /// The other side is of another version.
    #[error("the guardian is of another version: install both programs from one build")]
    Protocol,
    /// A message is longer than one may be.
    #[error("a word to the guardian is longer than {MAX_FRAME_BYTES} bytes")]
    TooLong,
}

fn lost(why: impl ToString) -> LinkError {
    LinkError::Lost { why: why.to_string() }
}

/// A live guardian.
pub struct Guard {
    terms: Terms,
    shared: Arc<Shared>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("terms", &self.terms).finish_non_exhaustive()
    }
}

struct Shared {
    socket: OwnedFd,
    counters: Counters,
    limit: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The number of the last question.
    asked: u64,
    /// The number of the last answer.
    answered: u64,
    /// By the clock: who asks before an effect wants to know how fresh the word is.
    heard: Instant,
    lost: bool,
    /// Nobody holds the [`Guard`] any more.
    dropped: bool,
}

impl Guard {
    /// The guardian that started this process; `None` when none did. From then on the process
    /// ends by itself when it no longer hears its guardian. Once a process.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn attach(version: &str) -> Result<Option<Guard>, LinkError> {
        let Some(socket) = inherit::take(LINK).map_err(lost)? else { return Ok(None) };
        // What the runtime starts runs as the same user, and must not take the link from it.
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(lost)?;
        // It was started by a descriptor's number, which is no name to find it by.
        let program = std::env::args().next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        let name = std::ffi::CString::new(name).map_err(lost)?;
        rustix::thread::set_name(&name).map_err(lost)?;
        Guard::begin(socket, version, || karyon_guardian::exit_now(LOST)).map(Some)
    }

    /// A guardian at the other end of a socket of packets: for tests that play one.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn over(socket: OwnedFd, version: &str) -> Result<Guard, LinkError> {
        Guard::begin(socket, version, || ())
    }

    fn begin(
        socket: OwnedFd,
        version: &str,
        on_loss: impl FnOnce() + Send + 'static,
    ) -> Result<Guard, LinkError> {
        let hello = FromRuntime::Hello(PROTOCOL, version.into());
        say(&socket, &hello, FIRST_ANSWER)?;
        let begun = Instant::now();
        let terms = loop {
            let left = FIRST_ANSWER.checked_sub(begun.elapsed()).ok_or(lost("no first answer"))?;
            match hear(&socket, left)? {
                Some(FromGuardian::Terms(terms)) => break terms,
                Some(FromGuardian::Beat | FromGuardian::Done(_)) | None => {}
            }
        };
        let (beat, limit) = (terms.heartbeat_ms, terms.heartbeat_limit_ms);
        let state =
            State { asked: 0, answered: 0, heard: Instant::now(), lost: false, dropped: false };
        let shared = Arc::new(Shared {
            socket,
            counters: Counters::default(),
            limit: Duration::from_millis(limit),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let beating = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("guardian link".into())
            .spawn(move || {
                if !beating.run(Duration::from_millis(beat)) {
                    on_loss();
                }
            })
            .map_err(lost)?;
        Ok(Guard { terms, shared })
    }

    /// Under what this runtime runs.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether the guardian was heard within its limit.
    pub fn is_live(&self) -> bool {
        let state = self.shared.lock();
        !state.lost && state.heard.elapsed() <= self.shared.limit
    }

    /// What goes out with each beat.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Before anything of a log is written: from here on only an end in good order is a clean one.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn begin_log(&self, log: &str) -> Result<(), LinkError> {
        self.shared.say(&FromRuntime::Begin(log.into()))
    }

    /// Tells what is counted, and waits until it is: then it may become real.
    ///
    /// # Errors
    /// [`LinkError`]: it must not become real.
    pub fn report(&self, event: Event, lease: u64, text: &str) -> Result<(), LinkError> {
        let text: String = text.chars().take(MAX_FRAME_BYTES / 16).collect();
        self.shared.ask(|number| FromRuntime::Event(number, event, lease, text))
    }

    /// Gives the newest checkpoint of the log into the guardian's keeping.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn checkpoint(&self, log: &str, note: &str) -> Result<(), LinkError> {
        self.shared.say(&FromRuntime::Checkpoint(log.into(), note.into()))
    }

    /// The log holds the reasons of the resumes up to this one: they need not wait any more.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn resumes_recorded(&self, n: u64) -> Result<(), LinkError> {
        self.shared.say(&FromRuntime::ResumesRecorded(n))
    }

    /// The last word: how this node ended. Nothing is written behind it.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn end(&self, end: End) -> Result<(), LinkError> {
        let end = match end {
            End::Clean => End::Clean,
            End::Halted(why) => End::Halted(why.chars().take(MAX_FRAME_BYTES / 16).collect()),
        };
        self.shared.ask(|number| FromRuntime::End(number, end))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().dropped = true;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, said: &FromRuntime) -> Result<(), LinkError> {
        say(&self.socket, said, self.limit)
    }

    fn ask(&self, question: impl FnOnce(u64) -> FromRuntime) -> Result<(), LinkError> {
        // Held while it is sent, so that numbers go out in their order.
        let mut state = self.lock();
        state.asked += 1;
        let number = state.asked;
        if let Err(error) = self.say(&question(number)) {
            state.lost |= matches!(error, LinkError::Lost { .. });
            return Err(error);
        }
        while state.answered < number {
            if state.lost {
                return Err(lost("it was not heard within its limit"));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Beats and listens. False: the guardian was lost.
    fn run(&self, every: Duration) -> bool {
        let mut beaten: Option<Instant> = None;
        let mut silence = Silence::new(self.limit);
        loop {
            if beaten.is_none_or(|at| at.elapsed() >= every) {
                beaten = Some(Instant::now());
                let Counters { stepping, ticks, crashes } = &self.counters;
                let beat = FromRuntime::Beat(
                    stepping.load(Ordering::Relaxed),
                    ticks.load(Ordering::Relaxed),
                    crashes.load(Ordering::Relaxed),
                );
                // One that finds no room is not missed: the guardian has others to read.
                match say(&self.socket, &beat, Duration::ZERO) {
                    Ok(()) | Err(_) => {}
                }
            }
            let heard = hear(&self.socket, every / 2);
            let mut state = self.lock();
            match heard {
                Ok(Some(FromGuardian::Done(number))) => state.answered = number,
                Ok(Some(FromGuardian::Beat | FromGuardian::Terms(_))) => {}
                Ok(None) if !silence.is_too_long() => {
                    if state.dropped {
                        return true;
                    }
                    continue;
                }
                Ok(None) | Err(_) => {
                    state.lost = true;
                    self.changed.notify_all();
                    return false;
                }
            }
            silence.end();
            state.heard = Instant::now();
            self.changed.notify_all();
        }
    }
}

/// Sends a packet, waiting at most so long for room.
fn say(socket: &OwnedFd, said: &FromRuntime, patience: Duration) -> Result<(), LinkError> {
    let packet = frame::encode(said);
    if packet.len() > MAX_FRAME_BYTES {
        return Err(LinkError::TooLong);
    }
    loop {
        match send(socket, packet.as_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::AGAIN) if !patience.is_zero() => {
                if !ready(socket, PollFlags::OUT, patience)? {
                    return Err(lost("it reads nothing"));
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(lost(errno)),
        }
    }
}

/// The next packet; `None`: none came in time.
fn hear(socket: &OwnedFd, patience: Duration) -> Result<Option<FromGuardian>, LinkError> {
    if !ready(socket, PollFlags::IN, patience)? {
        return Ok(None);
    }
    let mut packet = [0; MAX_FRAME_BYTES];
    match recv(socket, &mut packet, RecvFlags::DONTWAIT) {
        Ok((0, _)) => Err(lost("it closed the link")),
        Ok((length, _)) => {
            let packet = packet.get(..length).unwrap_or_default();
            frame::decode(packet).ok_or(LinkError::Protocol).map(Some)
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(lost(errno)),
    }
}

fn ready(socket: &OwnedFd, what: PollFlags, patience: Duration) -> Result<bool, LinkError> {
    let timeout = Timespec::try_from(patience).map_err(lost)?;
    match poll(&mut [PollFd::new(socket, what)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(lost(errno)),
    }
}

#[cfg(test)]
mod tests;

//! The watchdog: names a step that does not return, and takes its scheduler out of the run.
//!
//! A thread cannot be ended from outside. So the share of the tick that it runs is declared void,
//! by one word that only one side can win; another thread takes its place at the barrier; and
//! should the step ever return, its thread finds that it was dismissed and touches nothing more.
//! The agents of the share are lost, and the log says so.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karyon_log::{Cause, Message};
use karyon_types::{AgentId, Tick};

use crate::bonds::Signal;
use crate::engine::lock;
use crate::scheduler::Envelope;
use crate::terms::Counts;

/// The usual [`Watch::limit`]: far longer than a step takes, and a third of what the guardian
/// bears without a tick (`stalled_step_s`), so that two in one tick are given up before it halts.
pub const STEP_LIMIT: Duration = Duration::from_secs(10);

/// How steps are watched.
#[derive(Clone)]
pub struct Watch {
    /// A step that takes longer is given up, with all agents of its scheduler.
    pub limit: Duration,
    /// Hears of each such step, once.
    pub told: Arc<dyn Fn(&Stuck) + Send + Sync>,
}

/// Ranges of lost agents that a sentence names: as many as one reads.
const RANGES_SHOWN: usize = 3;

/// A step that did not return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Whose step.
    pub agent: AgentId,
    /// Its name.
    pub name: String,
    /// Its kind's name.
    pub kind: &'static str,
    /// What it handles.
    pub cause: Cause,
    /// When.
    pub tick: Tick,
    /// How long it was watched without coming back.
    pub after: Duration,
    /// The agents that are lost with it: first and last of each range.
    pub lost: Vec<(AgentId, AgentId)>,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stuck { agent, name, kind, tick, .. } = self;
        let (what, message) = match self.cause {
            Cause::Input(index) => (format!("input {index}"), None),
            Cause::Message(message) => ("message".to_owned(), Some(message)),
            Cause::Denial(message) => ("news of its wish".to_owned(), Some(message)),
            Cause::Timer(message) => ("timer".to_owned(), Some(message)),
            Cause::Down(message) | Cause::Exit(message) => {
                ("news of the end of".to_owned(), Some(message))
            }
            Cause::Spawn(message) => ("news of its wish to spawn".to_owned(), Some(message)),
            Cause::Told(message) => ("what came of its output".to_owned(), Some(message)),
        };
        write!(f, "{agent} ({name}, a {kind}) has not come back for {:?}", self.after)?;
        write!(f, " from its step on {what}")?;
        if let Some(Message { from, step, output }) = message {
            write!(f, " {}.{step}.{output}", from.0)?;
        }
        write!(f, ", {tick}; lost: ")?;
        for (place, (first, last)) in self.lost.iter().take(RANGES_SHOWN).enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first} to {last}")?,
            }
        }
        match self.lost.len().saturating_sub(RANGES_SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more ranges"),
        }
    }
}

/// What a scheduler runs just now: written by its thread, read by the watchdog.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Pulse {
    /// Steps begun.
    beat: AtomicU64,
    /// Whose; 0: none just now.
    agent: AtomicU64,
    kind: AtomicU64,
    from: AtomicU64,
    step: AtomicU64,
}

impl Pulse {
    #[inline]
    pub(crate) fn begin(&self, agent: AgentId, cause: &Cause) {
        let (kind, message) = match *cause {
            Cause::Input(index) => {
                (0, Message { from: AgentId(0), step: u64::from(index), output: 0 })
            }
            Cause::Message(message) => (1, message),
            Cause::Denial(message) => (2, message),
            Cause::Timer(message) => (3, message),
            Cause::Down(message) => (4, message),
            Cause::Exit(message) => (5, message),
            Cause::Spawn(message) => (6, message),
            Cause::Told(message) => (7, message),
        };
        self.kind.store(kind << 16 | u64::from(message.output), Ordering::Relaxed);
        self.from.store(message.from.0, Ordering::Relaxed);
        self.step.store(message.step, Ordering::Relaxed);
        self.agent.store(agent.0, Ordering::Relaxed);
        // One thread writes.
        let beat = self.beat.load(Ordering::Relaxed);
        self.beat.store(beat + 1, Ordering::Release);
    }

    #[inline]
    pub(crate) fn end(&self) {
        self.agent.store(0, Ordering::Relaxed);
    }

    /// The number of the step that runs, whose it is, and on what. True of one moment only if the
    /// next look sees the same number.
    fn look(&self) -> Option<(u64, AgentId, Cause)> {
        let beat = self.beat.load(Ordering::Acquire);
        let agent = Some(self.agent.load(Ordering::Relaxed)).filter(|agent| *agent > 0)?;
        let kind = self.kind.load(Ordering::Relaxed);
        let step = self.step.load(Ordering::Relaxed);
        let from = AgentId(self.from.load(Ordering::Relaxed));
        let message = Message { from, step, output: kind as u16 };
        let cause = match kind >> 16 {
            0 => Cause::Input(step as u32),
            1 => Cause::Message(message),
            2 => Cause::Denial(message),
            3 => Cause::Timer(message),
            4 => Cause::Down(message),
            5 => Cause::Exit(message),
            6 => Cause::Spawn(message),
            _ => Cause::Told(message),
        };
        Some((beat, AgentId(agent), cause))
    }
}

/// What a share of a tick began with: enough to say what became of it if it is void.
#[derive(Default)]
pub(crate) struct Due {
    /// The scheduler that runs it between two ticks, in the place of all.
    pub(crate) leading: Option<usize>,
    pub(crate) inbox: Arc<Vec<Envelope>>,
    pub(crate) signals: Vec<Signal>,
    pub(crate) counts: Counts,
    /// Restarts that were ordered for this tick.
    pub(crate) restarts: u64,
    /// Messages and inputs that waited for paused agents.
    pub(crate) held: (u64, u64),
}

/// [`Share::running`]: its thread was dismissed.
const VOID: u64 = u64::MAX;

/// Its place was taken: whoever finds this touches nothing more.
#[derive(Debug)]
pub(crate) struct Dismissed;

/// One scheduler's share of a tick, as the watchdog sees it.
#[derive(Default)]
pub(crate) struct Share {
    /// The tick that runs, plus 1; 0: none; or [`VOID`].
    running: AtomicU64,
    due: Mutex<Due>,
    pulse: Mutex<Arc<Pulse>>,
}

/// A step that runs.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) tick: u64,
    pub(crate) agent: AgentId,
    pub(crate) cause: Cause,
    beat: u64,
}

impl Share {
    /// Where the scheduler of this share says what it runs.
    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&lock(&self.pulse))
    }

    pub(crate) fn begin(&self, tick: u64, due: Due) {
        *lock(&self.due) = due;
        self.running.store(tick + 1, Ordering::Release);
    }

    pub(crate) fn end(&self, tick: u64) -> Result<(), Dismissed> {
        self.leave(tick, 0)?;
        lock(&self.due).inbox = Arc::default();
        Ok(())
    }

    /// Dismisses its thread; in whose place it ran the share.
    pub(crate) fn void(&self, tick: u64) -> Result<Option<usize>, Dismissed> {
        // The lock first: nobody buries the share before this is done.
        let due = lock(&self.due);
        self.leave(tick, VOID)?;
        // Who was dismissed may still say something: nobody listens.
        *lock(&self.pulse) = Arc::default();
        Ok(due.leading)
    }

    fn leave(&self, tick: u64, now: u64) -> Result<(), Dismissed> {
        let left =
            self.running.compare_exchange(tick + 1, now, Ordering::AcqRel, Ordering::Acquire);
        left.map(drop).map_err(|_| Dismissed)
    }

    /// What it began with, if it is void; from then on it is not any more.
    pub(crate) fn bury(&self) -> Option<Due> {
        let void = self.running.compare_exchange(VOID, 0, Ordering::AcqRel, Ordering::Acquire);
        void.ok().map(|_| std::mem::take(&mut *lock(&self.due)))
    }

    pub(crate) fn look(&self) -> Option<Running> {
        let running = self.running.load(Ordering::Acquire);
        if running == 0 || running == VOID {
            return None;
        }
        let (beat, agent, cause) = lock(&self.pulse).look()?;
        Some(Running { tick: running - 1, agent, cause, beat })
    }
}

/// How long the same step was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    step: Option<(u64, u64)>,
    during: Duration,
}

impl Seen {
    /// `passed` since the look before; how long the step has run at least.
    pub(crate) fn look(&mut self, running: Option<Running>, passed: Duration) -> Duration {
        let step = running.map(|running| (running.tick, running.beat));
        self.during = match (self.step, step) {
            (Some(before), Some(now)) if before == now => self.during + passed,
            _ => Duration::ZERO,
        };
        self.step = step;
        self.during
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Message = Message { from: AgentId(3), step: 9, output: 65_535 };

    #[test]
    fn what_runs_is_seen_as_it_is() {
        let share = Share::default();
        share.begin(7, Due::default());
        assert!(share.look().is_none(), "no step began");
        for cause in [
            Cause::Input(u32::MAX),
            Cause::Message(MESSAGE),
            Cause::Denial(MESSAGE),
            Cause::Timer(MESSAGE),
            Cause::Down(MESSAGE),
            Cause::Exit(MESSAGE),
            Cause::Spawn(MESSAGE),
            Cause::Told(MESSAGE),
        ] {
            share.pulse().begin(AgentId(5), &cause);
            let seen = share.look().unwrap();
            assert_eq!((seen.tick, seen.agent, seen.cause), (7, AgentId(5), cause));
        }
        share.pulse().end();
        assert!(share.look().is_none());
    }

    #[test]
    fn only_one_side_wins() {
        let share = Share::default();
        share.begin(7, Due { leading: Some(1), ..Due::default() });
        assert_eq!(share.void(7).unwrap(), Some(1));
        assert!(share.void(7).is_err() && share.end(7).is_err());
        assert!(share.bury().is_some() && share.bury().is_none());
        share.begin(8, Due::default());
        assert!(share.end(7).is_err(), "it came back a tick too late");
        share.end(8).unwrap();
        assert!(share.void(8).is_err() && share.bury().is_none());
    }

    #[test]
    fn a_step_is_timed_from_the_first_look_on_and_each_by_itself() {
        let share = Share::default();
        let (ms, mut seen) = (Duration::from_millis, Seen::default());
        share.begin(0, Due::default());
        share.pulse().begin(AgentId(1), &Cause::Input(0));
        assert_eq!(seen.look(share.look(), ms(10)), ms(0));
        assert_eq!(seen.look(share.look(), ms(10)), ms(10));
        assert_eq!(seen.look(share.look(), ms(5)), ms(15));
        share.pulse().end();
        assert_eq!(seen.look(share.look(), ms(10)), ms(0));
        share.pulse().begin(AgentId(1), &Cause::Input(0));
        assert_eq!(seen.look(share.look(), ms(10)), ms(0), "the same again is another step");
        share.pulse().begin(AgentId(1), &Cause::Input(0));
        assert_eq!(seen.look(share.look(), ms(10)), ms(0));
        assert_eq!(seen.look(share.look(), ms(10)), ms(10));
    }
}

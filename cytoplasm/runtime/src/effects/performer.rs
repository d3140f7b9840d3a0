//! The thread on which effects are done, one after the other.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use karyon_arrangements::{NotDone, RECEIPT_BYTES_MAX, Receipt};
use karyon_gate::{Gate, Request, Rights};
use karyon_guard::{Event, Guard, LinkError};
use karyon_types::Tick;

use super::{Adapter, Effects, Intent, Said, encoded};
use crate::error::RunError;
use crate::terms::Progress;

/// So long a run that was interrupted waits for the effect that is being done, and records what came
/// of it. What takes longer goes on while the process lives, and its outcome is unknown.
const GRACE: Duration = Duration::from_secs(5);
/// How long it sleeps before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What is asked right before an effect begins.
#[derive(Clone)]
pub(crate) struct Checks {
    pub(crate) gate: Arc<Gate>,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) progress: Arc<Progress>,
}

/// The leader's side of the thread. Dropped, it lets nothing more begin, and waits for nobody.
pub(super) struct Performer {
    // Dropped first: what is still in the channel is not begun.
    ends: Ends,
    intents: Sender<Intent>,
    receipts: Receiver<Said>,
    thread: JoinHandle<()>,
}

/// Dropped, it lets nothing more begin.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Performer {
    pub(super) fn start(effects: Effects, checks: Checks) -> io::Result<Performer> {
        let (intents, begun) = channel();
        let (done, receipts) = channel();
        let ends = Arc::new(AtomicBool::new(false));
        let Effects { permits: _, adapter, unguarded } = effects;
        let mut work = Work { adapter, unguarded, checks, ends: Arc::clone(&ends) };
        let thread = thread::Builder::new().name("effects".into()).spawn(move || {
            for intent in begun {
                let Some(said) = work.perform(&intent) else { return };
                // Nobody takes it any more: the run has ended.
                if done.send((intent.by(), said)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Performer { intents, receipts, ends: Ends(ends), thread })
    }

    /// Hands over what is durable.
    pub(super) fn hand_over(&self, intent: Intent) {
        // A thread that is gone gives no receipts, which is found when they are taken.
        match self.intents.send(intent) {
            Ok(()) | Err(_) => {}
        }
    }

    /// What came of the next, if that is known.
    pub(super) fn try_take(&self) -> Result<Option<Said>, RunError> {
        match self.receipts.try_recv() {
            Ok(said) => Ok(Some(said)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// What came of the next, once that is known.
    pub(super) fn wait(&self) -> Result<Said, RunError> {
        self.receipts.recv().map_err(|_| gone())
    }

    /// Lets nothing more begin, and waits a while for what is being done. What came, and whether
    /// nothing is being done any more.
    pub(super) fn end(self) -> (Vec<Said>, bool) {
        let Performer { intents, receipts, ends, thread } = self;
        drop((ends, intents));
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < GRACE {
            thread::sleep(LOOK_AGAIN);
        }
        // Before the receipts are taken: one that comes behind is of what was being done.
        let has_ended = thread.is_finished();
        if !has_ended {
            tracing::warn!(
                "an effect is still being done while the run ends: its outcome is unknown"
            );
        }
        (receipts.try_iter().collect(), has_ended)
    }
}

fn gone() -> RunError {
    RunError::Runtime("the thread that does effects is gone".into())
}

/// The thread's side.
struct Work {
    adapter: Option<Arc<dyn Adapter>>,
    unguarded: bool,
    checks: Checks,
    ends: Arc<AtomicBool>,
}

impl Work {
    /// Does an effect, if it may still be done; what came of it. `None`: nothing is begun any more.
    fn perform(&mut self, intent: &Intent) -> Option<Box<[u8]>> {
        if self.ends.load(Ordering::Acquire) {
            return None;
        }
        let Some(adapter) = &self.adapter else {
            return Some(encoded(Receipt::NotDone(NotDone::NoAdapter)));
        };
        Some(match self.may(intent) {
            Err(why) => encoded(Receipt::NotDone(why)),
            Ok(()) => {
                let done = catch_unwind(AssertUnwindSafe(|| adapter.perform(&intent.effect)));
                let event = match done {
                    Ok(Ok(_)) => Event::Success,
                    Ok(Err(_)) | Err(_) => Event::Failure,
                };
                // It was done: a guardian that is lost ends the process by itself.
                match self.tell(event, intent) {
                    Ok(()) | Err(_) => {}
                }
                match done {
                    Ok(done) => said(&done),
                    Err(_) => {
                        tracing::error!(effect = %words(intent), "the adapter panicked");
                        self.adapter = None;
                        encoded(Receipt::Unknown)
                    }
                }
            }
        })
    }

    /// Whether it may be done, asked right before.
    fn may(&self, intent: &Intent) -> Result<(), NotDone> {
        let Checks { gate, guard, progress } = &self.checks;
        match guard {
            Some(guard) if guard.is_live() => {}
            None if self.unguarded => {}
            Some(_) | None => return Err(NotDone::Unguarded),
        }
        let agent = intent.effect.agent;
        let now = Tick(progress.tick.load(Ordering::Relaxed));
        let request = Request { agent, right: Rights::ACT, target: agent.0, now };
        // The guardian counts this as no rejection: it was allowed when it was asked for.
        gate.check(intent.lease.0, &request).map_err(NotDone::Denied)?;
        // What the guardian does not hear is not done.
        [Event::Ask, Event::Admitted, Event::Task]
            .into_iter()
            .try_for_each(|event| self.tell(event, intent))
            .map_err(|_| NotDone::Unguarded)
    }

    fn tell(&self, event: Event, intent: &Intent) -> Result<(), LinkError> {
        match &self.checks.guard {
            Some(guard) => guard.report(event, intent.lease.1.0, &words(intent)),
            None => Ok(()),
        }
    }
}

/// What the guardian is told of an effect.
fn words(Intent { effect, .. }: &Intent) -> String {
    format!("{} {} {} {}", effect.agent, effect.kind, effect.action, effect.resource)
}

/// What an adapter said, as it is recorded.
fn said(done: &Result<Vec<u8>, String>) -> Box<[u8]> {
    match done {
        Ok(result) if result.len() <= RECEIPT_BYTES_MAX => encoded(Receipt::Done(result)),
        Ok(result) => {
            let bytes = result.len();
            tracing::error!(bytes, "an effect's result is longer than {RECEIPT_BYTES_MAX} bytes");
            encoded(Receipt::Unknown)
        }
        Err(why) => {
            let end = why.floor_char_boundary(RECEIPT_BYTES_MAX);
            encoded(Receipt::Failed(why.get(..end).unwrap_or_default()))
        }
    }
}

//! The thread on which effects are done, one after the other.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use karyon_arrangements::{NotDone, RECEIPT_BYTES_MAX, Receipt, Told};
use karyon_gate::{Gate, Request, Rights};
use karyon_guard::{Event, Guard, LinkError};
use karyon_log::Message;
use karyon_types::{LeaseId, Tick};

use super::{Adapter, Effects, Intent};
use crate::terms::Progress;

/// So long a run that was interrupted waits for the effect that is being done. What takes longer
/// goes on while the process lives, and its outcome is unknown to a run that goes on.
const GRACE: Duration = Duration::from_secs(5);
/// How long it sleeps before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// What came of an effect, as it is recorded.
pub(super) type Said = (Message, Box<[u8]>);

/// What is asked right before an effect begins.
#[derive(Clone)]
pub(crate) struct Before {
    pub(crate) gate: Arc<Gate>,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) progress: Arc<Progress>,
}

/// The leader's side of the thread. Dropped, it lets nothing more begin, and waits for nobody.
pub(super) struct Performer {
    intents: Sender<Intent>,
    receipts: Receiver<Said>,
    ends: Ends,
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
    pub(super) fn start(effects: Effects, before: Before) -> io::Result<Performer> {
        let (intents, begun) = channel();
        let (done, receipts) = channel();
        let ends = Arc::new(AtomicBool::new(false));
        let Effects { permits: _, adapter, unguarded } = effects;
        let mut work = Work { adapter, unguarded, before, ends: Arc::clone(&ends) };
        let thread = thread::Builder::new().name("effects".into()).spawn(move || {
            for intent in begun {
                let Some(said) = work.perform(&intent) else { return };
                // Nobody takes it any more: the run has ended.
                if done.send((intent.by, said)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Performer { intents, receipts, ends: Ends(ends), thread })
    }

    /// Hands over what is durable.
    pub(super) fn begin(&self, intent: Intent) {
        // A thread that is gone gives no receipts, which is found when they are taken.
        match self.intents.send(intent) {
            Ok(()) | Err(_) => {}
        }
    }

    /// What came of one, if that is known, or once it is.
    ///
    /// # Errors
    /// The thread is gone.
    pub(super) fn take(&self, waits: bool) -> Result<Option<Said>, String> {
        use std::sync::mpsc::TryRecvError;
        let taken = match waits {
            true => self.receipts.recv().map_err(|_| TryRecvError::Disconnected),
            false => self.receipts.try_recv(),
        };
        match taken {
            Ok(said) => Ok(Some(said)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err("the thread that does effects is gone".into()),
        }
    }

    /// Lets nothing more begin, and waits a while for what is being done.
    pub(super) fn end(self) {
        let Performer { intents, receipts: _, ends, thread } = self;
        drop((ends, intents));
        let begun = Instant::now();
        while !thread.is_finished() && begun.elapsed() < GRACE {
            thread::sleep(LOOK_AGAIN);
        }
        if !thread.is_finished() {
            tracing::warn!(
                "an effect is still being done while the run ends: its outcome is unknown"
            );
        }
    }
}

/// The thread's side.
struct Work {
    adapter: Option<Arc<dyn Adapter>>,
    unguarded: bool,
    before: Before,
    ends: Arc<AtomicBool>,
}

impl Work {
    /// Does an effect, if it may still be done; what came of it. `None`: nothing is begun any more.
    fn perform(&mut self, intent: &Intent) -> Option<Box<[u8]>> {
        if self.ends.load(Ordering::Acquire) {
            return None;
        }
        Some(match (self.may(intent), &self.adapter) {
            (Err(why), _) => encoded(Receipt::NotDone(why)),
            (Ok(_), None) => encoded(Receipt::NotDone(NotDone::NoAdapter)),
            (Ok(lease), Some(adapter)) => {
                let done = catch_unwind(AssertUnwindSafe(|| adapter.perform(&intent.effect)));
                let event = match done {
                    Ok(Ok(_)) => Event::Success,
                    Ok(Err(_)) | Err(_) => Event::Failure,
                };
                // It was done: a guardian that is lost ends the process by itself.
                match self.tell(event, lease, intent) {
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
    fn may(&self, intent: &Intent) -> Result<LeaseId, NotDone> {
        let Before { gate, guard, progress } = &self.before;
        match guard {
            Some(guard) if guard.is_live() => {}
            None if self.unguarded => {}
            Some(_) | None => return Err(NotDone::Unguarded),
        }
        let agent = intent.by.from;
        let now = Tick(progress.tick.load(Ordering::Relaxed));
        let request = Request { agent, right: Rights::ACT, target: agent.0, now };
        let checked = gate.check(intent.lease, &request);
        let (event, lease) = match checked {
            Ok(lease) => (Event::Admitted, lease),
            Err(_) => (Event::Rejection, LeaseId(0)),
        };
        // What the guardian does not hear is not done.
        let heard = self.tell(Event::Ask, lease, intent);
        heard.and_then(|()| self.tell(event, lease, intent)).map_err(|_| NotDone::Unguarded)?;
        checked.map_err(NotDone::Denied)
    }

    fn tell(&self, event: Event, lease: LeaseId, intent: &Intent) -> Result<(), LinkError> {
        match &self.before.guard {
            Some(guard) => guard.report(event, lease.0, &words(intent)),
            None => Ok(()),
        }
    }
}

/// What the guardian is told of an effect.
fn words(Intent { effect, .. }: &Intent) -> String {
    format!("{} {} {} {}", effect.agent, effect.kind, effect.action, effect.resource)
}

fn encoded(receipt: Receipt<'_>) -> Box<[u8]> {
    let mut what = Vec::new();
    Told::Receipt(receipt).encode(&mut what);
    what.into()
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

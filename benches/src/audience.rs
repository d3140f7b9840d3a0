//! Agents that read while somebody writes, each through a view of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use karyon_graph::Reader;

/// Questions that an agent asks of one view before it asks for a new one.
const QUESTIONS_EACH: u64 = 1_000;

/// Who waits for a new view.
pub struct Requests(Receiver<SyncSender<Reader>>);

/// Where a new view is asked for.
#[derive(Clone)]
pub struct Asking(Sender<SyncSender<Reader>>);

impl Asking {
    /// Where the view will arrive; `None` when nobody gives any more.
    pub fn ask(&self) -> Option<Receiver<Reader>> {
        let (answer, next) = sync_channel(1);
        self.0.send(answer).is_ok().then_some(next)
    }
}

impl Requests {
    /// Both ends.
    pub fn channel() -> (Asking, Requests) {
        let (asking, asked) = channel();
        (Asking(asking), Requests(asked))
    }

    /// Nobody.
    pub fn none() -> Requests {
        Requests::channel().1
    }

    /// Gives a view to each who waits.
    pub fn answer(&self, view: impl Fn() -> Reader) {
        for agent in self.0.try_iter() {
            // Whoever does not listen any more has asked enough.
            drop(agent.send(view()));
        }
    }
}

/// What agents did while somebody wrote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Questions that were answered.
    pub questions: u64,
    /// Views that were renewed.
    pub views: u64,
}

/// An agent with its view.
struct Agent {
    view: Reader,
    asked: u64,
    next: Option<Receiver<Reader>>,
}

/// Has an agent for each view ask one question after the other, from `threads` threads, for as
/// long as `work` takes. Each turn is one question of one agent.
pub fn beside<T>(
    threads: usize,
    views: Vec<Reader>,
    ask: impl Fn(&Reader, u64) + Sync,
    work: impl FnOnce(&Requests) -> T,
) -> (T, Heard) {
    let (asking, requests) = Requests::channel();
    let is_over = AtomicBool::new(false);
    let (questions, renewed) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut agents: Vec<Vec<Agent>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, view) in views.into_iter().enumerate() {
        let agent = Agent { view, asked: 0, next: None };
        agents.get_mut(number % threads).expect("a thread for each").push(agent);
    }
    let done = std::thread::scope(|scope| {
        for (thread, mut agents) in agents.into_iter().enumerate() {
            let (asking, ask) = (asking.clone(), &ask);
            let (is_over, questions, renewed) = (&is_over, &questions, &renewed);
            scope.spawn(move || {
                let mut heard = Heard::default();
                while !is_over.load(Ordering::Relaxed) {
                    for agent in &mut agents {
                        ask(&agent.view, heard.questions * threads as u64 + thread as u64);
                        heard.questions += 1;
                        heard.views += u64::from(agent.turn(&asking));
                    }
                }
                questions.fetch_add(heard.questions, Ordering::Relaxed);
                renewed.fetch_add(heard.views, Ordering::Relaxed);
            });
        }
        let done = work(&requests);
        is_over.store(true, Ordering::Relaxed);
        done
    });
    (done, Heard { questions: questions.into_inner(), views: renewed.into_inner() })
}

impl Agent {
    /// Asks for a new view now and then; whether one came.
    fn turn(&mut self, asking: &Asking) -> bool {
        self.asked += 1;
        if self.asked.is_multiple_of(QUESTIONS_EACH) && self.next.is_none() {
            self.next = asking.ask();
        }
        let Some(view) = self.next.as_ref().and_then(|next| next.try_recv().ok()) else {
            return false;
        };
        (self.view, self.next) = (view, None);
        true
    }
}

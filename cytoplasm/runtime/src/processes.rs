//! Agents as processes: what somebody outside may ask of a run while it runs, and be answered.
//!
//! Questions are put on a [`Desk`]; the run answers them between two ticks, while nothing else
//! happens, so that an answer is true of one position of the log. An order becomes a record of the
//! tick that it takes effect in, and a resumed run carries it out again at that place.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};

use karyon_gate::Lease;
use karyon_log::Cause;
pub use karyon_log::OrderVerb;
pub use karyon_supervision::{Intensity, Strategy};
use karyon_types::{AgentId, Tick};

/// Questions that wait at a time; one more is refused. Each asker waits for one, so more are only
/// asked by more askers than a data directory's socket admits.
pub const MAX_WAITING: usize = 256;
/// Processes in one answer, at most: an answer is made while all agents wait.
pub const MAX_LISTED: u32 = 1_000;
/// What waits for paused agents, all of them together: messages, news of denials and inputs, of
/// some 100 bytes each beside their payload. Once so much waits the run waits too: for an order,
/// each of which lets one tick pass.
pub const MAX_HELD: u64 = 1 << 18;
/// Causes of steps that are remembered of each agent that was ever inspected.
pub const LAST_CAUSES: usize = 8;

/// What an agent does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It handles what it is sent.
    Running,
    /// What it is sent waits until somebody resumes it.
    Paused,
    /// It ended, and was not started again.
    Exited,
    /// It shared a scheduler with an agent that did not come back from a step.
    Lost,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its serial.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// Its kind's name.
    pub kind: &'static str,
    /// What it does.
    pub status: Status,
    /// Events that it is done with.
    pub steps: u64,
    /// What waits for it: messages, news of denials, and while it is paused inputs.
    pub mailbox: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Bytes of the log that its outputs took.
    pub log_bytes: u64,
}

/// By what processes are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By serial.
    #[default]
    Id,
    /// By name.
    Name,
    /// By steps.
    Steps,
    /// By messages that wait.
    Mailbox,
    /// By restarts.
    Restarts,
}

/// Which processes, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// By what; equals by serial.
    pub sort: Sort,
    /// The largest first.
    pub descending: bool,
    /// Only names that hold this text.
    pub name: Option<String>,
    /// Only the one whose whole name that text is.
    pub exact: bool,
    /// Only these.
    pub status: Option<Status>,
    /// So many are left out at the beginning.
    pub offset: u64,
    /// At most so many, and never more than [`MAX_LISTED`].
    pub limit: u32,
}

/// Of which moment an answer is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last tick that ended; none before the first.
    pub tick: Option<Tick>,
    /// Records of the run up to here.
    pub records: u64,
    /// Not all of them are durable yet: a crash of the machine could undo what the answer says.
    pub provisional: bool,
}

/// Processes that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Of when.
    pub at: Position,
    /// How many the selection has, whatever the limit.
    pub total: u64,
    /// At most the limit.
    pub processes: Vec<Process>,
}

/// All about one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Of when.
    pub at: Position,
    /// The agent.
    pub process: Process,
    /// What it may do, and until when; `None`: it has no lease.
    pub lease: Option<Lease>,
    /// Its state, as the runtime encodes it (MessagePack); `None`: it exited.
    pub state: Option<Vec<u8>>,
    /// What it handled last, the newest first: at most [`LAST_CAUSES`].
    pub last: Vec<Cause>,
}

/// What a supervisor's child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// It handles what it is sent.
    Running,
    /// What it is sent waits until somebody resumes it.
    Paused,
    /// It was asked to end, and has not yet.
    Stopping,
    /// It is to be started, when its supervisor comes to it.
    Waiting,
    /// It ended, and is not started again.
    Exited,
}

/// Who stands at a place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// A supervisor that runs.
    Supervisor {
        /// Whom a restart concerns.
        strategy: Strategy,
        /// Restarts within its period.
        restarts: u64,
        /// How many it bears.
        intensity: Intensity,
        /// Children that it has.
        children: u64,
    },
    /// A supervisor that does not run, and nobody below it.
    SupervisorAtRest,
    /// An agent.
    Agent {
        /// Its name.
        name: String,
        /// What it does.
        upkeep: Upkeep,
        /// How often it was started again.
        restarts: u64,
    },
}

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// An agent's serial or a supervisor's number; 0: the root.
    pub id: u64,
    /// The supervisor above it; `None`: the root.
    pub above: Option<u64>,
    /// Supervisors above it.
    pub depth: u32,
    /// Who stands there.
    pub stands: Stands,
}

/// The tree of supervisors: each before those below it, children in the order of their starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Of when.
    pub at: Position,
    /// All places that there are.
    pub total: u64,
    /// At most the limit.
    pub branches: Vec<Branch>,
}

/// An order from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub verb: OrderVerb,
    /// To whom.
    pub agent: AgentId,
    /// The user that gave it, as the kernel names them: no principal.
    pub uid: u32,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who is there.
    List(Selection),
    /// All about one.
    Inspect(AgentId),
    /// The tree of supervisors: how many places are left out at the beginning, and how many are
    /// wanted, never more than [`MAX_LISTED`].
    Tree {
        /// So many are left out.
        offset: u64,
        /// At most so many.
        limit: u32,
    },
    /// To do something.
    Order(Order),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Question::List`].
    Listed(Listed),
    /// To [`Question::Inspect`].
    Inspected(Box<Inspected>),
    /// To [`Question::Tree`].
    Tree(Shown),
    /// To [`Question::Order`]: it was carried out and recorded.
    Done(Position),
    /// To an order to fork, likewise: and who came to life.
    Forked(Position, AgentId),
    /// To any.
    Refused(Refusal),
}

/// Why a question is not answered, or an order not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has this serial.
    #[error("no such agent")]
    Unknown,
    /// It exited.
    #[error("it has exited")]
    Exited,
    /// It is paused already.
    #[error("it is paused already")]
    AlreadyPaused,
    /// It is not paused.
    #[error("it is not paused")]
    NotPaused,
    /// Its supervisor forgets it when it ends, so it could not be started again.
    #[error("its supervisor does not keep it when it ends; kill it instead")]
    NotKept,
    /// As many came to life as may.
    #[error("as many agents were forked as may be in a run")]
    TooMany,
    /// Too many ask at a time.
    #[error("more than {MAX_WAITING} questions wait; ask again")]
    Busy,
    /// The run repeats what is recorded; nobody may change that.
    #[error("the run repeats what is recorded and takes no orders yet; ask again")]
    Repeating,
    /// The run has ended, or has not begun.
    #[error("no run is under way")]
    NotRunning,
}

/// A question, for whoever answers. Dropped without an answer, it says that no run is under way.
pub struct Asked {
    /// What is asked.
    pub question: Question,
    answer: SyncSender<Answer>,
}

impl Asked {
    /// Answers.
    pub fn answer(self, answer: Answer) {
        // Nobody listens any more: then nobody needs to know.
        drop(self.answer.send(answer));
    }
}

#[derive(Default)]
struct Waiting {
    asked: VecDeque<Asked>,
    /// Whether somebody answers.
    open: bool,
    /// Questions that found no place.
    refused: u64,
}

/// Where questions are put, and answered between two ticks.
#[derive(Default)]
pub struct Desk {
    waiting: Mutex<Waiting>,
}

impl Desk {
    /// Asks, and waits for the answer: at most for the tick that runs, and for an order for the
    /// one in which it is carried out.
    pub fn ask(&self, question: Question) -> Answer {
        match self.put(question) {
            // Whoever should answer may end first.
            Ok(answer) => answer.recv().unwrap_or(Answer::Refused(Refusal::NotRunning)),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Puts a question, and gives back where its answer will be.
    ///
    /// # Errors
    /// [`Refusal::Busy`] and [`Refusal::NotRunning`].
    pub fn put(&self, question: Question) -> Result<Receiver<Answer>, Refusal> {
        let (answer, answered) = mpsc::sync_channel(1);
        let mut waiting = self.lock();
        if !waiting.open {
            return Err(Refusal::NotRunning);
        }
        if waiting.asked.len() >= MAX_WAITING {
            waiting.refused += 1;
            return Err(Refusal::Busy);
        }
        waiting.asked.push_back(Asked { question, answer });
        Ok(answered)
    }

    /// Questions so far that were refused because too many waited.
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// From now on somebody answers.
    pub fn open(&self) {
        self.lock().open = true;
    }

    /// Nobody answers any more; whoever waits is told so.
    pub fn close(&self) {
        let mut waiting = self.lock();
        waiting.open = false;
        waiting.asked.clear();
    }

    /// Takes the question that has waited longest.
    pub fn take(&self) -> Option<Asked> {
        self.lock().asked.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const QUESTION: Question = Question::Inspect(AgentId(1));
    const UNKNOWN: Answer = Answer::Refused(Refusal::Unknown);
    const NOT_RUNNING: Answer = Answer::Refused(Refusal::NotRunning);

    fn answer_next(desk: &Desk) -> bool {
        desk.take().map(|asked| asked.answer(UNKNOWN)).is_some()
    }

    #[test]
    fn nobody_is_asked_before_the_run_and_behind_it() {
        let desk = Arc::new(Desk::default());
        assert_eq!(desk.ask(QUESTION), NOT_RUNNING);
        desk.open();
        let asker = {
            let desk = Arc::clone(&desk);
            std::thread::spawn(move || desk.ask(QUESTION))
        };
        while !answer_next(&desk) {
            std::thread::yield_now();
        }
        assert_eq!(asker.join().unwrap(), UNKNOWN);
        let late = {
            let desk = Arc::clone(&desk);
            std::thread::spawn(move || desk.ask(QUESTION))
        };
        while desk.lock().asked.is_empty() {
            std::thread::yield_now();
        }
        desk.close();
        assert_eq!(late.join().unwrap(), NOT_RUNNING);
        assert_eq!(desk.ask(QUESTION), NOT_RUNNING);
    }

    #[test]
    fn more_than_wait_at_a_time_are_refused() {
        let desk = Arc::new(Desk::default());
        desk.open();
        let askers: Vec<_> = (0..MAX_WAITING)
            .map(|_| {
                let desk = Arc::clone(&desk);
                std::thread::spawn(move || desk.ask(QUESTION))
            })
            .collect();
        while desk.lock().asked.len() < MAX_WAITING {
            std::thread::yield_now();
        }
        assert_eq!(desk.ask(QUESTION), Answer::Refused(Refusal::Busy));
        assert_eq!(desk.refused(), 1);
        while answer_next(&desk) {}
        assert!(askers.into_iter().all(|asker| asker.join().unwrap() == UNKNOWN));
    }
}

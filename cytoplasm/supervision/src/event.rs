//! What a supervisor hears, and what it decides.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::{ChildId, Exit, SpecError};

/// What a supervisor hears. Each start is answered by `Started` or `FailedToStart`, each child
/// that started is followed by one `Exited`, however it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The supervisor itself begins. Once, before all others.
    Begin,
    /// A child runs now.
    Started(ChildId),
    /// A child could not be started.
    FailedToStart(ChildId),
    /// A child that ran has ended, asked to or not.
    Exited(ChildId, Exit),
    /// The time that [`Action::Stop`] gave a child is over. May come too late, and means nothing
    /// then.
    Overdue(ChildId),
    /// Stop all children and end.
    ShutDown,
}

/// What is asked of a supervisor; `S` is how a child is specified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<S> {
    /// Start one more child, behind all others. OTP's `start_child`.
    Add(S),
    /// Stop a child and do not start it again. OTP's `terminate_child`.
    Terminate(ChildId),
    /// Start a child that does not run. OTP's `restart_child`.
    Restart(ChildId),
    /// Forget a child that does not run. OTP's `delete_child`.
    Delete(ChildId),
}

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such child, or no such supervisor.
    NotFound,
    /// There is a child with this id that does not run: restart or delete it.
    AlreadyPresent,
    /// The child runs: terminate it first.
    Running,
    /// The child is about to be restarted.
    Restarting,
    /// Dynamic children are added and terminated only.
    Dynamic,
    /// The child did not start.
    FailedToStart,
    /// The spec cannot be.
    Misfit(SpecError),
    /// Too many requests wait: ask again.
    Busy,
    /// It has as many children as it may have.
    TooMany,
    /// The supervisor has ended.
    Ended,
}

/// How a supervisor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It was told to, it gave up, or its significant children ended: OTP's `shutdown`.
    Shutdown,
    /// It never began: a child could not be started.
    FailedToStart(ChildId),
}

/// What a supervisor decides. To be carried out in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a child.
    Start {
        /// Which.
        child: ChildId,
        /// Its spec's key.
        arguments: u64,
    },
    /// Ask a child to end.
    Stop {
        /// Which.
        child: ChildId,
        /// When it still runs after this time, say [`Event::Overdue`].
        timeout_ticks: Option<u64>,
    },
    /// End a child without asking.
    Kill(ChildId),
    /// The child's spec is gone; its id is free again.
    Forget(ChildId),
    /// A request was carried out, or not.
    Answer {
        /// The number given with the request.
        ticket: u64,
        /// What came of it.
        answer: Result<(), Refusal>,
    },
    /// All children of the beginning have started.
    Begun,
    /// The supervisor has ended; none of its children runs.
    End(End),
}

/// An event that cannot have happened. It changed nothing: who said so has lost count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpected {
    /// It has begun already.
    Begun,
    /// The child was not being started.
    NotStarting(ChildId),
    /// The child did not run.
    NotRunning(ChildId),
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unexpected::Begun => write!(f, "the supervisor has begun already"),
            Unexpected::NotStarting(id) => write!(f, "{id} was not being started"),
            Unexpected::NotRunning(id) => write!(f, "{id} cannot have ended: it did not run"),
        }
    }
}

impl std::error::Error for Unexpected {}

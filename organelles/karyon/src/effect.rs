//! What an agent has done in the world outside: what it keeps, and is told.

use karyon_runtime::{NotDone, TimerId};
use karyon_types::Denial;
use serde::{Deserialize, Serialize};

/// An effect that is under way, which an agent keeps in its state until
/// [`Agent::receipt`](crate::Agent::receipt) says what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Intent(pub(crate) TimerId);

/// What came of an effect. Of which is found out by the [`Intent`] that the agent kept.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub(crate) intent: TimerId,
    pub(crate) came: Came,
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It was done, with this result.
    Done(Vec<u8>),
    /// It was tried, and its adapter says why nothing came of it.
    Failed(String),
    /// It was never allowed: the gate denied it in the step that asked.
    Denied(Denial),
    /// It was allowed, and not begun.
    NotDone(NotDone),
    /// It may have been done or not: the process ended, or its adapter panicked, before it could say.
    /// It is never tried again by itself.
    Unknown,
}

impl Receipt {
    /// What came of this effect; `None`: it is the receipt of another one.
    pub fn of(&self, intent: Intent) -> Option<&Came> {
        (self.intent == intent.0).then_some(&self.came)
    }

    /// The same for one that may be under way, which it is not any more afterwards.
    pub fn take(&self, intent: &mut Option<Intent>) -> Option<&Came> {
        let came = self.of((*intent)?)?;
        *intent = None;
        Some(came)
    }

    /// Whichever it was.
    pub fn came(&self) -> &Came {
        &self.came
    }
}

impl From<karyon_runtime::Receipt<'_>> for Came {
    fn from(receipt: karyon_runtime::Receipt<'_>) -> Came {
        match receipt {
            karyon_runtime::Receipt::Done(result) => Came::Done(result.to_vec()),
            karyon_runtime::Receipt::Failed(why) => Came::Failed(why.into()),
            karyon_runtime::Receipt::NotDone(why) => Came::NotDone(why),
            karyon_runtime::Receipt::Unknown => Came::Unknown,
        }
    }
}

//! Calls: a question that is answered by message, without anybody waiting.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use karyon_runtime::{ExitReason, Refused, TimerId, codec};
use karyon_types::Denial;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::Pid;

/// The right to answer a call, once: consumed by [`Context::reply`](crate::Context::reply). It may
/// be kept in a state and be answered later, or be sent on to an agent that answers in one's stead:
/// whoever holds it may. Encoded in 4 bytes and a little more.
#[derive(Serialize, Deserialize)]
pub struct ReplyTo<T> {
    pub(crate) caller: Pid,
    pub(crate) step: u64,
    pub(crate) output: u16,
    #[serde(skip)]
    pub(crate) answer: PhantomData<fn(T)>,
}

impl<T> ReplyTo<T> {
    /// Who asked.
    pub fn caller(&self) -> Pid {
        self.caller
    }
}

impl<T> fmt::Debug for ReplyTo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo({}, {}.{})", self.caller, self.step, self.output)
    }
}

/// A call that is under way, which an agent keeps in its state until its [`Answer`] comes.
pub struct Call<T> {
    /// The timer that ends it names it: unique among all that the agent ever did.
    pub(crate) id: TimerId,
    pub(crate) answer: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    pub(crate) fn new(id: TimerId) -> Call<T> {
        Call { id, answer: PhantomData }
    }
}

impl<T> Clone for Call<T> {
    fn clone(&self) -> Self {
        Call::new(self.id)
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({}.{})", self.id.step, self.id.output)
    }
}

impl<T> PartialEq for Call<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<T> Eq for Call<T> {}

impl<T> PartialOrd for Call<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Call<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl<T> Serialize for Call<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Call<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Call::new(TimerId::deserialize(deserializer)?))
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It was not answered in its time. Should an answer come later, it is dropped.
    #[error("no answer in time")]
    Timeout,
    /// Whoever was asked ended, also if it was started again; or was not there.
    #[error("whoever was asked is gone: {0}")]
    Down(ExitReason),
    /// The gate denied the question.
    #[error("denied: {}", .0.code())]
    Denied(Denial),
    /// It is the call of the agent that this one was forked from, and that one hears of it.
    #[error("it was the call of the agent that this one was forked from")]
    Forked,
    /// The mailbox of whoever was asked had no room for the question.
    #[error("refused: {}", .0.code())]
    Refused(Refused),
    /// The answer is not what the call asks for: somebody made a [`ReplyTo`] by hand.
    #[error("the answer cannot be read")]
    Unreadable,
}

/// What became of a call. Which one it was, and so the type of what it says, is found out by the
/// [`Call`] that the agent kept.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) call: TimerId,
    pub(crate) said: Result<Vec<u8>, CallError>,
}

impl Answer {
    /// What became of this call; `None`: it is the answer to another one.
    pub fn to<T: DeserializeOwned>(&self, call: &Call<T>) -> Option<Result<T, CallError>> {
        (self.call == call.id).then(|| {
            let bytes = self.said.as_ref().map_err(Clone::clone)?;
            codec::decode(bytes).ok_or(CallError::Unreadable)
        })
    }

    /// The same for a call that may be under way, which it is not any more afterwards.
    pub fn take<T: DeserializeOwned>(
        &self,
        call: &mut Option<Call<T>>,
    ) -> Option<Result<T, CallError>> {
        let said = self.to(call.as_ref()?)?;
        *call = None;
        Some(said)
    }
}

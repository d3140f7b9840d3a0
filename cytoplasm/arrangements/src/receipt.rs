//! What came of an effect.

use std::fmt;

use karyon_types::Denial;

/// The longest result of an effect, bytes, and the longest words of one that failed: they are part
/// of the log, and of the agent's step.
pub const RECEIPT_BYTES_MAX: usize = 64 * 1024;

/// What came of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt<'a> {
    /// It was done, with this result.
    Done(&'a [u8]),
    /// It was tried, and its adapter says why nothing came of it.
    Failed(&'a str),
    /// It was not begun.
    NotDone(NotDone),
    /// It may have been done or not: whoever did it was stopped, or panicked, before it could say.
    Unknown,
}

/// Why an effect that had been allowed was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// The gate was asked once more right before, and said no.
    Denied(Denial),
    /// No guardian was there that could have ended it.
    Unguarded,
    /// Nobody does effects in this run, or whoever did panicked.
    NoAdapter,
    /// The run was interrupted first.
    Interrupted,
}

mod number {
    pub(super) const DONE: u8 = 1;
    pub(super) const FAILED: u8 = 2;
    pub(super) const NOT_DONE: u8 = 3;
    pub(super) const UNKNOWN: u8 = 4;

    pub(super) const INTERRUPTED: u8 = 253;
    pub(super) const UNGUARDED: u8 = 254;
    pub(super) const NO_ADAPTER: u8 = 255;
}

impl<'a> Receipt<'a> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |status, what: &[u8]| {
            out.push(status);
            out.extend_from_slice(what);
        };
        match self {
            Receipt::Done(result) => put(number::DONE, result),
            Receipt::Failed(words) => put(number::FAILED, words.as_bytes()),
            Receipt::NotDone(why) => put(number::NOT_DONE, &[why.number()]),
            Receipt::Unknown => put(number::UNKNOWN, &[]),
        }
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Receipt<'a>> {
        Some(match bytes.split_first()? {
            (&number::DONE, result) => Receipt::Done(result),
            (&number::FAILED, words) => Receipt::Failed(std::str::from_utf8(words).ok()?),
            (&number::NOT_DONE, &[why]) => Receipt::NotDone(NotDone::from_number(why)?),
            (&number::UNKNOWN, &[]) => Receipt::Unknown,
            _ => return None,
        })
    }
}

impl NotDone {
    fn number(self) -> u8 {
        match self {
            NotDone::Denied(denial) => denial as u8,
            NotDone::Unguarded => number::UNGUARDED,
            NotDone::NoAdapter => number::NO_ADAPTER,
            NotDone::Interrupted => number::INTERRUPTED,
        }
    }

    fn from_number(number: u8) -> Option<NotDone> {
        match number {
            number::UNGUARDED => Some(NotDone::Unguarded),
            number::NO_ADAPTER => Some(NotDone::NoAdapter),
            number::INTERRUPTED => Some(NotDone::Interrupted),
            denial => Denial::from_number(denial).map(NotDone::Denied),
        }
    }

    /// Its stable text.
    pub fn code(self) -> &'static str {
        match self {
            NotDone::Denied(denial) => denial.code(),
            NotDone::Unguarded => "unguarded",
            NotDone::NoAdapter => "no_adapter",
            NotDone::Interrupted => "interrupted",
        }
    }
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

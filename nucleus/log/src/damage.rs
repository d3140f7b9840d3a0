//! Damage: what is wrong in a log, and where.

use std::fmt;

use crate::end::End;

/// A place in a log that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong there.
    pub what: &'static str,
    /// The first block concerned, counted from 0.
    pub first_block: u64,
    /// The last block concerned; `None`: to the end, wherever that was.
    pub last_block: Option<u64>,
    /// The first record concerned.
    pub first_record: u64,
    /// The last record concerned; `None`: to the end.
    pub last_record: Option<u64>,
    /// The byte of the log file at which it begins.
    pub offset: u64,
}

impl Damage {
    /// Something is missing behind `end`.
    pub fn behind(end: &End, what: &'static str) -> Damage {
        let (first_block, first_record) = (end.tree.size(), end.records);
        let offset = end.offset;
        Damage { what, first_block, last_block: None, first_record, last_record: None, offset }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last_block {
            Some(last) if last == self.first_block => write!(f, "block {last}")?,
            Some(last) => write!(f, "blocks {}–{last}", self.first_block)?,
            None => write!(f, "block {} and all behind it", self.first_block)?,
        }
        match self.last_record {
            Some(last) if last == self.first_record => write!(f, ", record #{last}")?,
            Some(last) => write!(f, ", records #{}–#{last}", self.first_record)?,
            None => write!(f, ", record #{} and all behind it", self.first_record)?,
        }
        write!(f, ": {} (at byte {} of the log)", self.what, self.offset)
    }
}

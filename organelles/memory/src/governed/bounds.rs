//! What can be recorded of a memory, told before anything is made for it.

use karyon_keystore::limits::OVERHEAD_BYTES;
use karyon_memory_ops::limits::{NAME_BYTES_MAX, WRITE_BYTES_MAX};
use karyon_memory_ops::{Memo, Origin, Sealed, Time, Valid, Write, is_name};
use karyon_types::Position;

use super::change::{ChangeError, NewMemo};
use super::told::Told;
use super::{Recalled, entity_of, key_of, lane_of, place_of};
use crate::moment::Date;

/// The longest key of what is remembered here, bytes: in another log `@` and the 32 digits of this
/// one's id stand behind it, and it is a name there, too.
pub const KEY_BYTES_MAX: usize = NAME_BYTES_MAX - 33;

/// Bytes that what is remembered here leaves free in a write: over each log that a memory comes
/// by, its way grows by some 100 bytes and the name of who answered there, 356 at most.
pub const WAY_BYTES: usize = 4 * 1024;

/// The longest change as it is handed over, bytes: 50,000 memories of some 1 KB, or some million
/// ranges of keys. It is held as a whole.
pub const CHANGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The longest reason of what is remembered here, bytes: it is the grant's, too.
const REASON_BYTES_MAX: usize = 1_000;

impl NewMemo<'_> {
    /// Whether it can be remembered, and carried to other instances; or, where it is to `supersede`
    /// what is there, can take its place.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`].
    pub fn check(&self, supersede: bool) -> Result<(), ChangeError> {
        self.is_carriable(supersede).map_err(|why| self.malformed(why))
    }

    pub(super) fn malformed(&self, why: String) -> ChangeError {
        ChangeError::Malformed { subject: self.subject.into(), key: self.key.into(), why }
    }

    /// It would begin before another one does.
    pub(super) fn in_front_of(&self, later: &Recalled) -> ChangeError {
        ChangeError::Later {
            subject: self.subject.into(),
            key: self.key.into(),
            id: later.id(),
            from: Date(later.valid.from),
        }
    }

    fn is_carriable(&self, supersede: bool) -> Result<(), String> {
        let bytes = self.bytes(None)?;
        // One that was begun before there was this bound goes on.
        if self.key.len() > KEY_BYTES_MAX && !supersede {
            return Err(format!("a key has at most {KEY_BYTES_MAX} bytes"));
        }
        if self.reason.len() > REASON_BYTES_MAX {
            return Err(format!("a reason has at most {REASON_BYTES_MAX} bytes"));
        }
        let end = self.horizon.and_then(|second| Time::new(second, 0));
        if let Some(end) = end.filter(|end| end.units() <= self.from.units()) {
            return Err(format!(
                "it is kept to {} and begins at {}, so it would never hold; keep it longer, or let \
                 it begin earlier",
                Date(end),
                Date(self.from)
            ));
        }
        let told = Told {
            subject: self.subject.into(),
            key: self.key.into(),
            kind: self.kind,
            owner: self.owner.into(),
            reason: self.reason.into(),
            horizon: self.horizon,
            words: self.words.clone(),
            from: self.from,
            record: Position(0),
            first: None,
        };
        let mut open = Vec::new();
        told.write().encode(&mut open).map_err(|error| error.to_string())?;
        let (most, bytes) = (WRITE_BYTES_MAX - WAY_BYTES, bytes.max(open.len()));
        match bytes > most {
            true => Err(format!(
                "it takes {bytes} bytes with who answers and why, and {most} can be carried; say \
                 less, or put it into several"
            )),
            false => Ok(()),
        }
    }

    /// How long its write is at most: numbers that are given out later count as the longest.
    pub(super) fn bytes(&self, origin: Option<&Origin>) -> Result<usize, String> {
        let place = place_of(self.key, origin.map(|origin| lane_of(origin.log, origin.first.0)));
        for (what, name) in [("subject", self.subject), ("key", &place), ("owner", self.owner)] {
            if !is_name(name) {
                return Err(match origin.is_some() && what == "key" && is_name(self.key) {
                    true => format!(
                        "with the log that it comes from, its key has {} bytes, and a key has at \
                         most {NAME_BYTES_MAX}",
                        place.len()
                    ),
                    false => format!(
                        "a {what} is a text of 1 to {NAME_BYTES_MAX} bytes without control \
                         characters"
                    ),
                });
            }
        }
        if key_of(self.key).1.is_some() {
            return Err("a key that ends with @ and a log is one of another log".into());
        }
        if self.reason.trim().is_empty() {
            return Err("it has no reason".into());
        }
        let words = self.words.encode().map_err(|error| error.to_string())?;
        let bytes = vec![0; words.len() + OVERHEAD_BYTES];
        let sealed = Sealed { subject: u64::from(u32::MAX), index: u32::MAX, bytes };
        let subject = sealed.subject;
        let content = Memo {
            kind: self.kind,
            owner: self.owner.into(),
            reason: self.reason.into(),
            horizon: self.horizon,
            supersedes: origin.is_none().then_some(Position(u64::MAX >> 1)),
            origin: origin.copied(),
            sealed,
        }
        .content();
        let write =
            Write { entity: entity_of(subject, &place), valid: Valid::since(self.from), content };
        let mut bytes = Vec::new();
        write.encode(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes.len())
    }
}

//! Rotation: a new key takes the place of the current one.
//!
//! A fixed order of steps, each durable and whole before the next. A crash between any two leaves
//! the old key current, or the new one; the next rotation goes on with what it finds.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use karyon_identity::{PublicKey, SecretKey};
use karyon_safety::{replace_file, sync_folder};

use crate::directory::KeyDirectory;
use crate::error::{KeyError, KeyKind, failed};
use crate::file::{self, Lock};
use crate::rotation::Rotation;

/// The steps of a rotation, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The new secret is kept, so that what the statement names is not lost with the process.
    KeepNext,
    /// The old pair is copied to where former keys lie.
    RetireSecret,
    RetirePublic,
    /// The old key names its successor.
    State,
    /// Whoever reads only public files now finds none, rather than one that is out of date.
    RemovePublic,
    /// One rename: from here on the new key is the current one.
    Switch,
    WritePublic,
}

const ORDER: [Step; 7] = [
    Step::KeepNext,
    Step::RetireSecret,
    Step::RetirePublic,
    Step::State,
    Step::RemovePublic,
    Step::Switch,
    Step::WritePublic,
];

impl KeyDirectory {
    /// Makes a new key and puts it in the place of `from`, which must be the current one. The old
    /// pair goes to `retired`, with a statement that the new key follows it.
    ///
    /// # Errors
    /// [`KeyError::Rotated`] when another process was faster; [`KeyError`] else. After an error
    /// of the file system there is one current key, the old one or the new one.
    pub fn rotate(&self, kind: &KeyKind, from: &PublicKey) -> Result<Rotation, KeyError> {
        let work = Work::begin(self, kind, from)?;
        ORDER.iter().try_for_each(|step| work.perform(*step))?;
        Ok(work.rotation)
    }

    /// Overwrites the secret of a former key and removes it; whether it was there. What a disk
    /// keeps of overwritten blocks is out of reach.
    ///
    /// # Errors
    /// [`KeyError::Current`] for a key that is no former one, or what the file system says.
    pub fn destroy_retired(&self, kind: &KeyKind, public: &PublicKey) -> Result<bool, KeyError> {
        let lock = Lock::take(self.path())?;
        match file::read_secret(&self.file(kind, "key"))? {
            Some(current) if current.public_key() == *public => {
                return Err(KeyError::Current { kind: kind.clone(), public: *public });
            }
            Some(_) | None => {}
        }
        file::destroy(&self.retired_file(kind, public, "key"), &lock)
    }

    /// Whether a rotation of the current key was begun and cut off; the next one goes on with it.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn is_rotation_pending(
        &self,
        kind: &KeyKind,
        current: &PublicKey,
    ) -> Result<bool, KeyError> {
        let path = self.next(kind, current);
        path.try_exists().map_err(failed("read", &path))
    }

    /// Where the statement of a former key lies.
    pub fn rotation_file(&self, kind: &KeyKind, old: &PublicKey) -> PathBuf {
        self.retired_file(kind, old, "rotation")
    }

    fn next(&self, kind: &KeyKind, current: &PublicKey) -> PathBuf {
        self.retired_file(kind, current, "next")
    }
}

/// A rotation under way.
struct Work<'a> {
    keys: &'a KeyDirectory,
    lock: Lock,
    old: SecretKey,
    next: SecretKey,
    rotation: Rotation,
}

impl<'a> Work<'a> {
    fn begin(
        keys: &'a KeyDirectory,
        kind: &KeyKind,
        from: &PublicKey,
    ) -> Result<Work<'a>, KeyError> {
        let lock = Lock::take(keys.path())?;
        if let KeyKind::Principal(_) = kind {
            file::check_directory(&keys.principals())?;
        }
        let old = keys.settled(kind, &lock)?;
        if old.public_key() != *from {
            let (kind, now) = (kind.clone(), old.public_key());
            return Err(KeyError::Rotated { kind, from: *from, now });
        }
        file::create_directory(&keys.retired(kind))?;
        let next = match file::read_secret(&keys.next(kind, from))? {
            Some(kept) => kept,
            None => SecretKey::generate()?,
        };
        let rotation = Rotation::sign(kind.clone(), &old, next.public_key(), now_unix_ms());
        Ok(Work { keys, lock, old, next, rotation })
    }

    fn perform(&self, step: Step) -> Result<(), KeyError> {
        let Work { keys, lock, old, next, rotation } = self;
        let Rotation { kind, old: old_public, new: new_public, .. } = rotation;
        let retired = |extension| keys.retired_file(kind, old_public, extension);
        let public = keys.file(kind, "pub");
        match step {
            Step::KeepNext => file::write_secret(&keys.next(kind, old_public), next, lock),
            Step::RetireSecret => file::write_secret(&retired("key"), old, lock),
            Step::RetirePublic => file::write_public(&retired("pub"), old_public, lock),
            Step::State => {
                let text = rotation.to_text();
                Ok(replace_file(&retired("rotation"), text.as_bytes(), file::PUBLIC_MODE)?)
            }
            Step::RemovePublic => file::remove(&public),
            Step::Switch => {
                let (from, to) = (keys.next(kind, old_public), keys.file(kind, "key"));
                std::fs::rename(&from, &to).map_err(failed("replace", &to))?;
                [&from, &to]
                    .into_iter()
                    .filter_map(|path| path.parent())
                    .try_for_each(|folder| Ok(sync_folder(folder)?))
            }
            Step::WritePublic => file::write_public(&public, new_public, lock),
        }
    }
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "rotate_tests.rs"]
mod tests;

//! Which keys there are: their public halves, and never a secret.

use std::time::UNIX_EPOCH;

use karyon_identity::{PublicKey, is_principal_name};

use crate::directory::KeyDirectory;
use crate::error::{KeyError, KeyKind, failed};
use crate::file::{self, Secrecy};
use crate::limits::ROTATION_BYTES_MAX;
use crate::rotation::Rotation;

const EXPECTED_ROTATION: &str =
    "a statement karyon-key-rotation-v1, signed by the key that the file is named after";

/// Whether a key is the one in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is.
    Current {
        /// A rotation was begun and cut off; the next one goes on with it.
        rotation_pending: bool,
    },
    /// It was.
    Retired {
        /// What it says of its successor; `None`: it was put there by hand.
        rotation: Option<Rotation>,
    },
}

/// What can be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Whose; `None`: a former key of a principal that nothing names.
    pub kind: Option<KeyKind>,
    /// The public half.
    pub public: PublicKey,
    /// When it was made, milliseconds since 1970, as far as is known: from the statement of the
    /// key before it, else from the time of the secret file.
    pub created_unix_ms: Option<u64>,
    /// Whether its principal answers when no other is named.
    pub default: bool,
    /// Whether its secret is here.
    pub secret: bool,
    /// Whether it is in use.
    pub state: KeyState,
}

impl KeyDirectory {
    /// All keys: the node's, then principals by name, each with its former ones behind it, the
    /// newest first. Principals' secrets are opened only where a public file is missing.
    ///
    /// # Errors
    /// [`KeyError`]: a key that is broken is not passed over.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let default = self.default_principal()?;
        let mut kinds = Vec::new();
        if self.is_there(&KeyKind::Node)? {
            kinds.push(KeyKind::Node);
        }
        for name in file::names(&self.principals())? {
            let name = name.strip_suffix(".key").or(name.strip_suffix(".pub"));
            if let Some(name) = name.filter(|name| is_principal_name(name)) {
                kinds.push(KeyKind::Principal(name.to_owned()));
            }
        }
        kinds.sort();
        kinds.dedup();
        let current =
            kinds.iter().map(|kind| self.current(kind, &default)).collect::<Result<Vec<_>, _>>()?;
        let mut all = current.clone();
        for place in [KeyKind::Node, KeyKind::Principal(String::new())] {
            all.extend(self.retired_keys(&place, &current)?);
        }
        note_creation(&mut all);
        all.sort_by_key(|key| {
            let at = match &key.state {
                KeyState::Current { .. } => u64::MAX,
                KeyState::Retired { rotation } => rotation.as_ref().map_or(0, |r| r.at_unix_ms),
            };
            (key.kind.is_none(), key.kind.clone(), std::cmp::Reverse(at), key.public)
        });
        Ok(all)
    }

    /// The public keys of this machine's nodes: the current one, if there is one, and those that
    /// were, also where only the secret one was put among these. Opens no principal's file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn node_public_keys(&self) -> Result<(Option<PublicKey>, Vec<PublicKey>), KeyError> {
        let current = match self.load_node_public_key() {
            Ok(key) => Some(key),
            Err(KeyError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut retired = self.retired_public_keys(&KeyKind::Node)?;
        retired.retain(|key| Some(*key) != current);
        Ok((current, retired))
    }

    fn is_there(&self, kind: &KeyKind) -> Result<bool, KeyError> {
        for extension in ["key", "pub"] {
            let path = self.file(kind, extension);
            if path.try_exists().map_err(failed("read", &path))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn current(&self, kind: &KeyKind, default: &Option<String>) -> Result<KeyInfo, KeyError> {
        let public = self.public(kind)?;
        let secret = self.file(kind, "key");
        let created_unix_ms = std::fs::metadata(&secret).and_then(|file| file.modified()).ok();
        Ok(KeyInfo {
            public,
            created_unix_ms: created_unix_ms
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                .and_then(|since| u64::try_from(since.as_millis()).ok()),
            default: matches!(kind, KeyKind::Principal(name) if Some(name) == default.as_ref()),
            secret: secret.try_exists().map_err(failed("read", &secret))?,
            state: KeyState::Current { rotation_pending: self.is_rotation_pending(kind, &public)? },
            kind: Some(kind.clone()),
        })
    }

    /// The former keys in one place. What belongs to a current key was left by a rotation that
    /// was cut off, and is none.
    fn retired_keys(&self, place: &KeyKind, current: &[KeyInfo]) -> Result<Vec<KeyInfo>, KeyError> {
        let mut found = Vec::new();
        for public in self.retired_public_keys(place)? {
            if current.iter().any(|key| key.public == public) {
                continue;
            }
            let rotation = self.rotation_of(place, &public)?;
            let secret = self.retired_file(place, &public, "key");
            found.push(KeyInfo {
                kind: match (&rotation, place) {
                    (Some(rotation), _) => Some(rotation.kind.clone()),
                    (None, KeyKind::Node) => Some(KeyKind::Node),
                    (None, KeyKind::Principal(_)) => None,
                },
                public,
                created_unix_ms: None,
                default: false,
                secret: secret.try_exists().map_err(failed("read", &secret))?,
                state: KeyState::Retired { rotation },
            });
        }
        Ok(found)
    }

    fn retired_public_keys(&self, place: &KeyKind) -> Result<Vec<PublicKey>, KeyError> {
        let folder = self.retired(place);
        file::check_directory(&folder)?;
        let mut found = Vec::new();
        let names = file::names(&folder)?;
        for name in &names {
            // The secret one of a node may have been brought here alone. Where a rotation retired it,
            // its public file was taken away so that it is trusted no more.
            let is_beside =
                |hex: &str, extension: &str| names.contains(&format!("{hex}.{extension}"));
            if let (KeyKind::Node, Some(hex)) = (place, name.strip_suffix(".key"))
                && let Some(named) = PublicKey::from_hex(hex)
                && !is_beside(hex, "pub")
                && !is_beside(hex, "rotation")
            {
                let path = folder.join(name);
                match file::read_secret(&path)?.map(|key| key.public_key()) {
                    Some(public) if public == named => found.push(public),
                    Some(_) => {
                        let expected = "the secret of the key that the file is named after";
                        return Err(KeyError::Broken { path, expected });
                    }
                    None => {}
                }
            }
            let Some(named) = name.strip_suffix(".pub").and_then(PublicKey::from_hex) else {
                continue;
            };
            let path = folder.join(name);
            match file::read_public(&path)? {
                Some(public) if public == named => found.push(public),
                Some(_) => {
                    let expected = "the public key that the file is named after";
                    return Err(KeyError::Broken { path, expected });
                }
                // Removed since the folder was read.
                None => {}
            }
        }
        Ok(found)
    }

    /// What a former key says of its successor.
    fn rotation_of(
        &self,
        place: &KeyKind,
        public: &PublicKey,
    ) -> Result<Option<Rotation>, KeyError> {
        let path = self.retired_file(place, public, "rotation");
        let text = file::read(&path, EXPECTED_ROTATION, Secrecy::Public, ROTATION_BYTES_MAX)?;
        let Some(text) = text else { return Ok(None) };
        let fits = |rotation: &Rotation| {
            let same_place =
                matches!(rotation.kind, KeyKind::Node) == matches!(place, KeyKind::Node);
            rotation.old == *public && same_place
        };
        match Rotation::parse_and_verify(text.as_str()) {
            Ok(rotation) if fits(&rotation) => Ok(Some(rotation)),
            Ok(_) | Err(_) => Err(KeyError::Broken { path, expected: EXPECTED_ROTATION }),
        }
    }
}

/// A key that follows another was made when that one was rotated.
fn note_creation(keys: &mut [KeyInfo]) {
    let made: Vec<_> = keys
        .iter()
        .filter_map(|key| match &key.state {
            KeyState::Retired { rotation } => rotation.as_ref().map(|r| (r.new, r.at_unix_ms)),
            KeyState::Current { .. } => None,
        })
        .collect();
    for key in keys {
        let at = made.iter().find(|(new, _)| *new == key.public).map(|(_, at)| *at);
        key.created_unix_ms = at.or(key.created_unix_ms);
    }
}

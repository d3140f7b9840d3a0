//! Keys: where they are kept, how one follows another, and what is remembered of logs.
//!
//! Where keys lie is the person's affair and no part of the kernel: small text files in a
//! directory outside all data.
//!
//! ```text
//! node.key  node.pub                              the node's
//! principals/<name>.key  principals/<name>.pub    one pair a principal
//! retired/<public>.key .pub .rotation             the node's former keys
//! principals/retired/<public>.key .pub .rotation  former keys of principals
//! default-principal                               a name
//! checkpoints/<log>                               the newest checkpoint of each log
//! lock                                            held while something is written
//! ```
//!
//! Key files are one line, `karyon-<what>-v1 <value>`. A secret file has mode 0600 and is refused
//! when others may read it, a directory is refused when others may write in it.
//!
//! # Invariants
//! 1. A key that is there is never overwritten, but by the rotation that has put it into
//!    `retired` before.
//! 2. At every moment of a rotation there is exactly one current key, `<name>.key`, whole.
//! 3. Loading a node key, a former one included, opens no principal's file.
//! 4. Nothing but the key files ever holds a secret: no error and no listing shows one.

mod checkpoints;
mod directory;
mod error;
mod file;
mod list;
mod rotate;
mod rotation;

pub use checkpoints::{Known, KnownCheckpoints};
pub use directory::{Created, KeyDirectory};
pub use error::{KeyError, KeyKind};
pub use list::{KeyInfo, KeyState};
pub use rotation::{Rotation, RotationError, follow};

/// Bounds, with unit and reason.
mod limits {
    /// The longest key file, bytes: more than any of the lines has.
    pub(crate) const KEY_FILE_BYTES_MAX: u64 = 256;
    /// The longest statement of a rotation, bytes: its lines with the longest name are shorter.
    pub(crate) const ROTATION_BYTES_MAX: u64 = 1024;
    /// The longest checkpoint, bytes: three lines and a signature with origins of 39 bytes are
    /// shorter.
    pub(crate) const CHECKPOINT_BYTES_MAX: u64 = 4096;
}

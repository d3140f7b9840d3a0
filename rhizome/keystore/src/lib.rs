//! The keystore: what is sealed under a subject's keys is gone everywhere once they are destroyed.
//!
//! A log is never changed, and copies of it lie elsewhere. So memories that belong to somebody are
//! sealed before they are hashed into it, each under a key of its own, and the keys lie here. Hashes
//! and signatures cover the ciphertext: the log verifies with the keys and without them.
//!
//! A [`Keystore`] is two files. `DIR/keystore/keys.G` holds the keys, sealed under a *master key*
//! that lies outside of the data directory DIR, in a file that the caller names. G is the master's
//! generation. The bytes are in `docs/formats.md`, the reasons in decision 40.
//!
//! ```
//! use karyon_keystore::{Erasure, Keystore, UnsealError};
//! # use karyon_types::LogId;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (folder, log) = (tempfile::tempdir()?, LogId([1; 16]));
//! # let (data, master) = (folder.path().join("data"), folder.path().join("master"));
//! # std::fs::create_dir(&data)?;
//! let mut keystore = Keystore::create(&data, &master, log)?;
//! let sealed = keystore.seal("ada", b"step 7", b"likes engines")?;
//! let unseal = |keystore: &Keystore| {
//!     keystore.unseal(sealed.subject, sealed.index, b"step 7", &sealed.bytes)
//! };
//! assert_eq!(unseal(&keystore)?, b"likes engines");
//!
//! let mut erasure = Erasure::new();
//! erasure.erase(sealed.subject, sealed.index..sealed.index + 1);
//! assert!(keystore.erase(&erasure)?.leftover.is_none());
//! assert!(matches!(unseal(&keystore), Err(UnsealError::Erased { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! # Subjects
//! A subject is a name, with a serial that is never used again. There *never* was such a subject, or
//! it is *live*, or *erased* for ever: then its serial and a keyed digest of its name are kept, so
//! that whoever asks by name hears so, and nothing is recorded about it again. A live subject has
//! the keys of 2²⁴ memories, which all follow from 32 bytes; what was erased one by one is cut out
//! of that tree (`tree.rs`). An index, and with it a key, is used once: indexes are reserved in the
//! file, [`limits::RESERVED`] and more at a time, before what is sealed under them is handed out.
//!
//! # Erasing
//! [`Keystore::erase`] writes what is left under a *new* master key: (1) the new keystore file is
//! made durable beside the old one; (2) the new master key takes the place of the old one, which is
//! the moment at which it is done; (3) the old master key and the old file are overwritten and
//! removed. Wherever that is cut off, the next open finds the state before or the one after, and
//! removes what is left of the other. So an old keystore file, wherever a copy of it lies, opens
//! with a key that is nowhere any more.
//!
//! # Invariants
//! 1. What was erased follows from no file that is there, opened with all other files that are there.
//! 2. No key seals two things, whatever crashes; and should it, as no file knows of its copies, no
//!    nonce is used for two texts.
//! 3. What is not erased stays readable, wherever a write or an erasure is cut off.
//! 4. A file of another log, version or master, or with a changed byte, is refused, and then nothing
//!    is written or removed.
//! 5. Whoever only reads while somebody else erases sees the state before or the one after.
//!
//! # Carrying
//! [`Keystore::carry`] writes the keys to one file for another machine, under a master key of its
//! own that is in it: who has that file can read. It says of which log they are, and how far that
//! had come ([`Source`]), so that keys of another log are not taken for its own.
//! [`CarriedKeys::settle`] makes a keystore from it, under a new master. Two keystores of one origin
//! have the same keys for what was sealed before, and different ones for what comes.
//!
//! # What the caller does
//! One process at a time may have a keystore open for writing: the caller holds the lock of the data
//! directory. [`Keystore::open_read_only`] needs none. What is [sealed](Sealed) is bytes that the
//! caller keeps, with serial and index. A plaintext that was unsealed is the caller's to forget.
//!
//! # What cannot be held
//! - *Copies of the master key.* With the master of a generation and the keystore file of that
//!   generation, all opens that was not erased by then. A backup of the master key keeps what is
//!   erased later; back up data directory and master key apart, and the master to where the newest
//!   alone is kept. Bringing both back from before an erasure undoes it here.
//! - *Old blocks of the disk.* Overwriting reaches the blocks on file systems that write in place.
//!   Copy-on-write and journalled data, snapshots, flash that moves its blocks, and swap keep what
//!   they keep. If both an old master and its keystore file can be found there, so can the keys. A
//!   crash between the second and the third step leaves the old master's blocks as they were.
//! - *What was read before.* Plaintexts and keys that somebody took out, in a process that has the
//!   keystore open still, or in a copy of the log that was unsealed.
//! - *That there was something.* Ciphertexts keep their length, their subject's serial and their
//!   index. Who has keystore and master can try whether a name is one that was erased.
//! - *An older keystore file of the same generation*, brought back without its log, forgets which
//!   indexes were given out, and would use keys twice: [`Keystore::advance`] tells it from the log.
//! - *A copy of both files that goes on beside them*, as after a machine was cloned, uses the same
//!   keys, and nobody can tell it. What a key seals twice shows whether it is the same, and nothing
//!   else (`synthetic.rs`); what is erased in one is open in the other.

mod carry;
mod cipher;
mod codec;
mod erasure;
mod error;
mod file;
mod keystore;
pub mod limits;
mod look;
mod master;
mod place;
mod run;
mod sealed;
mod secret;
mod state;
mod synthetic;
mod system;
mod tree;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod making_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod simulated;

pub use carry::{CarriedKeys, Source, abandon, destroy_carried, keep};
pub use erasure::Erasure;
pub use error::{KeystoreError, UnsealError, Which};
pub use keystore::{Committed, Keystore, Sealed};
pub use look::id_in;
pub use run::RunKey;
pub use state::{Subject, SubjectId};

//! Verification: is this log, with its input copies, what was written?
//!
//! Reads only, so it is no part of the kernel; but who trusts a log trusts this, so it belongs to
//! the trusted base. It believes nothing that the log brings along: signatures are checked
//! against a key that the caller trusts, and where there is none the report says so.
//!
//! # Invariants
//! 1. In a log that is covered by a checkpoint every changed byte is found ([`verify()`]), and
//!    named by block and record.
//! 2. A log verifies only if it extends every checkpoint that the caller knows ([`Trust`]).
//! 3. Nothing is written, and nothing but regular files is read.

mod past;
mod record_hashes;
mod verify;

pub use record_hashes::{RecordHash, RecordHashes, RecordHashesError, frames, record_hash};
pub use verify::{KeyStatus, Report, Trust, VerifyError, read_checkpoint, verify, verify_in};

//! Engrams: memory that travels as one signed, content-addressed file.
//!
//! An engram is a CARv1 file of DAG-CBOR blocks with BLAKE3 CIDs. Each memory is one block; the
//! root is a DSSE envelope with a manifest that names them all, says which log they come from, who
//! answers for them and why they were taken out, and is signed. The bytes are in
//! `docs/engram-format.md`.
//!
//! This crate turns bytes into memories and back. It knows no files, no graph and no trust: whether
//! the signer is known, and what becomes of the memories, is the caller's business.
//!
//! # Invariants
//! 1. [`Engram::open`] hands out nothing of a file before all of it was checked. A [`Stream`] hands
//!    out each memory when it was checked, and says behind the last whether all is right.
//! 2. The same manifest, memories and key give the same bytes, and what opens is what would be
//!    made again: there is one form.
//! 3. What is beyond a bound in [`limits`] is neither made nor opened.

mod car;
mod cid;
mod engram;
pub mod envelope;
mod error;
pub mod limits;
mod manifest;
mod memory;
mod sealer;
mod stream;

pub use cid::Cid;
pub use engram::{Engram, Opened};
pub use error::EngramError;
pub use manifest::{Manifest, Origin, Principal};
pub use sealer::Sealer;
pub use stream::Stream;

//! Exports, proofs and orphans, on logs that are written by the log's own writer.
//!
//! What a machine cannot do is skipped with a line that begins with SKIPPED.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod export;
mod orphans;
mod proofs;
mod support;
mod tail;

//! An index of the log: from a record to its causes, and to what came of it.
//!
//! A projection of committed blocks into a redb file of its own. It holds no content: each answer
//! is a position, and whoever asked reads the record there from the log, which checks it again
//! ([`Spot`] says where the commit lies). Delete the file, read the log again ([`catch_up`]), and
//! all answers are the same.
//!
//! # Invariants
//! 1. A transaction holds the rows of whole commits and the place behind them, or nothing.
//! 2. The rows depend on the log alone, not on how it was cut into transactions.
//! 3. A file that is not an index of this log up to a place of it, or has another layout, is
//!    built anew, and whoever asked hears why ([`Rebuilt`]).
//! 4. Keys are binary, their parts of fixed width, big-endian: rows of one thing lie together, in
//!    the order of the log.
//!
//! # What it does not do
//! The database does not check the bytes of its file when it reads them. A row that was changed
//! leads to a record of which whoever asked can see that it is another; one that is missing cannot
//! be seen from here. Whoever opens the file compares its hash first (`karyon-memory` does).

mod catch_up;
mod error;
mod file;
mod index;
pub mod limits;
mod rows;
mod tables;

pub use catch_up::{CaughtUp, catch_up, catch_up_by};
pub use error::{IndexError, Rebuilt};
pub use index::{Index, Spot};
pub use rows::Tie;

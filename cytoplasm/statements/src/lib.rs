//! Statements: what principals and nodes sign.
//!
//! A principal grants ([`SignedGrant`]), orders and approves ([`SignedStatement`]); a node says how
//! long its log was ([`Checkpoint`]), in the form that existing transparency tools read. A running
//! node never loads a principal's key: it works with what the principal's process signed before.
//!
//! A key that arrives inside a statement proves nothing about who holds it: callers compare it
//! with a key that they already trust.

mod grant;
mod note;
mod statement;

pub use grant::{Asked, GrantError, GrantTerms, SignedGrant};
pub use note::{Checkpoint, NoteError, key_id};
pub use statement::{SignedStatement, Statement};

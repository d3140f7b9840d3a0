//! Identity: keys, and what principals and nodes sign with them.
//!
//! A *principal* is the person who answers; a *node* is a running Karyon. Both have an Ed25519
//! key; where keys are kept is the caller's affair. A running node loads its own key and never a
//! principal's: it works with the [`SignedGrant`] that the principal's process signed before. A
//! [`Checkpoint`] is what a node signs about its log, in the form that existing transparency
//! tools read.
//!
//! A key that arrives inside a grant or a note proves nothing about who holds it: callers
//! compare it with a key that they already trust.

mod grant;
mod keys;
mod name;
mod note;
mod statement;

pub use grant::{Asked, GrantError, GrantTerms, SignedGrant};
pub use keys::{PublicKey, RandomError, SecretKey, Signature};
pub use name::{NAME_RULE, is_principal_name};
pub use note::{Checkpoint, NoteError, key_id};
pub use statement::{SignedStatement, Statement};

//! Identity: keys, signatures, and the rule for names.
//!
//! A *principal* is the person who answers; a *node* is a running Karyon. Both have an Ed25519
//! key; where keys are kept is the caller's affair. What they sign with them is in
//! `cytoplasm/statements`, and in the crate of the log.

mod keys;
mod name;

pub use keys::{PublicKey, RandomError, SecretKey, Signature, random_bytes};
pub use name::{NAME_RULE, is_principal_name};

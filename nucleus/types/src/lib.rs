//! Boundary types of the kernel: what every other part speaks in.
//!
//! Identities are serials that a log never reuses; slab slots and other addresses in memory
//! never leave the part that owns them. A denial is a value with a stable code. Integers are
//! written in one compact form ([`varint`]), hashes are BLAKE3 ([`struct@Hash`]).

mod denial;
mod hash;
mod ids;
mod terms;
pub mod varint;

pub use denial::Denial;
pub use hash::{Hash, Hasher, hash};
pub use ids::{
    AgentId, EffectId, GrantId, LeaseId, LogId, Position, PrincipalId, ProposalId, ReasonId, Tick,
};
pub use terms::{Argument, Arguments, Bound, Capability, Constraint, Plain, Terms};

//! The ledger of authority: who granted what to whom, what was cut from it, what is suspended or
//! revoked, which budgets are used, what waits for an approval, which effects are in flight.
//!
//! The ledger decides and applies, apart: a decision looks at the ledger and gives the record of
//! what would happen; whoever asked makes the record durable and then [applies](Ledger::apply) it.
//! The same records in the same order always make the same ledger, so after a crash it comes back
//! from the log. Only a stop is applied first and recorded then: it holds at once.
//!
//! # Invariants
//! 1. No grant without an answerable principal's signature over exactly its terms.
//! 2. A lease is never wider than what it was cut from, and budgets are carved out of it.
//! 3. A bound on an argument refuses what is missing, of another type, negative, not finite or too
//!    large: it is never skipped.
//! 4. What needs an approval is admitted once for one approval, of exactly these arguments, by
//!    somebody who shares no line of delegation with the proposer.
//! 5. The ledger's time never goes back.
//! 6. Every effect in flight is known, and there are at most [`limits::IN_FLIGHT_MAX`] of them.

mod apply;
mod bounds;
mod decide;
mod ledger;
pub mod limits;
mod orders;
mod refusal;

pub use apply::Contradiction;
pub use bounds::{Broken, Wider};
pub use decide::{Ask, Decision, Granted};
pub use ledger::{
    EffectState, Ledger, ProposalState, Standing, digest, receipt_digest, terms_digest,
};
pub use refusal::{GrantRefused, LeaseRefused, No, Refusal};

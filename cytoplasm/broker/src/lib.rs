//! The effect broker: everything that agents do to the world outside goes through it, and in this
//! order: intent → ledger → durable record → asked again → done → receipt → durable record.
//!
//! It owns the [`Ledger`](karyon_authority::Ledger) of a data directory and is the only one that
//! changes it. Grants, leases, proposals, approvals and intents are durable before they hold. A
//! suspension or a revocation holds before it is durable, and is acknowledged when it is; if it
//! cannot be made durable, nothing is admitted any more.
//!
//! After a crash the ledger comes back from the log. Intents without a receipt become *outcome
//! unknown*: nobody may act on them again, and a late receipt still settles them. A clock that
//! stands behind the log's last record ends every lease and pending approval that has an end.
//!
//! The guardian is told of every question, answer and receipt before it becomes real; without a live
//! one nothing is done to the world.
//!
//! The broker's agents act from outside, in sessions: who names an agent here is trusted to be
//! that agent's session.

mod act;
mod ask;
mod broker;
mod denials;
mod error;
mod watch;

pub use act::{ActError, Outcome, Performed, effect_key};
pub use broker::{Answer, Broker, Clock, KIND, Settings, Stopped, resource};
pub use error::BrokerError;

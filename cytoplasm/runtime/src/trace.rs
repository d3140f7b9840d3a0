//! What an operator is told of agents: who, when, what was decided. Never what they say or hold,
//! and not the words with which a step failed, which may be about either.
//!
//! Apart from the code that runs agents, which is laid out for when nothing is told.

use karyon_log::{CrashKind, Decision, OrderVerb};
use karyon_types::{AgentId, Tick};

/// A step failed, and its supervisor decided.
#[cold]
pub(crate) fn crashed(id: AgentId, tick: Tick, attempt: u32, kind: CrashKind, decided: Decision) {
    tracing::debug!(agent = id.0, tick = tick.0, attempt, ?kind, ?decided, "a step failed");
}

/// An order from outside was carried out.
#[cold]
pub(crate) fn ordered(verb: OrderVerb, id: AgentId, uid: u32) {
    tracing::info!(?verb, agent = id.0, uid, "an order is carried out");
}

//! What can go wrong between an agent and the world.

use karyon_authority::{Contradiction, GrantRefused, LeaseRefused, Refusal};
use karyon_log_writer::LogFailed;
use karyon_runtime::NodeError;
use karyon_statements::GrantError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The node does not start, or does not end as it should.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Nobody guards this node, or its guardian was lost: nothing was done.
    #[error(
        "effects need a live guardian, and this node has none: start it with the command `karyon`, which starts its guardian; of one that was lost `karyon safety status` says more"
    )]
    Unguarded,
    /// The log cannot be written; nothing is admitted any more.
    #[error(transparent)]
    Log(#[from] LogFailed),
    /// The log holds authority that does not follow.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// A grant is refused.
    #[error(transparent)]
    Grant(#[from] GrantRefused),
    /// A lease is refused.
    #[error(transparent)]
    Lease(#[from] LeaseRefused),
    /// Anything else is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<GrantError> for BrokerError {
    fn from(error: GrantError) -> BrokerError {
        BrokerError::Grant(error.into())
    }
}

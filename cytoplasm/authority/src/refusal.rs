//! Why something was refused: values with stable codes.

use std::borrow::Cow;

use karyon_statements::GrantError;
use karyon_types::Denial;

use crate::bounds::{Broken, Wider};

/// An action is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    /// Why.
    pub denial: Denial,
    /// The argument that broke a rule, and the rule.
    pub argument: Option<(String, Broken)>,
}

impl No {
    /// The stable code: the denial's, or `exceeds_capability_` and the argument's name.
    pub fn code(&self) -> Cow<'static, str> {
        match &self.argument {
            Some((name, _)) => format!("exceeds_capability_{name}").into(),
            None => self.denial.code().into(),
        }
    }
}

impl From<Denial> for No {
    fn from(denial: Denial) -> No {
        No { denial, argument: None }
    }
}

impl std::fmt::Display for No {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.argument {
            Some((name, broken)) => write!(f, "{}: {name} {}", self.code(), broken.words()),
            None => f.write_str(self.denial.code()),
        }
    }
}

impl std::error::Error for No {}

/// A grant is refused.
#[derive(Debug, thiserror::Error)]
pub enum GrantRefused {
    /// The signature, the node or the terms are not what they should be.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The terms cannot be anybody's.
    #[error("the terms are refused: {0}")]
    Terms(&'static str),
    /// The principal, or the reason above, is held or belongs to somebody else.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// A lease is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseRefused {
    /// It would be wider than what it comes from.
    #[error("the lease would be wider than what it comes from: {0}")]
    Wider(Wider),
    /// The terms cannot be anybody's.
    #[error("the terms are refused: {0}")]
    Terms(&'static str),
    /// Whoever passes it on may not act now.
    #[error("{0}")]
    Denied(#[from] No),
    /// What it would come from is not there or does not hold.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

/// An order, an approval, a receipt or a new entry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is meant for another log.
    #[error("it is meant for another log (other_log)")]
    OtherLog,
    /// The signature does not belong to it.
    #[error("the signature does not belong to it (bad_signature)")]
    Signature,
    /// The key is no principal's of this log.
    #[error("the key is no principal's of this log (unknown_principal)")]
    UnknownPrincipal,
    /// The principal is suspended or revoked.
    #[error("the principal is suspended or revoked (principal_halted)")]
    PrincipalHalted,
    /// The same order, or a later one, was given before.
    #[error("this order or a later one was given before (order_replayed)")]
    Replayed,
    /// There is no such thing.
    #[error(
        "there is no such agent, reason, grant, principal, lease, proposal or effect (unknown_target)"
    )]
    UnknownTarget,
    /// Another principal answers for it.
    #[error("another principal answers for it (not_answerable)")]
    NotAnswerable,
    /// It is so already.
    #[error("it is so already (already_so)")]
    AlreadySo,
    /// It is not suspended.
    #[error("it is not suspended (not_suspended)")]
    NotSuspended,
    /// It is suspended or revoked.
    #[error("it is suspended or revoked (halted)")]
    Halted,
    /// The proposal was approved before.
    #[error("the proposal was approved before (already_approved)")]
    AlreadyApproved,
    /// The proposal was carried out before.
    #[error("the proposal was carried out before (already_used)")]
    AlreadyUsed,
    /// The proposal or the approval is too old.
    #[error("the proposal or its approval is over (approval_expired)")]
    ApprovalExpired,
    /// The approval is of something else.
    #[error("the approval is of other arguments (approval_of_other_arguments)")]
    OtherArguments,
    /// The approver proposed it, or stands in a line of delegation with who did.
    #[error(
        "the approver proposed it or shares a line of delegation with who did (approver_not_independent)"
    )]
    NotIndependent,
    /// The lease does not hold the right to approve, or does not hold.
    #[error("the approver's lease does not allow it ({0})")]
    Approver(Denial),
    /// The receipt is not of an adapter that this node knows.
    #[error("the receipt is of an adapter that this node does not know (unknown_adapter)")]
    UnknownAdapter,
    /// There is no room for more.
    #[error("there is no room for more of them (lane_closed)")]
    Full,
    /// A text is empty, too long or malformed.
    #[error("a name, label or resource is empty, too long or malformed (malformed_text)")]
    Text,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::OtherLog => "other_log",
            Refusal::Signature => "bad_signature",
            Refusal::UnknownPrincipal => "unknown_principal",
            Refusal::PrincipalHalted => "principal_halted",
            Refusal::Replayed => "order_replayed",
            Refusal::UnknownTarget => "unknown_target",
            Refusal::NotAnswerable => "not_answerable",
            Refusal::AlreadySo => "already_so",
            Refusal::NotSuspended => "not_suspended",
            Refusal::Halted => "halted",
            Refusal::AlreadyApproved => "already_approved",
            Refusal::AlreadyUsed => "already_used",
            Refusal::ApprovalExpired => "approval_expired",
            Refusal::OtherArguments => "approval_of_other_arguments",
            Refusal::NotIndependent => "approver_not_independent",
            Refusal::Approver(denial) => denial.code(),
            Refusal::UnknownAdapter => "unknown_adapter",
            Refusal::Full => "lane_closed",
            Refusal::Text => "malformed_text",
        }
    }
}

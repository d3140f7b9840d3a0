//! Why the gate said no.

use std::fmt;

/// A denial: the gate's answer when authority is missing. A value, recorded, never an error.
///
/// The code text is part of the public boundary and the number part of the log format; neither
/// changes once released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Denial {
    /// The agent holds no lease at all.
    DefaultDeny = 1,
    /// The handle names no live lease.
    UnknownLease = 2,
    /// The lease belongs to another agent.
    LeaseAgentMismatch = 3,
    /// The lease was revoked.
    LeaseRevoked = 4,
    /// The lease's time is over.
    LeaseExpired = 5,
    /// The lease does not carry this right.
    CapabilityNotGranted = 6,
    /// The target lies outside the lease's scope.
    ExceedsCapabilityScope = 7,
    /// The whole system is halted.
    SystemHalted = 8,
    /// A budget of the lease is used up.
    BudgetExhausted = 9,
    /// The agent is suspended or was ended from outside.
    AgentHalted = 10,
    /// The lease, or what it was cut from, is suspended.
    LeaseSuspended = 11,
    /// A person must approve of it first.
    NeedsApproval = 12,
    /// No approval stands for just this.
    NoMatchingApproval = 13,
    /// An argument lies outside what the capability allows; the public code names the argument.
    ExceedsCapability = 14,
    /// The arguments cannot be read.
    MalformedArguments = 15,
}

impl Denial {
    /// Every denial, in the order of its number.
    pub const ALL: [Denial; 15] = [
        Denial::DefaultDeny,
        Denial::UnknownLease,
        Denial::LeaseAgentMismatch,
        Denial::LeaseRevoked,
        Denial::LeaseExpired,
        Denial::CapabilityNotGranted,
        Denial::ExceedsCapabilityScope,
        Denial::SystemHalted,
        Denial::BudgetExhausted,
        Denial::AgentHalted,
        Denial::LeaseSuspended,
        Denial::NeedsApproval,
        Denial::NoMatchingApproval,
        Denial::ExceedsCapability,
        Denial::MalformedArguments,
    ];

    /// The stable text of this denial.
    pub fn code(self) -> &'static str {
        match self {
            Denial::DefaultDeny => "default_deny",
            Denial::UnknownLease => "unknown_lease",
            Denial::LeaseAgentMismatch => "lease_agent_mismatch",
            Denial::LeaseRevoked => "lease_revoked",
            Denial::LeaseExpired => "lease_expired",
            Denial::CapabilityNotGranted => "capability_not_granted",
            Denial::ExceedsCapabilityScope => "exceeds_capability_scope",
            Denial::SystemHalted => "system_halted",
            Denial::BudgetExhausted => "budget_exhausted",
            Denial::AgentHalted => "agent_halted",
            Denial::LeaseSuspended => "lease_suspended",
            Denial::NeedsApproval => "needs_approval",
            Denial::NoMatchingApproval => "no_matching_approval",
            Denial::ExceedsCapability => "exceeds_capability",
            Denial::MalformedArguments => "malformed_arguments",
        }
    }

    /// The denial with this number in the log; `None` for a number of no denial.
    pub fn from_number(number: u8) -> Option<Denial> {
        Denial::ALL.into_iter().find(|denial| *denial as u8 == number)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_unique_and_come_back() {
        for denial in Denial::ALL {
            assert_eq!(Denial::from_number(denial as u8), Some(denial));
        }
        assert_eq!(Denial::from_number(0), None);
        assert_eq!(Denial::from_number(16), None);
        let mut codes: Vec<_> = Denial::ALL.iter().map(|d| d.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Denial::ALL.len());
    }
}

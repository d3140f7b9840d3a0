//! Refusals in words, each with its stable code.

use karyon_authority::{GrantRefused, LeaseRefused, No};
use karyon_broker::{ActError, BrokerError};
use karyon_types::Denial;

use crate::error::{CliError, Code, words};

/// A refusal: exit code 3.
pub(super) fn refused(what: impl std::fmt::Display) -> CliError {
    CliError { code: Code::Refused, message: format!("refused: {what}"), hint: None }
}

/// What a broker says, for a person.
pub(super) fn error(error: BrokerError) -> CliError {
    match error {
        BrokerError::Node(error) => error.into(),
        BrokerError::Unguarded => CliError::failure(error.to_string()),
        BrokerError::Log(failed) => karyon_runtime::NodeError::Log(failed).into(),
        BrokerError::Contradiction(contradiction) => CliError {
            code: Code::VerificationFailed,
            message: words(&contradiction),
            hint: Some("keep the directory as it is: something else wrote its log".into()),
        },
        BrokerError::Grant(GrantRefused::Grant(error)) => {
            refused(format_args!("{error} (invalid_grant)"))
        }
        BrokerError::Grant(GrantRefused::Terms(why))
        | BrokerError::Lease(LeaseRefused::Terms(why)) => {
            refused(format_args!("{why} (malformed_terms)"))
        }
        BrokerError::Lease(LeaseRefused::Wider(wider)) => refused(format_args!(
            "it would be wider than what it comes from: {wider} (wider_lease)"
        )),
        BrokerError::Lease(LeaseRefused::Denied(no)) => refused(denied(&no)),
        BrokerError::Grant(GrantRefused::Refused(refusal))
        | BrokerError::Lease(LeaseRefused::Refused(refusal))
        | BrokerError::Refused(refusal) => refused(refusal),
    }
}

/// Why an effect did not happen.
pub(super) fn not_done(error: ActError) -> CliError {
    match error {
        ActError::Denied(no) => {
            refused(format_args!("it was admitted, but may not be done any more: {}", denied(&no)))
        }
        ActError::Refused(refusal) => refused(refusal).with_hint(
            "an effect is done once, and never when nobody knows whether it was begun; \
             `karyon authority show` lists those that are not settled",
        ),
        ActError::Broker(broker) => self::error(broker),
        unknown @ ActError::Unknown(_) => CliError::failure(unknown.to_string())
            .with_hint("its budget and its use stay taken; look yourself whether it happened"),
    }
}

/// A denial: what it means, and its code.
pub(super) fn denied(no: &No) -> String {
    match &no.argument {
        Some((name, broken)) => format!("{name} {} ({})", broken.words(), no.code()),
        None => format!("{} ({})", meaning(no.denial), no.code()),
    }
}

fn meaning(denial: Denial) -> &'static str {
    match denial {
        Denial::DefaultDeny => "the agent holds no lease",
        Denial::UnknownLease => "there is no such lease",
        Denial::LeaseAgentMismatch => "the lease is another agent's",
        Denial::LeaseRevoked => "the lease, or what it comes from, was revoked",
        Denial::LeaseExpired => "the time for it is over",
        Denial::CapabilityNotGranted => "the lease does not allow this action",
        Denial::ExceedsCapabilityScope => "the lease does not allow it on this resource",
        Denial::SystemHalted => "everything is halted",
        Denial::BudgetExhausted => "not enough is left of a budget, or no use",
        Denial::AgentHalted => "the agent is suspended",
        Denial::LeaseSuspended => "the lease, or what it comes from, is suspended",
        Denial::NeedsApproval => "somebody must approve of it first",
        Denial::NoMatchingApproval => "no approval stands for exactly this",
        Denial::ExceedsCapability => "an argument is outside of what the lease allows",
        Denial::MalformedArguments => "the arguments or the resource cannot be read",
    }
}

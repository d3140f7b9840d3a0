//! Records in words: what `why` and `audit` say of those that are about the node and authority.

use karyon_log::{Control, Order, Target, Verb};

use crate::output::hex;

/// The kind of a control record, for machines.
pub(crate) fn control_kind(control: &Control) -> &'static str {
    match control {
        Control::Genesis(_) => "genesis",
        Control::Boot(_) => "boot",
        Control::Principal(_) => "principal",
        Control::Reason(_) => "reason",
        Control::Grant(_) => "grant",
        Control::Recovered(_) => "recovered",
        Control::Resume(_) => "resume",
        Control::Interrupted(_) => "interrupted",
        Control::Seal(_) => "seal",
        Control::Import(_) => "import",
        Control::Turn(_) => "turn",
        Control::Halt(_) => "halt",
        Control::Agent(_) => "agent",
        Control::Terms(_) => "terms",
        Control::Order(_) => "order",
        Control::Proposal(_) => "proposal",
        Control::Approval(_) => "approval",
        Control::Intent(_) => "intent",
        Control::Receipt(_) => "receipt",
        Control::OutcomeUnknown(_) => "outcome_unknown",
        Control::Refused(_) => "refused",
        Control::ClockBack(_) => "clock_back",
    }
}

/// What a control record says.
pub(crate) fn control_words(control: &Control) -> String {
    match control {
        Control::Genesis(genesis) if genesis.scenario_name.is_empty() => {
            "this log began, without a scenario".into()
        }
        Control::Genesis(genesis) => {
            format!("this log began, with the scenario {}", genesis.scenario_name)
        }
        Control::Boot(boot) => format!("the node started (boot {})", boot.boot),
        Control::Principal(principal) => {
            format!("{} is the principal who answers, number {}", principal.name, principal.id)
        }
        Control::Reason(reason) => format!("reason {} was given: {}", reason.id, reason.label),
        Control::Grant(grant) => format!("grant {} was given", grant.id),
        Control::Recovered(recovered) => {
            format!("{} bytes that were never committed were cut", recovered.cut_bytes)
        }
        Control::Resume(resume) => format!("a person ended safe mode: {}", resume.reason),
        Control::Interrupted(interrupted) => {
            format!("signal {} interrupted the run", interrupted.signal)
        }
        Control::Seal(seal) => format!("the run was complete after {} ticks", seal.ticks),
        Control::Import(import) => format!(
            "an engram of log {} was imported ({}, signed by {}, trusted: {})",
            hex(&import.origin),
            import.file.name,
            hex(&import.signer),
            import.trusted_by
        ),
        Control::Turn(turn) => format!("the log goes on behind its file {}", turn.segment),
        Control::Halt(halt) => format!("the node was halted: {}", halt.reason),
        Control::Agent(agent) => format!("agent {} is called {}", agent.id, agent.name),
        Control::Terms(terms) => format!(
            "lease {} was opened for agent {}, from {}",
            terms.lease,
            terms.owner,
            match terms.parent {
                Some(parent) => format!("lease {parent}"),
                None => format!("grant {}", terms.grant),
            }
        ),
        Control::Order(order) => match order_of(order) {
            Some((verb, target)) => format!(
                "principal {} ordered: {} ({} effects were in flight)",
                order.principal,
                change_words(verb, target),
                order.in_flight
            ),
            None => format!("principal {} ordered something unknown", order.principal),
        },
        Control::Proposal(proposal) => format!(
            "proposal {}: agent {} wants {} on {}",
            proposal.id, proposal.agent, proposal.action, proposal.resource
        ),
        Control::Approval(approval) => format!(
            "proposal {} was approved by {}",
            approval.proposal,
            match (approval.principal, approval.lease) {
                (Some(principal), _) => format!("principal {principal}"),
                (None, Some(lease)) => format!("the holder of lease {lease}"),
                (None, None) => "nobody".into(),
            }
        ),
        Control::Intent(intent) => format!(
            "effect {}: agent {} was to do {} on {}",
            intent.id, intent.agent, intent.action, intent.resource
        ),
        Control::Receipt(receipt) => format!("effect {}: {}", receipt.effect, receipt.status),
        Control::OutcomeUnknown(unknown) => {
            format!("effect {}: nobody knows whether it happened: {}", unknown.effect, unknown.why)
        }
        Control::Refused(refused) => format!(
            "agent {} was denied {} on {}: {} ({} times)",
            refused.agent, refused.action, refused.resource, refused.code, refused.count
        ),
        Control::ClockBack(clock) => format!(
            "the clock stood {} ms behind the last commit: whatever has an end is over",
            clock.recorded_unix_ms.saturating_sub(clock.found_unix_ms)
        ),
    }
}

/// What happened to whose authority.
pub(crate) fn change_words(verb: Verb, target: Target) -> String {
    let whose = match target {
        Target::Agent(id) => id.to_string(),
        Target::Reason(id) => id.to_string(),
        Target::Grant(id) => id.to_string(),
        Target::Principal(id) => id.to_string(),
        Target::Lease(id) => id.to_string(),
    };
    match verb {
        Verb::Suspend => format!("{whose} was suspended"),
        Verb::Resume => format!("{whose} was resumed"),
        Verb::Revoke => format!("{whose} was revoked"),
    }
}

fn order_of(order: &Order) -> Option<(Verb, Target)> {
    let verb = Verb::from_number(order.verb)?;
    Some((verb, Target::from_parts(order.target.0, order.target.1)?))
}

//! `karyon authority show`: who may do what, what waits, what is not settled.

use karyon_authority::{EffectState, ProposalState, Standing};
use karyon_log::{Control, GrantRecord, Target, TermsRecord};
use karyon_types::{
    AgentId, Bound, Capability, GrantId, Hash, LeaseId, PrincipalId, ReasonId, Terms,
};
use serde_json::{Value, json};

use super::past::Past;
use super::{show_text, values};
use crate::args::ShowAuthority;
use crate::error::{CliError, Code};
use crate::output::{self, put};

pub(super) fn execute(args: &ShowAuthority) -> Result<Code, CliError> {
    let past = Past::signed_by(args.key.as_deref(), &args.place.data)?;
    let all = object(&past);
    match args.place.json {
        true => output::json(&all),
        false => show_text::show(&all),
    }
    Ok(Code::Ok)
}

/// All that there is, for machines; people see the same.
fn object(past: &Past) -> Value {
    let mut all = json!({ "log_id": past.report.log.to_string() });
    let (mut principals, mut reasons, mut agents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut grants, mut leases) = (Vec::new(), Vec::new());
    for control in &past.report.controls {
        match control {
            Control::Principal(record) => principals.push(json!({
                "principal": record.id,
                "name": record.name,
                "public_key": output::hex(&record.public_key),
                "standing": standing(past, Target::Principal(PrincipalId(record.id))),
            })),
            Control::Reason(record) => reasons.push(json!({
                "reason": record.id,
                "under": record.parent,
                "label": record.label,
                "standing": standing(past, Target::Reason(ReasonId(record.id))),
            })),
            Control::Agent(record) => agents.push(json!({
                "agent": record.id,
                "name": record.name,
                "standing": standing(past, Target::Agent(AgentId(record.id))),
            })),
            Control::Grant(record) => grants.push(grant(past, record)),
            Control::Terms(record) => leases.push(lease(past, record)),
            // What is done and what waits is the ledger's to tell; the rest is no authority.
            _ => {}
        }
    }
    put(&mut all, "principals", principals);
    put(&mut all, "reasons", reasons);
    put(&mut all, "grants", grants);
    put(&mut all, "agents", agents);
    put(&mut all, "leases", leases);
    put(&mut all, "proposals", proposals(past));
    put(&mut all, "effects", effects(past));
    all
}

/// Whether something is held by its own: what is above it may hold it too.
fn standing(past: &Past, target: Target) -> &'static str {
    match past.ledger.standing(target) {
        Standing { revoked: true, .. } => "revoked",
        Standing { suspended_by: Some(_), .. } => "suspended",
        Standing { suspended_by: None, revoked: false } => "open",
    }
}

fn grant(past: &Past, record: &GrantRecord) -> Value {
    let target = Target::Grant(GrantId(record.id));
    let terms = record.terms.clone().unwrap_or_default();
    json!({
        "grant": record.id,
        "principal": record.principal,
        "reason": record.reason,
        "standing": standing(past, target),
        "terms": terms_object(past, target, &terms),
    })
}

fn lease(past: &Past, record: &TermsRecord) -> Value {
    let id = LeaseId(record.lease);
    let holds = past.ledger.holds(id);
    json!({
        "lease": record.lease,
        "agent": record.owner,
        "grant": record.grant,
        "from_lease": record.parent,
        "reason": record.reason,
        "standing": standing(past, Target::Lease(id)),
        "holds": holds.is_ok(),
        "code": holds.err().map(|denial| denial.code()),
        "terms": terms_object(past, Target::Lease(id), &record.terms),
    })
}

fn terms_object(past: &Past, of: Target, terms: &Terms) -> Value {
    let capabilities = terms.capabilities.iter().enumerate();
    let capabilities: Vec<_> = capabilities
        .map(|(place, capability)| capability_object(past, of, place, capability))
        .collect();
    json!({
        "approves": terms.approves,
        "delegates": terms.delegates,
        "expires_unix_ms": terms.expires_unix_ms,
        "expires": terms.expires_unix_ms.map(values::moment),
        "capabilities": capabilities,
    })
}

fn capability_object(past: &Past, of: Target, place: usize, capability: &Capability) -> Value {
    let used = past.ledger.used(of, place);
    let uses = used.map_or(0, |(uses, _)| uses);
    let constraints = capability.constraints.iter().map(|constraint| {
        let mut object = json!({ "field": constraint.field });
        match &constraint.bound {
            Bound::Minimum(least) => put(&mut object, "minimum", *least),
            Bound::Maximum(most) => put(&mut object, "maximum", *most),
            Bound::OneOf(allowed) => put(&mut object, "one_of", json!(allowed)),
            Bound::Pattern(pattern) => put(&mut object, "pattern", pattern.as_str()),
            Bound::Budget(budget) => {
                let spent = used.and_then(|(_, spent)| spent.get(&constraint.field).copied());
                let spent = spent.unwrap_or(0);
                put(&mut object, "budget", *budget);
                put(&mut object, "used", spent);
                put(&mut object, "left", budget.saturating_sub(spent));
            }
        }
        object
    });
    json!({
        "action": capability.action,
        "resource": capability.resource,
        "approval": capability.approval,
        "uses": capability.uses,
        "uses_used": uses,
        "uses_left": capability.uses.map(|most| most.saturating_sub(uses)),
        "constraints": constraints.collect::<Vec<_>>(),
    })
}

/// All proposals; those that wait for somebody come first.
fn proposals(past: &Past) -> Vec<Value> {
    let mut all: Vec<_> = past.ledger.proposals().collect();
    all.sort_by_key(|(proposal, state)| (*state != ProposalState::Pending, proposal.id));
    let object = |(proposal, state): &(&karyon_log::Proposal, ProposalState)| {
        // An approval may have brought the end forward.
        let until = proposal.expires_unix_ms;
        let state = match state {
            ProposalState::Pending => "pending",
            ProposalState::Approved => "approved",
            ProposalState::Used => "used",
            ProposalState::Over => "over",
        };
        json!({
            "proposal": proposal.id,
            "state": state,
            "agent": proposal.agent,
            "lease": proposal.lease,
            "action": proposal.action,
            "resource": proposal.resource,
            "arguments": values::object(&proposal.arguments),
            "digest": Hash(proposal.digest).to_string(),
            "expires_unix_ms": until,
            "expires": values::moment(until),
        })
    };
    all.iter().map(object).collect()
}

/// Effects that nobody has heard the end of.
fn effects(past: &Past) -> Vec<Value> {
    let object = |(intent, state): (&karyon_log::Intent, EffectState)| {
        json!({
            "effect": intent.id,
            "state": match state {
                EffectState::InFlight => "in_flight",
                EffectState::Unknown => "unknown",
            },
            "agent": intent.agent,
            "lease": intent.lease,
            "action": intent.action,
            "resource": intent.resource,
            "arguments": values::object(&intent.arguments),
            "proposal": intent.proposal,
            "deadline_unix_ms": intent.deadline_unix_ms,
            "deadline": values::moment(intent.deadline_unix_ms),
        })
    };
    past.ledger.effects().map(object).collect()
}

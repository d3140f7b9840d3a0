//! `karyon authority approve`: a principal says yes to exactly one proposal.

use karyon_authority::ProposalState;
use karyon_runtime::wall_ms;
use karyon_statements::Statement;
use karyon_types::{AgentId, Hash, LeaseId, ProposalId};
use serde_json::json;

use super::past::Past;
use super::statement::{self, Speaker};
use super::values::{moment, to_json};
use super::{become_the_node, permit, refused, with};
use crate::args::Approve;
use crate::confirm::is_confirmed;
use crate::error::{CliError, Code};
use crate::guarded::{self, Arrived};
use crate::handover::Inputs;
use crate::output::{self, plain};

pub(super) fn execute(args: &Approve) -> Result<Code, CliError> {
    match guarded::arrived()? {
        None => launch(args),
        Some(node) => take(args, &node),
    }
}

/// Takes the approval, as the node.
fn take(args: &Approve, node: &Arrived) -> Result<Code, CliError> {
    let signed = statement::received(&node.said)?;
    match signed.statement {
        Statement::Approval { proposal, .. } if proposal == args.proposal => {}
        Statement::Approval { .. } | Statement::Order { .. } => {
            return Err(refused::refused("something else was signed (malformed_statement)"));
        }
    }
    let id = with(node, |node| node.broker.approve(signed).map_err(refused::error))?;
    match args.place.json {
        true => output::json(&json!({ "approved": id.0 })),
        false => output::line(&format!("proposal {} is approved, for one use", id.0)),
    }
    Ok(Code::Ok)
}

/// Shows the proposal, asks, signs, and becomes the node.
fn launch(args: &Approve) -> Result<Code, CliError> {
    let data = args.place.data.as_path();
    permit(data)?;
    let past = Past::read(data)?;
    let found = past.ledger.proposal(ProposalId(args.proposal));
    let (proposal, state) = found.ok_or_else(|| {
        refused::refused(format_args!("there is no proposal {} (unknown_target)", args.proposal))
    })?;
    let speaker = Speaker::find(args.principal.as_deref())?;
    speaker.number(&past)?;
    let digest = proposal.digest;
    // What is shown below must be what is signed, and not only lie beside it in the log.
    let shown = karyon_authority::digest(
        past.report.log,
        AgentId(proposal.agent),
        LeaseId(proposal.lease),
        &proposal.action,
        &proposal.resource,
        &proposal.arguments,
    );
    if shown != Some(Hash(digest)) {
        return Err(refused::refused(
            "the proposal's digest is of other arguments (approval_of_other_arguments)",
        ));
    }
    let name = past.agents().find(|(id, _)| *id == proposal.agent).map_or("", |(_, name)| name);
    output::note(&format!(
        "proposal {}: agent {} ({}), under lease {}, wants\n  action    {}\n  resource  {}",
        proposal.id,
        proposal.agent,
        plain(name),
        proposal.lease,
        plain(&proposal.action),
        plain(&proposal.resource),
    ));
    for (name, value) in &proposal.arguments {
        output::note(&format!(
            "  argument  {} = {}",
            plain(name),
            plain(&to_json(value).to_string())
        ));
    }
    output::note(&format!(
        "  digest    {}\n  until     {}",
        Hash(digest),
        moment(proposal.expires_unix_ms)
    ));
    if state == ProposalState::Pending && !args.yes && !is_meant(&speaker.name)? {
        return Err(CliError::failure("nothing was approved"));
    }
    let expires_unix_ms = wall_ms().saturating_add(args.valid.saturating_mul(1000));
    let approval = Statement::Approval { proposal: args.proposal, digest, expires_unix_ms };
    let said = statement::sign(&speaker, &past, &approval)?;
    become_the_node(data, said, &Inputs::default())
}

fn is_meant(name: &str) -> Result<bool, CliError> {
    let question = format!("Approve of exactly this, once, as {name}?");
    is_confirmed(&question, "nothing was approved")
}

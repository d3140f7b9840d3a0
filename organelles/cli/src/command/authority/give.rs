//! A directory begun, and what is given in it: grants, agents, leases and parts of leases.

use std::path::Path;

use karyon_broker::{Broker, resource};
use karyon_gate::Rights;
use karyon_keys::KeyDirectory;
use karyon_runtime::DataDir;
use karyon_types::{AgentId, GrantId, LeaseId, ReasonId};
use serde_json::json;

use super::past::Past;
use super::{become_the_node, permit, refused, settings, terms, with};
use crate::args::{Delegate, Grant, Lease, MakeAgent, NewAuthority};
use crate::error::{CliError, Code};
use crate::handover::{Inputs, Said};
use crate::{grant, guarded, keys, output};

/// `karyon authority new`.
pub(super) fn new(args: &NewAuthority) -> Result<Code, CliError> {
    let Some(node) = guarded::arrived()? else {
        let data = args.place.data.as_path();
        guarded::permit(data)?;
        let directory = KeyDirectory::from_environment()?;
        let _dir = DataDir::create(data)?;
        grant::node_key(&directory)?;
        return become_the_node(data, Said::Nothing, &Inputs::default());
    };
    let broker = Broker::create(node.dir()?, settings(&node.key, Vec::new()));
    let broker = broker.map_err(refused::error)?;
    let log = broker.log();
    broker.close().map_err(refused::error)?;
    match args.place.json {
        true => output::json(&json!({ "log_id": log.to_string(), "data": args.place.data })),
        false => output::line(&format!("log {log} began in {}", args.place.data.display())),
    }
    Ok(Code::Ok)
}

/// `karyon authority grant`: signs, and becomes the node, which takes the grant.
pub(super) fn grant(args: &Grant) -> Result<Code, CliError> {
    let Some(mut node) = guarded::arrived()? else { return sign_grant(args) };
    let terms = terms::read(&args.terms, &mut node.inputs)?;
    let authority = grant::received(std::mem::replace(&mut node.said, Said::Nothing))?;
    // The signature covers the reason; the command line may not say another.
    if authority.signed.terms.reason != args.reason {
        return Err(refused::refused("another reason was signed (invalid_grant)"));
    }
    let principal = authority.signed.terms.principal.clone();
    let (id, reason) = with(&node, |node| {
        let under = args.under.map(ReasonId);
        let granted = node.broker.grant(&authority.signed, authority.principal_key, terms, under);
        granted.map_err(refused::error)
    })?;
    match args.place.json {
        true => output::json(&json!({ "grant": id.0, "reason": reason.0, "principal": principal })),
        false => output::line(&format!(
            "grant {} by {principal}, for reason {}: {}",
            id.0, reason.0, args.reason
        )),
    }
    Ok(Code::Ok)
}

fn sign_grant(args: &Grant) -> Result<Code, CliError> {
    let data = args.place.data.as_path();
    permit(data)?;
    let mut inputs = Inputs::default();
    let terms = terms::read(&args.terms, &mut inputs)?;
    let directory = KeyDirectory::from_environment()?;
    // A directory in which it cannot be is told before anything is signed.
    let log = Past::read(data)?.report.log;
    let digest = karyon_authority::terms_digest(&terms);
    let digest = digest.ok_or_else(|| CliError::failure("the terms cannot be encoded"))?;
    let key = keys::of_log(&directory, data)?.public_key();
    let terms = grant::Terms {
        reason: args.reason.clone(),
        rights: Rights::ACT,
        resource: resource(log),
        digest,
    };
    let said = grant::sign(&directory, key, args.principal.as_deref(), terms)?;
    become_the_node(data, said, &inputs)
}

/// `karyon authority agent`.
pub(super) fn agent(args: &MakeAgent) -> Result<Code, CliError> {
    let name = args.name.as_str();
    if name.parse::<u64>().is_ok() {
        return Err(CliError::failure(format!(
            "{name} is a number; expected a name that is none, since agents have numbers too"
        )));
    }
    let Some(node) = guarded::arrived()? else { return launch(&args.place.data, None) };
    let past = Past::of(&node)?;
    if let Some((id, _)) = past.agents().find(|(_, other)| *other == name) {
        return Err(CliError::failure(format!("agent {id} is called {name:?} already")));
    }
    let id = with(&node, |node| node.broker.agent(name).map_err(refused::error))?;
    match args.place.json {
        true => output::json(&json!({ "agent": id.0, "name": name })),
        false => output::line(&format!("agent {} is called {name}", id.0)),
    }
    Ok(Code::Ok)
}

/// `karyon authority lease`.
pub(super) fn lease(args: &Lease) -> Result<Code, CliError> {
    let Some(mut node) = guarded::arrived()? else {
        return launch(&args.place.data, args.terms.as_deref());
    };
    let past = Past::of(&node)?;
    let owner = past.agent(&args.to)?;
    let terms = match &args.terms {
        Some(file) => terms::read(file, &mut node.inputs)?,
        None => past.grant_terms(args.grant)?,
    };
    let (grant, reason) = (GrantId(args.grant), args.reason.map(ReasonId));
    let id =
        with(&node, |node| node.broker.lease(grant, owner, reason, terms).map_err(refused::error))?;
    show_lease(id, owner, args.place.json);
    Ok(Code::Ok)
}

/// `karyon authority delegate`.
pub(super) fn delegate(args: &Delegate) -> Result<Code, CliError> {
    let Some(mut node) = guarded::arrived()? else {
        return launch(&args.place.data, Some(&args.terms));
    };
    let past = Past::of(&node)?;
    let owner = past.agent(&args.to)?;
    let by = AgentId(past.lease(args.lease)?.owner);
    let terms = terms::read(&args.terms, &mut node.inputs)?;
    let (parent, reason) = (LeaseId(args.lease), args.reason.map(ReasonId));
    let id = with(&node, |node| {
        node.broker.attenuate(by, parent, owner, reason, terms).map_err(refused::error)
    })?;
    show_lease(id, owner, args.place.json);
    Ok(Code::Ok)
}

/// Becomes the node, with the terms that are given, once they can be read.
fn launch(data: &Path, terms: Option<&Path>) -> Result<Code, CliError> {
    permit(data)?;
    let mut inputs = Inputs::default();
    if let Some(file) = terms {
        terms::read(file, &mut inputs)?;
    }
    become_the_node(data, Said::Nothing, &inputs)
}

fn show_lease(id: LeaseId, owner: AgentId, as_json: bool) {
    match as_json {
        true => output::json(&json!({ "lease": id.0, "agent": owner.0 })),
        false => output::line(&format!("lease {} for agent {}", id.0, owner.0)),
    }
}

//! Chains and trees for machines.

use std::collections::BTreeMap;

use karyon_memory::{Answerable, Approved, Bounds, Consequence, Consequences, Lineage, Link, What};
use serde_json::{Value as Json, json};

use super::super::memory::show::{moment, value_json};
use super::Teller;
use crate::error::CliError;
use crate::output::{hex, put};
use crate::words::{
    arrangement_words, change_words, control_kind, measure_words, order_verb, told_words,
};

impl Teller<'_> {
    pub(super) fn chain_json(&self, reference: &str, lineage: &Lineage) -> Result<Json, CliError> {
        let links = lineage.links.iter().map(|link| self.link_json(link));
        let approved = lineage.approved.iter().map(|approved| self.approved_json(approved));
        Ok(json!({
            "ref": reference,
            "chain": links.collect::<Result<Vec<_>, _>>()?,
            "approved": approved.collect::<Result<Vec<_>, _>>()?,
            "authority": lineage.authority.as_ref().map(authority_json),
        }))
    }

    pub(super) fn tree_json(
        &self,
        reference: &str,
        bounds: Bounds,
        tree: &Consequences,
    ) -> Result<Json, CliError> {
        let links = tree.links.iter().map(|link| self.consequence_json(link));
        Ok(json!({
            "ref": reference,
            "depth": bounds.depth,
            "limit": bounds.links,
            "consequences": links.collect::<Result<Vec<_>, _>>()?,
            "left_out": { "deeper": tree.left_out.deeper, "more": tree.left_out.more },
        }))
    }

    fn consequence_json(&self, link: &Consequence) -> Result<Json, CliError> {
        let mut out = self.link_json(&link.link)?;
        let handled = link.handled.as_ref().map(|by| self.link_json(by)).transpose()?;
        put(&mut out, "parent", link.parent);
        put(&mut out, "depth", link.depth);
        put(&mut out, "input", link.input);
        put(&mut out, "handled", handled);
        put(&mut out, "barren_messages", link.barren);
        Ok(out)
    }

    fn approved_json(&self, approved: &Approved) -> Result<Json, CliError> {
        Ok(json!({
            "record": approved.position.0,
            "proposal": approved.proposal,
            "agent": approved.agent.map(|agent| self.name(agent)).transpose()?,
            "authority": approved.authority.as_ref().map(authority_json),
        }))
    }

    fn link_json(&self, link: &Link) -> Result<Json, CliError> {
        let mut out = json!({
            "record": link.position.0,
            "tick": link.tick.map(|tick| tick.0),
            "agent": link.agent.map(|agent| self.name(agent)).transpose()?,
            "lease": link.lease.map(|lease| lease.0),
            "words": self.sentence(link)?,
        });
        let mut put = |name: &str, value: Json| put(&mut out, name, value);
        match &link.what {
            What::Fact { predicate, valid, properties } => {
                put("kind", "fact".into());
                put("predicate", predicate.as_str().into());
                put("valid_from", moment(valid.from));
                put("valid_to", valid.to.map_or(Json::Null, moment));
                let properties: BTreeMap<_, _> = self
                    .properties(properties)?
                    .iter()
                    .map(|(name, value)| (name.clone(), value_json(value)))
                    .collect();
                put("properties", json!(properties));
            }
            What::Sent { to, payload } => {
                put("kind", "sent".into());
                put("to", self.name(*to)?.into());
                put("payload", hex(payload).into());
            }
            What::Denied { to, denial } => {
                put("kind", "denied".into());
                put("to", to.map(|to| self.name(to)).transpose()?.into());
                put("denial", denial.code().into());
            }
            What::DeniedAgain { denial, count } => {
                put("kind", "denied_again".into());
                put("denial", denial.code().into());
                put("count", (*count).into());
            }
            What::Arranged { what, denial } => {
                put("kind", "arranged".into());
                put("arranged", arrangement_words(what).into());
                put("denial", denial.map(|denial| denial.code()).into());
            }
            What::Input { index } => {
                put("kind", "input".into());
                put("input", (*index).into());
            }
            What::Step { step, .. } => {
                put("kind", "step".into());
                put("step", (*step).into());
            }
            What::Crashed { .. } => put("kind", "crash".into()),
            What::Lost { .. } => put("kind", "dead_letter".into()),
            What::Born => put("kind", "spawn".into()),
            What::Leased => put("kind", "lease".into()),
            What::Schedule => put("kind", "schedule".into()),
            What::Tick => put("kind", "tick".into()),
            What::Released { count } => {
                put("kind", "inputs".into());
                put("count", (*count).into());
            }
            What::Control(control) => put("kind", control_kind(control).into()),
            What::Changed { verb, target } => {
                put("kind", "change".into());
                put("change", change_words(*verb, *target).into());
            }
            What::Quarantined { first, last } => {
                put("kind", "lost_agents".into());
                put("first", first.0.into());
                put("last", last.0.into());
            }
            What::Ordered { verb, uid } => {
                put("kind", "order".into());
                put("verb", order_verb(*verb).into());
                put("uid", (*uid).into());
            }
            What::Told { what } => {
                put("kind", "told".into());
                put("words", told_words("it", what).into());
            }
            What::Supervised { measure } => {
                put("kind", "supervised".into());
                put("did", measure_words("it", *measure).into());
            }
        }
        Ok(out)
    }
}

fn authority_json(authority: &Answerable) -> Json {
    json!({
        "lease": authority.lease.map(|lease| lease.0),
        "grant": authority.grant.map(|(grant, _)| grant.0),
        "grant_record": authority.grant.map(|(_, record)| record.0),
        "reasons": authority.reasons,
        "principal": authority.principal.name,
        "principal_key": hex(&authority.principal.public_key),
    })
}

//! `karyon authority ask`: whether something may be done; and with a command, does it at once.

use karyon_authority::Ask;
use karyon_broker::Answer;
use karyon_types::{AgentId, LeaseId, ProposalId};
use serde_json::{Value, json};

use super::past::Past;
use super::{become_the_node, perform, permit, refused, values, with};
use crate::error::{CliError, Code};
use crate::handover::{Inputs, Said};
use crate::{args, guarded, output};

pub(super) fn execute(args: &args::Ask) -> Result<Code, CliError> {
    let arguments = values::arguments(&args.arg, args.args.as_deref())?;
    let Some(node) = guarded::arrived()? else {
        permit(&args.place.data)?;
        return become_the_node(&args.place.data, Said::Nothing, &Inputs::default());
    };
    let agent = AgentId(Past::of(&node)?.lease(args.lease)?.owner);
    let ask = Ask {
        agent,
        lease: LeaseId(args.lease),
        action: &args.action,
        resource: &args.resource,
        arguments: &arguments,
        proposal: args.proposal.map(ProposalId),
        within_ms: args.within.saturating_mul(1000),
    };
    with(&node, |node| {
        let answer = node.broker.ask(&ask).map_err(refused::error)?;
        match answer {
            Answer::Admitted(effect) if !args.command.is_empty() => {
                perform::perform(node, effect, &args.command, args.place.json)
            }
            answer => Ok(tell(&answer, args)),
        }
    })
}

/// Says what the answer is, and what to do next.
fn tell(answer: &Answer, args: &args::Ask) -> Code {
    let data = args.place.data.display();
    let (words, object, code) = match answer {
        Answer::Admitted(effect) => (
            format!(
                "effect {} is admitted; do it with: karyon authority do {} --data {data} -- COMMAND",
                effect.0, effect.0
            ),
            json!({ "answer": "admitted", "effect": effect.0 }),
            Code::Ok,
        ),
        Answer::NeedsApproval { proposal, digest } => {
            let approve = format!("karyon authority approve {} --data {data}", proposal.0);
            (
                format!(
                    "refused: somebody must approve of it first (needs_approval)\n  \
                     proposal  {}\n  digest    {digest}\n  approve   {approve}\n  \
                     then ask again with --proposal {}",
                    proposal.0, proposal.0
                ),
                json!({
                    "answer": "needs_approval",
                    "code": "needs_approval",
                    "proposal": proposal.0,
                    "digest": digest.to_string(),
                    "approve": approve,
                    "exit_code": Code::Refused.number(),
                }),
                Code::Refused,
            )
        }
        Answer::Denied(no) => refusal("denied", &no.code(), &refused::denied(no)),
        Answer::LaneClosed => refusal(
            "lane_closed",
            "lane_closed",
            "too much waits or is under way; ask again later (lane_closed)",
        ),
    };
    match (args.place.json, code) {
        (true, _) => output::json(&object),
        (false, Code::Ok) => output::line(&words),
        (false, _) => output::note(&words),
    }
    code
}

fn refusal(answer: &str, code: &str, words: &str) -> (String, Value, Code) {
    let words = format!("refused: {words}");
    let object = json!({
        "answer": answer,
        "code": code,
        "error": words,
        "exit_code": Code::Refused.number(),
    });
    (words, object, Code::Refused)
}

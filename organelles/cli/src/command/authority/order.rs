//! `karyon authority suspend|resume|revoke`: orders of principals.

use karyon_log::Verb;
use karyon_runtime::DataDir;
use karyon_runtime::wall_ms;
use karyon_statements::Statement;
use serde_json::json;

use super::past::Past;
use super::statement::{self, Speaker};
use super::{become_the_node, permit, refused, with};
use crate::args::OrderArgs;
use crate::error::{CliError, Code};
use crate::guarded::{self, Arrived};
use crate::handover::Inputs;
use crate::output;
use crate::words::change_words;

pub(super) fn execute(verb: Verb, args: &OrderArgs) -> Result<Code, CliError> {
    match guarded::arrived()? {
        None => launch(verb, args),
        Some(node) => take(verb, args, &node),
    }
}

/// Signs, and becomes the node.
fn launch(verb: Verb, args: &OrderArgs) -> Result<Code, CliError> {
    let data = args.place.data.as_path();
    if DataDir::is_in_use(data) == Some(true) {
        return Err(CliError::failure(format!(
            "{} is in use by another command: nothing was ordered",
            data.display()
        ))
        .with_hint(format!(
            "give the order again when it has ended; an effect that is being done is not \
             undone by it. To let nothing else begin meanwhile: touch {}",
            data.join("safety").join("STOP").display()
        )));
    }
    permit(data)?;
    let past = Past::read(data)?;
    let (kind, serial) = past.target(&args.target)?.parts();
    let speaker = Speaker::find(args.principal.as_deref())?;
    let last = past.ledger.last_order(speaker.number(&past)?).unwrap_or(0);
    // The time, too: an order that was signed earlier and not taken is void from now on.
    let number = last.saturating_add(1).max(wall_ms());
    let order = Statement::Order { verb: verb as u8, kind, target: serial, number };
    let said = statement::sign(&speaker, &past, &order)?;
    become_the_node(data, said, &Inputs::default())
}

/// Takes the order, as the node.
fn take(verb: Verb, args: &OrderArgs, node: &Arrived) -> Result<Code, CliError> {
    let target = Past::of(node)?.target(&args.target)?;
    let (kind, serial) = target.parts();
    let signed = statement::received(&node.said)?;
    let asked = (verb as u8, kind, serial);
    match signed.statement {
        Statement::Order { verb, kind, target, .. } if (verb, kind, target) == asked => {}
        Statement::Order { .. } | Statement::Approval { .. } => {
            return Err(refused::refused("something else was signed (malformed_statement)"));
        }
    }
    let stopped = with(node, |node| node.broker.order(signed).map_err(refused::error))?;
    let words = change_words(verb, target);
    match args.place.json {
        true => output::json(&json!({ "order": words, "in_flight": stopped.in_flight })),
        false => output::line(&format!(
            "{words}; {} effects under it were admitted before and are not settled",
            stopped.in_flight
        )),
    }
    Ok(Code::Ok)
}

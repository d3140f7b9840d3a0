//! The node's side of the boundary, for the life of a run.

use std::sync::Arc;

use karyon_boundary::{About, Grounds, Server};
use karyon_colony::life::{Settings, VERSION};
use karyon_log::Control;
use karyon_runtime::Node;

use crate::output;

/// Answers whoever asks about the run, until it is dropped. A run that cannot be asked runs all
/// the same.
pub(crate) fn open(
    node: &Node,
    boot: u32,
    authority: &[Control],
    settings: &Settings,
) -> Option<Server> {
    let desk = Arc::clone(settings.desk.as_ref()?);
    let about =
        About { karyon: VERSION.into(), log: node.log(), boot, grounds: grounds(authority) };
    match Server::open(node.dir(), about, desk) {
        Ok(server) => Some(server),
        Err(error) => {
            output::note(&format!("note: nobody can ask about this run: {error}"));
            None
        }
    }
}

/// Why it runs, and who answers for it: what its one grant says.
fn grounds(records: &[Control]) -> Option<Grounds> {
    let grant = records.iter().find_map(|record| match record {
        Control::Grant(grant) => Some(grant),
        _ => None,
    })?;
    let principal = records.iter().find_map(|record| match record {
        Control::Principal(principal) if principal.id == grant.principal => Some(&principal.name),
        _ => None,
    })?;
    let reason = records.iter().find_map(|record| match record {
        Control::Reason(reason) if reason.id == grant.reason => Some(&reason.label),
        _ => None,
    })?;
    Some(Grounds { grant: grant.id, principal: principal.clone(), reason: reason.clone() })
}

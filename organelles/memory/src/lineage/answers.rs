//! Who answers: from a lease to its grant, its reasons and its principal.

use std::collections::BTreeSet;

use karyon_lineage::Tie;
use karyon_log::{Approval, Control, GrantRecord, PrincipalRecord, Record};
use karyon_types::{AgentId, GrantId, LeaseId, Position};

use super::{Answerable, Approved, Link};
use crate::journal::{Journal, JournalError};

/// By what somebody is found who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Lease(LeaseId),
    /// The first lease of this agent.
    Agent(AgentId),
    Grant(u64),
    Principal(u64),
    /// The first grant of the log: what is recorded of the node itself is under it.
    Node,
}

impl Source {
    pub(super) fn of(link: &Link) -> Source {
        match (link.lease, link.agent) {
            (Some(lease), _) => Source::Lease(lease),
            (None, Some(agent)) => Source::Agent(agent),
            (None, None) => Source::Node,
        }
    }
}

/// A lease, whichever record opened it.
struct Opened {
    lease: LeaseId,
    owner: AgentId,
    grant: u64,
    /// Its own reason, if it has one.
    reason: Option<u64>,
}

/// Who answers; `None`: the log does not say.
pub(super) fn answerable(
    journal: &mut Journal,
    source: Source,
) -> Result<Option<Answerable>, JournalError> {
    let lease = match source {
        Source::Lease(lease) => opened(journal, Tie::Lease, lease.0)?,
        Source::Agent(agent) => opened(journal, Tie::LeaseOwner, agent.0)?,
        Source::Grant(_) | Source::Node => None,
        Source::Principal(id) => {
            let answerable =
                |principal| Answerable { lease: None, grant: None, reasons: Vec::new(), principal };
            return Ok(principal(journal, id)?.map(answerable));
        }
    };
    let grant = match (&lease, source) {
        (Some(lease), _) => Some(lease.grant),
        (None, Source::Grant(id)) => Some(id),
        (None, _) => journal.first_serial(Tie::Grant)?,
    };
    let Some((granted, grant)) = grant.map(|id| find_grant(journal, id)).transpose()?.flatten()
    else {
        return Ok(None);
    };
    let Some(principal) = principal(journal, grant.principal)? else { return Ok(None) };
    let nearest = lease.as_ref().and_then(|lease| lease.reason).unwrap_or(grant.reason);
    let (reasons, grant) = (reasons(journal, nearest)?, (GrantId(grant.id), granted));
    let lease = lease.map(|lease| lease.lease);
    Ok(Some(Answerable { lease, grant: Some(grant), reasons, principal }))
}

/// Who approved, and who answers for that.
pub(super) fn approved(
    journal: &mut Journal,
    approval: &Approval,
    position: Position,
) -> Result<Approved, JournalError> {
    let (agent, source) = match (approval.principal, approval.lease) {
        (Some(principal), _) => (None, Some(Source::Principal(principal))),
        (None, Some(lease)) => {
            let opened = opened(journal, Tie::Lease, lease)?;
            (opened.map(|opened| opened.owner), Some(Source::Lease(LeaseId(lease))))
        }
        (None, None) => (None, None),
    };
    let authority = source.map(|source| answerable(journal, source)).transpose()?.flatten();
    Ok(Approved { position, proposal: approval.proposal, agent, authority })
}

/// The first lease that is tied so.
fn opened(journal: &mut Journal, tie: Tie, serial: u64) -> Result<Option<Opened>, JournalError> {
    let found = journal.first_tied(tie, serial)?;
    Ok(match found.as_ref().and_then(|found| found.record()) {
        Some(Record::Lease(lease)) => {
            Some(Opened { lease: lease.id, owner: lease.owner, grant: lease.grant.0, reason: None })
        }
        Some(Record::Control(control)) => match *control {
            Control::Terms(terms) => Some(Opened {
                lease: LeaseId(terms.lease),
                owner: AgentId(terms.owner),
                grant: terms.grant,
                reason: Some(terms.reason),
            }),
            _ => None,
        },
        _ => None,
    })
}

/// The control record that is tied so, and where it stands.
fn control(
    journal: &mut Journal,
    tie: Tie,
    serial: u64,
) -> Result<Option<(Position, Control)>, JournalError> {
    let found = journal.first_tied(tie, serial)?;
    Ok(found.and_then(|found| match found.record() {
        Some(Record::Control(control)) => Some((found.position, *control)),
        _ => None,
    }))
}

fn find_grant(
    journal: &mut Journal,
    id: u64,
) -> Result<Option<(Position, GrantRecord)>, JournalError> {
    Ok(control(journal, Tie::Grant, id)?.and_then(|(position, control)| match control {
        Control::Grant(grant) => Some((position, grant)),
        _ => None,
    }))
}

fn principal(journal: &mut Journal, id: u64) -> Result<Option<PrincipalRecord>, JournalError> {
    Ok(control(journal, Tie::Principal, id)?.and_then(|(_, control)| match control {
        Control::Principal(principal) => Some(principal),
        _ => None,
    }))
}

/// A reason and those above it.
fn reasons(journal: &mut Journal, nearest: u64) -> Result<Vec<String>, JournalError> {
    let (mut labels, mut next, mut seen) = (Vec::new(), Some(nearest), BTreeSet::new());
    // A reason's parent was recorded before it, so this ends; the set makes it end for any log.
    while let Some(id) = next.filter(|id| seen.insert(*id)) {
        let Some((_, Control::Reason(reason))) = control(journal, Tie::Reason, id)? else { break };
        labels.push(reason.label);
        next = reason.parent;
    }
    Ok(labels)
}

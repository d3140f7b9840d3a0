//! What is recorded in a directory in which nothing runs: who answers for it, a lease, and the deed
//! itself, once the gate admits it.

use karyon_gate::{Gate, Grant, Lease, Request, Rights, Scope};
use karyon_log::{Control, Genesis, LeaseRecord, Record};
use karyon_runtime::{Annex, Authority, wall_ms};
use karyon_types::{AgentId, Denial, GrantId, LeaseId, PrincipalId, ReasonId, Tick};

use crate::journal::{Journal, JournalError};

/// The node itself, where an agent is named: agents are numbered from 1.
const NODE: AgentId = AgentId(0);

/// Why a deed is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum DeedError {
    /// The log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The gate does not allow it.
    #[error("refused: {0}")]
    Denied(Denial),
}

/// The records of a deed, which seals the log.
///
/// # Errors
/// [`DeedError`], and those of `deeds`, which is told the lease.
pub(crate) fn deed<E: From<DeedError>>(
    annex: &Annex,
    authority: &Authority,
    karyon: &str,
    right: Rights,
    deeds: impl FnOnce(LeaseId) -> Result<Vec<Control>, E>,
) -> Result<Vec<Record<'static>>, E> {
    let controls = annex.report().map_or(&[][..], |report| &report.controls);
    let terms = &authority.signed.terms;
    let known = controls.iter().find_map(|control| match control {
        Control::Principal(known)
            if known.name == terms.principal && known.public_key == terms.principal_key.0 =>
        {
            Some(known.id)
        }
        _ => None,
    });
    let (mut principals, mut reasons, mut grants) = (0, 0, 0);
    for control in controls {
        match control {
            Control::Principal(record) => principals = record.id.max(principals),
            Control::Reason(record) => reasons = record.id.max(reasons),
            Control::Grant(record) => grants = record.id.max(grants),
            _ => {}
        }
    }
    let grant = Grant {
        id: GrantId(grants + 1),
        principal: PrincipalId(known.unwrap_or(principals + 1)),
        reason: ReasonId(reasons + 1),
        // What the principal signed; the gate refuses a lease that is wider.
        rights: Rights(terms.rights),
        scope: Scope { first: NODE.0, last: NODE.0 },
        expires: terms.expires_tick.map(Tick),
    };
    let lease = Lease {
        id: next_lease(annex)?,
        owner: NODE,
        rights: right,
        scope: grant.scope,
        expires: grant.expires,
    };
    admit(&grant, &lease)?;
    let mut all = Vec::new();
    if annex.report().is_none() {
        all.push(Control::Genesis(Genesis {
            karyon: karyon.into(),
            created_unix_ms: wall_ms(),
            scenario_name: String::new(),
            scenario: String::new(),
            kinds: Vec::new(),
            inputs: Vec::new(),
        }));
    }
    all.extend(
        authority
            .records(&grant)
            .into_iter()
            .filter(|record| known.is_none() || !matches!(record, Control::Principal(_))),
    );
    let mut records: Vec<_> =
        all.into_iter().map(|control| Record::Control(Box::new(control))).collect();
    records.push(Record::Lease(LeaseRecord {
        id: lease.id,
        owner: lease.owner,
        grant: grant.id,
        rights: lease.rights.0,
        scope: (lease.scope.first, lease.scope.last),
        expires: lease.expires,
        log_bytes: None,
        cut: None,
    }));
    records.extend(deeds(lease.id)?.into_iter().map(|deed| Record::Control(Box::new(deed))));
    Ok(records)
}

/// Leases are numbered on.
fn next_lease(annex: &Annex) -> Result<LeaseId, DeedError> {
    if annex.report().is_none() {
        return Ok(LeaseId(1));
    }
    let journal = Journal::of(annex.dir().path(), &mut |_| ())?;
    Ok(LeaseId(journal.last_lease()?.map_or(0, |lease| lease.0) + 1))
}

/// A deed passes the gate like every other action.
fn admit(grant: &Grant, lease: &Lease) -> Result<(), DeedError> {
    let gate = Gate::default();
    let refused = DeedError::Denied(Denial::CapabilityNotGranted);
    let handle = gate.new_chain().ok().and_then(|chain| gate.open(grant, lease, chain).ok());
    let handle = handle.ok_or(refused)?;
    let request = Request { agent: NODE, right: lease.rights, target: NODE.0, now: Tick(0) };
    gate.check(Some(handle), &request).map_err(DeedError::Denied)?;
    Ok(())
}

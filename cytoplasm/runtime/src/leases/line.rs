//! Leases that are cut from leases: what holds for one holds for all below it.

use std::collections::BTreeMap;

use karyon_gate::{Grant, Handle, Lease};
use karyon_log::{Cut, LeaseRecord, Message, Target, Verb};
use karyon_types::{AgentId, LeaseId};

use super::{Leases, set_one};

/// Which leases were cut from which, and what was changed of each so far; by serial, which a lease
/// has in common with its agent.
#[derive(Default)]
pub(super) struct Line {
    /// The serial of the first lease that was cut.
    first: u64,
    /// By serial, of those that were cut: they have one serial after the other.
    cut: Vec<Place>,
    /// The one that was cut last from each.
    below: BTreeMap<u64, u64>,
    changed: BTreeMap<u64, Vec<(Verb, Target)>>,
}

struct Place {
    above: u64,
    /// The one that was cut before it from the same; 0: none was.
    before: u64,
}

impl Line {
    fn place(&self, serial: u64) -> Option<&Place> {
        self.cut.get(usize::try_from(serial.checked_sub(self.first)?).ok()?)
    }

    /// The serial and those of all leases cut from it, near or far.
    fn from(&self, serial: u64) -> Vec<u64> {
        let mut all = vec![serial];
        let mut next = 0;
        while let Some(one) = all.get(next) {
            next += 1;
            let last = self.below.get(one).copied();
            let before = |one: &u64| Some(self.place(*one)?.before).filter(|one| *one > 0);
            all.extend(std::iter::successors(last, before));
        }
        all
    }

    /// From which one it was cut.
    pub(super) fn above(&self, serial: u64) -> Option<u64> {
        self.place(serial).map(|place| place.above)
    }

    fn put_below(&mut self, serial: u64, above: u64) {
        if self.cut.is_empty() {
            self.first = serial;
        }
        let before = self.below.insert(above, serial).unwrap_or(0);
        self.cut.push(Place { above, before });
    }

    /// What was changed of a lease, and of those that it was cut from.
    fn changes_of(&self, serial: u64) -> Vec<(Verb, Target)> {
        let mut all = Vec::new();
        // Mostly there is none, however long the line is.
        let mut at = Some(serial).filter(|_| !self.changed.is_empty());
        while let Some(serial) = at {
            all.extend(self.changed.get(&serial).into_iter().flatten().copied());
            at = self.above(serial);
        }
        all
    }
}

impl Leases {
    /// Suspends, resumes or revokes the lease with this serial and all that were cut from it. Those
    /// that are cut from it later are held likewise from their beginning, as is the lease itself,
    /// should nobody have it yet.
    pub(super) fn set_line(&mut self, serial: u64, verb: Verb, target: Target) -> bool {
        self.line.changed.entry(serial).or_default().push((verb, target));
        let serials = self.line.from(serial).into_iter();
        let handles = serials.filter_map(|serial| self.handle(serial));
        // All of them, also behind one that is not there.
        handles.filter(|handle| !set_one(&self.gate, *handle, verb, target)).count() == 0
    }

    fn handle(&self, serial: u64) -> Option<Handle> {
        self.handles.get(serial.checked_sub(1)? as usize).copied().flatten()
    }

    /// Opens a lease for the next serial, cut from that of `from`: no wider, and held as that one
    /// is held. None if the gate is full.
    pub(crate) fn cut(
        &mut self,
        from: AgentId,
        by: Option<Message>,
    ) -> Option<(LeaseRecord, Handle)> {
        let above = self.terms.get(from)?;
        let serial = self.terms.len() as u64 + 1;
        let cut = Some(Cut { from: above.id, by });
        let lease = Lease { id: LeaseId(serial), owner: AgentId(serial), ..above };
        // To the gate the lease above is the grant that this one must not widen.
        let Lease { rights, scope, expires, .. } = above;
        let grant = Grant { rights, scope, expires, ..self.grant.clone() };
        let handle = self.gate.open(&grant, &lease, self.chain).ok()?;
        self.line.put_below(serial, from.0);
        for (verb, target) in self.line.changes_of(serial) {
            set_one(&self.gate, handle, verb, target);
        }
        let record = LeaseRecord {
            id: lease.id,
            owner: lease.owner,
            grant: grant.id,
            rights: rights.0,
            scope: (scope.first, scope.last),
            expires,
            log_bytes: None,
            cut,
        };
        self.terms.push_like(from);
        self.handles.push(Some(handle));
        Some((record, handle))
    }
}

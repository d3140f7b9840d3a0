//! The slab of leases and the check.

use std::sync::atomic::{AtomicBool, Ordering};

use karyon_types::{AgentId, Denial, LeaseId, Tick};

use crate::terms::{Grant, Lease, Rights, Scope, Widening};

/// Where a lease lies in the slab. Never recorded, never given to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    index: u32,
    generation: u32,
}

/// What an agent asks to do.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The asking agent, as the scheduler knows it.
    pub agent: AgentId,
    /// The right that is needed.
    pub right: Rights,
    /// The resource that it is needed for.
    pub target: u64,
    /// The gate's time.
    pub now: Tick,
}

/// One lease, laid out in one cache line.
#[repr(align(64))]
struct Slot {
    generation: u32,
    rights: Rights,
    owner: AgentId,
    lease: LeaseId,
    scope: Scope,
    /// The first tick at which it no longer holds; `u64::MAX`: no end.
    expires: u64,
    revoked: AtomicBool,
}

/// The slab of all live leases, shared by every scheduler.
#[derive(Default)]
pub struct Gate {
    slots: Vec<Slot>,
    halted: AtomicBool,
}

impl Gate {
    /// Opens a lease that is cut from `grant`.
    ///
    /// # Errors
    /// The rule of attenuation that the lease would break.
    ///
    /// # Panics
    /// When 2³² leases are open: more than memory holds.
    pub fn open(&mut self, grant: &Grant, lease: &Lease) -> Result<Handle, Widening> {
        grant.attenuates(lease)?;
        #[expect(clippy::expect_used, reason = "64 bytes a slot: 256 GiB come first")]
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 leases");
        let generation = 1;
        self.slots.push(Slot {
            generation,
            rights: lease.rights,
            owner: lease.owner,
            lease: lease.id,
            scope: lease.scope,
            expires: lease.expires.map_or(u64::MAX, |tick| tick.0),
            revoked: AtomicBool::new(false),
        });
        Ok(Handle { index, generation })
    }

    /// Revokes a lease; nothing is admitted under it from now on. `false`: no such lease.
    pub fn revoke(&self, handle: Handle) -> bool {
        let Some(slot) = self.slot(handle) else { return false };
        slot.revoked.store(true, Ordering::Release);
        true
    }

    /// Denies everything from now on. There is no way back: a halted process ends.
    pub fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    /// Whether the holder of `handle` may do what `request` says; the lease that allows it.
    ///
    /// # Errors
    /// The denial, to be recorded and told to the agent.
    #[inline]
    pub fn check(&self, handle: Option<Handle>, request: &Request) -> Result<LeaseId, Denial> {
        if self.halted.load(Ordering::Relaxed) {
            return Err(Denial::SystemHalted);
        }
        let handle = handle.ok_or(Denial::DefaultDeny)?;
        let slot = self.slot(handle).ok_or(Denial::UnknownLease)?;
        if slot.owner != request.agent {
            return Err(Denial::LeaseAgentMismatch);
        }
        if slot.revoked.load(Ordering::Acquire) {
            return Err(Denial::LeaseRevoked);
        }
        if request.now.0 >= slot.expires {
            return Err(Denial::LeaseExpired);
        }
        if !slot.rights.contains(request.right) {
            return Err(Denial::CapabilityNotGranted);
        }
        if !slot.scope.contains(request.target) {
            return Err(Denial::ExceedsCapabilityScope);
        }
        Ok(slot.lease)
    }

    #[inline]
    fn slot(&self, handle: Handle) -> Option<&Slot> {
        self.slots.get(handle.index as usize).filter(|slot| slot.generation == handle.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_types::{GrantId, PrincipalId, ReasonId};
    use proptest::prelude::*;

    fn grant(rights: u32, scope: (u64, u64), expires: Option<u64>) -> Grant {
        Grant {
            id: GrantId(1),
            principal: PrincipalId(1),
            reason: ReasonId(1),
            rights: Rights(rights),
            scope: Scope { first: scope.0, last: scope.1 },
            expires: expires.map(Tick),
        }
    }

    fn lease(owner: u64, rights: u32, scope: (u64, u64), expires: Option<u64>) -> Lease {
        Lease {
            id: LeaseId(owner + 100),
            owner: AgentId(owner),
            rights: Rights(rights),
            scope: Scope { first: scope.0, last: scope.1 },
            expires: expires.map(Tick),
        }
    }

    fn request(agent: u64, right: u32, target: u64, now: u64) -> Request {
        Request { agent: AgentId(agent), right: Rights(right), target, now: Tick(now) }
    }

    #[test]
    fn each_denial_has_its_code() {
        let mut gate = Gate::default();
        let grant = grant(3, (1, 10), None);
        let mine = gate.open(&grant, &lease(1, 1, (1, 5), Some(100))).unwrap();
        let gone = gate.open(&grant, &lease(2, 1, (1, 5), None)).unwrap();
        assert!(gate.revoke(gone));
        let forged = Handle { index: 7, generation: 1 };
        let stale = Handle { index: mine.index, generation: 2 };
        for (handle, request, expected) in [
            (Some(mine), request(1, 1, 5, 99), Ok(LeaseId(101))),
            (None, request(1, 1, 5, 99), Err(Denial::DefaultDeny)),
            (Some(forged), request(1, 1, 5, 99), Err(Denial::UnknownLease)),
            (Some(stale), request(1, 1, 5, 99), Err(Denial::UnknownLease)),
            (Some(mine), request(2, 1, 5, 99), Err(Denial::LeaseAgentMismatch)),
            (Some(gone), request(2, 1, 5, 99), Err(Denial::LeaseRevoked)),
            (Some(mine), request(1, 1, 5, 100), Err(Denial::LeaseExpired)),
            (Some(mine), request(1, 2, 5, 99), Err(Denial::CapabilityNotGranted)),
            (Some(mine), request(1, 1, 6, 99), Err(Denial::ExceedsCapabilityScope)),
            (Some(mine), request(1, 1, 0, 99), Err(Denial::ExceedsCapabilityScope)),
        ] {
            assert_eq!(gate.check(handle, &request), expected, "{handle:?} {request:?}");
        }
        assert!(!gate.revoke(forged));
        gate.halt();
        assert_eq!(gate.check(Some(mine), &request(1, 1, 5, 99)), Err(Denial::SystemHalted));
    }

    #[test]
    fn a_lease_only_narrows_its_grant() {
        let wide = grant(1, (5, 10), Some(50));
        for (lease, expected) in [
            (lease(1, 1, (5, 10), Some(50)), Ok(())),
            (lease(1, 0, (7, 7), Some(0)), Ok(())),
            (lease(1, 3, (5, 10), Some(50)), Err(Widening::Rights)),
            (lease(1, 1, (4, 10), Some(50)), Err(Widening::Scope)),
            (lease(1, 1, (5, 11), Some(50)), Err(Widening::Scope)),
            (lease(1, 1, (8, 7), Some(50)), Err(Widening::Scope)),
            (lease(1, 1, (5, 10), Some(51)), Err(Widening::Expiry)),
            (lease(1, 1, (5, 10), None), Err(Widening::Expiry)),
        ] {
            assert_eq!(wide.attenuates(&lease), expected, "{lease:?}");
            assert_eq!(Gate::default().open(&wide, &lease).err(), expected.err());
        }
    }

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }

    proptest! {
        /// The slab agrees with a list of leases that is read in the plainest way.
        #[test]
        fn agrees_with_a_list(
            leases in prop::collection::vec((1u64..6, 0u32..4, 0u64..6, 0u64..6, prop::option::of(0u64..6)), 1..12),
            revoked in prop::collection::vec(0usize..12, 0..4),
            asks in prop::collection::vec((0usize..14, 1u64..6, 1u32..4, 0u64..6, 0u64..6), 1..60),
        ) {
            let all = grant(3, (0, 10), None);
            let mut gate = Gate::default();
            let mut model = Vec::new();
            for (owner, rights, first, last, expires) in leases {
                let lease = lease(owner, rights, (first, last), expires);
                match gate.open(&all, &lease) {
                    Ok(handle) => model.push((handle, lease, false)),
                    Err(rule) => prop_assert_eq!((rule, first > last), (Widening::Scope, true)),
                }
            }
            for index in revoked {
                if let Some((handle, _, gone)) = model.get_mut(index) {
                    gate.revoke(*handle);
                    *gone = true;
                }
            }
            for (index, agent, right, target, now) in asks {
                let held = model.get(index);
                let allowed = held.is_some_and(|(_, lease, gone)| {
                    !gone
                        && lease.owner.0 == agent
                        && lease.expires.is_none_or(|end| now < end.0)
                        && lease.rights.0 & right == right
                        && (lease.scope.first..=lease.scope.last).contains(&target)
                });
                let answer = gate.check(held.map(|h| h.0), &request(agent, right, target, now));
                prop_assert_eq!(answer.is_ok(), allowed);
                if let (Ok(id), Some((_, lease, _))) = (answer, held) {
                    prop_assert_eq!(id, lease.id);
                }
            }
        }
    }
}

//! What threads share, under loom: every interleaving of a few short threads, and every older
//! value that the memory model lets a load return. The same source files as in the product, with
//! loom's atomics and with small chunks.

#![allow(dead_code, unreachable_pub, clippy::duplicate_mod)]

use karyon_types::{Denial, LeaseId};

use self::check::{Gate, Hold};
use super::tests::{grant, lease, request};
use super::{Grant, Lease};

#[path = "check.rs"]
mod check;
#[path = "chunks.rs"]
mod chunks;
#[path = "slot.rs"]
mod slot;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

mod limits {
    pub(super) const FIRST_CHUNK: u32 = 2;
    pub(super) const LEASES_MAX: u32 = 3;
    pub(super) const STOPS_MAX: u32 = 4;
    pub(super) const GENERATION_LAST: u32 = 3;
}

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::spawn;

fn all() -> Grant {
    grant(3, (1, 9), None)
}

/// Right 1 on 1 to 4.
fn low() -> Lease {
    lease(1, 1, (1, 4), None)
}

/// Right 2 on 5 to 9, of the same agent.
fn high() -> Lease {
    Lease { id: LeaseId(7), ..lease(1, 2, (5, 9), Some(9)) }
}

/// Checks while the slot is closed and reused; what the check may answer.
fn check_during_reuse(right: u32, target: u64, may: fn(Result<LeaseId, Denial>) -> bool) {
    // All interleavings with at most three switches that no thread asked for; without the bound
    // the two tests below pass, too, in a minute.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let gate = Arc::new(Gate::default());
        let chain = gate.new_chain().unwrap();
        let handle = gate.open(&all(), &low(), chain).unwrap();
        let other = {
            let gate = Arc::clone(&gate);
            spawn(move || {
                assert!(gate.close(handle));
                gate.open(&all(), &high(), chain).unwrap()
            })
        };
        let answer = gate.check(Some(handle), &request(1, right, target, 0));
        assert!(may(answer), "{answer:?}");
        let next = other.join().unwrap();
        let unknown = gate.check(Some(handle), &request(1, 1, 1, 0));
        assert_eq!(unknown, Err(Denial::UnknownLease));
        assert_eq!(gate.check(Some(next), &request(1, 2, 5, 0)), Ok(LeaseId(7)));
    });
}

#[test]
fn a_check_while_the_slot_is_reused_admits_under_the_old_lease_or_not_at_all() {
    check_during_reuse(1, 1, |answer| {
        matches!(answer, Ok(LeaseId(101)) | Err(Denial::UnknownLease))
    });
}

#[test]
fn a_check_while_the_slot_is_reused_mixes_no_two_leases() {
    // Neither lease allows right 2 on 1: only a mixture would.
    check_during_reuse(2, 1, |answer| {
        matches!(answer, Err(Denial::CapabilityNotGranted | Denial::UnknownLease))
    });
}

#[test]
fn once_revoke_has_returned_nothing_is_admitted() {
    loom::model(|| {
        let gate = Arc::new(Gate::default());
        let chain = gate.new_chain().unwrap();
        let handle = gate.open(&all(), &low(), chain).unwrap();
        let returned = Arc::new(AtomicBool::new(false));
        let other = {
            let (gate, returned) = (Arc::clone(&gate), Arc::clone(&returned));
            spawn(move || {
                gate.revoke(chain.reason);
                returned.store(true, Ordering::Release);
            })
        };
        let known = returned.load(Ordering::Acquire);
        let answer = gate.check(Some(handle), &request(1, 1, 1, 0));
        match known {
            true => assert_eq!(answer, Err(Denial::LeaseRevoked)),
            false => assert!(matches!(answer, Ok(_) | Err(Denial::LeaseRevoked))),
        }
        other.join().unwrap();
        assert_eq!(gate.hold(chain.reason), Hold::Revoked);
    });
}

#[test]
fn no_change_of_a_lease_is_lost_or_hits_the_next_one() {
    loom::model(|| {
        let gate = Arc::new(Gate::default());
        let chain = gate.new_chain().unwrap();
        let handle = gate.open(&all(), &low(), chain).unwrap();
        let other = {
            let gate = Arc::clone(&gate);
            spawn(move || gate.revoke_lease(handle))
        };
        assert!(gate.suspend_lease(handle) && gate.resume_lease(handle));
        let answer = gate.check(Some(handle), &request(1, 1, 1, 0));
        assert!(matches!(answer, Ok(_) | Err(Denial::LeaseRevoked)));
        assert!(gate.close(handle));
        let next = gate.open(&all(), &high(), chain).unwrap();
        let revoked = other.join().unwrap();
        assert!(answer.is_ok() || revoked);
        assert_eq!(gate.check(Some(next), &request(1, 2, 5, 0)), Ok(LeaseId(7)));
    });
}

#[test]
fn leases_are_opened_while_others_are_checked() {
    loom::model(|| {
        let gate = Arc::new(Gate::default());
        let chain = gate.new_chain().unwrap();
        let handle = gate.open(&all(), &low(), chain).unwrap();
        let open = |owner: u64| {
            let gate = Arc::clone(&gate);
            spawn(move || {
                let handle = gate.open(&all(), &lease(owner, 1, (1, 4), None), chain).unwrap();
                assert!(gate.check(Some(handle), &request(owner, 1, 1, 0)).is_ok());
                handle
            })
        };
        // The second is in a chunk that is not there yet.
        let others = [open(2), open(3)];
        assert_eq!(gate.check(Some(handle), &request(1, 1, 1, 0)), Ok(LeaseId(101)));
        let handles = others.map(|other| other.join().unwrap());
        assert_ne!(handles[0], handles[1]);
        for (owner, handle) in [(2, handles[0]), (3, handles[1])] {
            let answer = gate.check(Some(handle), &request(owner, 1, 1, 0));
            assert_eq!(answer, Ok(LeaseId(owner + 100)));
        }
        // As many as there is room for; and generation 3 is the last.
        assert!(gate.open(&all(), &low(), chain).is_err());
        assert!(gate.close(handle));
        let second = gate.open(&all(), &low(), chain).unwrap();
        assert!(gate.close(second));
        assert!(gate.open(&all(), &low(), chain).is_err(), "it retired");
        assert!(gate.new_stop().is_ok());
        assert!(gate.new_stop().is_err());
    });
}

#[test]
fn once_halt_has_returned_nothing_is_admitted() {
    loom::model(|| {
        let gate = Arc::new(Gate::default());
        let chain = gate.new_chain().unwrap();
        let handle = gate.open(&all(), &low(), chain).unwrap();
        let returned = Arc::new(AtomicBool::new(false));
        let other = {
            let (gate, returned) = (Arc::clone(&gate), Arc::clone(&returned));
            spawn(move || {
                gate.halt();
                returned.store(true, Ordering::Release);
            })
        };
        let known = returned.load(Ordering::Acquire);
        let answer = gate.check(Some(handle), &request(1, 1, 1, 0));
        assert!(!known || answer == Err(Denial::SystemHalted));
        other.join().unwrap();
        assert_eq!(gate.check(Some(handle), &request(1, 1, 1, 0)), Err(Denial::SystemHalted));
    });
}

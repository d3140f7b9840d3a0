//! Each answer of the gate, and what its slots do.

use karyon_types::{AgentId, Denial, GrantId, LeaseId, PrincipalId, ReasonId, Tick};

use super::slot::Slot;
use super::*;

pub(crate) fn grant(rights: u32, scope: (u64, u64), expires: Option<u64>) -> Grant {
    Grant {
        id: GrantId(1),
        principal: PrincipalId(1),
        reason: ReasonId(1),
        rights: Rights(rights),
        scope: Scope { first: scope.0, last: scope.1 },
        expires: expires.map(Tick),
    }
}

pub(crate) fn lease(owner: u64, rights: u32, scope: (u64, u64), expires: Option<u64>) -> Lease {
    Lease {
        id: LeaseId(owner + 100),
        owner: AgentId(owner),
        rights: Rights(rights),
        scope: Scope { first: scope.0, last: scope.1 },
        expires: expires.map(Tick),
    }
}

pub(crate) fn request(agent: u64, right: u32, target: u64, now: u64) -> Request {
    Request { agent: AgentId(agent), right: Rights(right), target, now: Tick(now) }
}

#[test]
fn each_denial_has_its_code() {
    let gate = Gate::default();
    let chain = gate.new_chain().unwrap();
    let grant = grant(3, (1, 10), None);
    let mine = gate.open(&grant, &lease(1, 1, (1, 5), Some(100)), chain).unwrap();
    let gone = gate.open(&grant, &lease(2, 1, (1, 5), None), chain).unwrap();
    assert!(gate.revoke_lease(gone));
    let forged = Handle { index: 7, generation: 1 };
    let far = Handle { index: u32::MAX, generation: 1 };
    let stale = Handle { index: mine.index, generation: 3 };
    for (handle, request, expected) in [
        (Some(mine), request(1, 1, 5, 99), Ok(LeaseId(101))),
        (None, request(1, 1, 5, 99), Err(Denial::DefaultDeny)),
        (Some(forged), request(1, 1, 5, 99), Err(Denial::UnknownLease)),
        (Some(far), request(1, 1, 5, 99), Err(Denial::UnknownLease)),
        (Some(stale), request(1, 1, 5, 99), Err(Denial::UnknownLease)),
        (Some(mine), request(2, 1, 5, 99), Err(Denial::LeaseAgentMismatch)),
        (Some(gone), request(2, 1, 5, 99), Err(Denial::LeaseRevoked)),
        (Some(mine), request(1, 1, 5, 100), Err(Denial::LeaseExpired)),
        (Some(mine), request(1, 2, 5, 99), Err(Denial::CapabilityNotGranted)),
        (Some(mine), request(1, 1, 6, 99), Err(Denial::ExceedsCapabilityScope)),
        (Some(mine), request(1, 1, 0, 99), Err(Denial::ExceedsCapabilityScope)),
    ] {
        assert_eq!(gate.check(handle, &request), expected, "{handle:?} {request:?}");
        let holder = match expected {
            Err(Denial::CapabilityNotGranted | Denial::ExceedsCapabilityScope) => Ok(LeaseId(101)),
            other => other,
        };
        assert_eq!(gate.check_holder(handle, request.agent, request.now.0), holder);
    }
    for unknown in [forged, far, stale] {
        assert!(!gate.revoke_lease(unknown) && !gate.suspend_lease(unknown));
        assert!(!gate.resume_lease(unknown) && !gate.close(unknown));
        assert!(!gate.suspend_agent(&[mine, unknown]) && !gate.resume_agent(&[unknown, mine]));
    }
    assert!(gate.check(Some(mine), &request(1, 1, 5, 99)).is_ok());
    gate.halt();
    for handle in [None, Some(mine), Some(gone), Some(stale)] {
        assert_eq!(gate.check(handle, &request(1, 1, 5, 99)), Err(Denial::SystemHalted));
    }
}

/// The answers come in their order: what weighs more is told first.
#[test]
fn the_gravest_reason_is_told() {
    let gate = Gate::default();
    let chain = gate.new_chain().unwrap();
    let all = grant(3, (1, 10), None);
    let handle = gate.open(&all, &lease(1, 1, (1, 5), Some(100)), chain).unwrap();
    // Expired, without the right, outside the scope.
    let answer = || gate.check(Some(handle), &request(1, 2, 99, 100)).unwrap_err();
    assert_eq!(answer(), Denial::LeaseExpired);
    for stop in [chain.principal, chain.reason, chain.line] {
        gate.suspend(stop);
        assert_eq!((answer(), gate.hold(stop)), (Denial::LeaseSuspended, Hold::Suspended));
        gate.suspend(stop);
        gate.resume(stop);
        assert_eq!(answer(), Denial::LeaseSuspended, "suspensions count");
        gate.resume(stop);
        assert_eq!((answer(), gate.hold(stop)), (Denial::LeaseExpired, Hold::None));
        // One that was not there is not lifted in advance.
        gate.resume(stop);
        gate.suspend(stop);
        assert_eq!(answer(), Denial::LeaseSuspended);
        gate.resume(stop);
    }
    assert!(gate.suspend_lease(handle));
    assert_eq!(answer(), Denial::LeaseSuspended);
    assert!(gate.suspend_agent(&[handle]));
    assert!(gate.suspend_agent(&[handle]));
    assert_eq!(answer(), Denial::AgentHalted);
    gate.suspend(chain.line);
    assert_eq!(answer(), Denial::AgentHalted);
    assert!(gate.resume_agent(&[handle]));
    assert_eq!(answer(), Denial::AgentHalted);
    assert!(gate.resume_agent(&[handle]));
    assert_eq!(answer(), Denial::LeaseSuspended);
    gate.resume(chain.line);
    assert!(gate.resume_lease(handle));
    assert_eq!(answer(), Denial::LeaseExpired);
    gate.suspend(chain.reason);
    gate.revoke(chain.reason);
    gate.resume(chain.reason);
    assert_eq!((answer(), gate.hold(chain.reason)), (Denial::LeaseRevoked, Hold::Revoked));
    assert_eq!(gate.check(Some(handle), &request(2, 2, 99, 100)), Err(Denial::LeaseAgentMismatch));
}

#[test]
fn a_count_that_is_full_sticks() {
    use super::slot::{AGENT, LEASE, STOP, counted};
    for mask in [AGENT, LEASE, STOP] {
        let rest = !mask;
        assert_eq!(counted(rest, mask, false), rest);
        let one = counted(rest, mask, true);
        assert_eq!((one & !mask, counted(one, mask, false)), (rest, rest));
        let almost = u64::MAX - (mask & mask.wrapping_neg());
        assert_eq!(counted(almost, mask, true), u64::MAX);
        assert_eq!(counted(u64::MAX, mask, true), u64::MAX);
        assert_eq!(counted(u64::MAX, mask, false), u64::MAX);
    }
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
        let gate = Gate::default();
        let opened = gate.open(&wide, &lease, gate.new_chain().unwrap());
        assert_eq!(opened.err(), expected.err().map(OpenError::Widening));
    }
}

#[test]
fn a_slot_is_one_cache_line() {
    assert_eq!((size_of::<Slot>(), align_of::<Slot>()), (64, 64));
}

#[test]
fn what_another_gate_gave_out_is_revoked_or_unknown() {
    let (gate, other) = (Gate::default(), Gate::default());
    let chain = other.new_chain().unwrap();
    assert_eq!(gate.hold(chain.line), Hold::Revoked);
    let all = grant(1, (1, 1), None);
    let handle = gate.open(&all, &lease(1, 1, (1, 1), None), chain).unwrap();
    assert_eq!(gate.check(Some(handle), &request(1, 1, 1, 0)), Err(Denial::LeaseRevoked));
    assert_eq!(other.check(Some(handle), &request(1, 1, 1, 0)), Err(Denial::UnknownLease));
}

#[test]
fn a_closed_slot_is_used_again_under_the_next_generation_until_none_is_left() {
    let gate = Gate::default();
    let chain = gate.new_chain().unwrap();
    let all = grant(1, (1, 9), None);
    let ask = |handle, agent| gate.check(Some(handle), &request(agent, 1, 1, 0));
    let first = gate.open(&all, &lease(1, 1, (1, 9), None), chain).unwrap();
    assert!(gate.suspend_lease(first) && gate.revoke_lease(first));
    assert!(gate.close(first));
    assert!(!gate.close(first), "closed once");
    assert_eq!(ask(first, 1), Err(Denial::UnknownLease));
    let second = gate.open(&all, &lease(2, 1, (1, 9), None), chain).unwrap();
    assert_eq!(second, Handle { index: first.index, generation: first.generation + 2 });
    assert_eq!(ask(second, 2), Ok(LeaseId(102)), "what held the first up is gone with it");
    assert!(!gate.revoke_lease(first) && !gate.close(first));
    for generation in 0..9 {
        let guessed = Handle { generation, ..second };
        let known = guessed == second;
        assert_eq!(ask(guessed, 2).is_ok(), known);
    }
    // The last generation.
    assert!(gate.close(second));
    gate.age(second.index, limits::GENERATION_LAST - 1);
    let last = gate.open(&all, &lease(3, 1, (1, 9), None), chain).unwrap();
    assert_eq!(last, Handle { index: first.index, generation: limits::GENERATION_LAST });
    assert_eq!(ask(last, 3), Ok(LeaseId(103)));
    assert!(gate.close(last));
    assert_eq!(ask(last, 3), Err(Denial::UnknownLease));
    let elsewhere = gate.open(&all, &lease(4, 1, (1, 9), None), chain).unwrap();
    assert_eq!(elsewhere, Handle { index: first.index + 1, generation: 1 }, "it retired");
}

#[test]
fn a_million_guessed_handles() {
    let gate = Gate::default();
    let chain = gate.new_chain().unwrap();
    let all = grant(1, (1, 2_000), None);
    let open = |owner| gate.open(&all, &lease(owner, 1, (1, 2_000), None), chain).unwrap();
    let handles: Vec<_> = (1..=1_000).map(open).collect();
    // Every other one was closed, and half of those opened again.
    handles.iter().step_by(2).for_each(|handle| assert!(gate.close(*handle)));
    let again: Vec<_> = (1_001..=1_250).map(open).collect();
    let live: std::collections::HashMap<_, _> = (1..)
        .zip(&handles)
        .filter(|(owner, _)| owner % 2 == 0)
        .chain((1_001..).zip(&again))
        .map(|(owner, handle)| ((handle.index, handle.generation), owner))
        .collect();
    let (mut seed, mut hits) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    for guess in 0..1_000_000 {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (index, generation) = match guess % 2 {
            0 => ((seed % 1_100) as u32, (seed >> 32) as u32 % 8),
            _ => ((seed >> 32) as u32, seed as u32),
        };
        let (handle, agent) = (Handle { index, generation }, 1 + seed % 1_250);
        let answer = gate.check(Some(handle), &request(agent, 1, 1, 0));
        match live.get(&(index, generation)) {
            Some(owner) if *owner == agent => assert_eq!(answer, Ok(LeaseId(agent + 100))),
            Some(_) => {
                hits += 1;
                assert_eq!(answer, Err(Denial::LeaseAgentMismatch));
            }
            None => assert_eq!(answer, Err(Denial::UnknownLease)),
        }
    }
    assert!(hits > 10_000, "guesses that hit a slot do not help: {hits}");
}

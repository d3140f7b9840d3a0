//! The slab of leases and the check.

use std::sync::PoisonError;

use karyon_types::{AgentId, Denial, LeaseId};

use super::chunks::Chunks;
use super::limits::{GENERATION_LAST, LEASES_MAX, STOPS_MAX};
use super::slot::{self, AGENT, Handle, LEASE, REVOKED, STOP, Slot, generation, update};
use super::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, fence};
use crate::terms::{Grant, Lease, Request, Rights, Widening};

/// Names a stop word: one switch for all leases whose chain it is in. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stop(u32);

/// What stands above a lease, and stops it when it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Who answers for it.
    pub principal: Stop,
    /// Why it was given.
    pub reason: Stop,
    /// The grant, or the lease, that it was cut from.
    pub line: Stop,
}

/// Whether something is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It holds.
    None,
    /// Not until as many suspensions are lifted as there were.
    Suspended,
    /// Never again.
    Revoked,
}

/// There is no room for more leases or stop words: see [`limits`](crate::limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gate holds as many leases or stop words as it can; close leases that are over")]
pub struct Full;

/// Why a lease was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It would be wider than what it is cut from.
    #[error(transparent)]
    Widening(#[from] Widening),
    /// There is no room.
    #[error(transparent)]
    Full(#[from] Full),
}

/// The slab of all live leases, shared by every thread.
///
/// A check reads atomics and takes no lock; so do stopping and halting, which therefore wait for
/// nobody. Opening and closing wait for each other.
#[derive(Default)]
pub struct Gate {
    slots: Chunks<Slot>,
    stops: Chunks<AtomicU64>,
    halted: AtomicBool,
    room: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    slots: u32,
    stops: u32,
    /// Closed slots, to be used again.
    free: Vec<u32>,
}

impl Gate {
    /// A stop word for a principal, a reason, a grant, or a lease from which others will be cut.
    ///
    /// # Errors
    /// [`Full`].
    pub fn new_stop(&self) -> Result<Stop, Full> {
        let mut room = self.room();
        let index = Some(room.stops).filter(|stops| *stops < STOPS_MAX).ok_or(Full)?;
        self.stops.grow(index).ok_or(Full)?;
        room.stops += 1;
        Ok(Stop(index))
    }

    /// A chain of three new stop words.
    ///
    /// # Errors
    /// [`Full`].
    pub fn new_chain(&self) -> Result<Chain, Full> {
        let (principal, reason, line) = (self.new_stop()?, self.new_stop()?, self.new_stop()?);
        Ok(Chain { principal, reason, line })
    }

    /// Opens a lease that is cut from `grant` and stopped by what is in `chain`.
    ///
    /// # Errors
    /// The rule of attenuation that the lease would break, or [`Full`].
    pub fn open(&self, grant: &Grant, lease: &Lease, chain: Chain) -> Result<Handle, OpenError> {
        grant.attenuates(lease)?;
        let mut room = self.room();
        let next = room.slots;
        let index = room.free.pop().or((next < LEASES_MAX).then_some(next)).ok_or(Full)?;
        let slot = self.slots.grow(index).ok_or(Full)?;
        room.slots += u32::from(index == next);
        let generation = generation(slot.word.load(Ordering::Relaxed)) + 1;
        // Whoever reads one of these also finds the slot closed, if they look behind their fence.
        fence(Ordering::Release);
        let expires = lease.expires.map_or(u64::MAX, |tick| tick.0);
        slot.owner.store(lease.owner.0, Ordering::Relaxed);
        slot.lease.store(lease.id.0, Ordering::Relaxed);
        slot.first.store(lease.scope.first, Ordering::Relaxed);
        slot.last.store(lease.scope.last, Ordering::Relaxed);
        slot.expires.store(expires, Ordering::Relaxed);
        slot.rights.store(lease.rights.0, Ordering::Relaxed);
        slot.principal.store(chain.principal.0, Ordering::Relaxed);
        slot.reason.store(chain.reason.0, Ordering::Relaxed);
        slot.line.store(chain.line.0, Ordering::Relaxed);
        // Whoever finds it open reads all of these.
        slot.word.store(u64::from(generation) << 32, Ordering::Release);
        Ok(Handle { index, generation })
    }

    /// Closes a lease: its handle is unknown from now on. `false`: it was before.
    pub fn close(&self, handle: Handle) -> bool {
        let mut room = self.room();
        let closed = self.change(handle, |word| u64::from(generation(word) + 1) << 32);
        // A slot that has no generation left is never used again.
        if closed && handle.generation < GENERATION_LAST {
            room.free.push(handle.index);
        }
        closed
    }

    /// Stops every lease under `stop` until it is resumed as often.
    pub fn suspend(&self, stop: Stop) {
        self.set(stop, |word| slot::counted(word, STOP, true));
    }

    /// Lifts one suspension, if there is one.
    pub fn resume(&self, stop: Stop) {
        self.set(stop, |word| slot::counted(word, STOP, false));
    }

    /// Stops every lease under `stop` for ever.
    pub fn revoke(&self, stop: Stop) {
        self.set(stop, |word| word | REVOKED);
    }

    /// Whether `stop` is stopped. One that is not of this gate is revoked.
    pub fn hold(&self, stop: Stop) -> Hold {
        match self.stopped(stop.0) {
            0 => Hold::None,
            word if word & REVOKED != 0 => Hold::Revoked,
            _ => Hold::Suspended,
        }
    }

    /// Suspends a lease and nothing else. `false`: there is no such lease; so for the next two.
    pub fn suspend_lease(&self, handle: Handle) -> bool {
        self.change(handle, |word| slot::counted(word, LEASE, true))
    }

    /// Lifts one suspension of a lease, if there is one.
    pub fn resume_lease(&self, handle: Handle) -> bool {
        self.change(handle, |word| slot::counted(word, LEASE, false))
    }

    /// Revokes a lease for ever.
    pub fn revoke_lease(&self, handle: Handle) -> bool {
        self.change(handle, |word| word | REVOKED)
    }

    /// Says of all leases of an agent that the agent is suspended. `false`: one is not there.
    pub fn suspend_agent(&self, leases: &[Handle]) -> bool {
        self.count_agent(leases, true)
    }

    /// Lifts one suspension of an agent. `false`: a lease is not there.
    pub fn resume_agent(&self, leases: &[Handle]) -> bool {
        self.count_agent(leases, false)
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
        self.admit(handle, request.agent, request.now.0, |slot| {
            if !Rights(slot.rights.load(Ordering::Relaxed)).contains(request.right) {
                return Err(Denial::CapabilityNotGranted);
            }
            let first = slot.first.load(Ordering::Relaxed);
            if !(first..=slot.last.load(Ordering::Relaxed)).contains(&request.target) {
                return Err(Denial::ExceedsCapabilityScope);
            }
            Ok(())
        })
    }

    /// As [`check`](Gate::check), for what is not a matter of rights and scope: whether `agent`
    /// holds the lease, and whether it holds.
    ///
    /// # Errors
    /// Those of [`check`](Gate::check) but for the last two.
    pub fn check_holder(
        &self,
        handle: Option<Handle>,
        agent: AgentId,
        now: u64,
    ) -> Result<LeaseId, Denial> {
        self.admit(handle, agent, now, |_| Ok(()))
    }

    #[inline]
    fn admit(
        &self,
        handle: Option<Handle>,
        agent: AgentId,
        now: u64,
        covers: impl FnOnce(&Slot) -> Result<(), Denial>,
    ) -> Result<LeaseId, Denial> {
        if self.halted.load(Ordering::Acquire) {
            return Err(Denial::SystemHalted);
        }
        let handle = handle.ok_or(Denial::DefaultDeny)?;
        let slot = self.slots.get(handle.index).ok_or(Denial::UnknownLease)?;
        let word = slot.word.load(Ordering::Acquire);
        if !handle.names(word) {
            return Err(Denial::UnknownLease);
        }
        let answer = self.holds(slot, word, agent, now).and_then(|()| covers(slot));
        let lease = LeaseId(slot.lease.load(Ordering::Relaxed));
        // What was read is of one lease only if the slot still holds it.
        fence(Ordering::Acquire);
        if !handle.names(slot.word.load(Ordering::Relaxed)) {
            return Err(Denial::UnknownLease);
        }
        answer.map(|()| lease)
    }

    /// Whether the lease is `agent`'s and in force.
    #[inline]
    fn holds(&self, slot: &Slot, word: u64, agent: AgentId, now: u64) -> Result<(), Denial> {
        if slot.owner.load(Ordering::Relaxed) != agent.0 {
            return Err(Denial::LeaseAgentMismatch);
        }
        let above = |stop: &AtomicU32| self.stopped(stop.load(Ordering::Relaxed));
        let stops = above(&slot.principal) | above(&slot.reason) | above(&slot.line);
        if (stops | word) & (REVOKED | STOP) != 0 {
            return Err(match () {
                () if (stops | word) & REVOKED != 0 => Denial::LeaseRevoked,
                () if word & AGENT != 0 => Denial::AgentHalted,
                () => Denial::LeaseSuspended,
            });
        }
        if now >= slot.expires.load(Ordering::Relaxed) {
            return Err(Denial::LeaseExpired);
        }
        Ok(())
    }

    #[inline]
    fn stopped(&self, stop: u32) -> u64 {
        self.stops.get(stop).map_or(REVOKED, |word| word.load(Ordering::Acquire))
    }

    fn set(&self, stop: Stop, change: impl Fn(u64) -> u64) {
        if let Some(word) = self.stops.get(stop.0) {
            update(word, |word| Some(change(word)));
        }
    }

    fn change(&self, handle: Handle, change: impl Fn(u64) -> u64) -> bool {
        let change = |word| handle.names(word).then(|| change(word));
        self.slots.get(handle.index).is_some_and(|slot| update(&slot.word, change))
    }

    fn count_agent(&self, leases: &[Handle], more: bool) -> bool {
        let count = |word| slot::counted(word, AGENT, more);
        leases.iter().filter(|lease| !self.change(**lease, count)).count() == 0
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Nothing in there can panic halfway.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Gate {
    /// Lets a closed slot be in this generation.
    pub(super) fn age(&self, index: u32, generation: u32) {
        let slot = self.slots.get(index).unwrap();
        slot.word.store(u64::from(generation) << 32, Ordering::Release);
    }
}

//! Thin wrappers around system calls that have no safe form elsewhere. The only unsafe code.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::process::Signal;

// SAFETY: as the C library declares them.
unsafe extern "C" {
    fn _exit(code: i32) -> !;
    fn fcntl(fd: i32, command: i32, ...) -> i32;
    fn signal(number: i32, handler: usize) -> usize;
    fn syscall(number: i64, ...) -> i64;
}

/// `F_GETFD`.
const GET_DESCRIPTOR_FLAGS: i32 = 1;
/// The number of `clone`.
const CLONE: i64 = if cfg!(target_arch = "x86_64") { 56 } else { 220 };
const CLONE_PIDFD: u64 = 0x1000;
/// `CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID`.
pub(crate) const NAMESPACES: u64 = 0x0002_0000 | 0x0800_0000 | 0x2000_0000;
/// `CLONE_NEWUSER`.
pub(crate) const USER_NAMESPACE: u64 = 0x1000_0000;

/// The number of `sched_setattr`.
const SET_SCHEDULING: i64 = if cfg!(target_arch = "x86_64") { 314 } else { 274 };
/// `SCHED_OTHER` and `SCHED_RR`.
const NORMAL: u32 = 0;
const REAL_TIME: u32 = 2;
/// `SCHED_FLAG_RESET_ON_FORK`.
const RESET_ON_FORK: u64 = 1;
/// For how long a thread wants the processor at a time, nanoseconds: whoever wants little is
/// served early. The least that the kernel takes (Linux 6.12; older ones pay no heed to it).
const SLICE_NS: u64 = 100_000;

/// `struct sched_attr`, in its first version.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Scheduling {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime_ns: u64,
    deadline_ns: u64,
    period_ns: u64,
}

/// From now on this thread is served before others whenever it has something to do, as far as
/// this user may ask for that; what it starts is not. `nice` is its priority today.
pub(crate) fn be_urgent(nice: i32) {
    let size = size_of::<Scheduling>() as u32;
    let attributes = Scheduling { size, flags: RESET_ON_FORK, ..Scheduling::default() };
    let before_all = Scheduling { policy: REAL_TIME, priority: 1, ..attributes };
    let early = Scheduling { policy: NORMAL, nice, runtime_ns: SLICE_NS, ..attributes };
    for wanted in [before_all, early] {
        // SAFETY: the kernel reads as many bytes as `size` says, and writes none.
        if unsafe { syscall(SET_SCHEDULING, 0_u64, &raw const wanted, 0_u64) } == 0 {
            return;
        }
    }
}

/// Ends the process at once, without running anything.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: takes no memory, never returns.
    unsafe { _exit(code) }
}

/// Owns an open descriptor that was inherited; `None`: it is not open, or was taken before.
pub fn adopt(number: i32) -> Option<OwnedFd> {
    static TAKEN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
    // SAFETY: asks about a number, changes nothing.
    let is_open = unsafe { fcntl(number, GET_DESCRIPTOR_FLAGS) } >= 0;
    let is_first = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    // SAFETY: it is open, and each number is given away once. That nothing else in the process
    // owns it rests on the name in the environment, which only the parent process wrote.
    (is_open && is_first).then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Like fork, into new namespaces. In the child `None`, else the child's descriptor and number.
/// Only for a process of one thread; in another the child may only end.
pub(crate) fn fork(namespaces: u64) -> io::Result<Option<(OwnedFd, i32)>> {
    let mut descriptor: i32 = -1;
    let flags = namespaces | CLONE_PIDFD | Signal::CHILD.as_raw() as u64;
    // SAFETY: without CLONE_VM the child has its own copy of all memory, and no stack is given,
    // so it goes on where the parent does; with one thread no lock is held by another. The kernel
    // writes one number to `descriptor`.
    let child = unsafe { syscall(CLONE, flags, 0_u64, &raw mut descriptor, 0_u64, 0_u64) };
    match child {
        ..0 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        // SAFETY: the kernel has just made it for this process.
        _ => Ok(Some((unsafe { OwnedFd::from_raw_fd(descriptor) }, child as i32))),
    }
}

/// Which signals came, as bits.
static CAUGHT: AtomicU32 = AtomicU32::new(0);

extern "C" fn note(number: i32) {
    CAUGHT.fetch_or(1 << (number & 31), Ordering::Relaxed);
}

/// From now on these signals are noted, and interrupt whatever waits.
pub(crate) fn catch(signals: &[Signal]) {
    for caught in signals {
        // SAFETY: the handler touches one atomic and nothing else.
        unsafe { signal(caught.as_raw(), note as *const () as usize) };
    }
}

/// Whether this signal came since it was last asked.
pub(crate) fn came(signal: Signal) -> bool {
    let bit = 1 << (signal.as_raw() & 31);
    CAUGHT.fetch_and(!bit, Ordering::Relaxed) & bit != 0
}

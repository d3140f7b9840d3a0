//! Thin wrappers around system calls that have no safe form elsewhere. The only unsafe code.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};

unsafe extern "C" {
    fn _exit(code: i32) -> !;
    fn fcntl(fd: i32, command: i32, ...) -> i32;
}

/// `F_GETFD`.
const GET_DESCRIPTOR_FLAGS: i32 = 1;

/// Ends the process at once, without running anything.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes no memory, never returns.
    unsafe { _exit(code) }
}

/// Owns an open descriptor that was inherited; `None`: it is not open, or was taken before.
pub(crate) fn adopt(number: i32) -> Option<OwnedFd> {
    static TAKEN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
    // SAFETY: asks about a number, changes nothing.
    let is_open = unsafe { fcntl(number, GET_DESCRIPTOR_FLAGS) } >= 0;
    let is_first = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
    // SAFETY: it is open, and each number is given away once. That nothing else in the process
    // owns it rests on the name in the environment, which only the parent process wrote.
    (is_open && is_first).then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

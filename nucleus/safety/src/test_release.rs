//! For tests, also those of other crates: as root a safety log can only be appended to, which would
//! keep its folder from being removed.

use std::fs::File;
use std::path::Path;

use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

/// Takes the attribute away, if it is there.
pub(crate) fn release(log: &Path) {
    let Ok(file) = File::open(log) else { return };
    if let Ok(flags) = ioctl_getflags(&file)
        && flags.contains(IFlags::APPEND)
    {
        ioctl_setflags(&file, flags - IFlags::APPEND).unwrap();
    }
}

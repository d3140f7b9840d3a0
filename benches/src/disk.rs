//! What files take on the disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Bytes of the blocks that a file, or all files below a folder, are given by the file system:
/// what `du` counts. Holes are not in it, what is reserved and not written is.
pub fn allocated(path: &Path) -> u64 {
    let metadata = std::fs::symlink_metadata(path).expect("it is there");
    if !metadata.is_dir() {
        return metadata.blocks() * 512;
    }
    let entries = std::fs::read_dir(path).expect("it can be read");
    entries.map(|entry| allocated(&entry.expect("it can be read").path())).sum()
}

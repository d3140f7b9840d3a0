//! The bytes of version 1 stay what they are.

use karyon_log::Control;
use karyon_log_writer::{MemoryStorage, Storage};
use karyon_types::hash;

use crate::sample::*;
use crate::support::*;

/// A log of one commit, byte for byte.
#[test]
fn version_1_bytes() {
    let disk = Disk::default();
    let writer = start(Box::new(disk.clone())).unwrap();
    writer.append(control(Control::Genesis(genesis()))).unwrap();
    writer.flush().unwrap();
    writer.append(ticks(0, 300)).unwrap();
    writer.flush().unwrap();
    writer.append(seal()).unwrap();
    writer.close().unwrap();
    let written = disk.after_crash(random(0));
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1.log");
    if std::env::var_os("KARYON_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, &written.bytes).unwrap();
    }
    let kept = std::fs::read(golden).expect("the golden file is part of the repository");
    assert_eq!(hash(&written.bytes), hash(&kept), "the format changed: raise its version");
    let mut storage = MemoryStorage::default();
    storage.write_at(0, &kept).unwrap();
    let (bodies, end) = read(&storage).unwrap();
    assert_eq!((bodies.len(), end.records, end.commits, end.sealed), (3, 302, 3, true));
}

//! The bytes of version 1 stay what they are.

use karyon_engram::Engram;

use crate::support::*;

#[test]
fn version_1_bytes() {
    let memories = sample();
    let file = sealed(&memories);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1.car");
    if std::env::var_os("KARYON_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, &file).unwrap();
    }
    let kept = std::fs::read(golden).expect("the golden file is part of the repository");
    assert!(file == kept, "the format changed: raise its version");
    assert!(Engram::may_begin(&kept[..64]));
    for other in [&b""[..], &kept[..4], &kept[1..64], b"manifest.json\0\0\0\0"] {
        assert!(!Engram::may_begin(other), "{other:?}");
    }
    let opened = Engram::open(&kept).unwrap();
    assert_eq!(opened.signer, signer());
    assert_eq!(opened.engram.manifest, manifest(&memories));
    let mut found: Vec<_> = opened.engram.memories.into_iter().map(|(_, memory)| memory).collect();
    found.sort_by_key(|memory| memory.recorded);
    assert_eq!(found, memories);
}

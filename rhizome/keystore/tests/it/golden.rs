//! Files of version 1, and what versions 1 and 2 sealed, stay readable.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use karyon_keystore::{Subject, SubjectId, UnsealError};

use crate::Place;

#[test]
fn what_earlier_versions_wrote_is_opened() {
    let place = Place::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fs::create_dir(place.data().join("keystore")).unwrap();
    fs::copy(golden.join("v1.keys.2"), place.keys(2)).unwrap();
    fs::copy(golden.join("v1.master"), place.master()).unwrap();
    fs::set_permissions(place.master(), fs::Permissions::from_mode(0o600)).unwrap();
    let keystore = place.open();
    assert_eq!(keystore.generation(), 2);
    assert_eq!(keystore.subject("ada"), Subject::Erased(SubjectId(1)));
    assert_eq!(keystore.subject("bo"), Subject::Live(SubjectId(2)));
    assert_eq!(keystore.subject("cy"), Subject::Never);
    for (name, said) in
        [("v1.sealed", "what version 1 sealed"), ("v2.sealed", "what version 2 sealed")]
    {
        let sealed = fs::read(golden.join(name)).unwrap();
        let unseal = |index| keystore.unseal(SubjectId(2), index, b"about", &sealed);
        assert_eq!(unseal(6).unwrap(), said.as_bytes());
        for (index, expected) in [
            (1, UnsealError::Erased { subject: SubjectId(2), index: 1 }),
            (2, UnsealError::Erased { subject: SubjectId(2), index: 2 }),
            (3, UnsealError::Damaged { subject: SubjectId(2), index: 3 }),
        ] {
            assert_eq!(unseal(index), Err(expected), "{name}");
        }
    }
}

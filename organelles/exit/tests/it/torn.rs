//! Exports that were cut, or have a changed byte.

use std::fs;

use karyon_exit::ImportError;

use crate::support::{Place, key};

fn is_refuted(error: &ImportError) -> bool {
    error.is_refutation()
        || matches!(error, ImportError::Version { .. } | ImportError::TooMuch { .. })
}

#[test]
fn cut_anywhere_it_is_refused() {
    let place = Place::new();
    place.export("d", Some(&key()), "d.tar");
    let bytes = fs::read(place.path("d.tar")).unwrap();
    let cuts = (0..bytes.len()).step_by(1000).chain((bytes.len() - 1024..bytes.len()).step_by(64));
    let mut count = 0;
    for len in cuts {
        let error = place.refuses(&bytes[..len], &format!("cut at {len}"));
        assert!(is_refuted(&error), "cut at {len}: {error:?}");
        count += 1;
    }
    assert!(count > 150, "{count} cuts of {} bytes", bytes.len());
    place.refuses(&[&bytes[..], &[0]].concat(), "with a byte more");
    place.refuses(&[&bytes[..], &[0; 512]].concat(), "with a block more");
    place.refuses(&[&bytes[..], &bytes].concat(), "twice");
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    for key in [Some(key()), None] {
        let place = Place::new();
        place.export("d", key.as_ref(), "d.tar");
        let bytes = fs::read(place.path("d.tar")).unwrap();
        // Close to each other in the first headers and the manifest, and each 500th byte.
        let places = (0..2048).step_by(11).chain((2048..bytes.len()).step_by(500));
        let mut count = 0;
        for at in places {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let error = place.refuses(&changed, &format!("byte {at}"));
            assert!(is_refuted(&error), "byte {at}: {error:?}");
            count += 1;
        }
        assert!(count > 450, "{count} bytes of {}", bytes.len());
        fs::write(place.path("same.tar"), &bytes).unwrap();
        place.import("same.tar", "new").unwrap();
    }
}

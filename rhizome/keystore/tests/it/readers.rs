//! Who reads while somebody else erases.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use karyon_keystore::{Erasure, Sealed, UnsealError};

use crate::{Place, erase};

#[test]
fn readers_see_before_or_after_and_never_damage() {
    const MEMORIES: u32 = 60;
    let place = Place::new();
    let mut keystore = place.create();
    let sealed: Vec<Sealed> =
        (0..MEMORIES).map(|_| keystore.seal("ada", b"", b"a memory").unwrap()).collect();
    let (erased, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    let opened = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut opened = 0;
                    while !is_over.load(Ordering::SeqCst) {
                        let before = erased.load(Ordering::SeqCst);
                        let keystore = place.open_read_only();
                        opened += 1;
                        // One erasure may be under way that is not counted yet.
                        let after = erased.load(Ordering::SeqCst) + 1;
                        for Sealed { subject, index, bytes } in &sealed {
                            match keystore.unseal(*subject, *index, b"", bytes) {
                                Ok(plaintext) => {
                                    assert!(*index >= before && plaintext == b"a memory");
                                }
                                Err(UnsealError::Erased { .. }) => assert!(*index < after),
                                Err(error) => panic!("{error}"),
                            }
                        }
                    }
                    opened
                })
            })
            .collect();
        let subject = sealed[0].subject;
        for index in 0..MEMORIES {
            erase(&mut keystore, Erasure::new().erase(subject, index..index + 1));
            erased.store(index + 1, Ordering::SeqCst);
            // An ordinary change between two erasures.
            keystore.prepare(&[&format!("subject {index}")]).unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u32>()
    });
    assert!(opened > 10, "only {opened} times opened");
    assert_eq!(place.open().generation(), u64::from(MEMORIES) + 1);
}

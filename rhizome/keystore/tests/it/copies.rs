//! A data directory and its keys that are copied together: both copies go on, with the same keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use karyon_keystore::{Keystore, Sealed};

use crate::Place;

/// Bytes of a nonce, which stands in front.
const NONCE: usize = 24;

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A keystore with a subject, and another place with the very same files.
fn twice() -> [(Place, Keystore); 2] {
    let (place, there) = (Place::new(), Place::new());
    let mut keystore = place.create();
    keystore.seal("ada", b"about", b"before the copy").unwrap();
    keystore.close().unwrap();
    fs::create_dir(there.data().join("keystore")).unwrap();
    copy(&place.keys(1), &there.keys(1));
    copy(&place.master(), &there.master());
    [place, there].map(|place| {
        let keystore = place.open();
        (place, keystore)
    })
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

#[test]
fn two_copies_seal_two_texts_and_tell_neither() {
    let [(_here, mut here), (_there, mut there)] = twice();
    let texts = [b"thirty days net, as agreed", b"no more than 14 days, ever"];
    let (mut nonces, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let one = here.seal("ada", b"about", texts[0]).unwrap();
        let other = there.seal("ada", b"about", texts[1]).unwrap();
        assert_eq!((one.subject, one.index), (other.subject, other.index), "one key");
        let [(nonce, text), (other_nonce, other_text)] =
            [&one, &other].map(|sealed| sealed.bytes.split_at(NONCE));
        assert_ne!(nonce, other_nonce);
        // Whoever knows one of the texts would have the other.
        assert_ne!(xor(text, other_text)[..26], xor(texts[0], texts[1])[..]);
        streams.extend([xor(text, texts[0]), xor(other_text, texts[1])]);
        nonces.extend([nonce.to_vec(), other_nonce.to_vec()]);
        // Each opens what the other sealed: they have the same keys.
        let open = |keys: &Keystore, Sealed { subject, index, bytes }: &Sealed| {
            keys.unseal(*subject, *index, b"about", bytes).unwrap()
        };
        assert_eq!((open(&there, &one), open(&here, &other)), (texts[0].into(), texts[1].into()));
    }
    // No key stream comes twice, nor a nonce.
    for all in [&mut streams, &mut nonces] {
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 200);
    }
}

/// What is not hidden: that both said the same of the same.
#[test]
fn two_copies_seal_one_text_to_the_same_bytes() {
    let [(_here, mut here), (_there, mut there)] = twice();
    let one = here.seal("ada", b"about", b"the same").unwrap();
    assert_eq!(there.seal("ada", b"about", b"the same").unwrap(), one);
    // Under the next key, or said of something else, it is something else.
    let (next, other) =
        (here.seal("ada", b"about", b"the same"), there.seal("ada", b"above", b"the same"));
    let [next, other] = [next.unwrap(), other.unwrap()];
    assert_eq!(next.index, other.index);
    for (one, other) in [(&one, &next), (&one, &other), (&next, &other)] {
        assert_ne!(one.bytes[..NONCE], other.bytes[..NONCE]);
        assert_ne!(one.bytes[NONCE..], other.bytes[NONCE..]);
    }
}

//! Tests of the statement: one form, and nobody else's signature.

use proptest::prelude::*;

use super::*;

const GOLDEN: &str = "karyon-key-rotation-v1\n\
    principal ada\n\
    old 8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c\n\
    new 8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394\n\
    at 1750000000000\n\
    signature 49e14720964699a0bf6a9c2f5b2c4c4110d83bde0aabb94316be4307e7f3a389\
    dd38ad05fee245c1ca0dcea407ed97d992f1088bc04b86b72f21772f7a543a01\n";

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

fn rotation(kind: KeyKind, old: u8, new: u8) -> Rotation {
    Rotation::sign(kind, &secret(old), secret(new).public_key(), 1_750_000_000_000)
}

#[test]
fn text_and_back() {
    for kind in [KeyKind::Node, KeyKind::Principal("ada".into())] {
        let rotation = rotation(kind, 1, 2);
        let text = rotation.to_text();
        assert_eq!(Rotation::parse_and_verify(&text).unwrap(), rotation, "{text}");
    }
    let longest = rotation(KeyKind::Principal("a".repeat(64)), 1, 2).to_text();
    assert!(longest.len() as u64 <= crate::limits::ROTATION_BYTES_MAX, "{}", longest.len());
}

#[test]
fn golden() {
    // The signature was computed with another implementation (pyca/cryptography) from the seed of
    // 32 bytes 01, over the five lines before it.
    let text = rotation(KeyKind::Principal("ada".into()), 1, 2).to_text();
    assert_eq!(text, GOLDEN);
}

#[test]
fn every_changed_byte_is_refused() {
    let text = rotation(KeyKind::Principal("ada".into()), 1, 2).to_text();
    for at in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Rotation::parse_and_verify(&changed).is_err(), "byte {at}, bit {bit}");
        }
    }
    for changed in [format!("{text}\n"), text[..text.len() - 1].into(), String::new()] {
        assert!(matches!(Rotation::parse_and_verify(&changed), Err(RotationError::Form { .. })));
    }
}

#[test]
fn the_successor_is_signed_by_the_old_key_alone() {
    let text = rotation(KeyKind::Node, 1, 2).to_text();
    let stranger =
        text.replace(&secret(1).public_key().to_string(), &secret(3).public_key().to_string());
    let old = secret(3).public_key();
    assert_eq!(Rotation::parse_and_verify(&stranger), Err(RotationError::Signature { old }));
}

#[test]
fn whoever_trusted_the_first_can_follow_to_the_last() {
    let key = |seed| secret(seed).public_key();
    let chain = [rotation(KeyKind::Node, 2, 3), rotation(KeyKind::Node, 1, 2)];
    assert_eq!(follow(key(1), &chain).unwrap(), (key(3), 2));
    assert_eq!(follow(key(3), &chain).unwrap(), (key(3), 0));
    assert_eq!(follow(key(9), &chain).unwrap(), (key(9), 0));

    // Whoever has the old secret can name another successor: then neither is believed.
    let forked = [chain[0].clone(), chain[1].clone(), rotation(KeyKind::Node, 1, 4)];
    let fork = RotationError::Fork { old: key(1), one: key(2), other: key(4) };
    assert_eq!(follow(key(1), &forked), Err(fork));
    // The same one twice is none.
    let twice = [chain[0].clone(), chain[1].clone(), rotation(KeyKind::Node, 1, 2)];
    assert_eq!(follow(key(1), &twice).unwrap().0, key(3));
    let circle = [rotation(KeyKind::Node, 1, 2), rotation(KeyKind::Node, 2, 1)];
    assert_eq!(follow(key(1), &circle).unwrap().1, 2);
}

proptest! {
    #[test]
    fn arbitrary_text_is_refused_or_in_its_one_form(text in "[ -~\n]{0,400}") {
        if let Ok(rotation) = Rotation::parse_and_verify(&text) {
            prop_assert_eq!(rotation.to_text(), text);
        }
    }
}

//! Tests of the grant: one encoding, one signature, somebody who answers.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;

/// Computed with another implementation (pyca/cryptography) from the description of the bytes.
const GOLDEN: &str = "6b6172796f6e2d6772616e742d76310a036164612003a107bff3ce10be1d70dd18e74bc09967e\
4d6309ba50d5f1ddc8664125531b82007070707070707070707070707070707070707070707070707070707070707070a74\
6f206d65617375726504050000000d636f6c6f6e792f72756d6f7572200909090909090909090909090909090909090909\
09090909090909090909090908e80300000000000010000102030405060708090a0b0c0d0e0f404cc4c9a25bd6bfc5e478\
47ca41872447ae012bef63b65656855325996148c29fc072894dc28e89c94250e0852f1b5f1e61f846dd7a980300c19e33\
2dd6e5890c";

fn key() -> SecretKey {
    SecretKey::from_seed(std::array::from_fn(|i| i as u8)).unwrap()
}

fn terms() -> GrantTerms {
    GrantTerms {
        principal: "ada".into(),
        principal_key: key().public_key(),
        node_key: PublicKey([7; 32]),
        reason: "to measure".into(),
        rights: 5,
        resource: "colony/rumour".into(),
        scenario: Hash([9; 32]),
        expires_tick: Some(1_000),
        nonce: std::array::from_fn(|i| i as u8),
    }
}

#[test]
fn agrees_with_another_implementation() {
    let grant = terms().sign(&key()).unwrap();
    assert_eq!(HEXLOWER.encode(&grant.encode()), GOLDEN);
    assert_eq!(grant.verify(), Ok(()));
}

#[test]
fn nobody_answerable_is_refused_everywhere() {
    for name in ["", " ", "a/b", ".hidden"] {
        let terms = GrantTerms { principal: name.into(), ..terms() };
        let refused = GrantError::Principal { found: name.into() };
        assert_eq!(terms.clone().sign(&key()), Err(refused));
        // Signed by somebody who left the check out.
        let signature = key().sign(&terms.encode());
        let grant = SignedGrant { terms, signature };
        assert_eq!(grant.verify(), Err(GrantError::Principal { found: name.into() }));
        let decoded = SignedGrant::decode(&grant.encode());
        assert_eq!(decoded, Err(GrantError::Principal { found: name.into() }));
    }
}

#[test]
fn blank_and_endless_texts_are_refused() {
    for (reason, resource, field, limit_bytes) in [
        ("", "r", "reason", MAX_REASON_BYTES),
        (" \n", "r", "reason", MAX_REASON_BYTES),
        (&"x".repeat(1_001), "r", "reason", MAX_REASON_BYTES),
        ("x", "", "resource", MAX_RESOURCE_BYTES),
        ("x", &"r".repeat(257), "resource", MAX_RESOURCE_BYTES),
    ] {
        let terms = GrantTerms { reason: reason.into(), resource: resource.into(), ..terms() };
        let length_bytes = if field == "reason" { reason.len() } else { resource.len() };
        assert_eq!(terms.sign(&key()), Err(GrantError::Text { field, length_bytes, limit_bytes }));
    }
}

#[test]
fn only_the_named_key_signs() {
    let other = SecretKey::from_seed([3; 32]).unwrap();
    assert_eq!(
        terms().sign(&other),
        Err(GrantError::OtherKey {
            principal: "ada".into(),
            named: key().public_key(),
            signer: other.public_key(),
        })
    );
    let signature = other.sign(&terms().encode());
    let forged = SignedGrant { terms: terms(), signature };
    assert_eq!(forged.verify(), Err(GrantError::Signature { principal: "ada".into() }));
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let bytes = HEXLOWER.decode(GOLDEN.as_bytes()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(SignedGrant::decode(&bytes).and_then(|grant| grant.verify()).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(SignedGrant::decode(&bytes[..length]).is_err(), "{length} bytes");
    }
    let longer = [bytes, vec![0]].concat();
    let expected = "nothing behind the signature";
    assert_eq!(SignedGrant::decode(&longer), Err(GrantError::Form { expected }));
}

prop_compose! {
    fn any_terms()(
        principal in "[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}",
        node_key: [u8; 32],
        reason in "\\PC{0,40}x",
        rights: u32,
        resource in "[a-z]{1,9}/[a-z]{1,9}",
        scenario: [u8; 32],
        expires_tick: Option<u64>,
        nonce: [u8; 16],
    ) -> GrantTerms {
        GrantTerms {
            principal,
            principal_key: key().public_key(),
            node_key: PublicKey(node_key),
            reason,
            rights,
            resource,
            scenario: Hash(scenario),
            expires_tick,
            nonce,
        }
    }
}

proptest! {
    #[test]
    fn comes_back(terms in any_terms(), place: prop::sample::Index, change in 1u8..) {
        let grant = terms.sign(&key()).unwrap();
        let mut bytes = grant.encode();
        prop_assert_eq!(SignedGrant::decode(&bytes), Ok(grant.clone()));
        prop_assert_eq!(grant.verify(), Ok(()));

        bytes[place.index(grant.encode().len())] ^= change;
        prop_assert!(SignedGrant::decode(&bytes).and_then(|grant| grant.verify()).is_err());
    }

    #[test]
    fn any_bytes_decode_to_their_own_encoding(tail: Vec<u8>) {
        let bytes = [DOMAIN, &tail].concat();
        if let Ok(grant) = SignedGrant::decode(&bytes) {
            prop_assert_eq!(grant.encode(), bytes);
        }
    }
}

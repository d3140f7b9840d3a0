//! Tests of signed resumes: one statement, one halt, once.

use std::fs;

use ed25519_compact::{KeyPair, Seed};
use karyon_safety::{Entry, Found, Marker, SafetyLog, admit, pending_resumes, replace};
use proptest::prelude::*;

use super::*;
use crate::test_place::Place;
use crate::{ResumeError, halt_idle, halt_number, resume};

const NONCE: [u8; 16] = [9; 16];
const NOW: u64 = 1_700_000_000;

fn pair(seed: u8) -> KeyPair {
    KeyPair::from_seed(Seed::new([seed; 32]))
}

fn signed(body: &str, pair: &KeyPair) -> String {
    format!("{body}signature {}\n", hex(&*pair.sk.sign(body, None)))
}

/// A run that was killed, on a machine where keys 1 and 2 may sign.
fn crashed() -> Place {
    let mut place = Place::new();
    place.limits.resume_keys = vec![*pair(1).pk, *pair(2).pk];
    Entry::begin(&place.data, &place.config, 1).unwrap();
    replace(&place.data, &Marker::Running { n: 0 }).unwrap();
    place
}

fn attempt(place: &Place, text: &str) -> Result<Option<[u8; 32]>, SignatureFault> {
    match resume(ResumeRequest { signature: Some(text), ..place.request("all well") }) {
        Ok(resumed) => Ok(resumed.signed_by),
        Err(ResumeError::Signature(fault)) => Err(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn golden_text() {
    let text = resume_statement(&[7; 16], 3, &NONCE, 5, " a\nb\\ ");
    let expected = format!(
        "karyon-resume-v1\nlog {}\nhalt 3\nnonce {}\nexpires 5\nreason a\\nb\\\\\n",
        "07".repeat(16),
        "09".repeat(16)
    );
    assert_eq!(text, expected);
    let (log, reason) = ([7; 16], "a\nb\\".to_owned());
    let expected = Statement { log, halt: 3, nonce: NONCE, expires: 5, reason };
    assert_eq!(Statement::parse(&text), Some(expected));
}

#[test]
fn a_key_that_is_named_signs_once() {
    let place = crashed();
    let unsigned = resume(place.request("all well")).unwrap_err();
    assert!(matches!(unsigned, ResumeError::Signature(SignatureFault::Missing)));
    let text = signed(&resume_statement(&[7; 16], 0, &NONCE, NOW, "all well"), &pair(2));
    assert_eq!(attempt(&place, &text), Ok(Some(*pair(2).pk)));
    assert_eq!(pending_resumes(&place.data).unwrap()[0].signed_by, Some(*pair(2).pk));
    let events = fs::read_to_string(SafetyLog::path(&place.data)).unwrap();
    assert!(events.contains("\"governance_state\":\"enforced\""), "{events}");
    assert_eq!(admit(&place.data, &place.config).unwrap().nonces, [NONCE]);

    // The same words for the next halt, and the same nonce for it.
    replace(&place.data, &Marker::Running { n: 1 }).unwrap();
    let other = SignatureFault::OtherHalt(0);
    assert_eq!(attempt(&place, &text), Err(other));
    // Its number: the marker's, and one event.
    let again = signed(&resume_statement(&[7; 16], 2, &NONCE, NOW, "all well"), &pair(2));
    assert_eq!(attempt(&place, &again), Err(SignatureFault::Used));
}

/// A second halt of a directory that is halted is another one; so is the first of one that is
/// clear, where there is nothing to sign yet.
#[test]
fn nobody_signs_a_halt_away_before_it_is() {
    let place = crashed();
    let number = || halt_number(&place.data, &place.config, 0);
    let first = number().unwrap();
    halt_idle(&place.data, &place.config, "stop", 1).unwrap();
    let second = number().unwrap();
    halt_idle(&place.data, &place.config, "stop again", 2).unwrap();
    assert!(first < second && second < number().unwrap());
    let text = signed(&resume_statement(&[7; 16], second, &NONCE, NOW, "all well"), &pair(2));
    assert_eq!(attempt(&place, &text), Err(SignatureFault::OtherHalt(second)));
    let last = number().unwrap();
    let text = signed(&resume_statement(&[7; 16], last, &NONCE, NOW, "all well"), &pair(2));
    assert_eq!(attempt(&place, &text), Ok(Some(*pair(2).pk)));
    assert!(matches!(number(), Err(ResumeError::NotInSafeMode(_))));
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut place = crashed();
    let text =
        |log, halt, expires, reason| resume_statement(&[log; 16], halt, &NONCE, expires, reason);
    let good = text(7, 0, NOW, "all well");
    let upper = signed(&good, &pair(1)).replace("signature ", "signature A");
    for (text, fault) in [
        (signed(&good, &pair(3)), SignatureFault::Forged),
        (signed(&text(8, 0, NOW, "all well"), &pair(1)), SignatureFault::OtherLog),
        (signed(&text(7, 1, NOW, "all well"), &pair(1)), SignatureFault::OtherHalt(1)),
        (signed(&text(7, 0, NOW - 1, "all well"), &pair(1)), SignatureFault::Expired(NOW - 1)),
        (signed(&text(7, 0, NOW, "all good"), &pair(1)), SignatureFault::OtherReason),
        (signed(&good.replace("halt 0", "halt 00"), &pair(1)), SignatureFault::Form),
        (signed(&good.replace("-v1", "-v2"), &pair(1)), SignatureFault::Form),
        (signed(&format!("{good}more\n"), &pair(1)), SignatureFault::Form),
        (good.clone(), SignatureFault::Form),
        (signed(&good, &pair(1)).trim_end().into(), SignatureFault::Form),
        (upper, SignatureFault::Form),
        (String::new(), SignatureFault::Form),
    ] {
        assert_eq!(attempt(&place, &text), Err(fault), "{text}");
    }
    place.limits.resume_keys.clear();
    assert_eq!(attempt(&place, &signed(&good, &pair(1))), Err(SignatureFault::NoKeys));
    assert_eq!(karyon_safety::read(&place.data), Found::Marker(Marker::Running { n: 0 }));
    assert_eq!(pending_resumes(&place.data).unwrap(), []);
    assert_eq!(SafetyLog::check(&place.data), Ok(([0; 32], 0)));
}

#[test]
fn every_flipped_bit_is_refused() {
    let place = crashed();
    let good = signed(&resume_statement(&[7; 16], 0, &NONCE, NOW, "all well"), &pair(1));
    let request = place.request("all well");
    let ask = |text: &str| {
        signer(&ResumeRequest { signature: Some(text), ..request }, "all well", 0, &[])
    };
    assert_eq!(ask(&good), Ok(Some((*pair(1).pk, NONCE))));
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(text) = String::from_utf8(bytes) {
            assert!(ask(&text).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn one_statement_does_not_end_the_safe_mode_of_a_copy_as_well() {
    let place = crashed();
    let copy = place.copy("copy");
    let text = signed(&resume_statement(&[7; 16], 0, &NONCE, NOW, "all well"), &pair(1));
    let of_copy =
        ResumeRequest { data: &copy, signature: Some(&text), ..place.request("all well") };
    resume(of_copy).unwrap();
    assert_eq!(attempt(&place, &text), Err(SignatureFault::Used));
}

#[test]
fn a_lost_marker_has_the_number_that_follows() {
    let place = crashed();
    assert_eq!(halt_number(&place.data, &place.config, 40).unwrap(), 0);
    fs::remove_file(place.data.join("safety/marker")).unwrap();
    assert_eq!(halt_number(&place.data, &place.config, 40).unwrap(), 41);
    let text = signed(&resume_statement(&[7; 16], 41, &NONCE, NOW, "all well"), &pair(1));
    let request =
        ResumeRequest { least_n: 40, signature: Some(&text), ..place.request("all well") };
    assert_eq!(resume(request).unwrap().n, 41);
}

proptest! {
    #[test]
    fn statements_come_back(
        log: [u8; 16], halt: u64, nonce: [u8; 16], expires: u64, reason in "\\PC*|(?s).{0,40}",
    ) {
        let text = resume_statement(&log, halt, &nonce, expires, &reason);
        let reason = reason.trim().to_owned();
        let expected = Statement { log, halt, nonce, expires, reason };
        prop_assert_eq!(Statement::parse(&text), Some(expected));
        prop_assert_eq!(text.lines().count(), 6);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(?s).{0,200}") {
        prop_assert_eq!(Statement::parse(&text), None);
        prop_assert!(split(&text).is_none());
    }
}

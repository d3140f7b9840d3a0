//! A ledger with two principals, and what it takes to say something to it.

use std::sync::{Arc, LazyLock};

use karyon_authority::{Ledger, terms_digest};
use karyon_gate::{Gate, Rights};
use karyon_identity::{PublicKey, SecretKey};
use karyon_log::{Control, Target, Verb};
use karyon_statements::{GrantTerms, SignedGrant, SignedStatement, Statement};
use karyon_types::{LogId, Terms};

pub const LOG: LogId = LogId([7; 16]);

/// Two principals, and an adapter.
pub static KEYS: LazyLock<[SecretKey; 3]> =
    LazyLock::new(|| [1, 2, 3].map(|seed| SecretKey::from_seed([seed; 32]).unwrap()));

pub fn ledger() -> Ledger {
    Ledger::new(LOG, Arc::new(Gate::default()), PublicKey([9; 32]), vec![KEYS[2].public_key()])
}

pub fn signed_grant(principal: usize, terms: &Terms, nonce: u64) -> SignedGrant {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce.to_le_bytes());
    GrantTerms {
        principal: ["ada", "grace"][principal].into(),
        principal_key: KEYS[principal].public_key(),
        node_key: PublicKey([9; 32]),
        reason: "try it".into(),
        rights: Rights::ACT.0,
        resource: "world".into(),
        scenario: terms_digest(terms).unwrap(),
        expires_tick: None,
        nonce: bytes,
    }
    .sign(&KEYS[principal])
    .unwrap()
}

pub fn order(principal: usize, verb: Verb, target: Target, number: u64) -> SignedStatement {
    let (kind, target) = target.parts();
    let verb = verb as u8;
    Statement::Order { verb, kind, target, number }.sign(LOG, &KEYS[principal])
}

pub fn apply(ledger: &mut Ledger, records: impl IntoIterator<Item = Control>) {
    records.into_iter().for_each(|record| ledger.apply(&record).unwrap());
}

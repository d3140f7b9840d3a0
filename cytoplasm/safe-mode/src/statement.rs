//! A signed statement: a person's word, given outside, that one halt may end.
//!
//! Text: `karyon-resume-v1`, then `log`, `halt`, `nonce`, `expires` and `reason` with their values
//! (see [`resume_statement`]), one a line, and `signature` with the ed25519 signature over all
//! lines before it.

use ed25519_compact::{PublicKey, Signature};
use karyon_safety::{escape, field, hex, unescape, unhex};

use crate::ResumeRequest;

const VERSION: &str = "karyon-resume-v1\n";

/// Why a resume's signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// There is none, and `guardian.conf` names keys that must sign.
    #[error(
        "a resume must be signed here: give --signature FILE, which `karyon safety sign` makes"
    )]
    Missing,
    /// There is one, and no key to check it with.
    #[error(
        "guardian.conf names no resume_key to check the signature with: name one, or resume without --signature"
    )]
    NoKeys,
    /// It is no such text.
    #[error("the signed statement is in no known form")]
    Form,
    /// None of the keys signed it.
    #[error("no resume_key of guardian.conf made the signature")]
    Forged,
    /// It is for another log.
    #[error("the signed statement is for another log")]
    OtherLog,
    /// It is for another halt: this one.
    #[error("the signed statement is for halt {0}, not this")]
    OtherHalt(u64),
    /// Its time was over then, in seconds since 1970.
    #[error("the signed statement expired at {0} (seconds since 1970)")]
    Expired(u64),
    /// It was used before.
    #[error("the signed statement was used before: sign a new one")]
    Used,
    /// It gives another reason.
    #[error("the signed statement gives another reason")]
    OtherReason,
}

/// The text to sign, with the key as it is: behind it comes a line `signature <hex>`. `halt` is
/// [`crate::halt_number`], `nonce` is drawn for this statement, and blanks around the reason do
/// not count.
pub fn resume_statement(
    log: &[u8; 16],
    halt: u64,
    nonce: &[u8; 16],
    expires_unix_s: u64,
    reason: &str,
) -> String {
    format!(
        "{VERSION}log {}\nhalt {halt}\nnonce {}\nexpires {expires_unix_s}\nreason {}\n",
        hex(log),
        hex(nonce),
        escape(reason.trim())
    )
}

/// The key that signed, and the nonce.
pub(crate) type Signed = ([u8; 32], [u8; 16]);

/// Who signed; `None` where nobody has to sign.
pub(crate) fn signer(
    request: &ResumeRequest<'_>,
    reason: &str,
    halt: u64,
    used: &[[u8; 16]],
) -> Result<Option<Signed>, SignatureFault> {
    let keys = &request.limits.resume_keys;
    let text = match (request.signature, keys.as_slice()) {
        (None, []) => return Ok(None),
        (None, _) => return Err(SignatureFault::Missing),
        (Some(_), []) => return Err(SignatureFault::NoKeys),
        (Some(text), _) => text,
    };
    let (body, signature) = split(text).ok_or(SignatureFault::Form)?;
    let signed_by = |key: &&[u8; 32]| PublicKey::new(**key).verify(body, &signature).is_ok();
    let key = keys.iter().find(signed_by).ok_or(SignatureFault::Forged)?;
    let found = Statement::parse(body).ok_or(SignatureFault::Form)?;
    let faults = [
        (found.log != request.log, SignatureFault::OtherLog),
        (found.halt != halt, SignatureFault::OtherHalt(found.halt)),
        (found.expires < request.unix_ms / 1_000, SignatureFault::Expired(found.expires)),
        (used.contains(&found.nonce), SignatureFault::Used),
        (found.reason != reason, SignatureFault::OtherReason),
    ];
    match faults.into_iter().find(|(is_so, _)| *is_so) {
        Some((_, fault)) => Err(fault),
        None => Ok(Some((*key, found.nonce))),
    }
}

#[derive(Debug, PartialEq)]
struct Statement {
    log: [u8; 16],
    halt: u64,
    nonce: [u8; 16],
    expires: u64,
    reason: String,
}

impl Statement {
    /// One statement has one text.
    fn parse(body: &str) -> Option<Statement> {
        let mut lines = body.strip_prefix(VERSION)?.lines();
        let mut next = |name| field(&mut lines, name);
        let found = Statement {
            log: unhex(next("log ")?)?,
            halt: next("halt ")?.parse().ok()?,
            nonce: unhex(next("nonce ")?)?,
            expires: next("expires ")?.parse().ok()?,
            reason: unescape(next("reason ")?)?,
        };
        let Statement { log, halt, nonce, expires, reason } = &found;
        (resume_statement(log, *halt, nonce, *expires, reason) == body).then_some(found)
    }
}

/// What is signed, and the signature.
fn split(text: &str) -> Option<(&str, Signature)> {
    let start = text.rfind("signature ")?;
    let (body, last) = text.split_at_checked(start)?;
    let signature = unhex(last.strip_prefix("signature ")?.strip_suffix('\n')?)?;
    Some((body, Signature::new(signature)))
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;

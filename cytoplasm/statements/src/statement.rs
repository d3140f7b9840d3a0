//! What a principal says to a node after its grants, signed: to stop or resume somebody, and to
//! approve of one proposal.
//!
//! Each is bound to one log. An order carries a number that only grows, so that none can be given
//! twice; an approval is bound to the digest of what it approves of, and the ledger takes it once.
//!
//! Bytes: a line that names the kind and version, fields as in a grant, and the signature over all
//! before it. One statement has exactly one encoding.

use karyon_identity::{PublicKey, SecretKey, Signature};
use karyon_types::LogId;

use crate::grant::{GrantError, array, write_field};

const ORDER: &[u8] = b"karyon-order-v1\n";
const APPROVAL: &[u8] = b"karyon-approval-v1\n";

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Suspend, resume or revoke.
    Order {
        /// The number of the verb, as in the log.
        verb: u8,
        /// The number of the target's kind, as in the log.
        kind: u8,
        /// The target's serial.
        target: u64,
        /// Larger than that of any order of this principal before.
        number: u64,
    },
    /// Yes to one proposal.
    Approval {
        /// Its serial.
        proposal: u64,
        /// The digest of all that is approved of.
        digest: [u8; 32],
        /// The first moment at which the approval is void, milliseconds since 1970.
        expires_unix_ms: u64,
    },
}

/// A statement, and who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatement {
    /// The log that it is meant for.
    pub log: LogId,
    /// Who says it.
    pub principal_key: PublicKey,
    /// What.
    pub statement: Statement,
    /// By `principal_key`, over all that is encoded before it.
    pub signature: Signature,
}

impl Statement {
    /// Signs the statement for one log.
    pub fn sign(self, log: LogId, key: &SecretKey) -> SignedStatement {
        let signature = key.sign(&self.encode(log, key.public_key()));
        SignedStatement { log, principal_key: key.public_key(), statement: self, signature }
    }

    fn encode(&self, log: LogId, key: PublicKey) -> Vec<u8> {
        let mut out = match self {
            Statement::Order { .. } => ORDER.to_vec(),
            Statement::Approval { .. } => APPROVAL.to_vec(),
        };
        write_field(&mut out, &log.0);
        write_field(&mut out, &key.0);
        match self {
            Statement::Order { verb, kind, target, number } => {
                write_field(&mut out, &[*verb, *kind]);
                write_field(&mut out, &target.to_le_bytes());
                write_field(&mut out, &number.to_le_bytes());
            }
            Statement::Approval { proposal, digest, expires_unix_ms } => {
                write_field(&mut out, &proposal.to_le_bytes());
                write_field(&mut out, digest);
                write_field(&mut out, &expires_unix_ms.to_le_bytes());
            }
        }
        out
    }
}

impl SignedStatement {
    /// Whether `principal_key` signed it. Whose key that is, the caller decides.
    pub fn verify(&self) -> bool {
        let signed = self.statement.encode(self.log, self.principal_key);
        self.principal_key.verify(&signed, &self.signature)
    }

    /// Its bytes, as they go into a log.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.statement.encode(self.log, self.principal_key);
        write_field(&mut out, &self.signature.0);
        out
    }

    /// Reads what [`encode`](SignedStatement::encode) wrote, and nothing behind it. Does not
    /// check the signature.
    ///
    /// # Errors
    /// [`GrantError::Form`].
    pub fn decode(bytes: &[u8]) -> Result<SignedStatement, GrantError> {
        let number = |rest: &mut &[u8]| array(rest, "a number, 8 bytes").map(u64::from_le_bytes);
        let (order, mut rest) = match (bytes.strip_prefix(ORDER), bytes.strip_prefix(APPROVAL)) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => {
                let expected = "the line karyon-order-v1 or karyon-approval-v1 at the start";
                return Err(GrantError::Form { expected });
            }
        };
        let rest = &mut rest;
        let log = LogId(array(rest, "the log's identity, 16 bytes")?);
        let principal_key = PublicKey(array(rest, "the principal's key, 32 bytes")?);
        let statement = match order {
            true => {
                let [verb, kind] = array(rest, "a verb and a kind of target, 2 bytes")?;
                Statement::Order { verb, kind, target: number(rest)?, number: number(rest)? }
            }
            false => Statement::Approval {
                proposal: number(rest)?,
                digest: array(rest, "a digest, 32 bytes")?,
                expires_unix_ms: number(rest)?,
            },
        };
        let signature = Signature(array(rest, "a signature, 64 bytes")?);
        if !rest.is_empty() {
            return Err(GrantError::Form { expected: "nothing behind the signature" });
        }
        Ok(SignedStatement { log, principal_key, statement, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [SignedStatement; 2] {
        let key = SecretKey::from_seed([7; 32]).unwrap();
        let order = Statement::Order { verb: 3, kind: 2, target: 9, number: 4 };
        let approval =
            Statement::Approval { proposal: 5, digest: [8; 32], expires_unix_ms: 1 << 40 };
        [order.sign(LogId([1; 16]), &key), approval.sign(LogId([1; 16]), &key)]
    }

    #[test]
    fn comes_back_and_no_changed_byte_verifies() {
        for signed in both() {
            let bytes = signed.encode();
            assert_eq!(SignedStatement::decode(&bytes), Ok(signed.clone()));
            assert!(signed.verify());
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 1;
                assert!(!SignedStatement::decode(&bad).is_ok_and(|s| s.verify()), "byte {at}");
                assert!(SignedStatement::decode(&bytes[..at]).is_err(), "cut at {at}");
            }
            assert!(SignedStatement::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn is_meant_for_one_log() {
        for signed in both() {
            assert!(!SignedStatement { log: LogId([2; 16]), ..signed }.verify());
        }
    }
}

//! A grant: what a principal allows a node to do, in one signed piece of bytes.
//!
//! Granting and answering are one act: a grant that names no answerable principal cannot be
//! signed, decoded or verified. A valid signature proves that the holder of
//! `terms.principal_key` signed; whether that key is the principal's, the caller decides.
//!
//! Bytes: the line `karyon-grant-v1\n`, then nine fields in the order of [`GrantTerms`], then,
//! in a [`SignedGrant`], the signature over all bytes before it as a tenth. A field is its
//! length as a varint and its bytes. Texts are UTF-8, integers little-endian in their full
//! width, `expires_tick` has no bytes when absent. One grant has exactly one encoding.

use karyon_identity::{
    NAME_RULE, PublicKey, RandomError, SecretKey, Signature, is_principal_name, random_bytes,
};
use karyon_types::{Hash, varint};

const DOMAIN: &[u8] = b"karyon-grant-v1\n";
/// The longest reason, in bytes: a sentence or two that a person reads in a listing.
const MAX_REASON_BYTES: usize = 1_000;
/// The longest resource, in bytes.
const MAX_RESOURCE_BYTES: usize = 256;

/// What a grant gets wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Nobody answers for the grant.
    #[error("the grant names no answerable principal: found {found:?}, expected {NAME_RULE}")]
    Principal {
        /// What stands in the principal's place.
        found: String,
    },
    /// A text is blank or too long.
    #[error(
        "the grant's {field} has {length_bytes} bytes: expected 1 to {limit_bytes}, not blank, and \
         without control characters"
    )]
    Text {
        /// `reason` or `resource`.
        field: &'static str,
        /// Its length.
        length_bytes: usize,
        /// The longest that is accepted.
        limit_bytes: usize,
    },
    /// The bytes are no grant.
    #[error("these bytes are no grant: expected {expected}")]
    Form {
        /// What belongs at the first place that is wrong.
        expected: &'static str,
    },
    /// The signing key is not the one that the terms name.
    #[error("the grant names the key {named} of {principal}, but {signer} would sign it")]
    OtherKey {
        /// The principal that the terms name.
        principal: String,
        /// The key that the terms name.
        named: PublicKey,
        /// The key at hand.
        signer: PublicKey,
    },
    /// It is signed well, but for something else than it is used for.
    #[error("the grant is for another {what}")]
    Other {
        /// What differs.
        what: &'static str,
    },
    /// It allows nothing at any tick.
    #[error("the grant expired before the first tick")]
    Expired,
    /// The terms were changed after they were signed, or the signature is forged.
    #[error("the signature on the grant of {principal} does not belong to its terms")]
    Signature {
        /// The principal that the terms name.
        principal: String,
    },
}

/// Who allows what to which node, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTerms {
    /// Name of the principal who answers.
    pub principal: String,
    /// Key that signs; the principal's.
    pub principal_key: PublicKey,
    /// The node that may use the grant.
    pub node_key: PublicKey,
    /// Why, in the principal's words: 1 to 1,000 bytes.
    pub reason: String,
    /// Rights as a bit mask; the gate knows their meaning.
    pub rights: u32,
    /// What the rights extend to, such as `colony/rumour`: 1 to 256 bytes.
    pub resource: String,
    /// Hash of the scenario that the principal saw.
    pub scenario: Hash,
    /// First tick in which the grant is no longer valid; `None`: it does not expire.
    pub expires_tick: Option<u64>,
    /// Random bytes that tell apart two grants of the same terms.
    pub nonce: [u8; 16],
}

impl GrantTerms {
    /// A nonce from the system's random number generator.
    ///
    /// # Errors
    /// [`RandomError`] when the system has no random bytes to give.
    pub fn random_nonce() -> Result<[u8; 16], RandomError> {
        random_bytes()
    }

    /// Signs the terms with the principal's key.
    ///
    /// # Errors
    /// [`GrantError::Principal`], [`GrantError::Text`] for terms that no grant may have,
    /// [`GrantError::OtherKey`] when `key` is not `principal_key`.
    pub fn sign(self, key: &SecretKey) -> Result<SignedGrant, GrantError> {
        self.check()?;
        if key.public_key() != self.principal_key {
            return Err(GrantError::OtherKey {
                principal: self.principal,
                named: self.principal_key,
                signer: key.public_key(),
            });
        }
        let signature = key.sign(&self.encode());
        Ok(SignedGrant { terms: self, signature })
    }

    /// The bytes that are signed.
    fn encode(&self) -> Vec<u8> {
        let mut out = DOMAIN.to_vec();
        write_field(&mut out, self.principal.as_bytes());
        write_field(&mut out, &self.principal_key.0);
        write_field(&mut out, &self.node_key.0);
        write_field(&mut out, self.reason.as_bytes());
        write_field(&mut out, &self.rights.to_le_bytes());
        write_field(&mut out, self.resource.as_bytes());
        write_field(&mut out, &self.scenario.0);
        match self.expires_tick {
            Some(tick) => write_field(&mut out, &tick.to_le_bytes()),
            None => write_field(&mut out, &[]),
        }
        write_field(&mut out, &self.nonce);
        out
    }

    fn check(&self) -> Result<(), GrantError> {
        if !is_principal_name(&self.principal) {
            return Err(GrantError::Principal { found: self.principal.clone() });
        }
        check_text("reason", &self.reason, MAX_REASON_BYTES)?;
        check_text("resource", &self.resource, MAX_RESOURCE_BYTES)
    }
}

/// What a node wants to do under a grant.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The principal's key, as this machine knows it.
    pub principal_key: PublicKey,
    /// The node's own key.
    pub node_key: PublicKey,
    /// The digest of what the principal is to have seen.
    pub scenario: Hash,
    /// What the rights are needed for.
    pub resource: &'a str,
    /// The rights that are needed.
    pub rights: u32,
}

/// Terms and the signature of the principal who answers for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedGrant {
    /// What is granted.
    pub terms: GrantTerms,
    /// By `terms.principal_key`, over the encoded terms.
    pub signature: Signature,
}

impl SignedGrant {
    /// Checks that the terms may be granted at all and that `terms.principal_key` signed them.
    ///
    /// # Errors
    /// [`GrantError::Principal`], [`GrantError::Text`], [`GrantError::Signature`].
    pub fn verify(&self) -> Result<(), GrantError> {
        self.terms.check()?;
        if self.terms.principal_key.verify(&self.terms.encode(), &self.signature) {
            Ok(())
        } else {
            Err(GrantError::Signature { principal: self.terms.principal.clone() })
        }
    }

    /// Checks that the grant is valid, and allows what is asked for.
    ///
    /// # Errors
    /// Those of [`SignedGrant::verify`], [`GrantError::Other`], [`GrantError::Expired`].
    pub fn permits(&self, asked: &Asked<'_>) -> Result<(), GrantError> {
        self.verify()?;
        let terms = &self.terms;
        let other = |what| Err(GrantError::Other { what });
        match () {
            () if terms.principal_key != asked.principal_key => other("principal's key"),
            () if terms.node_key != asked.node_key => other("node"),
            () if terms.scenario != asked.scenario => other("scenario, or for other contents"),
            () if terms.resource != asked.resource => other("resource"),
            () if terms.rights & asked.rights != asked.rights => other("set of rights"),
            () if terms.expires_tick == Some(0) => Err(GrantError::Expired),
            () => Ok(()),
        }
    }

    /// The bytes of the grant, as they go into a log.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.terms.encode();
        write_field(&mut out, &self.signature.0);
        out
    }

    /// Reads what [`SignedGrant::encode`] wrote, and nothing behind it. Does not check the
    /// signature: that is [`SignedGrant::verify`].
    ///
    /// # Errors
    /// [`GrantError::Form`], [`GrantError::Principal`], [`GrantError::Text`].
    pub fn decode(bytes: &[u8]) -> Result<SignedGrant, GrantError> {
        let mut rest = bytes
            .strip_prefix(DOMAIN)
            .ok_or(GrantError::Form { expected: "the line karyon-grant-v1 at the start" })?;
        let rest = &mut rest;
        let terms = GrantTerms {
            principal: text(rest, "a principal's name")?,
            principal_key: PublicKey(array(rest, "the principal's key, 32 bytes")?),
            node_key: PublicKey(array(rest, "the node's key, 32 bytes")?),
            reason: text(rest, "a reason in UTF-8")?,
            rights: u32::from_le_bytes(array(rest, "rights, 4 bytes")?),
            resource: text(rest, "a resource in UTF-8")?,
            scenario: Hash(array(rest, "the scenario's hash, 32 bytes")?),
            expires_tick: optional_tick(rest)?,
            nonce: array(rest, "a nonce, 16 bytes")?,
        };
        let signature = Signature(array(rest, "a signature, 64 bytes")?);
        if !rest.is_empty() {
            return Err(GrantError::Form { expected: "nothing behind the signature" });
        }
        terms.check()?;
        Ok(SignedGrant { terms, signature })
    }
}

fn check_text(field: &'static str, text: &str, limit_bytes: usize) -> Result<(), GrantError> {
    let is_plain = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if !is_plain || text.len() > limit_bytes {
        return Err(GrantError::Text { field, length_bytes: text.len(), limit_bytes });
    }
    Ok(())
}

pub(crate) fn write_field(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::write(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn field<'a>(rest: &mut &'a [u8], expected: &'static str) -> Result<&'a [u8], GrantError> {
    let length = varint::read(rest).and_then(|length| usize::try_from(length).ok());
    let (bytes, behind) = length
        .and_then(|length| rest.split_at_checked(length))
        .ok_or(GrantError::Form { expected })?;
    *rest = behind;
    Ok(bytes)
}

fn text(rest: &mut &[u8], expected: &'static str) -> Result<String, GrantError> {
    let bytes = field(rest, expected)?;
    Ok(std::str::from_utf8(bytes).map_err(|_| GrantError::Form { expected })?.to_owned())
}

pub(crate) fn array<const N: usize>(
    rest: &mut &[u8],
    expected: &'static str,
) -> Result<[u8; N], GrantError> {
    field(rest, expected)?.try_into().map_err(|_| GrantError::Form { expected })
}

fn optional_tick(rest: &mut &[u8]) -> Result<Option<u64>, GrantError> {
    let expected = "a tick of 8 bytes, or none";
    match field(rest, expected)? {
        [] => Ok(None),
        bytes => match bytes.try_into() {
            Ok(bytes) => Ok(Some(u64::from_le_bytes(bytes))),
            Err(_) => Err(GrantError::Form { expected }),
        },
    }
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;

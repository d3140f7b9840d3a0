//! The envelope: what is signed, the signature, and by which key.
//! Source: DSSE v1, <https://github.com/secure-systems-lab/dsse>.
//!
//! For engrams, and for whatever else is handed to strangers under a signature.
//!
//! Of the forms that DSSE allows only one is read: the fields in this order without spaces, base64
//! with padding, one signature. So nobody but the signer can make another envelope of the same
//! manifest.

use data_encoding::BASE64;
use karyon_identity::{PublicKey, SecretKey, Signature};
use serde::Deserialize;

use crate::error::EngramError;

/// What an engram's payload is.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.karyon.engram.manifest.v1+dag-cbor";

/// As it is read: what it holds stays where it stands, since the payload is as long as the list of
/// the memories.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope<'a> {
    payload: &'a str,
    payload_type: &'a str,
    #[serde(borrow)]
    signatures: Vec<Signed<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed<'a> {
    keyid: &'a str,
    sig: &'a str,
}

/// Signs a payload. The type says what it is, in characters that JSON need not escape.
pub fn seal(payload_type: &str, payload: &[u8], key: &SecretKey) -> Vec<u8> {
    let signature = key.sign(&pre_authentication_encoding(payload_type, payload));
    encode(payload_type, payload, &key.public_key(), &signature)
}

/// The length of the envelope of a payload, bytes.
pub fn sealed_len(payload_type: &str, payload_len: usize) -> usize {
    let nothing = encode(payload_type, &[], &PublicKey([0; 32]), &Signature([0; 64]));
    nothing.len() + BASE64.encode_len(payload_len)
}

/// Written piece by piece into the room that it needs; nothing in it has to be escaped.
fn encode(payload_type: &str, payload: &[u8], key: &PublicKey, signature: &Signature) -> Vec<u8> {
    let (keyid, sig) = (key.to_string(), BASE64.encode(&signature.0));
    let before = r#"{"payload":""#;
    let behind = format!(
        r#"","payloadType":"{payload_type}","signatures":[{{"keyid":"{keyid}","sig":"{sig}"}}]}}"#
    );
    let length = before.len() + BASE64.encode_len(payload.len()) + behind.len();
    let mut out = String::with_capacity(length);
    out.push_str(before);
    BASE64.encode_append(payload, &mut out);
    out.push_str(&behind);
    out.into_bytes()
}

/// The payload, and the key that signed it. Whether that key means anything is the caller's
/// question.
///
/// # Errors
/// [`EngramError::Envelope`], [`EngramError::Signature`].
pub fn open(payload_type: &str, bytes: &[u8]) -> Result<(Vec<u8>, PublicKey), EngramError> {
    let bad = |what| EngramError::Envelope { what };
    let envelope: Envelope<'_> =
        serde_json::from_slice(bytes).map_err(|_| bad("is not a DSSE envelope"))?;
    if envelope.payload_type != payload_type {
        return Err(bad("holds something of another type"));
    }
    let [signed] = &envelope.signatures[..] else {
        return Err(bad("does not have one signature"));
    };
    let key = PublicKey::from_hex(signed.keyid).ok_or(bad("names no key"))?;
    let payload = BASE64.decode(envelope.payload.as_bytes());
    let payload = payload.map_err(|_| bad("has a payload that is not base64"))?;
    let signature = BASE64.decode(signed.sig.as_bytes()).ok().and_then(|sig| sig.try_into().ok());
    let signature = Signature(signature.ok_or(bad("has no ed25519 signature"))?);
    if encode(payload_type, &payload, &key, &signature) != bytes {
        return Err(bad("is not in its one form"));
    }
    if !key.verify(&pre_authentication_encoding(payload_type, &payload), &signature) {
        return Err(EngramError::Signature { key });
    }
    Ok((payload, key))
}

/// What is signed: type and payload behind their lengths.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out =
        format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

//! `karyon engram verify`: whether a file is a whole engram, who signed it, and whether that is
//! somebody who is trusted here.

use karyon_memory::{TransplantError, Trusted, trust};
use serde_json::json;

use super::super::memory::forget::memories as count;
use super::check;
use crate::args::VerifyEngram;
use crate::error::{CliError, Code};
use crate::handover::Inputs;
use crate::keys;
use crate::output::{self, size};

pub(crate) fn execute(args: &VerifyEngram) -> Result<Code, CliError> {
    let named = args.trust.as_deref().map(|key| keys::public_key("--trust", key)).transpose()?;
    let engram = check(&args.file, &mut Inputs::default())?;
    let trusted = match trust(&engram, keys::this_node()?, named) {
        Ok(trusted) => Some(trusted),
        Err(TransplantError::UnknownSigner { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    let memories = engram.memories;
    if args.json {
        output::json(&json!({
            "verified": true,
            "trusted": trusted.is_some(),
            "trusted_by": trusted.map(Trusted::word),
            "signer": engram.signer.to_string(),
            "root": engram.root.to_string(),
            "bytes": engram.bytes,
            "memories": memories,
            "origin": engram.manifest.origin.log.to_string(),
        }));
    } else {
        let whole = format!("{}, {}", count(memories), size(engram.bytes));
        for (name, value) in [
            ("engram", whole.as_str()),
            ("verified", "every hash, every form and the signature are right"),
            ("root", &engram.root.to_string()),
            ("signed by", &engram.signer.to_string()),
            ("trusted", words(trusted, args)),
        ] {
            output::line(&format!("{name:9}  {value}"));
        }
    }
    // As an import of it would end.
    Ok(if trusted.is_some() { Code::Ok } else { Code::Refused })
}

fn words(trusted: Option<Trusted>, args: &VerifyEngram) -> &'static str {
    match (trusted, &args.trust) {
        (Some(Trusted::ThisNode), _) => "yes, this machine's node",
        (Some(Trusted::Named), _) => "yes, named with --trust",
        (None, None) => "no: compare that key with its owner, then name it with --trust",
        (None, Some(_)) => "no: that is neither the key that was named nor this machine's",
    }
}

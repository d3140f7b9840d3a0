//! `karyon audit prove`: that a record is in the log, and whether such a proof holds.

use std::path::Path;

use karyon_audit::limits::PROOF_BYTES_MAX;
use karyon_audit::{Checked, Note, ProofError, check_proof, prove, view};
use karyon_identity::PublicKey;
use karyon_keys::{KeyDirectory, KeyError};
use karyon_log::Records;
use karyon_statements::NoteError;
use karyon_types::Position;
use serde_json::json;

use super::{Log, named_text, safe_json, write_new};
use crate::args::Prove;
use crate::error::{CliError, Code};
use crate::keys;
use crate::output;
use crate::words::record_words;

pub(crate) fn execute(args: &Prove) -> Result<Code, CliError> {
    match (&args.check, args.seq, &args.data) {
        (Some(file), _, _) => check(args, file),
        (None, Some(seq), Some(data)) => write(args, Position(seq), data),
        (None, _, _) => Err(CliError::failure("which record of which log? give SEQ and --data")),
    }
}

fn write(args: &Prove, position: Position, data: &Path) -> Result<Code, CliError> {
    let log = Log::in_data(data)?;
    let key = log.own_key()?;
    let text = prove(&log.folder, position, &note(&log, key.as_ref())?)?;
    match &args.out {
        None if args.json => output::json(&json!({ "record": position.0, "proof": text })),
        None => output::line(text.trim_end_matches('\n')),
        Some(out) => {
            write_new(out, &text)?;
            if args.json {
                output::json(&json!({ "record": position.0, "out": out }));
            } else {
                let key = log.node_key;
                let out = out.display();
                output::line(&format!("{out}  proves that record {position} is in the log"));
                output::line(&format!(
                    "check it with `karyon audit prove --check {out} --key {key}`"
                ));
            }
        }
    }
    Ok(Code::Ok)
}

/// The checkpoint to prove against: signed now, or the one beside the log.
pub(super) fn note<'a>(
    log: &'a Log,
    key: Option<&'a karyon_identity::SecretKey>,
) -> Result<Note<'a>, CliError> {
    match (key, &log.kept) {
        (Some(key), _) => Ok(Note::Sign(key)),
        (None, Some(kept)) => Ok(Note::Kept(kept)),
        (None, None) => Err(CliError::failure(format!(
            "this machine does not have the key {} that signed the log, and no checkpoint lies \
             beside it",
            log.node_key
        ))
        .with_hint("run this where the node's key is")),
    }
}

/// Checks a proof with this machine's node keys, current and retired. Signed with none of them, it
/// is neither true nor false: the key is not known here.
fn check_with_own(text: &str) -> Result<(Checked, PublicKey), CliError> {
    let known = match KeyDirectory::from_environment() {
        Ok(keys) => {
            let (current, retired) = keys.node_public_keys()?;
            current.into_iter().chain(retired).collect()
        }
        Err(KeyError::NoDirectory) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for key in known {
        match check_proof(text, &key) {
            Err(ProofError::Note(NoteError::OtherKey { .. })) => {}
            other => return Ok((other?, key)),
        }
    }
    Err(CliError::failure(
        "the key that signed this proof is unknown: it is none of this machine's",
    )
    .with_hint("give the node's with --key: 64 hexadecimal digits, or its file"))
}

fn check(args: &Prove, file: &Path) -> Result<Code, CliError> {
    let text = named_text("--check", file, PROOF_BYTES_MAX)?;
    let (checked, key) = match &args.key {
        Some(given) => {
            let key = keys::public_key("--key", given)?;
            (check_proof(&text, &key)?, key)
        }
        None => check_with_own(&text)?,
    };
    let record = Records::new(&checked.bytes).next().flatten();
    if args.json {
        safe_json(&json!({
            "verified": true,
            "log_id": checked.log.to_string(),
            "record": checked.position.0,
            "block": checked.block,
            "checkpoint": checked.size,
            "key": key.to_string(),
            "bytes": output::hex(&checked.bytes),
            "view": record.as_ref().map(view),
        }));
    } else {
        let position = checked.position;
        output::line(&format!("verified    record {position} is in the log {}", checked.log));
        output::line(&format!(
            "record      {}",
            record.map_or_else(
                || "of a newer version".into(),
                |record| output::plain(&record_words(&record))
            )
        ));
        output::line(&format!(
            "covered by  a checkpoint over {} blocks; the record lies in block {}",
            checked.size, checked.block
        ));
        output::line(&format!("signed by   {key}"));
    }
    Ok(Code::Ok)
}

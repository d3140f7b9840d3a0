//! `karyon engram import` of what somebody answered for elsewhere: sealed again here.

use std::path::Path;

use karyon_keys::KeyDirectory;
use karyon_keystore::Keystore;
use karyon_memory::{
    Adopted, Carried, Change, Disagreement, Refused, Said, Terms, foretell_governed,
};
use karyon_verify::Trust;
use serde_json::{Value as Json, json};

use super::super::memory::change::{failed, horizon, record, recorded, signed_for};
use super::super::memory::forget::memories;
use super::super::memory::secrets::{self, Secrets};
use super::super::refuse_authority;
use super::import::data_directory;
use crate::args;
use crate::error::{CliError, Code};
use crate::guarded::{Arrived, Launch};
use crate::handover::{Input, Inputs};
use crate::output::{self, plain, thousands};
use crate::{grant, keys};

/// The longest report, bytes: two texts for each memory that contradicts.
const REPORT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Seals what is new, signs, and becomes the node.
pub(super) fn launch(args: &args::Import, engram: &Carried) -> Result<Code, CliError> {
    let data = args.data.as_path();
    let horizon = until(args)?;
    let directory = KeyDirectory::from_environment()?;
    refuse_authority(data)?;
    keys::refuse_stranger(&directory, data)?;
    let name = grant::answerable(&directory, args.principal.as_deref())?;
    let terms = Terms { owner: args.owner.as_deref().unwrap_or(&name), horizon, again: args.again };
    secrets::settle_if_begun(&directory, data)?;
    // Before anything is made there; and again once it is held.
    let secrets = Secrets::open_read_only(&directory, data)?;
    let adopted = compare(args, engram, secrets.as_ref().map(Secrets::keys), &terms)?;
    drop(secrets);
    if adopted.new.is_empty() {
        return Ok(told(args, &adopted));
    }
    let dir = data_directory(data)?;
    let reader = recorded(data)?;
    let mut secrets = Secrets::open_or_create(&directory, data, reader.as_ref())?;
    let adopted = compare(args, engram, Some(secrets.keys()), &terms)?;
    if adopted.new.is_empty() {
        return Ok(told(args, &adopted));
    }
    let change = Change::adopt(secrets.keys_mut(), reader.as_ref(), &adopted, &terms);
    let change = change.map_err(failed)?.resting_on(reader.as_ref());
    secrets.close()?;
    let reason = format!("import what was answered for in log {}", adopted.log);
    let (bytes, terms) = signed_for(&change, reason)?;
    let key = keys::of_log_told(&directory, data, grant::node_key(&directory)?)?;
    let said = grant::sign(&directory, key.public_key(), args.principal.as_deref(), terms)?;
    let mut inputs = Inputs::default();
    let mut give = |input, bytes: &[u8]| {
        inputs.give(input, bytes).map_err(|error| CliError::failure(error.to_string()))
    };
    give(Input::Change, &bytes)?;
    give(Input::Report, report(args, &adopted).as_bytes())?;
    drop(dir);
    let launch = Launch { data, key, said, signers: None, tighten: Vec::new(), inputs: &inputs };
    launch.start(&directory).map(|never| match never {})
}

/// Says what the import would do.
pub(super) fn try_out(args: &args::Import, engram: &Carried) -> Result<Code, CliError> {
    let horizon = until(args)?;
    let directory = KeyDirectory::from_environment()?;
    // Nobody is made who answers: whoever it will be has a name that is short enough.
    let name = match args.owner.as_ref().or(args.principal.as_ref()) {
        Some(name) => name.clone(),
        None => directory.default_principal()?.unwrap_or_else(|| "principal".into()),
    };
    let terms = Terms { owner: &name, horizon, again: args.again };
    let secrets = Secrets::open_read_only(&directory, &args.data)?;
    let adopted = compare(args, engram, secrets.as_ref().map(Secrets::keys), &terms)?;
    Ok(told(args, &adopted))
}

/// Tells what comes of it without a node; how the command ends.
fn told(args: &args::Import, adopted: &Adopted) -> Code {
    output::line(&report(args, adopted));
    match adopted.new.is_empty() && !adopted.refused.is_empty() {
        true => Code::Refused,
        false => Code::Ok,
    }
}

/// Records it, as the node.
pub(super) fn take(args: &args::Import, mut node: Arrived) -> Result<Code, CliError> {
    let report = node.inputs.read(Input::Report, &args.data, REPORT_BYTES_MAX);
    let report = report.map_err(|error| CliError::failure(error.to_string()))?;
    record(&args.data, node)?;
    output::line(&String::from_utf8_lossy(&report));
    Ok(Code::Ok)
}

/// The last second to which it is kept here, as it is said.
fn until(args: &args::Import) -> Result<Option<i64>, CliError> {
    let keep = args.keep.as_ref().ok_or_else(|| {
        CliError::failure(
            "the engram holds memories for which somebody answers: say how long they are kept here",
        )
        .with_hint("--keep 2y, or a date, or forever; --owner says who answers for them here")
    })?;
    horizon(keep)
}

fn compare(
    args: &args::Import,
    engram: &Carried,
    keys: Option<&Keystore>,
    terms: &Terms<'_>,
) -> Result<Adopted, CliError> {
    let data: &Path = &args.data;
    let keys::Trusted { key: node_key, known, .. } = keys::trusted(None, data)?;
    Ok(foretell_governed(data, &Trust { node_key, known }, keys, engram, terms)?)
}

/// What is told of it: words, or one JSON object.
fn report(args: &args::Import, adopted: &Adopted) -> String {
    if args.json {
        let told = json!({
            "dry_run": args.dry_run,
            "new": adopted.new.len(),
            "known": adopted.known,
            "erased_here": adopted.forgotten,
            "erased_elsewhere": adopted.forgotten_elsewhere,
            "superseded": adopted.superseded,
            "refused": adopted.refused.iter().map(|refused| json!({
                "subject": refused.told.subject,
                "key": refused.told.key,
                "record": refused.told.record.0,
                "why": refused.why,
            })).collect::<Vec<_>>(),
            "conflicts": adopted.disagreements.iter().map(as_json).collect::<Vec<_>>(),
            "changed": !args.dry_run && !adopted.new.is_empty(),
            "data": args.data,
        });
        return output::safe_text(&told);
    }
    let count = |number: usize| thousands(number as u64);
    let mut lines = Vec::new();
    let known = count(adopted.known);
    lines.push(match (adopted.new.len(), args.dry_run) {
        (0, _) if adopted.known == 0 => "no change".to_owned(),
        (0, _) => format!("no change: {} there already", memories(adopted.known)),
        (new, true) => format!("{} would be imported, {known} there already", memories(new)),
        (new, false) => format!("{} imported, {known} there already", memories(new)),
    });
    if !adopted.refused.is_empty() {
        let refused = count(adopted.refused.len());
        lines.push(format!("{refused} left out, as they cannot be recorded here:"));
        for Refused { told, why } in &adopted.refused {
            let (subject, key) = (plain(&told.subject), plain(&told.key));
            lines.push(format!("  {subject} {key} ({} there): {}", told.record, plain(why)));
        }
    }
    if adopted.forgotten > 0 {
        lines.push(format!(
            "{} left out: forgotten here, and they do not come back",
            count(adopted.forgotten)
        ));
    }
    if adopted.forgotten_elsewhere > 0 {
        lines.push(format!(
            "{} left out: forgotten here as another log had told it, which may have said something \
             else; --again takes it in",
            count(adopted.forgotten_elsewhere)
        ));
    }
    if adopted.superseded > 0 {
        lines.push(format!(
            "{} left out: replaced there by what is known here in another place",
            count(adopted.superseded)
        ));
    }
    for Disagreement { here, theirs } in &adopted.disagreements {
        let said = match &here.said {
            Said::Words(words) => plain(&words.text),
            Said::Erased | Said::Locked | Said::Damaged => "?".to_owned(),
        };
        lines.push(format!(
            "contradiction, of which both are kept: {} {}",
            plain(&theirs.subject),
            plain(&theirs.key)
        ));
        lines.push(format!("  here    {said}  ({})", here.position));
        let text = plain(&theirs.words.text);
        lines.push(format!("  theirs  {text}  ({} of log {})", theirs.record, adopted.log));
    }
    lines.join("\n")
}

fn as_json(disagreement: &Disagreement) -> Json {
    let Disagreement { here, theirs } = disagreement;
    let text = match &here.said {
        Said::Words(words) => Some(&words.text),
        Said::Erased | Said::Locked | Said::Damaged => None,
    };
    json!({
        "subject": theirs.subject,
        "key": theirs.key,
        "here": { "text": text, "record": here.position.0 },
        "theirs": { "text": theirs.words.text, "record": theirs.record.0 },
    })
}

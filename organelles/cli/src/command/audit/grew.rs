//! `karyon audit grew`: that the log is what a checkpoint said, and more.

use karyon_audit::grew;
use karyon_audit::limits::CHECKPOINT_BYTES_MAX;
use serde_json::json;

use super::prove::note;
use super::{Log, named_text, write_new};
use crate::args::Grew;
use crate::error::{CliError, Code};
use crate::keys;
use crate::output::{self, hex, thousands};

pub(crate) fn execute(args: &Grew) -> Result<Code, CliError> {
    let data = args.data.as_path();
    let log = Log::in_data(data)?;
    let since = named_text("--since", &args.since, CHECKPOINT_BYTES_MAX)?;
    let trusted = keys::trusted(args.key.as_deref(), data)?;
    let key = trusted.key.unwrap_or(log.node_key);
    // First whose checkpoint it is: of another log's nothing else needs to be said.
    let growth = grew(&log.folder, &since, &key)?;
    trusted.verify(data)?;
    if let Some(file) = &args.proof {
        let own = log.own_key()?;
        write_new(file, &growth.proof(&note(&log, own.as_ref())?)?)?;
    }
    let ((blocks_before, blocks), (records_before, records)) = (growth.blocks, growth.records);
    if args.json {
        output::json(&json!({
            "verified": true,
            "log_id": growth.header.log.to_string(),
            "blocks": { "since": blocks_before, "now": blocks },
            "records": { "since": records_before, "now": records },
            "root": hex(&growth.root),
            "key": if trusted.key.is_some() { "trusted" } else { "unknown" },
            "proof": args.proof,
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!(
        "grew        by {} records in {} blocks since the checkpoint; nothing before it changed",
        thousands(records - records_before),
        thousands(blocks - blocks_before)
    ));
    output::line(&format!(
        "now         {} records in {} blocks, root {}",
        thousands(records),
        thousands(blocks),
        hex(&growth.root)
    ));
    output::line(&match trusted.key {
        Some(key) => format!("signed by   {key} (trusted)"),
        None => format!(
            "signed by   {key} (key unknown: the log brought it along, so it proves nothing about \
             who wrote it; give the node's with --key)"
        ),
    });
    Ok(Code::Ok)
}

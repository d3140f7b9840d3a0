//! `karyon audit orphans`: what was done without a reason that can be found.

use karyon_audit::{Orphan, find_orphans};
use serde_json::json;

use super::Log;
use crate::args::FindOrphans;
use crate::error::{CliError, Code};
use crate::output::{self, thousands};

pub(crate) fn execute(args: &FindOrphans) -> Result<Code, CliError> {
    let log = Log::in_data(&args.data)?;
    let found = find_orphans(&log.folder)?;
    if args.json {
        let words = |orphan: &Orphan| {
            json!({
                "record": orphan.position.0,
                "what": orphan.what,
                "missing": orphan.want.to_string(),
            })
        };
        output::json(&json!({
            "records": found.records,
            "traced": found.traced,
            "orphans": found.count,
            "first": found.first.iter().map(words).collect::<Vec<_>>(),
        }));
    } else {
        for Orphan { position, what, want } in &found.first {
            output::line(&output::plain(&format!("{position}  {what}, but {want}")));
        }
        let more = found.count - found.first.len() as u64;
        if more > 0 {
            output::line(&format!("and {} more", thousands(more)));
        }
        output::line(&format!(
            "{} of {} things done have a reason, in {} records",
            thousands(found.traced),
            thousands(found.traced + found.count),
            thousands(found.records)
        ));
    }
    Ok(if found.count == 0 { Code::Ok } else { Code::VerificationFailed })
}

//! `karyon memory rebuild`: the memory anew from the log, compared with the old one.

use karyon_memory::RebuildError;
use karyon_runtime::DataDir;
use serde_json::json;

use super::ask::unrecorded;
use crate::args::Rebuild;
use crate::error::{CliError, Code, words};
use crate::output::{self, thousands};
use crate::{guarded, progress};

pub(crate) fn execute(args: &Rebuild) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    // While something runs, its marker looks like that of what was killed.
    if DataDir::is_in_use(data) != Some(true) {
        guarded::permit(data).map_err(|error| CliError {
            message: format!("the memory is not built anew: {}", error.message),
            ..error
        })?;
    }
    let spinner = progress::reading();
    let rebuilt = karyon_memory::rebuild(data, &mut |records| spinner.set(records));
    drop(spinner);
    let rebuilt = rebuilt.map_err(|error| match error {
        RebuildError::Graph(error) => unrecorded(data, error),
        RebuildError::SafeMode { .. } => {
            CliError { code: Code::Halted, message: words(&error), hint: None }
        }
    })?;
    let records = rebuilt.to.0;
    let old = rebuilt.old.map(|(root, _)| root.to_string());
    let new = rebuilt.new_root.to_string();
    let same = old.as_ref().is_some_and(|old| *old == new);
    if args.json {
        output::json(&json!({
            "old_root": old,
            "old_records": rebuilt.old.map(|(_, to)| to.0),
            "new_root": new,
            "identical": same,
            "records": records,
        }));
    } else {
        let none = "none: there was no memory that could be read";
        output::line(&format!("old root  {}", old.as_deref().unwrap_or(none)));
        output::line(&format!("new root  {new}"));
        let records = thousands(records);
        output::line(&match (same, rebuilt.old) {
            (true, _) => format!("identical, from {records} records"),
            (false, None) => format!("built from {records} records"),
            (false, Some((_, to))) if to < rebuilt.to => {
                format!(
                    "the old one was of {} records, the new one is of {records}",
                    thousands(to.0)
                )
            }
            (false, Some(_)) => {
                format!(
                    "different, though both are of {records} records: the old file was damaged, \
                         or written by another version"
                )
            }
        });
    }
    Ok(Code::Ok)
}

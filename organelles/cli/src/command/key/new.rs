//! `karyon key new`: makes a principal.

use karyon_keys::KeyDirectory;
use serde_json::json;

use crate::args::New;
use crate::error::{CliError, Code};
use crate::{grant, output};

pub(crate) fn execute(args: &New) -> Result<Code, CliError> {
    make(&args.name, args.default, args.json)
}

/// Makes a principal and shows it; `karyon init` does the same.
pub(crate) fn make(name: &str, default: bool, as_json: bool) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let public = grant::create_principal(&keys, name)?;
    if default {
        keys.set_default_principal(name)?;
    }
    let is_default = keys.default_principal()?.as_deref() == Some(name);
    let path = keys.path().display();
    if as_json {
        output::json(&json!({
            "principal": name,
            "public_key": public.to_string(),
            "default": is_default,
            "keys": path.to_string(),
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!("principal   {name}\npublic key  {public}"));
    if is_default {
        output::line("default     it answers where no other is named");
    }
    output::line(&format!(
        "keys        {path}: keep them, and keep them to yourself; nothing can be granted in this \
         name without them"
    ));
    Ok(Code::Ok)
}

//! `karyon init`: makes a principal.

use karyon_identity::KeyDirectory;
use serde_json::json;

use crate::args::Init;
use crate::error::{CliError, Code};
use crate::{grant, output};

pub(crate) fn execute(args: &Init) -> Result<Code, CliError> {
    let keys = KeyDirectory::from_environment()?;
    let public = grant::create_principal(&keys, &args.principal)?;
    let path = keys.path().display();
    if args.json {
        output::json(&json!({
            "principal": args.principal,
            "public_key": public.to_string(),
            "keys": path.to_string(),
        }));
    } else {
        output::line(&format!("principal   {}\npublic key  {public}", args.principal));
        output::line(&format!(
            "keys        {path}: keep them, and keep them to yourself; nothing can be granted in \
             this name without them"
        ));
    }
    Ok(Code::Ok)
}

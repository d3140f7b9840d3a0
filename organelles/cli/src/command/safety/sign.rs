//! `karyon safety sign`: a principal signs that safe mode may end.

use std::fs::OpenOptions;
use std::io::Write as _;

use karyon_keys::KeyDirectory;
use karyon_runtime::wall_ms;
use karyon_safe_mode::{halt_number, resume_statement};
use karyon_safety::hex;
use karyon_statements::GrantTerms;
use serde_json::json;

use super::{least_n, refused};
use crate::args::Sign;
use crate::error::{CliError, Code};
use crate::{keys, output};

pub(super) fn execute(args: &Sign) -> Result<Code, CliError> {
    let data = args.data.as_path();
    if !data.is_dir() {
        return Err(CliError::failure(format!("there is no data directory {}", data.display())));
    }
    if args.reason.trim().is_empty() {
        return Err(CliError::failure("a resume needs a reason: say why it is safe to go on"));
    }
    let directory = KeyDirectory::from_environment()?;
    let key = directory.load_principal_key(&args.principal)?;
    let halt =
        halt_number(data, directory.path(), least_n(data)).map_err(|error| refused(&error))?;
    let nonce = GrantTerms::random_nonce().map_err(|error| CliError::failure(error.to_string()))?;
    let expires = (wall_ms() / 1_000).saturating_add(args.expires_in);
    let text = resume_statement(&keys::log_id(data), halt, &nonce, expires, &args.reason);
    let signature = hex(&key.sign(text.as_bytes()).0);
    let (out, public) = (args.out.display(), key.public_key());
    drop(key);
    let written = OpenOptions::new().write(true).create_new(true).open(&args.out);
    written
        .and_then(|mut file| {
            writeln!(file, "{text}signature {signature}")?;
            file.sync_all()
        })
        .map_err(|error| CliError::failure(format!("{out}: {error}")))?;
    if args.json {
        output::json(&json!({
            "signed": text,
            "signed_by": public.to_string(),
            "expires_unix_s": expires,
            "out": args.out,
        }));
        return Ok(Code::Ok);
    }
    output::line(&format!("signed by {} ({public}):", args.principal));
    text.lines().for_each(|line| output::line(&format!("  {line}")));
    output::line(&format!(
        "in {out}; use it once: karyon safety resume --reason \"…\" --signature {out} --data {}",
        data.display()
    ));
    Ok(Code::Ok)
}

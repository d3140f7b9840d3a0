//! Pictures, written where somebody says.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::error::CliError;

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Svg,
    Png,
}

/// How the one that is asked for is written, by its name; SVG, if that does not say.
pub(crate) fn form(out: &Path) -> Result<Form, CliError> {
    match out.extension().map(|extension| extension.to_str()) {
        None | Some(Some("svg")) => Ok(Form::Svg),
        Some(Some("png")) => Ok(Form::Png),
        Some(_) => Err(CliError::failure(format!(
            "{} is to be a picture of a form that is not known",
            out.display()
        ))
        .with_hint("end it in .svg or .png")),
    }
}

/// Writes a picture, in the place of another if there is one; of anything else it keeps away.
pub(crate) fn replace(out: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::failure(format!("{}: {error}", out.display()));
    match std::fs::symlink_metadata(out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Ok(there) if there.is_file() && out.extension().is_some() && form(out).is_ok() => {}
        Ok(_) => {
            let what = format!("{} is there, and is no picture", out.display());
            return Err(CliError::failure(what).with_hint("choose another file with --out"));
        }
        Err(error) => return Err(failed(error)),
    }
    // Beside it first: a picture that is there already stays whole if the disk is full.
    let mut new = out.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| std::fs::rename(&new, out));
    written.map_err(|error| match std::fs::remove_file(&new) {
        Ok(()) => failed(error),
        Err(_) => failed(error).with_hint(format!("remove {}", Path::new(&new).display())),
    })
}

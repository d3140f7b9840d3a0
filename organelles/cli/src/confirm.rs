//! A question before what cannot be undone: asked at a terminal, and elsewhere answered by `--yes`.

use std::io::{BufRead as _, IsTerminal as _};

use crate::error::CliError;

/// Whether a person says yes. `undone` says what is so without that.
pub(crate) fn is_confirmed(question: &str, undone: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(CliError::failure(format!("nobody can be asked: {undone}"))
            .with_hint("look at what is shown above, and add --yes if it is what you want"));
    }
    eprint!("{question} (yes, or anything else for no) ");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| CliError::failure(format!("the answer cannot be read: {error}")))?;
    Ok(answer.trim() == "yes")
}

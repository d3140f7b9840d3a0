//! A scenario that names a file of edges: they are read into its text, so that what is signed, repeated
//! and forked later has them.

use std::fmt::Write as _;
use std::path::Path;

use karyon_colony::models::networks::pairs;
use karyon_colony::scenario::MAX_SCENARIO_BYTES;
use karyon_log::read_regular;
use serde::Deserialize;
use toml::Spanned;

use crate::error::CliError;

/// The longest file of edges, bytes: as many as a scenario has room for, with some columns more.
const FILE_BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
struct Sections {
    space: Option<Space>,
}

#[derive(Deserialize)]
struct Space {
    edges: Option<Spanned<String>>,
}

/// The scenario with the edges of the file that it names, in the line that names it; `None`: it names
/// none. Whatever else is wrong with it is told by whoever reads it.
pub(crate) fn read_in(text: &str, folder: &Path) -> Result<Option<String>, CliError> {
    let Ok(Sections { space: Some(Space { edges: Some(edges) }) }) = toml::from_str(text) else {
        return Ok(None);
    };
    let is_pair_like = |c: char| c.is_ascii_digit() || c.is_whitespace() || c == ',';
    let (name, span) = (edges.get_ref(), edges.span());
    if pairs(name).is_ok() || name.chars().all(is_pair_like) {
        return Ok(None);
    }
    let path = folder.join(name);
    let failed = |words: String| CliError::failure(format!("{}: {words}", path.display()));
    let read = read_regular(&path, FILE_BYTES_MAX);
    let read = read.map_err(|error| {
        failed(format!("{error}")).with_hint("space.edges names a file beside the scenario")
    })?;
    let read = String::from_utf8(read).map_err(|_| failed("it is not UTF-8 text".into()))?;
    let written = in_a_line(&read).map_err(|(line, found)| {
        let words = "expected two numbers from 1 on, for two agents";
        failed(format!("line {line}: {words}, found {found:?}"))
    })?;
    if written.is_empty() {
        return Err(failed("it has no edges".into()));
    }
    let (before, behind) = (text.get(..span.start), text.get(span.end..));
    let (Some(before), Some(behind)) = (before, behind) else { return Ok(None) };
    let whole = format!("{before}\"{written}\"{behind}");
    if whole.len() > MAX_SCENARIO_BYTES {
        return Err(failed(format!(
            "its edges make the scenario {} bytes long; at most {MAX_SCENARIO_BYTES} are read, some \
             100,000 edges",
            whole.len()
        )));
    }
    Ok(Some(whole))
}

/// The first two columns of each line; a line that is wrong, and how it begins.
fn in_a_line(text: &str) -> Result<String, (usize, String)> {
    let mut written = String::new();
    for (number, line) in (1..).zip(text.lines()) {
        let is_remark = line.starts_with(['#', '%']);
        let columns = line.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
        let mut columns = columns.filter(|column| !column.is_empty());
        let (Some(one), false) = (columns.next(), is_remark) else { continue };
        let pair = format!("{one} {}", columns.next().unwrap_or_default());
        let wrong = || (number, line.chars().take(40).collect());
        let pair = pairs(&pair).map_err(|_| wrong())?;
        for (one, other) in pair {
            let comma = if written.is_empty() { "" } else { "," };
            // A String takes whatever is written into it.
            let _ = write!(written, "{comma}{one} {other}");
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_two_numbers_are_edges() {
        let text = "# a remark\n% another\n1 2\n\n 2\t3 0.5\r\n4,5;extra\n";
        assert_eq!(in_a_line(text), Ok("1 2,2 3,4 5".into()));
        for (text, line, found) in
            [("1 2\n3\n", 2, "3"), ("0 1", 1, "0 1"), ("1 2\n\na b", 3, "a b"), ("1 -2", 1, "1 -2")]
        {
            assert_eq!(in_a_line(text), Err((line, found.into())), "{text:?}");
        }
    }
}

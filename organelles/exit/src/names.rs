//! The names that an export may hold. Any other is refused: so none leaves its folder.

use karyon_log::limits::SEGMENT_MAX;
use karyon_log::{records_name, segment_name};

use crate::limits::NAME_BYTES_MAX;

/// What the export says of itself; the first file.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The same, signed; the second, if the node's key was at hand.
pub(crate) const ENVELOPE: &str = "manifest.dsse.json";
/// The hashes of all other files; the last one.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// What all this is, for people.
pub(crate) const README: &str = "README.txt";
/// Records of authority, a line each.
pub(crate) const AUTHORITY: &str = "authority.jsonl";
/// Who answers.
pub(crate) const PRINCIPALS: &str = "principals.json";
/// Why.
pub(crate) const REASONS: &str = "reasons.json";
/// What was allowed.
pub(crate) const GRANTS: &str = "grants.json";
/// Every record.
pub(crate) const LOG: &str = "log.jsonl";
/// Every version of every memory.
pub(crate) const MEMORY: &str = "memory.jsonl";
/// The log's checkpoint.
pub(crate) const CHECKPOINT: &str = "log/checkpoint";

const LOG_FOLDER: &str = "log/";
const INPUTS_FOLDER: &str = "inputs/";

/// In words, in the order in which they lie.
pub(crate) const TOLD: [&str; 7] = [README, AUTHORITY, PRINCIPALS, REASONS, GRANTS, LOG, MEMORY];

/// What becomes of a file at an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// It is read by others, and not taken in.
    Told,
    /// One of the log's files.
    Log,
    /// The copy of an input, by its name.
    Input(&'a str),
}

/// What a name names; `None`: no file of an export.
pub(crate) fn kind(name: &str) -> Option<Kind<'_>> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    if TOLD.contains(&name) {
        return Some(Kind::Told);
    }
    if let Some(input) = name.strip_prefix(INPUTS_FOLDER) {
        let is_plain = |c: char| c != '/' && c != '\\' && !c.is_control();
        let is_name = !input.is_empty() && !input.starts_with('.') && input.chars().all(is_plain);
        return is_name.then_some(Kind::Input(input));
    }
    let file = name.strip_prefix(LOG_FOLDER)?;
    let is_numbered = file
        .get(..8)
        .and_then(|digits| digits.parse::<u32>().ok())
        .is_some_and(|n| n <= SEGMENT_MAX && (file == segment_name(n) || file == records_name(n)));
    (name == CHECKPOINT || is_numbered).then_some(Kind::Log)
}

/// The name of an input's copy.
pub(crate) fn input(name: &str) -> String {
    format!("{INPUTS_FOLDER}{name}")
}

/// The name of a file of the log.
pub(crate) fn of_log(name: &str) -> String {
    format!("{LOG_FOLDER}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_and_no_others() {
        for (name, expected) in [
            ("README.txt", Some(Kind::Told)),
            ("memory.jsonl", Some(Kind::Told)),
            ("log/checkpoint", Some(Kind::Log)),
            ("log/00000000.log", Some(Kind::Log)),
            ("log/99999999.records", Some(Kind::Log)),
            ("inputs/contacts", Some(Kind::Input("contacts"))),
            ("inputs/a b.engram", Some(Kind::Input("a b.engram"))),
            ("manifest.json", None),
            ("SHA256SUMS", None),
            ("", None),
            ("log", None),
            ("log/", None),
            ("log/0.log", None),
            ("log/+0000000.log", None),
            ("log/00000000.log.new", None),
            ("log/spare.log", None),
            ("log/../safety/marker", None),
            ("/log/00000000.log", None),
            ("../x", None),
            ("inputs/", None),
            ("inputs/..", None),
            ("inputs/.hidden", None),
            ("inputs/../x", None),
            ("inputs/a/b", None),
            ("inputs//a", None),
            ("inputs/a\nb", None),
            ("inputs\\a", None),
            ("safety/marker", None),
            ("keystore/keys.1", None),
            ("memory/graph.redb", None),
            ("LOG/checkpoint", None),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
        assert_eq!(kind(&input(&"x".repeat(94))), None);
        assert!(kind(&input(&"x".repeat(93))).is_some());
    }
}

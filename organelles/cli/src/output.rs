//! What people and machines are shown.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::error::CliError;

/// Shows an error: words on standard error, and an object for machines. It may quote what others
/// wrote: what steers a terminal is spelled out, and no line of theirs looks like one of ours.
pub(crate) fn error(error: &CliError, as_json: bool) {
    note(&error_lines(&error.message, error.hint.as_deref()));
    if as_json {
        safe_json(&json!({
            "error": error.message,
            "hint": error.hint,
            "exit_code": error.code.number(),
        }));
    }
}

fn error_lines(message: &str, hint: Option<&str>) -> String {
    let mut lines = message.split('\n');
    let mut text = format!("error: {}", lines.next().unwrap_or_default());
    for line in lines {
        text.push_str("\n  | ");
        text.push_str(line.strip_prefix("  ").unwrap_or(line));
    }
    if let Some(hint) = hint {
        text.push_str("\n  hint: ");
        text.push_str(&plain(hint));
    }
    text
}

/// Lines of one's own, in which what steers a terminal is spelled out.
fn spelled(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// Shows a usage error to a machine; the parser shows it to people.
pub(crate) fn usage(words: &str) {
    json(&json!({ "error": words.trim(), "exit_code": 2 }));
}

/// Puts a field into an object.
pub(crate) fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value.into());
    }
}

/// Prints one object on a line of its own.
pub(crate) fn json(value: &Value) {
    line(&value.to_string());
}

/// Prints an object with texts of others. JSON leaves characters as they are that steer a terminal
/// (U+0080 to U+009F, changes of direction); here they are escaped too, which means the same.
pub(crate) fn safe_json(value: &Value) {
    line(&safe_text(value));
}

/// The same, to be printed later.
pub(crate) fn safe_text(value: &Value) -> String {
    let escaped = |c: char| match plain(c.encode_utf8(&mut [0; 4])) {
        plain if plain.chars().eq([c]) => plain,
        _ => format!("\\u{:04x}", u32::from(c)),
    };
    value.to_string().chars().map(escaped).collect()
}

/// Whether something that was to be printed is lost, though somebody wants it.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line. A reader that went away is no reason to fail: the work is done. A full disk is.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        note(&format!("error: the answer cannot be written: {error}"));
    }
}

/// Whether an answer was lost.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Says something to a person, on standard error; what steers a terminal is spelled out. Nobody has
/// to be there to hear it.
pub(crate) fn note(text: &str) {
    if writeln!(std::io::stderr().lock(), "{}", spelled(text)).is_err() {
        // Nobody reads.
    }
}

/// 12345678 as "12,345,678".
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes with a binary unit.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Bytes as lowercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A field of comma-separated values: in quotes where it has to be. Source: RFC 4180.
pub(crate) fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The most memory that this process held, bytes; `None` where the system does not tell.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A text of somebody else's as a person may safely see it: what steers a terminal is spelled out.
pub(crate) fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let spell = |c: char| if hidden(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (12345678, "12,345,678")] {
            assert_eq!(thousands(number), text);
        }
        for (bytes, text) in [(17, "17 B"), (2048, "2.0 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(hex(&[0, 255]), "00ff");
        for (text, field) in
            [("a b", "a b"), ("a,b", "\"a,b\""), ("say \"a\"", "\"say \"\"a\"\"\"")]
        {
            assert_eq!(csv_field(text), field);
        }
    }

    #[test]
    fn an_error_s_lines_are_its_own() {
        let message = "the memory of \"a\u{1b}[2J\rb\nerror: nothing\n  hint: rm\" is none";
        let expected = "error: the memory of \"a\\u{1b}[2J\\rb\n  | error: nothing\n  | hint: rm\" \
            is none\n  hint: say\\n  hint: less\\u{9b}";
        let hint = Some("say\n  hint: less\u{9b}");
        assert_eq!(spelled(&error_lines(message, hint)), expected);
        assert_eq!(spelled(&error_lines("no", None)), "error: no");
    }

    #[test]
    fn what_steers_a_terminal_is_spelled_out() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(plain("x\n#31  grant"), "x\\n#31  grant");
        assert_eq!(plain("bank/äcme"), "bank/äcme");
    }
}

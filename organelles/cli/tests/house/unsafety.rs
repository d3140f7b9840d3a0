//! Where code is unsafe, and whether the comment above says why it may be.

use crate::lines::{is_word, strip};

/// The word `unsafe` in code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Whether the comment above it has `SAFETY:`.
    pub(crate) is_explained: bool,
}

/// Every line of a source text in which code is unsafe.
pub(crate) fn find(source: &str) -> Vec<Found> {
    let code = strip(source.as_bytes());
    let lines: Vec<&str> = source.lines().collect();
    let is_unsafe = |line: &[u8]| line.split(|byte| !is_word(*byte)).any(|word| word == b"unsafe");
    let found = code.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| is_unsafe(line));
    let is_explained = |line: usize| {
        let above = lines.iter().take(line).rev().map(|line| line.trim_start());
        above.take_while(|line| line.starts_with("//")).any(|line| line.contains("SAFETY:"))
    };
    found.map(|(line, _)| Found { line: line + 1, is_explained: is_explained(line) }).collect()
}

#[test]
fn unsafe_code_and_its_reasons() {
    for (source, expected) in [
        ("#![allow(unsafe_code)]\n// unsafe\nlet a = \"unsafe\";\n", &[][..]),
        ("unsafe { x() }\n", &[(1, false)]),
        ("// SAFETY: x.\nunsafe { x() }\n", &[(2, true)]),
        (
            "// SAFETY: x\n// y.\nlet a = unsafe { x() };\nunsafe fn b() {}\n",
            &[(3, true), (4, false)],
        ),
        ("// SAFETY: x.\n\nunsafe { x() }\n", &[(3, false)]),
    ] {
        let found: Vec<_> = find(source).iter().map(|f| (f.line, f.is_explained)).collect();
        assert_eq!(found, expected, "{source}");
    }
}

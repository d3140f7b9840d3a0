//! Counting the lines of code in a Rust file: neither blank nor comment, and no test module.

use std::path::{Path, PathBuf};

/// What a file holds.
pub(crate) struct Counted {
    /// Lines of code.
    pub(crate) code: usize,
    /// Its test modules that lie in files of their own.
    pub(crate) test_files: Vec<TestFile>,
}

/// `#[cfg(test)] mod name;`
pub(crate) struct TestFile {
    name: String,
    /// From `#[path = "…"]`.
    path: Option<String>,
}

impl TestFile {
    /// Where the module may lie when `declared_in` declares it.
    pub(crate) fn places(&self, declared_in: &Path) -> Vec<PathBuf> {
        let folder = declared_in.parent().unwrap_or(Path::new(""));
        if let Some(path) = &self.path {
            return vec![folder.join(path)];
        }
        let stem = declared_in.file_stem().unwrap_or_default();
        let folder = match stem.to_str() {
            Some("lib" | "main" | "mod") => folder.to_owned(),
            _ => folder.join(stem),
        };
        vec![folder.join(format!("{}.rs", self.name)), folder.join(&self.name).join("mod.rs")]
    }
}

/// Counts the lines of code of a source text.
pub(crate) fn count(source: &str) -> Counted {
    let mut code = strip(source.as_bytes());
    let mut test_files = Vec::new();
    const TEST: &[u8] = b"#[cfg(test)]";
    let mut at = 0;
    while let Some(found) = find(&code, at, TEST) {
        at = found + TEST.len();
        if let Some((end, file)) = test_module(&code, source, at) {
            test_files.extend(file);
            blank(&mut code, found, end);
            at = end;
        }
    }
    let is_code = |line: &&[u8]| !line.iter().all(u8::is_ascii_whitespace);
    Counted { code: code.split(|byte| *byte == b'\n').filter(is_code).count(), test_files }
}

/// Where the module behind `#[cfg(test)]` ends, and its file; `None` when it is no module.
fn test_module(code: &[u8], source: &str, from: usize) -> Option<(usize, Option<TestFile>)> {
    let mut at = skip_space(code, from);
    let mut path = None;
    while code.get(at) == Some(&b'#') {
        let end = matching(code, at + 1, b'[', b']')?;
        if let Some(value) = source.get(at..end).and_then(|text| text.strip_prefix("#[path")) {
            path = value.split('"').nth(1).map(str::to_owned);
        }
        at = skip_space(code, end);
    }
    let (mut word, mut end) = next_word(code, at);
    if word == b"pub" {
        at = skip_space(code, end);
        if code.get(at) == Some(&b'(') {
            at = skip_space(code, matching(code, at, b'(', b')')?);
        }
        (word, end) = next_word(code, at);
    }
    if word != b"mod" {
        return None;
    }
    let (name, end) = next_word(code, skip_space(code, end));
    let name = String::from_utf8_lossy(name).into_owned();
    let at = skip_space(code, end);
    match code.get(at) {
        Some(b';') => Some((at + 1, Some(TestFile { name, path }))),
        _ => Some((matching(code, at, b'{', b'}')?, None)),
    }
}

/// The source with comments as spaces and the insides of literals as `x`, byte for byte.
pub(crate) fn strip(source: &[u8]) -> Vec<u8> {
    let mut out = source.to_vec();
    let mut at = 0;
    while let Some(byte) = source.get(at) {
        let rest = source.get(at..).unwrap_or_default();
        let end = match byte {
            b'/' if rest.starts_with(b"//") => {
                let end = find(source, at, b"\n").unwrap_or(source.len());
                blank(&mut out, at, end);
                end
            }
            b'/' if rest.starts_with(b"/*") => {
                let end = block_comment_end(source, at);
                blank(&mut out, at, end);
                end
            }
            b'"' => cover(&mut out, at, string_end(source, at + 1, b'"')),
            b'r' if starts_raw_string(source, at) => cover(&mut out, at, raw_end(source, at)),
            b'\'' => match char_end(rest) {
                Some(length) => cover(&mut out, at, at + length),
                None => at + 1,
            },
            _ => at + 1,
        };
        at = end;
    }
    out
}

/// Block comments nest.
fn block_comment_end(source: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0usize, start);
    while let Some(pair) = source.get(at..at + 2) {
        match pair {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    source.len()
}

fn string_end(source: &[u8], mut at: usize, quote: u8) -> usize {
    while let Some(byte) = source.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    source.len()
}

/// Whether the `r` at this place opens a raw string; it may stand behind a `b` or a `c`.
fn starts_raw_string(source: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| source.get(at));
    let prefix = matches!(before(1), Some(b'b' | b'c'));
    let free = !before(if prefix { 2 } else { 1 }).is_some_and(|byte| is_word(*byte));
    let behind = source.iter().skip(at + 1).find(|byte| **byte != b'#');
    free && behind == Some(&b'"')
}

fn raw_end(source: &[u8], at: usize) -> usize {
    let hashes = source.iter().skip(at + 1).take_while(|byte| **byte == b'#').count();
    let close = [b"\"".to_vec(), vec![b'#'; hashes]].concat();
    find(source, at + hashes + 2, &close).map_or(source.len(), |end| end + close.len())
}

/// The length of a character literal; `None` for a lifetime.
fn char_end(rest: &[u8]) -> Option<usize> {
    match rest.get(1)? {
        b'\\' => Some(string_end(rest, 1, b'\'')),
        first => {
            let length = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0.. => 4,
            };
            (rest.get(1 + length) == Some(&b'\'')).then_some(length + 2)
        }
    }
}

/// The place behind the bracket that closes the first `open` at or after `at`.
fn matching(code: &[u8], at: usize, open: u8, close: u8) -> Option<usize> {
    let mut depth = 0usize;
    for (place, byte) in code.iter().enumerate().skip(at) {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(place + 1);
            }
        }
    }
    None
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}

fn skip_space(code: &[u8], at: usize) -> usize {
    at + code.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn next_word(code: &[u8], at: usize) -> (&[u8], usize) {
    let end = at + code.iter().skip(at).take_while(|byte| is_word(**byte)).count();
    (code.get(at..end).unwrap_or_default(), end)
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn blank(out: &mut [u8], from: usize, to: usize) {
    fill(out, from, to, b' ');
}

fn cover(out: &mut [u8], from: usize, to: usize) -> usize {
    fill(out, from, to, b'x');
    to
}

fn fill(out: &mut [u8], from: usize, to: usize, with: u8) {
    let bytes = out.iter_mut().take(to).skip(from);
    bytes.filter(|byte| **byte != b'\n').for_each(|byte| *byte = with);
}

#[test]
fn lines_of_code() {
    for (source, code) in [
        ("", 0),
        ("\n  \n\t\n", 0),
        ("// a\n/// b\n//! c\n", 0),
        ("/* a\n b /* c */\n d */\n", 0),
        ("/* a */ fn x() {} // b\n", 1),
        ("fn x() {\n\n    // y\n    z()\n}\n", 3),
        ("let a = \"// no\";\nlet b = \"/*\";\nlet c = 1;\n", 3),
        ("let a = \"\\\"/*\";\nb();\n", 2),
        ("let a = r#\"\"/*\"#;\nlet b = br\"\\\";\nc();\n", 3),
        ("let a = '\"';\n// b\nlet c = '\\'';\n// d\nlet e = 'é'; // \"\n", 3),
        ("fn a<'a>(x: &'a str) {}\n// b's\n", 1),
        ("let r = for_r(\"x\"); // \"\n/* \" */\n", 1),
        ("#[cfg(test)]\nmod tests {\n    fn a() { \"}\" }\n    // }\n}\nfn b() {}\n", 1),
        ("#[cfg(test)]\n#[allow(x)]\npub(crate) mod tests {\n}\nfn b() {}\n", 1),
        ("#[cfg(test)]\nfn helper() {}\n", 2),
        ("// #[cfg(test)]\nmod tests {\n}\n", 2),
        ("let a = \"#[cfg(test)] mod t {\";\nb();\n", 2),
        ("#[cfg(test)]\nmod a {}\nfn b() {}\n#[cfg(test)]\nmod c;\nfn d() {}\n", 2),
    ] {
        assert_eq!(count(source).code, code, "{source}");
    }
}

#[test]
fn test_modules_in_files_of_their_own() {
    let check = |source: &str, declared_in: &str, expected: &[&str]| {
        let files = count(source).test_files;
        let places: Vec<_> = files.iter().flat_map(|f| f.places(Path::new(declared_in))).collect();
        assert_eq!(places, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{source}");
    };
    check("#[cfg(test)] mod t;", "s/lib.rs", &["s/t.rs", "s/t/mod.rs"]);
    check("#[cfg(test)] mod t;", "s/a.rs", &["s/a/t.rs", "s/a/t/mod.rs"]);
    check("#[cfg(test)]\n#[path = \"b.rs\"] mod t;", "s/a.rs", &["s/b.rs"]);
    check("#[path = \"b.rs\"] mod t;\nmod u;", "s/a.rs", &[]);
}

//! Small texts that carry their own check, and free words made safe for one line of them.

use ed25519_compact::sha512;

/// `Display` as a table: a pattern, and what `write!` takes.
macro_rules! words {
    ($name:ident: $($pattern:pat => ($($words:tt)+);)+) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self { $($pattern => write!(f, $($words)+),)+ }
            }
        }
    };
}
pub(crate) use words;

/// Sealed, but with another text than it should have.
pub(crate) const FORM: &str = "its text is in no known form";
pub(crate) const UNSEALED: &str = "its check does not fit its text";
pub(crate) const OLD_VERSION: &str = "it is of an earlier version";

/// The first half of SHA-512: the guardian's only hash.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    sha512::Hash::hash(bytes).first_chunk().copied().unwrap_or_default()
}

/// `body`, which ends with a line break, and behind it a line with its digest.
pub(crate) fn seal(body: &str) -> String {
    format!("{body}sha512 {}\n", hex(&digest(body.as_bytes())))
}

/// What `parse` makes of a sealed text behind its `version`, a line that ends in "-v2" or "-v1".
/// One meaning has one text: that which `encode` writes.
pub(crate) fn unseal<T>(
    text: &str,
    version: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    encode: impl FnOnce(&T) -> String,
) -> Result<T, &'static str> {
    let former = version.replace("-v2", "-v1");
    if former != version && text.starts_with(&former) {
        return Err(OLD_VERSION);
    }
    let (body, _) =
        text.rfind("sha512 ").and_then(|end| text.split_at_checked(end)).ok_or(UNSEALED)?;
    if seal(body) != text {
        return Err(UNSEALED);
    }
    let found = body.strip_prefix(version).and_then(parse);
    found.filter(|found| encode(found) == text).ok_or(FORM)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly so many bytes, written by [`hex`].
pub fn unhex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    for (number, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * number..2 * number + 2)?, 16).ok()?;
    }
    (hex(&bytes) == text).then_some(bytes)
}

/// The words without line breaks, tabs and other control characters, each written as Rust
/// would; a backslash is doubled.
pub fn escape(words: &str) -> String {
    let one = |c: char| match c {
        '\\' | '\n' | '\r' | '\t' => c.escape_default().to_string(),
        '\u{2028}' | '\u{2029}' => c.escape_unicode().to_string(),
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.into(),
    };
    words.chars().map(one).collect()
}

/// The words that [`escape`] was given; `None` when it writes them in another way.
pub fn unescape(text: &str) -> Option<String> {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        let c = if c == '\\' {
            chars.next()?
        } else {
            out.push(c);
            continue;
        };
        out.push(match c {
            '\\' => '\\',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (digits, behind) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                chars = behind.chars();
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        });
    }
    (escape(&out) == text).then_some(out)
}

/// What follows `name` in the next line.
pub fn field<'a>(lines: &mut impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    lines.next()?.strip_prefix(name)
}

/// The longest beginning of `words` that has at most `limit_bytes` bytes.
pub(crate) fn cut(words: &str, limit_bytes: usize) -> &str {
    words.get(..words.floor_char_boundary(limit_bytes)).unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Result<String, &'static str> {
        unseal(
            text,
            "two\n",
            |body| Some(body.into()),
            |body: &String| seal(&format!("two\n{body}")),
        )
    }

    #[test]
    fn a_seal_sees_every_flipped_bit() {
        let sealed = seal("two\nlines\n");
        assert_eq!(opened(&sealed), Ok("lines\n".into()));
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = String::from_utf8(bytes) {
                assert_eq!(opened(&text), Err(UNSEALED), "bit {bit}");
            }
        }
        for text in ["", "sha512 ", &sealed[1..], &format!("{sealed}\n"), sealed.trim_end()] {
            assert_eq!(opened(text), Err(UNSEALED), "{text:?}");
        }
    }

    /// RFC 6234's example, "abc".
    #[test]
    fn the_digest_is_the_first_half_of_sha_512() {
        let half = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a";
        assert_eq!(hex(&digest(b"abc")), half);
    }

    #[test]
    fn words_come_back() {
        for (words, escaped) in [
            ("", ""),
            ("plain, é 🜁", "plain, é 🜁"),
            ("a\nb\r\tc\\n", "a\\nb\\r\\tc\\\\n"),
            ("\0\u{7f}\u{85}\u{2028}", "\\u{0}\\u{7f}\\u{85}\\u{2028}"),
            ("sha512 \\u{41}", "sha512 \\\\u{41}"),
        ] {
            assert_eq!(escape(words), escaped);
            assert_eq!(unescape(escaped).as_deref(), Some(words));
        }
        for text in ["\\", "\\x", "\\u{41}", "\\u{d800}", "\\u{+a}", "\\u", "a\nb", "\\u{00}"] {
            assert_eq!(unescape(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        for (limit, expected) in [(0, ""), (1, "a"), (2, "a"), (3, "aé"), (9, "aéb")] {
            assert_eq!(cut("aéb", limit), expected);
        }
    }
}

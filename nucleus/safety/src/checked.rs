//! Small texts that carry their own check, and free words made safe for one line of them.

use ed25519_compact::sha512;

use crate::Damage;

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

/// The first half of SHA-512: the guardian's only hash.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut half = [0; 32];
    half.iter_mut().zip(sha512::Hash::hash(bytes)).for_each(|(to, from)| *to = from);
    half
}

/// `body`, which ends with a line break, and behind it a line with its digest.
pub(crate) fn seal(body: &str) -> String {
    format!("{body}sha512 {}\n", hex(&digest(body.as_bytes())))
}

/// The body of a sealed text.
pub(crate) fn unseal(text: &str) -> Result<&str, Damage> {
    let end = text.rfind("sha512 ").ok_or(Damage::Check)?;
    let (body, _) = text.split_at_checked(end).ok_or(Damage::Check)?;
    if seal(body) == text { Ok(body) } else { Err(Damage::Check) }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()
}

fn digit(value: u8) -> Option<char> {
    char::from_digit(value.into(), 16)
}

/// Exactly so many bytes, written by [`hex`].
pub fn unhex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    if pairs.len() != LENGTH {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (high * 16 + low) as u8;
    }
    (hex(&bytes) == text).then_some(bytes)
}

/// The words without line breaks, tabs and other control characters, each written as Rust
/// would; a backslash is doubled.
pub(crate) fn escape(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '\\' | '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            '\u{2028}' | '\u{2029}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// The words that [`escape`] was given; `None` when it writes them in another way.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escaped.chars();
        match chars.next()? {
            '\\' => out.push('\\'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (digits, behind) = escaped.strip_prefix("u{")?.split_once('}')?;
                out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                chars = behind.chars();
            }
            _ => return None,
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    (escape(&out) == text).then_some(out)
}

/// What follows `name` in the next line.
pub(crate) fn field<'a>(lines: &mut impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    lines.next()?.strip_prefix(name)
}

/// The longest beginning of `words` that has at most `limit_bytes` bytes.
pub(crate) fn cut(words: &str, limit_bytes: usize) -> &str {
    words.get(..words.floor_char_boundary(limit_bytes)).unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_sees_every_flipped_bit() {
        let sealed = seal("two\nlines\n");
        assert_eq!(unseal(&sealed), Ok("two\nlines\n"));
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(text) = String::from_utf8(bytes) {
                assert_eq!(unseal(&text), Err(Damage::Check), "bit {bit}");
            }
        }
        for text in ["", "sha512 ", &sealed[1..], &format!("{sealed}\n"), sealed.trim_end()] {
            assert_eq!(unseal(text), Err(Damage::Check), "{text:?}");
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

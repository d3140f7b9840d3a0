//! The rule for principals' names. They become file names and words in logs, so it is narrow.

/// The longest principal name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// What [`is_principal_name`] asks for, in words for error messages.
pub const NAME_RULE: &str =
    "1 to 64 of the characters A-Z a-z 0-9 . _ - and not starting with a dot";

/// Whether `name` can name a principal: 1 to 64 of `[A-Za-z0-9._-]`, not starting with a dot.
pub fn is_principal_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let (longest, too_long) = ("a".repeat(64), "a".repeat(65));
        for (name, expected) in [
            ("ada", true),
            ("A.l_o-9", true),
            ("-", true),
            (&longest, true),
            (&too_long, false),
            ("", false),
            (".", false),
            ("..", false),
            (".ada", false),
            ("a/b", false),
            ("a b", false),
            ("a\n", false),
            ("a\0", false),
            ("é", false),
        ] {
            assert_eq!(is_principal_name(name), expected, "{name:?}");
        }
    }
}

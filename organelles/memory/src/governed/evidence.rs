//! What a memory rests on, as it is told to whoever did not record it.

use super::{Recalled, Said};

impl Recalled {
    /// What it rests on. A record of the log in which it came into the world is named with that log,
    /// where that is another one: here the number alone would mean something else.
    pub fn evidence(&self) -> Vec<String> {
        let Said::Words(words) = &self.said else { return Vec::new() };
        let told = words.evidence.iter().map(|evidence| match self.memo.origin {
            Some(origin) if is_record(evidence) => format!("{evidence} of log {}", origin.first.0),
            Some(_) | None => evidence.clone(),
        });
        told.collect()
    }
}

/// Whether it is the number of a record, or of a memory in it: `#17`, `#17.0`.
fn is_record(evidence: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    evidence.strip_prefix('#').is_some_and(|number| match number.split_once('.') {
        Some((record, output)) => is_number(record) && is_number(output),
        None => is_number(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_words() {
        for (evidence, expected) in [
            ("#17", true),
            ("#17.0", true),
            ("#", false),
            ("#17.", false),
            ("#.0", false),
            ("17", false),
            ("#1a", false),
            ("#17 of log 00", false),
            ("report.pdf", false),
        ] {
            assert_eq!(is_record(evidence), expected, "{evidence}");
        }
    }
}

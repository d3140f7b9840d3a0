//! Nearest names: suggestions for a mistyped person or scenario key.
//!
//! A name is near when its Damerau-Levenshtein distance (insert, delete, replace, swap neighbours;
//! upper and lower case alike) is at most a third of the longer name, rounded up, and less than
//! all of it. Names are ordered by that distance, then by Jaro-Winkler similarity, then
//! alphabetically, so the answer does not depend on the order of the candidates.

use std::cmp::Ordering;

use strsim::{damerau_levenshtein, jaro_winkler};

/// Up to `n` of `candidates` that resemble `name`, the nearest first; repeated ones count once.
pub fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    n: usize,
) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut near: Vec<Near<'a>> =
        candidates.into_iter().filter_map(|candidate| Near::measure(&wanted, candidate)).collect();
    near.sort_unstable_by(Near::order);
    near.dedup_by_key(|one| one.name);
    near.truncate(n);
    near.into_iter().map(|one| one.name).collect()
}

/// A candidate within reach of the wanted name.
struct Near<'a> {
    name: &'a str,
    distance: usize,
    similarity: f64,
}

impl<'a> Near<'a> {
    fn measure(wanted: &str, name: &'a str) -> Option<Self> {
        let candidate = name.to_lowercase();
        let (a, b) = (wanted.chars().count(), candidate.chars().count());
        let longer = a.max(b);
        let limit = longer.div_ceil(3).min(longer.saturating_sub(1));
        // The distance is at least the difference in length: most candidates end here, cheaply.
        if a.abs_diff(b) > limit {
            return None;
        }
        let distance = damerau_levenshtein(wanted, &candidate);
        (distance <= limit).then(|| Self {
            name,
            distance,
            similarity: jaro_winkler(wanted, &candidate),
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        self.distance
            .cmp(&other.distance)
            .then_with(|| other.similarity.total_cmp(&self.similarity))
            .then_with(|| self.name.cmp(other.name))
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggestions() {
        let keys = ["people", "probability", "intensity", "period_ticks"];
        let people = ["103", "1030", "13", "Anna", "anne", "Zoë"];
        let cases: &[(&str, &[&str], usize, &[&str])] = &[
            ("poeple", &keys, 1, &["people"]),
            ("PEOPLE", &keys, 1, &["people"]),
            ("period_tick", &keys, 3, &["period_ticks"]),
            ("colour", &keys, 3, &[]),
            ("", &keys, 3, &[]),
            ("anna", &people, 3, &["Anna", "anne"]),
            ("anna", &people, 1, &["Anna"]),
            ("anna", &people, 0, &[]),
            ("Zoe", &people, 3, &["Zoë"]),
            ("103", &people, 2, &["103", "1030"]),
            // One letter resembles no other letter.
            ("x", &["y", "z"], 3, &[]),
            // Repeated candidates count once.
            ("ab", &["abc", "abc", "abd"], 2, &["abc", "abd"]),
        ];
        for (name, candidates, n, expected) in cases {
            let forward = nearest(name, candidates.iter().copied(), *n);
            let backward = nearest(name, candidates.iter().rev().copied(), *n);
            assert_eq!(forward, *expected, "{name}");
            assert_eq!(backward, *expected, "{name}: depends on the order");
        }
    }
}

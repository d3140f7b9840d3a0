//! Figures that criterion does not give: percentiles of single answers, and sizes.
//!
//! They are printed in lines that begin with the name under which criterion would have printed
//! them, and the filter that criterion takes chooses among them too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::size;

/// How often each question is timed for percentiles.
const SAMPLES: u64 = 100_000;

/// What follows each of criterion's options that take a value is no filter.
const WITH_VALUE: [&str; 14] = [
    "--color",
    "--colour",
    "--save-baseline",
    "--baseline",
    "--baseline-lenient",
    "--load-baseline",
    "--format",
    "--profile-time",
    "--sample-size",
    "--warm-up-time",
    "--measurement-time",
    "--nresamples",
    "--noise-threshold",
    "--output-format",
];

/// The benches, each a file in `benches/`.
const BENCHES: [&str; 20] = [
    "engram",
    "free_running",
    "gate_check",
    "keystore",
    "log_append",
    "memory_aeong",
    "memory_as_of",
    "memory_bytes",
    "memory_governed",
    "memory_mutations",
    "memory_neighbours",
    "memory_rebuild",
    "memory_write",
    "patterns",
    "restart",
    "routed_message",
    "schedules",
    "spawn",
    "supervision",
    "tick_barrier",
];

/// Whether anything of a bench may have been asked for: what is not needs no preparation. A filter
/// that names another bench asks for nothing of this one; one that names none may ask for a part.
pub fn is_asked_for(bench: &str) -> bool {
    filter(std::env::args().skip(1)).is_none_or(|filter| may_ask_for(&filter, bench))
}

fn may_ask_for(filter: &str, bench: &str) -> bool {
    let name = filter.trim_start_matches('^').split('/').next().unwrap_or_default();
    bench.contains(name) || !BENCHES.iter().any(|bench| bench.contains(name))
}

/// Whether a measurement of this name is asked for.
pub fn is_wanted(name: &str) -> bool {
    filter(std::env::args().skip(1)).is_none_or(|filter| name.contains(&filter))
}

fn filter(arguments: impl Iterator<Item = String>) -> Option<String> {
    let mut before = String::new();
    for argument in arguments {
        let is_value = WITH_VALUE.contains(&before.as_str());
        if !argument.starts_with('-') && !is_value {
            return Some(argument);
        }
        before = argument;
    }
    None
}

/// Times each of 100,000 answers and prints the times that half of them, and 99 of 100, do not
/// exceed. In each is the time that reading the clock takes, which `clock` prints.
pub fn percentiles<T>(name: &str, mut ask: impl FnMut() -> T) {
    if !is_wanted(name) {
        return;
    }
    let mut times: Vec<Duration> = (0..size(SAMPLES, 200))
        .map(|_| {
            let begun = Instant::now();
            black_box(ask());
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| {
        let index = (times.len() * part / 1_000).min(times.len() - 1);
        times.get(index).copied().unwrap_or_default()
    };
    println!("{name:<56} p50: {:?}  p99: {:?}  p99.9: {:?}", at(500), at(990), at(999));
}

/// Prints the percentiles of doing nothing.
pub fn clock(group: &str) {
    percentiles(&format!("{group}/clock"), || ());
}

/// Prints a figure.
pub fn figure(name: &str, value: f64, unit: &str) {
    println!("{name:<56} {value:.1} {unit}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benches_are_those_that_there_are() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/benches")).unwrap();
        let name = |entry: std::fs::DirEntry| entry.path().file_stem().unwrap().to_owned();
        let mut names: Vec<_> = folder.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        assert_eq!(names, BENCHES);
    }

    #[test]
    fn a_filter_asks_for_a_bench_or_for_parts_of_any() {
        for (filter, bench, expected) in [
            ("memory_as", "memory_as_of", true),
            ("memory_", "memory_as_of", true),
            ("memory_as_of/karyon", "memory_as_of", true),
            ("memory_as_of/karyon", "memory_bytes", false),
            ("routed", "memory_as_of", false),
            ("fjall", "memory_as_of", true),
        ] {
            assert_eq!(may_ask_for(filter, bench), expected, "{filter} {bench}");
        }
    }

    #[test]
    fn the_filter_is_the_first_word_that_belongs_to_no_option() {
        for (arguments, expected) in [
            ("--bench", None),
            ("--bench routed", Some("routed")),
            ("--bench --sample-size 10 hub --noplot", Some("hub")),
            ("--test --sample-size 10", None),
        ] {
            let found = filter(arguments.split(' ').map(str::to_owned));
            assert_eq!(found.as_deref(), expected, "{arguments}");
        }
    }
}

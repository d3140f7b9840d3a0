//! The report as a page.

use std::fmt::Write as _;

use crate::build::CommitFrom;
use crate::flags::Configuration;
use crate::report::{Measured, Report, UNSIGNED};
use crate::text::{percent, thousands, time};

/// What is said where the build was not optimised.
pub(crate) const DEBUG: &str = "DEBUG BUILD: these numbers say nothing about speed";
/// What is said where nothing was durable, though the level says so.
const VOLATILE: &str = "the data lay in memory (tmpfs): fdatasync did nothing there";

impl Report {
    /// What a reader must not miss: that it was no optimised build, or that nothing was durable.
    pub fn warnings(&self) -> Vec<&'static str> {
        let is_volatile = self.machine.filesystem.starts_with("tmpfs");
        let all = [(self.is_debug(), DEBUG), (is_volatile, VOLATILE)];
        all.into_iter().filter_map(|(is_so, words)| is_so.then_some(words)).collect()
    }

    /// As a page in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut page = String::from("# Benchmark of Karyon\n\n");
        for warning in self.warnings() {
            line(&mut page, format_args!("**{warning}.**\n"));
        }
        line(&mut page, format_args!("| | |\n|---|---|"));
        for (name, value) in self.conditions() {
            line(&mut page, format_args!("| {name} | {} |", cell(&value)));
        }
        page.push_str(
            "\nMedians of the samples; spread: the longest without the shortest, by the median. What \
             each workload does, and what its number does not mean: `docs/bench.md` of Karyon.\n\n\
             | workload | level | a second | unit | median | lowest | highest | spread | of what |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for result in &self.results {
            page.push_str(&row(result));
        }
        page.push_str(
            "\n## Samples\nIn their order; in brackets those that came before, to warm up.\n\n",
        );
        for result in &self.results {
            let times = |all: &[u64]| all.iter().map(|ns| time(*ns)).collect::<Vec<_>>().join(", ");
            let (warm_up, samples) = (times(&result.warm_up_ns), times(&result.samples_ns));
            line(&mut page, format_args!("- {}: ({warm_up}) {samples}", cell(&result.name())));
        }
        page
    }

    /// Under which conditions it was made, by name.
    pub fn conditions(&self) -> Vec<(&'static str, String)> {
        let Report { made, flags, build, machine, load, signed, .. } = self;
        let commit = match build.commit_from {
            CommitFrom::Build => build.commit.clone(),
            CommitFrom::WorkingDirectory => {
                format!("{} (of the checkout that it was run in)", build.commit)
            }
            CommitFrom::Unknown => build.commit.clone(),
        };
        let workloads = match flags.workloads.as_slice() {
            [] => "all".into(),
            some => some.join(", "),
        };
        let configuration = match self.configuration {
            Configuration::Full => format!("full: set {} with its defaults", self.set),
            Configuration::Single => format!("single: not all of set {} as by default", self.set),
        };
        let signed = match signed.key.as_str() {
            UNSIGNED => "by nobody".into(),
            key => format!("by the node {key}"),
        };
        vec![
            (
                "made",
                format!("{}, in {}", made.begun, time(made.took_ms.saturating_mul(1_000_000))),
            ),
            ("configuration", configuration),
            (
                "flags",
                format!(
                    "workloads {workloads}; level {}; repeat {}; threads {}; seed {}; quick {}; \
                     warm-up {}; out {}; json {}",
                    flags.level,
                    flags.repeat,
                    flags.threads,
                    flags.seed,
                    flags.quick,
                    flags.warm_up,
                    flags.out,
                    flags.json
                ),
            ),
            ("karyon", format!("{}, {:?} build", build.karyon, build.profile).to_lowercase()),
            ("commit", commit),
            ("rustc", build.rustc.clone()),
            ("allocator", build.allocator.clone()),
            ("processor", format!("{}, {} threads at a time", machine.cpu, machine.cores)),
            ("memory", machine.memory.clone()),
            ("kernel", machine.kernel.clone()),
            ("file system of the data", machine.filesystem.clone()),
            ("load average before", load.before.clone()),
            ("load average after", load.after.clone()),
            ("signed", signed),
        ]
    }
}

fn row(result: &Measured) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {}; {} threads, seed {}, {} |\n",
        cell(&result.workload),
        result.level,
        thousands(result.median_per_s),
        cell(&result.unit),
        time(result.median_ns),
        time(result.lowest_ns),
        time(result.highest_ns),
        percent(result.spread_permille),
        cell(&result.size),
        result.threads,
        result.seed,
        cell(&result.durability),
    )
}

/// A text in a cell of a table: no line or column of its own.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn line(page: &mut String, words: std::fmt::Arguments<'_>) {
    // A text takes all that is written to it.
    if page.write_fmt(words).is_ok() {
        page.push('\n');
    }
}

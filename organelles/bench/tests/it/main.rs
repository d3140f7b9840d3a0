//! Workloads, the contract of reports, and what two of them say of each other.

#![expect(clippy::unwrap_used, reason = "a test that cannot look must fail")]

mod comparing;
mod contract;
mod workloads;

use karyon_bench::Report;

/// A report as it was written once: it must open for ever.
pub(crate) const GOLDEN: &str = include_str!("golden/report-1.json");

pub(crate) fn golden() -> Report {
    Report::read(GOLDEN.as_bytes()).unwrap()
}

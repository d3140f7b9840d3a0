//! What two reports say of each other.

use karyon_bench::{Verdict, compare};

use crate::golden;

#[test]
fn a_report_does_not_differ_from_itself() {
    let found = compare(&golden(), &golden());
    assert!(found.is_same() && found.conditions.is_empty(), "{found:?}");
    assert_eq!(found.changes.len(), golden().results.len());
    assert!(found.changes.iter().all(|change| change.ratio == 1.0));
}

#[test]
fn conditions_that_differ_are_named_with_both_values() {
    let mut other = golden();
    other.machine.cpu = "another".into();
    other.build.commit = "abc".into();
    other.load.after = "9 9 9".into();
    other.flags.workloads.clear();
    other.results[1].threads += 1;
    // None of these is one.
    other.made.begun = "later".into();
    other.flags.out = "elsewhere".into();
    other.flags.json ^= true;
    other.signed.key = "another".into();
    let found = compare(&golden(), &other);
    let names: Vec<_> = found.conditions.iter().map(|one| one.name.as_str()).collect();
    let threads = format!("{}: threads", golden().results[1].name());
    let expected = ["build.commit", "flags.workloads", "load.after", "machine.cpu", &threads];
    assert_eq!(names, expected);
    assert_eq!(found.conditions[3].values, [golden().machine.cpu, "another".into()]);
    assert_eq!(found.conditions[1].values[1], "all");
    assert!(found.is_same(), "the results are the same");
}

#[test]
fn a_difference_counts_where_no_sample_lies_among_the_others() {
    let check = |lowest: u64, median: u64, highest: u64, work: u64, verdict, ratio: f64| {
        let (mut one, mut other) = (golden(), golden());
        let first = &mut one.results[0];
        (first.lowest_ns, first.median_ns, first.highest_ns, first.work) = (90, 100, 120, 1_000);
        let second = &mut other.results[0];
        (second.lowest_ns, second.median_ns, second.highest_ns) = (lowest, median, highest);
        second.work = work;
        let found = compare(&one, &other);
        assert_eq!(found.changes[0].verdict, verdict, "{lowest} {highest} {work}");
        assert!((found.changes[0].ratio - ratio).abs() < 1e-9, "{found:?}");
        assert_eq!(found.is_same(), verdict == Verdict::WithinSpread);
    };
    check(95, 100, 110, 1_000, Verdict::WithinSpread, 1.0);
    check(40, 50, 90, 1_000, Verdict::WithinSpread, 2.0);
    check(40, 50, 89, 1_000, Verdict::Faster, 2.0);
    check(120, 200, 400, 1_000, Verdict::WithinSpread, 0.5);
    check(121, 200, 400, 1_000, Verdict::Slower, 0.5);
    // A tenth of the work in a tenth of the time is the same speed.
    check(9, 10, 12, 100, Verdict::WithinSpread, 1.0);
}

#[test]
fn what_is_in_one_alone_or_counts_something_else_is_not_the_same() {
    let (mut one, mut other) = (golden(), golden());
    let (first, last) = (one.results[0].name(), one.results[1].name());
    one.results.truncate(1);
    other.results.remove(0);
    let found = compare(&one, &other);
    assert_eq!(
        (found.only_first.as_slice(), found.only_second.as_slice()),
        (&[first][..], &[last][..])
    );
    assert!(!found.is_same() && found.changes.is_empty());
    let mut other = golden();
    other.results[0].unit = "fathoms".into();
    let found = compare(&golden(), &other);
    assert_eq!(found.changes[0].verdict, Verdict::OtherUnit);
    assert!(!found.is_same());
}

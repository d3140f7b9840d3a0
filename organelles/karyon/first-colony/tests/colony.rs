//! What the colony does.

use demo::{Parameters, colony};

#[test]
fn borders_only_vanish() {
    let series = colony(&Parameters::default(), 7).test().unwrap().series;
    let borders: Vec<f64> = series.of("borders").map(|(_, borders)| borders).collect();
    assert!(borders.len() > 10);
    assert!(borders.is_sorted_by(|before, after| before >= after), "{borders:?}");
    assert!(borders.last() < borders.first());
}

#[test]
fn crashes_and_threads_change_nothing() {
    let mut run = colony(&Parameters { voters: 20, steps: 50 }, 7);
    let calm = run.test().unwrap();
    let wild = run.chaos(0.1).schedulers(2).test().unwrap();
    assert!(wild.counts.crashes > 0);
    assert_eq!(wild.state_root, calm.state_root);
    assert_eq!(wild.series, calm.series);
}

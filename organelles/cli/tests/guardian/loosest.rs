//! However loose the limits are, whatever is added later: a person's stop is instant.

use crate::matrix::stopped;
use crate::place::{Place, users};
use crate::stops::Stop;

/// Every limit that a person can set, as loose as it can be.
const LOOSEST: [(&str, u64); 17] = [
    ("heartbeat_ms", 1_000),
    ("heartbeat_limit_ms", 60_000),
    ("term_grace_ms", 600_000),
    ("asks_per_minute", 1_000_000_000_000),
    ("tasks_per_day", 1_000_000_000_000),
    ("rejections_in_sequence", 1_000_000_000_000),
    ("failures_in_sequence", 1_000_000_000_000),
    ("crashes_per_minute", 1_000_000_000_000),
    ("self_modifications_per_day", 1_000_000_000_000),
    ("stalled_step_s", 86_400),
    ("cpu_s_per_day", 1_000_000_000_000),
    ("memory_mib", 1 << 40),
    ("open_files", 1_000_000_000_000),
    ("processes", 1_000_000_000_000),
    ("disk_use_mib", 1 << 40),
    ("free_space_mib", 0),
    ("clock_back_s", 86_400),
];

#[test]
fn no_setting_takes_a_persons_stop_away() {
    for who in users() {
        for stop in [Stop::File, Stop::HostFile, Stop::Halt] {
            let place =
                LOOSEST.iter().fold(Place::new(who), |place, (key, most)| place.with(key, most));
            let run = place.start_ready("busy,spin");
            stopped(run, stop, ("exit 4", "halted")).unwrap();
        }
    }
}

/// A limit that is added later is to be thought of here.
#[test]
fn every_limit_is_among_them() {
    let limits = karyon_safety::Limits::default();
    let known = LOOSEST.map(|(name, _)| name);
    let numbers = limits.numbers().map(|(name, _)| name).filter(|name| *name != "notify_limit_ms");
    let missing: Vec<_> = numbers.filter(|name| !known.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

//! Each workload does at each of its levels what it says, in the smallest size.

use karyon_bench::{BenchError, Flags, LEVELS, Level, Scale, WORKLOADS, measure, runs};

/// What a sample of the smallest size does.
const WORK: [(&str, u64); 10] = [
    // Each chain begins with an input, which is no message.
    ("pairs", 1_000 * 2),
    ("ring", 1_000),
    ("fan-in", 100 * 10 * 2),
    ("reply", 100 * 2),
    ("schelling", 0),
    ("sir", 0),
    ("wolf-sheep", 0),
    ("memory-write", 1_000),
    ("memory-as-of", 200),
    ("log-append", 0),
];

fn flags(names: &[&str], repeat: u64) -> Flags {
    let workloads = names.iter().map(|name| (*name).to_owned()).collect();
    Flags { workloads, repeat, ..Flags::default() }
}

#[test]
fn each_does_at_each_level_what_it_says() {
    let place = tempfile::tempdir().unwrap();
    for (name, work) in WORK {
        let flags = flags(&[name], 2);
        let mut told = Vec::new();
        let results = measure(&flags, 2, Scale::TINY, place.path(), &mut |done, name| {
            told.push((done, name.to_owned()));
            true
        });
        let results = results.unwrap();
        let workload = WORKLOADS.iter().find(|one| one.name == name).unwrap();
        let levels: Vec<Level> = results.iter().map(|result| result.level).collect();
        assert_eq!(levels, workload.levels, "{name}");
        for result in &results {
            match work {
                0 => assert!(result.work > 2, "{result:?}"),
                work => assert_eq!(result.work, work, "{result:?}"),
            }
            assert_eq!(result.work, results[0].work, "{name}: the same at each level");
            assert_eq!((result.warm_up_ns.len(), result.samples_ns.len()), (1, 2));
            assert_eq!((result.threads, result.seed, result.unit.as_str()), (2, 1, workload.unit));
        }
        let last = told.last().unwrap();
        assert_eq!(*last, (runs(&flags).unwrap(), name.to_owned()));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "{name} left something");
    }
    assert_eq!(
        WORK.map(|(name, _)| name).to_vec(),
        WORKLOADS.iter().map(|one| one.name).collect::<Vec<_>>()
    );
}

#[test]
fn another_seed_is_another_run_of_the_same_work() {
    let place = tempfile::tempdir().unwrap();
    let work = |seed| {
        let flags = Flags { seed, ..flags(&["sir"], 1) };
        let flags = Flags { level: Level::Gate.name().into(), ..flags };
        let scale = Scale::TINY;
        measure(&flags, 1, scale, place.path(), &mut |_, _| true).unwrap()[0].work
    };
    assert_eq!(work(1), work(1));
    assert_ne!(work(1), work(2), "an epidemic takes another way");
}

#[test]
fn who_does_not_go_on_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    for end in 0..3 {
        let ended =
            measure(&flags(&["ring"], 5), 1, Scale::TINY, place.path(), &mut |done, _| done < end);
        assert!(matches!(ended, Err(BenchError::Interrupted)), "{end}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "{end}");
    }
}

#[test]
fn sizes_are_those_of_what_is_run() {
    for (name, scale, words) in [
        ("pairs", Scale::FULL, "1,000,000 in all"),
        ("pairs", Scale::QUICK, "100,000 in all"),
        ("ring", Scale::QUICK, "20,000 in all"),
        ("fan-in", Scale::QUICK, "100,000 in all"),
        ("reply", Scale::QUICK, "10,000 calls in all"),
        ("memory-as-of", Scale::QUICK, "100 versions of a fact of each, 10,000 questions"),
        ("wolf-sheep", Scale::QUICK, "75 × 75 cells, 10 steps"),
    ] {
        let size = WORKLOADS.iter().find(|one| one.name == name).unwrap().size(scale);
        assert!(size.contains(words), "{name}: {size}");
    }
}

#[test]
fn there_is_no_level_without_the_gate() {
    assert!(LEVELS.iter().all(|level| level.name().starts_with("gate")));
    let off = "off".parse::<Level>().unwrap_err();
    assert!(off.contains("nobody can switch the gate off"), "{off}");
    for level in LEVELS {
        assert_eq!(level.name().parse(), Ok(level));
    }
}

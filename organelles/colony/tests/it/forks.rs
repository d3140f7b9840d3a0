//! Runs with other values from a tick on: the same past, another future, for each model that has
//! something that can change.

use karyon_colony::models::{Change, Simulation};

/// Keys with their values.
type Set = [(&'static str, &'static str)];

/// A scenario, a tick, and what is different from then on; nothing: no key of it can change.
const FORKS: [(&str, u64, &Set); 9] = [
    (
        "name = \"flocking\"\n[population]\nbirds = 30\n[schedule]\nsteps = 12",
        6,
        &[("matching", "0.9")],
    ),
    ("name = \"maki-thompson\"\n[population]\npeople = 60", 4, &[]),
    (
        "name = \"moran\"\n[population]\nindividuals = 30\nmutants = 15",
        100_000,
        &[("fitness", "9.0")],
    ),
    (
        "name = \"schelling\"\n[population]\nagents = 90\n[space]\nside = 12",
        7,
        &[("need", "5"), ("steps", "25")],
    ),
    ("name = \"sir\"\n[population]\npeople = 300", 8, &[("infection", "0.9")]),
    (
        "name = \"sir-events\"\n[population]\npeople = 60\ncases = 10",
        300_000,
        &[("reproduction", "0.1")],
    ),
    (
        "name = \"wealth\"\n[population]\nagents = 20\n[schedule]\ntime = 9",
        4_000_000,
        &[("time", "3")],
    ),
    ("name = \"gossip\"\n[population]\nnodes = 60", 3, &[]),
    (
        "name = \"wolf-sheep\"\n[population]\nsheep = 30\nwolves = 12\n[space]\nside = 12\n\
         [schedule]\nsteps = 12",
        9,
        &[("wolf_reproduce", "0.9")],
    ),
];

fn parse(model: &str) -> Simulation {
    Simulation::parse(&format!("[model]\n{model}")).unwrap()
}

fn changes(set: &Set) -> Vec<Change> {
    set.iter().map(|(key, value)| Change { key: (*key).into(), value: (*value).into() }).collect()
}

#[test]
fn a_fork_has_the_past_of_its_run_and_with_nothing_different_its_end() {
    for (model, at, set) in FORKS {
        let simulation = parse(model);
        let whole = simulation.build().unwrap().test().unwrap();
        assert!(whole.ticks > at, "{model}: {} ticks", whole.ticks);
        let same = simulation.forked(at, &[]).unwrap();
        let same = same.build().unwrap().test().unwrap();
        assert_eq!(same.state_root, whole.state_root, "{model}");
        if set.is_empty() {
            continue;
        }
        let forked = simulation.forked(at, &changes(set)).unwrap();
        // It is made again from what it was made from.
        assert_eq!(Simulation::parse(&forked.to_toml()), Ok(forked.clone()));
        let forked = forked.build().unwrap().test().unwrap();
        assert_ne!(forked.state_root, whole.state_root, "{model}");
        let past = |outcome: &karyon::Outcome| {
            let rows = outcome.series.rows.iter();
            rows.filter(|(tick, _)| *tick < at).cloned().collect::<Vec<_>>()
        };
        assert_eq!(past(&forked), past(&whole), "{model}");
    }
}

#[test]
fn a_fork_of_a_fork_keeps_what_changed_before() {
    let simulation = parse(FORKS[3].0);
    let once = simulation.forked(4, &changes(&[("need", "5")])).unwrap();
    let twice = once.forked(9, &changes(&[("model.need", "0")])).unwrap();
    assert_eq!(twice.changes.len(), 2);
    let rows = |simulation: &Simulation| simulation.build().unwrap().test().unwrap().series.rows;
    assert_eq!(rows(&once)[..9], rows(&twice)[..9]);
    assert_eq!(rows(&twice)[9].1[0], 1.0, "who needs nobody is happy");
}

#[test]
fn what_a_run_begins_with_is_named() {
    for (model, at, set, key) in [
        (FORKS[3].0, 4, &[("need", "5"), ("agents", "80")][..], "population.agents"),
        (FORKS[3].0, 4, &[("side", "13")][..], "space.side"),
        (FORKS[4].0, 4, &[("cases", "5")][..], "population.cases"),
    ] {
        let error = parse(model).forked(at, &changes(set)).unwrap().build().err().unwrap();
        let words = error.to_string();
        let key = key.rsplit_once('.').map_or(key, |(_, name)| name);
        assert!(words.contains(&format!("{key} cannot be different from tick {at} on")), "{words}");
    }
    let late = parse(FORKS[3].0).forked(21, &changes(&[("need", "5")])).unwrap();
    assert!(late.build().err().unwrap().to_string().contains("over with tick 20"));
    let error = parse(FORKS[3].0).forked(4, &changes(&[("nead", "5")])).unwrap_err();
    assert!(error.to_string().contains("need"), "{error}");
    let error = parse(FORKS[3].0).forked(4, &changes(&[("need", "x")])).unwrap_err();
    assert!(error.to_string().contains("need"), "{error}");
}

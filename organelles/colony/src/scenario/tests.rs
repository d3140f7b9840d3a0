//! Tests of the scenario parser: broken files with their places, and defaults.

use karyon_log::Verb;
use proptest::prelude::*;

use super::*;
use crate::network::ActivityDriven;

const MODEL: &str = "[model]\nname = \"rumour\"\n";

fn broken(text: &str) -> ScenarioError {
    Scenario::parse(text).expect_err(text)
}

fn at(line: u32, column: u32) -> Place {
    Place { line, column }
}

#[test]
fn limits_of_the_guardian_are_kept_and_written_only_where_there_are_some() {
    let text = format!("{MODEL}[guardian]\nprocesses = 9\nopen_files = 100\n");
    let scenario = Scenario::parse(&text).unwrap();
    let pairs: Vec<_> = scenario.guardian.iter().map(|(key, most)| (key.as_str(), *most)).collect();
    assert_eq!(pairs, [("open_files", 100), ("processes", 9)]);
    assert_eq!(Scenario::parse(&scenario.to_toml()).unwrap(), scenario);
    assert!(!Scenario::parse(MODEL).unwrap().to_toml().contains("guardian"));
    for most in ["-1", "1.5", "\"9\""] {
        let error = broken(&format!("{MODEL}[guardian]\nprocesses = {most}"));
        assert!(matches!(error, ScenarioError::WrongType { .. }), "{error}");
    }
}

#[test]
fn unknown_keys() {
    // Text after the model, place, key, section, suggestion.
    let cases = [
        ("[population]\npoeple = 7", at(4, 1), "poeple", "population", Some("people")),
        ("[popluation]\npeople = 7", at(3, 2), "popluation", "", Some("population")),
        ("[space]\n  expnent = 2", at(4, 3), "expnent", "space", Some("exponent")),
        ("[chaos]\nfish = 1", at(4, 1), "fish", "chaos", None),
        ("[weather]", at(3, 2), "weather", "", None),
        ("sorce = \"7\"", at(3, 1), "sorce", "model", Some("source")),
        ("limits.outputs = 3", at(3, 1), "limits", "model", None),
        (
            "[authority]\nexpires = [{ agent = \"é\", tick = 1 }, { agnt = \"a\" }]",
            at(4, 41),
            "agnt",
            "authority.expires",
            Some("agent"),
        ),
        (
            "[[authority.change]]\ntick = 1\nrevok = \"a\"",
            at(5, 1),
            "revok",
            "authority.change",
            Some("revoke"),
        ),
        ("[limits]\nlog_bytes = 1", at(4, 1), "log_bytes", "limits", None),
        ("[guardian]\nproceses = 9", at(4, 1), "proceses", "guardian", Some("processes")),
        // What is no limit is not for a scenario to set.
        ("[guardian]\nresume_key = 9", at(4, 1), "resume_key", "guardian", None),
        (
            "[[authority.expires]]\nagent = \"a\"\ntik = 1",
            at(5, 1),
            "tik",
            "authority.expires",
            Some("tick"),
        ),
        // The first in the text counts, not the first in the alphabet.
        ("[limits]\nzzz = 1\naaa = 2", at(4, 1), "zzz", "limits", None),
    ];
    for (text, place, key, section, suggestion) in cases {
        let key = key.to_owned();
        let suggestion = suggestion.map(str::to_owned);
        let expected = ScenarioError::UnknownKey { place, key, section, suggestion };
        assert_eq!(broken(&format!("{MODEL}{text}")), expected, "{text}");
    }
}

#[test]
fn values_out_of_range() {
    // Text after the model, place, key, value.
    let cases = [
        ("[population]\npeople = 1", at(4, 10), "population.people", "1"),
        ("[population]\npeople = 10_000_001", at(4, 10), "population.people", "10000001"),
        ("[space]\ncontacts = 0", at(4, 12), "space.contacts", "0"),
        ("[space]\nexponent = 1", at(4, 12), "space.exponent", "1"),
        ("[space]\nexponent = nan", at(4, 12), "space.exponent", "NaN"),
        ("[space]\nsmallest_potential = 0.0", at(4, 22), "space.smallest_potential", "0"),
        ("[space]\nactivity_scale = inf", at(4, 18), "space.activity_scale", "inf"),
        (
            "[space]\ncontacts_per_activation = 101",
            at(4, 27),
            "space.contacts_per_activation",
            "101",
        ),
        // A default that no longer fits points to its section, or to the first line.
        ("[space]\n[population]\npeople = 1", at(5, 10), "population.people", "1"),
        ("[space]\nfile = \"\"", at(4, 8), "space.file", ""),
        ("[supervision]\nperiod_ticks = 0", at(4, 16), "supervision.period_ticks", "0"),
        ("[limits]\noutputs_per_step = 0", at(4, 20), "limits.outputs_per_step", "0"),
        ("[limits]\nmessages_per_tick = 65537", at(4, 21), "limits.messages_per_tick", "65537"),
        ("[limits]\nlog_bytes_per_lease = 0", at(4, 23), "limits.log_bytes_per_lease", "0"),
        ("[[authority.change]]\ntick = 1\nrevoke = \"\"", at(5, 10), "authority.change.revoke", ""),
        // Never suspended; suspended later; resumed twice; suspended under another name.
        (
            "[[authority.change]]\ntick = 1\nresume = \"a\"",
            at(5, 10),
            "authority.change.resume",
            "a",
        ),
        (
            "[authority]\nchange = [{ tick = 3, suspend = \"a\" }, { tick = 2, resume = \"a\" }]",
            at(4, 61),
            "authority.change.resume",
            "a",
        ),
        (
            "[authority]\nchange = [{ tick = 1, suspend = \"a\" }, { tick = 1, resume = \"a\" }, { tick = 9, resume = \"a\" }]",
            at(4, 61),
            "authority.change.resume",
            "a",
        ),
        (
            "[authority]\nchange = [{ tick = 1, suspend = \"a\" }, { tick = 2, resume = \"b\" }]",
            at(4, 61),
            "authority.change.resume",
            "b",
        ),
        ("[chaos]\nprobability = 1.0", at(4, 15), "chaos.probability", "1"),
        ("[chaos]\nprobability = -0.1", at(4, 15), "chaos.probability", "-0.1"),
        ("[chaos]\nprobability = nan", at(4, 15), "chaos.probability", "NaN"),
        ("source = \"\"", at(3, 10), "model.source", ""),
        (
            "[authority]\nexpires = [{ agent = \"a\", tick = 1 }, { agent = \"\", tick = 2 }]",
            at(4, 49),
            "authority.expires.agent",
            "",
        ),
    ];
    for (text, place, key, value) in cases {
        match broken(&format!("{MODEL}{text}")) {
            ScenarioError::OutOfRange {
                place: found, key: found_key, value: found_value, ..
            } => {
                let found = (found, found_key.as_ref(), found_value.as_str());
                assert_eq!(found, (place, key, value), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn values_of_the_wrong_type() {
    // Text after the model, place, key.
    let cases = [
        ("[population]\npeople = \"many\"", at(4, 10), "population.people"),
        ("[population]\npeople = -5", at(4, 10), "population.people"),
        ("[population]\npeople = 2.5", at(4, 10), "population.people"),
        ("[population]\npeople = 5_000_000_000", at(4, 10), "population.people"),
        ("[space]\nexponent = true", at(4, 12), "space.exponent"),
        ("[space]\ngenerator = 7", at(4, 13), "space.generator"),
        ("source = 17", at(3, 10), "model.source"),
        ("[authority]\nexpires = [{ agent = 7, tick = 1 }]", at(4, 22), "authority.expires.agent"),
        ("[authority]\nexpires = [{ agent = \"a\" }]", at(4, 12), "authority.expires"),
        ("[authority]\nexpires = 7", at(4, 11), "authority.expires"),
        ("[authority]\nchange = [{ tick = 1 }]", at(4, 10), "authority.change"),
        (
            "[authority]\nchange = [{ tick = 1, suspend = \"a\", revoke = \"b\" }]",
            at(4, 10),
            "authority.change",
        ),
        ("[authority]\nchange = [{ revoke = \"a\" }]", at(4, 11), "authority.change"),
        ("[[authority.change]]\ntick = -1\nrevoke = \"a\"", at(4, 8), "authority.change.tick"),
        ("[limits]\nlog_bytes_per_lease = -1", at(4, 23), "limits.log_bytes_per_lease"),
        ("[[limits]]\noutputs_per_step = 1\n[[limits]]", at(3, 1), "limits"),
    ];
    for (text, place, key) in cases {
        match broken(&format!("{MODEL}{text}")) {
            ScenarioError::WrongType { place: found, key: found_key, message } => {
                assert_eq!((found, found_key.as_str()), (place, key), "{text}: {message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn other_refusals() {
    let name = |line, column, key, name: &str, suggestion, known| ScenarioError::UnknownName {
        place: at(line, column),
        key,
        name: name.to_owned(),
        suggestion,
        known,
    };
    let conflict = |place, key: &str| ScenarioError::Conflict { place, key: key.to_owned() };
    let cases = [
        (
            "[model]\nname = \"rumor\"".to_owned(),
            name(2, 8, "model.name", "rumor", Some("rumour"), &["rumour"]),
        ),
        (
            "[model]\nname = \"chess\"".to_owned(),
            name(2, 8, "model.name", "chess", None, &["rumour"]),
        ),
        (
            format!("{MODEL}[space]\ngenerator = \"activity_driven\""),
            name(
                4,
                13,
                "space.generator",
                "activity_driven",
                Some("activity-driven"),
                &["activity-driven"],
            ),
        ),
        (
            format!("{MODEL}[space]\nexponent = 2.5\nfile = \"a.txt\""),
            conflict(at(4, 1), "space.exponent"),
        ),
        (
            format!("{MODEL}[space]\nfile = \"a.txt\"\ngenerator = \"activity-driven\""),
            conflict(at(5, 1), "space.generator"),
        ),
        (
            format!("{MODEL}[population]\npeople = 7\n[space]\nfile = \"a.txt\""),
            conflict(at(4, 1), "population.people"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(broken(&text), expected, "{text}");
    }
    for text in ["", "seed = 1\n"] {
        match broken(text) {
            ScenarioError::Missing { place, key: "model", .. } => assert_eq!(place, at(1, 1)),
            other => panic!("{text}: {other:?}"),
        }
    }
    match broken("seed = 1\n[model]\nsource = \"a\"") {
        ScenarioError::Missing { place, key: "model.name", .. } => assert_eq!(place, at(2, 2)),
        other => panic!("{other:?}"),
    }
    let size_bytes = MAX_SCENARIO_BYTES + 1;
    assert_eq!(broken(&"#".repeat(size_bytes)), ScenarioError::TooLong { size_bytes });
}

#[test]
fn broken_toml() {
    for (text, place) in [
        ("[model]\nname = ", at(2, 8)),
        ("[model]\nname = \"rumour\"\nname = \"rumour\"", at(3, 1)),
        ("[model\nname = \"rumour\"", at(1, 7)),
        ("seed = 1\n\u{e9} = 2", at(2, 1)),
    ] {
        match broken(text) {
            ScenarioError::Syntax { place: found, .. } => assert_eq!(found, place, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn messages() {
    let cases = [
        (
            "[model]\nname = \"rumour\"\n\n# who\n[population]\n\n  poeple = 7",
            "line 7, column 3: unknown key \"poeple\" in [population]; did you mean \"people\"?",
        ),
        (
            "[model]\nname = \"rumor\"",
            "line 2, column 8: model.name \"rumor\" does not exist; did you mean \"rumour\"?",
        ),
        (
            "[model]\nname = \"chess\"",
            "line 2, column 8: model.name \"chess\" does not exist; there is \"rumour\"",
        ),
        (
            "[model]\nname = \"rumour\"\n[population]\npeople = 1",
            "line 4, column 10: population.people is 1; allowed is 2 to 10,000,000",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(broken(text).to_string(), expected);
    }
}

#[test]
fn defaults_are_the_values_of_the_example() {
    for name in BUILTIN_NAMES {
        let mut example = Scenario::parse(builtin(name).unwrap()).unwrap();
        assert_eq!(example.authority.expires.len(), 1);
        example.authority = Authority::default();
        assert_eq!(example.model.source.take().as_deref(), Some("2828"));
        assert_eq!(Scenario::parse(MODEL).unwrap(), example);
    }
    assert_eq!(builtin("chess"), None);
}

#[test]
fn a_file_takes_the_place_of_the_generator() {
    let scenario = Scenario::parse(&format!("{MODEL}[space]\nfile = \"a/b.txt\"")).unwrap();
    assert_eq!(scenario.space, Space::File("a/b.txt".to_owned()));
    assert_eq!(Scenario::parse(&scenario.to_toml()), Ok(scenario));
    // Also when the file replaced a generator after parsing.
    let mut replaced = Scenario::parse(builtin("rumour").unwrap()).unwrap();
    replaced.space = Space::File("b.txt".to_owned());
    assert_eq!(Scenario::parse(&replaced.to_toml()), Ok(replaced));
}

#[test]
fn a_seed_beyond_toml_is_refused() {
    let mut scenario = Scenario::parse(MODEL).unwrap();
    scenario.seed = u64::MAX;
    let refused = scenario.check().unwrap_err();
    assert_eq!(refused.key, "seed");
    // It can be written all the same, and is refused when it is read.
    match broken(&scenario.to_toml()) {
        ScenarioError::OutOfRange { key, place, .. } => {
            assert_eq!((key.as_ref(), place), ("seed", at(1, 8)));
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn a_scenario_survives_toml(
        seed in 0..=i64::MAX as u64,
        source in prop::option::of("[^\u{0}]{1,20}"),
        people in 2u32..=10_000_000,
        contacts in 1u32..=100_000_000,
        shape in (1.01f64..=10.0, 1e-6f64..=1.0, 1e-3f64..=1.0),
        file in prop::option::of("[^\u{0}]{1,30}"),
        expires in prop::collection::vec(("\\PC{1,20}", 0..=i64::MAX as u64), 0..4),
        changes in prop::collection::vec((0..=i64::MAX as u64, "\\PC{1,20}", any::<bool>()), 0..4),
        numbers in (any::<u32>(), 1u32..=1_000_000, 1u32..=1024, 1u32..=65_536, 1..=i64::MAX as u64),
        probability in 0.0f64..1.0,
    ) {
        let mut scenario = Scenario::parse(MODEL).unwrap();
        scenario.seed = seed;
        scenario.model.source = source;
        scenario.space = match file {
            Some(file) => Space::File(file),
            None => {
                scenario.population.people = people;
                Space::ActivityDriven(ActivityDriven {
                    contacts,
                    contacts_per_activation: 1,
                    exponent: shape.0,
                    smallest_potential: shape.1,
                    activity_scale: shape.2,
                })
            }
        };
        let expiry = |(agent, tick)| Expiry { agent, tick };
        scenario.authority.expires = expires.into_iter().map(expiry).collect();
        for (tick, whose, revoke) in changes {
            let verb = if revoke { Verb::Revoke } else { Verb::Suspend };
            scenario.authority.change.push(Change { tick, verb, whose: whose.clone() });
            if !revoke {
                scenario.authority.change.push(Change { tick, verb: Verb::Resume, whose });
            }
        }
        scenario.supervision = Supervision { intensity: numbers.0, period_ticks: numbers.1 };
        scenario.limits = Limits {
            outputs_per_step: numbers.2,
            messages_per_tick: numbers.3,
            log_bytes_per_lease: numbers.4,
        };
        scenario.chaos.probability = probability;
        let text = scenario.to_toml();
        prop_assert_eq!(Scenario::parse(&text), Ok(scenario), "{}", text);
    }

    #[test]
    fn mutilated_scenarios_never_panic(
        cut in any::<prop::sample::Index>(),
        piece in prop::sample::select(vec!["", "\"", "[", "]", "= 1", "\n", "é", "{", ".", "nan", "#"]),
        drop in 0usize..20,
    ) {
        let text: Vec<char> = builtin("rumour").unwrap().chars().collect();
        let at = cut.index(text.len());
        let rest = text.iter().skip(at + drop);
        let broken: String = text[..at].iter().copied().chain(piece.chars()).chain(rest.copied()).collect();
        let _ = Scenario::parse(&broken);
    }
}

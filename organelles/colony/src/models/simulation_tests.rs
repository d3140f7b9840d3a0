//! Scenarios of models: read, changed, refused.

use super::*;
use crate::models::schelling;

fn words(text: &str) -> String {
    Simulation::parse(text).unwrap_err().to_string()
}

#[test]
fn each_model_is_built_in_with_its_defaults() {
    for known in MODELS {
        let text = builtin(known.name).unwrap();
        let simulation = Simulation::parse(&text).unwrap();
        assert_eq!(simulation.name(), known.name);
        assert_eq!(simulation.measures(), known.measures);
        assert_eq!(simulation.to_toml(), text, "all of it is written");
        let run = simulation.build().unwrap();
        // What is recorded makes the same run again.
        let origin = Run::origin_of(&format!("made_from = {text:?}\n")).unwrap();
        let again = Simulation::parse(&origin).unwrap().build().unwrap();
        assert_eq!(again.digest(), run.digest());
        assert!(Simulation::is_of(&text));
    }
    assert_eq!(builtin("rumour"), None);
    assert!(!Simulation::is_of("[model]\nname = \"rumour\""));
}

#[test]
fn what_is_left_out_is_as_the_model_has_it() {
    let simulation = Simulation::parse("[model]\nname = \"schelling\"\nneed = 4").unwrap();
    let parameters = schelling::Parameters { need: 4, ..Default::default() };
    assert_eq!(simulation.build().unwrap().digest(), {
        let mut run = parameters.build(1);
        run.intensity(50_000, 10).made_from(&simulation.to_toml());
        run.digest()
    });
    // A whole number where any may stand.
    let simulation = Simulation::parse("[model]\nname = \"flocking\"\nspeed = 2").unwrap();
    assert!(simulation.to_toml().contains("speed = 2.0"), "{}", simulation.to_toml());
}

#[test]
fn values_are_changed_one_by_one() {
    let simulation = Simulation::parse("[model]\nname = \"schelling\"").unwrap();
    let change = |key: &str, value: &str| Change { key: key.into(), value: value.into() };
    let changed = simulation
        .with(&[change("need", "5"), change("chaos.probability", "0.1"), change("seed", "9")])
        .unwrap();
    assert_eq!((changed.seed, changed.chaos.probability), (9, 0.1));
    assert!(changed.to_toml().contains("need = 5"));
    assert_ne!(changed.build().unwrap().digest(), simulation.build().unwrap().digest());
    for (key, value, expected) in [
        ("nead", "5", "unknown key \"nead\" in [model]; did you mean \"need\"?"),
        ("need", "high", "model.need: "),
        ("need", "-1", "model.need: "),
        ("steps", "0", "model.steps is 0; allowed is 1 to 100,000"),
        ("chaos.probability", "1", "chaos.probability is 1; allowed is 0 to below 1"),
        ("caos.probability", "1", "unknown key \"caos\" at the top level; did you mean \"chaos\"?"),
        ("name", "shelling", "model.name \"shelling\" does not exist; did you mean \"schelling\"?"),
    ] {
        let error = simulation.with(&[change(key, value)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{key}={value}: {error}");
    }
}

/// Each broken text, and what is said of it.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let named = "[model]\nname = \"schelling\"\n";
    let cases = [
        ("[model", "line 1, column 7: "),
        (
            "seed = 1",
            "line 1, column 1: model.name is missing; write for example name = \"schelling\"",
        ),
        (
            "[model]\nneed = 3",
            "line 1, column 2: model.name is missing; write for example name = \"schelling\"",
        ),
        (
            "[model]\nname = \"moron\"",
            "line 2, column 8: model.name \"moron\" does not exist; did you mean \"moran\"?",
        ),
        ("[model]\nname = 5", "line 2, column 8: model.name \"\" does not exist; there is "),
        (
            &format!("{named}nead = 3"),
            "line 3, column 1: unknown key \"nead\" in [model]; did you mean \"need\"?",
        ),
        (&format!("{named}colour = 3"), "line 3, column 1: unknown key \"colour\" in [model]"),
        (&format!("{named}need = \"three\""), "line 3, column 8: model.need: "),
        (&format!("{named}need = -1"), "line 3, column 8: model.need: "),
        (&format!("{named}need = 2.5"), "line 3, column 8: model.need: "),
        (&format!("{named}side = 1"), "line 3, column 8: model.side is 1; allowed is 2 to 4,096"),
        (
            &format!("{named}agents = 0"),
            "line 3, column 10: model.agents is 0; allowed is 1 to one less than there are cells",
        ),
        (
            &format!("{named}agents = 1600"),
            "line 3, column 10: model.agents is 1600; allowed is 1 to one less than there are cells",
        ),
        (&format!("{named}radius = 0"), "line 3, column 10: model.radius is 0; allowed is 1 to 64"),
        (
            &format!("{named}steps = 0"),
            "line 3, column 9: model.steps is 0; allowed is 1 to 100,000",
        ),
        (
            &format!("{named}[chaos]\nprobability = 1.0"),
            "line 4, column 15: chaos.probability is 1; allowed is 0 to below 1",
        ),
        (
            &format!("{named}[chaos]\nprobability = \"often\""),
            "line 4, column 15: chaos.probability: ",
        ),
        (
            &format!("{named}[chaos]\nprobabilty = 0.1"),
            "line 4, column 1: unknown key \"probabilty\" in [chaos]; did you mean \"probability\"?",
        ),
        (
            &format!("{named}[supervision]\nperiod_ticks = 0"),
            "line 4, column 16: supervision.period_ticks is 0; allowed is 1 to 1,000,000",
        ),
        (
            &format!("{named}[supervision]\nintensity = -1"),
            "line 4, column 13: supervision.intensity: ",
        ),
        (&format!("seed = -1\n{named}"), "line 1, column 8: seed: "),
        (&format!("seed = \"one\"\n{named}"), "line 1, column 8: seed: "),
        (
            &format!("sead = 1\n{named}"),
            "line 1, column 1: unknown key \"sead\" at the top level; did you mean \"seed\"?",
        ),
        (
            &format!("{named}[guardian]\nprocess = 1"),
            "line 4, column 1: unknown key \"process\" in [guardian]; did you mean \"processes\"?",
        ),
        (&format!("{named}need = 3\nneed = 4"), "line 4, column 1: "),
        (
            "[model]\nname = \"sir\"\ninfection = 1.5",
            "line 3, column 13: model.infection is 1.5; allowed is 0 to 1",
        ),
        (
            "[model]\nname = \"sir\"\ncases = 20000",
            "line 3, column 9: model.cases is 20000; allowed is 0 to the number of people",
        ),
        (
            "[model]\nname = \"sir-events\"\nreproduction = 0.0",
            "line 3, column 16: model.reproduction is 0; allowed is 0.000000001 to 1,000,000,000",
        ),
        (
            "[model]\nname = \"moran\"\nfitness = nan",
            "line 3, column 11: model.fitness is NaN; allowed is ",
        ),
        (
            "[model]\nname = \"moran\"\nmutants = 101",
            "line 3, column 11: model.mutants is 101; allowed is 0 to the number of individuals",
        ),
        (
            "[model]\nname = \"forest-fire\"\ndensity = 2.0",
            "line 3, column 11: model.density is 2; allowed is 0 to 1",
        ),
        (
            "[model]\nname = \"flocking\"\nvision = 0.0001\nseparation = 0.0",
            "line 3, column 10: model.vision is 0.0001; allowed is a length of which ",
        ),
        (
            "[model]\nname = \"flocking\"\nbirds = 1000000\nsteps = 100000",
            "line 4, column 9: model.steps is 100000; allowed is so many that ",
        ),
        (
            "[model]\nname = \"wealth\"\nagents = 1",
            "line 3, column 10: model.agents is 1; allowed is 2 to 10,000,000",
        ),
        (
            "[model]\nname = \"wolf-sheep\"\nsheep_gain = 0",
            "line 3, column 14: model.sheep_gain is 0; allowed is 1 to 1,000,000",
        ),
    ];
    assert!(cases.len() >= 30);
    for (text, expected) in cases {
        let error = words(text);
        assert!(error.starts_with(expected), "{text}\n{error}\nnot {expected}");
    }
    let long = " ".repeat(MAX_SCENARIO_BYTES + 1);
    assert!(matches!(Simulation::parse(&long), Err(ScenarioError::TooLong { .. })));
}

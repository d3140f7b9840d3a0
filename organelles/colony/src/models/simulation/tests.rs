//! Scenarios of models: read, changed, refused.

use super::*;
use crate::models::{gossip, schelling};

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
    let text = "[model]\nname = \"schelling\"\nneed = 4";
    let simulation = Simulation::parse(text).unwrap();
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
    // In whatever section it is, and with it.
    for key in ["side", "space.side"] {
        let changed = simulation.with(&[change(key, "50")]).unwrap();
        assert!(changed.to_toml().contains("[space]\nside = 50\n"), "{}", changed.to_toml());
    }
    for (key, value, expected) in [
        ("nead", "5", "unknown key \"nead\"; did you mean \"need\"?"),
        ("need", "high", "model.need: expected a whole number, found \"high\""),
        ("need", "-1", "model.need is -1; allowed is 0 to 16,640"),
        ("steps", "0", "schedule.steps is 0; allowed is 1 to 100,000"),
        ("chaos.probability", "1", "chaos.probability is 1; allowed is 0 to below 1"),
        ("caos.probability", "1", "\"probability\" stands in [chaos]"),
        ("space.sides", "1", "unknown key \"space.sides\"; did you mean \"space.side\"?"),
        ("model.side", "9", "\"side\" stands in [space]"),
        ("name", "shelling", "model.name \"shelling\" does not exist; did you mean \"schelling\"?"),
        ("sweep", "1", "unknown key \"sweep\"; did you mean \"seed\"?"),
    ] {
        let error = simulation.with(&[change(key, value)]).unwrap_err();
        assert!(error.to_string().starts_with("line "), "{error}");
        assert_eq!(error.words(), expected, "{key}={value}");
    }
    let sir = Simulation::parse("[model]\nname = \"sir\"").unwrap();
    let error = sir.with(&[change("probability", "0.1")]).unwrap_err().words();
    let several = "\"probability\" is a key of several sections: write chaos.probability or \
                   space.probability";
    assert_eq!(error, several);
}

#[test]
fn another_network_has_other_keys() {
    let sir = Simulation::parse("[model]\nname = \"sir\"\n[space]\ndegree = 4").unwrap();
    let change = |key: &str, value: &str| Change { key: key.into(), value: value.into() };
    let scale_free = sir.with(&[change("network", "barabasi-albert"), change("links", "3")]);
    let text = scale_free.unwrap().to_toml();
    assert!(text.contains("[space]\nlinks = 3\nnetwork = \"barabasi-albert\"\n"), "{text}");
    for (network, key) in [
        ("watts-strogatz", "degree"),
        ("erdos-renyi", "probability"),
        ("barabasi-albert", "links"),
        ("configuration", "degrees"),
        ("complete", "network"),
        ("edges", "edges"),
    ] {
        for model in ["gossip", "maki-thompson", "sir"] {
            let text = format!("[model]\nname = \"{model}\"\n[space]\nnetwork = \"{network}\"");
            let simulation = Simulation::parse(&text).unwrap();
            let space = simulation.section("space").unwrap();
            assert!(space.contains_key(key), "{model}: {space}");
            let small = if model == "gossip" { "nodes" } else { "people" };
            let few = simulation.with(&[change(small, "60"), change("seed", "3")]).unwrap();
            let outcome = few.build().unwrap().test().unwrap();
            assert!(outcome.counts.steps > 0, "{model} on {network}");
        }
    }
}

#[test]
fn each_key_stands_in_one_section_and_has_a_default_in_its_range() {
    for known in MODELS {
        let parameters = (known.parameters)();
        let mut names: Vec<_> = parameters.iter().map(|key| key.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{}: {names:?}", known.name);
        for key in known.keys() {
            assert!(
                OF_MODELS.contains(&key.section)
                    || !parameters.iter().any(|own| own.key() == key.key())
            );
            assert!(key.meaning.ends_with('.') && key.meaning.len() > 4, "{}", key.key());
            if let Some(default) = &key.default {
                assert!(key.check_range(default).is_ok(), "{}: {default}", key.key());
            }
        }
    }
}

/// What ends a run early, and how often it is measured.
#[test]
fn a_run_ends_at_the_first_tick_whose_measure_holds() {
    let until = |conditions: &str, every: u32| {
        let text = format!(
            "[model]\nname = \"wealth\"\n[population]\nagents = 30\n[schedule]\ntime = 40\n\
             until = [{conditions}]\n[collect]\nevery = {every}"
        );
        let run = Simulation::parse(&text).unwrap().build().unwrap();
        (run.digest(), run.test().unwrap().series.rows)
    };
    let (digest, whole) = until("", 1);
    let (other, cut) = until("\"richest >= 6\"", 1);
    assert_ne!(digest, other, "it is part of what is signed");
    let at = whole.iter().position(|(_, row)| row[0] >= 6.0).unwrap();
    assert!(at > 1 && at + 1 < whole.len(), "{at} of {}", whole.len());
    assert_eq!(cut, whole[..=at]);
    // Any of several; and it is looked at as often, however few rows are kept.
    assert_eq!(until("\"richest >= 6\", \"gini > 2\"", 1).1, cut);
    let (_, few) = until("\"richest >= 6\"", 7);
    let kept = cut[..at].iter().filter(|(tick, _)| tick % (7 << 20) == 0 || *tick == 0);
    let kept: Vec<_> = kept.chain([&cut[at]]).cloned().collect();
    assert_eq!(few, kept);
    // Without a condition only what is kept is measured.
    let (_, few) = until("", 7);
    assert!(few.len() < whole.len() / 5, "{} of {}", few.len(), whole.len());
    assert!(few.iter().all(|row| whole.contains(row)));
}

#[test]
fn bounds_are_the_scenarios_where_it_has_some() {
    let text = "[model]\nname = \"gossip\"\n[limits]\nmessages_per_tick = 2";
    let run = Simulation::parse(text).unwrap().build().unwrap();
    let own = gossip::Parameters::default().build(1).bounds();
    assert_eq!(run.bounds(), karyon::Limits { messages_per_tick: 2, ..own });
    assert!(own.messages_per_tick > 2);
}

#[test]
fn authority_ends_and_changes_by_name() {
    let ends = |authority: &str| {
        let text = format!(
            "[model]\nname = \"wealth\"\n[population]\nagents = 10\n[schedule]\ntime = 10\n{authority}"
        );
        let simulation = Simulation::parse(&text).unwrap();
        assert_eq!(Simulation::parse(&simulation.to_toml()).unwrap(), simulation);
        let run = simulation.build().unwrap();
        (simulation.stranger(&run).map(str::to_owned), run.test().map(|outcome| outcome.counts))
    };
    assert_eq!(ends("").1.unwrap().denied, 0);
    let denied = |authority: &str| {
        let (stranger, counts) = ends(authority);
        assert_eq!(stranger, None);
        counts.unwrap().denied
    };
    let tick = 1 << 20;
    let expired =
        denied(&format!("[authority]\nexpires = [{{ agent = \"trader 3\", tick = {tick} }}]"));
    let change = |tick: u64, verb: &str| {
        format!("[[authority.change]]\ntick = {tick}\n{verb} = \"trader 3\"\n")
    };
    let revoked = denied(&change(tick, "revoke"));
    let a_while = denied(&(change(tick, "suspend") + &change(4 * tick, "resume")));
    assert!(expired > 0 && expired == revoked, "{expired}, {revoked}");
    assert!(a_while > 0, "{a_while}");
    let (stranger, counts) = ends(&change(5, "revoke").replace("trader", "traitor"));
    assert_eq!(stranger.as_deref(), Some("traitor 3"));
    assert!(counts.is_err());
}

#[test]
fn a_sweep_is_every_combination_in_the_order_written() {
    let text = "[model]\nname = \"schelling\"\n[sweep]\nseeds = \"5..=6\"\nneed = [2, 3]\n\
                space.side = [40, 50]\nradius = [1]";
    let simulation = Simulation::parse(text).unwrap();
    let sweep = simulation.sweep.clone().unwrap();
    assert_eq!(sweep.keys, ["model.need", "space.side", "model.radius", "seed"]);
    let values = |point: &Vec<Change>| {
        point.iter().map(|change| change.value.clone()).collect::<Vec<_>>().join(" ")
    };
    let points: Vec<_> = sweep.points.iter().map(values).collect();
    let all = [
        "2 40 1 5", "2 40 1 6", "2 50 1 5", "2 50 1 6", "3 40 1 5", "3 40 1 6", "3 50 1 5",
        "3 50 1 6",
    ];
    assert_eq!(points, all);
    for point in &sweep.points {
        let one = simulation.with(point).unwrap();
        assert!(!one.to_toml().contains("sweep"));
        assert_eq!(one.seed.to_string(), point[3].value);
    }
    // What a run is made from says nothing of it.
    let alone = Simulation::parse("[model]\nname = \"schelling\"").unwrap();
    assert_eq!(alone.to_toml(), simulation.to_toml());
    assert_eq!(alone.build().unwrap().digest(), simulation.build().unwrap().digest());
    let swept = |text: &str| Simulation::parse(&format!("[model]\nname = \"sir\"\n{text}"));
    assert_eq!(swept("[sweep]").unwrap().sweep, None);
    let networks = "[sweep]\nnetwork = [\"complete\", \"erdos-renyi\"]\npeople = [100]";
    let networks = swept(networks).unwrap();
    for point in networks.sweep.clone().unwrap().points {
        assert!(networks.with(&point).unwrap().build().is_ok());
    }
    assert_eq!(
        swept("[sweep]\nseeds = \"1..=100000\"").unwrap().sweep.unwrap().points.len(),
        100_000
    );
}

#[test]
fn changes_are_kept_with_what_a_run_is_made_from() {
    let text =
        "[model]\nname = \"schelling\"\n[[changes]]\nat = 15\nset = { need = 4, model.radius = 2 }";
    let simulation = Simulation::parse(text).unwrap();
    let [later] = simulation.changes.as_slice() else { panic!("{:?}", simulation.changes) };
    assert_eq!(later.at, 15);
    let changes = later.changes();
    let shown: Vec<_> = changes.iter().map(|c| format!("{}={}", c.key, c.value)).collect();
    assert_eq!(shown, ["model.radius=2", "need=4"]);
    assert_eq!(Simulation::parse(&simulation.to_toml()).unwrap(), simulation);
    let alone = Simulation::parse("[model]\nname = \"schelling\"").unwrap();
    assert_ne!(alone.build().unwrap().digest(), simulation.build().unwrap().digest());
}

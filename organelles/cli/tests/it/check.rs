//! `karyon check`: a scenario before it is run, and the schema of all.

use crate::support::*;

#[test]
fn the_schema_that_is_kept_is_the_one_that_is_made() {
    let made = Place::new().karyon(&["check", "--schema"]).expect(0).out;
    let kept = include_str!("../../../../docs/scenario.schema.json");
    assert!(made == kept, "write it anew: karyon check --schema > docs/scenario.schema.json");
}

#[test]
fn each_builtin_scenario_can_be_run() {
    let place = Place::new();
    for (name, agents, activations) in [
        ("schelling", 1_000, Some(20_000)),
        ("flocking", 200, Some(20_000)),
        // The clock among them.
        ("wolf-sheep", 101, None),
        ("sir", 10_000, None),
    ] {
        let answer = place.karyon(&["check", name, "--json"]).expect(0).json();
        assert_eq!((&answer["model"], &answer["agents"]), (&name.into(), &agents.into()));
        assert_eq!(answer["activations_at_most"].as_u64(), activations, "{name}");
        assert!(answer["sweep"].is_null() && answer["changes"] == 0, "{answer}");
    }
    let rumour = place.karyon(&["check", "rumour", "--json"]).expect(0).json();
    assert_eq!((&rumour["model"], &rumour["agents"]), (&"rumour".into(), &10_000.into()));
    let made: Vec<_> = std::fs::read_dir(place.path("")).unwrap().collect();
    assert!(made.is_empty(), "nothing is made: {made:?}");
}

#[test]
fn what_a_scenario_holds_is_shown() {
    let place = Place::new();
    let text = "[model]\nname = \"schelling\"\n[sweep]\nneed = [3, 4]\nseeds = \"1..=10\"\n\
                [[changes]]\nat = 5\nset = { need = 5 }\n";
    place.write("mine.toml", text);
    let told = place.karyon(&["check", "mine.toml"]).expect(0).out;
    let expected = "mine: it can be run\n\
                    model        schelling, two groups that part, though nobody wants that\n\
                    agents       1,000\n\
                    activations  20,000 at most\n\
                    measures     happy, alike\n\
                    changes      1\n\
                    sweep        20 points of model.need, seed\n";
    assert_eq!(told, expected);
    let answer = place.karyon(&["check", "mine.toml", "--json"]).expect(0).json();
    assert_eq!(answer["sweep"]["points"], 20);
    assert_eq!(answer["sweep"]["keys"], serde_json::json!(["model.need", "seed"]));
    // Contacts lie beside the scenario; and a rumour steps no more often than is said.
    std::fs::create_dir(place.path("sub")).unwrap();
    place.write("sub/c.txt", "a b 1\nb c 2\nc a 3\n");
    place.write("sub/r.toml", "[model]\nname = \"rumour\"\n[space]\nfile = \"c.txt\"\n");
    let answer = place.karyon(&["check", "sub/r.toml", "--json"]).expect(0).json();
    assert_eq!((&answer["agents"], &answer["activations_at_most"]), (&3.into(), &9.into()));
    let ran = place.karyon(&["run", "sub/r.toml", "--data", "d", "--json"]).expect(0).json();
    assert!(ran["steps"].as_u64().is_none_or(|steps| steps <= 9), "{ran}");
}

#[test]
fn what_cannot_be_run_is_told_as_a_run_tells_it() {
    let place = Place::new();
    let cases = [
        (
            "[model]\nname = \"schelling\"\nside = 9\n",
            "line 3, column 1: \"side\" stands in [space]",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"complete\"\ndegree = 4\n",
            "line 5, column 1: \"degree\" is a key of the network \"watts-strogatz\"",
        ),
        (
            "[model]\nname = \"rumour\"\nneed = 3\n",
            "line 3, column 1: unknown key \"need\" in [model]",
        ),
        ("[model]\nname = \"moran\"\n[guardian]\nprocesses = 99999999\n", "guardian.processes"),
        ("[model]\nname = \"rumour\"\n[space]\nfile = \"none.txt\"\n", "none.txt cannot be read"),
        (
            "[model]\nname = \"moran\"\n[[authority.change]]\ntick = 1\nrevoke = \"x\"\n",
            "[authority] names \"x\", and there is no such agent\n  hint: there are 100 when the run begins; the first is \"individual 1\"",
        ),
        ("[model]\nname = \"moran\"\n[sweep]\nfitnes = [1]\n", "did you mean \"fitness\"?"),
    ];
    for (text, words) in cases {
        place.write("bad.toml", text);
        let checked = place.karyon(&["check", "bad.toml"]).expect(1).says(&[words]);
        let ran = place.karyon(&["run", "bad.toml", "--data", "d"]).expect(1);
        assert_eq!(checked.err, ran.err, "{text}");
    }
    let refused = place.karyon(&["check", "bad.toml", "--json"]).expect(1).json();
    assert!(refused["error"].as_str().unwrap().contains("line 4, column 1"), "{refused}");
    place.karyon(&["check", "shelling"]).expect(1).says(&["did you mean", "schelling"]);
    place.karyon(&["check"]).expect(2);
    place.karyon(&["check", "sir", "--schema"]).expect(2);
    assert!(!place.path("d").exists());
}

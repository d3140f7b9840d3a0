//! Scenarios that are none, and what is said of each.

use super::*;

fn words(text: &str) -> String {
    Simulation::parse(text).unwrap_err().to_string()
}

/// A scenario of the model schelling; what follows begins in line 3.
fn named(text: &str) -> String {
    format!("[model]\nname = \"schelling\"\n{text}")
}

/// Each broken text, and what is said of it: all of it, but for what the TOML parser or a long list of
/// names says.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let exact = [
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
        (
            &named("nead = 3"),
            "line 3, column 1: unknown key \"nead\" in [model]; did you mean \"need\"?",
        ),
        (&named("colour = 3"), "line 3, column 1: unknown key \"colour\" in [model]"),
        (&named("side = 9"), "line 3, column 1: \"side\" stands in [space]"),
        (&named("steps = 9"), "line 3, column 1: \"steps\" stands in [schedule]"),
        (&named("seed = 9"), "line 3, column 1: \"seed\" stands at the top level"),
        (&named("[space]\nagents = 9"), "line 4, column 1: \"agents\" stands in [population]"),
        (
            &named("[space]\nsides = 9"),
            "line 4, column 1: unknown key \"sides\" in [space]; did you mean \"side\"?",
        ),
        (
            &named("[space]\nnetwork = \"complete\""),
            "line 4, column 1: unknown key \"network\" in [space]",
        ),
        (&named("space = 4"), "line 3, column 1: unknown key \"space\" in [model]"),
        (&named("[[space]]\nside = 4"), "line 3, column 1: space: expected a section, [space]"),
        (
            &named("[spaces]\nside = 4"),
            "line 3, column 2: unknown key \"spaces\" at the top level; did you mean \"space\"?",
        ),
        (
            &named("need = \"three\""),
            "line 3, column 8: model.need: expected a whole number, found \"three\"",
        ),
        (&named("need = -1"), "line 3, column 8: model.need is -1; allowed is 0 to 16,640"),
        (&named("need = 2.5"), "line 3, column 8: model.need: expected a whole number, found 2.5"),
        (
            &named("need = [3]"),
            "line 3, column 8: model.need: expected a whole number, found a list",
        ),
        (
            &named("need = { at = 3 }"),
            "line 3, column 8: model.need: expected a whole number, found a section",
        ),
        (
            &named("need = 99999999999"),
            "line 3, column 8: model.need is 99999999999; allowed is 0 to 16,640",
        ),
        (&named("radius = 0"), "line 3, column 10: model.radius is 0; allowed is 1 to 64"),
        (&named("[space]\nside = 1"), "line 4, column 8: space.side is 1; allowed is 2 to 4,096"),
        (
            &named("[population]\nagents = 0"),
            "line 4, column 10: population.agents is 0; allowed is 1 to 16,777,215",
        ),
        (
            &named("[population]\nagents = 1600"),
            "line 4, column 10: population.agents is 1600; allowed is 1 to one less than there are cells",
        ),
        (
            &named("[space]\nside = 9"),
            "line 1, column 1: population.agents is 1000; allowed is 1 to one less than there are cells",
        ),
        (
            &named("[schedule]\nsteps = 0"),
            "line 4, column 9: schedule.steps is 0; allowed is 1 to 100,000",
        ),
        (
            &named("[schedule]\nuntil = \"happy > 1\""),
            "line 4, column 9: schedule.until: expected a list of texts, found \"happy > 1\"",
        ),
        (
            &named("[schedule]\nuntil = [\"happy > 0.9\", \"happy\"]"),
            "line 4, column 25: schedule.until: \"happy\" compares nothing; write for example \"happy < 1\"",
        ),
        (
            &named("[schedule]\nuntil = [\"hapy > 0.9\"]"),
            "line 4, column 10: schedule.until \"hapy\" does not exist; did you mean \"happy\"?",
        ),
        (
            &named("[schedule]\nuntil = [\"wolves < 1\"]"),
            "line 4, column 10: schedule.until \"wolves\" does not exist; there is \"happy\", \"alike\"",
        ),
        (
            &named("[collect]\nevery = 0"),
            "line 4, column 9: collect.every is 0; allowed is 1 to 1,000,000",
        ),
        (
            &named("[chaos]\nprobability = 1.0"),
            "line 4, column 15: chaos.probability is 1; allowed is 0 to below 1",
        ),
        (
            &named("[chaos]\nprobability = \"often\""),
            "line 4, column 15: chaos.probability: expected a number, found \"often\"",
        ),
        (
            &named("[chaos]\nprobabilty = 0.1"),
            "line 4, column 1: unknown key \"probabilty\" in [chaos]; did you mean \"probability\"?",
        ),
        (
            &named("[supervision]\nperiod_ticks = 0"),
            "line 4, column 16: supervision.period_ticks is 0; allowed is 1 to 1,000,000",
        ),
        (
            &named("[supervision]\nintensity = -1"),
            "line 4, column 13: supervision.intensity is -1; allowed is 0 to 4,294,967,295",
        ),
        (
            &named("[limits]\noutputs_per_step = 65537"),
            "line 4, column 20: limits.outputs_per_step is 65537; allowed is 1 to 65,536",
        ),
        (
            &named("[limits]\nmessages = 5"),
            "line 4, column 1: unknown key \"messages\" in [limits]",
        ),
        (
            &named("[guardian]\nprocess = 1"),
            "line 4, column 1: unknown key \"process\" in [guardian]; did you mean \"processes\"?",
        ),
        (
            &named("[guardian]\nprocesses = -1"),
            "line 4, column 13: guardian.processes is -1; allowed is 0 to 9,223,372,036,854,775,807",
        ),
        (
            &named("[sweep]\nnead = [1]"),
            "line 4, column 1: unknown key \"nead\"; did you mean \"need\"?",
        ),
        (&named("[sweep]\nneed = 1"), "line 4, column 8: sweep.need: expected a list of values"),
        (&named("[sweep]\nneed = []"), "line 4, column 8: sweep.need: expected a list of values"),
        (
            &named("[sweep]\nneed = [1, 99999]"),
            "line 4, column 12: model.need is 99999; allowed is 0 to 16,640",
        ),
        (
            &named("[sweep]\nneed = [1, \"2\"]"),
            "line 4, column 12: model.need: expected a whole number, found \"2\"",
        ),
        (
            &named("[sweep]\nseeds = \"1-3\""),
            "line 4, column 9: sweep.seeds: expected a list of seeds, or \"1..=10\" for 1 to 10",
        ),
        (
            &named("[sweep]\nseeds = \"3..=1\""),
            "line 4, column 9: sweep.seeds: expected a list of seeds, or \"1..=10\" for 1 to 10",
        ),
        (
            &named("[sweep]\nseeds = [1]\nseed = [2]"),
            "line 5, column 8: sweep.seed: seed stands in this sweep already",
        ),
        (
            &named("[sweep]\nneed = [1]\nmodel.need = [2]"),
            "line 5, column 14: sweep.model.need: model.need stands in this sweep already",
        ),
        (&named("[sweep]\nmodel.side = [9]"), "line 4, column 7: \"side\" stands in [space]"),
        (
            &named("[sweep]\nguardian.processes = [9]"),
            "line 4, column 22: sweep.guardian.processes: it is the same for all points of a sweep",
        ),
        (
            &named("[sweep]\nneed = [2, 3]\nside = [40, 9]"),
            "line 3, column 2: at model.need = 2, space.side = 9: population.agents is 1000; allowed is 1 to one less than there are cells",
        ),
        (
            &named("[sweep]\nneed = [2, 3]\nseeds = \"1..=50001\""),
            "line 3, column 1: sweep is 100002 points; allowed is at most 100,000 points",
        ),
        (
            &named("[[changes]]\nset = { need = 4 }"),
            "line 3, column 1: changes.at is missing; write for example at = 50",
        ),
        (
            &named("[[changes]]\nat = 5"),
            "line 3, column 1: changes.set is missing; write for example set = { need = 4 }",
        ),
        (
            &named("[[changes]]\nat = -5\nset = { need = 4 }"),
            "line 4, column 6: changes.at is -5; allowed is 0 to 9,223,372,036,854,775,807",
        ),
        (
            &named("[[changes]]\nat = 5\nset = 4"),
            "line 5, column 7: changes.0.set: expected keys with values, as { need = 4 }",
        ),
        (
            &named("[[changes]]\nat = 5\nto = { need = 4 }"),
            "line 5, column 1: unknown key \"to\" in [changes]",
        ),
        (
            &named("[[changes]]\nat = 5\nset = { nead = 4 }"),
            "line 5, column 9: unknown key \"nead\"; did you mean \"need\"?",
        ),
        (
            &named("[[changes]]\nat = 5\nset = { need = 99999 }"),
            "line 5, column 16: model.need is 99999; allowed is 0 to 16,640",
        ),
        (
            &named("[[changes]]\nat = 5\nset = { seed = 9 }"),
            "line 5, column 16: changes.0.set.seed: it cannot change while a run goes on; what can are the keys of the model in [model], [population], [space] and [schedule]",
        ),
        (
            &named("[[changes]]\nat = 5\nset = { side = 9 }"),
            "line 3, column 1: population.agents is 1000; allowed is 1 to one less than there are cells",
        ),
        (
            &named("[authority]\nexpire = []"),
            "line 4, column 1: authority: unknown field `expire`, expected `expires` or `change`",
        ),
        (
            &named("[[authority.change]]\ntick = 5"),
            "line 3, column 1: authority: say whom: write suspend, resume or revoke = \"NAME\"",
        ),
        (
            &named("[authority]\nexpires = [{ agent = \"\", tick = 5 }]"),
            "line 4, column 1: authority.expires.agent is ; allowed is 1 to 256 bytes",
        ),
        (
            &named("[authority]\nchange = [{ tick = 5, resume = \"a\" }]"),
            "line 4, column 1: authority.change.resume is a; allowed is a name that is suspended by then",
        ),
        (
            &named("[changes]\nat = 5"),
            "line 3, column 1: changes: expected [[changes]], each with at and set",
        ),
        (
            "seed = -1\n[model]\nname = \"moran\"",
            "line 1, column 8: seed is -1; allowed is 0 to 9,223,372,036,854,775,807",
        ),
        (
            "seed = \"one\"\n[model]\nname = \"moran\"",
            "line 1, column 8: seed: expected a whole number, found \"one\"",
        ),
        (
            "sead = 1\n[model]\nname = \"moran\"",
            "line 1, column 1: unknown key \"sead\" at the top level; did you mean \"seed\"?",
        ),
        (
            "mutants = 1\n[model]\nname = \"moran\"",
            "line 1, column 1: \"mutants\" stands in [population]",
        ),
        (
            "[model]\nname = \"sir\"\ninfection = 1.5",
            "line 3, column 13: model.infection is 1.5; allowed is 0 to 1",
        ),
        (
            "[model]\nname = \"sir\"\nprobability = 0.1",
            "line 3, column 1: \"probability\" is a key of several sections: write chaos.probability or space.probability",
        ),
        (
            "[model]\nname = \"sir\"\n[population]\ncases = 20000",
            "line 4, column 9: population.cases is 20000; allowed is 0 to the number of people",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"ring\"",
            "line 4, column 11: space.network is \"ring\"; allowed is \"watts-strogatz\", \"erdos-renyi\", \"barabasi-albert\", \"configuration\", \"complete\", \"edges\"",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"complete\"\ndegree = 4",
            "line 5, column 1: \"degree\" is a key of the network \"watts-strogatz\", and the network is \"complete\"",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nlinks = 4",
            "line 4, column 1: \"links\" is a key of the network \"barabasi-albert\", and the network is \"watts-strogatz\"",
        ),
        (
            "[model]\nname = \"gossip\"\n[space]\ndegree = 4",
            "line 4, column 1: \"degree\" is a key of the network \"watts-strogatz\", and the network is \"complete\"",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"configuration\"\ndegrees = [3, -1]",
            "line 5, column 11: space.degrees is [3, -1]; allowed is a list of 1 to 10,000 whole numbers, each 0 to 1,000",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"edges\"\nedges = \"1 2, 2 x, 3 4\"",
            "line 5, column 9: space.edges is \"2 x\"; allowed is pairs of numbers from 1 on, such as \"1 2, 2 3\"",
        ),
        (
            "[model]\nname = \"sir\"\n[population]\npeople = 12\n[space]\nnetwork = \"edges\"\nedges = \"1 2, 2 13\"",
            "line 7, column 9: space.edges is \"2 13\"; allowed is pairs of numbers from 1 to the number of agents",
        ),
        (
            "[model]\nname = \"sir\"\n[space]\nnetwork = \"complete\"\n[population]\npeople = 70000",
            "line 6, column 10: population.people is 70000; allowed is 1 to 65,000 where all know each other",
        ),
        (
            "[model]\nname = \"sir\"\n[sweep]\nnetwork = [\"complete\"]\ndegree = [4]",
            "line 3, column 2: at space.network = \"complete\", space.degree = 4: \"degree\" is a key of the network \"watts-strogatz\", and the network is \"complete\"",
        ),
        (
            "[model]\nname = \"sir-events\"\nreproduction = 0.0",
            "line 3, column 16: model.reproduction is 0; allowed is 0.000000001 to 1,000,000,000",
        ),
        (
            "[model]\nname = \"moran\"\nfitness = nan",
            "line 3, column 11: model.fitness is NaN; allowed is 0.000000001 to 1,000,000,000",
        ),
        (
            "[model]\nname = \"moran\"\n[population]\nmutants = 101",
            "line 4, column 11: population.mutants is 101; allowed is 0 to the number of individuals",
        ),
        (
            "[model]\nname = \"forest-fire\"\n[population]\ndensity = 2.0",
            "line 4, column 11: population.density is 2; allowed is 0 to 1",
        ),
        (
            "[model]\nname = \"flocking\"\nvision = 0.0001\nseparation = 0.0",
            "line 3, column 10: model.vision is 0.0001; allowed is a length of which no more than 4,096 fit into a side",
        ),
        (
            "[model]\nname = \"flocking\"\n[population]\nbirds = 1000000\n[schedule]\nsteps = 100000",
            "line 6, column 9: schedule.steps is 100000; allowed is so many that agents times steps stay below 4,294,967,296",
        ),
        (
            "[model]\nname = \"wealth\"\n[population]\nagents = 1",
            "line 4, column 10: population.agents is 1; allowed is 2 to 10,000,000",
        ),
        (
            "[model]\nname = \"wolf-sheep\"\nsheep_gain = 0",
            "line 3, column 14: model.sheep_gain is 0; allowed is 1 to 1,000,000",
        ),
    ];
    let begins = [
        ("[model", "line 1, column 7: "),
        (
            "[model]\nname = 5",
            "line 2, column 8: model.name \"\" does not exist; there is \"forest-fire\", ",
        ),
        ("model = 5", "line 1, column 1: model.name is missing"),
        (&named("need = 3\nneed = 4"), "line 4, column 1: "),
    ];
    assert!(exact.len() >= 45);
    let told = |(text, expected): &(&str, &str)| {
        let words = words(text);
        (words != *expected).then(|| format!("{text}\n  {words}\nnot {expected}\n"))
    };
    let others: String = exact.iter().filter_map(told).collect();
    assert!(others.is_empty(), "{others}");
    for (text, expected) in begins {
        let error = words(text);
        assert!(error.starts_with(expected), "{text}\n{error}\nnot {expected}");
    }
    let long = " ".repeat(MAX_SCENARIO_BYTES + 1);
    assert!(matches!(Simulation::parse(&long), Err(ScenarioError::TooLong { .. })));
}

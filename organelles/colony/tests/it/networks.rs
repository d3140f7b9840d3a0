//! Small networks with many ties, generated ones, and chains of equal times by hand.

use karyon_colony::network;
use karyon_colony::report::{adoption_svg, arrivals_csv, series_csv};
use karyon_colony::rumour::{Rumour, UnknownPerson};
use karyon_colony::scenario::{Change, Scenario, Space, builtin};
use karyon_log::Verb;
use proptest::prelude::*;

use crate::support::*;

/// Ties that chain: the order of the lines decides.
const CHAINED: &str = "\
# all at one second: a tells b, b tells c, c tells d, and d told e too early
d e 5
a b 5
b c 5
c d 5
d a 5
e a 5
d e 5
d f 6.50
f b 6.5
";

#[test]
fn chained_ties_follow_the_lines() {
    let scenario = scenario("a");
    let rumour = Rumour::new(&scenario, contacts(CHAINED)).unwrap();
    for schedulers in [1, 2, 3] {
        let played = play(&rumour, &scenario, schedulers);
        assert_eq!(
            arrivals_csv(&rumour.contacts, &played.arrivals),
            "agent,informed_at,from\na,5,\nb,5,a\nc,5,b\nd,5,c\ne,5,d\nf,6.50,d\n"
        );
        assert_eq!(series_csv(&rumour.contacts, &played.arrivals), "time,informed\n5,5\n6.50,6\n");
        let svg = adoption_svg("six people", &rumour.contacts, &played.arrivals).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("six people"));
    }
}

#[test]
fn a_source_that_nobody_is() {
    let text = "alice bob 1\nbob carol 2\n";
    let error = Rumour::new(&scenario("alcie"), contacts(text)).err().unwrap();
    assert_eq!(
        error,
        UnknownPerson {
            key: "the source",
            name: "alcie".into(),
            suggestions: vec!["alice".into()]
        }
    );
}

#[test]
fn the_built_in_rumour_is_denied_in_part_and_otherwise_exact() {
    let scenario = Scenario::parse(builtin("rumour").unwrap()).unwrap();
    let Space::ActivityDriven(parameters) = &scenario.space else { panic!("it is generated") };
    let mut roots = Vec::new();
    for seed in [scenario.seed, 2, 3] {
        let text = network::generate(scenario.population.people, parameters, seed).unwrap();
        let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
        let played = play(&rumour, &scenario, 2);
        assert_eq!(played.arrivals, truth(&rumour));
        let blocked = rumour.blocked();
        let denied = (0..rumour.contacts.list().len() as u32).filter(|c| blocked(*c)).count();
        assert_eq!(played.outcome.counts.denied, denied as u64);
        assert!(denied > 0, "seed {seed}: nobody would see a denial");
        let told: u64 =
            played.outcome.agents.iter().map(|person| person.as_ref().unwrap().denied).sum();
        assert_eq!(told, denied as u64);
        roots.push(played.state_root);
    }
    roots.dedup();
    assert_eq!(roots.len(), 3, "another network, another root");
    let heard = |seed| {
        let text = network::generate(scenario.population.people, parameters, seed).unwrap();
        let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
        truth(&rumour).iter().flatten().count()
    };
    let share = heard(scenario.seed) as f64 / f64::from(scenario.population.people);
    assert!((1.0 / 3.0..=2.0 / 3.0).contains(&share), "{share}");
}

fn network_with_ties() -> impl Strategy<Value = String> {
    prop::collection::vec((0u8..8, 0u8..8, 0u8..4), 1..60).prop_map(|lines| {
        lines.iter().map(|(from, to, time)| format!("p{from} p{to} {time}\n")).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_small_network_with_many_ties(
        text in network_with_ties(),
        who: prop::sample::Index,
        expires in prop::option::of((any::<prop::sample::Index>(), 0u64..30)),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0u64..30, prop::option::of(0u64..9)), 0..4),
        chaos in prop_oneof![Just(0.0), Just(0.05)],
        seed in 0u64..1000,
    ) {
        let contacts = contacts(&text);
        let names = contacts.names().to_vec();
        let mut scenario = scenario(&names[who.index(names.len())]);
        scenario.chaos.probability = chaos;
        scenario.seed = seed;
        if let Some((agent, tick)) = expires {
            let agent = names[agent.index(names.len())].clone();
            scenario.authority.expires.push(karyon_colony::scenario::Expiry { agent, tick });
        }
        for (whose, tick, suspended) in changes {
            // A person, or the run's own.
            let own = ["grant", "principal", "reason"].map(str::to_owned);
            let all = [&names[..], &own].concat();
            let whose = all[whose.index(all.len())].clone();
            let mut change = |tick, verb| {
                scenario.authority.change.push(Change { tick, verb, whose: whose.clone() });
            };
            match suspended {
                None => change(tick, Verb::Revoke),
                Some(length) => {
                    change(tick, Verb::Suspend);
                    change(tick + length, Verb::Resume);
                }
            }
        }
        prop_assert_eq!(scenario.check(), Ok(()));
        let rumour = Rumour::new(&scenario, contacts).unwrap();
        let mut root = None;
        for schedulers in [1, 3] {
            let played = play(&rumour, &scenario, schedulers);
            prop_assert_eq!(&played.arrivals, &truth(&rumour));
            prop_assert_eq!(*root.get_or_insert(played.state_root), played.state_root);
        }
    }
}

/// The roots of the built-in run. Another number is another product: say so in the changelog.
#[test]
fn the_roots_of_the_built_in_rumour_never_change() {
    let scenario = Scenario::parse(builtin("rumour").unwrap()).unwrap();
    let Space::ActivityDriven(parameters) = &scenario.space else { panic!("it is generated") };
    let text = network::generate(scenario.population.people, parameters, scenario.seed).unwrap();
    let rumour = Rumour::new(&scenario, contacts(&text)).unwrap();
    let kept = keep(&rumour, &scenario, 2);
    assert_eq!(
        karyon_types::Hash(kept.state_root).to_string(),
        "f8fc2fb4d7238f7f878ab928ad997644ae85bfdb3063fcf04529dc99e0464452"
    );
    let memory_root = kept.graph.read().unwrap().memory_root().unwrap().to_string();
    assert_eq!(memory_root, "20189d1e6d06a4373da4e7cc230396a6976c496968c23f115e7cd2f138fe4e28");
}

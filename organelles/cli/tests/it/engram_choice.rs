//! What is taken out: by agent, label, writer, kind of fact, neighbourhood, moment.

use std::collections::BTreeMap;
use std::fs;

use karyon_engram::{Cid, Engram};
use karyon_memory_ops::{Entity, Memory, Vertex};
use karyon_types::AgentId;

use crate::engram::{export, place};
use crate::support::Place;

/// What an export of these arguments holds.
fn taken(place: &Place, args: &str) -> BTreeMap<Cid, Memory> {
    let name = format!("{}.engram", args.replace("--", "").replace(' ', "_"));
    export(place, &[&args.split(' ').collect::<Vec<_>>()[..], &["--out", &name]].concat());
    let opened = Engram::open(&fs::read(place.path(&name)).unwrap()).unwrap();
    opened.engram.memories.into_iter().collect()
}

/// The serials of ada, bob, cyd and dan.
fn serials(place: &Place) -> [AgentId; 4] {
    export(place, &["--label", "person", "--out", "serials.engram"]);
    let opened = Engram::open(&fs::read(place.path("serials.engram")).unwrap()).unwrap();
    let names = opened.engram.manifest.names;
    ["ada", "bob", "cyd", "dan"]
        .map(|name| *names.iter().find(|(_, called)| *called == name).unwrap().0)
}

fn is_fact(memory: &Memory) -> bool {
    matches!(memory.write.entity, Entity::Fact { .. })
}

/// The ends of an edge, or what something is of.
fn ends(memory: &Memory) -> Vec<AgentId> {
    let vertices = match &memory.write.entity {
        Entity::Vertex(vertex) | Entity::Fact { subject: vertex, .. } => vec![vertex],
        Entity::Edge { from, to, .. } => vec![from, to],
    };
    let agents = vertices.into_iter().map(|vertex| match vertex {
        Vertex::Agent(agent) => *agent,
        Vertex::Named(name) => panic!("{name} is no agent"),
    });
    agents.collect()
}

#[test]
fn each_choice_is_a_part_of_the_whole() {
    let place = place();
    let [ada, bob, cyd, dan] = serials(&place);
    let all = taken(&place, "--label person");
    // Four people, five messages, and ada, bob and cyd know.
    assert_eq!(all.len(), 12);
    let part = |holds: &dyn Fn(&Memory) -> bool| -> BTreeMap<Cid, Memory> {
        let part = all.iter().filter(|(_, memory)| holds(memory));
        part.map(|(cid, memory)| (*cid, memory.clone())).collect()
    };
    let by = |moment: i64| move |memory: &Memory| memory.write.valid.from.units() <= moment;
    let wrote = |agent| move |memory: &Memory| memory.recorded.agent == agent;
    let among = |near: Vec<AgentId>| {
        move |memory: &Memory| ends(memory).iter().all(|end| near.contains(end))
    };
    let last = |memory: &Memory| {
        let later = |other: &Memory| {
            other.write.entity == memory.write.entity
                && other.write.valid.from > memory.write.valid.from
        };
        !all.values().any(later)
    };
    type Holds<'a> = Box<dyn Fn(&Memory) -> bool + 'a>;
    let cases: Vec<(&str, usize, Holds<'_>)> = vec![
        ("--agent bob", 6, Box::new(|memory| ends(memory).contains(&bob))),
        ("--label person --at 1082040975", 8, Box::new(by(1_082_040_975))),
        ("--fact heard", 3, Box::new(is_fact)),
        ("--fact heard --at 1082040975", 2, Box::new(|m| is_fact(m) && by(1_082_040_975)(m))),
        ("--writer bob", part(&wrote(bob)).len(), Box::new(wrote(bob))),
        ("--writer bob dan", part(&wrote(bob)).len() + part(&wrote(dan)).len(), {
            Box::new(|memory| wrote(bob)(memory) || wrote(dan)(memory))
        }),
        ("--around dan", 4, Box::new(among(vec![dan, ada]))),
        ("--around dan --hops 2", 8, Box::new(among(vec![dan, ada, bob]))),
        ("--around dan --hops 3", 12, Box::new(|_| true)),
        // Two edges away there is nobody but ada before bob was written to.
        ("--around dan cyd --hops 1 --at 1082040965", 2, {
            Box::new(|memory| {
                by(1_082_040_965)(memory)
                    && matches!(memory.write.entity, Entity::Vertex(_))
                    && [dan, cyd].contains(&ends(memory)[0])
            })
        }),
        ("--label person --no-history", 11, Box::new(last)),
        ("--agent bob --no-history", 5, Box::new(|m| ends(m).contains(&bob) && last(m))),
        ("--agent bob --no-history --at 1082049999", 5, {
            Box::new(|memory| {
                ends(memory).contains(&bob) && memory.write.valid.from.units() < 1_082_049_999
            })
        }),
        // Several kinds of choice are taken together; what one takes as a whole is whole.
        ("--agent dan --fact heard", 5, {
            Box::new(|memory| ends(memory).contains(&dan) || is_fact(memory))
        }),
        ("--agent bob --writer ada", part(&|m| ends(m).contains(&bob) || wrote(ada)(m)).len(), {
            Box::new(|memory| ends(memory).contains(&bob) || wrote(ada)(memory))
        }),
    ];
    for (args, count, holds) in &cases {
        let found = taken(&place, args);
        assert_eq!(found, part(holds), "{args}");
        assert_eq!(found.len(), *count, "{args}");
    }
    let some = part(&wrote(bob)).len();
    assert!(0 < some && some < all.len(), "{some}");
    // A neighbourhood is an engram like any other.
    let args = ["engram", "import", "around_dan_hops_2.engram", "--data", "e", "--json"];
    assert_eq!(place.karyon(&args).expect(0).json()["new"], 8);
}

#[test]
fn what_was_chosen_is_told() {
    let place = place();
    let args = ["engram", "export", "--data", "d", "--out", "x.engram", "--around", "dan"];
    let more = ["--hops", "2", "--fact", "heard", "--writer", "bob", "--no-history", "--json"];
    let told = place.karyon(&[&args[..], &more].concat()).expect(0).json();
    assert_eq!(told["around"][0], "dan");
    assert_eq!((&told["hops"], &told["history"]), (&2.into(), &false.into()));
    assert_eq!((&told["facts"][0], &told["writers"][0]), (&"heard".into(), &"bob".into()));
    let inspected = place.karyon(&["engram", "inspect", "x.engram", "--json"]).expect(0).json();
    assert_eq!(inspected["agents"], serde_json::json!(["bob", "dan"]));
    let args = ["engram", "export", "--data", "d", "--out", "y.engram", "--label", "person"];
    let said = place.karyon(&args).expect(0).out;
    assert!(said.starts_with("12 memories of all person in y.engram"), "{said}");
}

#[test]
fn a_choice_that_makes_no_sense_is_refused() {
    let place = place();
    let export = ["engram", "export", "--data", "d", "--out", "x.engram"];
    for (args, code, words) in [
        (&[][..], 2, "--agent"),
        (&["--hops", "2", "--agent", "bob"], 2, "--around"),
        (&["--label", "persn"], 1, "\"person\""),
        (&["--fact", "herd"], 1, "\"heard\""),
        (&["--writer", "bobb"], 1, "\"bob\""),
        (&["--around", "bobb"], 1, "\"bob\""),
        (&["--fact", "heard", "--at", "1"], 1, "nothing in the memory"),
    ] {
        place.karyon(&[&export[..], args].concat()).expect(code).says(&[words]);
    }
    assert!(!place.path("x.engram").exists());
}

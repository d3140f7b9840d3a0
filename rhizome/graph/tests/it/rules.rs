//! What the rule of reading and the roots mean, by hand.

use karyon_graph::{Direction, EntityId, Graph, Kind, Reader, View};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Hasher, Position};

use crate::records::{Done, Happening, record, spawn, spawn_as, step, time};
use crate::support::{project, root_of, with_genesis};

fn agent(serial: u64) -> Vertex {
    Vertex::Agent(AgentId(serial))
}

fn mood(from: i64, to: Option<i64>, value: i64) -> Write {
    Write {
        entity: Entity::Fact { subject: agent(1), predicate: "mood".into() },
        valid: Valid { from: time(from), to: to.map(time) },
        content: Content::with([("value", Value::Int(value))]),
    }
}

fn read(bodies: &[Vec<u8>]) -> Reader {
    let mut graph = Graph::in_memory().unwrap();
    project(&mut graph, &with_genesis(bodies));
    graph.read().unwrap()
}

fn value(content: &Content) -> Option<i64> {
    match content {
        Content::Present { properties, .. } => match properties["value"] {
            Value::Int(value) => Some(value),
            _ => panic!("an int"),
        },
        Content::Ended => None,
    }
}

#[test]
fn a_correction_leaves_what_was_believed() {
    // Positions: genesis 0, spawn 1, steps 2 and 3.
    let reader =
        read(&[spawn(1), step(1, 0, &[mood(5, None, 1)]), step(1, 1, &[mood(5, None, 2)])]);
    let fact = reader.find(&mood(0, None, 0).entity).unwrap().unwrap();
    let value_in = |view: View| reader.get(&fact, &view).unwrap().and_then(|v| value(&v.content));
    assert_eq!(value_in(View::NOW), Some(2));
    assert_eq!(value_in(View::at(time(5))), Some(2));
    assert_eq!(value_in(View::at(time(4))), None);
    assert_eq!(value_in(View::NOW.as_recorded(Position(2))), Some(1));
    assert_eq!(value_in(View::NOW.as_recorded(Position(1))), None);
    // What was corrected is in force at no moment, as it is known now, and stays in the history.
    let history = |view: View| -> Vec<Option<i64>> {
        let history = reader.history(&fact, &view).unwrap();
        history.iter().map(|version| value(&version.content)).collect()
    };
    assert_eq!(history(View::NOW), [Some(1), Some(2)]);
    assert_eq!(history(View::at(time(5))), [Some(1), Some(2)]);
    assert_eq!(history(View::between(time(5), time(5))), [Some(1), Some(2)]);
    assert_eq!(history(View::between(time(6), time(7))), [Some(2)]);
    assert_eq!(history(View::at(time(4))), []);
    assert_eq!(history(View::NOW.as_recorded(Position(2))), [Some(1)]);
}

#[test]
fn what_never_held_is_an_entity_all_the_same() {
    // Corrected at once, ended from the beginning, valid for a while only, and said twice.
    let edge = |from, to, valid, content| Write {
        entity: Entity::Edge { from: agent(from), kind: "met".into(), to: agent(to) },
        valid,
        content,
    };
    let ended = || Content::Ended;
    let reader = read(&[step(
        1,
        0,
        &[
            mood(5, None, 1),
            Write { content: ended(), ..mood(5, None, 0) },
            edge(2, 1, Valid::since(Time::MIN), ended()),
            edge(1, 1, Valid { from: time(1), to: Some(time(2)) }, Content::with([])),
            edge(1, 1, Valid::since(time(1)), ended()),
            edge(2, 3, Valid::since(time(1)), Content::with([])),
        ],
    )]);
    let [one, two] =
        [1, 2].map(|serial| reader.find_vertex(None, &agent(serial)).unwrap().unwrap());
    let met = |from, to| EntityId::Edge { from, kind: "met".into(), to };
    let mood = EntityId::Fact { subject: one, predicate: "mood".into() };
    assert_eq!(reader.entities_of(one).unwrap(), [met(one, one), met(two, one), mood]);
    assert!(reader.facts(one, &View::between(Time::MIN, Time::MAX)).unwrap().is_empty());
    let nobody = reader.find_vertex(None, &agent(9)).unwrap().unwrap();
    assert!(reader.entities_of(nobody).unwrap().is_empty());
}

#[test]
fn both_ends_of_a_part_of_time_belong_to_it() {
    let ended = Write { content: Content::Ended, ..mood(8, None, 0) };
    let reader = read(&[step(1, 0, &[mood(2, Some(4), 1), mood(6, None, 2), ended])]);
    let fact = reader.find(&mood(0, None, 0).entity).unwrap().unwrap();
    for (first, last, get, history) in [
        (0, 1, None, &[][..]),
        (0, 2, Some(1), &[Some(1)]),
        (3, 3, Some(1), &[Some(1)]),
        (4, 5, None, &[]),
        (4, 6, Some(2), &[Some(2)]),
        (3, 6, Some(2), &[Some(1), Some(2)]),
        (7, 9, Some(2), &[Some(2), None]),
        (8, 9, None, &[None]),
        (9, 8, None, &[]),
    ] {
        let view = View::between(time(first), time(last));
        let found = reader.get(&fact, &view).unwrap();
        assert_eq!(found.and_then(|v| value(&v.content)), get, "{first} to {last}");
        let found = reader.history(&fact, &view).unwrap();
        let found: Vec<_> = found.iter().map(|version| value(&version.content)).collect();
        assert_eq!(found, history, "{first} to {last}");
        let counted = reader.count(Kind::Fact, "mood", &view).unwrap();
        assert_eq!(counted, u64::from(get.is_some()), "{first} to {last}");
    }
}

#[test]
fn an_agent_is_there_from_always_with_its_kind_and_name() {
    let reader = read(&[spawn(7)]);
    let [info] = &reader.vertices_named("agent 7").unwrap()[..] else { panic!("one") };
    assert_eq!((info.vertex.clone(), info.origin), (agent(7), None));
    let version = reader.get(&EntityId::Vertex(info.id), &View::at(Time::MIN)).unwrap().unwrap();
    assert_eq!(version.recorded.output, None);
    assert_eq!(version.position, Position(1));
    let labels = ["person".to_owned()].into();
    assert_eq!(version.content, Content::Present { labels, properties: [].into() });
    assert_eq!(reader.count(Kind::Vertex, "person", &View::NOW).unwrap(), 1);
    assert_eq!(reader.names(Kind::Vertex).unwrap(), ["person"]);
    assert!(reader.vertices_named("agent").unwrap().is_empty());
    assert!(reader.vertices_named("agent 77").unwrap().is_empty());
}

#[test]
fn a_hub_with_a_long_history_tells_each_neighbour_once() {
    let edge = |to: u64, from: i64| Write {
        entity: Entity::Edge { from: agent(1), kind: "met".into(), to: agent(to) },
        valid: Valid::since(time(from)),
        content: Content::with([]),
    };
    let writes: Vec<Write> = (0..600).map(|n| edge(2 + n % 300, n as i64)).collect();
    let steps = writes.chunks(50).enumerate().map(|(n, writes)| step(1, n as u64, writes));
    let reader = read(&steps.collect::<Vec<_>>());
    let id = reader.find_vertex(None, &agent(1)).unwrap().unwrap();
    let count =
        |direction, kind, view: View| reader.neighbours(id, direction, kind, &view).unwrap().len();
    assert_eq!(count(Direction::Out, Some("met"), View::NOW), 300);
    assert_eq!(count(Direction::Out, None, View::at(time(99))), 100);
    assert_eq!(count(Direction::In, None, View::NOW), 0);
    assert_eq!(count(Direction::Both, Some("knows"), View::NOW), 0);
}

#[test]
fn each_thing_that_a_root_covers_changes_it() {
    let base = vec![spawn(1), step(1, 0, &[mood(1, None, 1)])];
    let root = root_of(&base);
    let outputs = vec![Done::Sent, Done::Write(mood(1, None, 1))];
    let second_output = record(&Happening::Step(1, outputs), 0, 0);
    let changed = [
        vec![spawn(2), base[1].clone()],
        vec![base[0].clone(), step(1, 1, &[mood(1, None, 1)])],
        vec![base[0].clone(), step(2, 0, &[mood(1, None, 1)])],
        vec![base[0].clone(), step(1, 0, &[mood(2, None, 1)])],
        vec![base[0].clone(), step(1, 0, &[mood(1, Some(9), 1)])],
        vec![base[0].clone(), step(1, 0, &[mood(1, None, 2)])],
        vec![base[0].clone(), step(1, 0, &[mood(1, None, 2), mood(1, None, 1)])],
        vec![base[0].clone(), second_output],
        vec![spawn_as(1, "agent 1", 1), base[1].clone()],
        vec![spawn_as(1, "somebody", 0), base[1].clone()],
        vec![base[0].clone()],
        vec![base[1].clone()],
    ];
    for (number, bodies) in changed.iter().enumerate() {
        assert_ne!(root_of(bodies), root, "change {number}");
    }
    assert_eq!(root_of(&base), root);
}

#[test]
fn the_current_part_of_the_state_root_knows_only_what_holds_at_the_end() {
    let current = |bodies: &[Vec<u8>]| {
        let mut hasher = Hasher::for_domain("test");
        read(bodies).add_current(&mut hasher).unwrap();
        hasher.finish()
    };
    let base = current(&[step(1, 0, &[mood(3, None, 1)])]);
    // What lies before, when it was recorded and in which step makes no difference.
    assert_eq!(current(&[step(1, 4, &[mood(2, None, 7), mood(3, None, 1)])]), base);
    assert_eq!(current(&[step(1, 0, &[mood(3, None, 1), mood(4, Some(9), 2)])]), base);
    // What holds does.
    assert_ne!(current(&[step(1, 0, &[mood(4, None, 1)])]), base);
    assert_ne!(current(&[step(1, 0, &[mood(3, None, 2)])]), base);
    let ended = Write { content: Content::Ended, ..mood(4, None, 0) };
    assert_eq!(current(&[step(1, 0, &[mood(3, None, 1), ended])]), current(&[]));
}

#[test]
fn roots_do_not_know_who_was_spoken_of_first() {
    let about = |kind: &str, to: &str, predicate: &str| {
        let to = Vertex::Named(to.into());
        let entities = [
            Entity::Edge { from: agent(7), kind: kind.into(), to },
            Entity::Fact { subject: agent(7), predicate: predicate.into() },
        ];
        let content = || Content::with([]);
        let write = |entity| Write { entity, valid: Valid::since(time(1)), content: content() };
        entities.map(write)
    };
    let (one, other) = (step(1, 0, &about("a", "x", "p")), step(2, 0, &about("b", "w", "o")));
    let third = step(3, 0, &about("a", "w", "q"));
    let root = root_of(&[one.clone(), other.clone(), third.clone()]);
    assert_eq!(root_of(&[third.clone(), other.clone(), one.clone()]), root);
    assert_eq!(root_of(&[other, one, third]), root);
}

#[test]
fn what_makes_no_sense_is_counted_and_left_out() {
    // A kind that genesis does not know, an agent that cannot be; a second name is no news.
    let reader = read(&[spawn_as(3, "x", 9), spawn_as(0, "y", 0), spawn(4), spawn_as(4, "z", 0)]);
    assert_eq!((reader.unreadable(), reader.end()), (2, Position(5)));
    for (name, count) in [("x", 0), ("y", 0), ("z", 0), ("agent 4", 1)] {
        assert_eq!(reader.vertices_named(name).unwrap().len(), count, "{name}");
    }
    assert_eq!(reader.count(Kind::Vertex, "person", &View::NOW).unwrap(), 1);
}

/// The value that holds at a moment, as recorded up to a position.
fn mood_of(reader: &Reader, at: i64, position: u64) -> Option<i64> {
    let fact = reader.find(&mood(0, None, 0).entity).unwrap()?;
    let view = View::at(time(at)).as_recorded(Position(position));
    reader.get(&fact, &view).unwrap().and_then(|version| value(&version.content))
}

#[test]
fn a_transaction_puts_versions_in_their_order_and_looks_back_by_the_record() {
    // Positions 1 to 40 in one transaction: each says something about a moment before the last.
    let bodies: Vec<_> =
        (1..=40).map(|n| step(1, n, &[mood(100 - n as i64, None, n as i64)])).collect();
    let mut graph = Graph::in_memory().unwrap().seal_bytes(1);
    project(&mut graph, &[with_genesis(&[]), vec![bodies.concat()]].concat());
    let reader = graph.read().unwrap();
    for position in 1..=40 {
        // The version that begins last among those recorded by then: the first of them.
        assert_eq!(mood_of(&reader, 100, position), Some(1));
        let last = 100 - position as i64;
        assert_eq!(mood_of(&reader, last, position), Some(position as i64));
        assert_eq!(mood_of(&reader, last - 1, position), None);
    }
}

#[test]
fn a_history_told_backwards_is_cut_into_segments_all_the_same() {
    let bodies: Vec<_> =
        (1..=400).map(|n| step(1, n, &[mood(1000 - n as i64, None, n as i64)])).collect();
    let mut graph = Graph::in_memory().unwrap().seal_bytes(60);
    project(&mut graph, &with_genesis(&bodies));
    let reader = graph.read().unwrap();
    for n in 1..=400 {
        assert_eq!(mood_of(&reader, 1000 - n, u64::MAX), Some(n));
    }
    let size =
        |table| reader.sizes().unwrap().into_iter().find(|size| size.table == table).unwrap();
    assert!(size("sealed").rows > 20, "{:?}", size("sealed"));
    assert!(size("heads").stored < 300, "{:?}", size("heads"));
    // No way leads there by the record, since versions are not in its order.
    assert!(size("recorded").rows <= 1, "{:?}", size("recorded"));
    assert_eq!(reader.memory_root().unwrap(), root_of(&bodies));
}

#[test]
fn who_wrote_about_what_and_what_ends_when() {
    let of = |serial: u64, from: i64, to: Option<i64>| Write {
        entity: Entity::Fact { subject: agent(serial), predicate: "mood".into() },
        ..mood(from, to, 0)
    };
    let reader = read(&[
        spawn(1),
        step(1, 0, &[of(1, 0, Some(9)), of(2, 0, None)]),
        step(2, 0, &[of(1, 1, Some(7)), of(3, 1, Some(8))]),
        step(1, 1, &[of(3, 2, None)]),
    ]);
    let id = |serial| reader.find(&of(serial, 0, None).entity).unwrap().unwrap();
    let own = reader.find_vertex(None, &agent(1)).unwrap().unwrap();
    let written = |serial| reader.written_by(AgentId(serial)).unwrap();
    assert_eq!(written(1), [EntityId::Vertex(own), id(1), id(2), id(3)]);
    assert_eq!(written(2), [id(1), id(3)]);
    assert_eq!(written(3), []);
    let ending = |first, last, most: usize| {
        let mut found = Vec::new();
        let tell = |moment, entity| {
            found.push((moment, entity));
            if found.len() < most {
                std::ops::ControlFlow::Continue(())
            } else {
                std::ops::ControlFlow::Break(())
            }
        };
        reader.each_ending(time(first), time(last), tell).unwrap();
        found
    };
    assert_eq!(ending(0, 99, 9), [(time(7), id(1)), (time(8), id(3)), (time(9), id(1))]);
    assert_eq!(ending(8, 8, 9), [(time(8), id(3))]);
    assert_eq!(ending(0, 99, 1), [(time(7), id(1))]);
    assert_eq!(ending(9, 8, 9), []);
}

#[test]
fn what_a_step_says_last_of_a_moment_holds_for_neighbours_too() {
    let met = |content| Write {
        entity: Entity::Edge { from: agent(1), kind: "met".into(), to: agent(2) },
        valid: Valid::since(time(5)),
        content,
    };
    let there = || Content::with([("value", Value::Int(1))]);
    for (said, neighbours) in [
        ([met(there()), met(Content::Ended), met(there())], 1),
        ([met(Content::Ended), met(Content::Ended), met(there())], 1),
        ([met(Content::Ended), met(there()), met(Content::Ended)], 0),
    ] {
        let reader = read(&[step(1, 0, &said)]);
        for (who, direction) in [(1, Direction::Out), (2, Direction::In)] {
            let who = reader.find_vertex(None, &agent(who)).unwrap().unwrap();
            let found = reader.neighbours(who, direction, None, &View::at(time(5))).unwrap();
            assert_eq!(found.len(), neighbours, "{said:?} {direction:?}");
        }
    }
}

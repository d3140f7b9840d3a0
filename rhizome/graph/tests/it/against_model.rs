//! Random memories, random questions: the graph and the model agree, however it was projected.

use std::collections::BTreeSet;
use std::path::Path;

use karyon_graph::limits::SEAL_BYTES;
use karyon_graph::{At, Direction, EntityId, Graph, Kind, Reader, Version, View, rebuild};
use karyon_memory_ops::{Entity, Vertex};
use karyon_types::{Hasher, Position};
use proptest::prelude::*;

use crate::model::{self, Model};
use crate::records::{Happening, entities, happenings, record, times, vertices};
use crate::support::{Data, with_genesis};

#[derive(Clone, Debug)]
pub enum Question {
    Get(Entity),
    History(Entity),
    Facts(Vertex),
    Neighbours(Vertex, Direction, Option<&'static str>),
    List(Kind, &'static str),
    EntitiesOf(Vertex),
}

fn views() -> impl Strategy<Value = View> {
    let at = prop_oneof![
        Just(At::Now),
        times().prop_map(At::Moment),
        (times(), times()).prop_map(|(first, last)| At::Between(first, last)),
    ];
    let recorded = prop::option::of((0..40u64).prop_map(Position));
    (at, recorded).prop_map(|(at, as_recorded)| View { at, as_recorded })
}

fn questions() -> impl Strategy<Value = Question> {
    let directions = prop_oneof![Just(Direction::Out), Just(Direction::In), Just(Direction::Both)];
    let kinds = prop::option::of(prop_oneof![Just("met"), Just("knows"), Just("nothing")]);
    let listed = prop_oneof![
        prop_oneof![Just("person"), Just("hub")].prop_map(|label| (Kind::Vertex, label)),
        prop_oneof![Just("met"), Just("knows")].prop_map(|kind| (Kind::Edge, kind)),
        prop_oneof![Just("met"), Just("mood")].prop_map(|predicate| (Kind::Fact, predicate)),
    ];
    prop_oneof![
        entities().prop_map(Question::Get),
        entities().prop_map(Question::History),
        vertices().prop_map(Question::Facts),
        (vertices(), directions, kinds)
            .prop_map(|(vertex, direction, kind)| Question::Neighbours(vertex, direction, kind)),
        listed.prop_map(|(kind, name)| Question::List(kind, name)),
        vertices().prop_map(Question::EntitiesOf),
    ]
}

/// The records of happenings, one a body, and what the model makes of them.
pub fn play(happenings: &[Happening]) -> (Vec<Vec<u8>>, Model) {
    let (mut model, mut bodies, mut tick) = (Model::new(), Vec::new(), 0);
    for (number, happening) in happenings.iter().enumerate() {
        tick += u64::from(matches!(happening, Happening::Tick));
        model.happen(happening, number as u64, tick);
        bodies.push(record(happening, number as u64, tick));
    }
    (bodies, model)
}

pub fn same(found: &Version, expected: &model::Version) {
    assert_eq!(
        (found.valid, &found.content, found.recorded),
        (expected.valid, &expected.content, expected.recorded)
    );
    assert_eq!(found.position, expected.recorded.position);
    assert_eq!(found.origin, None);
}

fn same_all(
    mut found: Vec<(Entity, Option<Vertex>, Version)>,
    expected: Vec<(&Entity, Option<Vertex>, &model::Version)>,
) {
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    assert_eq!(
        found.iter().map(|(entity, other, _)| (entity, other)).collect::<Vec<_>>(),
        expected.iter().map(|(entity, other, _)| (*entity, other)).collect::<Vec<_>>()
    );
    for (found, expected) in found.iter().zip(expected) {
        same(&found.2, expected.2);
    }
}

pub fn check(reader: &Reader, model: &Model, question: &Question, view: &View) {
    let entity_of = |id: &EntityId| reader.entity(id).unwrap();
    match question {
        Question::Get(entity) => {
            let id = reader.find(entity).unwrap();
            let found = id.and_then(|id| reader.get(&id, view).unwrap());
            let expected = model.get(entity, view);
            assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                same(&found, expected);
            }
        }
        Question::History(entity) => {
            let id = reader.find(entity).unwrap();
            let found = id.map_or(Vec::new(), |id| reader.history(&id, view).unwrap());
            let expected = model.history(entity, view);
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(found, expected)| same(found, expected));
        }
        Question::Facts(vertex) => {
            let id = reader.find_vertex(None, vertex).unwrap();
            let found = id.map_or(Vec::new(), |id| reader.facts(id, view).unwrap());
            let found = found.into_iter().map(|(id, version)| (entity_of(&id), None, version));
            let expected = model.facts(vertex, view);
            let expected = expected.into_iter().map(|(entity, version)| (entity, None, version));
            same_all(found.collect(), expected.collect());
        }
        Question::Neighbours(vertex, direction, kind) => {
            let id = reader.find_vertex(None, vertex).unwrap();
            let found =
                id.map_or(Vec::new(), |id| reader.neighbours(id, *direction, *kind, view).unwrap());
            let found = found.into_iter().map(|neighbour| {
                let other = reader.vertex(neighbour.other).unwrap().unwrap().vertex;
                (entity_of(&neighbour.edge), Some(other), neighbour.version)
            });
            let expected = model.neighbours(vertex, *direction, *kind, view).into_iter();
            let expected = expected.map(|(entity, other, version)| (entity, Some(other), version));
            same_all(found.collect(), expected.collect());
        }
        Question::List(kind, name) => {
            let found = reader.list(*kind, name, view).unwrap();
            let expected = model.list(*kind, name, view);
            assert_eq!(reader.count(*kind, name, view).unwrap(), expected.len() as u64);
            assert_eq!(reader.count_imported(*kind, name, view).unwrap(), 0);
            assert!(found.is_sorted_by_key(|(id, _)| id));
            let found = found.into_iter().map(|(id, version)| (entity_of(&id), None, version));
            let expected = expected.into_iter().map(|(entity, version)| (entity, None, version));
            same_all(found.collect(), expected.collect());
        }
        Question::EntitiesOf(vertex) => {
            let id = reader.find_vertex(None, vertex).unwrap();
            let found = id.map_or(Vec::new(), |id| reader.entities_of(id).unwrap());
            assert!(found.is_sorted());
            let mut found: Vec<_> = found.iter().map(entity_of).collect();
            found.sort();
            assert_eq!(found.iter().collect::<Vec<_>>(), model.entities_of(vertex));
        }
    }
}

/// Everything that needs no view.
pub fn check_names(reader: &Reader, model: &Model) {
    assert_eq!(reader.unreadable(), model.unreadable);
    for (name, vertices) in &model.names {
        let found = reader.vertices_named(name).unwrap();
        assert!(found.iter().all(|info| info.name.as_ref() == Some(name)));
        let found: BTreeSet<_> = found.into_iter().map(|info| info.vertex).collect();
        assert_eq!(&found, vertices);
    }
    let mut names = Vec::new();
    reader.vertex_names(&mut |name| names.push(name.to_owned())).unwrap();
    names.sort();
    names.dedup();
    assert!(names.iter().eq(model.names.keys()));
    let kinds = model.versions.keys().filter_map(|entity| match entity {
        Entity::Edge { kind, .. } => Some(kind.clone()),
        Entity::Vertex(_) | Entity::Fact { .. } => None,
    });
    let kinds: BTreeSet<_> = kinds.collect();
    assert!(reader.names(Kind::Edge).unwrap().iter().eq(&kinds));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_answer_is_the_models(
        happenings in prop::collection::vec(happenings(), 0..40),
        questions in prop::collection::vec((questions(), views()), 60),
        sizes in prop::collection::vec(1..9usize, 1..6),
        seal_bytes in prop_oneof![Just(1usize), 10..100usize, Just(SEAL_BYTES)],
    ) {
        let (bodies, model) = play(&happenings);
        let mut graph = Graph::in_memory().unwrap().seal_bytes(seal_bytes);
        let bodies = with_genesis(&bodies);
        let mut projector = graph.projector(Path::new("")).unwrap();
        let mut rest = bodies.as_slice();
        for size in sizes.iter().cycle() {
            let Some((now, later)) = rest.split_at_checked(*size.min(&rest.len())) else { break };
            let now: Vec<&[u8]> = now.iter().map(Vec::as_slice).collect();
            projector.apply(&now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let reader = graph.read().unwrap();
        prop_assert_eq!(reader.end().0, model.position);
        check_names(&reader, &model);
        for (question, view) in &questions {
            check(&reader, &model, question, view);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_depends_on_how_it_was_projected(
        happenings in prop::collection::vec(happenings(), 1..30),
        questions in prop::collection::vec((questions(), views()), 20),
        split: prop::sample::Index,
    ) {
        let (bodies, model) = play(&happenings);
        let split = split.index(bodies.len());
        let data = Data::new();
        data.write_log(1, &bodies[..split], false);
        let (caught_up, _) = data.heal();
        prop_assert_eq!((caught_up.from.0, caught_up.to.0), (0, 1 + split as u64));
        // The log grows: the same file, opened again, reads on.
        data.write_log(1, &bodies, true);
        let (caught_up, root) = data.heal();
        prop_assert_eq!(caught_up.rebuilt, None);
        prop_assert_eq!((caught_up.from.0, caught_up.to.0), (1 + split as u64, bodies.len() as u64 + 2));
        prop_assert_eq!(root, crate::support::root_of(&bodies));
        let built = rebuild(&data.file(), &data.log(), &data.inputs(), &mut |_| {}).unwrap();
        prop_assert_eq!((built.old, built.new_root), (Some((root, caught_up.to)), root));
        prop_assert!(!built.differs());
        let reader = Graph::open_read_only(&data.file()).unwrap();
        prop_assert!(reader.is_current(&data.log()).unwrap());
        let reader = reader.read().unwrap();
        check_names(&reader, &model);
        for (question, view) in &questions {
            check(&reader, &model, question, view);
        }
    }

    /// Records that say nothing shift positions: a crash, say. Neither root knows positions.
    #[test]
    fn roots_do_not_know_positions(
        happenings in prop::collection::vec(happenings(), 1..30),
        others in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let (bodies, _) = play(&happenings);
        let mut shifted = bodies.clone();
        for other in others {
            shifted.insert(other.index(shifted.len()), record(&Happening::Other, 0, 0));
        }
        let roots = [&bodies, &shifted].map(|bodies| {
            let mut graph = Graph::in_memory().unwrap();
            crate::support::project(&mut graph, &with_genesis(bodies));
            let reader = graph.read().unwrap();
            let mut current = Hasher::for_domain("test");
            reader.add_current(&mut current).unwrap();
            (reader.memory_root().unwrap(), current.finish())
        });
        prop_assert_eq!(roots[0], roots[1]);
    }
}

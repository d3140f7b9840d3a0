//! Long histories, asked about at every time and as recorded at every position: the graph and the
//! model agree, wherever the projection was cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use karyon_graph::limits::SEAL_BYTES;
use karyon_graph::{At, Direction, EntityId, Graph, Kind, Reader, View};
use karyon_memory_ops::{Content, Entity, Memory, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, LogId, Position};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::against_model::{Question, check, check_names, play};
use crate::engrams::{imported, seal};
use crate::histories::{HUB, Of, acts, contacts, happenings};
use crate::model::{Model, just_before};
use crate::records::{spawn, step, time};
use crate::support::{Data, with_genesis};

/// How long segments are before they are sealed, bytes: each version for itself, a few, many.
const SEALED: [usize; 5] = [1, 24, 60, 200, SEAL_BYTES];

/// Every graph of these tests. Settings of the storage that must not change an answer vary here.
fn empty(number: usize) -> Graph {
    Graph::in_memory().unwrap().seal_bytes(SEALED[number % SEALED.len()])
}

/// Projects bodies in transactions of so many records, in blocks of so many.
fn projected(bodies: &[Vec<u8>], cuts: &[(usize, usize)]) -> Reader {
    let mut graph = empty(bodies.len() + cuts.len());
    let bodies = with_genesis(bodies);
    let mut projector = graph.projector(Path::new("")).unwrap();
    let (mut rest, mut cuts) = (bodies.as_slice(), cuts.iter().cycle());
    while !rest.is_empty() {
        let (records, block) = *cuts.next().unwrap();
        let (now, later) = rest.split_at(records.min(rest.len()));
        let blocks: Vec<Vec<u8>> = now.chunks(block).map(<[_]>::concat).collect();
        let blocks: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
        projector.apply(&blocks).unwrap();
        rest = later;
    }
    graph.read().unwrap()
}

/// Every moment at which an answer can differ from those around it, and one before each.
pub fn moments(model: &Model) -> Vec<Time> {
    let versions = model.versions.values().flatten();
    let bounds = versions.flat_map(|version| [Some(version.valid.from), version.valid.to]);
    let bounds = bounds.flatten().chain([Time::MIN, Time::MAX]);
    let moments: BTreeSet<Time> =
        bounds.flat_map(|bound| [Some(bound), just_before(bound)]).flatten().collect();
    moments.into_iter().collect()
}

/// Views of the parts of time between two of these moments, as it was recorded up to anywhere.
fn between(moments: &[Time], end: u64, draws: &[(Index, Index, Index)]) -> Vec<View> {
    let view = |(first, last, recorded): &(Index, Index, Index)| {
        let at = At::Between(*first.get(moments), *last.get(moments));
        // Beyond the end: all of it.
        let recorded = recorded.index(2 * end as usize) as u64;
        View { at, as_recorded: (recorded < end).then_some(Position(recorded)) }
    };
    draws.iter().map(view).collect()
}

fn cuts() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((1..90usize, 1..5usize), 1..6)
}

fn draws(count: usize) -> impl Strategy<Value = Vec<(Index, Index, Index)>> {
    prop::collection::vec(any::<(Index, Index, Index)>(), count)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { max_shrink_iters: 50, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn few_entities_with_hundreds_of_versions(
        acts in prop::collection::vec(acts(), 200..600),
        steps in prop::collection::vec(1..5usize, 1..8),
        (one, other) in (cuts(), cuts()),
        draws in draws(60),
    ) {
        let (bodies, model) = play(&happenings(&acts, &steps));
        let reader = projected(&bodies, &one);
        check_names(&reader, &model);
        let root = projected(&bodies, &other).memory_root().unwrap();
        prop_assert_eq!(reader.memory_root().unwrap(), root, "the root knows the cuts");
        let moments = moments(&model);
        let subject = Vertex::Agent(AgentId(1));
        let entities = [Of::Mood, Of::Place, Of::Agent, Of::Named, Of::Edge].map(Of::entity);
        let gets = entities.map(Question::Get);
        let histories = gets.clone().map(|get| match get {
            Question::Get(entity) => Question::History(entity),
            other => other,
        });
        let subjects = [Question::Facts(subject.clone()), Question::EntitiesOf(subject.clone())];
        let lists = [
            Question::List(Kind::Fact, "mood"),
            Question::List(Kind::Vertex, "hub"),
            Question::Neighbours(subject, Direction::Both, None),
        ];
        for (number, moment) in moments.iter().enumerate() {
            let view = View::at(*moment);
            gets.iter().for_each(|get| check(&reader, &model, get, &view));
            check(&reader, &model, &subjects[0], &view);
            check(&reader, &model, &lists[number % 3], &view);
        }
        for position in 0..=model.position {
            let moment = moments[position as usize * 7_919 % moments.len()];
            for at in [View::NOW, View::at(moment)] {
                let view = at.as_recorded(Position(position));
                gets.iter().for_each(|get| check(&reader, &model, get, &view));
                check(&reader, &model, &subjects[0], &view);
            }
            let view = View::NOW.as_recorded(Position(position));
            check(&reader, &model, &histories[position as usize % 5], &view);
        }
        for (number, view) in between(&moments, model.position, &draws).iter().enumerate() {
            gets.iter().for_each(|get| check(&reader, &model, get, view));
            check(&reader, &model, &histories[number % 5], view);
            check(&reader, &model, &lists[number % 3], view);
        }
        histories.iter().chain(&subjects).for_each(|all| check(&reader, &model, all, &View::NOW));
    }
}

proptest! {
    #![proptest_config(config(10))]

    #[test]
    fn a_hub_whose_edges_begin_and_end(
        acts in prop::collection::vec(contacts(), 300..900),
        steps in prop::collection::vec(1..5usize, 1..8),
        (one, other) in (cuts(), cuts()),
        draws in draws(40),
    ) {
        let (bodies, model) = play(&happenings(&acts, &steps));
        let reader = projected(&bodies, &one);
        check_names(&reader, &model);
        let root = projected(&bodies, &other).memory_root().unwrap();
        prop_assert_eq!(reader.memory_root().unwrap(), root, "the root knows the cuts");
        let hub = || Vertex::Agent(AgentId(HUB));
        let directions = [Direction::Out, Direction::In, Direction::Both];
        let kinds = [None, Some("met"), None, Some("knows"), Some("nothing")];
        // Three and five: each direction comes with each type.
        let question = |number: usize| {
            Question::Neighbours(hub(), directions[number % 3], kinds[number % 5])
        };
        let moments = moments(&model);
        for (number, moment) in moments.iter().enumerate() {
            check(&reader, &model, &question(number), &View::at(*moment));
        }
        for position in 0..=model.position {
            let number = position as usize;
            let moment = moments[number * 7_919 % moments.len()];
            for at in [View::NOW, View::at(moment)] {
                check(&reader, &model, &question(number), &at.as_recorded(Position(position)));
            }
        }
        let views = between(&moments, model.position, &draws);
        for (number, view) in views.iter().chain([&View::NOW]).enumerate() {
            check(&reader, &model, &question(number), view);
            check(&reader, &model, &Question::List(Kind::Edge, "met"), view);
        }
        check(&reader, &model, &Question::EntitiesOf(hub()), &View::NOW);
        // The partners know it too.
        for number in [1, 2, 3] {
            let Entity::Edge { to, .. } = (Of::Partner { out: true, number }).entity() else {
                panic!("an edge");
            };
            for moment in moments.iter().step_by(50) {
                let partner = Question::Neighbours(to.clone(), Direction::Both, None);
                check(&reader, &model, &partner, &View::at(*moment));
            }
        }
    }

    #[test]
    fn a_log_that_is_read_on_again_and_again(
        acts in prop::collection::vec(prop_oneof![acts(), contacts()], 150..300),
        steps in prop::collection::vec(1..5usize, 1..8),
        stops in prop::collection::vec(any::<Index>(), 1..5),
        cuts in cuts(),
    ) {
        let (bodies, model) = play(&happenings(&acts, &steps));
        let expected = projected(&bodies, &cuts).memory_root().unwrap();
        let blocks: Vec<Vec<u8>> = bodies.chunks(7).map(<[_]>::concat).collect();
        let mut stops: Vec<usize> = stops.iter().map(|stop| stop.index(blocks.len())).collect();
        stops.sort_unstable();
        let data = Data::new();
        for stop in stops {
            data.write_log(1, &blocks[..stop], false);
            prop_assert_eq!(data.heal().0.rebuilt, None);
        }
        data.write_log(1, &blocks, true);
        let (caught_up, root) = data.heal();
        // The seal is a record too.
        prop_assert_eq!((caught_up.rebuilt, caught_up.to.0), (None, model.position + 1));
        prop_assert_eq!(root, expected);
    }

    #[test]
    fn an_imported_history(
        acts in prop::collection::vec(prop_oneof![acts(), contacts()], 150..300),
        steps in prop::collection::vec(1..5usize, 1..8),
        parts in prop::collection::vec(0..3usize, 1..40),
        draws in draws(40),
    ) {
        let (_, origin) = play(&happenings(&acts, &steps));
        let mut memories = vec![Vec::new(); 3];
        let versions = origin.versions.iter();
        let versions = versions.flat_map(|(entity, versions)| versions.iter().map(move |v| (entity, v)));
        for ((entity, version), part) in versions.zip(parts.iter().cycle()) {
            let (entity, valid, content) = (entity.clone(), version.valid, version.content.clone());
            let write = Write { entity, valid, content };
            memories[*part].push(Memory { write, recorded: version.recorded });
        }
        let engrams: Vec<Vec<u8>> = memories.iter().map(|memories| seal(9, memories)).collect();
        let reader = imported(&engrams.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let moments = moments(&origin);
        // As recorded up to the end of each import there is what the engrams so far brought.
        for imports in 0..=memories.len() {
            let mut model = Model::default();
            let mut positions = BTreeMap::new();
            for (number, memory) in
                memories.iter().take(imports).enumerate().flat_map(|(n, m)| m.iter().map(move |m| (n, m)))
            {
                positions.insert((memory.recorded.position, memory.recorded.output), 1 + number as u64);
                model.remember(memory);
            }
            let recorded = Position(imports as u64);
            let views = moments.iter().step_by(3).map(|moment| View::at(*moment));
            let views = views.chain(between(&moments, 1, &draws)).chain([View::NOW]);
            for (number, view) in views.enumerate() {
                let (view, here) = (View { as_recorded: None, ..view }, view.as_recorded(recorded));
                for entity in origin.versions.keys().skip(number % 7).step_by(7) {
                    let expected = model.get(entity, &view);
                    let found = find(&reader, LogId([9; 16]), entity).and_then(|id| reader.get(&id, &here).unwrap());
                    prop_assert_eq!(found.is_some(), expected.is_some());
                    let (Some(found), Some(expected)) = (found, expected) else { continue };
                    prop_assert_eq!((found.valid, &found.content), (expected.valid, &expected.content));
                    prop_assert_eq!(found.recorded, expected.recorded);
                    let place = (found.recorded.position, found.recorded.output);
                    prop_assert_eq!(found.position.0, positions[&place]);
                }
            }
        }
    }
}

/// An imported entity of which its log speaks so.
pub fn find(reader: &Reader, log: LogId, entity: &Entity) -> Option<EntityId> {
    let find = |vertex| reader.find_vertex(Some(log), vertex).unwrap();
    Some(match entity {
        Entity::Vertex(vertex) => EntityId::Vertex(find(vertex)?),
        Entity::Edge { from, kind, to } => {
            EntityId::Edge { from: find(from)?, kind: kind.clone(), to: find(to)? }
        }
        Entity::Fact { subject, predicate } => {
            EntityId::Fact { subject: find(subject)?, predicate: predicate.clone() }
        }
    })
}

/// Versions of the longest kind of which each changes little, and among their beginnings some that
/// are like no other: segments are cut until each can be read.
#[test]
fn long_contents_that_are_recorded_late() {
    const LONG: usize = 60_000;
    let noise = |seed: u64| {
        let mut next = seed;
        let mut byte = || {
            next = next
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (next >> 56) as u8
        };
        (0..LONG).map(|_| byte()).collect::<Vec<u8>>()
    };
    let write = |at: i64, bytes: Vec<u8>| Write {
        entity: Entity::Fact { subject: Vertex::Agent(AgentId(1)), predicate: "long".into() },
        valid: Valid::since(time(at)),
        content: Content::with([("at", Value::Int(at)), ("bytes", Value::Bytes(bytes))]),
    };
    let mut expected = BTreeMap::new();
    let mut graph = Graph::in_memory().unwrap();
    let mut projector = graph.projector(Path::new("")).unwrap();
    let genesis = with_genesis(&[spawn(1)]).concat();
    projector.apply(&[&genesis]).unwrap();
    let alike = (0..600).map(|number| {
        let mut bytes = noise(0);
        bytes[number] ^= 1;
        (1_000 + number as i64, bytes)
    });
    let late = (1..=16).map(|number| (1_000 - number as i64, noise(number)));
    for (number, (at, bytes)) in alike.chain(late).enumerate() {
        projector.apply(&[&step(1, number as u64, &[write(at, bytes.clone())])]).unwrap();
        expected.insert(at, bytes);
    }
    drop(projector);
    let reader = graph.read().unwrap();
    let subject = reader.find_vertex(None, &Vertex::Agent(AgentId(1))).unwrap().unwrap();
    let fact = EntityId::Fact { subject, predicate: "long".into() };
    let history = reader.history(&fact, &View::NOW).unwrap();
    let expected: Vec<_> =
        expected.into_iter().map(|(at, bytes)| write(at, bytes).content).collect();
    assert!(history.into_iter().map(|version| version.content).eq(expected));
    reader.memory_root().unwrap();
}

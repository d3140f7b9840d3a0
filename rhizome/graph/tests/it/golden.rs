//! An instance as the first layout of this memory wrote it (`golden/layout-2`): whatever the
//! layout of today, its memory is what it was.

use std::fs;
use std::path::{Path, PathBuf};

use karyon_engram::Engram;
use karyon_graph::{Direction, Graph, GraphError, Kind, Reader, Rebuilt, View};
use karyon_log::{Output, Record, Records, Walk};
use karyon_memory_ops::{Entity, Vertex, Write};
use karyon_types::{Hash, Position};

use crate::against_model::{Question, check, check_names};
use crate::long::{find, moments};
use crate::model::Model;
use crate::records::{Done, Happening};
use crate::support::{Data, schema};

/// Behind genesis, the run and its seal there are two imports.
const IMPORTS: [&str; 2] = ["0.car", "1.car"];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/layout-2")
}

/// A copy of the instance, its graph as it was written.
fn instance() -> Data {
    let data = Data::new();
    fs::create_dir(data.log()).unwrap();
    fs::create_dir(data.file().parent().unwrap()).unwrap();
    for (from, to) in [("log", data.log()), ("inputs", data.inputs())] {
        for entry in fs::read_dir(golden().join(from)).unwrap() {
            let entry = entry.unwrap();
            fs::write(to.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
        }
    }
    fs::write(data.file(), fs::read(golden().join("graph.redb")).unwrap()).unwrap();
    data
}

/// What a plain reading of the instance's log makes of it.
fn model(data: &Data) -> Model {
    let (mut model, mut tick) = (Model::default(), 0);
    let mut walk = Walk::open(&data.log()).unwrap();
    while let Some(group) = walk.next_group().unwrap() {
        for record in group.iter().flat_map(|block| Records::new(&block.body)) {
            let (happening, step) = happening(&record.unwrap());
            tick += u64::from(matches!(happening, Happening::Tick));
            model.happen(&happening, step, tick);
        }
    }
    // Whom the imports speak of has a name too.
    for engram in engrams(data) {
        let mut imported = Model::default();
        engram.memories.iter().for_each(|(_, memory)| imported.remember(memory));
        let agents = engram.manifest.names.into_iter();
        let agents = agents.map(|(agent, name)| (name, [Vertex::Agent(agent)].into()));
        for (name, vertices) in imported.names.into_iter().chain(agents) {
            model.names.entry(name).or_default().extend(vertices);
        }
    }
    model
}

fn engrams(data: &Data) -> Vec<Engram> {
    let open = |name| Engram::open(&fs::read(data.inputs().join(name)).unwrap()).unwrap().engram;
    IMPORTS.map(open).into()
}

/// The happening that a record tells of, and the number of its step.
fn happening(record: &Record<'_>) -> (Happening, u64) {
    match record {
        Record::Tick(_) => (Happening::Tick, 0),
        Record::Spawn { agent, .. } => (Happening::Spawn(agent.0), 0),
        Record::Step { agent, step, outputs, .. } => {
            let done = outputs.iter().map(|output| match output {
                Output::Remembered { write, .. } => match Write::decode(write) {
                    Some(write) => Done::Write(write),
                    None => Done::Noise,
                },
                _ => Done::Sent,
            });
            (Happening::Step(agent.0, done.collect()), *step)
        }
        _ => (Happening::Other, 0),
    }
}

/// Every question about everything of which the log speaks, at many views.
fn check_own(reader: &Reader, model: &Model) {
    check_names(reader, model);
    let moments = moments(model);
    let at = |number: usize| moments[number * 7_919 % moments.len()];
    let views = (0..model.position as usize).map(|number| match number % 4 {
        0 => View::at(at(number)),
        1 => View::at(at(number)).as_recorded(Position(number as u64)),
        2 => View::NOW.as_recorded(Position(number as u64)),
        _ => View::between(at(number).min(at(number + 1)), at(number).max(at(number + 1))),
    });
    let views: Vec<View> = views.chain([View::NOW]).collect();
    for entity in model.versions.keys() {
        for view in &views {
            check(reader, model, &Question::Get(entity.clone()), view);
            check(reader, model, &Question::History(entity.clone()), view);
        }
        let subject = match entity {
            Entity::Vertex(vertex) | Entity::Fact { subject: vertex, .. } => vertex,
            Entity::Edge { to, .. } => to,
        };
        check(reader, model, &Question::EntitiesOf(subject.clone()), &View::NOW);
        for view in views.iter().step_by(10) {
            check(reader, model, &Question::Facts(subject.clone()), view);
            for direction in [Direction::Out, Direction::In, Direction::Both] {
                let partners = Question::Neighbours(subject.clone(), direction, None);
                check(reader, model, &partners, view);
            }
        }
    }
    let lists = [
        (Kind::Vertex, "person"),
        (Kind::Vertex, "hub"),
        (Kind::Edge, "met"),
        (Kind::Edge, "knows"),
        (Kind::Fact, "mood"),
    ];
    for (kind, name) in lists {
        // `check` knows of no imports, which are counted apart.
        for view in &views {
            let own = reader.count(kind, name, view).unwrap();
            assert_eq!(own, model.list(kind, name, view).len() as u64, "{name} {view:?}");
        }
    }
}

/// Each memory of each import, once, with where it comes from.
fn check_imported(data: &Data, reader: &Reader) {
    let mut told = 0;
    for (number, engram) in engrams(data).iter().enumerate() {
        let log = engram.manifest.origin.log;
        for (_, memory) in &engram.memories {
            let entity = find(reader, log, &memory.write.entity).unwrap();
            let history = reader.history(&entity, &View::NOW).unwrap();
            let mut like = history.iter().filter(|version| version.recorded == memory.recorded);
            let version = like.next().unwrap();
            assert_eq!(
                (version.valid, &version.content),
                (memory.write.valid, &memory.write.content)
            );
            assert_eq!(version.origin.as_ref().unwrap().log, log);
            // The second import brings again what the first brought.
            let first = reader.end().0 - IMPORTS.len() as u64;
            assert!((first..=first + number as u64).contains(&version.position.0));
            assert_eq!(like.count(), 0);
            told += usize::from(version.position.0 == first + number as u64);
        }
    }
    assert!(told > 40, "{told} memories were imported");
}

/// The layout of a file that this program makes.
fn schema_of_today() -> u32 {
    let data = Data::new();
    drop(Graph::open(&data.file()).unwrap());
    schema(&data)
}

#[test]
fn an_instance_of_the_first_layout_opens_or_is_rebuilt() {
    let data = instance();
    assert_eq!(schema(&data), 2);
    let noted = fs::read_to_string(golden().join("root.txt")).unwrap();
    let root_of = |reader: &Reader| -> Hash { reader.memory_root().unwrap() };
    let of_today = schema_of_today() == 2;
    match Graph::open_read_only(&data.file()) {
        Ok(graph) => {
            assert!(of_today, "a layout that this program does not write was read");
            assert!(graph.is_current(&data.log()).unwrap());
            assert_eq!(root_of(&graph.read().unwrap()).to_string(), noted.trim());
        }
        Err(error) => {
            let why = Rebuilt::Schema { found: 2 };
            let GraphError::Unusable { path, why: found } = &error else { panic!("{error}") };
            assert_eq!((of_today, path, found), (false, &data.file(), &why));
            assert!(error.to_string().contains("layout 2"), "{error}");
        }
    }
    let (caught_up, root) = data.heal();
    assert_eq!(root.to_string(), noted.trim());
    let rebuilt = (!of_today).then_some(Rebuilt::Schema { found: 2 });
    let from = if of_today { caught_up.to } else { Position(0) };
    assert_eq!((caught_up.from, caught_up.rebuilt), (from, rebuilt));
    // Once.
    let (caught_up, root) = data.heal();
    assert_eq!(root.to_string(), noted.trim());
    assert_eq!((caught_up.from, caught_up.rebuilt), (caught_up.to, None));
    assert_eq!(schema(&data), schema_of_today());
    let graph = Graph::open_read_only(&data.file()).unwrap();
    let (reader, model) = (graph.read().unwrap(), model(&data));
    assert_eq!(reader.end().0, model.position);
    check_own(&reader, &model);
    check_imported(&data, &reader);
}

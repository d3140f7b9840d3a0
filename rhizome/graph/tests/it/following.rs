//! A log that is followed, transaction by transaction.

use std::fs;
use std::sync::Arc;

use karyon_graph::{Durability, Graph};
use karyon_log::{DiskFolder, ReadFolder};
use karyon_memory_ops::{Content, Entity, Valid, Value, Vertex, Write};
use karyon_types::Position;

use crate::records::{spawn, step, time};
use crate::support::{Data, root_of};

/// A commit of one step each, behind two records.
fn bodies(count: u64) -> Vec<Vec<u8>> {
    let write = |n: u64| Write {
        entity: Entity::Fact { subject: Vertex::Named(format!("n{n}")), predicate: "p".into() },
        valid: Valid::since(time(n as i64)),
        content: Content::with([("value", Value::Int(n as i64))]),
    };
    let steps = (0..count).map(|n| step(1, n, &[write(n), write(n + 1)]));
    std::iter::once(spawn(1)).chain(steps).collect()
}

fn folder(data: &Data) -> Arc<dyn ReadFolder> {
    Arc::new(DiskFolder::new(&data.log()))
}

#[test]
fn it_goes_no_further_than_it_is_told_and_each_view_stays_as_it_was() {
    let (data, bodies) = (Data::new(), bodies(9));
    data.write_log(1, &bodies, false);
    let (log, mut graph) = (folder(&data), Graph::open(&data.file()).unwrap());
    let mut following = graph.follow(&log, &data.inputs()).unwrap();
    following.set_durability(Durability::None);
    let (views, mut held, mut told) = (following.views(), Vec::new(), 0);
    for end in (1..=11).map(Position) {
        if following.position() >= end {
            continue;
        }
        assert!(
            following
                .project_to(end, usize::MAX, &mut |blocks| {
                    // Nobody sees them yet.
                    assert_eq!(views.read().unwrap().end(), Position(told));
                    told = blocks.iter().map(|block| block.first_record.0 + 1).max().unwrap();
                })
                .unwrap()
        );
        assert!(following.position() >= end && following.position().0 <= end.0 + 1, "{end}");
        held.push((following.position(), views.read().unwrap()));
    }
    for (end, view) in &held {
        assert_eq!(view.end(), *end);
    }
    let last = held.last().unwrap();
    assert_eq!(last.1.memory_root().unwrap(), root_of(&bodies));
    let end = following.position();
    assert!(
        !following.project_to(Position(end.0 + 1), 1, &mut |_| ()).unwrap(),
        "no more is there"
    );
}

#[test]
fn what_is_not_made_durable_is_gone_with_the_machine_and_read_again() {
    let (data, bodies) = (Data::new(), bodies(9));
    data.write_log(1, &bodies, false);
    let (log, mut graph) = (folder(&data), Graph::open(&data.file()).unwrap());
    let mut following = graph.follow(&log, &data.inputs()).unwrap();
    following.set_durability(Durability::None);
    following.project_to(Position(4), 1, &mut |_| ()).unwrap();
    following.project_to(Position(4), 1, &mut |_| ()).unwrap();
    following.make_durable().unwrap();
    let durable = following.position();
    following.set_durability(Durability::None);
    while following.project_to(Position(u64::MAX), 1, &mut |_| ()).unwrap() {}
    let end = following.position();
    assert!(end > durable && durable > Position(0));
    // What a crash leaves now.
    let crashed = Data::new();
    crashed.write_log(1, &bodies, false);
    fs::create_dir_all(crashed.file().parent().unwrap()).unwrap();
    fs::copy(data.file(), crashed.file()).unwrap();
    let (caught_up, root) = crashed.heal();
    assert_eq!((caught_up.from, caught_up.to, caught_up.rebuilt), (durable, end, None));
    assert_eq!(root, root_of(&bodies));
    // Closed, it holds all.
    drop(following);
    drop(graph);
    let (caught_up, root) = data.heal();
    assert_eq!((caught_up.from, caught_up.to), (end, end));
    assert_eq!(root, root_of(&bodies));
}

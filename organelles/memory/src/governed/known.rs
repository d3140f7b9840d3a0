//! What agents know, here and elsewhere, for a briefing.

use std::cmp::Reverse;

use karyon_graph::{EntityId, GraphError, Kind, NOBODY, Reader, Version, View};
use karyon_memory_ops::{Memo, MemoKind};

use super::recall::Filter;
use crate::item::Item;

/// The facts that agents wrote and that hold, the newest first, at most `most`; how many more there
/// are. What came in engrams counts as recorded when it came. What is asked for by its owner, a tag
/// or another kind no agent wrote.
///
/// # Errors
/// See [`GraphError`].
pub fn known(
    reader: &Reader,
    filter: &Filter<'_>,
    view: &View,
    most: usize,
) -> Result<(Vec<Item>, usize), GraphError> {
    let is_of_agents = (filter.kinds.is_empty() || filter.kinds.contains(&MemoKind::Fact))
        && filter.owner.is_none()
        && filter.tag.is_none();
    if !is_of_agents {
        return Ok((Vec::new(), 0));
    }
    let mut newest = Newest { most, kept: Vec::new(), seen: 0 };
    match filter.subject {
        Some(name) => {
            for vertex in reader.vertices_named(name)? {
                for entity in reader.entities_of(vertex.id)? {
                    let EntityId::Fact { predicate, .. } = &entity else { continue };
                    if filter.key.is_none_or(|key| key == predicate)
                        && let Some(version) = reader.get(&entity, view)?
                    {
                        newest.add((entity, version));
                    }
                }
            }
        }
        None => {
            let predicates = match filter.key {
                Some(key) => vec![key.to_owned()],
                None => reader.names(Kind::Fact)?,
            };
            for predicate in predicates {
                for list in [Reader::list, Reader::list_imported] {
                    list(reader, Kind::Fact, &predicate, view)?
                        .into_iter()
                        .for_each(|fact| newest.add(fact));
                }
            }
        }
    }
    newest.cut();
    let more = newest.seen - newest.kept.len();
    let items =
        newest.kept.into_iter().map(|(entity, version)| Item::read(reader, &entity, version));
    Ok((items.collect::<Result<_, _>>()?, more))
}

/// The newest of many, of which few are held.
struct Newest {
    most: usize,
    kept: Vec<(EntityId, Version)>,
    seen: usize,
}

impl Newest {
    fn add(&mut self, fact: (EntityId, Version)) {
        // What is sealed is recalled, and told as such.
        if fact.1.recorded.agent == NOBODY || Memo::of(&fact.1.content).is_some() {
            return;
        }
        self.seen += 1;
        self.kept.push(fact);
        if self.kept.len() >= self.most.saturating_mul(2).saturating_add(64) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.kept.sort_by(|(one, a), (other, b)| {
            let order =
                |version: &Version| (Reverse(version.position), Reverse(version.recorded.position));
            (order(a), one).cmp(&(order(b), other))
        });
        self.kept.truncate(self.most);
    }
}

//! What an engram tells otherwise than the memory here.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use karyon_engram::{Cid, Engram, Manifest};
use karyon_memory_ops::{Content, Entity, Memory, Valid, Vertex};
use karyon_types::{AgentId, LogId};

use crate::GraphError;
use crate::keys::EntityKey;
use crate::model::{EntityId, Version, VertexInfo, View};
use crate::reader::Reader;
use crate::timeline::in_force;

/// A fact that is told otherwise here.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The engram's memory.
    pub memory: Cid,
    /// The fact about a vertex of the same name, in another namespace.
    pub entity: EntityId,
    /// A version of it that is in force at a moment at which the engram's memory is in force too.
    pub version: Version,
}

/// The versions of one fact, in the order of the rule of reading.
struct Told<S> {
    /// Which version it is.
    sources: Vec<S>,
    /// What each says, with names for vertices: serials mean nothing elsewhere.
    contents: Vec<Content>,
    /// When it says it.
    parts: Vec<(Range<i128>, usize)>,
}

impl<S> Told<S> {
    fn new(versions: Vec<(S, Valid, Content)>) -> Told<S> {
        let valid: Vec<Valid> = versions.iter().map(|(_, valid, _)| *valid).collect();
        let (sources, contents) =
            versions.into_iter().map(|(source, _, content)| (source, content)).unzip();
        Told { sources, contents, parts: in_force(&valid) }
    }

    fn get(&self, index: usize) -> Option<(&S, &Content)> {
        Some((self.sources.get(index)?, self.contents.get(index)?))
    }
}

impl Reader {
    /// The facts of an engram that are told otherwise here: about a vertex of the same name, own
    /// or of another log, at a moment at which both are in force. Both stay; a person judges.
    ///
    /// Facts of one vertex are beside each other, those about own vertices first; each pair of
    /// versions is there once.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn conflicts(&self, engram: &Engram) -> Result<Vec<Conflict>, GraphError> {
        let log = engram.manifest.origin.log;
        let names = &engram.manifest.names;
        let mut conflicts = Vec::new();
        for ((subject, predicate), memories) in facts(engram) {
            let Some(name) = name_of(subject, names) else { continue };
            let there = told_there(&memories, names)?;
            for info in self.vertices_named(name)?.iter().filter(|info| self.is_other(info, log)) {
                let entity = EntityId::Fact { subject: info.id, predicate: predicate.to_owned() };
                let here = self.told_here(info, &entity)?;
                for (one, other) in overlapping(&there.parts, &here.parts) {
                    let (Some((memory, said)), Some((version, known))) =
                        (there.get(one), here.get(other))
                    else {
                        continue;
                    };
                    if said != known {
                        let (entity, version) = (entity.clone(), version.clone());
                        conflicts.push(Conflict { memory: *memory, entity, version });
                    }
                }
            }
        }
        Ok(conflicts)
    }

    /// Whether a memory of an engram is a fact about which something is told here too, by this
    /// log or by another than the engram's: the others are in no conflict.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn is_told(&self, manifest: &Manifest, memory: &Memory) -> Result<bool, GraphError> {
        let Entity::Fact { subject, predicate } = &memory.write.entity else { return Ok(false) };
        let Some(name) = name_of(subject, &manifest.names) else { return Ok(false) };
        let Some(predicate) = self.name(predicate)? else { return Ok(false) };
        for info in self.vertices_named(name)? {
            let fact = EntityKey::fact(info.id, predicate);
            if self.is_other(&info, manifest.origin.log) && self.first_entity(&fact)? == Some(fact)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a vertex belongs to another log than this one.
    fn is_other(&self, info: &VertexInfo, log: LogId) -> bool {
        info.origin.or(self.log) != Some(log)
    }

    fn told_here(&self, info: &VertexInfo, entity: &EntityId) -> Result<Told<Version>, GraphError> {
        let versions = self.history(entity, &View::NOW)?.into_iter().map(|version| {
            let content = version.content.clone();
            let content = content.rename(&mut |vertex| self.by_name(info.origin, vertex))?;
            Ok((version.clone(), version.valid, content))
        });
        Ok(Told::new(versions.collect::<Result<_, GraphError>>()?))
    }

    /// A vertex by its name, should it have one.
    fn by_name(&self, origin: Option<LogId>, vertex: Vertex) -> Result<Vertex, GraphError> {
        let Some(id) = self.find_vertex(origin, &vertex)? else { return Ok(vertex) };
        let name = self.vertex(id)?.and_then(|info| info.name);
        Ok(name.map_or(vertex, Vertex::Named))
    }
}

/// The memories of each fact, in the order of the rule of reading.
fn facts(engram: &Engram) -> BTreeMap<(&Vertex, &str), Vec<&(Cid, Memory)>> {
    let mut facts: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for told in &engram.memories {
        if let Entity::Fact { subject, predicate } = &told.1.write.entity {
            facts.entry((subject, predicate.as_str())).or_default().push(told);
        }
    }
    for memories in facts.values_mut() {
        memories.sort_by_key(|(cid, Memory { write, recorded })| {
            (write.valid.from, recorded.position, recorded.output, *cid)
        });
    }
    facts
}

fn told_there(
    memories: &[&(Cid, Memory)],
    names: &BTreeMap<AgentId, String>,
) -> Result<Told<Cid>, GraphError> {
    let versions = memories.iter().map(|(cid, memory)| {
        let content = memory.write.content.clone().rename(&mut |vertex| {
            let name = name_of(&vertex, names).map(str::to_owned);
            Ok::<_, GraphError>(name.map_or(vertex, Vertex::Named))
        })?;
        Ok((*cid, memory.write.valid, content))
    });
    Ok(Told::new(versions.collect::<Result<_, GraphError>>()?))
}

fn name_of<'a>(vertex: &'a Vertex, names: &'a BTreeMap<AgentId, String>) -> Option<&'a str> {
    match vertex {
        Vertex::Named(name) => Some(name),
        Vertex::Agent(agent) => names.get(agent).map(String::as_str),
    }
}

/// The pairs that share a moment. Both lists are in order, and in neither two parts overlap.
fn overlapping(
    one: &[(Range<i128>, usize)],
    other: &[(Range<i128>, usize)],
) -> BTreeSet<(usize, usize)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut pairs = BTreeSet::new();
    while let (Some((a, x)), Some((b, y))) = (one.peek(), other.peek()) {
        if a.start < b.end && b.start < a.end {
            pairs.insert((*x, *y));
        }
        if a.end <= b.end {
            one.next();
        } else {
            other.next();
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parts in order, some touching, none over another.
    fn parts() -> impl Strategy<Value = Vec<(Range<i128>, usize)>> {
        prop::collection::vec((0..3i128, 1..4i128, 0..3usize), 0..6).prop_map(|parts| {
            let mut end = 0;
            let parts = parts.into_iter().map(|(gap, len, index)| {
                let start = end + gap;
                end = start + len;
                (start..end, index)
            });
            parts.collect()
        })
    }

    proptest! {
        #[test]
        fn pairs_are_those_that_share_a_moment(one in parts(), other in parts()) {
            let mut expected = BTreeSet::new();
            for moment in 0..40 {
                let at = |parts: &[(Range<i128>, usize)]| {
                    parts.iter().find(|(part, _)| part.contains(&moment)).map(|(_, index)| *index)
                };
                expected.extend(at(&one).zip(at(&other)));
            }
            prop_assert_eq!(overlapping(&one, &other), expected);
        }
    }
}

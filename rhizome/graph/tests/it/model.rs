//! The graph as anybody would write it who has time: all versions in lists, and each moment that
//! matters asked one by one.

use std::collections::{BTreeMap, BTreeSet};

use karyon_graph::{At, Direction, Kind, View};
use karyon_memory_ops::{
    Content, Entity, Memory, Properties, Recorded, Time, Valid, Vertex, Write,
};
use karyon_types::{AgentId, LeaseId, Position, Tick};

use crate::records::{Done, Happening, name_of};

#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub valid: Valid,
    pub content: Content,
    pub recorded: Recorded,
}

#[derive(Default)]
pub struct Model {
    pub versions: BTreeMap<Entity, Vec<Version>>,
    pub names: BTreeMap<String, BTreeSet<Vertex>>,
    pub unreadable: u64,
    pub position: u64,
    tick: u64,
}

impl Model {
    /// Behind genesis.
    pub fn new() -> Model {
        Model { position: 1, ..Model::default() }
    }

    pub fn happen(&mut self, happening: &Happening, number: u64, tick: u64) {
        match happening {
            Happening::Tick => self.tick = tick,
            Happening::Other => {}
            Happening::Spawn(agent) => {
                let vertex = Vertex::Agent(AgentId(*agent));
                self.names.entry(name_of(*agent)).or_default().insert(vertex.clone());
                let labels = ["person".to_owned()].into();
                let content = Content::Present { labels, properties: Properties::new() };
                let recorded = self.recorded(*agent, 0, None);
                let valid = Valid::since(Time::MIN);
                self.add(Entity::Vertex(vertex), Version { valid, content, recorded });
            }
            Happening::Step(agent, done) => {
                for (output, done) in done.iter().enumerate() {
                    match done {
                        Done::Write(write) => {
                            let recorded = self.recorded(*agent, number, Some(output as u16));
                            let (valid, content) = (write.valid, write.content.clone());
                            self.add(write.entity.clone(), Version { valid, content, recorded });
                        }
                        Done::Noise => self.unreadable += 1,
                        Done::Forgone(_) | Done::Sent => {}
                    }
                }
            }
        }
        self.position += 1;
    }

    /// Takes in a memory of another log; positions are those of that log.
    pub fn remember(&mut self, memory: &Memory) {
        let Memory { write: Write { entity, valid, content }, recorded } = memory.clone();
        self.add(entity, Version { valid, content, recorded });
    }

    fn recorded(&self, agent: u64, step: u64, output: Option<u16>) -> Recorded {
        Recorded {
            position: Position(self.position),
            tick: Tick(self.tick),
            agent: AgentId(agent),
            step,
            output,
            lease: LeaseId(agent),
        }
    }

    fn add(&mut self, entity: Entity, version: Version) {
        let (a, b) = match &entity {
            Entity::Vertex(vertex) | Entity::Fact { subject: vertex, .. } => (vertex, vertex),
            Entity::Edge { from, to, .. } => (from, to),
        };
        for vertex in [a, b] {
            if let Vertex::Named(name) = vertex {
                self.names.entry(name.clone()).or_default().insert(vertex.clone());
            }
        }
        self.versions.entry(entity).or_default().push(version);
    }

    /// The rule of reading.
    fn in_force(&self, entity: &Entity, moment: Time, view: &View) -> Option<&Version> {
        self.versions
            .get(entity)?
            .iter()
            .filter(|version| view.as_recorded.is_none_or(|r| version.recorded.position <= r))
            .filter(|version| version.valid.contains(moment))
            .max_by_key(|version| order(version))
    }

    /// All moments of the view at which something may be different from the moment before or
    /// behind: from the last to the first.
    fn moments(&self, entity: &Entity, view: &View) -> Vec<Time> {
        let (first, last) = match view.at {
            At::Now => (Time::MAX, Time::MAX),
            At::Moment(moment) => (moment, moment),
            At::Between(first, last) => (first, last),
        };
        let versions = self.versions.get(entity).into_iter().flatten();
        let mut moments: BTreeSet<Time> = versions
            .flat_map(|version| [Some(version.valid.from), version.valid.to])
            .flatten()
            .flat_map(|bound| [Some(bound), just_before(bound)])
            .flatten()
            .filter(|moment| (first..=last).contains(moment))
            .collect();
        if first <= last {
            moments.extend([first, last]);
        }
        moments.into_iter().rev().collect()
    }

    pub fn get(&self, entity: &Entity, view: &View) -> Option<&Version> {
        self.moments(entity, view)
            .into_iter()
            .filter_map(|moment| self.in_force(entity, moment, view))
            .find(|version| version.content != Content::Ended)
    }

    pub fn history(&self, entity: &Entity, view: &View) -> Vec<&Version> {
        let (first, last) = match view.at {
            At::Now => (Time::MIN, Time::MAX),
            At::Moment(moment) => (Time::MIN, moment),
            At::Between(first, last) => (first, last),
        };
        let between = View { at: At::Between(first, last), ..*view };
        let moments = self.moments(entity, &between).into_iter();
        let in_force = moments.filter_map(|moment| self.in_force(entity, moment, view));
        let begun = self.versions.get(entity).into_iter().flatten().filter(|version| {
            (first..=last).contains(&version.valid.from)
                && view.as_recorded.is_none_or(|at| version.recorded.position <= at)
        });
        let mut history: Vec<&Version> = in_force.chain(begun).collect();
        history.sort_by_key(|version| order(version));
        history.dedup_by_key(|version| order(version));
        history
    }

    pub fn facts(&self, of: &Vertex, view: &View) -> Vec<(&Entity, &Version)> {
        let is_fact =
            |entity: &Entity| matches!(entity, Entity::Fact { subject, .. } if subject == of);
        self.holding(view).into_iter().filter(|(entity, _)| is_fact(entity)).collect()
    }

    pub fn neighbours(
        &self,
        of: &Vertex,
        direction: Direction,
        of_kind: Option<&str>,
        view: &View,
    ) -> Vec<(&Entity, Vertex, &Version)> {
        let other = |entity: &Entity| match entity {
            Entity::Edge { from, kind, to } if of_kind.is_none_or(|of| of == kind) => {
                match direction {
                    Direction::Out | Direction::Both if from == of => Some(to.clone()),
                    Direction::In | Direction::Both if to == of => Some(from.clone()),
                    Direction::Out | Direction::In | Direction::Both => None,
                }
            }
            Entity::Edge { .. } | Entity::Vertex(_) | Entity::Fact { .. } => None,
        };
        let holding = self.holding(view).into_iter();
        holding.filter_map(|(entity, version)| Some((entity, other(entity)?, version))).collect()
    }

    pub fn list(&self, of: Kind, name: &str, view: &View) -> Vec<(&Entity, &Version)> {
        let is_listed = |entity: &Entity, version: &Version| match (of, entity) {
            (Kind::Vertex, Entity::Vertex(_)) => match &version.content {
                Content::Present { labels, .. } => labels.contains(name),
                Content::Ended => false,
            },
            (Kind::Edge, Entity::Edge { kind, .. }) => kind == name,
            (Kind::Fact, Entity::Fact { predicate, .. }) => predicate == name,
            (Kind::Vertex | Kind::Edge | Kind::Fact, _) => false,
        };
        let holding = self.holding(view).into_iter();
        holding.filter(|(entity, version)| is_listed(entity, version)).collect()
    }

    /// Everything about a vertex that was ever written.
    pub fn entities_of(&self, of: &Vertex) -> Vec<&Entity> {
        let is_about = |entity: &Entity| match entity {
            Entity::Vertex(vertex) | Entity::Fact { subject: vertex, .. } => vertex == of,
            Entity::Edge { from, to, .. } => from == of || to == of,
        };
        self.versions.keys().filter(|entity| is_about(entity)).collect()
    }

    fn holding(&self, view: &View) -> Vec<(&Entity, &Version)> {
        let entities = self.versions.keys();
        entities.filter_map(|entity| Some((entity, self.get(entity, view)?))).collect()
    }
}

fn order(version: &Version) -> (Time, Position, Option<u16>) {
    (version.valid.from, version.recorded.position, version.recorded.output)
}

/// The moment before one.
pub fn just_before(moment: Time) -> Option<Time> {
    match moment.nanos().checked_sub(1) {
        Some(nanos) => Time::new(moment.units(), nanos),
        None => Time::new(moment.units().checked_sub(1)?, 999_999_999),
    }
}

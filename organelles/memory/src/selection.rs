//! Which memories are taken out.

use std::collections::{BTreeMap, BTreeSet};

use karyon_graph::{EntityId, GraphError, Kind, Reader, Version, VertexId, View};
use karyon_memory_ops::{Memory, Time, Vertex, Write};
use karyon_types::AgentId;

use crate::transplant::TransplantError;

/// What is to be taken out: all that is chosen in one way or another.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// Agents: they themselves, their facts, and the edges that begin or end at them.
    pub agents: &'a [AgentId],
    /// The same of everything that has one of these labels at the moment.
    pub labels: &'a [String],
    /// What these agents wrote, about whatever it is; not what others wrote about the same.
    pub writers: &'a [AgentId],
    /// The facts of these kinds, of everybody.
    pub facts: &'a [String],
    /// Agents and everything that is at most [`hops`](Selection::hops) edges away at the moment:
    /// they, their facts, and the edges between them.
    pub around: &'a [AgentId],
    /// How many edges away.
    pub hops: u32,
    /// The moment. Versions that begin later are left out; `None`: the end of time.
    pub at: Option<Time>,
    /// Whether only what holds at the moment is taken out, and not what held before.
    pub without_history: bool,
}

/// The entities that are chosen, each with the agents whose versions are; `None`: everybody's.
type Chosen = BTreeMap<EntityId, Option<BTreeSet<AgentId>>>;

impl Selection<'_> {
    fn view(&self) -> View {
        self.at.map_or(View::NOW, View::at)
    }

    /// The agents that are named, in whatever way.
    pub(crate) fn named(&self) -> BTreeSet<AgentId> {
        [self.agents, self.writers, self.around].into_iter().flatten().copied().collect()
    }

    /// Tells every version that is chosen.
    pub(crate) fn each(
        &self,
        reader: &Reader,
        mut tell: impl FnMut(Memory) -> Result<(), TransplantError>,
    ) -> Result<(), TransplantError> {
        for (entity, writers) in self.chosen(reader)? {
            let spoken = reader.entity(&entity)?;
            for version in self.versions(reader, &entity)? {
                let writer = version.recorded.agent;
                if writers.as_ref().is_some_and(|writers| !writers.contains(&writer)) {
                    continue;
                }
                let (valid, content) = (version.valid, version.content);
                tell(Memory {
                    write: Write { entity: spoken.clone(), valid, content },
                    recorded: version.recorded,
                })?;
            }
        }
        Ok(())
    }

    fn versions(&self, reader: &Reader, entity: &EntityId) -> Result<Vec<Version>, GraphError> {
        match self.without_history {
            true => Ok(reader.get(entity, &self.view())?.into_iter().collect()),
            false => reader.history(entity, &self.view()),
        }
    }

    fn chosen(&self, reader: &Reader) -> Result<Chosen, TransplantError> {
        let mut chosen = Chosen::new();
        for agent in self.writers {
            for entity in reader.written_by(*agent)? {
                let writers = chosen.entry(entity).or_insert_with(|| Some(BTreeSet::new()));
                writers.get_or_insert_default().insert(*agent);
            }
        }
        let mut whole = Vec::new();
        for vertex in vertices(reader, self.agents)? {
            whole.extend(reader.entities_of(vertex)?);
        }
        for label in self.labels {
            for (entity, _) in reader.list(Kind::Vertex, label, &self.view())? {
                if let EntityId::Vertex(vertex) = entity {
                    whole.extend(reader.entities_of(vertex)?);
                }
            }
        }
        // With its history, what held once is chosen too.
        let view = match self.without_history {
            true => self.view(),
            false => View::between(Time::MIN, self.at.unwrap_or(Time::MAX)),
        };
        for predicate in self.facts {
            let listed = reader.list(Kind::Fact, predicate, &view)?;
            whole.extend(listed.into_iter().map(|(entity, _)| entity));
        }
        whole.extend(self.near(reader)?);
        // Whatever is chosen in another way too is chosen with what everybody wrote of it.
        chosen.extend(whole.into_iter().map(|entity| (entity, None)));
        Ok(chosen)
    }

    /// The neighbourhood.
    fn near(&self, reader: &Reader) -> Result<Vec<EntityId>, TransplantError> {
        let from = vertices(reader, self.around)?;
        if from.is_empty() {
            return Ok(Vec::new());
        }
        let found = reader.ask().with(self.view()).khop_of(&from, self.hops).fetch()?;
        if let Some(cut) = found.cut {
            return Err(TransplantError::TooFar { hops: self.hops, cut });
        }
        let mut near: BTreeSet<VertexId> = from.into_iter().collect();
        near.extend(found.page.items.iter().map(|hop| hop.vertex));
        let mut entities = Vec::new();
        for vertex in &near {
            let inside = reader.entities_of(*vertex)?.into_iter().filter(|entity| match entity {
                EntityId::Edge { from, to, .. } => near.contains(from) && near.contains(to),
                EntityId::Vertex(_) | EntityId::Fact { .. } => true,
            });
            entities.extend(inside);
        }
        Ok(entities)
    }
}

/// Their own vertices.
fn vertices(reader: &Reader, agents: &[AgentId]) -> Result<Vec<VertexId>, GraphError> {
    let found = agents.iter().map(|agent| reader.find_vertex(None, &Vertex::Agent(*agent)));
    found.filter_map(Result::transpose).collect()
}

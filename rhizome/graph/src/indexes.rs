//! What the indexes answer: who wrote about what, and what ends when.

use std::ops::ControlFlow;

use karyon_memory_ops::Time;
use karyon_types::AgentId;
use redb::ReadOnlyTable;

use crate::GraphError;
use crate::keys::{self, EntityKey};
use crate::model::{EntityId, VertexId};
use crate::reader::Reader;
use crate::walk::Span;

impl Reader {
    /// The own entities about which an agent of this log ever wrote, in order. Its spawn record
    /// counts: it writes its vertex.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn written_by(&self, agent: AgentId) -> Result<Vec<EntityId>, GraphError> {
        let mut keys = Vec::new();
        // What begins at the agent itself has no row in the index.
        let (first, last) = EntityKey::all_of(VertexId(agent.0));
        for row in self.tables.heads.range::<&[u8; 21]>(&first.0..=&last.0)? {
            let key = EntityKey(*row?.0.value());
            if self.wrote(agent, &key)? {
                keys.push(key);
            }
        }
        let (first, last) = EntityKey::ends();
        let (first, last) = (keys::written(agent.0, &first), keys::written(agent.0, &last));
        for row in self.tables.written.range::<&[u8; 29]>(&first..=&last)? {
            keys.push(keys::entity_of_written(row?.0.value()));
        }
        let mut entities =
            keys.iter().map(|key| self.entity_id(key)).collect::<Result<Vec<_>, _>>()?;
        entities.sort_unstable();
        Ok(entities)
    }

    /// Whether a version of an entity is an agent's.
    fn wrote(&self, agent: AgentId, entity: &EntityKey) -> Result<bool, GraphError> {
        let span = Span { first: Time::MIN, last: Time::MAX, as_recorded: None };
        let mut wrote = false;
        self.walk(entity, &span, |meta, _| {
            wrote = meta.agent == agent.0;
            if wrote { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(wrote)
    }

    /// Tells the entities, own and imported, of which a version ends at a moment from `first` to
    /// `last`, both included, in the order of these moments. That it holds until then is not said:
    /// a later version may say otherwise. The cost grows with what is told, not with what is kept.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn each_ending(
        &self,
        first: Time,
        last: Time,
        mut tell: impl FnMut(Time, EntityId) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        if first > last {
            return Ok(());
        }
        self.each_moment(&self.tables.endings, first, last, &mut tell)
    }

    /// Tells the entities of which a version that a principal recorded is kept until a moment no
    /// later than `last`, in the order of these moments, and was not erased as expired. The cost
    /// grows with what is told, not with what is kept.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn each_horizon(
        &self,
        last: Time,
        mut tell: impl FnMut(Time, EntityId) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        self.each_moment(&self.tables.horizons, Time::MIN, last, &mut tell)
    }

    fn each_moment(
        &self,
        table: &ReadOnlyTable<&'static [u8; 33], ()>,
        first: Time,
        last: Time,
        tell: &mut dyn FnMut(Time, EntityId) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        let (least, most) = EntityKey::ends();
        let (from, to) = (keys::ending(first, &least), keys::ending(last, &most));
        for row in table.range::<&[u8; 33]>(&from..=&to)? {
            let ending = keys::read_ending(row?.0.value());
            let (moment, key) = ending.ok_or(GraphError::damaged("an ending"))?;
            if tell(moment, self.entity_id(&key)?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

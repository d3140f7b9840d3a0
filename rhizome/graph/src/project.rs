//! From records to rows.

use std::path::Path;

use karyon_log::{Control, MemoryRecord, Output, Record, Records};
use karyon_memory_ops::{
    Content, ContentRef, Entity, EntityRef, Memo, Parts, Properties, Recorded, Time, Valid, Vertex,
    VertexRef, Write,
};
use karyon_types::{AgentId, LeaseId, LogId, Position, Tick};
use redb::ReadableTable as _;

use crate::GraphError;
use crate::keys::{self, EntityKey, by_name, identity, named};
use crate::meta::{Imported, Meta, Shape};
use crate::model::{FIRST_NAMED, Kind, NOBODY, VertexId};
use crate::pending::{Known, Pending};
use crate::rows::{read_vertex, vertex as vertex_row};
use crate::state::State;
use crate::tables::Tables;

/// One transaction's worth of records on their way into the tables.
pub(crate) struct Batch<'a, 't> {
    pub(crate) state: &'a mut State,
    pub(crate) known: &'a mut Known,
    pub(crate) pending: &'a mut Pending,
    pub(crate) tables: Tables<'t>,
    /// Where the copies of imported files lie.
    pub(crate) inputs: &'a Path,
    /// How long a segment is before it is sealed.
    pub(crate) seal_bytes: usize,
}

/// What a spawn record says.
struct Spawn<'a> {
    agent: AgentId,
    kind: u32,
    lease: LeaseId,
    name: &'a str,
}

impl Batch<'_, '_> {
    /// The records of one block, next in order.
    pub(crate) fn block(&mut self, body: &[u8]) -> Result<(), GraphError> {
        for record in Records::new(body) {
            let position = Position(self.state.position);
            self.record(position, record.ok_or(GraphError::Record { position })?)?;
            self.state.position += 1;
            self.make_room()?;
        }
        Ok(())
    }

    /// Inserts what waits and forgets what is remembered, should it be much.
    pub(crate) fn make_room(&mut self) -> Result<(), GraphError> {
        self.known.trim();
        if self.pending.is_full() {
            self.pending.insert(&mut self.tables, self.seal_bytes)?;
        }
        Ok(())
    }

    fn record(&mut self, position: Position, record: Record<'_>) -> Result<(), GraphError> {
        match record {
            Record::Tick(tick) => self.state.tick = tick.0,
            Record::Spawn { agent, kind, lease, name } => {
                self.spawn(position, &Spawn { agent, kind, lease, name })?;
            }
            Record::Step { agent, step, cause: _, outputs } => {
                for (index, output) in outputs.iter().enumerate() {
                    if let Output::Remembered { lease, write } = output {
                        self.remembered(position, (agent, step, index), *lease, write)?;
                    }
                }
            }
            Record::Control(control) => self.control(position, *control)?,
            Record::Schedule(_)
            | Record::Lease(_)
            | Record::Input { .. }
            | Record::Crash { .. }
            | Record::DeadLetter { .. }
            | Record::Change { .. }
            | Record::Order { .. }
            | Record::Lost { .. }
            | Record::Supervised { .. }
            | Record::Told { .. } => {}
        }
        Ok(())
    }

    fn control(&mut self, position: Position, control: Control) -> Result<(), GraphError> {
        match control {
            Control::Genesis(genesis) => {
                self.state.kinds = genesis.kinds.into_iter().map(|(name, _)| name).collect();
            }
            Control::Import(import) => self.import(position, &import)?,
            Control::Memory(memory) => self.governed(position, &memory)?,
            // Nothing else is memory.
            _ => {}
        }
        Ok(())
    }

    /// An agent's own vertex was always there, with its kind as label.
    fn spawn(&mut self, position: Position, spawn: &Spawn<'_>) -> Result<(), GraphError> {
        let Some(kind) = self.state.kinds.get(spawn.kind as usize) else {
            self.state.unreadable += 1;
            return Ok(());
        };
        let vertex = Vertex::Agent(spawn.agent);
        let content =
            Content::Present { labels: [kind.clone()].into(), properties: Properties::new() };
        let write = Write {
            entity: Entity::Vertex(vertex.clone()),
            valid: Valid::since(Time::MIN),
            content,
        };
        let mut bytes = Vec::new();
        let encoded = write.encode(&mut bytes).is_ok();
        let Some(parts) = Parts::read(&bytes).filter(|_| encoded) else {
            self.state.unreadable += 1;
            return Ok(());
        };
        let id = self.vertex(None, VertexRef::from(&vertex))?;
        self.set_name(id, &identity(None, &vertex), spawn.name)?;
        let recorded = Recorded {
            position,
            tick: Tick(self.state.tick),
            agent: spawn.agent,
            step: 0,
            output: None,
            lease: spawn.lease,
        };
        self.version(None, &parts, &recorded)
    }

    /// What a principal recorded: written by no agent, in a step that the lease counts.
    fn governed(&mut self, position: Position, record: &MemoryRecord) -> Result<(), GraphError> {
        for (index, write) in record.writes.iter().enumerate() {
            let at = (NOBODY, record.lease, index);
            self.remembered(position, at, LeaseId(record.lease), write)?;
        }
        if let Some(last) = record.expired.and_then(|second| Time::new(second, 0)) {
            let (least, most) = EntityKey::ends();
            let (first, last) = (keys::ending(Time::MIN, &least), keys::ending(last, &most));
            self.tables.horizons.retain_in::<&[u8; 33], _>(&first..=&last, |_, ()| false)?;
        }
        Ok(())
    }

    fn remembered(
        &mut self,
        position: Position,
        (agent, step, index): (AgentId, u64, usize),
        lease: LeaseId,
        bytes: &[u8],
    ) -> Result<(), GraphError> {
        let (Some(parts), Ok(output)) = (Parts::read(bytes), u16::try_from(index)) else {
            self.state.unreadable += 1;
            return Ok(());
        };
        let tick = Tick(self.state.tick);
        let recorded = Recorded { position, tick, agent, step, output: Some(output), lease };
        if let EntityRef::Fact { subject: VertexRef::Named(name), .. } = parts.entity
            && name.starts_with('~')
        {
            self.horizon(&parts)?;
        }
        self.version(None, &parts, &recorded)
    }

    /// Until when what is sealed for a subject is kept.
    fn horizon(&mut self, parts: &Parts<'_>) -> Result<(), GraphError> {
        let memo = parts.content.decode().and_then(|content| Memo::of(&content));
        if let Some(until) = memo.and_then(|memo| Time::new(memo.horizon?, 0)) {
            let entity = self.entity(None, parts)?;
            self.tables.horizons.insert(&keys::ending(until, &entity), ())?;
        }
        Ok(())
    }

    /// Adds a version. `recorded` is its place in the log that it comes from.
    pub(crate) fn version(
        &mut self,
        imported: Option<(LogId, Imported)>,
        parts: &Parts<'_>,
        recorded: &Recorded,
    ) -> Result<(), GraphError> {
        let entity = self.entity(imported.map(|(log, _)| log), parts)?;
        let meta = Meta {
            from: parts.valid.from,
            to: parts.valid.to,
            shape: match parts.content {
                ContentRef::Ended => Shape::Ended,
                ContentRef::Present { labelled: false, .. } => Shape::Plain,
                ContentRef::Present { labelled: true, .. } => Shape::Labelled,
            },
            position: recorded.position.0,
            seq: recorded.output.map_or(0, |output| u32::from(output) + 1),
            tick: recorded.tick.0,
            agent: recorded.agent.0,
            step: recorded.step,
            lease: recorded.lease.0,
            imported: imported.map(|(_, imported)| imported),
        };
        self.pending.version(&entity, &meta, &parts.content);
        Ok(())
    }

    /// The key of what is written about.
    fn entity(
        &mut self,
        origin: Option<LogId>,
        parts: &Parts<'_>,
    ) -> Result<EntityKey, GraphError> {
        Ok(match parts.entity {
            EntityRef::Vertex(vertex) => {
                let id = self.vertex(origin, vertex)?;
                for label in parts.content.labels() {
                    let label = self.name(label)?;
                    if self.known.labelled.insert((id, label)) {
                        self.pending.by_name(by_name(Kind::Vertex, label, id.0, 0));
                    }
                }
                EntityKey::vertex(id)
            }
            EntityRef::Edge { from, kind, to } => {
                let (from, to) = (self.vertex(origin, from)?, self.vertex(origin, to)?);
                EntityKey::edge(from, self.name(kind)?, to)
            }
            EntityRef::Fact { subject, predicate } => {
                EntityKey::fact(self.vertex(origin, subject)?, self.name(predicate)?)
            }
        })
    }

    /// The number of a label, a type or a predicate.
    fn name(&mut self, text: &str) -> Result<u32, GraphError> {
        if let Some(number) = self.known.names.get(text) {
            return Ok(*number);
        }
        let stored = self.tables.names.get(text.as_bytes())?.map(|number| number.value());
        let number = match stored {
            Some(number) => number,
            None => {
                let number = self.state.next_name;
                let next = number.checked_add(1);
                self.state.next_name = next.ok_or(GraphError::damaged("too many names"))?;
                self.tables.names.insert(text.as_bytes(), number)?;
                self.tables.texts.insert(number, text.as_bytes())?;
                number
            }
        };
        self.known.names.insert(text.to_owned(), number);
        Ok(number)
    }

    /// The number of a vertex.
    pub(crate) fn vertex(
        &mut self,
        origin: Option<LogId>,
        vertex: VertexRef<'_>,
    ) -> Result<VertexId, GraphError> {
        if let (None, VertexRef::Agent(AgentId(serial))) = (origin, vertex)
            && serial < FIRST_NAMED
        {
            return Ok(VertexId(serial));
        }
        let vertex = Vertex::from(vertex);
        let identity = identity(origin, &vertex);
        if let Some(number) = self.known.vertices.get(&identity) {
            return Ok(VertexId(*number));
        }
        let stored = self.tables.identities.get(&*identity)?.map(|number| number.value());
        let number = match stored {
            Some(number) => number,
            None => self.new_vertex(origin, &vertex, &identity)?,
        };
        self.known.vertices.insert(identity, number);
        Ok(VertexId(number))
    }

    fn new_vertex(
        &mut self,
        origin: Option<LogId>,
        vertex: &Vertex,
        identity: &[u8],
    ) -> Result<u64, GraphError> {
        let next = match origin {
            None => &mut self.state.next_named,
            Some(_) => &mut self.state.next_foreign,
        };
        let number = *next;
        *next += 1;
        self.tables.identities.insert(identity, number)?;
        let name = match vertex {
            Vertex::Named(name) => name,
            Vertex::Agent(_) => "",
        };
        self.tables.vertices.insert(number, &*vertex_row(identity, ""))?;
        self.set_name(VertexId(number), identity, name)?;
        Ok(number)
    }

    /// Names a vertex. An own one keeps its first name. Of several that engrams give the least
    /// stays, so that the order of imports makes no difference.
    pub(crate) fn set_name(
        &mut self,
        id: VertexId,
        identity: &[u8],
        name: &str,
    ) -> Result<(), GraphError> {
        let old = match self.tables.vertices.get(id.0)? {
            None => String::new(),
            Some(row) => {
                let (_, name) = read_vertex(row.value()).ok_or(GraphError::damaged("vertex"))?;
                name.to_owned()
            }
        };
        let keeps = !old.is_empty() && (!id.is_foreign() || *old <= *name);
        if keeps || name.is_empty() {
            return Ok(());
        }
        self.tables.vertices.insert(id.0, &*vertex_row(identity, name))?;
        if !old.is_empty() {
            self.tables.named.remove(&*named(&old, id.0))?;
        }
        self.tables.named.insert(&*named(name, id.0), ())?;
        Ok(())
    }
}

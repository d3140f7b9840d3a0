//! From records to rows.

use std::path::Path;

use karyon_engram::Cid;
use karyon_log::{Control, Output, Record, Records};
use karyon_memory_ops::{Content, Entity, Properties, Time, Valid, Vertex, Write};
use karyon_types::{AgentId, LeaseId, LogId, Position};
use redb::ReadableTable as _;

use crate::GraphError;
use crate::keys::{EntityKey, ImportedKey, VersionKey, by_name, identity, incoming, named};
use crate::model::{FIRST_NAMED, Kind, VertexId};
use crate::pending::{Known, Pending};
use crate::rows::{Row, read_vertex, seq, vertex as vertex_row};
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
            self.pending.insert(&mut self.tables)?;
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
        if write.encode(&mut bytes).is_err() {
            self.state.unreadable += 1;
            return Ok(());
        }
        let id = self.vertex(None, &vertex)?;
        self.set_name(id, &identity(None, &vertex), spawn.name)?;
        let row = Row {
            to: None,
            ended: false,
            tick: self.state.tick,
            agent: spawn.agent.0,
            step: 0,
            lease: spawn.lease.0,
            import: None,
            write: &bytes,
        };
        self.version(None, &write, position, seq(None), &row)
    }

    fn remembered(
        &mut self,
        position: Position,
        (agent, step, index): (AgentId, u64, usize),
        lease: LeaseId,
        bytes: &[u8],
    ) -> Result<(), GraphError> {
        let (Some(write), Ok(output)) = (Write::decode(bytes), u16::try_from(index)) else {
            self.state.unreadable += 1;
            return Ok(());
        };
        let row = Row {
            to: write.valid.to,
            ended: write.content == Content::Ended,
            tick: self.state.tick,
            agent: agent.0,
            step,
            lease: lease.0,
            import: None,
            write: bytes,
        };
        self.version(None, &write, position, seq(Some(output)), &row)
    }

    /// Adds a version, with the index rows of its entity. `position` and `seq` are its place in the
    /// log that it comes from; an imported one has a CID too.
    pub(crate) fn version(
        &mut self,
        imported: Option<(LogId, &Cid)>,
        write: &Write,
        position: Position,
        seq: u32,
        row: &Row<'_>,
    ) -> Result<(), GraphError> {
        let entity = self.entity(imported.map(|(log, _)| log), write)?;
        let key = VersionKey::new(&entity, write.valid.from, position, seq);
        match imported {
            None => self.pending.version(key, row),
            Some((_, cid)) => self.pending.imported(ImportedKey::new(&key, cid), row),
        }
        Ok(())
    }

    /// The key of what is written about, with its index rows.
    fn entity(&mut self, origin: Option<LogId>, write: &Write) -> Result<EntityKey, GraphError> {
        Ok(match &write.entity {
            Entity::Vertex(vertex) => {
                let id = self.vertex(origin, vertex)?;
                if let Content::Present { labels, .. } = &write.content {
                    for label in labels {
                        let label = self.name(label)?;
                        self.index(by_name(Kind::Vertex, label, id.0, 0));
                    }
                }
                EntityKey::vertex(id)
            }
            Entity::Edge { from, kind, to } => {
                let (from, to) = (self.vertex(origin, from)?, self.vertex(origin, to)?);
                let name = self.name(kind)?;
                if self.index(by_name(Kind::Edge, name, from.0, to.0)) {
                    self.pending.incoming(incoming(to.0, name, from.0));
                }
                EntityKey::edge(from, name, to)
            }
            Entity::Fact { subject, predicate } => {
                let (subject, name) = (self.vertex(origin, subject)?, self.name(predicate)?);
                self.index(by_name(Kind::Fact, name, subject.0, 0));
                EntityKey::fact(subject, name)
            }
        })
    }

    /// Whether the row was not known yet.
    fn index(&mut self, row: [u8; 21]) -> bool {
        let new = self.known.entities.insert(row);
        if new {
            self.pending.by_name(row);
        }
        new
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
        vertex: &Vertex,
    ) -> Result<VertexId, GraphError> {
        if let (None, Vertex::Agent(AgentId(serial))) = (origin, vertex)
            && *serial < FIRST_NAMED
        {
            return Ok(VertexId(*serial));
        }
        let identity = identity(origin, vertex);
        if let Some(number) = self.known.vertices.get(&identity) {
            return Ok(VertexId(*number));
        }
        let stored = self.tables.identities.get(&*identity)?.map(|number| number.value());
        let number = match stored {
            Some(number) => number,
            None => self.new_vertex(origin, vertex, &identity)?,
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

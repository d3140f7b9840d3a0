//! The projector: transactions of records, in order.

use std::path::{Path, PathBuf};

use redb::Database;

use crate::GraphError;
use crate::pending::{Known, Pending};
use crate::project::Batch;
use crate::state::State;
use crate::tables::{Tables, meta};

/// What a transaction of the projector outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The process, until a later one that is [`Immediate`](Durability::Immediate), or the file's
    /// being closed, makes it outlive the machine too. It is seen by whoever reads, like any other.
    /// For whoever has what is projected durable elsewhere: in the log.
    None,
    /// A crash of the machine: it ends with a sync.
    #[default]
    Immediate,
}

/// Reads records into a graph.
///
/// A transaction is there as a whole or not at all, with the place up to which it read. After an
/// error the projector stands where it stood before.
pub struct Projector<'g> {
    database: &'g Database,
    path: Option<&'g Path>,
    inputs: PathBuf,
    seal_bytes: usize,
    state: State,
    known: Known,
    pending: Pending,
    durability: Durability,
}

impl<'g> Projector<'g> {
    pub(crate) fn new(
        database: &'g Database,
        path: Option<&'g Path>,
        inputs: &Path,
        seal_bytes: usize,
        state: State,
    ) -> Projector<'g> {
        Projector {
            database,
            path,
            inputs: inputs.to_owned(),
            seal_bytes,
            state,
            known: Known::default(),
            pending: Pending::default(),
            durability: Durability::default(),
        }
    }

    /// Whether what is projected from here on outlives the machine, or the process alone.
    pub fn set_durability(&mut self, durability: Durability) {
        self.durability = durability;
    }

    /// Projects the records of blocks, next in order, as one transaction.
    ///
    /// # Errors
    /// See [`GraphError`]; nothing of these blocks is there then.
    pub fn apply(&mut self, blocks: &[&[u8]]) -> Result<(), GraphError> {
        self.project(blocks, None, &mut || ())
    }

    /// The next record to be read.
    pub(crate) fn position(&self) -> u64 {
        self.state.position
    }

    /// Like [`apply`](Projector::apply), with the place in the log behind the blocks. `filled` is
    /// called when the transaction holds all of them, and nobody sees them yet.
    pub(crate) fn project(
        &mut self,
        blocks: &[&[u8]],
        place: Option<&[u8]>,
        filled: &mut dyn FnMut(),
    ) -> Result<(), GraphError> {
        let before = self.state.clone();
        self.transact(blocks, place, filled).map_err(|error| {
            // What was numbered in the transaction is not in the file.
            self.state = before;
            (self.known, self.pending) = (Known::default(), Pending::default());
            error.in_file(self.path)
        })
    }

    fn transact(
        &mut self,
        blocks: &[&[u8]],
        place: Option<&[u8]>,
        filled: &mut dyn FnMut(),
    ) -> Result<(), GraphError> {
        let mut transaction = self.database.begin_write()?;
        // After a kill the file opens at once instead of being read as a whole.
        transaction.set_quick_repair(true);
        if self.durability == Durability::None {
            transaction.set_durability(redb::Durability::None).map_err(redb::Error::from)?;
        }
        self.fill(Tables::open(&transaction)?, blocks, place)?;
        filled();
        Ok(transaction.commit()?)
    }

    fn fill(
        &mut self,
        tables: Tables<'_>,
        blocks: &[&[u8]],
        place: Option<&[u8]>,
    ) -> Result<(), GraphError> {
        let mut batch = Batch {
            state: &mut self.state,
            known: &mut self.known,
            pending: &mut self.pending,
            tables,
            inputs: &self.inputs,
            seal_bytes: self.seal_bytes,
        };
        blocks.iter().try_for_each(|body| batch.block(body))?;
        let mut tables = batch.tables;
        self.pending.insert(&mut tables, self.seal_bytes)?;
        tables.meta.insert(meta::STATE, &*self.state.encode())?;
        match place {
            Some(place) => tables.meta.insert(meta::PLACE, place)?,
            None => tables.meta.remove(meta::PLACE)?,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::limits::{KNOWN_ENTITIES, KNOWN_NAMES};
    use karyon_log::{Cause, Output, Record};
    use karyon_memory_ops::{Content, Entity, Time, Valid, Vertex, Write};
    use karyon_types::{AgentId, LeaseId};

    /// A transaction is as long as a batch of blocks, or as an import: what is remembered must
    /// not grow with it.
    #[test]
    fn what_is_remembered_is_bounded_inside_a_transaction() {
        let mut body = Vec::new();
        for number in 0..KNOWN_NAMES as u64 + 10 {
            let subject = Vertex::Named(format!("{number}"));
            let entity = Entity::Fact { subject, predicate: format!("p{number}") };
            let valid = Valid::since(Time::MIN);
            let mut write = Vec::new();
            Write { entity, valid, content: Content::Ended }.encode(&mut write).unwrap();
            let outputs = vec![Output::Remembered { lease: LeaseId(1), write: &write }];
            let agent = AgentId(1);
            Record::Step { agent, step: number, cause: Cause::Input(0), outputs }.encode(&mut body);
        }
        let mut graph = Graph::in_memory().unwrap();
        let mut projector = graph.projector(Path::new("")).unwrap();
        projector.apply(&[&body]).unwrap();
        assert_eq!(projector.position(), KNOWN_NAMES as u64 + 10);
        let known = &projector.known;
        assert!(known.names.len() <= KNOWN_NAMES && known.vertices.len() <= KNOWN_NAMES);
        assert!(known.labelled.len() <= KNOWN_ENTITIES);
        assert!(!known.names.is_empty());
    }
}

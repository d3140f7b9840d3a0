//! Rows on their way into the file: gathered, sorted, inserted in runs; and what is known to be
//! there already.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use karyon_memory_ops::ContentRef;
use karyon_types::Position;

use crate::GraphError;
use crate::adjacency::{Change, WriteLists};
use crate::keys::{self, EntityKey, ListKey, VersionKey, by_name};
use crate::limits::{KNOWN_ENTITIES, KNOWN_NAMES, ROWS_BYTES};
use crate::meta::Meta;
use crate::model::{Kind, VertexId};
use crate::store::{Before, Stack};
use crate::tables::Tables;

/// Rows that wait.
#[derive(Default)]
pub(crate) struct Pending {
    /// Versions, each with its content, one behind the other.
    bytes: Vec<u8>,
    versions: Vec<(VersionKey, Range<usize>)>,
    by_name: Vec<[u8; 21]>,
}

/// Index rows that follow from the versions of a run.
#[derive(Default)]
struct Indexes {
    by_name: Vec<[u8; 21]>,
    written: Vec<[u8; 29]>,
    endings: Vec<[u8; 33]>,
    changes: Vec<(ListKey, Change)>,
}

impl Pending {
    pub(crate) fn version(&mut self, entity: &EntityKey, meta: &Meta, content: &ContentRef<'_>) {
        let start = self.bytes.len();
        meta.encode(&Meta::default(), &mut self.bytes);
        if let ContentRef::Present { bytes, .. } = content {
            self.bytes.extend_from_slice(bytes);
        }
        let key = VersionKey::new(entity, meta.from, Position(meta.position), meta.seq);
        self.versions.push((key, start..self.bytes.len()));
    }

    pub(crate) fn by_name(&mut self, row: [u8; 21]) {
        self.by_name.push(row);
    }

    /// Whether it is time to insert what waits.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() + self.versions.len() * size_of::<(VersionKey, Range<usize>)>()
            >= ROWS_BYTES
    }

    /// Inserts everything, in the order of the keys: neighbours share pages.
    pub(crate) fn insert(
        &mut self,
        tables: &mut Tables<'_>,
        seal_bytes: usize,
    ) -> Result<(), GraphError> {
        self.versions.sort_unstable_by_key(|(key, _)| *key);
        let mut indexes =
            Indexes { by_name: std::mem::take(&mut self.by_name), ..Default::default() };
        for run in self.versions.chunk_by(|(one, _), (other, _)| one.entity() == other.entity()) {
            let Some((first, _)) = run.first() else { continue };
            let mut stack = Stack::open(tables, first.entity(), seal_bytes)?;
            for (key, range) in run {
                let row = self.bytes.get(range.clone());
                let mut content = row.ok_or(GraphError::damaged("a gathered row"))?;
                let meta = Meta::decode(&mut content, &Meta::default());
                let meta = meta.ok_or(GraphError::damaged("a gathered row"))?;
                let before = stack.add(meta, content)?;
                indexes.add(&key.entity(), &before, &meta);
            }
            stack.close()?;
        }
        (self.versions, self.bytes) = (Vec::new(), Vec::new());
        indexes.insert(tables, seal_bytes)
    }
}

impl Indexes {
    /// What a version of an entity brings.
    fn add(&mut self, entity: &EntityKey, before: &Before, meta: &Meta) {
        let (subject, other) = (entity.subject(), entity.other());
        let kind = entity.kind();
        if matches!(before, Before::Nothing)
            && let Some(kind @ (Kind::Edge | Kind::Fact)) = kind
        {
            self.by_name.push(by_name(kind, entity.name(), subject.0, other.0));
        }
        if kind == Some(Kind::Edge)
            && let Some(change) = Change::of(before, meta, (entity.name(), other.0))
        {
            self.changes.push((ListKey::new(subject.0, false), change));
            let change = Change { near: (entity.name(), subject.0), ..change };
            self.changes.push((ListKey::new(other.0, true), change));
        }
        if let Some(to) = meta.to {
            self.endings.push(keys::ending(to, entity));
        }
        // Under who it is about it is found anyway.
        let is_known = subject.0 == meta.agent
            || matches!(before, Before::Newest(old) if old.agent == meta.agent);
        if meta.imported.is_none() && !is_known {
            self.written.push(keys::written(meta.agent, entity));
        }
    }

    fn insert(mut self, tables: &mut Tables<'_>, seal_bytes: usize) -> Result<(), GraphError> {
        self.by_name.sort_unstable();
        for key in &self.by_name {
            tables.by_name.insert(key, ())?;
        }
        self.written.sort_unstable();
        for key in &self.written {
            tables.written.insert(key, ())?;
        }
        self.endings.sort_unstable();
        for key in &self.endings {
            tables.endings.insert(key, ())?;
        }
        // What one step says of one moment stays in the order in which it says it.
        self.changes.sort_by_key(|(list, change)| (*list, change.from, change.recorded));
        let mut lists = WriteLists {
            tails: &mut tables.near,
            sealed: &mut tables.near_sealed,
            late: &mut tables.near_late,
            seal_bytes,
        };
        for run in self.changes.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((list, _)) = run.first() else { continue };
            let changes: Vec<Change> = run.iter().map(|(_, change)| *change).collect();
            lists.add(list, &changes)?;
        }
        Ok(())
    }
}

/// What is in the file already, as far as it is remembered: forgetting costs time, not truth.
#[derive(Default)]
pub(crate) struct Known {
    /// Numbers by name.
    pub(crate) names: HashMap<String, u32>,
    /// Numbers by identity.
    pub(crate) vertices: HashMap<Vec<u8>, u64>,
    /// Vertices under their labels.
    pub(crate) labelled: HashSet<(VertexId, u32)>,
}

impl Known {
    /// Forgets what has grown past its bound.
    pub(crate) fn trim(&mut self) {
        if self.names.len() > KNOWN_NAMES {
            self.names.clear();
        }
        if self.vertices.len() > KNOWN_NAMES {
            self.vertices.clear();
        }
        if self.labelled.len() > KNOWN_ENTITIES {
            self.labelled.clear();
        }
    }
}

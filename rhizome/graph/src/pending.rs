//! Rows on their way into the file: gathered, sorted, inserted in runs; and what is known to be
//! there already.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::GraphError;
use crate::keys::{ImportedKey, VersionKey};
use crate::limits::{KNOWN_ENTITIES, KNOWN_NAMES, ROWS_BYTES};
use crate::rows::Row;
use crate::tables::Tables;

/// Rows that wait.
#[derive(Default)]
pub(crate) struct Pending {
    /// The values of `versions`, one behind the other.
    bytes: Vec<u8>,
    versions: Vec<(VersionKey, Range<usize>)>,
    imported: Vec<(ImportedKey, Range<usize>)>,
    incoming: Vec<[u8; 20]>,
    by_name: Vec<[u8; 21]>,
}

impl Pending {
    pub(crate) fn version(&mut self, key: VersionKey, row: &Row<'_>) {
        let range = self.row(row);
        self.versions.push((key, range));
    }

    pub(crate) fn imported(&mut self, key: ImportedKey, row: &Row<'_>) {
        let range = self.row(row);
        self.imported.push((key, range));
    }

    fn row(&mut self, row: &Row<'_>) -> Range<usize> {
        let start = self.bytes.len();
        row.encode(&mut self.bytes);
        start..self.bytes.len()
    }

    pub(crate) fn incoming(&mut self, row: [u8; 20]) {
        self.incoming.push(row);
    }

    pub(crate) fn by_name(&mut self, row: [u8; 21]) {
        self.by_name.push(row);
    }

    /// Whether it is time to insert what waits.
    pub(crate) fn is_full(&self) -> bool {
        let keys =
            self.versions.len() * VersionKey::BYTES + self.imported.len() * ImportedKey::BYTES;
        self.bytes.len() + keys >= ROWS_BYTES
    }

    /// Inserts everything, in the order of the keys: neighbours share pages.
    pub(crate) fn insert(&mut self, tables: &mut Tables<'_>) -> Result<(), GraphError> {
        self.versions.sort_unstable_by_key(|(key, _)| *key);
        self.imported.sort_unstable_by_key(|(key, _)| *key);
        self.incoming.sort_unstable();
        self.by_name.sort_unstable();
        for (key, range) in self.versions.drain(..) {
            let value = self.bytes.get(range).ok_or(GraphError::damaged("a gathered row"))?;
            tables.versions.insert(key.0.as_slice(), value)?;
        }
        for (key, range) in self.imported.drain(..) {
            let value = self.bytes.get(range).ok_or(GraphError::damaged("a gathered row"))?;
            tables.versions.insert(key.0.as_slice(), value)?;
        }
        for key in self.incoming.drain(..) {
            tables.incoming.insert(&key, ())?;
        }
        for key in self.by_name.drain(..) {
            tables.by_name.insert(&key, ())?;
        }
        self.bytes.clear();
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
    /// Rows of `by_name`.
    pub(crate) entities: HashSet<[u8; 21]>,
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
        if self.entities.len() > KNOWN_ENTITIES {
            self.entities.clear();
        }
    }
}

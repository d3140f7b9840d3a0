//! The tables of the file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `schema`, `state`, `place` | [`state`](crate::state) |
//! | `names`, `texts` | a label, type or predicate; its number | the number; the text |
//! | `vertices` | number of a vertex | identity, name (empty: none) |
//! | `identities` | identity | number; agents whose number is their serial are not listed |
//! | `named` | name, number of a vertex | |
//! | `heads` | entity | open [segment](crate::segment) with the newest version |
//! | `sealed` | entity, valid from, position, output, CID if imported of the oldest | sealed segment |
//! | `recorded` | entity, position of the oldest | the rest of the key of a sealed segment; own ones |
//! | `near` | vertex, direction | the end of a [list](crate::adjacency) of neighbours |
//! | `near_sealed` | vertex, direction, from, number | sealed segment of a list |
//! | `near_late` | vertex, direction, from, type, other | what came behind time |
//! | `by_name` | kind, name, entity | one row for each entity and label |
//! | `written` | agent, entity | one row for each own entity and other agent that wrote about it |
//! | `endings` | valid to, entity | one row for each version that has an end |
//! | `horizons` | kept until, entity | one row for each version with a horizon that a principal recorded |
//! | `imports` | position of the record | log of origin, root |
//! | `cids` | log of origin, CID of an imported memory | |
//!
//! Positions and outputs in `sealed` are those of the log that a memory comes from.
//!
//! Texts are kept as bytes: what a damaged file holds is decoded here, not in the database, which
//! would panic.

use redb::{
    ReadOnlyTable, ReadTransaction, ReadableTableMetadata, Table, TableDefinition, WriteTransaction,
};

use crate::GraphError;

type Definition<K, V> = TableDefinition<'static, K, V>;

pub(crate) const META: Definition<&'static [u8], &'static [u8]> = TableDefinition::new("meta");
const NAMES: Definition<&'static [u8], u32> = TableDefinition::new("names");
const TEXTS: Definition<u32, &'static [u8]> = TableDefinition::new("texts");
const VERTICES: Definition<u64, &'static [u8]> = TableDefinition::new("vertices");
const IDENTITIES: Definition<&'static [u8], u64> = TableDefinition::new("identities");
const NAMED: Definition<&'static [u8], ()> = TableDefinition::new("named");
const HEADS: Definition<&'static [u8; 21], &'static [u8]> = TableDefinition::new("heads");
const SEALED: Definition<&'static [u8], &'static [u8]> = TableDefinition::new("sealed");
const RECORDED: Definition<&'static [u8; 29], &'static [u8; 24]> = TableDefinition::new("recorded");
const NEAR: Definition<&'static [u8; 9], &'static [u8]> = TableDefinition::new("near");
const NEAR_SEALED: Definition<&'static [u8; 25], &'static [u8]> =
    TableDefinition::new("near_sealed");
const NEAR_LATE: Definition<&'static [u8; 33], &'static [u8]> = TableDefinition::new("near_late");
const BY_NAME: Definition<&'static [u8; 21], ()> = TableDefinition::new("by_name");
const WRITTEN: Definition<&'static [u8; 29], ()> = TableDefinition::new("written");
const ENDINGS: Definition<&'static [u8; 33], ()> = TableDefinition::new("endings");
const HORIZONS: Definition<&'static [u8; 33], ()> = TableDefinition::new("horizons");
const IMPORTS: Definition<u64, &'static [u8]> = TableDefinition::new("imports");
const CIDS: Definition<&'static [u8], ()> = TableDefinition::new("cids");

/// The number of this layout. Another number in a file means that it is built anew.
pub(crate) const SCHEMA: u32 = 4;

/// Rows of `meta`.
pub(crate) mod meta {
    /// The layout's number, little-endian.
    pub(crate) const SCHEMA: &[u8] = b"schema";
    /// Where the projection stands, by its own count.
    pub(crate) const STATE: &[u8] = b"state";
    /// Where it stands in the log's files.
    pub(crate) const PLACE: &[u8] = b"place";
}

/// What a table of the file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// The table.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// Their keys and values, bytes.
    pub stored: u64,
    /// What leads to them, bytes.
    pub metadata: u64,
    /// What is free in its pages, bytes.
    pub fragmented: u64,
}

impl TableSize {
    fn of(table: &'static str, rows: &impl ReadableTableMetadata) -> Result<Self, GraphError> {
        let (stats, rows) = (rows.stats()?, rows.len()?);
        let (stored, metadata) = (stats.stored_bytes(), stats.metadata_bytes());
        Ok(TableSize { table, rows, stored, metadata, fragmented: stats.fragmented_bytes() })
    }

    /// All of it, bytes.
    pub fn total(&self) -> u64 {
        self.stored + self.metadata + self.fragmented
    }
}

/// Declares the tables once, for writing and for reading.
macro_rules! tables {
    ($($field:ident: $key:ty, $value:ty, $definition:ident;)*) => {
        /// All tables of a write transaction.
        pub(crate) struct Tables<'t> {
            $(pub(crate) $field: Table<'t, $key, $value>,)*
        }

        impl<'t> Tables<'t> {
            /// Makes those that are not there yet.
            pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, GraphError> {
                Ok(Tables { $($field: transaction.open_table($definition)?,)* })
            }
        }

        /// All tables as one read transaction sees them; it lives as long as they.
        pub(crate) struct ReadTables {
            $(pub(crate) $field: ReadOnlyTable<$key, $value>,)*
        }

        impl ReadTables {
            pub(crate) fn open(transaction: &ReadTransaction) -> Result<Self, GraphError> {
                Ok(ReadTables { $($field: transaction.open_table($definition)?,)* })
            }

            /// What each table takes.
            pub(crate) fn sizes(&self) -> Result<Vec<TableSize>, GraphError> {
                Ok(vec![$(TableSize::of(stringify!($field), &self.$field)?,)*])
            }
        }
    };
}

tables! {
    meta: &'static [u8], &'static [u8], META;
    names: &'static [u8], u32, NAMES;
    texts: u32, &'static [u8], TEXTS;
    vertices: u64, &'static [u8], VERTICES;
    identities: &'static [u8], u64, IDENTITIES;
    named: &'static [u8], (), NAMED;
    heads: &'static [u8; 21], &'static [u8], HEADS;
    sealed: &'static [u8], &'static [u8], SEALED;
    recorded: &'static [u8; 29], &'static [u8; 24], RECORDED;
    near: &'static [u8; 9], &'static [u8], NEAR;
    near_sealed: &'static [u8; 25], &'static [u8], NEAR_SEALED;
    near_late: &'static [u8; 33], &'static [u8], NEAR_LATE;
    by_name: &'static [u8; 21], (), BY_NAME;
    written: &'static [u8; 29], (), WRITTEN;
    endings: &'static [u8; 33], (), ENDINGS;
    horizons: &'static [u8; 33], (), HORIZONS;
    imports: u64, &'static [u8], IMPORTS;
    cids: &'static [u8], (), CIDS;
}

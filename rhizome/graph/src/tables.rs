//! The tables of the file.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `schema`, `state`, `place` | [`state`](crate::state) |
//! | `names`, `texts` | a label, type or predicate; its number | the number; the text |
//! | `vertices` | number of a vertex | identity, name (empty: none) |
//! | `identities` | identity | number; agents whose number is their serial are not listed |
//! | `named` | name, number of a vertex | |
//! | `versions` | entity, valid from, position, output, CID if imported | [`Row`](crate::rows::Row) |
//! | `incoming` | to, type, from | one row for each edge |
//! | `by_name` | kind, name, entity | one row for each entity and label |
//! | `imports` | position of the record | log of origin, root |
//! | `cids` | log of origin, CID of an imported memory | |
//!
//! Positions and outputs in `versions` are those of the log that a memory comes from.
//!
//! Texts are kept as bytes: what a damaged file holds is decoded here, not in the database, which
//! would panic.

use redb::{ReadOnlyTable, ReadTransaction, Table, TableDefinition, WriteTransaction};

use crate::GraphError;

type Definition<K, V> = TableDefinition<'static, K, V>;

pub(crate) const META: Definition<&'static [u8], &'static [u8]> = TableDefinition::new("meta");
const NAMES: Definition<&'static [u8], u32> = TableDefinition::new("names");
const TEXTS: Definition<u32, &'static [u8]> = TableDefinition::new("texts");
const VERTICES: Definition<u64, &'static [u8]> = TableDefinition::new("vertices");
const IDENTITIES: Definition<&'static [u8], u64> = TableDefinition::new("identities");
const NAMED: Definition<&'static [u8], ()> = TableDefinition::new("named");
const VERSIONS: Definition<&'static [u8], &'static [u8]> = TableDefinition::new("versions");
const INCOMING: Definition<&'static [u8; 20], ()> = TableDefinition::new("incoming");
const BY_NAME: Definition<&'static [u8; 21], ()> = TableDefinition::new("by_name");
const IMPORTS: Definition<u64, &'static [u8]> = TableDefinition::new("imports");
const CIDS: Definition<&'static [u8], ()> = TableDefinition::new("cids");

/// The number of this layout. Another number in a file means that it is built anew.
pub(crate) const SCHEMA: u32 = 2;

/// Rows of `meta`.
pub(crate) mod meta {
    /// The layout's number, little-endian.
    pub(crate) const SCHEMA: &[u8] = b"schema";
    /// Where the projection stands, by its own count.
    pub(crate) const STATE: &[u8] = b"state";
    /// Where it stands in the log's files.
    pub(crate) const PLACE: &[u8] = b"place";
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
    versions: &'static [u8], &'static [u8], VERSIONS;
    incoming: &'static [u8; 20], (), INCOMING;
    by_name: &'static [u8; 21], (), BY_NAME;
    imports: u64, &'static [u8], IMPORTS;
    cids: &'static [u8], (), CIDS;
}

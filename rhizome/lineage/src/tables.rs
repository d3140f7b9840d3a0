//! The tables of the file. All numbers in keys are big-endian.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `layout`, `state`, `place` | where the index stands |
//! | `commits` | number of a commit | the place before it |
//! | `blocks` | position of its first record | commit, number in it, tick before it |
//! | `ticks` | tick, position of its record | only ticks that are later than all before |
//! | `steps` | agent, step, position | |
//! | `handled` | sender, its step, output, position | of the step or dead letter |
//! | `crashes` | agent, step, position | |
//! | `inputs` | index, position | of the step or dead letter |
//! | `ties` | kind of [`Tie`](crate::Tie), serial, position | |

use redb::{ReadOnlyTable, ReadTransaction, Table, TableDefinition, WriteTransaction};

use crate::IndexError;

type Definition<K, V> = TableDefinition<'static, K, V>;

const META: Definition<&'static [u8], &'static [u8]> = TableDefinition::new("meta");
const COMMITS: Definition<u64, &'static [u8]> = TableDefinition::new("commits");
const BLOCKS: Definition<u64, &'static [u8; 21]> = TableDefinition::new("blocks");
const TICKS: Definition<&'static [u8; 16], ()> = TableDefinition::new("ticks");
const STEPS: Definition<&'static [u8; 24], ()> = TableDefinition::new("steps");
const HANDLED: Definition<&'static [u8; 26], ()> = TableDefinition::new("handled");
const CRASHES: Definition<&'static [u8; 24], ()> = TableDefinition::new("crashes");
const INPUTS: Definition<&'static [u8; 12], ()> = TableDefinition::new("inputs");
const TIES: Definition<&'static [u8; 17], ()> = TableDefinition::new("ties");

/// The number of this layout. Another number in a file means that it is built anew.
pub(crate) const LAYOUT: u32 = 1;

/// Rows of `meta`.
pub(crate) mod meta {
    /// The layout's number, little-endian.
    pub(crate) const LAYOUT: &[u8] = b"layout";
    /// Where the index stands, by its own count.
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
            pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, IndexError> {
                Ok(Tables { $($field: transaction.open_table($definition)?,)* })
            }
        }

        /// All tables as one read transaction sees them; it lives as long as they.
        pub(crate) struct ReadTables {
            $(pub(crate) $field: ReadOnlyTable<$key, $value>,)*
        }

        impl ReadTables {
            pub(crate) fn open(transaction: &ReadTransaction) -> Result<Self, IndexError> {
                Ok(ReadTables { $($field: transaction.open_table($definition)?,)* })
            }
        }
    };
}

tables! {
    meta: &'static [u8], &'static [u8], META;
    commits: u64, &'static [u8], COMMITS;
    blocks: u64, &'static [u8; 21], BLOCKS;
    ticks: &'static [u8; 16], (), TICKS;
    steps: &'static [u8; 24], (), STEPS;
    handled: &'static [u8; 26], (), HANDLED;
    crashes: &'static [u8; 24], (), CRASHES;
    inputs: &'static [u8; 12], (), INPUTS;
    ties: &'static [u8; 17], (), TIES;
}

//! The same memories in fjall, a log-structured merge tree: a row a version, its key the entity
//! and the time, so that what holds at a moment is the last row before it.
//!
//! As fjall comes: its levels, its block sizes, LZ4 below the first levels; only the cache is as
//! large as those of the others. A batch is committed with `SyncAll`. The index by label and the
//! way back of edges have one row each, written when the entity is new.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use fjall::config::CompressionPolicy;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode,
    Readable as _, Snapshot,
};
use karyon_memory_ops::Valid;
use tempfile::TempDir;

use crate::disk::allocated;
use crate::history::{Answer, Question, time};
use crate::rows::{Decoder, Row};

/// As large as the one of Karyon's graph.
const CACHE_BYTES: u64 = 256 << 20;
/// The number of the only label.
const LABEL: u8 = 1;

/// A database in a folder of its own. Dropping it deletes the folder.
pub struct Fjall {
    database: Database,
    versions: Keyspace,
    labels: Keyspace,
    edges: Keyspace,
    incoming: Keyspace,
    /// Subjects with the other end, if any, whose index rows are there.
    known: HashSet<(i64, i64)>,
    folder: TempDir,
}

impl Fjall {
    /// An empty database below `folder`.
    pub fn new(folder: &str) -> Fjall {
        Fjall::open(folder, KeyspaceCreateOptions::default)
    }

    /// One that compresses nothing: its copies are full ones.
    pub fn uncompressed(folder: &str) -> Fjall {
        Fjall::open(folder, || {
            let none = CompressionPolicy::all(CompressionType::None);
            KeyspaceCreateOptions::default().data_block_compression_policy(none)
        })
    }

    fn open(folder: &str, options: impl Fn() -> KeyspaceCreateOptions) -> Fjall {
        let folder = TempDir::new_in(folder).expect("cargo makes the folder for temporary files");
        let database = Database::builder(folder.path().join("fjall"))
            .cache_size(CACHE_BYTES)
            .open()
            .expect("the folder is empty");
        let keyspace = |name| database.keyspace(name, &options).expect("it is new");
        Fjall {
            versions: keyspace("versions"),
            labels: keyspace("labels"),
            edges: keyspace("edges"),
            incoming: keyspace("incoming"),
            known: HashSet::new(),
            database,
            folder,
        }
    }

    /// Inserts versions in batches of so many rows, each on the disk before the next one begins.
    pub fn insert(&mut self, rows: &[Row], transaction: usize) {
        for rows in rows.chunks(transaction) {
            let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
            rows.iter().for_each(|row| self.add(&mut batch, row));
            batch.commit().expect("the disk works");
        }
    }

    fn add(&mut self, batch: &mut OwnedWriteBatch, row: &Row) {
        let mut value = vec![u8::from(row.properties.is_some())];
        value.extend_from_slice(&row.valid_to.map_or([0; 8], sortable));
        value.extend_from_slice(row.properties.as_deref().unwrap_or_default());
        let is_new = self.known.insert((row.subject, row.other));
        if row.other == 0 {
            batch.insert(&self.versions, version_key(row.subject, row.valid_from, row.tx), value);
            if is_new {
                let mut key = vec![LABEL];
                key.extend_from_slice(&row.subject.to_be_bytes());
                batch.insert(&self.labels, key, []);
            }
        } else {
            let Row { subject, other, valid_from, tx, .. } = *row;
            batch.insert(&self.edges, edge_key(subject, other, valid_from, tx), value);
            if is_new {
                let key = [other.to_be_bytes(), subject.to_be_bytes()].concat();
                batch.insert(&self.incoming, key, []);
            }
        }
    }

    /// Writes everything into tables and merges them, as a database that rests would be.
    pub fn settle(&self) {
        for keyspace in [&self.versions, &self.labels, &self.edges, &self.incoming] {
            keyspace.rotate_memtable_and_wait().expect("the disk works");
            keyspace.major_compact().expect("the disk works");
        }
    }

    /// Bytes of its tables, and of all its files with the journal.
    pub fn bytes(&self) -> (u64, u64) {
        let keyspaces = [&self.versions, &self.labels, &self.edges, &self.incoming];
        let tables = keyspaces.into_iter().map(Keyspace::disk_space).sum();
        (tables, allocated(self.folder.path()))
    }

    /// A held view.
    pub fn view(&self) -> FjallView {
        self.views().view()
    }

    /// For views that are taken while somebody writes.
    pub fn views(&self) -> FjallViews {
        let (versions, edges) = (self.versions.clone(), self.edges.clone());
        FjallViews { database: self.database.clone(), versions, edges }
    }
}

/// Where views come from.
pub struct FjallViews {
    database: Database,
    versions: Keyspace,
    edges: Keyspace,
}

impl FjallViews {
    /// A view of what is committed now.
    pub fn view(&self) -> FjallView {
        let (versions, edges) = (self.versions.clone(), self.edges.clone());
        FjallView { snapshot: self.database.snapshot(), versions, edges }
    }
}

/// A state of a database, whatever is written later.
pub struct FjallView {
    snapshot: Snapshot,
    versions: Keyspace,
    edges: Keyspace,
}

impl FjallView {
    /// What holds of an agent's fact or vertex; `recorded` is the last position that counts.
    pub fn get(
        &self,
        question: Question,
        recorded: Option<u64>,
        content: &mut Decoder,
    ) -> Option<Answer> {
        let Question { subject, moment } = question;
        let (first, last) = (i64::MIN, i64::MAX);
        let range =
            version_key(subject as i64, first, 0)..=version_key(subject as i64, moment, last);
        for row in self.snapshot.range(&self.versions, range).rev() {
            let (key, value) = row.into_inner().expect("the database can be read");
            let [_, from, tx] = numbers(&key);
            if recorded.is_some_and(|last| tx as u64 > last) {
                continue;
            }
            if let Some(valid) = valid_at(moment, from, &value) {
                return answer(0, valid, tx, &value, content);
            }
        }
        None
    }

    /// The edges from an agent that hold, in the order of the vertices at the other end, the last
    /// one first.
    pub fn out(&self, question: Question, content: &mut Decoder) -> Vec<Answer> {
        let Question { subject, moment } = question;
        let from = subject as i64;
        let range: RangeInclusive<_> =
            edge_key(from, 0, i64::MIN, 0)..=edge_key(from, i64::MAX, i64::MAX, i64::MAX);
        let (mut answers, mut last) = (Vec::new(), None);
        for row in self.snapshot.range(&self.edges, range).rev() {
            let (key, value) = row.into_inner().expect("the database can be read");
            let [_, other, from, tx] = numbers(&key);
            let Some(valid) = valid_at(moment, from, &value) else { continue };
            // The first version of each edge is the one that holds.
            if last.replace(other) != Some(other) {
                answers.extend(answer(other, valid, tx, &value, content));
            }
        }
        answers
    }
}

/// A number whose bytes sort as the numbers do, those below 0 too. All but the earliest is not 0.
fn sortable(number: i64) -> [u8; 8] {
    (number as u64 ^ 1 << 63).to_be_bytes()
}

fn version_key(subject: i64, valid_from: i64, tx: i64) -> Vec<u8> {
    [subject, valid_from, tx].map(sortable).concat()
}

fn edge_key(subject: i64, other: i64, valid_from: i64, tx: i64) -> Vec<u8> {
    [subject, other, valid_from, tx].map(sortable).concat()
}

fn numbers<const COUNT: usize>(key: &[u8]) -> [i64; COUNT] {
    let (chunks, _) = key.as_chunks::<8>();
    std::array::from_fn(|part| {
        let bytes = chunks.get(part).copied().unwrap_or_default();
        (u64::from_be_bytes(bytes) ^ 1 << 63) as i64
    })
}

/// When a version is valid, if that holds the moment.
fn valid_at(moment: i64, from: i64, value: &[u8]) -> Option<Valid> {
    let to = match numbers(value.get(1..).unwrap_or_default()) {
        [i64::MIN] => None,
        [to] => Some(to),
    };
    let holds = from <= moment && to.is_none_or(|to| to > moment);
    holds.then(|| Valid { from: time(from), to: to.map(time) })
}

/// `None` for a version that says that the entity is no more.
fn answer(
    other: i64,
    valid: Valid,
    tx: i64,
    value: &[u8],
    content: &mut Decoder,
) -> Option<Answer> {
    let (head, properties) = value.split_at_checked(9)?;
    let content = (head.first() == Some(&1)).then(|| content.content(properties))?;
    Some(Answer { other: other as u64, valid, position: tx as u64, content })
}

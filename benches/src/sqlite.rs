//! The same memories in SQLite, with temporal tables: each version is a row with its valid time
//! and its transaction time. No gate, and no log but SQLite's own.
//!
//! One connection, prepared statements, and what was found to be fastest of what was tried:
//! - Settings: see `SETTINGS`. Smaller and larger pages, other intervals between checkpoints
//!   and a memory map were slower or no faster.
//! - To be written, edges have one row each for the way back, as Karyon has it. To be read, an
//!   index that holds whole versions; it makes writing slower by almost half.
//! - Neighbours come in the order of the index, the version that holds first, and whoever asks
//!   passes over the others. `group by` takes 1.4 times as long, a window function six times.
//!
//! The library is the one that `rusqlite` brings, with the options of its build script, and
//! allocates with the system's allocator. Built to use `fdatasync` in the place of `fsync`, and
//! without memory statistics, it wrote no faster.

use karyon_memory_ops::Valid;
use rusqlite::{Connection, Row as Found, Statement, params};
use tempfile::TempDir;

use crate::disk::allocated;
use crate::history::{Answer, Question, time};
use crate::rows::{Decoder, Row};

/// - `locking_mode=exclusive`: no locks to take, since nobody else is there; where somebody is,
///   `normal`.
/// - `synchronous=full`: a transaction is on the disk when it returns.
/// - A page cache as large as the one of Karyon's graph: everything fits.
/// - Checkpoints every 64 MiB. Source: <https://www.sqlite.org/wal.html>, "Performance
///   Considerations".
const SETTINGS: &str = "
    pragma page_size = 4096;
    pragma journal_mode = wal;
    pragma synchronous = full;
    pragma cache_size = -262144;
    pragma wal_autocheckpoint = 16384;
";

const TABLES: &str = r#"
    create table version (
        entity integer, valid_from integer, valid_to integer, tx integer, properties blob,
        primary key (entity, valid_from, tx)
    ) without rowid;
    create table edge (
        "from" integer, kind integer, "to" integer, valid_from integer, tx integer,
        valid_to integer, properties blob,
        primary key ("from", kind, "to", valid_from, tx)
    ) without rowid;
    create table incoming (
        "to" integer, kind integer, "from" integer,
        primary key ("to", kind, "from")
    ) without rowid;
"#;

/// Instead of rows in `incoming`.
const INDEX: &str = r#"
    create index edge_incoming
        on edge ("to", kind, "from", valid_from, tx, valid_to, properties)
"#;

const INSERT_FACT: &str = "insert into version values (?, ?, ?, ?, ?)";
const INSERT_EDGE: &str = "insert into edge values (?, ?, ?, ?, ?, ?, ?)";
const INSERT_INCOMING: &str = "insert or ignore into incoming values (?, ?, ?)";

const AS_OF: &str = "
    select 0, valid_from, valid_to, tx, properties from version
    where entity = ?1 and valid_from <= ?2 and (valid_to is null or valid_to > ?2)
    order by valid_from desc, tx desc limit 1
";
const AS_RECORDED: &str = "
    select 0, valid_from, valid_to, tx, properties from version
    where entity = ?1 and valid_from <= ?2 and (valid_to is null or valid_to > ?2) and tx <= ?3
    order by valid_from desc, tx desc limit 1
";
const OUT: &str = r#"
    select "to", valid_from, valid_to, tx, properties from edge
    where "from" = ?1 and kind = ?3
        and valid_from <= ?2 and (valid_to is null or valid_to > ?2)
    order by "to" desc, valid_from desc, tx desc
"#;
const IN: &str = r#"
    select "from", valid_from, valid_to, tx, properties from edge
    where "to" = ?1 and kind = ?3
        and valid_from <= ?2 and (valid_to is null or valid_to > ?2)
    order by "from" desc, valid_from desc, tx desc
"#;

/// The number of the only type of edges.
const KIND: i64 = 1;

/// The folder of a database's file. Dropping it deletes both.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new(below: &str) -> Home {
        Home(TempDir::new_in(below).expect("cargo makes the folder for temporary files"))
    }

    pub(crate) fn connect(&self, locking: &str) -> Connection {
        let path = self.0.path().join("memory.sqlite");
        let connection = Connection::open(path).expect("the folder is there");
        connection.pragma_update(None, "locking_mode", locking).expect("SQLite knows it");
        connection.execute_batch(SETTINGS).expect("SQLite knows these");
        connection
    }

    pub(crate) fn allocated(&self) -> u64 {
        allocated(self.0.path())
    }
}

/// A database in a file of its own. Dropping it deletes the file.
pub struct Sqlite {
    connection: Connection,
    home: Home,
}

/// Another connection to a database, which writes while others read.
pub struct SqliteWriter(Connection);

impl SqliteWriter {
    /// Inserts facts in one transaction, on the disk when this returns.
    pub fn insert_facts(&mut self, rows: &[Row]) {
        let connection = &self.0;
        connection.execute_batch("begin immediate").expect("the disk works");
        let mut insert = connection.prepare(INSERT_FACT).expect("SQLite understands it");
        rows.iter().for_each(|row| insert_fact(&mut insert, row));
        connection.execute_batch("commit").expect("the disk works");
    }
}

impl Sqlite {
    /// Empty tables below `folder`, for this connection alone.
    pub fn new(folder: &str) -> Sqlite {
        Sqlite::open(folder, "exclusive")
    }

    /// Empty tables below `folder`, which a [`SqliteWriter`] may write to.
    pub fn shared(folder: &str) -> Sqlite {
        Sqlite::open(folder, "normal")
    }

    fn open(folder: &str, locking: &str) -> Sqlite {
        let home = Home::new(folder);
        let connection = home.connect(locking);
        connection.execute_batch(TABLES).expect("the database is empty");
        Sqlite { connection, home }
    }

    /// Somebody who writes to the same tables; for [`shared`](Sqlite::shared) ones.
    pub fn writer(&self) -> SqliteWriter {
        SqliteWriter(self.home.connect("normal"))
    }

    /// Goes on with a view of what is committed now.
    pub fn renew(&self) {
        self.execute("commit; begin");
    }

    /// Inserts edges in transactions of so many rows, each on the disk before the next one
    /// begins. Sorted in each, as Karyon sorts them.
    pub fn insert_edges(self, rows: &[Row], transaction: usize) -> Sqlite {
        {
            let mut edge = self.prepare(INSERT_EDGE);
            let mut incoming = self.prepare(INSERT_INCOMING);
            for rows in rows.chunks(transaction) {
                let mut rows: Vec<&Row> = rows.iter().collect();
                self.execute("begin immediate");
                rows.sort_unstable_by_key(|row| (row.subject, row.other, row.valid_from, row.tx));
                rows.iter().for_each(|row| insert_edge(&mut edge, row));
                rows.sort_unstable_by_key(|row| (row.other, row.subject));
                rows.dedup_by_key(|row| (row.other, row.subject));
                for row in rows {
                    let row = params![row.other, KIND, row.subject];
                    incoming.execute(row).expect("the disk works");
                }
                self.execute("commit");
            }
        }
        self
    }

    /// How many versions of edges there are.
    pub fn edge_versions(&self) -> u64 {
        let count = "select count(*) from edge";
        let count: i64 = self.connection.query_row(count, [], |row| row.get(0)).expect("a number");
        count as u64
    }

    /// Inserts facts, to be read.
    pub fn fill_facts(self, rows: impl Iterator<Item = Row>) -> Sqlite {
        self.execute("begin immediate");
        {
            let mut insert = self.prepare(INSERT_FACT);
            rows.for_each(|row| insert_fact(&mut insert, &row));
        }
        self.settle()
    }

    /// Inserts edges, to be read in both directions.
    pub fn fill_edges(self, rows: impl Iterator<Item = Row>) -> Sqlite {
        self.execute("begin immediate");
        {
            let mut insert = self.prepare(INSERT_EDGE);
            rows.for_each(|row| insert_edge(&mut insert, &row));
        }
        self.execute(INDEX);
        self.settle()
    }

    /// Brings everything into the tables, and begins a transaction that never ends: like
    /// Karyon's, readers here hold a view. No `analyze`: there is one way to answer each
    /// question, and with statistics this build plans each statement again whenever other values
    /// are bound, which takes 5 µs. Source: <https://www.sqlite.org/c3ref/prepare.html>, the
    /// third difference of `sqlite3_prepare_v2`.
    fn settle(self) -> Sqlite {
        self.execute("commit; pragma wal_checkpoint(truncate); begin");
        self
    }

    /// The fact about an agent that holds.
    pub fn as_of(&self) -> AsOf<'_> {
        AsOf { statement: self.prepare(AS_OF), content: Decoder::plain() }
    }

    /// The fact about an agent that holds, as it was recorded up to a position.
    pub fn as_recorded(&self) -> AsOf<'_> {
        AsOf { statement: self.prepare(AS_RECORDED), content: Decoder::plain() }
    }

    /// The contacts from an agent (`out`) or to it that hold.
    pub fn neighbours(&self, out: bool) -> Neighbours<'_> {
        let statement = self.prepare(if out { OUT } else { IN });
        Neighbours { statement, content: Decoder::plain() }
    }

    fn prepare(&self, sql: &str) -> Statement<'_> {
        self.connection.prepare(sql).expect("SQLite understands it")
    }

    fn execute(&self, sql: &str) {
        self.connection.execute_batch(sql).expect("the disk works");
    }
}

fn insert_fact(insert: &mut Statement<'_>, row: &Row) {
    let Row { subject, valid_from, valid_to, tx, properties, .. } = row;
    let row = params![subject, valid_from, valid_to, tx, properties];
    insert.execute(row).expect("the disk works");
}

fn insert_edge(insert: &mut Statement<'_>, row: &Row) {
    let Row { subject, other, valid_from, valid_to, tx, properties } = row;
    let row = params![subject, KIND, other, valid_from, tx, valid_to, properties];
    insert.execute(row).expect("the disk works");
}

/// A question about a fact.
pub struct AsOf<'c> {
    statement: Statement<'c>,
    content: Decoder,
}

impl AsOf<'_> {
    /// The answer; `recorded` is the last position that counts, for whoever asks
    /// [`Sqlite::as_recorded`].
    pub fn get(&mut self, question: Question, recorded: Option<u64>) -> Option<Answer> {
        let (entity, moment) = (question.subject as i64, question.moment);
        let rows = match recorded {
            None => self.statement.query(params![entity, moment]),
            Some(position) => self.statement.query(params![entity, moment, position as i64]),
        };
        let mut rows = rows.expect("the database can be read");
        let row = rows.next().expect("the database can be read")?;
        answer(&mut self.content, row)
    }
}

/// A question about neighbours.
pub struct Neighbours<'c> {
    statement: Statement<'c>,
    content: Decoder,
}

impl Neighbours<'_> {
    /// The answers, in the order of the vertices at the other end, the last one first.
    pub fn get(&mut self, question: Question) -> Vec<Answer> {
        let (subject, moment) = (question.subject as i64, question.moment);
        let rows = self.statement.query(params![subject, moment, KIND]);
        let mut rows = rows.expect("the database can be read");
        let (mut answers, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next().expect("the database can be read") {
            let other: i64 = row.get(0).expect("a number");
            // The first version of each edge is the one that holds.
            if last.replace(other) != Some(other) {
                answers.extend(answer(&mut self.content, row));
            }
        }
        answers
    }
}

/// `None` for a version that says that the entity is no more.
fn answer(content: &mut Decoder, row: &Found<'_>) -> Option<Answer> {
    let properties = row.get_ref(4).expect("a column").as_blob_or_null().expect("bytes")?;
    let content = content.content(properties);
    let number = |column| row.get::<_, i64>(column).expect("a number");
    let valid_to: Option<i64> = row.get(2).expect("a number or nothing");
    let valid = Valid { from: time(number(1)), to: valid_to.map(time) };
    Some(Answer { other: number(0) as u64, valid, position: number(3) as u64, content })
}

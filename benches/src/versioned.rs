//! The same memories in SQLite as system-versioned tables (SQL:2011) are usually made there: one
//! table with the rows that hold, one with those that did, whole rows in both.
//!
//! A mutation copies the row that holds into the history, with its end, and puts the new one in
//! its place: two statements, prepared, without triggers. Mutations come in the order of valid
//! time, so that one period serves for both times; corrections into the past and versions with
//! an end would need the table of [`sqlite`](crate::sqlite). Settings are those found fastest
//! there.

use karyon_memory_ops::Valid;
use rusqlite::{
    Connection, OptionalExtension as _, Row as Found, Statement, params, params_from_iter,
};

use crate::history::{Answer, Question, time};
use crate::rows::{Decoder, Row};
use crate::sqlite::Home;

const TABLES: &str = r#"
    create table vertex (
        id integer primary key, label integer, valid_from integer, tx integer, properties blob
    );
    create index vertex_label on vertex (label);
    create table vertex_history (
        id integer, valid_from integer, valid_to integer, tx integer, properties blob,
        primary key (id, valid_from, tx)
    ) without rowid;
    create table edge (
        "from" integer, kind integer, "to" integer, valid_from integer, tx integer,
        properties blob,
        primary key ("from", kind, "to")
    ) without rowid;
    create index edge_incoming on edge ("to", kind, "from");
    create table edge_history (
        "from" integer, kind integer, "to" integer, valid_from integer, valid_to integer,
        tx integer, properties blob,
        primary key ("from", kind, "to", valid_from, tx)
    ) without rowid;
    create index edge_history_incoming on edge_history ("to", kind, "from", valid_from);
"#;

const KEEP_VERTEX: &str = "
    insert into vertex_history
    select id, valid_from, ?2, tx, properties from vertex where id = ?1
";
const SET_VERTEX: &str = "insert or replace into vertex values (?, ?, ?, ?, ?)";
const END_VERTEX: &str = "delete from vertex where id = ?";
const KEEP_EDGE: &str = r#"
    insert into edge_history
    select "from", kind, "to", valid_from, ?4, tx, properties from edge
    where "from" = ?1 and kind = ?2 and "to" = ?3
"#;
const SET_EDGE: &str = "insert or replace into edge values (?, ?, ?, ?, ?, ?)";
const END_EDGE: &str = r#"delete from edge where "from" = ? and kind = ? and "to" = ?"#;

const CURRENT_VERTEX: &str = "select 0, valid_from, tx, properties from vertex where id = ?";
const PAST_VERTEX: &str = "
    select 0, valid_from, tx, properties, valid_to from vertex_history
    where id = ?1 and valid_from <= ?2
    order by valid_from desc limit 1
";
/// From the last to the first. The versions of a vertex follow each other, so the first that may
/// hold is the last one that begins before: without that, all before are looked through.
const VERTEX_BETWEEN: &str = "
    select 0, valid_from, tx, properties from vertex where id = ?1 and valid_from <= ?3
    union all
    select * from (
        select 0, valid_from, tx, properties from vertex_history
        where id = ?1 and valid_from <= ?3 and valid_to > ?2 and valid_from >= ifnull(
            (select max(valid_from) from vertex_history where id = ?1 and valid_from <= ?2), ?2
        )
        order by valid_from desc
    )
";
const CURRENT_OUT: &str = r#"
    select "to", valid_from, tx, properties from edge where "from" = ?1 and kind = ?2
"#;
const OUT: &str = r#"
    select "to", valid_from, tx, properties from edge
    where "from" = ?1 and kind = ?2 and valid_from <= ?4
    union all
    select "to", valid_from, tx, properties from edge_history
    where "from" = ?1 and kind = ?2 and valid_from <= ?4 and valid_to > ?3
"#;

/// The number of the only type of edges, and of the only label.
const ONLY: i64 = 1;

/// A database in a file of its own. Dropping it deletes the file.
pub struct Versioned {
    pub(crate) connection: Connection,
    home: Home,
}

impl Versioned {
    /// Empty tables below `folder`.
    pub fn new(folder: &str) -> Versioned {
        let home = Home::new(folder);
        let connection = home.connect("exclusive");
        connection.execute_batch(TABLES).expect("the database is empty");
        Versioned { connection, home }
    }

    /// Takes versions in transactions of so many, each on the disk before the next one begins.
    pub fn insert(&mut self, rows: &[Row], transaction: usize) {
        let mut keep_vertex = self.prepare(KEEP_VERTEX);
        let mut set_vertex = self.prepare(SET_VERTEX);
        let mut end_vertex = self.prepare(END_VERTEX);
        let mut keep_edge = self.prepare(KEEP_EDGE);
        let mut set_edge = self.prepare(SET_EDGE);
        let mut end_edge = self.prepare(END_EDGE);
        for rows in rows.chunks(transaction) {
            self.execute("begin immediate");
            for Row { subject, other, valid_from, tx, properties, .. } in rows {
                let done = match (*other, properties) {
                    (0, properties) => {
                        let kept = keep_vertex.execute(params![subject, valid_from]);
                        kept.and_then(|_| match properties {
                            Some(properties) => set_vertex
                                .execute(params![subject, ONLY, valid_from, tx, properties]),
                            None => end_vertex.execute(params![subject]),
                        })
                    }
                    (other, properties) => {
                        let kept = keep_edge.execute(params![subject, ONLY, other, valid_from]);
                        kept.and_then(|_| match properties {
                            Some(properties) => set_edge
                                .execute(params![subject, ONLY, other, valid_from, tx, properties]),
                            None => end_edge.execute(params![subject, ONLY, other]),
                        })
                    }
                };
                done.expect("the disk works");
            }
            self.execute("commit");
        }
    }

    /// Forgets what held once, and gives the file's pages back.
    pub fn forget(&mut self) {
        self.execute("delete from vertex_history; delete from edge_history; vacuum");
    }

    /// Brings everything into the tables, and begins a transaction that never ends: like
    /// Karyon's, readers here hold a view.
    pub fn settle(&self) {
        self.checkpoint();
        self.execute("begin");
    }

    /// Ends what [`settle`](Versioned::settle) began.
    pub fn unsettle(&self) {
        self.execute("commit");
    }

    /// Bytes of its file, everything brought into the tables.
    pub fn bytes(&self) -> u64 {
        self.checkpoint();
        self.home.allocated()
    }

    /// Questions, their statements prepared.
    pub fn ask(&self) -> Ask<'_> {
        Ask {
            current: self.prepare(CURRENT_VERTEX),
            past: self.prepare(PAST_VERTEX),
            between: self.prepare(VERTEX_BETWEEN),
            current_out: self.prepare(CURRENT_OUT),
            out: self.prepare(OUT),
            vertex: Decoder::labelled(),
            edge: Decoder::plain(),
        }
    }

    fn checkpoint(&self) {
        self.execute("pragma wal_checkpoint(truncate)");
    }

    fn prepare(&self, sql: &str) -> Statement<'_> {
        self.connection.prepare(sql).expect("SQLite understands it")
    }

    fn execute(&self, sql: &str) {
        self.connection.execute_batch(sql).expect("the disk works");
    }
}

/// Questions to a database.
pub struct Ask<'c> {
    current: Statement<'c>,
    past: Statement<'c>,
    between: Statement<'c>,
    current_out: Statement<'c>,
    out: Statement<'c>,
    vertex: Decoder,
    edge: Decoder,
}

impl Ask<'_> {
    /// A vertex as it is.
    pub fn current(&mut self, subject: u64) -> Option<Answer> {
        let content = &mut self.vertex;
        let found = self.current.query_row([subject as i64], |row| Ok(answer(content, row)));
        found.optional().expect("the database can be read")
    }

    /// A vertex as it was at a moment.
    pub fn at(&mut self, question: Question) -> Option<Answer> {
        let current = self.current(question.subject);
        if current.as_ref().is_some_and(|now| now.valid.from <= time(question.moment)) {
            return current;
        }
        let content = &mut self.vertex;
        let asked = [question.subject as i64, question.moment];
        let found = self.past.query_row(asked, |row| {
            let holds = row.get::<_, i64>(4)? > question.moment;
            Ok(holds.then(|| answer(content, row)))
        });
        found.optional().expect("the database can be read").flatten()
    }

    /// The versions of a vertex that held at some moment from one to another, both included, in
    /// order.
    pub fn between(&mut self, subject: u64, first: i64, last: i64) -> Vec<Answer> {
        let mut answers = all(&mut self.between, &mut self.vertex, [subject as i64, first, last]);
        answers.reverse();
        answers
    }

    /// The edges from a vertex as they are.
    pub fn current_out(&mut self, subject: u64) -> Vec<Answer> {
        all(&mut self.current_out, &mut self.edge, [subject as i64, ONLY])
    }

    /// The edges from a vertex that held at a moment.
    pub fn out_at(&mut self, question: Question) -> Vec<Answer> {
        let Question { subject, moment } = question;
        self.out_between(subject, moment, moment)
    }

    /// The versions of edges from a vertex that held at some moment from one to another, both
    /// included.
    pub fn out_between(&mut self, subject: u64, first: i64, last: i64) -> Vec<Answer> {
        all(&mut self.out, &mut self.edge, [subject as i64, ONLY, first, last])
    }
}

fn all<const COUNT: usize>(
    statement: &mut Statement<'_>,
    content: &mut Decoder,
    asked: [i64; COUNT],
) -> Vec<Answer> {
    let rows = statement.query_map(params_from_iter(asked), |row| Ok(answer(content, row)));
    let rows = rows.expect("the database can be read");
    rows.map(|row| row.expect("the database can be read")).collect()
}

fn answer(content: &mut Decoder, row: &Found<'_>) -> Answer {
    let number = |column| row.get::<_, i64>(column).expect("a number");
    let properties = row.get_ref(3).expect("a column").as_blob().expect("bytes");
    let content = content.content(properties);
    let valid = Valid::since(time(number(1)));
    Answer { other: number(0) as u64, valid, position: number(2) as u64, content }
}

//! Writes the Zipf load and questions about it to files, for peers that are not Rust, and measures
//! Karyon with the same. `scripts/memory_peers/run.sh` runs it, and the peers behind it.
//!
//! `cargo run --release -p karyon-benches --example zipf_load -- FILE [MUTATIONS]`
//!
//! FILE gets a line a mutation: its position, which is its moment too; `vertex` or `edge`; the
//! serial of the vertex or of the one where the edge begins; where it ends; 1 if it is no more from
//! then on; then the properties, empty where there are none. FILE.questions gets a line a question:
//! whose vertex, at which moment, and the position of the version that held then.

#![expect(clippy::expect_used, reason = "a measurement that cannot run has nothing to tell")]

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};

use karyon_benches::audience::Requests;
use karyon_benches::history::time;
use karyon_benches::load::Load;
use karyon_benches::logged::Logged;
use karyon_benches::projected::{Projected, get, person};
use karyon_benches::steps::encoded;
use karyon_graph::View;
use karyon_memory_ops::{Content, Entity, Properties, Value, Vertex};

const BATCH: usize = 1_000;
const QUESTIONS: u64 = 20_000;
const COLUMNS: [&str; 10] =
    ["active", "city", "count", "last", "name", "note", "role", "score", "seen", "steps"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(file) = arguments.next() else {
        eprintln!("usage: zipf_load FILE [MUTATIONS]");
        std::process::exit(2);
    };
    let mutations = arguments.next().map(|text| text.parse().expect("a number of mutations"));
    let load = Load { vertices: 10_000, mutations: mutations.unwrap_or(200_000) };
    let folder = tempfile::tempdir_in(".").expect("this folder can be written to");
    let folder = folder.path().to_str().expect("a name in Unicode");
    write_load(load, &file).expect("the file can be written");

    let writes = encoded(load.writes());
    let mut graph = Projected::new(folder);
    let begun = Instant::now();
    let log = Logged::new(folder);
    let log = log.record_and_project(&writes, BATCH, &mut graph, &Requests::none());
    let rate = load.mutations as f64 / begun.elapsed().as_secs_f64();
    drop(log);

    let reader = graph.reader();
    let questions = load.questions(QUESTIONS);
    let mut file = BufWriter::new(File::create(format!("{file}.questions")).expect("a file"));
    writeln!(file, "subject,moment,position").expect("the disk has room");
    let mut times: Vec<Duration> = Vec::with_capacity(questions.len());
    for question in questions {
        let entity = person(&reader, question.subject);
        let view = View::at(time(question.moment));
        let begun = Instant::now();
        let version = black_box(get(&reader, &entity, &view));
        times.push(begun.elapsed());
        let position = version.expect("it was there").position.0;
        let (subject, moment) = (question.subject, question.moment);
        writeln!(file, "{subject},{moment},{position}").expect("the disk has room");
    }
    file.flush().expect("the disk has room");
    times.sort_unstable();
    let at = |part: usize| {
        let time = times.get(times.len() * part / 100).copied().unwrap_or_default();
        time.as_secs_f64() * 1e6
    };
    let (p50, p99) = (at(50), at(99));
    drop(reader);
    let bytes = graph.stored().closed as f64 / load.mutations as f64;
    println!(
        "{:<26} {rate:>13.0} {bytes:>14.0} {p50:>11.1} {p99:>11.1}  \
         durable: a signed commit of the log and a transaction of the graph a batch",
        "karyon"
    );
}

fn write_load(load: Load, file: &str) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(file)?);
    writeln!(file, "position,kind,subject,other,ended,{}", COLUMNS.join(","))?;
    for (position, write) in load.writes().enumerate() {
        let (kind, subject, other) = ends(&write.entity);
        let none = Properties::new();
        let (ended, properties) = match &write.content {
            Content::Present { properties, .. } => (0, properties),
            Content::Ended => (1, &none),
        };
        write!(file, "{position},{kind},{subject},{other},{ended}")?;
        for column in COLUMNS {
            let value = properties.get(column).map(text).unwrap_or_default();
            write!(file, ",{value}")?;
        }
        writeln!(file)?;
    }
    file.flush()
}

fn ends(entity: &Entity) -> (&'static str, u64, u64) {
    let serial = |vertex: &Vertex| match vertex {
        Vertex::Agent(agent) => agent.0,
        Vertex::Named(_) => 0,
    };
    match entity {
        Entity::Vertex(vertex) => ("vertex", serial(vertex), 0),
        Entity::Edge { from, to, .. } => ("edge", serial(from), serial(to)),
        Entity::Fact { subject, .. } => ("fact", serial(subject), 0),
    }
}

/// No text of the load has a comma or a quote.
fn text(value: &Value) -> String {
    match value {
        Value::Bool(is) => u8::from(*is).to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Time(time) => time.to_string(),
        other => format!("{other:?}"),
    }
}

//! Claim: a million facts are made into an engram, verified, and merged at 100,000 a second each,
//! in less than 512 MiB.
//!
//! Workload: 1,000,000 facts about 10,000 agents, a hundred predicates each, with two properties.
//! - "made": each is encoded, hashed and put into the spool; then the manifest is signed and the
//!   file written, its blocks in the order of their hashes.
//! - "verified": the file is read to its end; hashes, signature, order and the form of each block.
//! - "merged": the graph checks the file by its hash, as it was recorded, and merges it in one
//!   transaction, into a new file. That is what an import waits for behind the first reading and
//!   the copy of the file.
//! - "known": the same memories again, all of which are there already.
//!
//! What is beside these in the commands `karyon engram export` and `import`, reading the graph and
//! the log and comparing with what is told here, is not measured here.
//!
//! Durability: the file of "made" is not synced. The graph's transaction is durable.
//! Unit: facts a second, by the clock and, for a machine that does other things too, by the time that
//! the processor spent. One pass each; beside it the most memory that the process held so far
//! (`VmHWM`).
//! Means: how long an engram of a million facts takes, and that its size is no question of memory.
//! Does not mean: that facts of a kilobyte go as fast.
#![expect(clippy::expect_used, reason = "a bench that cannot run has nothing to tell")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::time::Instant;

use karyon_benches::sampling::is_asked_for;
use karyon_benches::size;
use karyon_engram::{Manifest, Origin, Principal, Sealer, Stream};
use karyon_graph::Graph;
use karyon_identity::SecretKey;
use karyon_log::{Control, ImportRecord, InputFile, Record};
use karyon_memory_ops::{Content, Entity, Memory, Recorded, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Hasher, LeaseId, LogId, Position, Tick};
use tempfile::TempDir;

const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
const GROUP: &str = "engram";
const NAME: &str = "facts.engram";

fn main() {
    if !is_asked_for(GROUP) {
        return;
    }
    let facts = size(1_000_000, 2_000);
    let folder = TempDir::new_in(FOLDER).expect("cargo makes the folder for temporary files");
    let path = folder.path().join(NAME);
    timed("made", facts, || make(facts, folder.path(), &path));
    let record = timed("verified", facts, || verify(&path));
    let mut graph = Graph::open(&folder.path().join("graph")).expect("the folder is empty");
    for (name, number) in [("merged", 1), ("known", 2)] {
        timed(name, facts, || merge(&mut graph, folder.path(), &record));
        let reader = graph.read().expect("the graph can be read");
        let known = reader.count_imported(karyon_graph::Kind::Fact, "p0", &karyon_graph::View::NOW);
        assert_eq!(known.expect("the graph can be read"), facts.div_ceil(100), "import {number}");
    }
}

/// Does it once, and says how fast, by the clock and by the processor's time, and how much memory
/// the process has held until now.
fn timed<T>(name: &str, facts: u64, work: impl FnOnce() -> T) -> T {
    let (begun, used) = (Instant::now(), processor_s());
    let done = work();
    let (elapsed, used) = (begun.elapsed().as_secs_f64(), processor_s() - used);
    let rate = facts as f64 / elapsed;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?");
    let of_processor = facts as f64 / used;
    println!(
        "{GROUP}/{name}: {elapsed:.2} s, {rate:.0} facts/s; {used:.2} s of a processor, \
         {of_processor:.0} facts/s; VmHWM {}",
        peak.trim()
    );
    done
}

/// Processor time of this process so far, seconds. Source: proc(5), fields 14 and 15 of
/// `/proc/self/stat`, in hundredths.
fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn key() -> SecretKey {
    SecretKey::from_seed([7; 32]).expect("any seed is a key")
}

fn fact(number: u64) -> Memory {
    let agent = AgentId(1 + number / 100);
    let time = |units: u64| Time::new(units as i64, 0).expect("whole units");
    let entity =
        Entity::Fact { subject: Vertex::Agent(agent), predicate: format!("p{}", number % 100) };
    let content =
        Content::with([("count", Value::Int(number as i64)), ("when", Value::Time(time(number)))]);
    let recorded = Recorded {
        position: Position(number),
        tick: Tick(number / 1_000),
        agent,
        step: number % 100,
        output: Some(0),
        lease: LeaseId(agent.0),
    };
    Memory { write: Write { entity, valid: Valid::since(time(number)), content }, recorded }
}

fn make(facts: u64, folder: &Path, path: &Path) {
    let spool = tempfile::tempfile_in(folder).expect("the disk works");
    let mut sealer = Sealer::new(spool);
    for number in 0..facts {
        sealer.add(&fact(number)).expect("it keeps to the bounds");
    }
    let names: BTreeMap<_, _> =
        sealer.mentioned().iter().map(|agent| (*agent, format!("agent {}", agent.0))).collect();
    let key = key();
    let manifest = Manifest {
        origin: Origin {
            log: LogId([9; 16]),
            node_key: key.public_key(),
            tree_size: 1,
            tree_root: [1; 32],
            records: facts,
        },
        principal: Principal { name: "ada".into(), public_key: key.public_key() },
        reason: "a bench".into(),
        created_unix_ms: 0,
        at: None,
        agents: BTreeMap::new(),
        names,
    };
    let mut out = BufWriter::new(File::create_new(path).expect("it is not there"));
    sealer.seal(&manifest, &key, &mut out).expect("the disk works");
    out.flush().expect("the disk works");
}

/// Reads it to its end; the record of its import.
fn verify(path: &Path) -> ImportRecord {
    let file = File::open(path).expect("it was made");
    let mut stream = Stream::open(BufReader::new(&file)).expect("it is an engram");
    stream.check().expect("all of it is right");
    let (mut hasher, mut size, mut part) = (Hasher::default(), 0, vec![0; 256 * 1024]);
    let mut file = File::open(path).expect("it was made");
    loop {
        let read = file.read(&mut part).expect("the disk works");
        if read == 0 {
            break;
        }
        hasher.update(part.get(..read).expect("no more than there is room for"));
        size += read as u64;
    }
    ImportRecord {
        file: InputFile { name: NAME.into(), size, hash: hasher.finish().0 },
        root: stream.root().to_bytes().to_vec(),
        origin: stream.manifest().origin.log.0,
        signer: stream.signer().0,
        trusted_by: "named".into(),
        lease: 1,
        at_unix_ms: 0,
    }
}

fn merge(graph: &mut Graph, folder: &Path, record: &ImportRecord) {
    let mut body = Vec::new();
    Record::Control(Box::new(Control::Import(record.clone()))).encode(&mut body);
    let mut projector = graph.projector(folder).expect("the graph can be read");
    projector.apply(&[&body]).expect("it is right");
}

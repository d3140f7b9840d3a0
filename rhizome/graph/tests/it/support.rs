//! Small logs on disk, and graphs beside them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use karyon_graph::{CaughtUp, Graph};
use karyon_identity::SecretKey;
use karyon_log::{Control, End, Genesis, Lane, Record, Seal, SegmentHeader, segment_file};
use karyon_log_writer::{Block, FileStorage, Writer};
use karyon_types::{Hash, LogId};
use redb::ReadableDatabase as _;
use tempfile::TempDir;

/// A key that everybody knows.
pub fn key() -> SecretKey {
    SecretKey::from_seed([7; 32]).unwrap()
}

pub fn header(log: u8) -> SegmentHeader {
    SegmentHeader { log: LogId([log; 16]), node_key: key().public_key() }
}

pub fn genesis() -> Control {
    Control::Genesis(Genesis {
        karyon: "0.1.0".into(),
        created_unix_ms: 0,
        scenario_name: "test".into(),
        scenario: String::new(),
        kinds: vec![("person".into(), 1), ("feeder".into(), 1)],
        inputs: vec![],
    })
}

pub fn control(control: Control) -> Block {
    let seals = control.seals();
    let mut body = Vec::new();
    Record::Control(Box::new(control)).encode(&mut body);
    Block { lane: Lane::Control, count: 1, body, wall_ms: 0, seals }
}

/// A data directory of a test: a log, and a graph that may be there.
pub struct Data {
    folder: PathBuf,
    /// Deletes the folder; `None`: another process does.
    _own: Option<TempDir>,
}

impl Data {
    pub fn new() -> Data {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inputs")).unwrap();
        Data { folder: folder.path().into(), _own: Some(folder) }
    }

    /// That of another process.
    pub fn at(folder: &Path) -> Data {
        Data { folder: folder.into(), _own: None }
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn inputs(&self) -> PathBuf {
        self.folder.join("inputs")
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("memory").join("graph.redb")
    }

    /// Writes a log anew: genesis, then each body in a commit of its own, the seal if `sealed`.
    pub fn write_log(&self, log: u8, bodies: &[Vec<u8>], sealed: bool) -> End {
        let folder = self.log();
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        std::fs::create_dir(&folder).unwrap();
        let first = segment_file(&folder, 0);
        std::fs::write(&first, header(log).encode()).unwrap();
        let storage = FileStorage::open(&first).unwrap();
        let header = header(log);
        let writer =
            Writer::start(Box::new(storage), &header, key().into(), 1, End::of_new_log()).unwrap();
        let bodies = bodies.iter().map(|body| Block {
            lane: Lane::Ticks,
            count: count(body),
            body: body.clone(),
            wall_ms: 0,
            seals: false,
        });
        let seal = sealed.then(|| control(Control::Seal(Seal { ticks: 1, state_root: [0; 32] })));
        for block in std::iter::once(control(genesis())).chain(bodies).chain(seal) {
            writer.append(block).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap()
    }

    pub fn catch_up(&self, graph: &mut Graph) -> CaughtUp {
        graph.catch_up(&self.log(), &self.inputs(), &mut |_| {}).unwrap()
    }

    /// Opens the graph, reads the log to its end, and gives the root.
    pub fn heal(&self) -> (CaughtUp, Hash) {
        let mut graph = Graph::open(&self.file()).unwrap();
        let caught_up = self.catch_up(&mut graph);
        assert!(graph.is_current(&self.log()).unwrap());
        (caught_up, graph.read().unwrap().memory_root().unwrap())
    }
}

/// The layout's number in the file of a graph that nobody has open.
pub fn schema(data: &Data) -> u32 {
    let table = redb::TableDefinition::<&[u8], &[u8]>::new("meta");
    let database = redb::Database::open(data.file()).unwrap();
    let meta = database.begin_read().unwrap().open_table(table).unwrap();
    u32::from_le_bytes(meta.get(b"schema".as_slice()).unwrap().unwrap().value().try_into().unwrap())
}

/// A real input; `None`, said visibly, where the folder is absent.
pub fn dataset(name: &str) -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/datasets");
    let folder = std::env::var_os("KARYON_DATASETS").map_or(beside.into(), PathBuf::from);
    let file = folder.join(name);
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(_) => {
            // Straight to standard error: the test harness hides what passing tests print.
            let skipped = format!("SKIPPED: {} is absent (set KARYON_DATASETS)\n", file.display());
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            None
        }
    }
}

/// How many records a body holds.
pub fn count(body: &[u8]) -> u32 {
    karyon_log::Records::new(body).filter(Option::is_some).count() as u32
}

/// The root of the projection of these bodies, in memory.
pub fn root_of(bodies: &[Vec<u8>]) -> Hash {
    let mut graph = Graph::in_memory().unwrap();
    project(&mut graph, &with_genesis(bodies));
    graph.read().unwrap().memory_root().unwrap()
}

/// The bodies behind that of genesis.
pub fn with_genesis(bodies: &[Vec<u8>]) -> Vec<Vec<u8>> {
    std::iter::once(control(genesis()).body).chain(bodies.iter().cloned()).collect()
}

/// Projects each body as a transaction of its own.
pub fn project(graph: &mut Graph, bodies: &[Vec<u8>]) {
    let mut projector = graph.projector(Path::new("")).unwrap();
    for body in bodies {
        projector.apply(&[body]).unwrap();
    }
}

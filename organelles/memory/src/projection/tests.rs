//! A log in memory that grows while it is followed.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::AtomicU32;

use karyon_identity::SecretKey;
use karyon_log::{
    Cause, End, Lane, Output, ReadStorage, Record, SegmentHeader, Walk, segment_name,
};
use karyon_log_writer::{Block, MemoryStorage, Storage, Writer};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Hash, LeaseId, LogId, Tick};

use super::thread::{Moment, Probe};
use super::*;

/// A file in memory, for its writer and its reader.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<MemoryStorage>>);

impl ReadStorage for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.lock().unwrap().len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.lock().unwrap().read_at(offset, buffer)
    }
}

impl ReadFolder for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(vec![segment_name(0)])
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn ReadStorage>> {
        Ok(Box::new(self.clone()))
    }
}

impl Storage for Disk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().write_at(offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().set_len(len)
    }

    fn reserve(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

/// A log that is written, tick by tick, each a commit of two records and three memories.
struct Log {
    disk: Disk,
    writer: Writer,
    ticks: u64,
}

impl Log {
    fn new() -> Log {
        let key = Arc::new(SecretKey::from_seed([3; 32]).unwrap());
        let header = SegmentHeader { log: LogId([1; 16]), node_key: key.public_key() };
        let mut disk = Disk::default();
        disk.write_at(0, &header.encode()).unwrap();
        let (file, end) = (Box::new(disk.clone()), End::of_new_log());
        Log { disk, writer: Writer::start(file, &header, key, 1, end).unwrap(), ticks: 0 }
    }

    fn of(ticks: u64) -> Log {
        let mut log = Log::new();
        log.write(ticks);
        log
    }

    fn write(&mut self, ticks: u64) {
        for tick in self.ticks..self.ticks + ticks {
            let writes: Vec<_> = ["ada", "bob", "house"].map(|of| fact(of, tick)).into();
            let lease = LeaseId(1);
            let outputs = writes.iter().map(|write| Output::Remembered { lease, write }).collect();
            let mut body = Vec::new();
            Record::Tick(Tick(tick)).encode(&mut body);
            let (agent, cause) = (AgentId(1), Cause::Input(0));
            Record::Step { agent, step: tick, cause, outputs }.encode(&mut body);
            let block = Block { lane: Lane::Ticks, count: 2, body, wall_ms: 0, seals: false };
            self.writer.append(block).unwrap();
            self.writer.flush().unwrap();
        }
        self.ticks += ticks;
    }

    fn records(&self) -> u64 {
        2 * self.ticks
    }

    /// A projection of it in `data`, with small transactions.
    fn projection(&self, data: &Path, change: impl FnOnce(&mut Shared)) -> Projection {
        let status = Arc::clone(self.writer.status());
        let (log, durable) = (Arc::new(self.disk.clone()), Box::new(move || status.records()));
        let mut projection = Projection::with(data, log, durable, Arc::default());
        let shared = Arc::get_mut(&mut projection.shared).unwrap();
        shared.batch_bytes = 1;
        change(shared);
        projection
    }

    /// The root of the memory that is built from it at once.
    fn root(&self) -> Hash {
        let mut graph = Graph::in_memory().unwrap();
        let log: Arc<dyn ReadFolder> = Arc::new(self.disk.clone());
        graph.catch_up_in(&log, Path::new(""), &mut |_| false, &mut |_| ()).unwrap();
        graph.read().unwrap().memory_root().unwrap()
    }
}

fn fact(of: &str, n: u64) -> Vec<u8> {
    let entity = Entity::Fact { subject: Vertex::from(of), predicate: format!("p{}", n % 3) };
    let content = Content::with([("n", Value::Int(n as i64))]);
    let mut bytes = Vec::new();
    Write { entity, valid: Valid::since(Time::MIN), content }.encode(&mut bytes).unwrap();
    bytes
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Fails once, when `moment` comes for the `n`-th time, from 0.
fn fails_at(moment: Moment, n: u32) -> Probe {
    let left = AtomicU32::new(n + 1);
    Box::new(move |at| {
        let counts = at == moment && left.load(Ordering::SeqCst) > 0;
        assert!(!counts || left.fetch_sub(1, Ordering::SeqCst) != 1, "as told");
    })
}

#[test]
fn whoever_waits_reads_its_own_write_and_what_it_holds_stays() {
    let (mut log, data) = (Log::new(), tempfile::tempdir().unwrap());
    let projection = log.projection(data.path(), |_| ());
    let mut held = Vec::new();
    for tick in 1..=20 {
        log.write(1);
        projection.wait_for(Position(log.records()), PATIENCE).unwrap();
        let view = projection.read().unwrap();
        assert_eq!(view.memory_root().unwrap(), log.root(), "tick {tick}");
        assert!(Arc::ptr_eq(&view, &projection.read().unwrap()), "one view for all who ask");
        held.push((view, log.root()));
    }
    for (tick, (view, root)) in (1..).zip(held) {
        assert_eq!((view.end(), view.memory_root().unwrap()), (Position(2 * tick), root));
    }
    let beyond = Position(log.records() + 1);
    match projection.wait_for(beyond, Duration::from_millis(30)) {
        Err(ProjectionError::Late { position, .. }) => assert_eq!(position, beyond),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_read_that_is_not_durable() {
    let (log, data) = (Log::of(9), tempfile::tempdir().unwrap());
    let durable = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&durable);
    let projection = log.projection(data.path(), |shared| {
        shared.batch_bytes = BATCH_BYTES;
        shared.durable = Box::new(move || told.load(Ordering::SeqCst));
    });
    for ticks in [1, 2, 7, 9] {
        durable.store(2 * ticks, Ordering::SeqCst);
        projection.wait_for(Position(2 * ticks), PATIENCE).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(projection.position(), Position(2 * ticks));
    }
}

#[test]
fn a_projector_that_fails_at_any_moment_of_any_transaction_goes_on_without_gap_or_double() {
    let ticks = 12;
    let log = Log::of(ticks);
    let root = log.root();
    for moment in [Moment::Before, Moment::Filled, Moment::Committed] {
        for n in 0..ticks as u32 {
            let data = tempfile::tempdir().unwrap();
            let probe = fails_at(moment, n);
            let projection = log.projection(data.path(), |shared| shared.probe = Some(probe));
            projection.wait_for(Position(log.records()), PATIENCE).unwrap();
            let view = projection.read().unwrap();
            assert_eq!(view.memory_root().unwrap(), root, "{moment:?} {n}");
            let restarts = projection.shared.shown.memory.restarts.load(Ordering::Relaxed);
            assert_eq!(restarts, 1, "{moment:?} {n}");
            // Where the run's records lie is known without gap or double too.
            let found = (1..=log.records()).map(|records| {
                let prefix = Prefix { tick: Tick(0), records };
                projection.wait_for_prefix(prefix).unwrap().0
            });
            assert!(found.eq(0..log.records()), "{moment:?} {n}");
        }
    }
}

#[test]
fn one_that_fails_again_and_again_gives_up_and_says_why() {
    let (log, data) = (Log::of(9), tempfile::tempdir().unwrap());
    let probe = Box::new(|_| panic!("the disk burns"));
    let projection = log.projection(data.path(), |shared| shared.probe = Some(probe));
    let error = projection.wait_for(Position(1), PATIENCE).unwrap_err();
    assert!(error.to_string().contains("the disk burns"), "{error}");
    let restarts = projection.shared.shown.memory.restarts.load(Ordering::Relaxed);
    assert_eq!(restarts, crate::limits::RESTARTS_IN_PLACE + 1);
    assert!(matches!(projection.keeps_up(), Err(ProjectionError::GaveUp(_))));
    assert!(matches!(projection.read(), Err(ProjectionError::GaveUp(_))));
    assert!(!run_file(data.path()).exists());
}

#[test]
fn a_file_that_cannot_be_gone_on_with_is_begun_anew() {
    let (log, data) = (Log::of(9), tempfile::tempdir().unwrap());
    let (seen, file) = (Mutex::new(BTreeSet::new()), run_file(data.path()));
    // Fails at the fifth transaction for as long as it is the first file.
    let probe = Box::new(move |moment| {
        use std::os::unix::fs::MetadataExt as _;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(std::fs::metadata(&file).unwrap().ino());
        let is_first = seen.len() == 1;
        drop(seen);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(u32::from(moment == Moment::Committed), Ordering::SeqCst);
        assert!(!is_first || count < 5, "the file is torn");
    });
    let projection = log.projection(data.path(), |shared| shared.probe = Some(probe));
    projection.wait_for(Position(log.records()), PATIENCE).unwrap();
    assert_eq!(projection.read().unwrap().memory_root().unwrap(), log.root());
    let restarts = projection.shared.shown.memory.restarts.load(Ordering::Relaxed);
    assert!(restarts > 1, "{restarts}");
}

#[test]
fn what_it_lags_behind_is_bounded_and_what_was_there_before_is_not_counted() {
    let (mut log, data) = (Log::of(9), tempfile::tempdir().unwrap());
    let gate = Arc::new(Mutex::new(()));
    let closed = Arc::clone(&gate);
    let probe: Probe = Box::new(move |_| drop(closed.lock().unwrap()));
    let projection = log.projection(data.path(), |shared| {
        shared.probe = Some(probe);
        shared.lag_records = 6;
    });
    let shut = gate.lock().unwrap();
    assert!(projection.keeps_up().unwrap(), "there is nothing to follow yet");
    projection.begin();
    assert_eq!(projection.lag(), 18);
    assert!(projection.keeps_up().unwrap(), "all of it was there before");
    log.write(3);
    assert!(projection.keeps_up().unwrap(), "six records are borne");
    log.write(1);
    assert!(!projection.keeps_up().unwrap() && !projection.keeps_up().unwrap());
    drop(shut);
    projection.wait_for(Position(log.records()), PATIENCE).unwrap();
    assert!(projection.keeps_up().unwrap());
    let memory = &projection.shared.shown.memory;
    assert_eq!(memory.waits.load(Ordering::Relaxed), 1, "one wait, however often it is asked");
    assert_eq!((projection.lag(), memory.records.load(Ordering::Relaxed)), (0, 26));
}

#[test]
fn one_that_was_never_begun_makes_no_file_and_one_that_is_discarded_leaves_none() {
    let (log, data) = (Log::of(3), tempfile::tempdir().unwrap());
    let projection = log.projection(data.path(), |_| ());
    projection.discard();
    projection.begin();
    assert!(matches!(projection.read(), Err(ProjectionError::Over)));
    let file = run_file(data.path());
    assert!(!file.exists());
    let projection = log.projection(data.path(), |_| ());
    projection.wait_for(Position(6), PATIENCE).unwrap();
    let view = projection.read().unwrap();
    assert!(file.exists());
    drop(projection);
    assert!(!file.exists());
    assert_eq!(view.memory_root().unwrap(), log.root(), "who holds it goes on reading");
}

#[test]
fn a_file_that_is_found_is_not_believed() {
    let (log, data) = (Log::of(3), tempfile::tempdir().unwrap());
    // As it was when another process died, and right as far as it goes.
    let mut other = Graph::open(&run_file(data.path())).unwrap();
    let less: Arc<dyn ReadFolder> = Arc::new(Log::of(2).disk);
    other.catch_up_in(&less, Path::new(""), &mut |_| false, &mut |_| ()).unwrap();
    drop(other);
    let read = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&read);
    let probe: Probe = Box::new(move |moment| {
        counted.fetch_add(u32::from(moment == Moment::Filled), Ordering::SeqCst);
    });
    let projection = log.projection(data.path(), |shared| shared.probe = Some(probe));
    projection.wait_for(Position(6), PATIENCE).unwrap();
    assert_eq!(read.load(Ordering::SeqCst), 3, "all of it was read");
    assert_eq!(projection.read().unwrap().memory_root().unwrap(), log.root());
}

#[test]
fn where_records_lie_is_not_told_before_they_are_there() {
    let (log, data) = (Log::of(2), tempfile::tempdir().unwrap());
    let projection = log.projection(data.path(), |_| ());
    let mut walk = Walk::open_in(Arc::new(log.disk.clone())).unwrap();
    let block = &walk.next_group().unwrap().unwrap()[0];
    let (shared, coming) = (&projection.shared, Stretch::of(block).unwrap());
    // It failed, and the file stands where it stood.
    shared.lock().coming = vec![coming];
    shared.tell(Position(0));
    assert_eq!(shared.lock().stretches.last(1), None);
    assert!(shared.lock().coming.is_empty());
    // It failed behind the commit.
    shared.lock().coming = vec![coming];
    shared.tell(Position(2));
    assert_eq!(shared.lock().stretches.last(2), Some(Position(1)));
}

#[test]
fn one_that_fails_too_often_within_a_minute_gives_up_though_it_gets_on() {
    let (log, data) = (Log::of(20), tempfile::tempdir().unwrap());
    let probe = Box::new(|moment| assert_ne!(moment, Moment::Committed, "it stumbles"));
    let projection = log.projection(data.path(), |shared| shared.probe = Some(probe));
    let error = projection.wait_for(Position(40), PATIENCE).unwrap_err();
    assert!(matches!(error, ProjectionError::GaveUp(_)), "{error}");
    let restarts = projection.shared.shown.memory.restarts.load(Ordering::Relaxed);
    assert_eq!(restarts, crate::limits::RESTARTS.restarts + 1);
}

#[test]
fn what_is_finished_becomes_the_memory_and_is_whole_also_where_the_projector_failed() {
    for fails in [None, Some(Moment::Filled), Some(Moment::Committed)] {
        let (mut log, data) = (Log::of(4), tempfile::tempdir().unwrap());
        let probe = fails.map(|moment| fails_at(moment, 2));
        let projection = log.projection(data.path(), |shared| shared.probe = probe);
        projection.wait_for(Position(log.records()), PATIENCE).unwrap();
        // The rest is read from the directory.
        log.write(3);
        let bytes = log.disk.0.lock().unwrap().bytes.clone();
        std::fs::create_dir(log_folder(data.path())).unwrap();
        std::fs::write(log_folder(data.path()).join(segment_name(0)), bytes).unwrap();
        let fresh = projection.finish().unwrap();
        assert_eq!(fresh.read().unwrap().memory_root().unwrap(), log.root());
        assert!(matches!(projection.read(), Err(ProjectionError::Over)));
        fresh.install().unwrap();
        projection.discard();
        let file = memory_file(data.path());
        assert!(file.with_extension("blake3").exists(), "{fails:?}: it is not checked");
        let graph = Graph::open_read_only(&file).unwrap();
        assert!(graph.is_current(&log_folder(data.path())).unwrap());
        assert_eq!(graph.read().unwrap().memory_root().unwrap(), log.root());
        assert!(!run_file(data.path()).exists());
    }
}

//! A run in memory: what tests are made of. And one of which the log alone is kept.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use karyon_identity::SecretKey;
use karyon_log::{DiskFolder, End, ReadFolder, ReadStorage, SegmentHeader, Walk, segment_name};
use karyon_log_writer::{MemoryStorage, Storage, Writer, WriterOptions};
use karyon_memory::Recollection;
use karyon_runtime::{Effects, Recorder, RunConfig};
use karyon_types::{Hash, Hasher, LogId};

use super::Run;
use crate::error::RunError;
use crate::outcome::Outcome;

/// The seed of the key that signs what is gone with the process: nobody trusts it.
const NOBODYS_KEY: [u8; 32] = [7; 32];

impl Run {
    /// Runs it to its end, in memory, as fast as it can: a tick takes no time of its own, nor does
    /// a millisecond of a [free-running](Run::free_running) run in which nothing happens. It is
    /// gated and recorded as any run, by a grant that nobody signed, and its log is read back and
    /// checked.
    ///
    /// # Errors
    /// What is wrong with the run; [`RunError::Run`] if a bound was passed or the supervisor gave
    /// up.
    pub fn test(&self) -> Result<Outcome, RunError> {
        self.ready()?;
        let disk = Disk::default();
        self.alone(recorder(&disk)?, Arc::new(disk.clone()), || Ok(Walk::new(Box::new(disk))?))
    }

    /// As [`Run::test`], with its log in the files of this folder, which is made and must hold no
    /// log: each commit is durable before what follows it is told. No data directory: nobody signed
    /// a grant, there is no memory, and it cannot be resumed. For whoever measures what the log
    /// costs; the directory of a run that counts is made by [`Run::begin`].
    ///
    /// # Errors
    /// As [`Run::test`]; [`RunError::File`], if the folder or the log cannot be made.
    pub fn test_logged(&self, folder: &Path) -> Result<Outcome, RunError> {
        self.ready()?;
        let failed = |error| RunError::File(folder.into(), error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        // The writer would take one that begins as this one does for its own.
        if folder.join(segment_name(0)).symlink_metadata().is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let (key, header) = nobody();
        let disk = Arc::new(DiskFolder::new(folder));
        let (end, options) = (End::of_new_log(), WriterOptions::default());
        let writer = Writer::open(disk.clone(), &header, key, 1, &end, options).map_err(failed)?;
        self.alone(Recorder::new(writer), disk, || Ok(Walk::open(folder)?))
    }

    fn ready(&self) -> Result<(), RunError> {
        self.check()?;
        self.settings.check_adapter()
    }

    /// Runs it to its end with a log that nobody else has.
    fn alone(
        &self,
        recorder: Recorder,
        log: Arc<dyn ReadFolder>,
        read: impl FnOnce() -> Result<Walk, RunError>,
    ) -> Result<Outcome, RunError> {
        let mut recorder = Some(recorder);
        let config = self.config_in_memory(log);
        let allowed = (self.grant(None), self.subjects_in_memory());
        let since = Instant::now();
        let (outcome, beside) = self.go(config, allowed, &self.orders, &mut recorder)?;
        if let Some(recorder) = recorder.take() {
            recorder.close()?;
        }
        let took = since.elapsed();
        let read = read_back(read()?)?;
        let state_root = self.add_state(&outcome).finish();
        Ok(Outcome { took, ..self.left(outcome, beside, state_root, read) })
    }

    /// How it is run there: nothing waits for a clock, and whoever tests is guardian enough.
    pub(super) fn config_in_memory(&self, log: Arc<dyn ReadFolder>) -> RunConfig {
        let memory = Recollection::new(log, Path::new(""));
        let config = self.config();
        let effects = Effects { unguarded: true, ..config.effects };
        RunConfig { recaller: Some(Box::new(memory)), virtual_time: true, effects, ..config }
    }
}

/// Who signs what nobody trusts.
fn nobody() -> (Arc<SecretKey>, SegmentHeader) {
    let key = SecretKey::from_seed(NOBODYS_KEY);
    #[expect(clippy::expect_used, reason = "a constant seed is one that makes a key")]
    let key = Arc::new(key.expect("a seed of 32 bytes"));
    let header = SegmentHeader { log: LogId([0; 16]), node_key: key.public_key() };
    (key, header)
}

pub(super) fn recorder(disk: &Disk) -> Result<Recorder, RunError> {
    let (key, header) = nobody();
    let mut file = disk.clone();
    file.write_at(0, &header.encode()).map_err(failed)?;
    let writer = Writer::start(Box::new(file), &header, key, 1, End::of_new_log());
    Ok(Recorder::new(writer.map_err(failed)?))
}

fn failed(error: io::Error) -> RunError {
    RunError::Run(karyon_runtime::RunError::Runtime(error.to_string()))
}

/// How many records a log holds, and the hash of those of the run.
pub(super) fn read_back(mut walk: Walk) -> Result<(u64, Hash), RunError> {
    let mut hasher = Hasher::for_domain("karyon records of a run v1");
    let mut records = 0;
    while let Some(blocks) = walk.next_group()? {
        for block in blocks {
            records += u64::from(block.header.count);
            if block.header.lane == karyon_log::Lane::Ticks {
                hasher.update(&block.body);
            }
        }
    }
    Ok((records, hasher.finish()))
}

/// A file in memory, for its writer and its reader.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<MemoryStorage>>);

impl Disk {
    fn with<T>(&self, then: impl FnOnce(&mut MemoryStorage) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadStorage for Disk {
    fn len(&self) -> io::Result<u64> {
        self.with(|storage| storage.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.with(|storage| storage.read_at(offset, buffer))
    }
}

impl ReadFolder for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(vec![segment_name(0)])
    }

    fn open(&self, _name: &str) -> io::Result<Box<dyn ReadStorage>> {
        Ok(Box::new(self.clone()))
    }
}

impl Storage for Disk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|storage| storage.write_at(offset, bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.with(|storage| storage.set_len(len))
    }

    fn reserve(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

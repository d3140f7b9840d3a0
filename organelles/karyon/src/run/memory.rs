//! A run in memory: what tests are made of.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use karyon_identity::SecretKey;
use karyon_log::{End, ReadFolder, ReadStorage, SegmentHeader, Walk, segment_name};
use karyon_log_writer::{MemoryStorage, Storage, Writer};
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
        self.check()?;
        self.settings.check_adapter()?;
        let disk = Disk::default();
        let mut recorder = Some(recorder(&disk)?);
        let config = self.config_in_memory(&disk);
        let allowed = (self.grant(None), self.subjects_in_memory());
        let (outcome, beside) = self.go(config, allowed, &self.orders, &mut recorder)?;
        if let Some(recorder) = recorder.take() {
            recorder.close()?;
        }
        let (records, records_root) = read_back(Walk::new(Box::new(disk))?)?;
        let state_root = self.add_state(&outcome).finish();
        Ok(self.left(outcome, beside, state_root, (records, records_root)))
    }

    /// How it is run there: nothing waits for a clock, and whoever tests is guardian enough.
    pub(super) fn config_in_memory(&self, disk: &Disk) -> RunConfig {
        let memory = Recollection::new(Arc::new(disk.clone()), Path::new(""));
        let config = self.config();
        let effects = Effects { unguarded: true, ..config.effects };
        RunConfig { recaller: Some(Box::new(memory)), virtual_time: true, effects, ..config }
    }
}

pub(super) fn recorder(disk: &Disk) -> Result<Recorder, RunError> {
    let key = SecretKey::from_seed(NOBODYS_KEY);
    #[expect(clippy::expect_used, reason = "a constant seed is one that makes a key")]
    let key = Arc::new(key.expect("a seed of 32 bytes"));
    let header = SegmentHeader { log: LogId([0; 16]), node_key: key.public_key() };
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

//! Memories in a real log, and projected while it grows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use karyon_identity::SecretKey;
use karyon_log::{DiskFolder, End, SegmentHeader};
use karyon_log_writer::{Block, Writer, WriterOptions};
use karyon_types::LogId;
use tempfile::TempDir;

use crate::audience::Requests;
use crate::projected::Projected;
use crate::steps::Steps;

/// Batches that may be committed and not yet projected.
const AHEAD: usize = 16;

/// A log of memories. Dropping it ends its thread and deletes its files.
pub struct Logged {
    writer: Option<Writer>,
    steps: Steps,
    folder: TempDir,
}

impl Logged {
    /// An empty log below `folder`.
    pub fn new(folder: &str) -> Logged {
        let folder = TempDir::new_in(folder).expect("cargo makes the folder for temporary files");
        let key = Arc::new(SecretKey::from_seed([7; 32]).expect("a seed that is not zero"));
        let header = SegmentHeader { log: LogId([0x11; 16]), node_key: key.public_key() };
        std::fs::create_dir(log(&folder)).expect("the folder is empty");
        let files = Arc::new(DiskFolder::new(&log(&folder)));
        let writer =
            Writer::open(files, &header, key, 1, &End::of_new_log(), WriterOptions::default());
        let writer = writer.expect("the folder is empty");
        Logged { writer: Some(writer), steps: Steps::default(), folder }
    }

    /// Records the bytes of so many writes, and tells their blocks when they are on the disk.
    fn record(&mut self, writes: &[Vec<u8>]) -> Vec<Block> {
        let writer = self.writer.as_ref().expect("it is there until this is dropped");
        writes.iter().for_each(|write| self.steps.push(write));
        let blocks = self.steps.take();
        for block in &blocks {
            writer.append(block.clone()).expect("the disk works");
        }
        writer.flush().expect("the disk works");
        blocks
    }

    /// Records the bytes of writes, so many a commit, each on the disk before the next begins.
    pub fn record_all(mut self, writes: &[Vec<u8>], commit: usize) -> Logged {
        writes.chunks(commit).for_each(|writes| drop(self.record(writes)));
        self
    }

    /// The same, and behind each commit a transaction of `graph` with its records, from another
    /// thread, durable about every second. Everything is durable in both when this returns.
    pub fn record_and_project(
        mut self,
        writes: &[Vec<u8>],
        commit: usize,
        graph: &mut Projected,
        requests: &Requests,
    ) -> Logged {
        std::thread::scope(|scope| {
            let (committed, batches) = sync_channel(AHEAD);
            let log = &mut self;
            scope.spawn(move || {
                for writes in writes.chunks(commit) {
                    committed.send(log.record(writes)).expect("the projector lives");
                }
            });
            graph.follow_log(batches.iter(), requests);
        });
        self
    }

    /// The folder of the log.
    pub fn path(&self) -> PathBuf {
        log(&self.folder)
    }

    /// Ends the log; its files stay until this is dropped. How many records there are, those of
    /// the writer included.
    pub fn close(&mut self) -> u64 {
        let writer = self.writer.take().expect("it is there until this is dropped");
        writer.close().expect("the disk works").records
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.close();
        }
    }
}

fn log(folder: &TempDir) -> PathBuf {
    let folder: &Path = folder.path();
    folder.join("log")
}

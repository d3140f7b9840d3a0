//! The blocks that wait for the disk are bounded: whoever appends more waits with them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use karyon_log::ReadStorage;
use karyon_log_writer::limits::QUEUE_BLOCKS;
use karyon_log_writer::{MemoryStorage, Storage};

use crate::sample::{start, ticks};

/// A disk that is made durable only while somebody says so.
struct Slow {
    storage: MemoryStorage,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl ReadStorage for Slow {
    fn len(&self) -> io::Result<u64> {
        self.storage.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.storage.read_at(offset, buffer)
    }
}

impl Storage for Slow {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.storage.write_at(offset, bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        let open = self.open.0.lock().unwrap();
        drop(self.open.1.wait_while(open, |open| !*open).unwrap());
        self.storage.sync()
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.storage.set_len(len)
    }
    fn reserve(&mut self, len: u64) -> io::Result<()> {
        self.storage.reserve(len)
    }
}

#[test]
fn whoever_appends_waits_for_the_disk_when_the_queue_is_full() {
    let open = Arc::new((Mutex::new(true), Condvar::new()));
    let storage = Slow { storage: MemoryStorage::default(), open: Arc::clone(&open) };
    let writer = start(Box::new(storage)).unwrap();
    *open.0.lock().unwrap() = false;
    let (all, appended) = (4 * QUEUE_BLOCKS, AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let appending = scope.spawn(|| {
            for block in 0..all {
                writer.append(ticks(block as u64, 1)).unwrap();
                appended.fetch_add(1, Ordering::SeqCst);
            }
            writer.flush().unwrap();
        });
        while appended.load(Ordering::SeqCst) < QUEUE_BLOCKS {
            std::thread::yield_now();
        }
        // Time enough for the rest, if nothing held it back.
        std::thread::sleep(Duration::from_millis(100));
        // What the writer is at, at most a whole queue, and as much behind it.
        assert!(appended.load(Ordering::SeqCst) <= 2 * QUEUE_BLOCKS);
        assert!(!appending.is_finished());
        *open.0.lock().unwrap() = true;
        open.1.notify_all();
    });
    assert_eq!((appended.into_inner(), writer.is_durable()), (all, true));
    writer.close().unwrap();
}

//! Crash at every operation of a short run: no acknowledged record lost, none invented.

use karyon_log::Control;
use karyon_log_writer::{Block, Storage, Writer};
use proptest::prelude::*;

use crate::sample::*;
use crate::support::*;

/// Writes what a run writes; how many blocks were acknowledged.
fn short_run(writer: &Writer, blocks: &[Block], flush_after: &[usize]) -> usize {
    let mut acknowledged = 0;
    for (index, block) in blocks.iter().enumerate() {
        if writer.append(block.clone()).is_err() {
            break;
        }
        if flush_after.contains(&index) {
            match writer.flush() {
                Ok(()) => acknowledged = index + 1,
                Err(_) => break,
            }
        }
    }
    acknowledged
}

fn blocks() -> Vec<Block> {
    let mut blocks = vec![control(Control::Genesis(genesis()))];
    blocks.extend((0..12).map(|n| ticks(n * 10, if n % 4 == 3 { 900 } else { 10 })));
    blocks.push(seal());
    blocks
}

#[test]
fn crash_at_every_operation() {
    let blocks = blocks();
    let flush_after = [0, 3, 4, 8, 13];
    let mut stopped_early = 0;
    for operation in 0..60 {
        for seed in 0..20 {
            let disk = Disk::failing_at(operation);
            let acknowledged = match start(Box::new(disk.clone())) {
                Err(_) => 0,
                Ok(writer) => {
                    let acknowledged = short_run(&writer, &blocks, &flush_after);
                    // Whatever the writer still does, it does before the crash.
                    let closed = writer.close();
                    stopped_early += usize::from(closed.is_err());
                    if closed.is_ok() { blocks.len() } else { acknowledged }
                }
            };
            let found = disk.after_crash(random(seed * 1000 + operation));
            if acknowledged == 0 && read(&found).is_err() {
                continue; // killed before the first sector was whole: nothing was recorded
            }
            let (bodies, end) = read(&found)
                .unwrap_or_else(|error| panic!("operation {operation}, seed {seed}: {error}"));
            assert!(bodies.len() >= acknowledged, "operation {operation}, seed {seed}: lost");
            assert!(bodies.len() <= blocks.len());
            for (body, block) in bodies.iter().zip(&blocks) {
                assert_eq!(body, &block.body, "operation {operation}, seed {seed}: invented");
            }
            assert_eq!(end.sealed, bodies.len() == blocks.len());
            recovers(found, &blocks, bodies.len());
        }
    }
    assert!(stopped_early > 100, "the crashes never hit: {stopped_early}");
}

/// Cuts the tail, writes what is missing, and finds all of it again.
fn recovers(mut storage: karyon_log_writer::MemoryStorage, blocks: &[Block], have: usize) {
    let (_, end) = read(&storage).unwrap();
    storage.set_len(end.offset).unwrap();
    let disk = Disk::default();
    let mut copy = disk.clone();
    copy.write_at(0, &storage.bytes).unwrap();
    copy.sync().unwrap();
    let writer = Writer::start(Box::new(copy), &header(), key().into(), 2, end).unwrap();
    for block in &blocks[have..] {
        writer.append(block.clone()).unwrap();
    }
    let end = writer.close().unwrap();
    assert!(end.sealed);
    let (bodies, again) = read(&disk.after_crash(random(0))).unwrap();
    assert_eq!(bodies.len(), blocks.len());
    assert_eq!((again.tree, again.records, again.tail_bytes), (end.tree, end.records, 0));
}

#[test]
fn after_a_failure_nothing_is_written_again() {
    let disk = Disk::failing_at(6);
    let writer = start(Box::new(disk.clone())).unwrap();
    let mut refused = 0;
    for n in 0..50 {
        refused += usize::from(writer.append(ticks(n, 1)).and_then(|()| writer.flush()).is_err());
    }
    let after = disk.operations();
    assert!(refused > 40);
    assert!(writer.status().failure().is_some());
    assert!(writer.close().is_err());
    assert_eq!(disk.operations(), after);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Blocks of any size, flushed at any moment, come back in order.
    #[test]
    fn comes_back(sizes in prop::collection::vec((0u64..400, any::<bool>()), 0..30)) {
        let disk = Disk::default();
        let writer = start(Box::new(disk.clone())).unwrap();
        let mut expected = Vec::new();
        for (size, flush) in sizes {
            let block = ticks(size * 7, size);
            expected.push(block.body.clone());
            writer.append(block).unwrap();
            if flush {
                writer.flush().unwrap();
            }
        }
        let end = writer.close().unwrap();
        let (bodies, again) = read(&disk.after_crash(random(1))).unwrap();
        prop_assert_eq!(bodies, expected);
        prop_assert_eq!(again.tree.root(), end.tree.root());
        prop_assert_eq!(again.offset, end.offset);
    }
}

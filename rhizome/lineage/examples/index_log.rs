//! What the index of a log costs: `cargo run --release -p karyon-lineage --example index_log -- LOG`
//! with the folder `log` of a data directory. The index is made in a temporary file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::time::Instant;

use karyon_lineage::{Index, catch_up};
use karyon_types::Position;

fn main() {
    let log = PathBuf::from(std::env::args().nth(1).expect("the folder of a log"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lineage.redb");
    let begun = Instant::now();
    let records = catch_up(&file, &log, &mut |_| ()).unwrap().to.0;
    let (built, bytes) = (begun.elapsed(), file.metadata().unwrap().len());
    println!("records      {records}");
    println!("built in     {:.2} s, to disk", built.as_secs_f64());
    println!("size         {:.1} bytes a record", bytes as f64 / records as f64);
    let index = Index::open(&file).unwrap().unwrap();
    let begun = Instant::now();
    let (mut found, step) = (0, (records / 100_000).max(1));
    for position in (0..records).step_by(step as usize) {
        found += u64::from(index.block_of(Position(position)).unwrap().is_some());
    }
    println!("block look-up {:.2} us", begun.elapsed().as_secs_f64() * 1e6 / found as f64);
}

//! The tail shows each committed record once, as the log grows.

use karyon_audit::Tail;
use karyon_log::Record;
use karyon_types::Tick;

use crate::support::*;

#[test]
fn what_comes_is_shown_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let writer = begin(folder.path(), &header());
    let mut tail = Tail::new(folder.path());
    let (mut seen, mut expected) = (Vec::new(), 0..);
    for block in ticks(6, 4) {
        writer.append(block).unwrap();
        writer.flush().unwrap();
        seen.clear();
        tail.read(|entry| seen.push(entry)).unwrap();
        assert_eq!(seen.len(), 4);
        for (entry, number) in seen.iter().zip(expected.by_ref().take(4)) {
            assert_eq!((entry.position.0, entry.tick), (number, Some(Tick(number))));
            assert_eq!(entry.record(), Some(Record::Tick(Tick(number))));
        }
        seen.clear();
        tail.read(|entry| seen.push(entry)).unwrap();
        assert!(seen.is_empty());
    }
    writer.close().unwrap();
}

//! What an engram of memories for which somebody answers brings, weighed before anything is made.

use std::fs::File;

use karyon_engram::{Engram, Manifest, Origin, Principal};
use karyon_identity::SecretKey;
use karyon_memory::{Adopted, Carried, Terms, TransplantError, adopted};
use karyon_memory_ops::{Content, Entity, Memory, Recorded, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, LeaseId, LogId, Position, Tick};

fn memory(number: u64, text: &str) -> Memory {
    let write = Write {
        entity: Entity::Fact {
            subject: Vertex::Named("acme".into()),
            predicate: format!("key {number}"),
        },
        valid: Valid::since(Time::new(0, 0).unwrap()),
        content: Content::with([
            ("kind", "fact".into()),
            ("owner", "ada".into()),
            ("reason", "because".into()),
            ("horizon", Value::Null),
            ("text", text.into()),
            ("tags", Value::List(Vec::new())),
            ("evidence", Value::List(Vec::new())),
            ("via", Value::List(Vec::new())),
            ("first", Value::Null),
        ]),
    };
    let recorded = Recorded {
        position: Position(number),
        tick: Tick(0),
        agent: AgentId(0),
        step: 0,
        output: Some(0),
        lease: LeaseId(1),
    };
    Memory { write, recorded }
}

/// What an engram of so many memories of 60,000 bytes brings to a new directory.
#[expect(clippy::result_large_err, reason = "the crate's own error, in a test")]
fn brought(count: u64, owner: &str) -> Result<Adopted, TransplantError> {
    let key = SecretKey::from_seed([7; 32]).unwrap();
    let manifest = Manifest {
        origin: Origin {
            log: LogId([3; 16]),
            node_key: key.public_key(),
            tree_size: 1,
            tree_root: [0; 32],
            records: count,
        },
        principal: Principal { name: "ada".into(), public_key: key.public_key() },
        reason: "each for a reason of its own".into(),
        created_unix_ms: 0,
        at: None,
        agents: [].into(),
        names: [].into(),
    };
    let text = "x".repeat(60_000);
    let memories: Vec<_> = (0..count).map(|number| memory(number, &text)).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.engram");
    std::fs::write(&path, Engram::seal(&manifest, &memories, &key).unwrap()).unwrap();
    let carried = Carried::check(File::open(&path).unwrap()).unwrap();
    adopted(None, None, &carried, &Terms { owner, horizon: None, again: false })
}

#[test]
fn more_than_a_change_holds_is_refused_before_anything_is_made() {
    let fits = brought(1_100, "bea").unwrap();
    assert_eq!((fits.new.len(), fits.refused.len()), (1_100, 0));
    match brought(1_120, "bea") {
        Err(TransplantError::TooHeavy { bytes }) => assert!(bytes > 64 * 1024 * 1024, "{bytes}"),
        other => panic!("{other:?}"),
    }
    let nobody = brought(1, "be\na");
    assert!(matches!(nobody, Err(TransplantError::Owner { .. })));
}

//! Small random logs, and the log read in the plainest way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_identity::SecretKey;
use karyon_lineage::{Index, catch_up};
use karyon_log::{
    Cause, Control, CrashKind, Decision, End, Intent, Lane, LeaseRecord, Loss, Message,
    ReasonRecord, Receipt, Record, SegmentHeader, TermsRecord, segment_file,
};
use karyon_log_writer::{Block, FileStorage, Storage as _, Writer};
use karyon_types::{AgentId, GrantId, LeaseId, LogId, Tick};
use proptest::prelude::*;
use tempfile::TempDir;

/// A log that is being written, with its index beside it.
pub struct Log {
    folder: TempDir,
    writer: Option<Writer>,
}

impl Log {
    /// An empty one. Logs of different `id` are different logs.
    pub fn new(id: u8) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let key = Arc::new(SecretKey::from_seed([3; 32]).unwrap());
        let header = SegmentHeader { log: LogId([id; 16]), node_key: key.public_key() };
        let mut storage = FileStorage::create(&segment_file(folder.path(), 0)).unwrap();
        storage.write_at(0, &header.encode()).unwrap();
        let writer = Writer::start(Box::new(storage), &header, key, 1, End::of_new_log()).unwrap();
        Log { folder, writer: Some(writer) }
    }

    /// One with a commit for each list of blocks.
    pub fn of(id: u8, commits: &[Vec<Vec<Record<'_>>>]) -> Log {
        let log = Log::new(id);
        commits.iter().for_each(|blocks| log.commit(blocks));
        log
    }

    pub fn commit(&self, blocks: &[Vec<Record<'_>>]) {
        let writer = self.writer.as_ref().unwrap();
        for records in blocks {
            let mut body = Vec::new();
            records.iter().for_each(|record| record.encode(&mut body));
            let count = records.len() as u32;
            let lane = Lane::Ticks;
            writer.append(Block { lane, count, body, wall_ms: 1, seals: false }).unwrap();
        }
        writer.flush().unwrap();
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self) -> PathBuf {
        self.path().join("memory").join("lineage.redb")
    }

    /// The index, brought up to the log.
    pub fn index(&self) -> Index {
        catch_up(&self.file(), self.path(), &mut |_| ()).unwrap();
        Index::open(&self.file()).unwrap().unwrap()
    }
}

fn control(control: Control) -> Record<'static> {
    Record::Control(Box::new(control))
}

fn cause() -> impl Strategy<Value = Cause> {
    let message = (1..4u64, 0..4u64, 0..2u16).prop_map(|(from, step, output)| Message {
        from: AgentId(from),
        step,
        output,
    });
    prop_oneof![(0..4u32).prop_map(Cause::Input), message.prop_map(Cause::Message)]
}

/// Any record of those that the index looks at; serials and steps may come twice.
pub fn record() -> impl Strategy<Value = Record<'static>> {
    let step = (1..4u64, 0..5u64, cause()).prop_map(|(agent, step, cause)| Record::Step {
        agent: AgentId(agent),
        step,
        cause,
        outputs: Vec::new(),
    });
    let crash = (1..4u64, 0..5u64).prop_map(|(agent, step)| {
        let (kind, decision) = (CrashKind::Panic, Decision::Redelivered);
        Record::Crash { agent: AgentId(agent), step, attempt: 0, kind, decision }
    });
    let letter = (1..4u64, cause()).prop_map(|(agent, cause)| Record::DeadLetter {
        agent: AgentId(agent),
        cause,
        loss: Loss::Poison,
    });
    let lease = (1..4u64, 1..4u64, 1..3u64).prop_map(|(id, owner, grant)| {
        Record::Lease(LeaseRecord {
            id: LeaseId(id),
            owner: AgentId(owner),
            grant: GrantId(grant),
            rights: 1,
            scope: (1, 3),
            expires: None,
            log_bytes: None,
            cut: None,
        })
    });
    let terms =
        (1..4u64, 1..3u64, proptest::option::of(1..4u64)).prop_map(|(lease, grant, parent)| {
            let terms = Default::default();
            control(Control::Terms(TermsRecord {
                lease,
                owner: 1,
                grant,
                parent,
                reason: 1,
                terms,
            }))
        });
    let reason = (1..4u64, proptest::option::of(1..4u64)).prop_map(|(id, parent)| {
        control(Control::Reason(ReasonRecord { id, parent, label: "to test".into() }))
    });
    let intent =
        (1..4u64, 1..4u64, proptest::option::of(1..3u64)).prop_map(|(id, lease, proposal)| {
            control(Control::Intent(Intent {
                id,
                agent: 1,
                lease,
                capability: 0,
                proposal,
                action: "a".into(),
                resource: "r".into(),
                arguments: Default::default(),
                deadline_unix_ms: 0,
                at_unix_ms: 0,
            }))
        });
    let receipt = (1..4u64).prop_map(|effect| {
        control(Control::Receipt(Receipt {
            effect,
            status: karyon_log::EffectStatus::Done,
            payload: [0; 32],
            used: Default::default(),
            started_unix_ms: 0,
            ended_unix_ms: 0,
            adapter: [0; 32],
            signature: Vec::new(),
        }))
    });
    prop_oneof![
        6 => step,
        1 => crash,
        1 => letter,
        2 => (0..6u64).prop_map(|tick| Record::Tick(Tick(tick))),
        1 => lease,
        1 => terms,
        1 => reason,
        1 => intent,
        1 => receipt,
    ]
}

/// Commits of blocks of records.
pub fn commits() -> impl Strategy<Value = Vec<Vec<Vec<Record<'static>>>>> {
    let block = proptest::collection::vec(record(), 1..8);
    proptest::collection::vec(proptest::collection::vec(block, 1..4), 1..8)
}

/// All records in the order of the log.
pub fn flat(commits: &[Vec<Vec<Record<'static>>>]) -> Vec<Record<'static>> {
    commits.iter().flatten().flatten().cloned().collect()
}

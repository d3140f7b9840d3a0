//! Small logs in which everything is done for a reason.

use std::path::Path;
use std::sync::Arc;

use karyon_identity::SecretKey;
use karyon_log::{
    Approval, Boot, Cause, Control, End, Genesis, GrantRecord, Intent, Lane, LeaseRecord, Message,
    Order, Output, PrincipalRecord, Proposal, ReasonRecord, Receipt, Record, Seal, SegmentHeader,
    TermsRecord, segment_file,
};
use karyon_log_writer::{Block, FileStorage, Storage as _, Writer};
use karyon_types::{AgentId, Denial, GrantId, LeaseId, LogId, Terms, Tick};
use tempfile::TempDir;

/// A key that everybody knows.
pub fn key() -> SecretKey {
    SecretKey::from_seed([7; 32]).unwrap()
}

pub fn header() -> SegmentHeader {
    SegmentHeader { log: LogId([0x11; 16]), node_key: key().public_key() }
}

/// A checkpoint that others signed too: a witness, and another key under the log's own name.
pub fn cosigned(note: &str, own_first: bool) -> String {
    let (body, own) = note.split_once("\n\n").unwrap();
    let name = body.lines().next().unwrap();
    let line = |name: &str| {
        let id =
            karyon_statements::key_id(name, &SecretKey::from_seed([9; 32]).unwrap().public_key());
        let signed = [&id[..], &[5; 72]].concat();
        format!("\u{2014} {name} {}\n", data_encoding::BASE64.encode(&signed))
    };
    let others = [line("witness.example/w1"), line(name)].concat();
    if own_first { format!("{body}\n\n{own}{others}") } else { format!("{body}\n\n{others}{own}") }
}

/// Writes a log of blocks, each in a commit of its own.
pub fn write_blocks(blocks: impl IntoIterator<Item = Block>) -> TempDir {
    write_log(&header(), blocks)
}

pub fn write_log(header: &SegmentHeader, blocks: impl IntoIterator<Item = Block>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let writer = begin(folder.path(), header);
    for block in blocks {
        writer.append(block).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    folder
}

pub fn begin(folder: &Path, header: &SegmentHeader) -> Writer {
    let mut storage = FileStorage::create(&segment_file(folder, 0)).unwrap();
    storage.write_at(0, &header.encode()).unwrap();
    storage.sync().unwrap();
    Writer::start(Box::new(storage), header, Arc::new(key()), 1, End::of_new_log()).unwrap()
}

/// A log of these records, a few in each block.
pub fn write_records(records: &[Record<'_>]) -> TempDir {
    write_blocks(records.iter().map(|record| block(std::slice::from_ref(record))))
}

/// A block of records of one lane.
pub fn block(records: &[Record<'_>]) -> Block {
    let mut body = Vec::new();
    records.iter().for_each(|record| record.encode(&mut body));
    let lane = match records[0] {
        Record::Control(_) => Lane::Control,
        _ => Lane::Ticks,
    };
    let seals = matches!(records.last(), Some(Record::Control(last)) if last.seals());
    Block { lane, count: records.len() as u32, body, wall_ms: 1_700_000_000_000, seals }
}

/// Blocks of ticks, `count` records in each.
pub fn ticks(blocks: u64, count: u64) -> impl Iterator<Item = Block> {
    (0..blocks).map(move |number| {
        let ticks = (0..count).map(|tick| Record::Tick(Tick(number * count + tick)));
        block(&ticks.collect::<Vec<_>>())
    })
}

pub fn control(control: Control) -> Record<'static> {
    Record::Control(Box::new(control))
}

pub fn reason(id: u64, parent: Option<u64>, label: &str) -> Record<'static> {
    control(Control::Reason(ReasonRecord { id, parent, label: label.into() }))
}

pub fn grant(id: u64, principal: u64, reason: u64) -> Record<'static> {
    control(Control::Grant(GrantRecord {
        id,
        principal,
        reason,
        rights: 3,
        scope_first: 0,
        scope_last: 9,
        expires: None,
        signed: vec![1, 2],
        terms: None,
    }))
}

pub fn lease(id: u64, owner: u64, grant: u64) -> Record<'static> {
    Record::Lease(LeaseRecord {
        id: LeaseId(id),
        owner: AgentId(owner),
        grant: GrantId(grant),
        rights: 3,
        scope: (0, 9),
        expires: None,
        log_bytes: None,
        cut: None,
    })
}

pub fn terms(lease: u64, owner: u64, parent: Option<u64>, reason: u64) -> Record<'static> {
    let terms = Terms::default();
    control(Control::Terms(TermsRecord { lease, owner, grant: 1, parent, reason, terms }))
}

pub fn proposal(id: u64, agent: u64, lease: u64) -> Record<'static> {
    control(Control::Proposal(Proposal {
        id,
        agent,
        lease,
        action: "pay".into(),
        resource: "bank".into(),
        arguments: Default::default(),
        digest: [4; 32],
        expires_unix_ms: 9,
    }))
}

pub fn approval(proposal: u64, principal: Option<u64>, lease: Option<u64>) -> Record<'static> {
    let signed = Vec::new();
    control(Control::Approval(Approval { proposal, principal, lease, signed, at_unix_ms: 5 }))
}

pub fn intent(id: u64, agent: u64, lease: u64, proposal: Option<u64>) -> Record<'static> {
    control(Control::Intent(Intent {
        id,
        agent,
        lease,
        capability: 0,
        proposal,
        action: "pay".into(),
        resource: "bank".into(),
        arguments: Default::default(),
        deadline_unix_ms: 9,
        at_unix_ms: 5,
    }))
}

pub fn receipt(effect: u64) -> Record<'static> {
    control(Control::Receipt(Receipt {
        effect,
        status: karyon_log::EffectStatus::Done,
        payload: [0; 32],
        used: Default::default(),
        started_unix_ms: 5,
        ended_unix_ms: 6,
        adapter: [1; 32],
        signature: vec![2; 64],
    }))
}

pub fn order(principal: u64) -> Record<'static> {
    control(Control::Order(Order {
        verb: 3,
        target: (1, 1),
        principal,
        signed: vec![1],
        in_flight: 0,
        at_unix_ms: 5,
    }))
}

pub fn step(agent: u64, step: u64, cause: Cause, outputs: Vec<Output<'static>>) -> Record<'static> {
    Record::Step { agent: AgentId(agent), step, cause, outputs }
}

pub fn message(from: u64, step: u64, output: u16) -> Message {
    Message { from: AgentId(from), step, output }
}

pub fn sent(lease: u64, to: u64) -> Output<'static> {
    Output::Sent { lease: LeaseId(lease), to: AgentId(to), payload: b"hello" }
}

pub fn denied(to: u64) -> Output<'static> {
    Output::Denied { denial: Denial::LeaseExpired, to: AgentId(to), payload: b"no" }
}

/// A timer, or the trapping of exits, which needs no lease.
pub fn armed(lease: Option<u64>) -> Output<'static> {
    let what = if lease.is_some() { b"\x02\x03hello".as_slice() } else { b"\x08" };
    Output::Arranged { lease: lease.map(LeaseId), what }
}

/// A monitor of agent 2.
pub fn bound(lease: u64) -> Output<'static> {
    Output::Arranged { lease: Some(LeaseId(lease)), what: b"\x04\x02" }
}

pub fn remembered(lease: u64) -> Output<'static> {
    Output::Remembered { lease: LeaseId(lease), write: b"fact" }
}

/// A log in which each kind of thing is done once, and for a reason.
pub fn story() -> Vec<Record<'static>> {
    let genesis = Genesis {
        karyon: "0.1.0".into(),
        created_unix_ms: 1_700_000_000_000,
        scenario_name: "story".into(),
        scenario: String::new(),
        kinds: vec![("person".into(), 1)],
        inputs: vec![],
    };
    let boot =
        Boot { boot: 1, karyon: "0.1.0".into(), schedulers: 1, at_unix_ms: 5, guardian: None };
    let ada = PrincipalRecord { id: 1, name: "ada".into(), public_key: [3; 32] };
    vec![
        control(Control::Genesis(genesis)),
        control(Control::Boot(boot)),
        control(Control::Principal(ada)),
        reason(1, None, "to learn"),
        reason(2, Some(1), "by talking"),
        grant(1, 1, 2),
        lease(1, 1, 1),
        lease(2, 2, 1),
        Record::Spawn { agent: AgentId(1), kind: 0, lease: LeaseId(1), name: "anna" },
        Record::Spawn { agent: AgentId(2), kind: 0, lease: LeaseId(2), name: "ben" },
        Record::Tick(Tick(0)),
        Record::Input { batch: 0, count: 2 },
        step(1, 0, Cause::Input(5), vec![sent(1, 2), denied(2)]),
        Record::Tick(Tick(1)),
        step(2, 0, Cause::Message(message(1, 0, 0)), vec![remembered(2), Output::Exit]),
        step(1, 1, Cause::Denial(message(1, 0, 1)), vec![]),
        step(1, 2, Cause::Input(0), vec![]),
        terms(3, 3, None, 2),
        terms(4, 4, Some(3), 1),
        proposal(1, 3, 3),
        approval(1, Some(1), None),
        intent(1, 3, 3, Some(1)),
        receipt(1),
        proposal(2, 4, 4),
        approval(2, None, Some(3)),
        intent(2, 4, 4, Some(2)),
        order(1),
        control(Control::Seal(Seal { ticks: 2, state_root: [9; 32] })),
    ]
}

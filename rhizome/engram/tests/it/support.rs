//! Small engrams, random memories, and a second writer that also writes what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use ipld_core::ipld::Ipld;
use karyon_engram::{Cid, Engram, EngramError, Manifest, Origin, Principal};
use karyon_identity::{PublicKey, SecretKey};
use karyon_memory_ops::{
    Content, Entity, Memory, Properties, Recorded, Time, Valid, Value, Vertex, Write,
};
use karyon_types::{AgentId, LeaseId, LogId, Position, Tick, hash, varint};
use proptest::prelude::*;

/// A key that everybody knows.
pub fn key() -> SecretKey {
    SecretKey::from_seed([7; 32]).unwrap()
}

pub fn other_key() -> SecretKey {
    SecretKey::from_seed([8; 32]).unwrap()
}

/// The manifest of some memories; each agent is called by its serial.
pub fn manifest(memories: &[Memory]) -> Manifest {
    let named = |agent: AgentId| (agent, format!("agent-{}", agent.0));
    Manifest {
        origin: Origin {
            log: LogId([0x11; 16]),
            node_key: other_key().public_key(),
            tree_size: 5,
            tree_root: [0x22; 32],
            records: 1_000,
        },
        principal: Principal { name: "ada".into(), public_key: key().public_key() },
        reason: "for the other house".into(),
        created_unix_ms: 1_700_000_000_000,
        at: Time::new(-3, 500_000_000),
        agents: [named(AgentId(9))].into(),
        names: Engram::mentioned(memories).into_iter().map(named).collect(),
    }
}

pub fn time(units: i64) -> Time {
    Time::new(units, 0).unwrap()
}

pub fn recorded(position: u64) -> Recorded {
    Recorded {
        position: Position(position),
        tick: Tick(4),
        agent: AgentId(9),
        step: 2,
        output: Some(1),
        lease: LeaseId(3),
    }
}

/// One memory of each kind, with a value of each type.
pub fn sample() -> Vec<Memory> {
    let agent = |serial| Vertex::Agent(AgentId(serial));
    let values = [
        ("null", Value::Null),
        ("no", Value::Bool(false)),
        ("yes", Value::Bool(true)),
        ("least", Value::Int(i64::MIN)),
        ("most", Value::Int(i64::MAX)),
        ("one", Value::Int(1)),
        ("one as a float", Value::Float(1.0)),
        ("text", Value::Text("Grüße".into())),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("time", Value::Time(Time::new(-1, 999_999_999).unwrap())),
        ("agent", Value::Vertex(agent(400))),
        ("named", Value::Vertex(Vertex::Named("moon".into()))),
        ("list", Value::List(vec![Value::Null, Value::List(vec![]), Value::Int(-5)])),
        ("map", Value::Map([("i64".to_owned(), Value::Text("a key".into()))].into())),
    ];
    let labels = BTreeSet::from(["person".to_owned(), "x".to_owned()]);
    let properties = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let own = Write {
        entity: Entity::Vertex(agent(9)),
        valid: Valid::since(Time::MIN),
        content: Content::Present { labels, properties },
    };
    let contact = Write {
        entity: Entity::Edge { from: agent(9), kind: "contact".into(), to: agent(300) },
        valid: Valid { from: time(10), to: Some(time(20)) },
        content: Content::with([("count", Value::Int(2))]),
    };
    let ended = Write {
        entity: Entity::Fact { subject: Vertex::Named("moon".into()), predicate: "phase".into() },
        valid: Valid::since(time(30)),
        content: Content::Ended,
    };
    let spawn = Recorded { output: None, step: 0, ..recorded(0) };
    vec![
        Memory { write: own, recorded: spawn },
        Memory { write: contact, recorded: recorded(17) },
        Memory { write: ended, recorded: recorded(999) },
    ]
}

pub fn sealed(memories: &[Memory]) -> Vec<u8> {
    Engram::seal(&manifest(memories), memories, &key()).unwrap()
}

pub fn refused(bytes: &[u8]) -> EngramError {
    Engram::open(bytes).expect_err("it was opened")
}

/// The header and the blocks of a file, each with its framing.
pub fn sections(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut sections = Vec::new();
    while !file.is_empty() {
        let start = file;
        let len = varint::read(&mut file).unwrap() as usize;
        file = &file[len..];
        sections.push(start[..start.len() - file.len()].to_vec());
    }
    sections
}

/// The data of a block.
pub fn data(section: &[u8]) -> &[u8] {
    let mut rest = section;
    varint::read(&mut rest).unwrap();
    &rest[Cid::BYTES..]
}

pub const RAW: u8 = 0x55;
pub const DAG_CBOR: u8 = 0x71;

pub fn cid(codec: u8, data: &[u8]) -> [u8; Cid::BYTES] {
    let mut cid = [0; Cid::BYTES];
    cid[..4].copy_from_slice(&[1, codec, 0x1e, 32]);
    cid[4..].copy_from_slice(&hash(data).0);
    cid
}

pub fn section(codec: u8, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(&mut out, (Cid::BYTES + data.len()) as u64);
    out.extend_from_slice(&cid(codec, data));
    out.extend_from_slice(data);
    out
}

/// `{"roots": [root], "version": 1}` behind its length.
pub fn header(root: [u8; Cid::BYTES]) -> Vec<u8> {
    let mut out = vec![58, 0xa2, 0x65];
    out.extend_from_slice(b"roots");
    out.extend_from_slice(&[0x81, 0xd8, 42, 0x58, 37, 0]);
    out.extend_from_slice(&root);
    out.push(0x67);
    out.extend_from_slice(b"version");
    out.push(1);
    assert_eq!(out.len(), 59);
    out
}

/// A file with any envelope and blocks, their CIDs right.
pub fn file(envelope: &[u8], blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = header(cid(RAW, envelope));
    out.extend(section(RAW, envelope));
    blocks.iter().for_each(|block| out.extend(section(DAG_CBOR, block)));
    out
}

pub const TYPE: &str = "application/vnd.karyon.engram.manifest.v1+dag-cbor";

pub fn signature(kind: &str, payload: &[u8]) -> String {
    let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    signed.extend_from_slice(payload);
    BASE64.encode(&key().sign(&signed).0)
}

/// An envelope of any payload, signed well.
pub fn envelope(payload: &[u8]) -> String {
    format!(
        r#"{{"payload":"{}","payloadType":"{TYPE}","signatures":[{{"keyid":"{}","sig":"{}"}}]}}"#,
        BASE64.encode(payload),
        key().public_key(),
        signature(TYPE, payload),
    )
}

/// What a file consists of, to be put together again otherwise.
pub struct Parts {
    pub manifest: BTreeMap<String, Ipld>,
    pub blocks: Vec<Vec<u8>>,
}

impl Parts {
    pub fn of(memories: &[Memory]) -> Parts {
        let file = sealed(memories);
        let sections = sections(&file);
        let envelope: serde_json::Value = serde_json::from_slice(data(&sections[1])).unwrap();
        let payload = BASE64.decode(envelope["payload"].as_str().unwrap().as_bytes()).unwrap();
        let Ipld::Map(manifest) = serde_ipld_dagcbor::from_slice(&payload).unwrap() else {
            panic!("a manifest is a map")
        };
        let blocks = sections[2..].iter().map(|section| data(section).to_vec()).collect();
        Parts { manifest, blocks }
    }

    /// Signs what is there, the list of memories as it is.
    pub fn signed(&self) -> Vec<u8> {
        let payload = serde_ipld_dagcbor::to_vec(&Ipld::Map(self.manifest.clone())).unwrap();
        file(envelope(&payload).as_bytes(), &self.blocks)
    }

    /// Signs what is there, with a list of memories that names the blocks.
    pub fn listed_and_signed(mut self) -> Vec<u8> {
        self.blocks.sort_by_key(|block| cid(DAG_CBOR, block));
        let link = |block: &Vec<u8>| {
            Ipld::Link(ipld_core::cid::Cid::try_from(&cid(DAG_CBOR, block)[..]).unwrap())
        };
        let links = Ipld::List(self.blocks.iter().map(link).collect());
        self.manifest.insert("memories".into(), links);
        self.signed()
    }
}

/// The signer of everything that [`sealed`] makes.
pub fn signer() -> PublicKey {
    key().public_key()
}

fn names() -> impl Strategy<Value = String> {
    "[a-zäß]{1,6}"
}

fn vertices() -> impl Strategy<Value = Vertex> {
    prop_oneof![(1u64..).prop_map(|n| Vertex::Agent(AgentId(n))), names().prop_map(Vertex::Named)]
}

fn times() -> impl Strategy<Value = Time> {
    (any::<i64>(), 0u32..1_000_000_000).prop_map(|(units, nanos)| Time::new(units, nanos).unwrap())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Float),
        Just(Value::Float(-0.0)),
        ".{0,9}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        times().prop_map(Value::Time),
        vertices().prop_map(Value::Vertex),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(names(), inner, 0..4).prop_map(Value::Map),
        ]
    })
}

fn contents() -> impl Strategy<Value = Content> {
    let properties: BoxedStrategy<Properties> =
        prop::collection::btree_map(names(), values(), 0..4).boxed();
    prop_oneof![
        (prop::collection::btree_set(names(), 0..3), properties)
            .prop_map(|(labels, properties)| Content::Present { labels, properties }),
        Just(Content::Ended),
    ]
}

/// Any memory of the log that [`manifest`] names.
pub fn memories() -> impl Strategy<Value = Memory> {
    let entity = prop_oneof![
        vertices().prop_map(Entity::Vertex),
        (vertices(), names(), vertices()).prop_map(|(from, kind, to)| Entity::Edge {
            from,
            kind,
            to
        }),
        (vertices(), names()).prop_map(|(subject, predicate)| Entity::Fact { subject, predicate }),
    ];
    let write = (entity, times(), prop::option::of(times()), contents()).prop_map(
        |(entity, from, to, content)| {
            let to = to.filter(|to| *to > from);
            Write { entity, valid: Valid { from, to }, content }
        },
    );
    let numbers = (0u64..1_000, any::<u64>(), 1u64.., any::<u64>(), any::<u64>());
    let recorded = (numbers, any::<Option<u16>>()).prop_map(
        |((position, tick, agent, step, lease), output)| Recorded {
            position: Position(position),
            tick: Tick(tick),
            agent: AgentId(agent),
            step,
            output,
            lease: LeaseId(lease),
        },
    );
    (write, recorded).prop_map(|(write, recorded)| Memory { write, recorded })
}

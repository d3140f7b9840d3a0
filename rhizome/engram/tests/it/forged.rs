//! Files whose CIDs, and mostly also signatures, are right, but which say what they must not.

use std::collections::BTreeMap;

use ipld_core::ipld::Ipld;
use karyon_engram::limits::BLOCK_BYTES_MAX;
use karyon_engram::{Engram, EngramError};
use karyon_types::{AgentId, varint};

use crate::support::*;

fn text_of(parts: &Parts) -> String {
    envelope(&serde_ipld_dagcbor::to_vec(&Ipld::Map(parts.manifest.clone())).unwrap())
}

#[test]
fn the_second_writer_writes_the_same() {
    let file = sealed(&sample());
    assert_eq!(Parts::of(&sample()).signed(), file);
    assert_eq!(Parts::of(&sample()).listed_and_signed(), file);
}

#[test]
fn a_signature_by_another_key_or_over_something_else() {
    let parts = Parts::of(&sample());
    let text = text_of(&parts);
    let other = other_key().public_key();
    let renamed = text.replace(&signer().to_string(), &other.to_string());
    assert_ne!(renamed, text);
    let error = refused(&file(renamed.as_bytes(), &parts.blocks));
    assert_eq!(error, EngramError::Signature { key: other });
    // The signature of another payload, and of the payload without its type.
    let sig = text.split("\"sig\":\"").nth(1).unwrap().trim_end_matches("\"}]}");
    let payload = serde_ipld_dagcbor::to_vec(&Ipld::Map(parts.manifest.clone())).unwrap();
    for wrong in [signature(TYPE, b"x"), signature("", &payload)] {
        let replaced = text.replace(sig, &wrong);
        let error = refused(&file(replaced.as_bytes(), &parts.blocks));
        assert_eq!(error, EngramError::Signature { key: signer() });
    }
}

#[test]
fn envelopes_in_another_form() {
    let parts = Parts::of(&sample());
    let text = text_of(&parts);
    let (before, signatures) = text.split_once("[{").unwrap();
    let one = format!("{{{}", signatures.trim_end_matches("]}"));
    let no_padding = text.replacen("=\"", "\"", 1);
    assert_ne!(no_padding, text, "the payload's length makes no padding: change the sample");
    let changed = [
        text.replace(":[", ": ["),
        format!("{text} "),
        format!("{before}[{one},{one}]}}"),
        format!("{before}[]}}"),
        text.replacen('{', "{\"more\":1,", 1),
        text.replace("manifest.v1", "manifest.v2"),
        text.replace("\"payload\"", "\"payl\\u006fad\""),
        text.replace("\"keyid\":\"", "\"keyid\":\"A"),
        text.replace(&signer().to_string(), &signer().to_string().to_uppercase()),
        no_padding,
        String::new(),
        "null".into(),
        "[".repeat(100_000),
    ];
    for changed in changed {
        assert_ne!(changed, text);
        let error = refused(&file(changed.as_bytes(), &parts.blocks));
        let what = &changed[..changed.len().min(80)];
        assert!(matches!(error, EngramError::Envelope { .. }), "{what}: {error}");
    }
    Engram::open(&file(text.as_bytes(), &parts.blocks)).unwrap();
}

#[test]
fn headers_in_another_form() {
    let good = sealed(&sample());
    let rest = &sections(&good)[1..].concat();
    let root = cid(RAW, data(&sections(&good)[1]));
    let link = |codec| {
        let mut root = root;
        root[1] = codec;
        Ipld::Link(ipld_core::cid::Cid::try_from(&root[..]).unwrap())
    };
    let header = |roots: Vec<Ipld>, version: i128, more: Option<&str>| {
        let mut map = BTreeMap::from([
            ("roots".to_owned(), Ipld::List(roots)),
            ("version".to_owned(), Ipld::Integer(version)),
        ]);
        map.extend(more.map(|name| (name.to_owned(), Ipld::Null)));
        let bytes = serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap();
        let mut file = Vec::new();
        varint::write(&mut file, bytes.len() as u64);
        [&file[..], &bytes, rest].concat()
    };
    assert_eq!(header(vec![link(RAW)], 1, None), good);
    for file in [
        header(vec![link(RAW)], 2, None),
        header(vec![], 1, None),
        header(vec![link(RAW), link(RAW)], 1, None),
        header(vec![link(RAW)], 1, Some("more")),
        header(vec![link(DAG_CBOR)], 1, None),
        header(vec![link(0x70)], 1, None),
    ] {
        let error = refused(&file);
        assert!(matches!(error, EngramError::Header { .. }), "{error}");
    }
    // The same header in another CBOR: a number in two bytes, a map or a list without a length.
    let body = &sections(&good)[0][1..];
    let number = [&body[..57], &[0x18, 1]].concat();
    let map = [&[0xbf], &body[1..], &[0xff]].concat();
    let list = [&body[..7], &[0x9f], &body[8..49], &[0xff], &body[49..]].concat();
    for changed in [number, map, list, [body, &[0]].concat()] {
        let error = refused(&[&[changed.len() as u8][..], &changed, rest].concat());
        assert!(matches!(error, EngramError::Header { .. }), "{error}");
    }
    // A length in two bytes where one is enough.
    let padded = [&[good[0] | 0x80, 0][..], &good[1..]].concat();
    let error = refused(&padded);
    assert!(matches!(error, EngramError::Framing { offset: 0, .. }), "{error}");
}

/// Signs the sample with a changed manifest.
fn with_manifest(change: impl Fn(&mut BTreeMap<String, Ipld>)) -> EngramError {
    let mut parts = Parts::of(&sample());
    change(&mut parts.manifest);
    refused(&parts.signed())
}

#[test]
fn manifests_that_say_what_they_must_not() {
    let version = with_manifest(|m| drop(m.insert("version".into(), Ipld::Integer(2))));
    assert_eq!(version, EngramError::Version { found: 2 });
    let later = with_manifest(|m| {
        m.insert("version".into(), Ipld::Integer(3));
        m.insert("more".into(), Ipld::Null);
        m.remove("names");
    });
    assert_eq!(later, EngramError::Version { found: 3 });
    type Change = fn(&mut BTreeMap<String, Ipld>);
    let changes: [(&str, Change); 8] = [
        ("a field more", |m| drop(m.insert("more".into(), Ipld::Null))),
        ("a field less", |m| drop(m.remove("reason"))),
        ("memories out of order", |m| {
            let Some(Ipld::List(links)) = m.get_mut("memories") else { panic!() };
            links.reverse();
        }),
        ("a memory twice", |m| {
            let Some(Ipld::List(links)) = m.get_mut("memories") else { panic!() };
            links.insert(0, links[0].clone());
        }),
        ("the envelope as a memory", |m| {
            let link = ipld_core::cid::Cid::try_from(&cid(RAW, b"x")[..]).unwrap();
            m.insert("memories".into(), Ipld::List(vec![Ipld::Link(link)]));
        }),
        ("names out of order", |m| {
            let Some(Ipld::List(names)) = m.get_mut("names") else { panic!() };
            names.reverse();
        }),
        ("a moment that is none", |m| {
            let time = vec![Ipld::Integer(0), Ipld::Integer(1_000_000_000)];
            m.insert("at".into(), Ipld::List(time));
        }),
        ("a log id that is too short", |m| {
            let Some(Ipld::Map(origin)) = m.get_mut("origin") else { panic!() };
            origin.insert("log".into(), Ipld::Bytes(vec![1; 15]));
        }),
    ];
    for (what, change) in changes {
        let error = with_manifest(change);
        assert!(matches!(error, EngramError::Manifest { .. }), "{what}: {error}");
    }
}

#[test]
fn names_and_positions_are_checked_against_the_memories() {
    let unnamed = with_manifest(|m| {
        let Some(Ipld::List(names)) = m.get_mut("names") else { panic!() };
        names.pop();
    });
    assert_eq!(unnamed, EngramError::Unnamed { agent: AgentId(400) });
    let unmentioned = with_manifest(|m| {
        let Some(Ipld::List(names)) = m.get_mut("names") else { panic!() };
        names.push(Ipld::List(vec![Ipld::Integer(500), Ipld::String("eve".into())]));
    });
    assert_eq!(unmentioned, EngramError::Unmentioned { agent: AgentId(500) });
    let behind = with_manifest(|m| {
        let Some(Ipld::Map(origin)) = m.get_mut("origin") else { panic!() };
        origin.insert("records".into(), Ipld::Integer(999));
    });
    assert_eq!(behind, EngramError::Position { position: 999, records: 999 });
}

#[test]
fn a_list_that_names_too_few_or_too_many() {
    let mut fewer = Parts::of(&sample());
    let Some(Ipld::List(links)) = fewer.manifest.get_mut("memories") else { panic!() };
    links.pop();
    assert!(matches!(refused(&fewer.signed()), EngramError::Framing { .. }));
    let mut more = Parts::of(&sample());
    more.blocks.pop();
    assert!(matches!(refused(&more.signed()), EngramError::Missing { .. }));
}

fn memory_block(change: impl Fn(&mut BTreeMap<String, Ipld>)) -> Vec<u8> {
    let block = &Parts::of(&sample()[1..2]).blocks[0];
    let Ipld::Map(mut map) = serde_ipld_dagcbor::from_slice(block).unwrap() else { panic!() };
    change(&mut map);
    serde_ipld_dagcbor::to_vec(&Ipld::Map(map)).unwrap()
}

fn with_value(value: Ipld) -> Vec<u8> {
    memory_block(|memory| {
        let Some(Ipld::Map(content)) = memory.get_mut("content") else { panic!() };
        let Some(Ipld::Map(present)) = content.get_mut("present") else { panic!() };
        let properties = BTreeMap::from([("x".to_owned(), value.clone())]);
        present.insert("properties".into(), Ipld::Map(properties));
    })
}

fn typed(name: &str, value: Ipld) -> Ipld {
    Ipld::Map(BTreeMap::from([(name.to_owned(), value)]))
}

fn signed_block(block: Vec<u8>) -> Vec<u8> {
    let mut parts = Parts::of(&sample()[1..2]);
    parts.blocks = vec![block];
    parts.listed_and_signed()
}

#[test]
fn blocks_that_are_no_memory_in_its_one_form() {
    Engram::open(&signed_block(with_value(typed("f64", Ipld::Float(0.5))))).unwrap();
    let two = Ipld::Map(BTreeMap::from([
        ("i64".to_owned(), Ipld::Integer(1)),
        ("f64".to_owned(), Ipld::Float(1.0)),
    ]));
    let deep = (0..9).fold(Ipld::Null, |value, _| typed("list", Ipld::List(vec![value])));
    let deeper = (0..100).fold(Ipld::Null, |value, _| typed("list", Ipld::List(vec![value])));
    // The encoder of the tests knows no minus zero: its sign is set here.
    let mut minus_zero = with_value(typed("f64", Ipld::Float(0.0)));
    Engram::open(&signed_block(minus_zero.clone())).unwrap();
    let number = minus_zero.windows(4).position(|bytes| bytes == b"f64\xfb").unwrap();
    minus_zero[number + 4] = 0x80;
    for (what, block) in [
        ("nothing", vec![]),
        ("null", vec![0xf6]),
        ("an open array", vec![0x9f; 100_000]),
        ("arrays in arrays", vec![0x81; 100_000]),
        ("a map that lies about its length", vec![0xbb, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("a bare number", with_value(Ipld::Integer(1))),
        ("a bare text", with_value(Ipld::String("x".into()))),
        ("two types", with_value(two)),
        ("no type", with_value(Ipld::Map(BTreeMap::new()))),
        ("an unknown type", with_value(typed("i32", Ipld::Integer(1)))),
        ("a type that lies", with_value(typed("i64", Ipld::Float(1.0)))),
        ("a number that is too large", with_value(typed("i64", Ipld::Integer(1 << 63)))),
        ("minus zero", minus_zero),
        ("too deep", with_value(deep)),
        ("much too deep", with_value(deeper)),
        ("a field more", memory_block(|m| drop(m.insert("more".into(), Ipld::Null)))),
        ("a field less", memory_block(|m| drop(m.remove("recorded")))),
        (
            "no interval",
            memory_block(|memory| {
                let Some(Ipld::Map(valid)) = memory.get_mut("valid") else { panic!() };
                valid.insert("to".into(), valid["from"].clone());
            }),
        ),
        (
            "labels out of order",
            memory_block(|memory| {
                let Some(Ipld::Map(content)) = memory.get_mut("content") else { panic!() };
                let Some(Ipld::Map(present)) = content.get_mut("present") else { panic!() };
                let labels = ["b", "a"].map(|label| Ipld::String(label.into()));
                present.insert("labels".into(), Ipld::List(labels.into()));
            }),
        ),
    ] {
        let error = refused(&signed_block(block));
        assert!(matches!(error, EngramError::Memory { .. }), "{what}: {error}");
    }
}

/// DAG-CBOR has one form for each value; these decode to the same memory, or nearly.
#[test]
fn blocks_in_another_cbor() {
    let block = &Parts::of(&sample()[1..2]).blocks[0];
    let at = |part: &[u8]| block.windows(part.len()).position(|bytes| bytes == part).unwrap();
    // "i64": 2 in two bytes; the map of the content without a length; a byte behind.
    let count = at(b"ci64\x02") + 4;
    let long = [&block[..count], &[0x18, 2], &block[count + 1..]].concat();
    let first = block[0];
    assert_eq!(first & 0xe0, 0xa0, "a memory is a map");
    let open = [&[0xbf], &block[1..], &[0xff]].concat();
    for changed in [long, open, [&block[..], &[0]].concat()] {
        let error = refused(&signed_block(changed));
        assert!(matches!(error, EngramError::Memory { .. }), "{error}");
    }
}

#[test]
fn a_block_that_is_too_long() {
    let text = Ipld::String("x".repeat(BLOCK_BYTES_MAX));
    let error = refused(&signed_block(with_value(typed("text", text))));
    assert!(matches!(error, EngramError::BlockTooLong { most: BLOCK_BYTES_MAX.., .. }), "{error}");
}

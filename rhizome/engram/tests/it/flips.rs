//! Every changed, missing or added byte is found.

use karyon_engram::limits::FILE_BYTES_MAX;
use karyon_engram::{Engram, EngramError};

use crate::support::*;

#[test]
fn every_flipped_byte_is_found() {
    let file = sealed(&sample());
    for at in 0..file.len() {
        for bits in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = file.clone();
            bytes[at] ^= bits;
            refused(&bytes);
        }
    }
    Engram::open(&file).unwrap();
}

#[test]
fn every_cut_is_found() {
    let file = sealed(&sample());
    for len in 0..file.len() {
        let error = refused(&file[..len]);
        let cut = matches!(error, EngramError::Framing { .. } | EngramError::Missing { .. });
        assert!(cut, "cut to {len}: {error}");
    }
}

#[test]
fn nothing_may_follow_or_stand_between() {
    let file = sealed(&sample());
    let sections = sections(&file);
    let more = section(DAG_CBOR, b"\xf6");
    for added in [&[0][..], &[1, 0], &file, &more, &sections[4]] {
        let error = refused(&[&file[..], added].concat());
        let offset = file.len();
        assert!(
            matches!(error, EngramError::Framing { offset: at, .. } if at == offset),
            "{error}"
        );
    }
    for place in 0..sections.len() {
        for added in [&[0][..], &more, &sections[3]] {
            let mut parts: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
            parts.insert(place, added);
            refused(&parts.concat());
        }
    }
}

#[test]
fn blocks_that_are_swapped_or_gone_are_found() {
    let file = sealed(&sample());
    let sections = sections(&file);
    for a in 0..sections.len() {
        let mut fewer = sections.clone();
        fewer.remove(a);
        refused(&fewer.concat());
        let mut twice = sections.clone();
        twice.insert(a, sections[a].clone());
        refused(&twice.concat());
        for b in 0..a {
            let mut swapped = sections.clone();
            swapped.swap(a, b);
            refused(&swapped.concat());
        }
    }
    let gone = refused(&sections[..4].concat());
    assert!(matches!(gone, EngramError::Missing { .. }), "{gone}");
    let other = refused(&[&sections[..2], &sections[3..]].concat().concat());
    assert!(matches!(other, EngramError::Order { .. }), "{other}");
}

#[test]
fn a_file_that_is_too_long_is_not_looked_at() {
    let bytes = FILE_BYTES_MAX + 1;
    assert_eq!(refused(&vec![0; bytes]), EngramError::FileTooLong { bytes });
}

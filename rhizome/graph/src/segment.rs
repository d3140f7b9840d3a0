//! Segments: some versions of one entity packed into a row.
//!
//! A row holds its newest version as a whole and each older one as what was different, so that
//! what holds now is read at once, and an older version by walking back to it. The newest segment
//! of an entity is open: it is written anew with each version. Once it is long enough, all but its
//! newest version are sealed, compressed, and not written again unless a version is recorded
//! behind time.
//!
//! Source: the anchors and deltas of AeonG (Hou et al., VLDB 17.6, 2024), packed.

use std::borrow::Cow;
use std::cell::RefCell;

use karyon_memory_ops::Time;
use karyon_types::varint;

use crate::limits::{SEGMENT_BYTES_MAX, UNPACKED_BYTES_MAX, ZSTD_LEVEL};
use crate::meta::{Meta, read_time, write_time};

mod flag {
    /// The versions are compressed.
    pub(super) const COMPRESSED: u8 = 1;
    /// The order of versions is not that in which they were recorded.
    pub(super) const CORRECTED: u8 = 2;
    /// None of its versions is valid for good: until when the last of them is follows.
    pub(super) const BOUNDED: u8 = 4;
    pub(super) const ALL: u8 = 7;
}

/// What a row says in front of its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// How many versions, at least one.
    pub(crate) count: u64,
    /// The least transaction time among them.
    pub(crate) earliest: u64,
    /// When the first of them begins.
    pub(crate) oldest: Time,
    /// The moment from which on none of them is valid; the end of time: there is none.
    pub(crate) until: Time,
    /// Of an open segment: whether any version of the entity was recorded before one in front of it.
    pub(crate) corrected: bool,
}

impl Header {
    fn write(&self, flags: u8, out: &mut Vec<u8>) {
        let bounded = self.until != Time::MAX;
        let flag = |is: bool, flag| if is { flag } else { 0 };
        out.push(flags | flag(self.corrected, flag::CORRECTED) | flag(bounded, flag::BOUNDED));
        varint::write(out, self.count);
        varint::write(out, self.earliest);
        write_time(out, self.oldest);
        if bounded {
            write_time(out, self.until);
        }
    }
}

/// A row.
pub(crate) struct Segment<'a> {
    pub(crate) header: Header,
    compressed: Option<usize>,
    body: &'a [u8],
}

impl<'a> Segment<'a> {
    /// `None` when the row is damaged.
    pub(crate) fn read(mut row: &'a [u8]) -> Option<Segment<'a>> {
        let b = &mut row;
        let (&flags, rest) = b.split_first()?;
        *b = rest;
        if flags & !flag::ALL != 0 {
            return None;
        }
        let (count, earliest, oldest) = (varint::read(b)?, varint::read(b)?, read_time(b)?);
        let until = if flags & flag::BOUNDED != 0 { read_time(b)? } else { Time::MAX };
        let compressed = if flags & flag::COMPRESSED != 0 {
            let bytes = usize::try_from(varint::read(b)?).ok()?;
            (bytes <= SEGMENT_BYTES_MAX).then_some(())?;
            Some(bytes)
        } else {
            None
        };
        let corrected = flags & flag::CORRECTED != 0;
        let header = Header { count, earliest, oldest, until, corrected };
        (count > 0).then_some(Segment { header, compressed, body: b })
    }

    /// Its versions, the newest first; `None` when they are damaged.
    pub(crate) fn back(self) -> Option<Back<'a>> {
        let body = match self.compressed {
            None => Cow::Borrowed(self.body),
            Some(bytes) => Cow::Owned(decompress(self.body, bytes)?),
        };
        Some(Back::new(body, self.header.count))
    }
}

/// The versions of a segment, from the newest to the oldest.
pub(crate) struct Back<'a> {
    body: Cow<'a, [u8]>,
    at: usize,
    left: u64,
    meta: Meta,
    content: Vec<u8>,
}

impl<'a> Back<'a> {
    fn new(body: Cow<'a, [u8]>, count: u64) -> Back<'a> {
        Back { body, at: 0, left: count, meta: Meta::default(), content: Vec::new() }
    }

    /// The next version and its content; the outer `None` when it is damaged, the inner one behind
    /// the last.
    pub(crate) fn next(&mut self) -> Option<Option<(&Meta, &[u8])>> {
        if self.left == 0 {
            return (self.at == self.body.len()).then_some(None);
        }
        let is_newest = self.at == 0;
        let mut rest = self.body.get(self.at..)?;
        self.meta = Meta::decode(&mut rest, &self.meta)?;
        if is_newest {
            self.content = take(&mut rest)?.to_vec();
        } else {
            undo(&mut rest, &mut self.content)?;
        }
        self.at = self.body.len() - rest.len();
        self.left -= 1;
        Some(Some((&self.meta, &self.content)))
    }

    /// All that are left, the oldest first.
    pub(crate) fn forth(mut self) -> Option<Vec<(Meta, Vec<u8>)>> {
        let mut versions = Vec::new();
        while let Some((meta, content)) = self.next()? {
            versions.push((*meta, content.to_vec()));
        }
        versions.reverse();
        Some(versions)
    }
}

/// An open segment, ready to be written to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) header: Header,
    pub(crate) newest: Meta,
    content: Vec<u8>,
    /// The others, each as what is different from the one behind it, the newer ones first.
    older: Vec<u8>,
}

impl Head {
    /// With its only version.
    pub(crate) fn new(meta: Meta, content: &[u8]) -> Head {
        let header = Header {
            count: 1,
            earliest: meta.recorded(),
            oldest: meta.from,
            until: meta.to.unwrap_or(Time::MAX),
            corrected: false,
        };
        Head { header, newest: meta, content: content.to_vec(), older: Vec::new() }
    }

    /// `None` when the row is damaged.
    pub(crate) fn read(row: &[u8]) -> Option<Head> {
        let segment = Segment::read(row)?;
        if segment.compressed.is_some() {
            return None;
        }
        let mut rest = segment.body;
        let newest = Meta::decode(&mut rest, &Meta::default())?;
        let content = take(&mut rest)?.to_vec();
        Some(Head { header: segment.header, newest, content, older: rest.to_vec() })
    }

    /// From versions in order; `None` when there is none.
    pub(crate) fn pack(versions: &[(Meta, Vec<u8>)]) -> Option<Head> {
        let ((meta, content), rest) = versions.split_first()?;
        let mut head = Head::new(*meta, content);
        rest.iter().for_each(|(meta, content)| head.append(*meta, content));
        Some(head)
    }

    /// Adds a version behind the newest.
    pub(crate) fn append(&mut self, meta: Meta, content: &[u8]) {
        let mut front = Vec::with_capacity(64);
        self.newest.encode(&meta, &mut front);
        difference(&self.content, content, &mut front);
        self.older.splice(0..0, front);
        self.header.count += 1;
        self.header.corrected |= meta.recorded() < self.newest.recorded();
        self.header.earliest = self.header.earliest.min(meta.recorded());
        self.header.until = self.header.until.max(meta.to.unwrap_or(Time::MAX));
        self.newest = meta;
        self.content.clear();
        self.content.extend_from_slice(content);
    }

    /// Whether it is time to seal it: what is older takes `bytes`, or more than the newest version
    /// does where that is long, since it would be written once with each segment; or all of it
    /// would take too much memory unpacked.
    pub(crate) fn is_full(&self, bytes: usize) -> bool {
        let unpacked = self.header.count.saturating_mul(self.content.len() as u64);
        self.older.len() >= bytes.max(2 * self.content.len()) || unpacked >= UNPACKED_BYTES_MAX
    }

    /// Takes all but the newest version out of it; `None` when it is damaged, or has no other.
    pub(crate) fn take_older(&mut self) -> Option<Head> {
        let count = self.header.count.checked_sub(1).filter(|count| *count > 0)?;
        let mut rest = self.older.as_slice();
        let newest = Meta::decode(&mut rest, &self.newest)?;
        let mut content = self.content.clone();
        undo(&mut rest, &mut content)?;
        let header = Header { count, corrected: false, ..self.header };
        let older = Head { header, newest, content, older: rest.to_vec() };
        let corrected = self.header.corrected;
        self.header = Header { corrected, ..Head::new(self.newest, &[]).header };
        self.older.clear();
        Some(older)
    }

    /// Its versions, the oldest first; `None` when it is damaged.
    pub(crate) fn versions(&self) -> Option<Vec<(Meta, Vec<u8>)>> {
        let mut row = Vec::new();
        self.write(&mut row);
        Segment::read(&row)?.back()?.forth()
    }

    /// Appends the row of an open segment.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.header.write(0, out);
        self.write_versions(out);
    }

    /// Its oldest version and the row of a sealed segment; `None` when it is damaged.
    pub(crate) fn seal(&self) -> Option<(Meta, Vec<u8>)> {
        let (mut body, mut row) = (Vec::new(), Vec::new());
        self.write_versions(&mut body);
        let mut back = Back::new(Cow::Borrowed(&body), self.header.count);
        let (mut oldest, mut until) = (None, Time::MIN);
        while let Some((meta, _)) = back.next()? {
            oldest = Some(*meta);
            until = until.max(meta.to.unwrap_or(Time::MAX));
        }
        let header = Header { until, ..self.header };
        match compress(&body) {
            Some(compressed) => {
                header.write(flag::COMPRESSED, &mut row);
                varint::write(&mut row, body.len() as u64);
                row.extend_from_slice(&compressed);
            }
            None => {
                header.write(0, &mut row);
                row.extend_from_slice(&body);
            }
        }
        Some((oldest?, row))
    }

    fn write_versions(&self, out: &mut Vec<u8>) {
        self.newest.encode(&Meta::default(), out);
        varint::write(out, self.content.len() as u64);
        out.extend_from_slice(&self.content);
        out.extend_from_slice(&self.older);
    }
}

/// Appends how `old` is made from `new`: how much of its beginning and of its end stays, and what
/// stands between instead.
fn difference(old: &[u8], new: &[u8], out: &mut Vec<u8>) {
    let words = old.chunks_exact(WORD).zip(new.chunks_exact(WORD));
    let words = words.take_while(|(old, new)| old == new).count() * WORD;
    let (old_rest, new_rest) = (behind(old, words), behind(new, words));
    let front = words + alike(old_rest.iter(), new_rest.iter());
    let (old, new) = (behind(old, front), behind(new, front));
    let back = alike(old.iter().rev(), new.iter().rev());
    let middle = old.get(..old.len() - back).unwrap_or_default();
    for length in [front, back, middle.len()] {
        varint::write(out, length as u64);
    }
    out.extend_from_slice(middle);
}

/// Bytes that are compared at once.
const WORD: usize = 8;

fn behind(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..).unwrap_or_default()
}

fn alike<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// Makes the older content from the newer one.
fn undo(b: &mut &[u8], content: &mut Vec<u8>) -> Option<()> {
    let front = usize::try_from(varint::read(b)?).ok()?;
    let back = usize::try_from(varint::read(b)?).ok()?;
    let middle = take(b)?;
    let end = content.len().checked_sub(back).filter(|end| front <= *end)?;
    let (before, behind) = (content.len(), front + middle.len());
    if behind > end {
        content.resize(before + behind - end, 0);
    }
    content.copy_within(end..before, behind);
    content.truncate(before - end + behind);
    content.get_mut(front..behind)?.copy_from_slice(middle);
    Some(())
}

fn take<'a>(b: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::read(b)?).ok()?;
    let (bytes, rest) = b.split_at_checked(length)?;
    *b = rest;
    Some(bytes)
}

thread_local! {
    // Making one costs more than what it does here. `None`: no memory for it.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(ZSTD_LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        RefCell::new(zstd::bulk::Decompressor::new().ok());
}

/// `None` when it would not become shorter, or cannot be done.
pub(crate) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let compressed =
        COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(bytes).ok())?;
    (compressed.len() < bytes.len()).then_some(compressed)
}

/// `None` when the bytes are damaged.
pub(crate) fn decompress(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let decompressed = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(bytes, length).ok())?;
    (decompressed.len() == length).then_some(decompressed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{Imported, Shape};
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Time> {
        prop_oneof![
            Just(Time::MIN),
            Just(Time::MAX),
            (-3..3i64, 0..2u32).prop_map(|(units, nanos)| Time::new(units, nanos).unwrap()),
            (any::<i64>(), 0..1_000_000_000u32)
                .prop_map(|(units, nanos)| Time::new(units, nanos).unwrap()),
        ]
    }

    fn metas() -> impl Strategy<Value = Meta> {
        let shapes = prop_oneof![Just(Shape::Ended), Just(Shape::Plain), Just(Shape::Labelled)];
        let number = || prop_oneof![0..3u64, any::<u64>()];
        let imported = prop::option::of((number(), any::<u8>()))
            .prop_map(|some| some.map(|(position, cid)| Imported { position, cid: [cid; 36] }));
        let places = (number(), 0..3u32, number(), number(), number(), number());
        (times(), prop::option::of(times()), shapes, places, imported).prop_map(
            |(from, to, shape, (position, seq, tick, agent, step, lease), imported)| {
                let to = to.filter(|to| *to > from);
                Meta { from, to, shape, position, seq, tick, agent, step, lease, imported }
            },
        )
    }

    fn versions() -> impl Strategy<Value = Vec<(Meta, Vec<u8>)>> {
        let contents = prop::collection::vec(0..3u8, 0..12);
        prop::collection::vec((metas(), contents), 1..9).prop_map(|mut versions| {
            versions.sort_by(|(one, _), (other, _)| one.order(other));
            versions
        })
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(versions in versions()) {
            let mut head = Head::pack(&versions).unwrap();
            prop_assert_eq!(head.versions().unwrap(), versions.clone());
            let header = head.header;
            prop_assert_eq!(header.count, versions.len() as u64);
            prop_assert_eq!(header.oldest, versions[0].0.from);
            let recorded: Vec<u64> = versions.iter().map(|(meta, _)| meta.recorded()).collect();
            prop_assert_eq!(Some(&header.earliest), recorded.iter().min());
            prop_assert_eq!(header.corrected, !recorded.is_sorted());
            let ends = versions.iter().map(|(meta, _)| meta.to.unwrap_or(Time::MAX));
            prop_assert_eq!(Some(header.until), ends.max());
            let mut row = Vec::new();
            head.write(&mut row);
            prop_assert_eq!(Head::read(&row), Some(head.clone()));
            // All but the newest leave it, and are as they were.
            match head.take_older() {
                None => prop_assert_eq!(versions.len(), 1),
                Some(older) => {
                    let (newest, others) = versions.split_last().unwrap();
                    let (oldest, row) = older.seal().unwrap();
                    prop_assert_eq!(oldest, others[0].0);
                    let sealed = Segment::read(&row).unwrap();
                    let ends = others.iter().map(|(meta, _)| meta.to.unwrap_or(Time::MAX));
                    prop_assert_eq!(Some(sealed.header.until), ends.max());
                    prop_assert_eq!(sealed.back().unwrap().forth().unwrap(), others);
                    prop_assert_eq!(head.versions().unwrap(), [newest.clone()]);
                }
            }
        }

        #[test]
        fn damage_is_no_trouble(versions in versions(), at: prop::sample::Index, to: u8, cut: prop::sample::Index) {
            let (_, mut row) = Head::pack(&versions).unwrap().seal().unwrap();
            let at = at.index(row.len());
            row[at] = to;
            for row in [&row[..], &row[..cut.index(row.len())]] {
                if let Some(back) = Segment::read(row).and_then(Segment::back) {
                    let _ = back.forth();
                }
                if let Some(mut head) = Head::read(row) {
                    let _ = (head.versions(), head.take_older());
                }
            }
        }
    }

    /// Long enough to be worth compressing.
    #[test]
    fn sealed_rows_are_short() {
        let version = |number: u64| {
            let meta = Meta { position: number, step: number, ..Meta::default() };
            (meta, format!("{number:04} of one kind and a text that hardly changes").into_bytes())
        };
        let versions: Vec<_> = (0..100).map(version).collect();
        let plain: usize = versions.iter().map(|(_, content)| content.len()).sum();
        let (_, row) = Head::pack(&versions).unwrap().seal().unwrap();
        assert!(row.len() * 5 < plain, "{} of {plain}", row.len());
        assert_eq!(Segment::read(&row).unwrap().back().unwrap().forth().unwrap(), versions);
    }
}

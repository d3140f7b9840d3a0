//! Whose neighbour a vertex may have been when: what leads from a vertex to its edges.
//!
//! Each vertex has two lists, of the edges that begin and of those that end at it. A list holds
//! the moments at which an edge came or went, in order, in segments; in front of each sealed
//! segment stands which edges there were just then. So the neighbours of a moment are found by
//! reading one segment and what follows it, however many neighbours a hub has had.
//!
//! What a list tells are edges to be asked: each that holds is among them, and some may be that do
//! not. A change that comes behind time stands beside the list and is looked at each time.

use std::collections::{BTreeMap, BTreeSet};

use karyon_memory_ops::Time;
use karyon_types::varint;
use redb::{ReadOnlyTable, ReadableTable as _};

use crate::GraphError;
use crate::keys::{ListKey, read_late};
use crate::limits::LIST_BYTES_MAX;
use crate::meta::{Meta, read_change, read_time, write_change, write_time};
use crate::segment::{compress, decompress};
use crate::store::Before;

/// An edge as its list knows it: its type, the vertex at its other end.
pub(crate) type Near = (u32, u64);

mod flag {
    pub(super) const BEGINS: u8 = 1;
    pub(super) const ENDS: u8 = 2;
    pub(super) const WHAT: u8 = 3;
    /// Valid time has an end: it follows.
    pub(super) const BOUNDED: u8 = 4;
    pub(super) const ALL: u8 = 7;

    /// Of a list: changes were recorded in another order than that of their moments.
    pub(super) const UNORDERED: u8 = 1;
    /// Of a list: there are changes beside it.
    pub(super) const LATE: u8 = 2;
    /// Of a sealed segment: it is compressed.
    pub(super) const COMPRESSED: u8 = 1;
}

/// What happens to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// It is there from now on, or until the moment that is said.
    Begins(Option<Time>),
    /// It is not, from now on.
    Ends,
    /// It was spoken of.
    Noted,
}

/// A change of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) from: Time,
    /// Its transaction time.
    pub(crate) recorded: u64,
    pub(crate) near: Near,
    pub(crate) what: What,
    /// Whether it has to stand beside the list, wherever that is.
    pub(crate) late: bool,
}

impl Change {
    /// What a new version of an edge changes; `None`: nothing.
    pub(crate) fn of(before: &Before, meta: &Meta, near: Near) -> Option<Change> {
        let begins = What::Begins(meta.to);
        let what = match (before, meta.ended()) {
            (Before::Nothing, true) => What::Noted,
            (Before::Nothing | Before::Behind, false) => begins,
            // What it ends may begin anew behind it.
            (Before::Behind, true) => return None,
            (Before::Newest(old), false) => {
                let lasts = old.for_good() && !old.ended() && meta.for_good();
                // By what was recorded up to here, it may be what begins it.
                if lasts && old.recorded() <= meta.recorded() {
                    return None;
                }
                begins
            }
            (Before::Newest(old), true) => {
                let is_gone = old.for_good() && old.ended();
                // One that ends for a while is there again behind it.
                if is_gone || !meta.for_good() {
                    return None;
                }
                What::Ends
            }
        };
        let late = matches!(before, Before::Behind);
        Some(Change { from: meta.from, recorded: meta.recorded(), near, what, late })
    }

    fn write(&self, base: (Time, u64), out: &mut Vec<u8>) {
        let (what, to) = match self.what {
            What::Begins(None) => (flag::BEGINS, None),
            What::Begins(to) => (flag::BEGINS | flag::BOUNDED, to),
            What::Ends => (flag::ENDS, None),
            What::Noted => (0, None),
        };
        out.push(what);
        write_change(out, self.from.units() as u64, base.0.units() as u64);
        varint::write(out, u64::from(self.from.nanos()));
        write_change(out, self.recorded, base.1);
        write_near(out, self.near);
        if let Some(to) = to {
            write_time(out, to);
        }
    }

    fn read(b: &mut &[u8], base: (Time, u64)) -> Option<Change> {
        let (&flags, rest) = b.split_first()?;
        *b = rest;
        (flags & !flag::ALL == 0).then_some(())?;
        let units = read_change(b, base.0.units() as u64)? as i64;
        let from = Time::new(units, varint::read(b)?.try_into().ok()?)?;
        let recorded = read_change(b, base.1)?;
        let near = read_near(b)?;
        let to = if flags & flag::BOUNDED != 0 { Some(read_time(b)?) } else { None };
        let what = match flags & flag::WHAT {
            flag::BEGINS => What::Begins(to),
            flag::ENDS => What::Ends,
            0 => What::Noted,
            _ => return None,
        };
        Some(Change { from, recorded, near, what, late: false })
    }
}

/// The kinds of vertices are told by the first two bits of their numbers: they come last here.
fn write_near(out: &mut Vec<u8>, (name, other): Near) {
    varint::write(out, u64::from(name));
    varint::write(out, other.rotate_left(2));
}

fn read_near(b: &mut &[u8]) -> Option<Near> {
    Some((varint::read(b)?.try_into().ok()?, varint::read(b)?.rotate_right(2)))
}

/// The first change of a row is told in relation to this.
const BASE: (Time, u64) = (Time::ZERO, 0);

fn read_changes(mut bytes: &[u8]) -> Option<Vec<Change>> {
    let (mut changes, mut base) = (Vec::new(), BASE);
    while !bytes.is_empty() {
        let change = Change::read(&mut bytes, base)?;
        base = (change.from, change.recorded);
        changes.push(change);
    }
    Some(changes)
}

/// The end of a list, open to be written to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tail {
    unordered: bool,
    late: bool,
    /// Segments that are sealed.
    sealed: u32,
    /// How long the edges of the last one's beginning are, bytes.
    anchor_bytes: u64,
    changes: Vec<u8>,
    /// The last change that was added.
    last: Option<(Time, u64)>,
}

impl Tail {
    fn read(mut row: &[u8]) -> Option<Tail> {
        let b = &mut row;
        let (&flags, rest) = b.split_first()?;
        *b = rest;
        let sealed = varint::read(b)?.try_into().ok()?;
        let anchor_bytes = varint::read(b)?;
        let last = match varint::read(b)? {
            0 => None,
            _ => Some((read_time(b)?, varint::read(b)?)),
        };
        Some(Tail {
            unordered: flags & flag::UNORDERED != 0,
            late: flags & flag::LATE != 0,
            sealed,
            anchor_bytes,
            changes: b.to_vec(),
            last,
        })
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![
            if self.unordered { flag::UNORDERED } else { 0 }
                | if self.late { flag::LATE } else { 0 },
        ];
        varint::write(&mut out, u64::from(self.sealed));
        varint::write(&mut out, self.anchor_bytes);
        varint::write(&mut out, u64::from(self.last.is_some()));
        if let Some((from, recorded)) = self.last {
            write_time(&mut out, from);
            varint::write(&mut out, recorded);
        }
        out.extend_from_slice(&self.changes);
        out
    }
}

/// A sealed segment.
struct Sealed {
    /// The edges that there were before, and until when.
    anchor: Open,
    changes: Vec<Change>,
}

/// Edges that are there, and until when; the end of time: for good.
type Open = BTreeMap<Near, Time>;

impl Sealed {
    fn read(row: &[u8]) -> Option<Sealed> {
        let mut rest = row;
        let b = &mut rest;
        let (&flags, after) = b.split_first()?;
        *b = after;
        varint::read(b)?;
        let body = if flags & flag::COMPRESSED != 0 {
            let bytes = usize::try_from(varint::read(b)?).ok()?;
            (bytes <= LIST_BYTES_MAX).then_some(())?;
            decompress(b, bytes)?
        } else {
            b.to_vec()
        };
        let mut rest = body.as_slice();
        let b = &mut rest;
        let anchor = (0..varint::read(b)?).map(|_| {
            let near = read_near(b)?;
            let until = match varint::read(b)? {
                0 => Time::MAX,
                _ => read_time(b)?,
            };
            Some((near, until))
        });
        let anchor = anchor.collect::<Option<Open>>()?;
        Some(Sealed { anchor, changes: read_changes(b)? })
    }

    /// The transaction time of the first change of a row.
    fn recorded(mut row: &[u8]) -> Option<u64> {
        row.split_off_first()?;
        varint::read(&mut row)
    }
}

fn write_anchor(anchor: &Open) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(&mut out, anchor.len() as u64);
    for (near, until) in anchor {
        write_near(&mut out, *near);
        varint::write(&mut out, u64::from(*until != Time::MAX));
        if *until != Time::MAX {
            write_time(&mut out, *until);
        }
    }
    out
}

fn change_open(open: &mut Open, change: &Change) {
    match change.what {
        What::Begins(to) => {
            let until = to.unwrap_or(Time::MAX);
            let known = open.entry(change.near).or_insert(until);
            *known = until.max(*known);
        }
        What::Ends => {
            open.remove(&change.near);
        }
        What::Noted => {}
    }
}

/// Until the end of time is for good.
pub(crate) fn lasts(until: Time, moment: Time) -> bool {
    until == Time::MAX || until > moment
}

fn damaged() -> GraphError {
    GraphError::damaged("a list of neighbours")
}

/// The tables in which lists lie, open for reading.
pub(crate) struct Lists<'a> {
    pub(crate) tails: &'a ReadOnlyTable<&'static [u8; 9], &'static [u8]>,
    pub(crate) sealed: &'a ReadOnlyTable<&'static [u8; 25], &'static [u8]>,
    pub(crate) late: &'a ReadOnlyTable<&'static [u8; 33], &'static [u8]>,
}

/// The part of the record and of time that a question is about.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) first: Time,
    pub(crate) last: Time,
    pub(crate) as_recorded: Option<u64>,
}

impl Lists<'_> {
    fn tail(&self, list: &ListKey) -> Result<Option<Tail>, GraphError> {
        let Some(row) = self.tails.get(&list.0)? else { return Ok(None) };
        Ok(Some(Tail::read(row.value()).ok_or_else(damaged)?))
    }

    /// The edges that may hold at some moment of the window, in order; each that does is there.
    pub(crate) fn near(
        &self,
        list: &ListKey,
        window: &Window,
        name: Option<u32>,
    ) -> Result<Vec<Near>, GraphError> {
        let Some(tail) = self.tail(list)? else { return Ok(Vec::new()) };
        let mut looked = Looked { window, name, open: Open::new(), during: BTreeSet::new() };
        let is_ordered = !tail.unordered && !tail.late;
        let first = list.segment(Time::MIN, 0);
        let mut from = first;
        if window.as_recorded.is_none() || is_ordered {
            let begun = list.segment(window.first, u32::MAX);
            for row in self.sealed.range::<&[u8; 25]>(&first..=&begun)?.rev() {
                let (key, row) = row?;
                let recorded = Sealed::recorded(row.value()).ok_or_else(damaged)?;
                if window.as_recorded.is_none_or(|last| recorded <= last) {
                    let sealed = Sealed::read(row.value()).ok_or_else(damaged)?;
                    looked.open = sealed.anchor;
                    from = *key.value();
                    break;
                }
            }
        }
        let last = list.segment(window.last, u32::MAX);
        if tail.sealed > 0 {
            for row in self.sealed.range::<&[u8; 25]>(&from..=&last)? {
                let row = row?.1;
                let recorded = Sealed::recorded(row.value()).ok_or_else(damaged)?;
                // In order, so that nothing behind it was recorded by then either.
                if is_ordered && window.as_recorded.is_some_and(|last| recorded > last) {
                    break;
                }
                let sealed = Sealed::read(row.value()).ok_or_else(damaged)?;
                sealed.changes.iter().for_each(|change| looked.change(change));
            }
        }
        for change in read_changes(&tail.changes).ok_or_else(damaged)? {
            looked.change(&change);
        }
        if tail.late {
            let (first, last) =
                (list.late(Time::MIN, 0, 0), list.late(window.last, u32::MAX, u64::MAX));
            for row in self.late.range::<&[u8; 33]>(&first..=&last)? {
                let (key, row) = row?;
                looked.late(read_late(key.value()), &Late::read(row.value()).ok_or_else(damaged)?);
            }
        }
        Ok(looked.found())
    }

    /// All edges that a list ever spoke of, in order.
    pub(crate) fn ever(&self, list: &ListKey) -> Result<BTreeSet<Near>, GraphError> {
        let mut ever = BTreeSet::new();
        let Some(tail) = self.tail(list)? else { return Ok(ever) };
        let all = list.segment(Time::MIN, 0)..=list.segment(Time::MAX, u32::MAX);
        for row in self.sealed.range::<&[u8; 25]>(all.start()..=all.end())? {
            let sealed = Sealed::read(row?.1.value()).ok_or_else(damaged)?;
            ever.extend(sealed.changes.iter().map(|change| change.near));
        }
        let changes = read_changes(&tail.changes).ok_or_else(damaged)?;
        ever.extend(changes.iter().map(|change| change.near));
        let all = list.late(Time::MIN, 0, 0)..=list.late(Time::MAX, u32::MAX, u64::MAX);
        for row in self.late.range::<&[u8; 33]>(all.start()..=all.end())? {
            ever.insert(read_late(row?.0.value()));
        }
        Ok(ever)
    }
}

/// What is found while a list is read.
struct Looked<'a> {
    window: &'a Window,
    name: Option<u32>,
    /// There at the window's first moment.
    open: Open,
    /// Came inside the window.
    during: BTreeSet<Near>,
}

impl Looked<'_> {
    fn counts(&self, recorded: u64) -> bool {
        self.window.as_recorded.is_none_or(|last| recorded <= last)
    }

    fn change(&mut self, change: &Change) {
        if !self.counts(change.recorded) {
            return;
        }
        if change.from <= self.window.first {
            change_open(&mut self.open, change);
        } else if change.from <= self.window.last && matches!(change.what, What::Begins(_)) {
            self.during.insert(change.near);
        }
    }

    fn late(&mut self, near: Near, late: &Late) {
        if self.counts(late.recorded) && lasts(late.until, self.window.first) {
            self.during.insert(near);
        }
    }

    fn found(self) -> Vec<Near> {
        let Looked { window, name, open, mut during } = self;
        let of_name = |near: &Near| name.is_none_or(|name| near.0 == name);
        let lasting = open.into_iter().filter(|(_, until)| lasts(*until, window.first));
        let lasting = lasting.map(|(near, _)| near).filter(of_name);
        // Nearly always: they are in order already.
        if during.is_empty() {
            return lasting.collect();
        }
        during.extend(lasting);
        during.into_iter().filter(of_name).collect()
    }
}

/// Changes beside a list: of one edge, from one moment on, taken together.
struct Late {
    /// The least transaction time.
    recorded: u64,
    until: Time,
}

impl Late {
    fn read(mut row: &[u8]) -> Option<Late> {
        let b = &mut row;
        Some(Late { recorded: varint::read(b)?, until: read_time(b)? })
    }

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        varint::write(&mut out, self.recorded);
        write_time(&mut out, self.until);
        out
    }
}

/// The same tables while a list is written to.
pub(crate) struct WriteLists<'a, 't> {
    pub(crate) tails: &'a mut redb::Table<'t, &'static [u8; 9], &'static [u8]>,
    pub(crate) sealed: &'a mut redb::Table<'t, &'static [u8; 25], &'static [u8]>,
    pub(crate) late: &'a mut redb::Table<'t, &'static [u8; 33], &'static [u8]>,
    pub(crate) seal_bytes: usize,
}

impl WriteLists<'_, '_> {
    /// Adds changes of one list, which are in order among themselves.
    pub(crate) fn add(&mut self, list: &ListKey, changes: &[Change]) -> Result<(), GraphError> {
        let mut tail = match self.tails.get(&list.0)? {
            None => Tail::default(),
            Some(row) => Tail::read(row.value()).ok_or_else(damaged)?,
        };
        for change in changes {
            if change.late || tail.last.is_some_and(|(last, _)| change.from < last) {
                self.add_late(&mut tail, list, change)?;
                continue;
            }
            tail.unordered |= tail.last.is_some_and(|(_, last)| change.recorded < last);
            let base = if tail.changes.is_empty() { BASE } else { tail.last.unwrap_or(BASE) };
            change.write(base, &mut tail.changes);
            tail.last = Some((change.from, change.recorded));
            if tail.changes.len() >= self.seal_bytes.max(tail.anchor_bytes as usize) {
                self.seal(&mut tail, list)?;
            }
        }
        self.tails.insert(&list.0, tail.write().as_slice())?;
        Ok(())
    }

    fn add_late(
        &mut self,
        tail: &mut Tail,
        list: &ListKey,
        change: &Change,
    ) -> Result<(), GraphError> {
        let until = match change.what {
            What::Begins(to) => to.unwrap_or(Time::MAX),
            // An edge that is told too often is asked, and does not hold.
            What::Ends => return Ok(()),
            What::Noted => Time::MIN,
        };
        tail.late = true;
        let key = list.late(change.from, change.near.0, change.near.1);
        let mut row = Late { recorded: change.recorded, until };
        if let Some(there) = self.late.get(&key)? {
            let there = Late::read(there.value()).ok_or_else(damaged)?;
            row.recorded = row.recorded.min(there.recorded);
            row.until = row.until.max(there.until);
        }
        self.late.insert(&key, row.write().as_slice())?;
        Ok(())
    }

    fn seal(&mut self, tail: &mut Tail, list: &ListKey) -> Result<(), GraphError> {
        let changes = read_changes(&tail.changes).ok_or_else(damaged)?;
        let first = changes.first().ok_or_else(damaged)?;
        let mut open = Open::new();
        if tail.sealed > 0 {
            let all = list.segment(Time::MIN, 0)..=list.segment(Time::MAX, u32::MAX);
            let last = self.sealed.range::<&[u8; 25]>(all.start()..=all.end())?.next_back();
            let last = Sealed::read(last.ok_or_else(damaged)??.1.value()).ok_or_else(damaged)?;
            open = last.anchor;
            last.changes.iter().for_each(|change| change_open(&mut open, change));
            open.retain(|_, until| lasts(*until, first.from));
        }
        let mut body = write_anchor(&open);
        tail.anchor_bytes = body.len() as u64;
        body.append(&mut tail.changes);
        let compressed = compress(&body);
        let mut row = vec![if compressed.is_some() { flag::COMPRESSED } else { 0 }];
        varint::write(&mut row, first.recorded);
        match compressed {
            Some(compressed) => {
                varint::write(&mut row, body.len() as u64);
                row.extend_from_slice(&compressed);
            }
            None => row.extend_from_slice(&body),
        }
        self.sealed.insert(&list.segment(first.from, tail.sealed), row.as_slice())?;
        tail.sealed += 1;
        Ok(())
    }
}

//! Versions into their segments.

use karyon_memory_ops::Time;
use karyon_types::Position;
use redb::ReadableTable as _;

use crate::GraphError;
use crate::keys::{self, EntityKey, VersionKey};
use crate::meta::Meta;
use crate::segment::{Head, Segment};
use crate::tables::Tables;

/// How many sealed segments' worth a rewritten one may hold before it is cut in two.
const SPLIT: usize = 2;

/// What an entity was like before a version was added.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Before {
    /// It had no version.
    Nothing,
    /// The version is its newest now; that was the one before.
    Newest(Meta),
    /// The version lies behind another: it was recorded behind time.
    Behind,
}

/// The segments of one entity while versions are added to it.
pub(crate) struct Stack<'a, 't> {
    tables: &'a mut Tables<'t>,
    entity: EntityKey,
    head: Option<Head>,
    /// How many bytes an open segment may have.
    seal_bytes: usize,
}

fn damaged() -> GraphError {
    GraphError::damaged("a segment")
}

/// The key of a sealed segment.
fn sealed_key(entity: &EntityKey, oldest: &Meta) -> Vec<u8> {
    let key = VersionKey::new(entity, oldest.from, Position(oldest.position), oldest.seq);
    let mut key = key.0.to_vec();
    if let Some(imported) = &oldest.imported {
        key.extend_from_slice(&imported.cid);
    }
    key
}

impl<'a, 't> Stack<'a, 't> {
    pub(crate) fn open(
        tables: &'a mut Tables<'t>,
        entity: EntityKey,
        seal_bytes: usize,
    ) -> Result<Stack<'a, 't>, GraphError> {
        let head = match tables.heads.get(&entity.0)? {
            None => None,
            Some(row) => Some(Head::read(row.value()).ok_or_else(damaged)?),
        };
        Ok(Stack { tables, entity, head, seal_bytes })
    }

    /// Adds a version.
    pub(crate) fn add(&mut self, meta: Meta, content: &[u8]) -> Result<Before, GraphError> {
        let Some(head) = &mut self.head else {
            self.head = Some(Head::new(meta, content));
            return Ok(Before::Nothing);
        };
        let newest = head.newest;
        if newest.order(&meta).is_lt() {
            head.append(meta, content);
            if head.is_full(self.seal_bytes) {
                self.seal()?;
            }
            return Ok(Before::Newest(newest));
        }
        self.correct(meta, content)?;
        Ok(Before::Behind)
    }

    /// Writes the open segment.
    pub(crate) fn close(self) -> Result<(), GraphError> {
        let Some(head) = &self.head else { return Ok(()) };
        let mut row = Vec::new();
        head.write(&mut row);
        self.tables.heads.insert(&self.entity.0, row.as_slice())?;
        Ok(())
    }

    /// Seals all but the newest version.
    fn seal(&mut self) -> Result<(), GraphError> {
        let older = self.head.as_mut().and_then(Head::take_older).ok_or_else(damaged)?;
        self.insert_sealed(&older)
    }

    fn insert_sealed(&mut self, segment: &Head) -> Result<(), GraphError> {
        let (oldest, row) = segment.seal().ok_or_else(damaged)?;
        let key = sealed_key(&self.entity, &oldest);
        self.tables.sealed.insert(key.as_slice(), row.as_slice())?;
        // It leads there only where versions are in the order of the record.
        let is_ordered = self.head.as_ref().is_some_and(|head| !head.header.corrected);
        if is_ordered && oldest.imported.is_none() {
            let place = key.split_last_chunk().ok_or_else(damaged)?.1;
            let recorded = keys::recorded(&self.entity, oldest.position);
            self.tables.recorded.insert(&recorded, place)?;
        }
        Ok(())
    }

    /// Adds a version that lies behind another: its segment is written anew.
    fn correct(&mut self, meta: Meta, content: &[u8]) -> Result<(), GraphError> {
        let head = self.head.as_mut().ok_or_else(damaged)?;
        head.header.corrected = true;
        let mut versions = head.versions().ok_or_else(damaged)?;
        let is_in_head = versions.first().is_some_and(|(oldest, _)| oldest.order(&meta).is_lt());
        if !is_in_head && let Some((key, sealed)) = self.sealed_for(&meta)? {
            versions = sealed;
            insert(&mut versions, meta, content);
            self.tables.sealed.remove(key.as_slice())?;
            return self.insert_split(&versions);
        }
        insert(&mut versions, meta, content);
        let mut packed = Head::pack(&versions).ok_or_else(damaged)?;
        packed.header.corrected = true;
        let is_full = packed.is_full(self.seal_bytes);
        self.head = Some(packed);
        if is_full { self.seal() } else { Ok(()) }
    }

    /// The sealed segment into which a version belongs: the last one that begins before it, or the
    /// first of all.
    fn sealed_for(&self, meta: &Meta) -> Result<Option<Sealed>, GraphError> {
        let key = sealed_key(&self.entity, meta);
        let first = VersionKey::first(&self.entity);
        let before = self.tables.sealed.range(first.0.as_slice()..=key.as_slice())?.next_back();
        let found = match before {
            Some(found) => Some(found),
            None => {
                let last = VersionKey::last(&self.entity, Time::MAX);
                self.tables.sealed.range(key.as_slice()..=last.0.as_slice())?.next()
            }
        };
        let Some(found) = found else { return Ok(None) };
        let (key, row) = found?;
        let versions = Segment::read(row.value()).and_then(Segment::back);
        let versions = versions.and_then(|back| back.forth()).ok_or_else(damaged)?;
        Ok(Some((key.value().to_vec(), versions)))
    }

    /// Seals versions, in as many segments as they are too long for.
    fn insert_split(&mut self, versions: &[Version]) -> Result<(), GraphError> {
        let whole = Head::pack(versions).ok_or_else(damaged)?;
        if versions.len() == 1 || !whole.is_full(SPLIT * self.seal_bytes) {
            return self.insert_sealed(&whole);
        }
        let (one, other) = versions.split_at(versions.len() / 2);
        self.insert_split(one)?;
        self.insert_split(other)
    }
}

type Version = (Meta, Vec<u8>);

/// The key of a sealed segment and its versions, the oldest first.
type Sealed = (Vec<u8>, Vec<Version>);

fn insert(versions: &mut Vec<Version>, meta: Meta, content: &[u8]) {
    let at = versions.partition_point(|(other, _)| other.order(&meta).is_lt());
    versions.insert(at, (meta, content.to_vec()));
}

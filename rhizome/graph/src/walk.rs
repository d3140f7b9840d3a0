//! The versions of an entity, read back from the newest.

use std::ops::ControlFlow;

use karyon_memory_ops::Time;
use karyon_types::Position;

use crate::GraphError;
use crate::adjacency::lasts;
use crate::keys::{self, EntityKey, VersionKey};
use crate::meta::Meta;
use crate::reader::Reader;
use crate::segment::{Header, Segment};

/// Which versions are asked for.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    /// Those that are valid at this moment or behind it.
    pub(crate) first: Time,
    /// Those that begin no later.
    pub(crate) last: Time,
    /// Those that were recorded no later; `None`: all.
    pub(crate) as_recorded: Option<Position>,
}

impl Span {
    fn has(&self, recorded: u64) -> bool {
        self.as_recorded.is_none_or(|last| recorded <= last.0)
    }

    /// Whether a segment may hold such versions.
    fn may_have(&self, header: &Header) -> bool {
        lasts(header.until, self.first) && header.oldest <= self.last && self.has(header.earliest)
    }
}

fn damaged() -> GraphError {
    GraphError::damaged("a segment")
}

impl Reader {
    /// Goes through the versions of an entity, the newest first. Of those that are valid before the
    /// span alone some are told too.
    pub(crate) fn walk(
        &self,
        entity: &EntityKey,
        span: &Span,
        visit: impl FnMut(&Meta, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        match self.tables.heads.get(&entity.0)? {
            None => Ok(()),
            Some(row) => self.walk_from(row.value(), entity, span, visit),
        }
    }

    /// The same for an entity whose open segment was read already.
    pub(crate) fn walk_from(
        &self,
        head: &[u8],
        entity: &EntityKey,
        span: &Span,
        mut visit: impl FnMut(&Meta, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), GraphError> {
        let head = Segment::read(head).ok_or_else(damaged)?;
        let header = head.header;
        if each(head, span, &mut visit)?.is_break() {
            return Ok(());
        }
        let Some(last) = self.last_segment(entity, span, &header)? else { return Ok(()) };
        let first = VersionKey::first(entity);
        for row in self.tables.sealed.range::<&[u8]>(first.0.as_slice()..=&*last)?.rev() {
            let row = row?.1;
            let segment = Segment::read(row.value()).ok_or_else(damaged)?;
            if each(segment, span, &mut visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The key of the last sealed segment that may hold what is asked for, or one behind it;
    /// `None`: there is no such segment.
    fn last_segment(
        &self,
        entity: &EntityKey,
        span: &Span,
        head: &Header,
    ) -> Result<Option<Vec<u8>>, GraphError> {
        let by_time = VersionKey::last(entity, span.last).0.to_vec();
        // Where versions were recorded in their order, the record leads to the segment.
        let position = span.as_recorded.filter(|last| head.earliest > last.0);
        let (Some(position), false, false) =
            (position, head.corrected, entity.subject().is_foreign())
        else {
            return Ok(Some(by_time));
        };
        let (first, last) = (keys::recorded(entity, 0), keys::recorded(entity, position.0));
        let mut found = self.tables.recorded.range::<&[u8; 29]>(&first..=&last)?;
        let Some(found) = found.next_back() else { return Ok(None) };
        let by_record = [entity.0.as_slice(), found?.1.value()].concat();
        Ok(Some(by_time.min(by_record)))
    }

    /// All versions of an entity, the oldest first.
    pub(crate) fn each_version(
        &self,
        entity: &EntityKey,
        mut visit: impl FnMut(&Meta, &[u8]),
    ) -> Result<(), GraphError> {
        let mut tell = |segment: Option<Segment<'_>>| {
            let versions = segment.and_then(Segment::back).and_then(|back| back.forth());
            for (meta, content) in versions.ok_or_else(damaged)? {
                visit(&meta, &content);
            }
            Ok::<_, GraphError>(())
        };
        let (first, last) = (VersionKey::first(entity), VersionKey::last(entity, Time::MAX));
        for row in self.tables.sealed.range::<&[u8]>(first.0.as_slice()..=last.0.as_slice())? {
            tell(Segment::read(row?.1.value()))?;
        }
        match self.tables.heads.get(&entity.0)? {
            None => Ok(()),
            Some(row) => tell(Segment::read(row.value())),
        }
    }
}

/// Tells what a segment holds of what is asked for.
fn each(
    segment: Segment<'_>,
    span: &Span,
    visit: &mut impl FnMut(&Meta, &[u8]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, GraphError> {
    if !span.may_have(&segment.header) {
        return Ok(ControlFlow::Continue(()));
    }
    let mut back = segment.back().ok_or_else(damaged)?;
    while let Some((meta, content)) = back.next().ok_or_else(damaged)? {
        if meta.from <= span.last && span.has(meta.recorded()) && visit(meta, content).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

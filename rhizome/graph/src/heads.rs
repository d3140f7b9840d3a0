//! Many entities looked up one after the other.

use redb::{AccessGuard, Range, ReadOnlyTable};

use crate::GraphError;
use crate::keys::EntityKey;

type Table = ReadOnlyTable<&'static [u8; 21], &'static [u8]>;

/// So many rows that nobody asked for are passed over before the table is searched anew: a search
/// costs about as much.
const PASSED_OVER: usize = 8;

/// The open segments of entities that are asked for in the order of their keys, mostly: each
/// search goes on from the one before.
pub(crate) struct Heads<'r> {
    table: &'r Table,
    /// Behind what was found last.
    rows: Option<Range<'r, &'static [u8; 21], &'static [u8]>>,
    /// The next row, if it was read already.
    next: Option<(EntityKey, AccessGuard<'r, &'static [u8]>)>,
}

impl<'r> Heads<'r> {
    pub(crate) fn new(table: &'r Table) -> Heads<'r> {
        Heads { table, rows: None, next: None }
    }

    /// The row of an entity, if it has one.
    pub(crate) fn get(
        &mut self,
        key: &EntityKey,
    ) -> Result<Option<AccessGuard<'r, &'static [u8]>>, GraphError> {
        let is_ahead = self.next.as_ref().is_some_and(|(next, _)| next <= key);
        for _ in 0..if is_ahead { PASSED_OVER } else { 0 } {
            match &self.next {
                Some((next, _)) if next < key => self.advance()?,
                Some(_) | None => break,
            }
        }
        if !is_ahead || self.next.as_ref().is_some_and(|(next, _)| next < key) {
            self.rows = Some(self.table.range::<&[u8; 21]>(&key.0..)?);
            self.advance()?;
        }
        if self.next.as_ref().is_some_and(|(next, _)| next == key) {
            let found = self.next.take().map(|(_, row)| row);
            self.advance()?;
            return Ok(found);
        }
        Ok(None)
    }

    fn advance(&mut self) -> Result<(), GraphError> {
        let row = self.rows.as_mut().and_then(Iterator::next).transpose()?;
        self.next = row.map(|(key, row)| (EntityKey(*key.value()), row));
        Ok(())
    }
}

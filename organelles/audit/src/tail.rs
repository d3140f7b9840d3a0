//! The end of a log, as it grows.

use std::path::{Path, PathBuf};

use karyon_log::{Place, Record, Records, Walk};
use karyon_types::{Position, Tick};

use crate::groups::{ReadError, each_record};

/// A record, to be shown.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its position.
    pub position: Position,
    /// The tick in which it happened; `None` before the first.
    pub tick: Option<Tick>,
    /// When its block was sealed, milliseconds since 1970.
    pub wall_ms: u64,
    bytes: Vec<u8>,
}

impl Entry {
    /// What it says.
    pub fn record(&self) -> Option<Record<'_>> {
        Records::new(&self.bytes).next().flatten()
    }
}

/// A log that is read on and on.
pub struct Tail {
    folder: PathBuf,
    place: Option<Place>,
    tick: Option<Tick>,
}

impl Tail {
    /// Begins at the beginning of the log in `folder`.
    pub fn new(folder: &Path) -> Tail {
        Tail { folder: folder.into(), place: None, tick: None }
    }

    /// Shows all records that were committed since the last call.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Changed`] when another log lies there now.
    pub fn read(&mut self, mut look: impl FnMut(Entry)) -> Result<(), ReadError> {
        let mut walk = match &self.place {
            None => Walk::open(&self.folder)?,
            Some(place) => Walk::resume(&self.folder, place)?
                .ok_or(ReadError::Changed { position: Position(place.end.records) })?,
        };
        while let Some(blocks) = walk.next_group()? {
            for block in &blocks {
                each_record(block, |position, bytes, record| -> Result<(), ReadError> {
                    if let Record::Tick(tick) = record {
                        self.tick = Some(tick);
                    }
                    let (tick, wall_ms) = (self.tick, block.header.wall_ms);
                    look(Entry { position, tick, wall_ms, bytes: bytes.to_vec() });
                    Ok(())
                })?;
            }
        }
        self.place = Some(walk.place());
        Ok(())
    }
}

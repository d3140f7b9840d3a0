//! Reading on from the log, and building anew.

use std::path::Path;

use karyon_log::{LogError, Place, Records, Walk};
use karyon_types::Position;
use redb::{Database, ReadableDatabase};

use crate::error::{IndexError, Rebuilt, guarded};
use crate::file;
use crate::limits::BATCH_BYTES;
use crate::rows::{BlockRow, Rows, State};
use crate::tables::{ReadTables, Tables, meta};

/// What catching up did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaughtUp {
    /// The first record that was read.
    pub from: Position,
    /// The next record to be read.
    pub to: Position,
    /// Why it began at the beginning of the log though an index was there.
    pub rebuilt: Option<Rebuilt>,
}

/// Brings the index in `file` up to the log in the folder `log`; makes it if it is not there, and
/// makes it anew if it is not one of this log. `progress` hears now and then how many records are
/// read.
///
/// # Errors
/// [`IndexError::InUse`] while anybody else has it open; [`IndexError::Log`] for a log that cannot
/// be read on, with everything before that place in the index; [`IndexError::Record`];
/// [`IndexError::Io`].
pub fn catch_up(
    file: &Path,
    log: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<CaughtUp, IndexError> {
    catch_up_by(BATCH_BYTES, file, log, progress)
}

/// Like [`catch_up`], with transactions of about so many bytes of blocks.
///
/// # Errors
/// As for [`catch_up`].
pub fn catch_up_by(
    batch_bytes: usize,
    file: &Path,
    log: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<CaughtUp, IndexError> {
    // Where there is no log, no index is made.
    Walk::open(log)?;
    let (database, rebuilt) = file::open(file)?;
    let outcome = match guarded(|| read_on(&database, log, batch_bytes, progress)) {
        // Met on the way, in a file that seemed to be whole.
        Err(IndexError::Damaged { what }) => Ok(Err(Rebuilt::Damaged { what })),
        other => other,
    };
    let outcome = match outcome {
        Ok(Err(why)) => {
            drop(database);
            let database = file::replace(file)?;
            let built = read_on(&database, log, batch_bytes, progress)
                .map_err(|error| error.in_file(file))?;
            return match built {
                Ok(caught_up) => Ok(CaughtUp { rebuilt: Some(why), ..caught_up }),
                Err(why) => Err(IndexError::Damaged { what: why.to_string() }),
            };
        }
        Ok(Ok(caught_up)) => Ok(CaughtUp { rebuilt, ..caught_up }),
        Err(error) => Err(error),
    };
    outcome.map_err(|error| error.in_file(file))
}

/// An index in memory, of the whole log in the folder `log`.
pub(crate) fn in_memory(log: &Path, progress: &mut dyn FnMut(u64)) -> Result<Database, IndexError> {
    let database = file::in_memory()?;
    match read_on(&database, log, BATCH_BYTES, progress)? {
        Ok(_) => Ok(database),
        Err(why) => Err(IndexError::Damaged { what: why.to_string() }),
    }
}

fn read_on(
    database: &Database,
    log: &Path,
    batch_bytes: usize,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<CaughtUp, Rebuilt>, IndexError> {
    let (mut state, place) = file::standing(&ReadTables::open(&database.begin_read()?)?)?;
    let walk = match &place {
        None => Some(Walk::open(log)?),
        Some(place) => Walk::resume(log, place)?,
    };
    let Some(mut walk) = walk else { return Ok(Err(Rebuilt::NotInLog)) };
    let from = Position(state.position);
    loop {
        let mut rows = Rows::default();
        let before = state.position;
        let failure = gather(&mut walk, batch_bytes, &mut rows, &mut state)?;
        if !rows.commits.is_empty() {
            write(database, rows, &state, &walk.place())?;
            progress(state.position);
        }
        if let Some(error) = failure {
            return Err(error.into());
        }
        if state.position == before {
            let to = Position(state.position);
            return Ok(Ok(CaughtUp { from, to, rebuilt: None }));
        }
    }
}

/// The rows of the next commits, up to a batch. Where the log cannot be read on, the commits before
/// that place are gathered, and the failure is given.
fn gather(
    walk: &mut Walk,
    batch_bytes: usize,
    rows: &mut Rows,
    state: &mut State,
) -> Result<Option<LogError>, IndexError> {
    let mut bytes = 0;
    while bytes < batch_bytes {
        let place = walk.place();
        let blocks = match walk.next_group() {
            Ok(Some(blocks)) => blocks,
            Ok(None) => break,
            Err(error) => return Ok(Some(error)),
        };
        let commit = place.end.commits;
        rows.commits.push((commit, place.encode()));
        for (number, block) in (0..).zip(&blocks) {
            let row = BlockRow { commit, number, tick: state.tick };
            rows.blocks.push((block.first_record.0, row.encode()));
            for record in Records::new(&block.body) {
                let position = Position(state.position);
                rows.add(state, &record.ok_or(IndexError::Record { position })?);
            }
            bytes += block.body.len();
        }
    }
    Ok(None)
}

/// Writes rows and the place behind them as one durable transaction.
fn write(
    database: &Database,
    mut rows: Rows,
    state: &State,
    place: &Place,
) -> Result<(), IndexError> {
    let mut transaction = database.begin_write()?;
    // After a kill the file opens at once instead of being read as a whole.
    transaction.set_quick_repair(true);
    let mut tables = Tables::open(&transaction)?;
    for (commit, place) in &rows.commits {
        tables.commits.insert(commit, place.as_slice())?;
    }
    for (first, row) in &rows.blocks {
        tables.blocks.insert(first, row)?;
    }
    macro_rules! insert {
        ($($table:ident),*) => {
            $(
                // Sorted, so that neighbours are inserted one behind the other.
                rows.$table.sort_unstable();
                for row in &rows.$table {
                    tables.$table.insert(row, ())?;
                }
            )*
        };
    }
    insert!(ticks, steps, handled, crashes, inputs, ties);
    tables.meta.insert(meta::STATE, state.encode().as_slice())?;
    tables.meta.insert(meta::PLACE, place.encode().as_slice())?;
    drop(tables);
    Ok(transaction.commit()?)
}

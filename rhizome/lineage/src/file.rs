//! The file: opened, checked, or replaced by an empty one.

use std::fs;
use std::io;
use std::path::Path;

use karyon_log::Place;
use redb::{Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::error::{IndexError, Rebuilt, guarded};
use crate::limits::CACHE_BYTES;
use crate::rows::State;
use crate::tables::{LAYOUT, ReadTables, Tables, meta};

/// A file that is of use, or why it is not.
type Usable<T> = Result<Result<T, Rebuilt>, IndexError>;

/// Opens a file for writing, or makes it; one that cannot be used is replaced, and the reason told.
pub(crate) fn open(path: &Path) -> Result<(Database, Option<Rebuilt>), IndexError> {
    match usable(guarded(|| try_open(path)))? {
        Ok(database) => Ok((database, None)),
        Err(why) => Ok((replace(path)?, Some(why))),
    }
}

/// Puts an empty index in the place of a file that cannot be used. Who has it open keeps it.
pub(crate) fn replace(path: &Path) -> Result<Database, IndexError> {
    fs::remove_file(path).map_err(failed(path))?;
    match guarded(|| try_open(path))? {
        Ok(database) => Ok(database),
        Err(why) => Err(IndexError::Damaged { what: why.to_string() }),
    }
}

/// An empty index /// that lies nowhere. In a file of memory, not an array: what the database reserves, up to
/// half of its file, takes no memory before it is written.
pub(crate) fn in_memory() -> Result<Database, IndexError> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    let file = memfd_create("karyon-lineage", MemfdFlags::CLOEXEC);
    let file = file.map_err(|errno| failed(Path::new("memory"))(errno.into()))?;
    let database = builder.create_file(file.into())?;
    furnish(&database)?;
    Ok(database)
}

/// Opens a file for reading beside others who read, and writes nothing; `None`: there is none
/// that could be used as it is.
pub(crate) fn open_read_only(path: &Path) -> Result<Option<ReadOnlyDatabase>, IndexError> {
    let open = || {
        if !is_regular(path)? {
            return Ok(Err(Rebuilt::NotInLog));
        }
        let database = match Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path) {
            // Whoever wrote it was killed: opened for writing it is put in order.
            Err(DatabaseError::RepairAborted) => return Ok(Err(Rebuilt::NotInLog)),
            other => other.map_err(|error| IndexError::from(error).in_file(path))?,
        };
        Ok(check(&database.begin_read()?)?.map(|()| database))
    };
    Ok(usable(guarded(open))?.ok())
}

fn usable<T>(opened: Usable<T>) -> Usable<T> {
    match opened {
        Err(IndexError::Damaged { what }) => Ok(Err(Rebuilt::Damaged { what })),
        other => other,
    }
}

fn try_open(path: &Path) -> Usable<Database> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    is_regular(path)?;
    let database = Builder::new().set_cache_size(CACHE_BYTES).create(path);
    let database = database.map_err(|error| IndexError::from(error).in_file(path))?;
    if database.begin_read()?.list_tables()?.next().is_none() {
        furnish(&database).map_err(|error| error.in_file(path))?;
    }
    Ok(check(&database.begin_read()?)?.map(|()| database))
}

/// Whether a file is there. A pipe in its place would be waited for.
fn is_regular(path: &Path) -> Result<bool, IndexError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => {
            let what = "it is not a regular file";
            Err(failed(path)(io::Error::new(io::ErrorKind::InvalidInput, what)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path)(error)),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> IndexError + '_ {
    |source| IndexError::Io { path: path.to_owned(), source }
}

/// Makes the tables of a new file.
fn furnish(database: &Database) -> Result<(), IndexError> {
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    tables.meta.insert(meta::LAYOUT, LAYOUT.to_le_bytes().as_slice())?;
    tables.meta.insert(meta::STATE, State::default().encode().as_slice())?;
    drop(tables);
    Ok(transaction.commit()?)
}

/// Whether the file is one of this layout, and whole as far as that can be told at once.
fn check(transaction: &ReadTransaction) -> Result<Result<(), Rebuilt>, IndexError> {
    // A file of another layout may have other tables beside this one.
    let tables = ReadTables::open(transaction);
    let layout = match &tables {
        Ok(tables) => tables.meta.get(meta::LAYOUT)?.map(|row| row.value().to_vec()),
        Err(_) => None,
    };
    let found = layout.and_then(|row| row.try_into().ok()).map(u32::from_le_bytes);
    match found {
        Some(LAYOUT) => standing(&tables?).map(|_| Ok(())),
        Some(found) => Ok(Err(Rebuilt::Layout { found })),
        None => Err(tables.err().unwrap_or(IndexError::damaged("no layout number"))),
    }
}

/// Where the index stands; no place before the first commit.
pub(crate) fn standing(tables: &ReadTables) -> Result<(State, Option<Place>), IndexError> {
    let row = tables.meta.get(meta::STATE)?.ok_or(IndexError::damaged("no state"))?;
    let state = State::decode(row.value()).ok_or(IndexError::damaged("state"))?;
    let place = match tables.meta.get(meta::PLACE)? {
        Some(row) => {
            Some(Place::decode(row.value()).ok_or(IndexError::damaged("place in the log"))?)
        }
        None => None,
    };
    match place.as_ref().map_or(0, |place| place.end.records) == state.position {
        true => Ok((state, place)),
        false => Err(IndexError::damaged("the state is not that of the place")),
    }
}

//! The file: opened, checked, or replaced by an empty one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use karyon_log::Place;
use redb::{
    Builder, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase,
    StorageBackend,
};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::GraphError;
use crate::error::{Rebuilt, failed, guarded};
use crate::limits::CACHE_BYTES;
use crate::state::State;
use crate::tables::{ReadTables, SCHEMA, Tables, meta};

/// Opens a file for writing, or makes it.
///
/// # Errors
/// [`GraphError::Damaged`] and [`GraphError::Unusable`] for one that has to be replaced.
pub(crate) fn open(path: &Path) -> Result<Database, GraphError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    check_regular(path)?;
    let database = builder().create(path).map_err(|error| refused(path, error))?;
    furnish_if_new(&database).map_err(|error| error.in_file(Some(path)))?;
    check(path, &database.begin_read()?)?;
    Ok(database)
}

/// The same on storage that is no file.
pub(crate) fn on(storage: impl StorageBackend) -> Result<Database, GraphError> {
    let database = builder().create_with_backend(storage).map_err(redb::Error::from)?;
    furnish_if_new(&database)?;
    check(Path::new(""), &database.begin_read()?)?;
    Ok(database)
}

/// Opens a file for reading beside others who read; writes nothing.
///
/// # Errors
/// [`GraphError::Missing`], [`GraphError::Unclosed`], or [`GraphError::Unusable`] for one that has
/// to be replaced.
pub(crate) fn open_read_only(path: &Path) -> Result<ReadOnlyDatabase, GraphError> {
    check_regular(path)?;
    guarded(|| try_open_read_only(path)).map_err(|error| match error {
        GraphError::Damaged { what } => {
            GraphError::Unusable { path: path.to_owned(), why: Rebuilt::Damaged { what } }
        }
        other => other,
    })
}

fn try_open_read_only(path: &Path) -> Result<ReadOnlyDatabase, GraphError> {
    let database = match builder().open_read_only(path) {
        Err(DatabaseError::RepairAborted) => {
            return Err(GraphError::Unclosed { path: path.to_owned() });
        }
        other => other.map_err(|error| refused(path, error))?,
    };
    check(path, &database.begin_read()?)?;
    Ok(database)
}

/// An empty graph that lies nowhere. In a file of memory, not an array: what the database reserves, up to
/// half of its file, takes no memory before it is written.
pub(crate) fn in_memory() -> Result<Database, GraphError> {
    let file = memfd_create("karyon-graph", MemfdFlags::CLOEXEC);
    let file = file.map_err(|errno| GraphError::Io { path: None, source: errno.into() })?;
    let database = builder().create_file(file.into()).map_err(redb::Error::from)?;
    furnish(&database)?;
    Ok(database)
}

/// Puts an empty graph in the place of a file that cannot be used.
pub(crate) fn replace(path: &Path) -> Result<Database, GraphError> {
    let database = create_beside(path)?;
    put_in_place(path)?;
    Ok(database)
}

/// Makes an empty graph beside `path`, for [`put_in_place`].
pub(crate) fn create_beside(path: &Path) -> Result<Database, GraphError> {
    let new = beside(path);
    match guarded(|| open(&new)) {
        // What an earlier attempt left, usable or not, is of no use.
        Ok(_) | Err(GraphError::Damaged { .. } | GraphError::Unusable { .. }) => {
            fs::remove_file(&new).map_err(failed(&new))?;
        }
        // Another process builds just now, or there is no writing here.
        Err(other) => return Err(other),
    }
    open(&new)
}

/// Gives the graph beside `path` its name, durably. Who has either file open keeps it.
pub(crate) fn put_in_place(path: &Path) -> Result<(), GraphError> {
    fs::rename(beside(path), path).map_err(failed(path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

/// Removes what [`create_beside`] has made and is of no use. What is left is no harm: whoever builds
/// next removes it.
pub(crate) fn remove_beside(path: &Path) {
    match fs::remove_file(beside(path)) {
        Ok(()) | Err(_) => {}
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// A pipe in the file's place would be waited for.
fn check_regular(path: &Path) -> Result<(), GraphError> {
    let kind = match fs::metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(path)(error)),
    };
    if kind.is_file() {
        return Ok(());
    }
    Err(failed(path)(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")))
}

fn refused(path: &Path, error: DatabaseError) -> GraphError {
    match GraphError::from(redb::Error::from(error)) {
        GraphError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            GraphError::Missing { path: path.to_owned() }
        }
        GraphError::InUse { .. } => GraphError::InUse { path: path.to_owned() },
        other => other.in_file(Some(path)),
    }
}

fn furnish_if_new(database: &Database) -> Result<(), GraphError> {
    let is_new = database.begin_read()?.list_tables()?.next().is_none();
    if is_new { furnish(database) } else { Ok(()) }
}

/// Makes the tables of a new file.
fn furnish(database: &Database) -> Result<(), GraphError> {
    let transaction = database.begin_write()?;
    let mut tables = Tables::open(&transaction)?;
    tables.meta.insert(meta::SCHEMA, SCHEMA.to_le_bytes().as_slice())?;
    tables.meta.insert(meta::STATE, &*State::default().encode())?;
    drop(tables);
    Ok(transaction.commit()?)
}

/// Whether the file is one of this layout, and whole as far as that can be told at once.
fn check(path: &Path, transaction: &ReadTransaction) -> Result<(), GraphError> {
    match schema(transaction)? {
        SCHEMA => {}
        found => {
            let why = Rebuilt::Schema { found };
            return Err(GraphError::Unusable { path: path.to_owned(), why });
        }
    }
    read_state(&ReadTables::open(transaction)?).map(|_| ())
}

fn schema(transaction: &ReadTransaction) -> Result<u32, GraphError> {
    let meta = transaction.open_table(crate::tables::META)?;
    let row = meta.get(meta::SCHEMA)?.ok_or(GraphError::damaged("no layout number"))?;
    let number = row.value().try_into().map_err(|_| GraphError::damaged("layout number"))?;
    Ok(u32::from_le_bytes(number))
}

/// Where the projection stands.
pub(crate) fn read_state(tables: &ReadTables) -> Result<State, GraphError> {
    let row = tables.meta.get(meta::STATE)?.ok_or(GraphError::damaged("no state"))?;
    State::decode(row.value()).ok_or(GraphError::damaged("state"))
}

/// Where it stands in the log's files; `None` before the first commit, and for records that came
/// from elsewhere.
pub(crate) fn read_place(tables: &ReadTables) -> Result<Option<Place>, GraphError> {
    let Some(row) = tables.meta.get(meta::PLACE)? else { return Ok(None) };
    Place::decode(row.value()).map(Some).ok_or(GraphError::damaged("place in the log"))
}

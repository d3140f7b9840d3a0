//! A graph that is open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use karyon_log::Place;
use redb::{
    CompactionError, Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, StorageBackend,
};

use crate::error::{GraphError, Rebuilt, guarded};
use crate::file;
use crate::limits::{SEAL_BYTES, SEGMENT_BYTES_MAX, SMALL_FILE_BYTES, VIEW_AGE_MAX};
use crate::projector::Projector;
use crate::reader::Reader;
use crate::tables::ReadTables;

/// The memory of a log, open for reading, and perhaps for catching up with the log.
///
/// Either one handle has the file open for writing, or any number for reading.
pub struct Graph {
    pub(crate) database: Open,
    /// `None`: in memory only.
    pub(crate) path: Option<PathBuf>,
    /// Why the file was replaced by an empty one, until catching up has filled it.
    pub(crate) replaced: Option<Rebuilt>,
    /// How long a segment is before it is sealed, bytes.
    seal_bytes: usize,
    /// `None`: what is usual for a graph that is open so.
    pub(crate) max_view_age: Option<Duration>,
}

/// The database; views hold it too, since it closes for all of them when it is dropped.
#[derive(Clone)]
pub(crate) enum Open {
    Writing(Arc<Database>),
    Reading(Arc<ReadOnlyDatabase>),
}

/// Opens views of a graph while somebody else projects into it.
#[derive(Clone)]
pub struct Views {
    database: Open,
    path: Option<PathBuf>,
    max_age: Duration,
}

impl Views {
    /// See [`Graph::read`].
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn read(&self) -> Result<Reader, GraphError> {
        Reader::new(&self.database.transaction()?, self.database.clone())
            .map(|reader| reader.good_for(self.max_age))
            .map_err(|error| error.in_file(self.path.as_deref()))
    }
}

impl Open {
    fn transaction(&self) -> Result<ReadTransaction, GraphError> {
        Ok(match self {
            Open::Writing(database) => database.begin_read()?,
            Open::Reading(database) => database.begin_read()?,
        })
    }
}

impl Graph {
    pub(crate) fn new(database: Open, path: Option<&Path>, replaced: Option<Rebuilt>) -> Graph {
        let path = path.map(Path::to_owned);
        Graph { database, path, replaced, seal_bytes: SEAL_BYTES, max_view_age: None }
    }

    /// Seals segments of another length than [`SEAL_BYTES`]: what answers cost and what the file
    /// takes changes, not what is answered.
    #[must_use]
    pub fn seal_bytes(self, bytes: usize) -> Graph {
        // Twice as much, and a version beside it, may lie in a row.
        Graph { seal_bytes: bytes.min(SEGMENT_BYTES_MAX / 4), ..self }
    }

    /// Opens a file for reading and writing; makes it, with its folder, if it is not there. A
    /// file that cannot be used is replaced by an empty one: catching up fills it again, and
    /// says why.
    ///
    /// # Errors
    /// [`GraphError::InUse`] while anybody else has it open, [`GraphError::Io`].
    pub fn open(path: &Path) -> Result<Graph, GraphError> {
        let (database, replaced) = match guarded(|| file::open(path)) {
            Ok(database) => (database, None),
            Err(GraphError::Damaged { what }) => {
                (file::replace(path)?, Some(Rebuilt::Damaged { what }))
            }
            Err(GraphError::Unusable { why, .. }) => (file::replace(path)?, Some(why)),
            Err(other) => return Err(other),
        };
        let database = Open::Writing(Arc::new(database));
        Ok(Graph::new(database, Some(path), replaced))
    }

    /// Opens a file for reading; several can at once. Nothing is written.
    ///
    /// # Errors
    /// [`GraphError::Missing`], [`GraphError::Unclosed`] and [`GraphError::Unusable`]: opening it
    /// for writing and catching up helps. [`GraphError::InUse`] while it is open for writing,
    /// [`GraphError::Io`].
    pub fn open_read_only(path: &Path) -> Result<Graph, GraphError> {
        let database = file::open_read_only(path)?;
        Ok(Graph::new(Open::Reading(Arc::new(database)), Some(path), None))
    }

    /// An empty graph in memory.
    ///
    /// # Errors
    /// None that memory would give.
    pub fn in_memory() -> Result<Graph, GraphError> {
        let database = Open::Writing(Arc::new(file::in_memory()?));
        Ok(Graph::new(database, None, None))
    }

    /// On storage of the caller's own instead of a file: tests stop it at each of its operations.
    /// It is made if it is empty, and not replaced if it cannot be used; one that turns out to be
    /// damaged later goes on in memory.
    ///
    /// # Errors
    /// As for [`open`](Graph::open), and [`GraphError::Damaged`] and [`GraphError::Unusable`].
    #[doc(hidden)]
    pub fn on(storage: impl StorageBackend) -> Result<Graph, GraphError> {
        let database = Open::Writing(Arc::new(guarded(|| file::on(storage))?));
        Ok(Graph::new(database, None, None))
    }

    /// A view of everything that is projected now; it stays as it is, whatever is projected
    /// later, and keeps the file open for as long as it lives.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn read(&self) -> Result<Reader, GraphError> {
        self.views().read()
    }

    /// Opens views of this graph; like each of them, it keeps the file open.
    pub fn views(&self) -> Views {
        let (database, path) = (self.database.clone(), self.path.clone());
        Views { database, path, max_age: self.max_view_age() }
    }

    /// How old a view may become before questions on it are refused ([`GraphError::Aged`]):
    /// [`VIEW_AGE_MAX`] of a graph that is open for writing. Where nobody writes, a view keeps
    /// no space from being used, and may become as old as it likes.
    pub fn max_view_age(&self) -> Duration {
        self.max_view_age.unwrap_or(match self.database {
            Open::Writing(_) => VIEW_AGE_MAX,
            Open::Reading(_) => Duration::MAX,
        })
    }

    /// Says how old views may become that are opened from now on.
    pub fn set_max_view_age(&mut self, max_age: Duration) {
        self.max_view_age = Some(max_age);
    }

    /// For records that come from elsewhere than a log's files. `inputs` is the folder with the
    /// copies of imported files. A graph that was fed so does not catch up with a log: it begins
    /// again.
    ///
    /// # Errors
    /// [`GraphError::ReadOnly`], and see [`GraphError`].
    pub fn projector(&mut self, inputs: &Path) -> Result<Projector<'_>, GraphError> {
        let state = file::read_state(&ReadTables::open(&self.database.transaction()?)?)?;
        match &self.database {
            Open::Writing(database) => {
                let path = self.path.as_deref();
                Ok(Projector::new(database, path, inputs, self.seal_bytes, state))
            }
            Open::Reading(_) => Err(GraphError::ReadOnly),
        }
    }

    /// Gives back to the disk what is free in the file: filling it leaves about half as much again as
    /// its rows take. While a view is held, or the file is small, nothing happens.
    ///
    /// # Errors
    /// [`GraphError::Io`], [`GraphError::Database`], [`GraphError::Damaged`]. Everything that was
    /// projected is there all the same, for whoever opens the file again.
    pub fn compact(&mut self) -> Result<(), GraphError> {
        let Open::Writing(database) = &mut self.database else { return Ok(()) };
        let Some(database) = Arc::get_mut(database) else { return Ok(()) };
        let small = |file: &Path| file.metadata().is_ok_and(|file| file.len() <= SMALL_FILE_BYTES);
        if self.path.as_deref().is_some_and(small) {
            return Ok(());
        }
        let compacted = guarded(|| match database.compact() {
            Ok(_) => Ok(()),
            Err(CompactionError::Storage(error)) => Err(error.into()),
            // Of the others none can be: nobody has a transaction, and nobody makes savepoints.
            Err(other) => Err(GraphError::Database(Box::new(other))),
        });
        compacted.map_err(|error| error.in_file(self.path.as_deref()))
    }

    /// Where in the log's files the projection stands.
    pub(crate) fn place(&self) -> Result<Option<Place>, GraphError> {
        let tables = ReadTables::open(&self.database.transaction()?)?;
        file::read_place(&tables)
    }
}

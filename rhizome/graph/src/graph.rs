//! A graph that is open.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use karyon_log::Place;
use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase};

use crate::error::{GraphError, Rebuilt, guarded};
use crate::file;
use crate::limits::VIEW_AGE_MAX;
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
    /// `None`: what is usual for a graph that is open so.
    pub(crate) max_view_age: Option<Duration>,
}

/// The database; views hold it too, since it closes for all of them when it is dropped.
#[derive(Clone)]
pub(crate) enum Open {
    Writing(Arc<Database>),
    Reading(Arc<ReadOnlyDatabase>),
}

impl Graph {
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
        Ok(Graph { database, path: Some(path.to_owned()), replaced, max_view_age: None })
    }

    /// Opens a file for reading; several can at once. Nothing is written.
    ///
    /// # Errors
    /// [`GraphError::Missing`], [`GraphError::Unclosed`] and [`GraphError::Unusable`]: opening it
    /// for writing and catching up helps. [`GraphError::InUse`] while it is open for writing,
    /// [`GraphError::Io`].
    pub fn open_read_only(path: &Path) -> Result<Graph, GraphError> {
        let database = file::open_read_only(path)?;
        let path = Some(path.to_owned());
        Ok(Graph {
            database: Open::Reading(Arc::new(database)),
            path,
            replaced: None,
            max_view_age: None,
        })
    }

    /// An empty graph in memory.
    ///
    /// # Errors
    /// None that memory would give.
    pub fn in_memory() -> Result<Graph, GraphError> {
        let database = Open::Writing(Arc::new(file::in_memory()?));
        Ok(Graph { database, path: None, replaced: None, max_view_age: None })
    }

    /// A view of everything that is projected now; it stays as it is, whatever is projected
    /// later, and keeps the file open for as long as it lives.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn read(&self) -> Result<Reader, GraphError> {
        Reader::new(&self.transaction()?, self.database.clone())
            .map(|reader| reader.good_for(self.max_view_age()))
            .map_err(|error| error.in_file(self.path.as_deref()))
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
        let state = file::read_state(&ReadTables::open(&self.transaction()?)?)?;
        match &self.database {
            Open::Writing(database) => {
                Ok(Projector::new(database, self.path.as_deref(), inputs, state))
            }
            Open::Reading(_) => Err(GraphError::ReadOnly),
        }
    }

    /// Where in the log's files the projection stands.
    pub(crate) fn place(&self) -> Result<Option<Place>, GraphError> {
        let tables = ReadTables::open(&self.transaction()?)?;
        file::read_place(&tables)
    }

    fn transaction(&self) -> Result<ReadTransaction, GraphError> {
        Ok(match &self.database {
            Open::Writing(database) => database.begin_read()?,
            Open::Reading(database) => database.begin_read()?,
        })
    }
}

//! A graph that is open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_log::Place;
use redb::{Database, ReadOnlyDatabase, ReadTransaction, ReadableDatabase};

use crate::error::{GraphError, Rebuilt, guarded};
use crate::file;
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
}

impl Views {
    /// See [`Graph::read`].
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn read(&self) -> Result<Reader, GraphError> {
        Reader::new(&self.database.transaction()?, self.database.clone())
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
        Ok(Graph { database, path: Some(path.to_owned()), replaced })
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
        Ok(Graph { database: Open::Reading(Arc::new(database)), path, replaced: None })
    }

    /// An empty graph in memory.
    ///
    /// # Errors
    /// None that memory would give.
    pub fn in_memory() -> Result<Graph, GraphError> {
        let database = Open::Writing(Arc::new(file::in_memory()?));
        Ok(Graph { database, path: None, replaced: None })
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
        Views { database: self.database.clone(), path: self.path.clone() }
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
                Ok(Projector::new(database, self.path.as_deref(), inputs, state))
            }
            Open::Reading(_) => Err(GraphError::ReadOnly),
        }
    }

    /// Where in the log's files the projection stands.
    pub(crate) fn place(&self) -> Result<Option<Place>, GraphError> {
        let tables = ReadTables::open(&self.database.transaction()?)?;
        file::read_place(&tables)
    }
}

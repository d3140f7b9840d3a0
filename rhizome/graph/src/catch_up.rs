//! Reading on from the log, and building anew.

use std::path::Path;
use std::sync::Arc;

use karyon_log::{DiskFolder, ReadFolder, Walk, WalkedBlock};
use karyon_types::{Hash, Position};

use crate::error::{GraphError, Rebuilt, guarded};
use crate::file;
use crate::graph::{Graph, Open};
use crate::limits::BATCH_BYTES;

/// What catching up did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaughtUp {
    /// The first record that was read.
    pub from: Position,
    /// The next record to be read.
    pub to: Position,
    /// Why it began at the beginning of the log though a projection was there.
    pub rebuilt: Option<Rebuilt>,
}

/// What building anew showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The root of the projection that was there, and the next record that it would have read;
    /// `None` when there was none that could be read.
    pub old: Option<(Hash, Position)>,
    /// The root of the new one.
    pub new_root: Hash,
    /// The next record that the new one will read.
    pub to: Position,
}

impl Rebuild {
    /// Whether the projection that was there reached as far and says something else: then one of
    /// both is wrong, or the program has changed.
    pub fn differs(&self) -> bool {
        self.old.is_some_and(|(root, to)| to == self.to && root != self.new_root)
    }
}

impl Graph {
    /// Reads the log from where the projection stands to its end. A projection that is not one
    /// of this log is made anew. `progress` hears now and then how many records are read.
    ///
    /// # Errors
    /// [`GraphError::ReadOnly`]; [`GraphError::Log`] for a log that cannot be read on, with
    /// everything before that place projected; [`GraphError::Import`] for an import whose copy is
    /// not there, likewise; [`GraphError::Record`]; [`GraphError::Io`].
    pub fn catch_up(
        &mut self,
        log: &Path,
        inputs: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CaughtUp, GraphError> {
        let folder: Arc<dyn ReadFolder> = Arc::new(DiskFolder::new(log));
        self.catch_up_in(&folder, inputs, &mut |_| false, progress)
    }

    /// The same, for a log in a folder of any kind, and no further than needed: `is_enough` is asked
    /// of the blocks of each commit that is read, which begin with the log's first if the projection
    /// is made anew. Not to come to the log's end spares a look at what may lie behind it.
    ///
    /// # Errors
    /// See [`catch_up`](Graph::catch_up).
    pub fn catch_up_in(
        &mut self,
        log: &Arc<dyn ReadFolder>,
        inputs: &Path,
        is_enough: &mut dyn FnMut(&[WalkedBlock]) -> bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CaughtUp, GraphError> {
        if matches!(self.database, Open::Reading(_)) {
            return Err(GraphError::ReadOnly);
        }
        let outcome = match guarded(|| self.try_catch_up(log, inputs, is_enough, progress)) {
            // Met on the way, in a file that seemed to be whole.
            Err(GraphError::Damaged { what }) if self.replaced.is_none() => {
                self.begin_again(Rebuilt::Damaged { what })?;
                self.try_catch_up(log, inputs, is_enough, progress)
            }
            other => other,
        };
        outcome.map_err(|error| error.in_file(self.path.as_deref()))
    }

    fn try_catch_up(
        &mut self,
        log: &Arc<dyn ReadFolder>,
        inputs: &Path,
        is_enough: &mut dyn FnMut(&[WalkedBlock]) -> bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CaughtUp, GraphError> {
        let walk = self.walk(log)?;
        self.read_on(walk, inputs, is_enough, progress)
    }

    fn read_on(
        &mut self,
        walk: Walk,
        inputs: &Path,
        is_enough: &mut dyn FnMut(&[WalkedBlock]) -> bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<CaughtUp, GraphError> {
        let mut following = self.following(walk, inputs)?;
        let from = following.position();
        loop {
            let mut done = false;
            let any = following.project_batch(BATCH_BYTES, &mut |group| {
                done = is_enough(group);
                done
            })?;
            if !any {
                break;
            }
            progress(following.position().0);
            if done {
                break;
            }
        }
        let to = following.position();
        Ok(CaughtUp { from, to, rebuilt: self.replaced.take() })
    }

    /// The log from where the projection stands; from its beginning if that is no place of it.
    pub(crate) fn walk(&mut self, log: &Arc<dyn ReadFolder>) -> Result<Walk, GraphError> {
        let open = || Walk::open_in(Arc::clone(log));
        let place = self.place()?;
        let why = match &place {
            None if self.read()?.end().0 == 0 => return Ok(open()?),
            None => Rebuilt::NotInLog,
            Some(place) => match Walk::resume_in(Arc::clone(log), place)? {
                Some(walk) => return Ok(walk),
                None if open()?.header().log != place.log => Rebuilt::OtherLog,
                None => Rebuilt::NotInLog,
            },
        };
        let walk = open()?;
        self.begin_again(why)?;
        Ok(walk)
    }

    /// Goes on with an empty graph.
    fn begin_again(&mut self, why: Rebuilt) -> Result<(), GraphError> {
        let database = match &self.path {
            Some(path) => file::replace(path)?,
            None => file::in_memory()?,
        };
        self.database = Open::Writing(Arc::new(database));
        self.replaced = Some(why);
        Ok(())
    }

    /// Whether the projection stands at the log's end, told without reading the log again.
    ///
    /// # Errors
    /// [`GraphError::Log`] for a log that cannot be read; see [`GraphError`].
    pub fn is_current(&self, log: &Path) -> Result<bool, GraphError> {
        let Some(place) = self.place()? else { return Ok(false) };
        Ok(match Walk::resume(log, &place)? {
            Some(mut walk) => walk.next_group()?.is_none(),
            None => false,
        })
    }
}

/// Builds the projection of a log anew, beside the one that is there, and puts it in its place.
///
/// # Errors
/// As for [`Graph::catch_up`], and [`GraphError::InUse`]; the one that is there stays then.
pub fn rebuild(
    file: &Path,
    log: &Path,
    inputs: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Rebuild, GraphError> {
    // Before anything is made: there may be no log.
    let walk = Walk::open(log)?;
    // Held to the end, so that nobody else works on a file that is about to be replaced.
    let there = if file.exists() { open_old(file)? } else { None };
    let old = there.as_ref().and_then(summary);
    let new = in_file(file::create_beside(file)?, file);
    let built = build(new, walk, inputs, progress);
    let built = built.and_then(|built| file::put_in_place(file).map(|()| built));
    let (new_root, to) = built.map_err(|error| {
        file::remove_beside(file);
        error.in_file(Some(file))
    })?;
    Ok(Rebuild { old, new_root, to })
}

/// Fills a new graph; its root, and the next record that it would read.
fn build(
    mut new: Graph,
    walk: Walk,
    inputs: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<(Hash, Position), GraphError> {
    new.read_on(walk, inputs, &mut |_| false, progress)?;
    new.compact()?;
    let reader = new.read()?;
    Ok((reader.memory_root()?, reader.end()))
}

/// `None` for one that cannot be used. Nothing is written to one that was closed well.
fn open_old(file: &Path) -> Result<Option<Graph>, GraphError> {
    match Graph::open_read_only(file) {
        Ok(graph) => return Ok(Some(graph)),
        Err(in_use @ GraphError::InUse { .. }) => return Err(in_use),
        Err(_) => {}
    }
    match guarded(|| file::open(file)) {
        Ok(database) => Ok(Some(in_file(database, file))),
        Err(GraphError::Damaged { .. } | GraphError::Unusable { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Root and position; `None` for a graph that cannot be read.
fn summary(graph: &Graph) -> Option<(Hash, Position)> {
    let read = || {
        let reader = graph.read()?;
        Ok((reader.memory_root()?, reader.end()))
    };
    // Whatever is wrong with it, building anew is what mends it.
    guarded(read).ok()
}

fn in_file(database: redb::Database, path: &Path) -> Graph {
    Graph::new(Open::Writing(Arc::new(database)), Some(path), None)
}

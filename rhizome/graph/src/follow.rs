//! Reading on from a log, transaction by transaction: to its end, or while it is being written.

use std::path::Path;
use std::sync::Arc;

use karyon_log::{LogError, ReadFolder, Walk, WalkedBlock};
use karyon_types::Position;

use crate::error::GraphError;
use crate::graph::{Graph, Views};
use crate::projector::{Durability, Projector};

/// A projection that follows its log. Each transaction holds whole commits of the log, and the place
/// behind them.
///
/// Behind an error it is not to be gone on with: what the file holds is whole, and
/// [`Graph::follow`] goes on from there.
pub struct Following<'g> {
    walk: Walk,
    projector: Projector<'g>,
    views: Views,
}

impl Graph {
    /// Goes on from where the projection stands in the log; from its beginning, with an empty
    /// graph, if that is no place of it.
    ///
    /// # Errors
    /// [`GraphError::ReadOnly`]; [`GraphError::Log`] for a log that cannot be read; see
    /// [`GraphError`].
    pub fn follow(
        &mut self,
        log: &Arc<dyn ReadFolder>,
        inputs: &Path,
    ) -> Result<Following<'_>, GraphError> {
        let walk = self.walk(log)?;
        self.following(walk, inputs)
    }

    pub(crate) fn following(
        &mut self,
        walk: Walk,
        inputs: &Path,
    ) -> Result<Following<'_>, GraphError> {
        let views = self.views();
        let projector = self.projector(inputs)?;
        if projector.position() != walk.end().records {
            return Err(GraphError::damaged("the state is not that of the place"));
        }
        Ok(Following { walk, projector, views })
    }
}

impl Following<'_> {
    /// The next record to be read: everything before it is in the graph.
    pub fn position(&self) -> Position {
        Position(self.projector.position())
    }

    /// How others look at the graph meanwhile.
    pub fn views(&self) -> Views {
        self.views.clone()
    }

    /// Whether what is projected from here on outlives the machine, or the process alone.
    pub fn set_durability(&mut self, durability: Durability) {
        self.projector.set_durability(durability);
    }

    /// Projects the next commits of the log as one transaction: until it holds the records before
    /// `end`, or some `bytes` of blocks, and the next commit at least. Nothing behind that is looked
    /// at, so the log's own end may be written meanwhile. `told` hears of the blocks while nobody
    /// else sees anything of them. Whether there was a commit.
    ///
    /// # Errors
    /// See [`GraphError`]; nothing of these commits is there then.
    pub fn project_to(
        &mut self,
        end: Position,
        bytes: usize,
        told: &mut dyn FnMut(&[WalkedBlock]),
    ) -> Result<bool, GraphError> {
        let mut is_enough = |group: &[WalkedBlock]| {
            let last = group.last();
            last.is_some_and(|last| last.first_record.0 + u64::from(last.header.count) >= end.0)
        };
        let (blocks, failure) = next_batch(&mut self.walk, bytes, &mut is_enough);
        match failure {
            Some(error) => Err(error.into()),
            None => self.project(&blocks, told),
        }
    }

    /// The same for as much as `is_enough` says of the blocks of each commit. Where the log cannot be
    /// read on, what lies before that place is projected nevertheless.
    pub(crate) fn project_batch(
        &mut self,
        bytes: usize,
        is_enough: &mut dyn FnMut(&[WalkedBlock]) -> bool,
    ) -> Result<bool, GraphError> {
        let (blocks, failure) = next_batch(&mut self.walk, bytes, is_enough);
        let any = self.project(&blocks, &mut |_| ())?;
        failure.map_or(Ok(any), |error| Err(error.into()))
    }

    /// Makes durable what was projected so far: a transaction that holds the place alone.
    ///
    /// # Errors
    /// See [`GraphError`].
    pub fn make_durable(&mut self) -> Result<(), GraphError> {
        self.projector.set_durability(Durability::Immediate);
        self.projector.project(&[], Some(&self.walk.place().encode()), &mut || ())
    }

    fn project(
        &mut self,
        blocks: &[WalkedBlock],
        told: &mut dyn FnMut(&[WalkedBlock]),
    ) -> Result<bool, GraphError> {
        let Some(first) = blocks.first() else { return Ok(false) };
        if first.first_record != self.position() {
            return Err(GraphError::damaged("the commit does not follow what was projected"));
        }
        let bodies: Vec<&[u8]> = blocks.iter().map(|block| &*block.body).collect();
        let place = self.walk.place().encode();
        self.projector.project(&bodies, Some(&place), &mut || told(blocks))?;
        Ok(true)
    }
}

/// The next commits of the log, up to a batch; an import, which has a segment of its own, by
/// itself, so that one that fails takes nothing with it. Where the log cannot be read on, the commits
/// before that place are given beside the failure.
fn next_batch(
    walk: &mut Walk,
    most: usize,
    is_enough: &mut dyn FnMut(&[WalkedBlock]) -> bool,
) -> (Vec<WalkedBlock>, Option<LogError>) {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    while bytes < most {
        match walk.next_group() {
            Ok(Some(group)) => {
                bytes += group.iter().map(|block| block.body.len()).sum::<usize>();
                let is_enough = is_enough(&group);
                blocks.extend(group);
                if is_enough || walk.end().sealed {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => return (blocks, Some(error)),
        }
    }
    (blocks, None)
}

//! The projector's thread: follows, and begins again where it failed.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use karyon_graph::{Durability, Following, Graph, GraphError};
use karyon_supervision::RestartWindow;
use karyon_types::{Position, Tick};

use super::{Over, Shared, remove};
use crate::limits::{DURABLE_EVERY, LOOK_EVERY, RESTARTS, RESTARTS_IN_PLACE};
use crate::stretches::{Stretch, Stretches};

/// A moment of a transaction, at which tests let it fail.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the log is read.
    Before,
    /// All rows are in the transaction, which is not committed.
    Filled,
    /// It is committed, and nobody was told.
    Committed,
}

#[cfg(test)]
pub(super) type Probe = Box<dyn Fn(Moment) + Send + Sync>;

/// Follows the log until it is told to end; what is left. `None`: it gave up.
pub(super) fn follow(shared: &Shared) -> Option<Graph> {
    let (mut graph, mut window, begun) = (None, RestartWindow::new(RESTARTS), Instant::now());
    let (mut furthest, mut in_place) = (0, 0);
    loop {
        // What it leaves is whole, or found not to be: a transaction is there or it is not.
        let ended = catch_unwind(AssertUnwindSafe(|| shared.follow(&mut graph)));
        let why = match ended {
            Ok(Ok(())) => return graph,
            Ok(Err(error)) => {
                if matches!(error, GraphError::Io { .. } | GraphError::Database(_)) {
                    // The database answers nothing any more once its disk has failed.
                    graph = None;
                }
                error.to_string()
            }
            Err(thrown) => {
                let text = thrown.downcast_ref::<String>().map(String::as_str);
                let text = text.or(thrown.downcast_ref::<&str>().copied());
                format!("it panicked: {}", text.unwrap_or("no words"))
            }
        };
        shared.shown.memory.restarts.fetch_add(1, Ordering::Relaxed);
        let now = Tick(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        let position = shared.position.load(Ordering::Acquire);
        in_place = if position > furthest { 0 } else { in_place + 1 };
        furthest = furthest.max(position);
        if in_place > RESTARTS_IN_PLACE || !window.record(now, 1) {
            tracing::error!(position, %why, "the projector gives up");
            shared.give_up(graph, why);
            return None;
        }
        tracing::warn!(position, %why, "the projector is started again");
        if in_place == RESTARTS_IN_PLACE {
            // It may be the file that is broken.
            graph = None;
        }
    }
}

impl Shared {
    fn give_up(&self, graph: Option<Graph>, why: String) {
        self.remove_file();
        drop(graph);
        self.is_over(Over::GaveUp(why));
    }

    /// Follows the log, from where the graph stands.
    fn follow(&self, graph: &mut Option<Graph>) -> Result<(), GraphError> {
        let graph = match graph {
            Some(graph) => graph,
            None => graph.insert(self.begin_empty()?),
        };
        let mut following = graph.follow(&self.log, &self.inputs)?;
        self.lock().views = Some(following.views());
        // What was committed when it failed is there, though nobody was told.
        self.tell(following.position());
        // Since when something waits to become durable.
        let mut waits = None;
        while !self.ends.load(Ordering::Acquire) {
            let end = Position((self.durable)());
            if following.position() >= end {
                std::thread::park_timeout(LOOK_EVERY);
            } else {
                self.project(&mut following, end)?;
                waits.get_or_insert_with(Instant::now);
            }
            if waits.is_some_and(|since: Instant| since.elapsed() >= DURABLE_EVERY) {
                following.make_durable()?;
                waits = None;
            }
        }
        Ok(())
    }

    /// A file that nobody else has ever seen.
    fn begin_empty(&self) -> Result<Graph, GraphError> {
        remove(&self.file)?;
        let graph = Graph::open(&self.file)?;
        let mut state = self.lock();
        (state.position, state.stretches) = (0, Stretches::default());
        (state.views, state.view, state.coming) = (None, None, Vec::new());
        self.position.store(0, Ordering::Release);
        Ok(graph)
    }

    /// One transaction of what is durable.
    fn project(&self, following: &mut Following<'_>, end: Position) -> Result<(), GraphError> {
        #[cfg(test)]
        self.at(Moment::Before);
        following.set_durability(Durability::None);
        let any = following.project_to(end, self.batch_bytes, &mut |blocks| {
            self.lock().coming = blocks.iter().filter_map(Stretch::of).collect();
            #[cfg(test)]
            self.at(Moment::Filled);
        })?;
        if !any {
            let what = format!("the log ends at record {}, though more are durable", end.0);
            return Err(GraphError::Log(io::Error::new(ErrorKind::UnexpectedEof, what).into()));
        }
        #[cfg(test)]
        self.at(Moment::Committed);
        self.tell(following.position());
        Ok(())
    }

    /// Tells those who wait where the file stands.
    pub(super) fn tell(&self, position: Position) {
        let mut state = self.lock();
        let coming = std::mem::take(&mut state.coming);
        // Otherwise the transaction is not there, and they come again.
        if position.0 > state.position {
            coming.into_iter().for_each(|stretch| state.stretches.push(stretch));
        }
        state.position = position.0;
        self.position.store(position.0, Ordering::Release);
        self.shown.memory.records.store(position.0, Ordering::Relaxed);
        // Whoever holds it goes on to; nobody else keeps its pages.
        let old = state.view.take();
        drop(state);
        self.changed.notify_all();
        drop(old);
    }

    #[cfg(test)]
    fn at(&self, moment: Moment) {
        if let Some(probe) = &self.probe {
            probe(moment);
        }
    }
}

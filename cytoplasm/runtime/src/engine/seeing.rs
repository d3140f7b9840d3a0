//! What becomes of the space between two ticks, and who looks at it.

use std::sync::Mutex;

use karyon_types::Tick;

use super::lock;
use crate::error::RunError;
use crate::schedule::Order;
use crate::scheduler::{Plan, TickOutcome};
use crate::space::{Change, Observer};

/// The leader's side of the space.
pub(super) struct Seeing {
    observer: Option<Box<dyn Observer>>,
    /// What was done to it in the tick that just ran.
    changes: Vec<Change>,
    /// The observer says that the run is complete.
    pub(super) is_complete: bool,
}

impl Seeing {
    pub(super) fn new(observer: Option<Box<dyn Observer>>) -> Seeing {
        Seeing { observer, changes: Vec::new(), is_complete: false }
    }

    /// Carries out what was done in a tick.
    pub(super) fn settle<A>(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        outcomes: &[Mutex<TickOutcome>],
    ) {
        for outcome in outcomes {
            self.changes.append(&mut lock(outcome).changes);
        }
        plan.space.settle(&mut self.changes, Order::of(&plan.schedule, tick));
    }

    /// Shows what all see, as it is behind a tick.
    pub(super) fn show<A>(&mut self, plan: &Plan<A>, tick: Tick) {
        if let (Some(observer), Some(space)) = (&mut self.observer, plan.space.read()) {
            self.is_complete = observer.behind(tick, &space);
        }
    }

    /// What the observer made of what it was shown, for a snapshot.
    pub(super) fn save(&self) -> Vec<u8> {
        self.observer.as_ref().map_or_else(Vec::new, |observer| observer.save())
    }

    pub(super) fn load(&mut self, saved: &[u8]) -> Result<(), RunError> {
        let is_read = self.observer.as_mut().is_none_or(|observer| observer.load(saved));
        let words = "what the observer kept in a snapshot cannot be read";
        if is_read { Ok(()) } else { Err(RunError::Runtime(words.into())) }
    }
}

/// What has no place beside a space.
pub(super) fn permits<A>(plan: &Plan<A>) -> Result<(), RunError> {
    match (plan.space.is_there(), plan.schedule.is_free(), &plan.custody) {
        (true, true, _) => Err(RunError::NotFree("space that all see")),
        (true, false, Some(_)) => Err(RunError::SpaceOfSubjects),
        (true, false, None) | (false, ..) => Ok(()),
    }
}

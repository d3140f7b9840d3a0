//! When the next tick runs, and that the leader waits: for an order or a receipt where nothing else is
//! left to do, for the memory, or for the pace.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use karyon_types::{AgentId, Tick};

use super::{Leader, Left, lock};
use crate::agent::Agent;
use crate::census::Ground;
use crate::error::RunError;
use crate::scheduler::Plan;
use crate::terms::Ending;

/// How long a run that waits for orders sleeps before it looks again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(2);

impl Leader {
    /// The first tick behind `tick` in which something happens, as far as that is known, and whether
    /// it waits for what is done outside.
    pub(super) fn tick_after<A>(&self, tick: Tick, left: &Left, plan: &Plan<A>) -> (Tick, bool) {
        let next = Tick(tick.0 + 1);
        let is_quiet = left.events == 0 && !self.orders.has_records();
        let due = self.due(left);
        // Time stands still while something is done outside, and nothing else is to be done.
        let waits = is_quiet
            && !self.effects.is_empty()
            && due.is_none_or(|due| due > next)
            && self.recalls.due().is_none()
            && self
                .trees
                .as_ref()
                .is_none_or(|trees| trees.is_quiet() || trees.deadline().is_some())
            && plan.inputs.released(next).items.is_empty()
            && plan.inputs.everybody(next).is_none();
        // Nothing can happen before it is due.
        let due = due.filter(|_| is_quiet && !waits && next >= plan.inputs.ends());
        (due.map_or(next, |due| due.max(next)), waits)
    }

    /// The first time at which something happens by itself.
    pub(super) fn due(&self, left: &Left) -> Option<Tick> {
        let deadline = self.trees.as_ref().and_then(|trees| trees.deadline());
        [left.timer, deadline, self.recalls.due()].into_iter().flatten().min()
    }

    /// All that is left to do waits for paused agents, or more than may: waits for an order, or
    /// for the end.
    pub(super) fn wait_for_orders<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
    ) -> Result<Option<Ending>, RunError> {
        self.set_waiting(ground.slabs.iter().find_map(|slab| lock(slab).holding()));
        let ending = self.wait_for_news(ground)?;
        self.set_waiting(None);
        Ok(ending)
    }

    /// All that is left to do is done outside: waits for what comes of it, for an order, or for the
    /// end.
    pub(super) fn wait_for_receipts<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
    ) -> Result<Option<Ending>, RunError> {
        self.set_stepping(false);
        let ending = self.wait_for_news(ground)?;
        self.set_stepping(true);
        Ok(ending)
    }

    /// The run is interrupted in front of the tick `next`: lets nothing more begin outside, and records
    /// what came of what was, at the beginning of that tick.
    pub(super) fn wind_up<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        next: Tick,
    ) -> Result<(), RunError> {
        self.current = Some(next);
        if self.ends_effects() {
            self.frame(ground, next, ground.plan.inputs.released(next))?;
            self.recorder.append(&self.framing, self.framed)?;
            self.orders.recorded(&self.recorder, next);
        }
        Ok(())
    }

    /// Lets nothing more begin outside; whether something came of what was, and is to be recorded.
    pub(super) fn ends_effects(&mut self) -> bool {
        // No tick comes while what is being done is waited for.
        self.set_stepping(false);
        self.effects.end();
        self.effects.has_receipts() && self.recorder.appends() && !self.recorder.repeats()
    }

    fn wait_for_news<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
    ) -> Result<Option<Ending>, RunError> {
        // What there is becomes durable: nothing that comes soon could share its block.
        self.recorder.seal()?;
        self.wait(ground, |leader, ordered| {
            Ok((!ordered && !leader.effects.has_receipts()).then_some(LOOK_AGAIN))
        })
    }

    /// Waits until the tick `next` may begin: until the memory is near enough to the log, and the run's
    /// pace, if it has one, allows it. What is repeated waits for neither: who waits looks for orders
    /// again, and those of the log would be carried out once more.
    pub(super) fn wait_for_turn<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        next: Tick,
    ) -> Result<Option<Ending>, RunError> {
        if self.recorder.repeats() || self.rest(next)?.is_none() {
            return Ok(None);
        }
        self.set_stepping(false);
        let ending = self.wait(ground, |leader, _| leader.rest(next))?;
        self.set_stepping(true);
        Ok(ending)
    }

    /// How long the tick `next` still has to wait.
    fn rest(&mut self, next: Tick) -> Result<Option<Duration>, RunError> {
        if !self.keeps_up(next)? {
            return Ok(Some(LOOK_AGAIN));
        }
        Ok(self.pace.rest(Instant::now()))
    }

    /// Whether the memory is near enough to the log, or there is nothing to wait for.
    pub(super) fn keeps_up(&mut self, next: Tick) -> Result<bool, RunError> {
        Ok(!self.recorder.appends() || self.recalls.keeps_up(next)?)
    }

    /// Sleeps for what `rest` says, again and again, and answers meanwhile; why the run ends, if
    /// it does.
    fn wait<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        rest: impl Fn(&mut Leader, bool) -> Result<Option<Duration>, RunError>,
    ) -> Result<Option<Ending>, RunError> {
        loop {
            if self.is_stopped(ground.plan) {
                return Ok(Some(Ending::Halted));
            }
            if let Some(ending) = self.is_over()? {
                return Ok(Some(ending));
            }
            let ordered = self.serve(ground)?;
            self.effects.look(&mut self.recorder)?;
            match rest(self, ordered)? {
                None => return Ok(None),
                Some(rest) => std::thread::sleep(rest.min(LOOK_AGAIN)),
            }
        }
    }

    pub(super) fn set_waiting(&self, agent: Option<AgentId>) {
        if let Some(agent) = agent {
            tracing::warn!(%agent, "the run waits for an agent that is paused, until that is resumed");
        }
        self.progress.waiting.store(agent.map_or(0, |id| id.0), Ordering::Relaxed);
        self.set_stepping(agent.is_none());
    }

    /// Or the guardian would take a run that waits for one that hangs.
    pub(super) fn set_stepping(&self, is_so: bool) {
        if let Some(guard) = &self.guard {
            guard.counters().stepping.store(is_so, Ordering::Relaxed);
        }
    }
}

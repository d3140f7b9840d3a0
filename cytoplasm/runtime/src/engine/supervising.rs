//! What the leader does between two ticks on behalf of supervisors and of those outside.

use karyon_log::Record;
use karyon_types::Tick;

use super::Leader;
use crate::agent::Agent;
use crate::census::Ground;
use crate::error::RunError;
use crate::orders::NewLife;
use crate::trees::{Field, with};

impl Leader {
    /// Answers those outside, and does what they order.
    pub(super) fn serve<A: Agent>(&mut self, ground: &Ground<'_, A>) -> Result<bool, RunError> {
        let last = self.current;
        let now = last.unwrap_or(Tick(0));
        let field = Field { ground, bonds: &mut self.bonds, window: &self.window, now };
        let trees = self.trees.as_deref_mut();
        let mut life = NewLife { births: &mut self.births, leases: &mut self.leases };
        self.orders.serve(field, trees, &mut life, &mut self.recorder, last)
    }

    /// What agents wished for that is done, or denied, in the tick that comes next.
    pub(super) fn wishes(&self) -> u64 {
        let refused = self.trees.as_ref().map_or(0, |trees| trees.added.refused.len());
        self.births.due(self.trees.as_deref()) + self.names.due() + refused as u64
    }

    /// Does what agents wished for in the tick before, and tells those who are denied.
    pub(super) fn bring_to_life<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        tick: Tick,
    ) -> Result<(), RunError> {
        // Behind the tick before; free-running, that may have had the same number.
        let before = u64::from(!ground.plan.schedule.is_free());
        let now = Tick(tick.0.saturating_sub(before));
        let mut field = Field { ground, bonds: &mut self.bonds, window: &self.window, now };
        let trees = self.trees.as_deref_mut();
        self.framed += self.births.begin(&mut field, trees, &mut self.leases, &mut self.framing)?;
        self.bonds.last = self.births.names.len() as u64;
        let denied = match self.names.is_used() {
            true => {
                let fallen = self.bonds.take_fallen();
                self.names.settle(&ground.plan.names, &fallen, &self.births)
            }
            false => {
                self.bonds.pass_over_fallen();
                Vec::new()
            }
        };
        let trees = self.trees.as_mut().map(|trees| std::mem::take(&mut trees.added.refused));
        for refused in trees.unwrap_or_default().into_iter().chain(denied) {
            with(ground, refused.by.from, |slab| slab.hear_refused(refused));
        }
        Ok(())
    }

    /// Lets the tree of supervisors see to what happened in the tick `now`, if there is one.
    pub(super) fn supervise<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        now: Tick,
    ) -> Result<(), RunError> {
        let Some(trees) = &mut self.trees else { return Ok(()) };
        let window = &self.window;
        let mut field = Field { ground, bonds: &mut self.bonds, window, now };
        let done = trees.supervise(&mut field);
        self.orders.done_before(trees);
        if done.is_err() && self.orders.has_records() {
            // Nobody's steps follow, but what was done was done.
            self.framing.clear();
            Record::Tick(Tick(now.0 + 1)).encode(&mut self.framing);
            let count = 1 + self.orders.frame(&mut self.framing);
            self.recorder.append(&self.framing, count)?;
        }
        done
    }
}

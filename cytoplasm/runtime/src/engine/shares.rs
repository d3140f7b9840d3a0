//! The schedulers' shares of each tick: who runs them, and what becomes of one that is void.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use karyon_types::{AgentId, Tick};

use super::{Leader, STOP, Shared, lock};
use crate::agent::Agent;
use crate::census::Ground;
use crate::epoch::Epoch;
use crate::error::RunError;
use crate::scheduler::{Envelope, Scheduler};
use crate::watchdog::Dismissed;

impl<A: Agent> Shared<A> {
    /// A scheduler's thread, for as long as the run goes on.
    pub(super) fn serve(self: Arc<Self>, number: usize) {
        match &self.watched {
            Some(watched) => watched.host(&self, number),
            None => drop(self.work(number)),
        }
    }

    /// A scheduler's life.
    fn work(&self, number: usize) -> Result<(), Dismissed> {
        while self.barrier.wait_unless(|| self.lead(number, None))?.is_ok() {
            if !self.run_next(number)? {
                break;
            }
        }
        Ok(())
    }

    /// The life of a scheduler whose thread was dismissed, from where that was: in its own share,
    /// or behind a share that it ran while it led.
    pub(crate) fn take_over(
        &self,
        number: usize,
        leading: Option<(u64, usize)>,
    ) -> Result<(), Dismissed> {
        if let Some(behind) = leading {
            self.lead(number, Some(behind))?;
            self.barrier.release();
            if !self.run_next(number)? {
                return Ok(());
            }
        }
        self.work(number)
    }

    /// Runs its share of what is next; `false`: the run is over.
    fn run_next(&self, number: usize) -> Result<bool, Dismissed> {
        match self.next.load(Ordering::Acquire) {
            STOP => Ok(false),
            tick => match &self.epoch {
                Some(epoch) => self.run_epoch(number, tick, epoch).map(|()| true),
                None => self.run_share(number, tick, None).map(|()| true),
            },
        }
    }

    /// The name and the kind of an agent, as far as they are known while it runs.
    pub(crate) fn known(&self, id: AgentId) -> (String, &'static str) {
        // The leader is free while shares run. If not, the step came back just now.
        let leader = self.leader.try_lock().ok();
        let births =
            leader.as_ref().and_then(|leader| leader.as_ref()).map(|leader| &leader.births);
        let name = births.and_then(|births| births.names.get(id.0 as usize - 1).cloned());
        let kind = births.and_then(|births| births.kind_of(id)).unwrap_or_else(|| {
            let scenarios = Some(id).filter(|id| id.0 <= self.plan.agents);
            let agent = scenarios.and_then(|id| self.plan.begin(id));
            agent.map_or(A::KIND.name, |agent| agent.kind().name)
        });
        (name.unwrap_or_default(), kind)
    }

    /// Runs one scheduler's share of a tick; `leading`: who does so between two ticks.
    fn run_share(&self, number: usize, tick: u64, leading: Option<usize>) -> Result<(), Dismissed> {
        let (Some(slab), Some(outcome)) = (self.slabs.get(number), self.outcomes.get(number))
        else {
            self.barrier.poison();
            return Ok(());
        };
        let _tick = tracing::trace_span!("tick", tick, scheduler = number).entered();
        let Some((watched, share)) =
            self.watched.as_ref().and_then(|w| Some((w, w.share(number)?)))
        else {
            let mut scheduler = lock(slab);
            self.collect(&mut scheduler, number, tick);
            std::mem::swap(&mut scheduler.signals, &mut lock(outcome).signals);
            let inbox = std::mem::take(&mut scheduler.inbox);
            scheduler.run_tick(&self.plan, Tick(tick), &inbox);
            self.give(&mut scheduler, number, tick, inbox);
            return Ok(());
        };
        // Its thread alone has the scheduler, so that nobody has to wait for it.
        let mut scheduler = std::mem::replace(&mut *lock(slab), Scheduler::nobody());
        self.collect(&mut scheduler, number, tick);
        std::mem::swap(&mut scheduler.signals, &mut lock(outcome).signals);
        let inbox = Arc::new(std::mem::take(&mut scheduler.inbox));
        share.begin(tick, watched.due(&mut scheduler, share, leading, &inbox));
        scheduler.run_tick(&self.plan, Tick(tick), &inbox);
        share.end(tick)?;
        let inbox = Arc::try_unwrap(inbox).unwrap_or_default();
        self.give(&mut scheduler, number, tick, inbox);
        *lock(slab) = scheduler;
        Ok(())
    }

    /// Runs a scheduler's part of an epoch.
    fn run_epoch(&self, number: usize, tick: u64, epoch: &Epoch) -> Result<(), Dismissed> {
        let Some(slab) = self.slabs.get(number) else {
            self.barrier.poison();
            return Ok(());
        };
        let Some((watched, share)) =
            self.watched.as_ref().and_then(|w| Some((w, w.share(number)?)))
        else {
            lock(slab).run_epoch(&self.plan, Tick(tick), number, epoch);
            return Ok(());
        };
        let mut scheduler = std::mem::replace(&mut *lock(slab), Scheduler::nobody());
        share.begin(tick, watched.due(&mut scheduler, share, None, &Arc::default()));
        scheduler.run_epoch(&self.plan, Tick(tick), number, epoch);
        share.end(tick)?;
        *lock(slab) = scheduler;
        Ok(())
    }

    /// Runs a tick turn by turn: there is one scheduler, and it runs between two ticks.
    fn run_turns(&self, number: usize, tick: u64) -> Result<(), Dismissed> {
        let (Some(slab), Some(outcome)) = (self.slabs.get(number), self.outcomes.get(number))
        else {
            self.barrier.poison();
            return Ok(());
        };
        // What the turns change: the leader is free, should one of them never end.
        let (mut bonds, mut trees) = match lock(&self.leader).as_mut() {
            Some(leader) => (std::mem::take(&mut leader.bonds), leader.trees.take()),
            None => return Ok(()),
        };
        let mut scheduler = std::mem::replace(&mut *lock(slab), Scheduler::nobody());
        let share = self.watched.as_ref().and_then(|w| Some((w, w.share(number)?)));
        if let Some((watched, share)) = share {
            share.begin(tick, watched.due(&mut scheduler, share, Some(number), &Arc::default()));
        }
        scheduler.run_turns(&self.plan, Tick(tick), &mut bonds, trees.as_deref_mut());
        if let Some((_, share)) = share {
            share.end(tick)?;
        }
        std::mem::swap(&mut *lock(outcome), &mut scheduler.outcome);
        *lock(slab) = scheduler;
        if let Some(leader) = lock(&self.leader).as_mut() {
            (leader.bonds, leader.trees) = (bonds, trees);
        }
        Ok(())
    }

    fn link(&self, tick: u64, from: usize, to: usize) -> Option<&Mutex<Vec<Envelope>>> {
        let schedulers = self.slabs.len();
        let parity = (tick % 2) as usize;
        self.links.get((parity * schedulers + from) * schedulers + to)
    }

    /// Gathers what was sent in the tick before.
    fn collect(&self, scheduler: &mut Scheduler<A>, number: usize, tick: u64) {
        let Some(last) = tick.checked_sub(1) else { return };
        for link in (0..self.slabs.len()).filter_map(|from| self.link(last, from, number)) {
            scheduler.inbox.append(&mut lock(link));
        }
    }

    /// Hands over what came of a share.
    fn give(
        &self,
        scheduler: &mut Scheduler<A>,
        number: usize,
        tick: u64,
        mut inbox: Vec<Envelope>,
    ) {
        inbox.clear();
        scheduler.inbox = inbox;
        for (to, outbox) in scheduler.outbox.iter_mut().enumerate() {
            if !outbox.is_empty()
                && let Some(link) = self.link(tick, number, to)
            {
                std::mem::swap(&mut *lock(link), outbox);
            }
        }
        // Both sides keep their buffers: the leader cleared the one that comes back.
        if let Some(outcome) = self.outcomes.get(number) {
            std::mem::swap(&mut *lock(outcome), &mut scheduler.outcome);
        }
    }

    fn ground(&self) -> Ground<'_, A> {
        Ground { plan: &self.plan, slabs: &self.slabs, links: &self.links }
    }

    /// The serial part. Small ticks are run here, all shares of them, while the others wait:
    /// cheaper than waking them. `rest`: the shares of a tick that are left, from this one on.
    fn lead(&self, number: usize, mut rest: Option<(u64, usize)>) -> Result<(), Dismissed> {
        loop {
            if let Some((tick, first)) = rest.take() {
                for share in first..self.slabs.len() {
                    match self.plan.schedule.is_sequential() {
                        true => self.run_turns(share, tick)?,
                        false => self.run_share(share, tick, Some(number))?,
                    }
                }
            }
            // Nobody else leads; it is free while shares run, should one of them never end.
            let mut leader = lock(&self.leader);
            let Some(leader) = leader.as_mut() else { return Ok(()) };
            let next = self
                .bury(leader)
                .and_then(|()| match &self.epoch {
                    Some(epoch) => leader.between_epochs(&self.ground(), &self.outcomes, epoch),
                    None => leader.between_ticks(&self.ground(), &self.outcomes),
                })
                .unwrap_or_else(|error| {
                    leader.result = Some(Err(error));
                    None
                });
            match next {
                Some(next)
                    if next.events < self.small_tick || self.plan.schedule.is_sequential() =>
                {
                    rest = Some((next.tick.0, 0));
                }
                next => {
                    let tick = next.map_or(STOP, |next| next.tick.0);
                    self.next.store(tick, Ordering::Release);
                    return Ok(());
                }
            }
        }
    }

    /// Declares the agents of each void share lost: they did nothing in the tick that just ran.
    fn bury(&self, leader: &mut Leader) -> Result<(), RunError> {
        let (Some(watched), Some(tick)) = (&self.watched, leader.current) else { return Ok(()) };
        for (number, due) in watched.void() {
            if self.epoch.is_some() {
                // What it did was seen by others: nothing of this epoch is kept.
                return Err(watched.nobody_left());
            }
            // In the place of a void share there is nobody yet.
            if !self.slabs.iter().any(|slab| lock(slab).has_living()) {
                return Err(watched.nobody_left());
            }
            let (place, births) = ((number, self.slabs.len()), &leader.births);
            let kind_of = |id| births.kind_of(id);
            let mut grave = Scheduler::grave(&self.plan, place, &due, &leader.bonds, kind_of);
            for (first, last) in self.layout.ranges(number, self.plan.last()) {
                leader.lose(first, last);
            }
            grave.run_tick(&self.plan, tick, &due.inbox);
            self.give(&mut grave, number, tick.0, Vec::new());
            if let Some(slab) = self.slabs.get(number) {
                *lock(slab) = grave;
            }
        }
        Ok(())
    }
}

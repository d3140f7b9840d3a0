//! The leader takes a snapshot between two ticks, or goes on from one.
//!
//! The moment is behind all that follows from a tick, and in front of all that is done for the
//! next: all schedulers wait, and all that they did is recorded or on its way.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use karyon_log::Control;
use karyon_types::AgentId;

use super::{Leader, Left, lock};
use crate::agent::Agent;
use crate::bonds::Bonds;
use crate::census::Ground;
use crate::codec;
use crate::error::RunError;
use crate::recorder::RecordError;
use crate::scheduler::{Envelope, Plan, Scheduler};
use crate::snapshot::{Content, SavedSeed, Snapshot, Woken};
use crate::subjects::Sealing;

impl Leader {
    /// Takes a snapshot behind the current tick, should one be due, or the run be `interrupted`.
    /// None of what is repeated, and none when something was done for the next tick already.
    pub(super) fn take_snapshot<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        interrupted: bool,
    ) -> Result<(), RunError> {
        let (Some(taker), Some(tick)) = (&self.taker, self.current) else { return Ok(()) };
        let is_moment = self.recorder.appends()
            && !self.recorder.repeats()
            && self.orders.is_untouched()
            && self.taken != Some(tick);
        if !is_moment || !(interrupted || taker.is_due(tick)) {
            return Ok(());
        }
        let _taken = tracing::info_span!("snapshot", tick = tick.0).entered();
        let Some(content) = self.save(ground) else {
            self.taker.iter_mut().for_each(|taker| taker.pass_over(tick));
            return Ok(());
        };
        let mut bytes = Vec::new();
        codec::encode(&content, &mut bytes);
        if let Some(custody) = &ground.plan.custody {
            bytes = custody.seals.seal_all(Sealing::Snapshot(tick), &bytes);
        }
        let snapshot = Snapshot { tick, records: self.recorder.recorded(), content: bytes.into() };
        // It is believed once this is committed, and all before it with this.
        let record = Control::Snapshot(snapshot.record());
        self.recorder.control(&[record]).map_err(RecordError::from)?;
        self.taken = Some(tick);
        self.taker.iter_mut().for_each(|taker| taker.keep(snapshot.clone()));
        Ok(())
    }

    /// What the run needs to go on. Each field is named here: it is part of it, or follows from it,
    /// or means nothing between two ticks.
    fn save<A: Agent>(&self, ground: &Ground<'_, A>) -> Option<Content> {
        let Leader {
            // In front of which record it goes on is said beside the content.
            recorder: _,
            current: _,
            // Of the process that runs it.
            stop: _,
            interrupt: _,
            guard: _,
            pace: _,
            taker: _,
            taken: _,
            woken: _,
            // Of a free-running run, which takes no snapshots.
            free: _,
            // Said by the scenario, or by the number of schedulers.
            intensity: _,
            layout: _,
            // It goes on.
            result: _,
            // With the schedulers, whose agents these are.
            held: _,
            lost: _,
            // Begun anew in each tick.
            framing: _,
            framed: _,
            losing,
            progress,
            window,
            leases,
            orders,
            bonds,
            trees,
            births,
            names,
            recalls,
            effects,
            seeing,
        } = self;
        if names.is_used() {
            // Who has which name is not written down: such a run is gone on with from its beginning.
            return None;
        }
        let slab_of = |id| self.layout.home(id).and_then(|home| ground.slabs.get(home));
        let seed =
            |id| slab_of(id).map_or((SavedSeed::Spent, false), |slab| lock(slab).save_seed(id));
        let (births, later) = births.save(leases, seed)?;
        let mut content = Content {
            shown: (
                progress.inputs.load(Ordering::Relaxed),
                progress.messages.load(Ordering::Relaxed),
                progress.refused.load(Ordering::Relaxed),
            ),
            counts: Default::default(),
            agents: Vec::new(),
            later,
            births,
            parked: Vec::new(),
            apart: Vec::new(),
            lost: Vec::new(),
            mail: mail(ground.links),
            bonds: bonds.save(),
            window: window.clone(),
            trees: match trees {
                Some(trees) => Some(trees.save()?),
                None => None,
            },
            changes: leases.save(),
            orders: orders.save(),
            recalls: recalls.save(),
            effects: effects.save(),
            space: ground.plan.space.read().map(|space| (*space).clone()),
            seen: seeing.save().into(),
        };
        for slab in ground.slabs {
            if !lock(slab).save(&mut content) {
                return None;
            }
        }
        // Those who came to life lie with each scheduler behind its others.
        content.agents.sort_unstable_by_key(|agent| agent.id);
        content.parked.sort_unstable_by_key(|parked| parked.id);
        content.apart.sort_unstable_by_key(|apart| apart.id);
        content.lost.sort_unstable();
        losing.is_empty().then_some(content)
    }

    /// Goes on from a snapshot; all is as it began before.
    pub(super) fn go_on<A: Agent>(
        &mut self,
        plan: &Plan<A>,
        mut woken: Woken<A>,
        slabs: &[Mutex<Scheduler<A>>],
        links: &[Mutex<Vec<Envelope>>],
    ) -> Result<(), RunError> {
        let (tick, content) = (woken.tick, &mut woken.content);
        self.recorder.skip_to(woken.records, tick)?;
        self.leases.load(content.later.iter().map(|later| later.above), content.changes)?;
        let kinds = std::mem::take(&mut woken.kinds);
        self.births.load(std::mem::take(&mut content.births), &content.later, kinds.clone());
        woken.kinds = kinds;
        for (serial, later) in (plan.agents + 1..).zip(&content.later) {
            plan.adopt(AgentId(serial), AgentId(later.above));
        }
        let (spawned, last) = self.births.born();
        plan.set_born(spawned, last);
        self.bonds = Bonds::load(std::mem::take(&mut content.bonds), last);
        self.window = content.window.clone();
        self.orders.load(std::mem::take(&mut content.orders));
        self.recalls.load(std::mem::take(&mut content.recalls));
        self.effects.load(std::mem::take(&mut content.effects));
        plan.space.put(content.space.take().map(Arc::new));
        self.seeing.load(&content.seen)?;
        self.lost = content.lost.iter().copied().map(AgentId).collect();
        if let (Some(trees), Some(tree), Some(saved)) =
            (&mut self.trees, woken.tree.take(), content.trees.take())
        {
            trees.load(tree, saved);
        }
        let (inputs, messages, refused) = content.shown;
        self.progress.inputs.store(inputs, Ordering::Relaxed);
        self.progress.messages.store(messages, Ordering::Relaxed);
        self.progress.refused.store(refused, Ordering::Relaxed);
        let mut left = Left {
            events: content.mail.len() as u64 + self.births.asked() + self.bonds.waiting(),
            timer: None,
        };
        if !plan.schedule.is_sequential() {
            let parity = (tick.0 % 2) as usize;
            for envelope in content.mail.drain(..).filter_map(Envelope::load) {
                let home = |id| self.layout.home(id).unwrap_or(usize::MAX);
                let from = parity * slabs.len() + home(envelope.actor());
                let link = from.checked_mul(slabs.len()).map(|from| from + home(envelope.to));
                if let Some(link) = link.and_then(|link| links.get(link)) {
                    lock(link).push(envelope);
                }
            }
        }
        if let Some(first) = slabs.first() {
            lock(first).load_turns(&mut woken.content, last);
        }
        self.held = 0;
        for (number, slab) in slabs.iter().enumerate() {
            let mut slab = lock(slab);
            slab.load(number, &mut woken, &self.leases.handles, plan.agents);
            left.timer = [left.timer, slab.soonest()].into_iter().flatten().min();
            self.held += slab.held();
        }
        (self.current, self.taken, self.woken) = (Some(tick), Some(tick), Some(left));
        Ok(())
    }
}

/// What is on its way, by receiver, and of one receiver by who sent it on its way.
fn mail(links: &[Mutex<Vec<Envelope>>]) -> Vec<crate::snapshot::SavedMail> {
    let mut all = Vec::new();
    for link in links {
        all.extend(lock(link).iter().map(|sent| (sent.to, sent.actor(), sent.save())));
    }
    all.sort_by_key(|(to, actor, _)| (*to, *actor));
    all.into_iter().map(|(.., saved)| saved).collect()
}

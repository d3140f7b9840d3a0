//! What is so between two ticks, for whoever asks: all schedulers wait, so it is one moment.

use std::cmp::Ordering;
use std::sync::{Mutex, MutexGuard};

use karyon_types::AgentId;

use crate::agent::Agent;
use crate::engine::lock;
use crate::leases::Leased;
use crate::processes::{
    Inspected, Listed, MAX_LISTED, Position, Process, Refusal, Selection, Sort,
};
use crate::scheduler::{Envelope, Facts, Plan, Scheduler};

/// Where all that the schedulers own lies while they wait.
pub(crate) struct Ground<'a, A> {
    pub(crate) plan: &'a Plan<A>,
    pub(crate) slabs: &'a [Mutex<Scheduler<A>>],
    /// Messages that arrive in the tick that comes next.
    pub(crate) links: &'a [Mutex<Vec<Envelope>>],
}

/// The agents at one moment.
pub(crate) struct Census<'a, A> {
    plan: &'a Plan<A>,
    slabs: Vec<MutexGuard<'a, Scheduler<A>>>,
    links: &'a [Mutex<Vec<Envelope>>],
    names: &'a [String],
    /// Messages on their way, by receiver, once somebody needs them.
    on_the_way: Option<Vec<u32>>,
}

impl<'a, A: Agent> Census<'a, A> {
    /// `names` are those of the agents, by serial.
    pub(crate) fn new(ground: &Ground<'a, A>, names: &'a [String]) -> Census<'a, A> {
        let slabs = ground.slabs.iter().map(lock).collect();
        Census { plan: ground.plan, slabs, links: ground.links, names, on_the_way: None }
    }

    pub(crate) fn list(&mut self, selection: &Selection, at: Position) -> Listed {
        if selection.sort == Sort::Mailbox {
            self.count_messages();
        }
        let limit = u64::from(selection.limit.min(MAX_LISTED));
        let most = selection.offset.saturating_add(limit).min(self.names.len() as u64) as usize;
        let names = self.names;
        let by_serial = |a: &Facts, b: &Facts| a.id.cmp(&b.id);
        let by = |a: &Candidate, b: &Candidate| {
            let order = match selection.sort {
                Sort::Name => name_of(names, a.facts.id).cmp(name_of(names, b.facts.id)),
                Sort::Id | Sort::Steps | Sort::Mailbox | Sort::Restarts => a.key.cmp(&b.key),
            };
            let order = if selection.descending { order.reverse() } else { order };
            order.then_with(|| by_serial(&a.facts, &b.facts))
        };
        let mut first = First { most, kept: Vec::new(), by };
        let mut total = 0;
        for facts in self.slabs.iter().flat_map(|slab| slab.facts()) {
            if is_selected(selection, &facts, name_of(names, facts.id)) {
                total += 1;
                first.add(Candidate { key: self.key(selection.sort, &facts), facts });
            }
        }
        let chosen = first.sorted();
        let skipped = chosen.get(selection.offset.min(chosen.len() as u64) as usize..);
        let chosen: Vec<_> =
            skipped.unwrap_or_default().iter().map(|candidate| candidate.facts).collect();
        let processes = chosen.into_iter().map(|facts| self.process(facts)).collect();
        Listed { at, total, processes }
    }

    pub(crate) fn inspect(
        &mut self,
        id: AgentId,
        leases: &Leased,
        at: Position,
    ) -> Result<Inspected, Refusal> {
        let slab = self.slabs.iter_mut().find_map(|slab| {
            let facts = slab.facts_of(id)?;
            Some((facts, slab.state(id), slab.last(id)))
        });
        let (facts, state, last) = slab.ok_or(Refusal::Unknown)?;
        let process = self.process(facts);
        Ok(Inspected { at, process, lease: leases.get(id), state, last })
    }

    fn key(&self, sort: Sort, facts: &Facts) -> u64 {
        match sort {
            Sort::Id => facts.id.0,
            // Compared by themselves.
            Sort::Name => 0,
            Sort::Steps => facts.steps,
            Sort::Mailbox => self.mailbox(facts),
            Sort::Restarts => facts.restarts,
        }
    }

    fn process(&mut self, facts: Facts) -> Process {
        self.count_messages();
        Process {
            id: facts.id,
            name: name_of(self.names, facts.id).to_owned(),
            kind: facts.kind.unwrap_or_else(|| {
                self.plan.begin(facts.id).map_or(A::KIND.name, |agent| agent.kind().name)
            }),
            status: facts.status,
            steps: facts.steps,
            mailbox: self.mailbox(&facts),
            restarts: facts.restarts,
            log_bytes: facts.log_bytes,
        }
    }

    fn mailbox(&self, facts: &Facts) -> u64 {
        let counted = self.on_the_way.as_ref();
        let counted = counted.and_then(|counts| counts.get(facts.id.0 as usize - 1));
        facts.held + counted.map_or(0, |count| u64::from(*count))
    }

    /// One pass over all messages, at most once a moment.
    fn count_messages(&mut self) {
        if self.on_the_way.is_some() {
            return;
        }
        let mut counts = vec![0u32; self.names.len()];
        for link in self.links {
            for envelope in lock(link).iter() {
                if let Some(count) = counts.get_mut(envelope.to.0 as usize - 1) {
                    *count = count.saturating_add(1);
                }
            }
        }
        self.on_the_way = Some(counts);
    }
}

fn name_of(names: &[String], id: AgentId) -> &str {
    names.get(id.0 as usize - 1).map_or("", String::as_str)
}

fn is_selected(selection: &Selection, facts: &Facts, name: &str) -> bool {
    selection.status.is_none_or(|status| status == facts.status)
        && selection.name.as_ref().is_none_or(|text| match selection.exact {
            true => name == text,
            false => name.contains(text.as_str()),
        })
}

#[derive(Clone, Copy)]
struct Candidate {
    key: u64,
    facts: Facts,
}

/// The first of many in some order. It keeps at most twice as many as are wanted: linear in those
/// that pass, whatever the order in which they come.
struct First<T, F> {
    most: usize,
    kept: Vec<T>,
    by: F,
}

impl<T: Copy, F: Fn(&T, &T) -> Ordering> First<T, F> {
    fn add(&mut self, item: T) {
        self.kept.push(item);
        if self.kept.len() > 2 * self.most {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.most < self.kept.len() {
            if self.most > 0 {
                self.kept.select_nth_unstable_by(self.most - 1, &self.by);
            }
            self.kept.truncate(self.most);
        }
    }

    fn sorted(mut self) -> Vec<T> {
        self.cut();
        self.kept.sort_unstable_by(&self.by);
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_are_those_that_sorting_all_puts_first(
            items in prop::collection::vec(any::<(u8, u32)>(), 0..200),
            most in 0usize..60,
        ) {
            let mut first = First { most, kept: Vec::new(), by: Ord::cmp };
            items.iter().for_each(|item| first.add(*item));
            let mut all = items;
            all.sort_unstable();
            all.truncate(most);
            prop_assert_eq!(first.sorted(), all);
        }
    }
}

//! Agents are told what came of outputs of their own that were answered outside the schedulers.

use karyon_arrangements::{Receipt, TimerId, Told};
use karyon_log::{Cause, Message};
use karyon_types::Tick;

use super::apart::Held;
use super::{Due, Plan, Scheduler};
use crate::agent::{Agent, Event};

/// What came of an output.
#[derive(Clone)]
pub(crate) enum News {
    /// The memory answered.
    Answer(Box<[u8]>),
    /// An effect was done, or was not: as it is recorded.
    Receipt(Box<[u8]>),
}

impl<A: Agent> Scheduler<A> {
    /// What an agent asked for with `by` was done: it hears of it in the tick that comes next, in
    /// front of all that arrives then.
    pub(crate) fn hear(&mut self, by: Message, news: News) {
        let slot = self.slots.get_mut((by.from.0 - self.first) as usize);
        match (&news, slot) {
            (News::Receipt(_), Some(slot)) => slot.standing.acted(),
            (News::Answer(_), slot) => {
                let life = slot.and_then(|slot| slot.life.as_mut());
                // Who waits for its supervisor goes on with the life that it had.
                let parked = self.parked.get_mut(&by.from).and_then(|parked| parked.life.as_mut());
                if let Some(life) = life.or(parked) {
                    life.is_answered();
                }
            }
            (News::Receipt(_), None) => {}
        }
        self.apart.entry(by.from).or_default().hold(Held::Told(by, news));
    }

    /// Tells an agent what came of its output.
    pub(super) fn tell_of_output(
        &mut self,
        plan: &Plan<A>,
        tick: Tick,
        (by, news): (Message, &News),
        emptied: bool,
    ) -> bool {
        let due = Due { cause: Cause::Told(by), event: told_event(by, news) };
        self.handle(plan, tick, by.from, &due, emptied)
    }
}

fn receipt_of(what: &[u8]) -> Receipt<'_> {
    match Told::decode(what) {
        Some(Told::Receipt(receipt)) => receipt,
        // What is read from a log, or from a snapshot of it, was looked at there.
        Some(Told::Answer { .. }) | None => Receipt::Unknown,
    }
}

pub(super) fn told_event(by: Message, news: &News) -> Event<'_> {
    let output = TimerId { step: by.step, output: by.output };
    match news {
        News::Answer(answer) => Event::Recalled { output, answer },
        News::Receipt(what) => Event::Receipt { output, receipt: receipt_of(what) },
    }
}

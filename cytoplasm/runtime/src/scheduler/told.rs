//! Agents are told what came of outputs of their own that were answered outside the schedulers.

use karyon_arrangements::TimerId;
use karyon_log::{Cause, Message};
use karyon_types::Tick;

use super::apart::Held;
use super::{Due, Plan, Scheduler};
use crate::agent::{Agent, Event};

/// What came of an output.
pub(crate) enum News {
    /// The memory answered.
    Answer(Box<[u8]>),
}

impl<A: Agent> Scheduler<A> {
    /// What an agent asked for with `by` was done: it hears of it in the tick that comes next, in
    /// front of all that arrives then.
    pub(crate) fn hear(&mut self, by: Message, news: News) {
        let slot = self.slots.get_mut((by.from.0 - self.first) as usize);
        if let Some(life) = slot.and_then(|slot| slot.life.as_mut()) {
            life.is_answered();
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
        let output = TimerId { step: by.step, output: by.output };
        let event = match news {
            News::Answer(answer) => Event::Recalled { output, answer },
        };
        self.handle(plan, tick, by.from, &Due { cause: Cause::Told(by), event }, emptied)
    }
}

//! The mailboxes of a free-running scheduler, and who has something to do.

use std::collections::{BTreeMap, VecDeque};

use karyon_arrangements::{Bond, Lane, TimerId};
use karyon_log::Cause;
use karyon_types::AgentId;

use super::apart::Held;
use crate::bonds::Left;
use crate::input::InputItem;

/// What waits for one agent. What is safety-critical comes first, what is speculative last; all else
/// comes in the order in which it arrived.
#[derive(Default)]
pub(super) struct Mailbox {
    waiting: VecDeque<Held>,
    /// Safety-critical and speculative messages: few agents are sent any.
    lanes: Option<Box<[VecDeque<Held>; 2]>>,
    /// Messages among them that count against the bound.
    pub(super) counted: u64,
    /// Whether it stands in the queue.
    ready: bool,
    /// The agent began anew, or was killed, and what lay here then is lost, but for what is for
    /// this that is left of it: while the run follows its log, that says what.
    pub(super) emptied: Option<Left>,
}

impl Mailbox {
    pub(super) fn len(&self) -> usize {
        let lanes = self.lanes.iter().flat_map(|lanes| lanes.iter());
        self.waiting.len() + lanes.map(VecDeque::len).sum::<usize>()
    }

    pub(super) fn push(&mut self, held: Held) {
        let lane = held.lane();
        self.counted += u64::from(lane.is_some());
        match lane {
            Some(Lane::Critical) => self.lane(0).push_back(held),
            Some(Lane::Speculative) => self.lane(1).push_back(held),
            Some(Lane::Normal) | None => self.waiting.push_back(held),
        }
    }

    fn lane(&mut self, number: usize) -> &mut VecDeque<Held> {
        let [critical, speculative] = &mut **self.lanes.get_or_insert_default();
        if number == 0 { critical } else { speculative }
    }

    pub(super) fn pop(&mut self) -> Option<Held> {
        let held = match &mut self.lanes {
            None => self.waiting.pop_front(),
            Some(lanes) => {
                let [critical, speculative] = &mut **lanes;
                critical
                    .pop_front()
                    .or_else(|| self.waiting.pop_front())
                    .or_else(|| speculative.pop_front())
            }
        }?;
        self.counted -= u64::from(held.is_message());
        Some(held)
    }

    /// Takes out what came of this cause.
    pub(super) fn take(&mut self, id: AgentId, cause: Cause) -> Option<Held> {
        let is_it = |held: &Held| held.cause(id) == cause;
        let lanes = self.lanes.iter_mut().flat_map(|lanes| lanes.iter_mut());
        let held = std::iter::once(&mut self.waiting).chain(lanes).find_map(|queue| {
            let place = queue.iter().position(is_it)?;
            queue.remove(place)
        })?;
        self.counted -= u64::from(held.is_message());
        Some(held)
    }

    /// All that waits, in the order in which it would be handled.
    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        let lane = |number: usize| {
            let lanes = self.lanes.as_ref();
            lanes.and_then(|lanes| lanes.get(number)).into_iter().flatten()
        };
        lane(0).chain(&self.waiting).chain(lane(1))
    }

    fn retain(&mut self, keeps: impl Fn(&Held) -> bool) {
        self.waiting.retain(keeps);
    }
}

/// What a scheduler has beside its agents if it is free-running.
pub(super) struct Boxes {
    first: u64,
    /// Of the agents of its range.
    own: Vec<Mailbox>,
    /// Of all others that are its: those that come to life later, and serials that nobody has.
    later: BTreeMap<AgentId, Mailbox>,
    /// Those who have something to do, in the order in which they got it.
    pub(super) ready: VecDeque<AgentId>,
    /// What waits in all mailboxes.
    pub(super) waiting: u64,
    /// Its inputs of the epoch that begins.
    pub(super) inputs: Vec<InputItem>,
    /// Whether it follows the log: then that says what comes next, and what is lost.
    pub(super) follows: bool,
    /// Whether the epoch is to end, because of something that is done between epochs.
    pub(super) urgent: bool,
}

impl Boxes {
    pub(super) fn new(first: u64, agents: u64) -> Boxes {
        Boxes {
            first,
            own: (0..agents).map(|_| Mailbox::default()).collect(),
            later: BTreeMap::new(),
            ready: VecDeque::new(),
            waiting: 0,
            inputs: Vec::new(),
            follows: false,
            urgent: false,
        }
    }

    pub(super) fn get(&self, id: AgentId) -> Option<&Mailbox> {
        let place = id.0.wrapping_sub(self.first) as usize;
        self.own.get(place).or_else(|| self.later.get(&id))
    }

    pub(super) fn of(&mut self, id: AgentId) -> &mut Mailbox {
        let place = id.0.wrapping_sub(self.first) as usize;
        match self.own.get_mut(place) {
            Some(mailbox) => mailbox,
            None => self.later.entry(id).or_default(),
        }
    }

    pub(super) fn push(&mut self, id: AgentId, held: Held) {
        self.waiting += 1;
        self.of(id).push(held);
    }

    pub(super) fn pop(&mut self, id: AgentId) -> Option<Held> {
        let held = self.of(id).pop()?;
        self.waiting -= 1;
        Some(held)
    }

    pub(super) fn take(&mut self, id: AgentId, cause: Cause) -> Option<Held> {
        let held = self.of(id).take(id, cause)?;
        self.waiting -= 1;
        Some(held)
    }

    /// Puts an agent into the queue, if something waits for it.
    pub(super) fn call(&mut self, id: AgentId) {
        let mailbox = self.of(id);
        if !mailbox.ready && mailbox.len() > 0 {
            mailbox.ready = true;
            self.ready.push_back(id);
        }
    }

    /// Whose turn is next.
    pub(super) fn next(&mut self) -> Option<AgentId> {
        let id = self.ready.pop_front()?;
        self.of(id).ready = false;
        Some(id)
    }

    /// All for whom something waits.
    pub(super) fn waited_for(&self) -> Vec<AgentId> {
        let own = (self.first..).map(AgentId).zip(&self.own);
        let all = own.chain(self.later.iter().map(|(id, mailbox)| (*id, mailbox)));
        all.filter(|(_, mailbox)| mailbox.len() > 0 || mailbox.emptied.is_some())
            .map(|(id, _)| id)
            .collect()
    }

    /// Takes out timers that were taken back.
    pub(super) fn forget_timers(&mut self, id: AgentId, which: Option<TimerId>) {
        self.retain(id, |held| match held {
            Held::Timer(timer) => which.is_some_and(|which| which != *timer),
            Held::Signal(_)
            | Held::Input(_)
            | Held::Mail(_)
            | Held::Birth(..)
            | Held::Denied(_)
            | Held::Told(..) => true,
        });
    }

    /// Takes out the news of an end of which nobody wants to hear any more.
    pub(super) fn forget_signals(&mut self, id: AgentId, who: AgentId, bond: Bond) {
        self.retain(id, |held| match held {
            Held::Signal(signal) => (signal.who, signal.bond) != (who, bond),
            Held::Timer(_)
            | Held::Input(_)
            | Held::Mail(_)
            | Held::Birth(..)
            | Held::Denied(_)
            | Held::Told(..) => true,
        });
    }

    /// What counts against the bound is none of it.
    fn retain(&mut self, id: AgentId, keeps: impl Fn(&Held) -> bool) {
        let mailbox = self.of(id);
        let before = mailbox.len();
        mailbox.retain(keeps);
        let gone = before - mailbox.len();
        self.waiting -= gone as u64;
    }
}

//! The mailboxes of a free-running scheduler, and who has something to do.
//!
//! What waits lies in one slab for all agents, and a mailbox is a list through it: a message is
//! written once, where it stays until it is handled, and an agent for which nothing waits takes no
//! more than its two ends.

use std::collections::{BTreeMap, VecDeque};

use karyon_arrangements::{Bond, Lane, TimerId};
use karyon_log::Cause;
use karyon_types::AgentId;

use super::Envelope;
use super::apart::Held;
use crate::bonds::Left;
use crate::input::InputItem;

/// A place of the slab. More than these can tell would take some 400 GB.
type Place = u32;

const NOWHERE: Place = Place::MAX;

struct Waiting {
    held: Option<Held>,
    /// What waits behind it, or the next free place.
    next: Place,
}

/// What waits in all mailboxes of a scheduler.
struct Slab {
    places: Vec<Waiting>,
    /// The place that was left last: it is still in the cache.
    free: Place,
}

impl Slab {
    fn put(&mut self, held: Held) -> Place {
        let waiting = Waiting { held: Some(held), next: NOWHERE };
        let place = self.free;
        match self.places.get_mut(place as usize) {
            Some(free) => self.free = std::mem::replace(free, waiting).next,
            None => {
                self.places.push(waiting);
                return (self.places.len() - 1) as Place;
            }
        }
        place
    }

    fn take(&mut self, place: Place) -> Option<Held> {
        let waiting = self.places.get_mut(place as usize)?;
        let held = waiting.held.take();
        waiting.next = std::mem::replace(&mut self.free, place);
        held
    }

    fn get(&self, place: Place) -> Option<&Held> {
        self.places.get(place as usize)?.held.as_ref()
    }

    fn next(&self, place: Place) -> Place {
        self.places.get(place as usize).map_or(NOWHERE, |waiting| waiting.next)
    }
}

/// What waits, in the order in which it came.
struct Queue {
    first: Place,
    last: Place,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { first: NOWHERE, last: NOWHERE }
    }
}

impl Queue {
    fn push(&mut self, slab: &mut Slab, place: Place) {
        match slab.places.get_mut(self.last as usize) {
            Some(last) => last.next = place,
            None => self.first = place,
        }
        self.last = place;
    }

    fn pop(&mut self, slab: &mut Slab) -> Option<Held> {
        let first = self.first;
        let next = slab.next(first);
        let held = slab.take(first)?;
        self.first = next;
        if next == NOWHERE {
            self.last = NOWHERE;
        }
        Some(held)
    }

    /// All places of it.
    fn places(&self, slab: &Slab) -> impl Iterator<Item = Place> {
        let next = |place: &Place| Some(slab.next(*place));
        std::iter::successors(Some(self.first), next).take_while(|place| *place != NOWHERE)
    }

    /// Takes out what `is_it` says, at most so much of it.
    fn take(&mut self, slab: &mut Slab, most: usize, is_it: impl Fn(&Held) -> bool) -> Vec<Held> {
        let mut taken = Vec::new();
        let (mut before, mut place) = (NOWHERE, self.first);
        while place != NOWHERE && taken.len() < most {
            let next = slab.next(place);
            if slab.get(place).is_some_and(&is_it) {
                match slab.places.get_mut(before as usize) {
                    Some(before) => before.next = next,
                    None => self.first = next,
                }
                if place == self.last {
                    self.last = before;
                }
                taken.extend(slab.take(place));
            } else {
                before = place;
            }
            place = next;
        }
        taken
    }
}

/// What waits for one agent. What is safety-critical comes first, what is speculative last; all else
/// comes in the order in which it arrived.
#[derive(Default)]
pub(super) struct Mailbox {
    waiting: Queue,
    /// Safety-critical and speculative messages: few agents are sent any.
    lanes: Option<Box<[Queue; 2]>>,
    len: u32,
    /// Messages among them that count against the bound.
    pub(super) counted: u32,
    /// Whether it stands in the queue.
    ready: bool,
    /// The agent began anew, or was killed, and what lay here then is lost, but for what is for
    /// this that is left of it: while the run follows its log, that says what.
    pub(super) emptied: Option<Left>,
}

impl Mailbox {
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    fn push(&mut self, slab: &mut Slab, place: Place, lane: Option<Lane>) {
        self.len += 1;
        self.counted += u32::from(lane.is_some());
        let queue = match lane {
            Some(Lane::Critical) => self.lane(0),
            Some(Lane::Speculative) => self.lane(1),
            Some(Lane::Normal) | None => &mut self.waiting,
        };
        queue.push(slab, place);
    }

    fn lane(&mut self, number: usize) -> &mut Queue {
        let [critical, speculative] = &mut **self.lanes.get_or_insert_default();
        if number == 0 { critical } else { speculative }
    }

    fn pop(&mut self, slab: &mut Slab) -> Option<Held> {
        let held = match &mut self.lanes {
            None => self.waiting.pop(slab),
            Some(lanes) => {
                let [critical, speculative] = &mut **lanes;
                critical
                    .pop(slab)
                    .or_else(|| self.waiting.pop(slab))
                    .or_else(|| speculative.pop(slab))
            }
        }?;
        self.left(&held);
        Some(held)
    }

    fn left(&mut self, held: &Held) {
        self.len -= 1;
        self.counted -= u32::from(held.is_message());
    }

    /// Takes out what `is_it` says, at most so much of it.
    fn take(&mut self, slab: &mut Slab, most: usize, is_it: impl Fn(&Held) -> bool) -> Vec<Held> {
        let mut taken = Vec::new();
        let lanes = self.lanes.iter_mut().flat_map(|lanes| lanes.iter_mut());
        for queue in std::iter::once(&mut self.waiting).chain(lanes) {
            if taken.len() < most {
                taken.extend(queue.take(slab, most - taken.len(), &is_it));
            }
        }
        taken.iter().for_each(|held| self.left(held));
        taken
    }
}

/// What a scheduler has beside its agents if it is free-running.
pub(super) struct Boxes {
    first: u64,
    slab: Slab,
    /// What its agents sent each other and has reached nobody yet.
    posted: VecDeque<Posted>,
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

/// Something that was posted and has reached nobody yet.
#[derive(Clone, Copy)]
pub(super) struct Posted {
    pub(super) to: AgentId,
    pub(super) counted: Option<Lane>,
    place: Place,
}

impl Boxes {
    pub(super) fn new(first: u64, agents: u64) -> Boxes {
        Boxes {
            first,
            slab: Slab { places: Vec::new(), free: NOWHERE },
            posted: VecDeque::new(),
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
        Boxes::mailbox(self.first, &mut self.own, &mut self.later, id)
    }

    #[inline]
    fn mailbox<'a>(
        first: u64,
        own: &'a mut [Mailbox],
        later: &'a mut BTreeMap<AgentId, Mailbox>,
        id: AgentId,
    ) -> &'a mut Mailbox {
        match own.get_mut(id.0.wrapping_sub(first) as usize) {
            Some(mailbox) => mailbox,
            None => later.entry(id).or_default(),
        }
    }

    pub(super) fn push(&mut self, id: AgentId, held: Held) {
        let lane = held.lane();
        let place = self.slab.put(held);
        self.link(id, place, lane);
    }

    fn link(&mut self, id: AgentId, place: Place, lane: Option<Lane>) {
        self.waiting += 1;
        let Boxes { first, own, later, slab, .. } = self;
        Boxes::mailbox(*first, own, later, id).push(slab, place, lane);
    }

    /// Keeps what one of its agents sent another until the step is recorded.
    #[inline]
    pub(super) fn post(&mut self, envelope: Envelope) {
        let (to, counted) = (envelope.to, envelope.counted());
        let place = self.slab.put(Held::Mail(envelope));
        self.posted.push_back(Posted { to, counted, place });
    }

    /// What was posted first.
    pub(super) fn next_posted(&mut self) -> Option<Posted> {
        self.posted.pop_front()
    }

    /// It reaches its mailbox.
    pub(super) fn accept(&mut self, posted: Posted) {
        self.link(posted.to, posted.place, posted.counted);
    }

    /// It does not.
    pub(super) fn decline(&mut self, posted: Posted) -> Option<Held> {
        self.slab.take(posted.place)
    }

    pub(super) fn pop(&mut self, id: AgentId) -> Option<Held> {
        let Boxes { first, own, later, slab, .. } = self;
        let held = Boxes::mailbox(*first, own, later, id).pop(slab)?;
        self.waiting -= 1;
        Some(held)
    }

    /// Takes out what came of this cause.
    pub(super) fn take(&mut self, id: AgentId, cause: Cause) -> Option<Held> {
        self.take_out(id, 1, |held| held.cause(id) == cause).pop()
    }

    fn take_out(&mut self, id: AgentId, most: usize, is_it: impl Fn(&Held) -> bool) -> Vec<Held> {
        let Boxes { first, own, later, slab, .. } = self;
        let taken = Boxes::mailbox(*first, own, later, id).take(slab, most, is_it);
        self.waiting -= taken.len() as u64;
        taken
    }

    /// All that waits for an agent, in the order in which it would be handled.
    pub(super) fn all(&self, id: AgentId) -> impl Iterator<Item = &Held> {
        let mailbox = self.get(id);
        let lane = move |number: usize| {
            let lanes = mailbox.and_then(|mailbox| mailbox.lanes.as_ref());
            lanes.and_then(|lanes| lanes.get(number))
        };
        let waiting = mailbox.map(|mailbox| &mailbox.waiting);
        let queues = [lane(0), waiting, lane(1)].into_iter().flatten();
        queues.flat_map(|queue| queue.places(&self.slab)).filter_map(|place| self.slab.get(place))
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
        self.take_out(id, usize::MAX, |held| match held {
            Held::Timer(timer) => which.is_none_or(|which| which == *timer),
            Held::Signal(_)
            | Held::Input(_)
            | Held::Mail(_)
            | Held::Birth(..)
            | Held::Denied(_)
            | Held::Told(..) => false,
        });
    }

    /// Takes out the news of an end of which nobody wants to hear any more.
    pub(super) fn forget_signals(&mut self, id: AgentId, who: AgentId, bond: Bond) {
        self.take_out(id, usize::MAX, |held| match held {
            Held::Signal(signal) => (signal.who, signal.bond) == (who, bond),
            Held::Timer(_)
            | Held::Input(_)
            | Held::Mail(_)
            | Held::Birth(..)
            | Held::Denied(_)
            | Held::Told(..) => false,
        });
    }
}

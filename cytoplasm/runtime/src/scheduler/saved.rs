//! A scheduler's part of a snapshot. Each field is named here: it is part of it, or follows from
//! it, or means nothing between two ticks.

use karyon_arrangements::Bond;
use karyon_gate::Handle;
use karyon_types::{AgentId, Denial, Tick};
use serde_bytes::ByteBuf;

use super::apart::{Apart, Held};
use super::life::Life;
use super::mailbox::What;
use super::newborn::{self, Origin, Seed};
use super::supervised::Parked;
use super::told::News;
use super::{Envelope, Plan, Scheduler, Slot, TickOutcome};
use crate::agent::{Agent, Deed, Payload};
use crate::births;
use crate::bonds::Signal;
use crate::codec;
use crate::input::InputItem;
use crate::pressure::Refused;
use crate::snapshot::{
    Content, SavedAgent, SavedApart, SavedDeed, SavedHeld, SavedMail, SavedParked, SavedSeed,
    SavedSignal, SavedWhat, Woken, by_of, message_of,
};
use crate::standing::Standing;
use crate::wheel::Wheel;

impl TickOutcome {
    /// Whether all of it was brought on its way.
    pub(crate) fn is_drained(&self) -> bool {
        let TickOutcome {
            records,
            count,
            sent,
            refused,
            passed,
            activated,
            restarts,
            crashes,
            remembered,
            bonds,
            // These two are said anew behind each tick, and follow from the agents' lives.
            timer: _,
            held: _,
            // Of a free-running run alone.
            waiting: _,
            births,
            changes,
            recalls,
            effects,
            pieces,
            signals,
            names,
            error,
        } = self;
        let counted =
            [u64::from(*count), *sent, *refused, *passed, *activated, *restarts, *crashes];
        counted == [0; 7]
            && (records.is_empty() && bonds.is_empty() && births.is_empty())
            && (pieces.is_empty() && signals.is_empty() && names.is_empty())
            && (recalls.is_empty() && effects.is_empty() && changes.is_empty())
            && !remembered
            && error.is_none()
    }
}

impl<A: Agent> Plan<A> {
    /// Makes an agent as it was spawned.
    pub(crate) fn bear(&self, id: AgentId, how: &[u8]) -> Option<A> {
        newborn::bear(self, id, how).ok()
    }
}

impl<A: Agent> Scheduler<A> {
    /// Adds all its agents; `false`: something is under way, and this is no moment for a snapshot.
    pub(crate) fn save(&self, content: &mut Content) -> bool {
        let Scheduler {
            // Where it stands among others: any number of them can go on.
            first: _,
            number: _,
            layout: _,
            share: _,
            slots,
            // With those who came to life: see `Births`.
            origins: _,
            outbox,
            inbox,
            signals,
            // Its timers stand with their agents.
            wheel,
            // Space that is used again.
            due: _,
            order: _,
            sorter: _,
            encoder: _,
            wishes: _,
            undo: _,
            input: _,
            outcome,
            counts,
            // For whoever looks from outside, since they looked last.
            deepest: _,
            watched: _,
            pulse: _,
            apart,
            turns,
            parked,
            lost,
            boxes,
            // There is a snapshot only where nobody has one.
            names: _,
            // The plan has it between two ticks.
            space: _,
            sees: _,
            // None is taken of a run that is only repeated.
            opaque: _,
        } = self;
        if boxes.is_some() {
            // A free-running run is gone on with by its log.
            return false;
        }
        for (id, slot) in slots.all() {
            content.agents.push(match lost.contains(&id) {
                false => slot.save(id, wheel),
                true => SavedAgent { id: id.0, ..SavedAgent::default() },
            });
        }
        for (id, Parked { agent, life }) in parked {
            let life = life.as_ref().and_then(|life| life.save(wheel));
            content.parked.push(SavedParked { id: id.0, state: encoded(agent), life });
        }
        content.apart.extend(apart.iter().map(|(id, apart)| apart.save(*id)));
        content.lost.extend(lost.iter().map(|id| id.0));
        content.counts.add(counts);
        content.mail.extend(turns.mail().map(Envelope::save));
        inbox.is_empty()
            && signals.is_empty()
            && outbox.iter().all(Vec::is_empty)
            && outcome.is_drained()
            && apart.values().all(|apart| apart.ended.is_empty())
    }

    /// How an agent that came to life in the run begins anew.
    /// And whether it stands in the tree.
    pub(crate) fn save_seed(&self, id: AgentId) -> (SavedSeed, bool) {
        let Some(Origin { kind: _, seed, supervised }) = self.origins.get(id) else {
            return (SavedSeed::Spent, false);
        };
        let seed = match seed {
            Seed::How(how) => SavedSeed::How(ByteBuf::from(how.to_vec())),
            Seed::State(state) => SavedSeed::State(ByteBuf::from(state.to_vec())),
            Seed::Spent | Seed::Unknown(_) => SavedSeed::Spent,
        };
        (seed, *supervised)
    }

    /// Takes its agents from what was saved.
    pub(crate) fn load(
        &mut self,
        number: usize,
        woken: &mut Woken<A>,
        handles: &[Option<Handle>],
        agents: u64,
    ) {
        self.wheel = Wheel::at(woken.tick.0);
        let last = woken.agents.len() as u64;
        for id in self.layout.serials(number, last) {
            let place = id.0 as usize - 1;
            let agent = woken.agents.get_mut(place).and_then(Option::take);
            let Some(saved) = woken.content.agents.get_mut(place) else { continue };
            let saved = std::mem::take(saved);
            let lease = handles.get(place).copied().flatten();
            let standing = Standing::load(saved.log_bytes, saved.row, saved.effects);
            let life = saved.life.map(|life| Box::new(Life::load(life, id, &mut self.wheel)));
            let SavedAgent { steps, restarts, .. } = saved;
            let slot = Slot { agent, steps, lease, restarts, standing, life };
            match self.slots.get_mut((id.0 - self.first) as usize) {
                Some(there) => *there = slot,
                None => self.slots.push(id, slot),
            }
            let later = (id.0.checked_sub(agents + 1)).map(|later| later as usize);
            if let Some(later) = later
                && let Some(saved) = woken.content.later.get_mut(later)
                && let Some(kind) = woken.kinds.get(later)
            {
                let seed = match std::mem::replace(&mut saved.seed, SavedSeed::Spent) {
                    SavedSeed::How(how) => Seed::How(how.into_vec().into()),
                    SavedSeed::State(state) => Seed::State(state.into_vec().into()),
                    SavedSeed::Spent => Seed::Spent,
                };
                let supervised = saved.supervised;
                self.origins.insert(id, Origin { kind, seed, supervised });
            }
        }
        self.load_apart(number, woken);
    }

    /// What stands apart from its agents' places.
    fn load_apart(&mut self, number: usize, woken: &mut Woken<A>) {
        let layout = self.layout;
        let is_own = |serial: u64| layout.home(AgentId(serial)) == Some(number);
        for saved in woken.content.parked.extract_if(.., |parked| is_own(parked.id)) {
            let id = AgentId(saved.id);
            let life = saved.life.map(|life| Box::new(Life::load(life, id, &mut self.wheel)));
            if let Some(agent) = woken.parked.remove(&id) {
                self.parked.insert(id, Parked { agent, life });
            }
        }
        for saved in woken.content.apart.extract_if(.., |apart| is_own(apart.id)) {
            self.apart.insert(AgentId(saved.id), Apart::load(saved));
        }
        let lost = woken.content.lost.iter().filter(|serial| is_own(**serial));
        self.lost.extend(lost.map(|serial| AgentId(*serial)));
    }

    /// Takes what was counted, and what lies in mailboxes where agents take turns.
    pub(crate) fn load_turns(&mut self, content: &mut Content, last: u64) {
        self.counts = content.counts;
        self.turns.load(content.mail.drain(..).filter_map(Envelope::load), last);
    }

    /// The first tick at which a timer fires.
    pub(crate) fn soonest(&mut self) -> Option<Tick> {
        self.wheel.soonest(true).map(Tick)
    }
}

fn encoded<A: Agent>(agent: &A) -> ByteBuf {
    let mut state = Vec::new();
    codec::encode(agent, &mut state);
    ByteBuf::from(state)
}

impl<A: Agent> Slot<A> {
    fn save(&self, id: AgentId, wheel: &Wheel<super::life::Armed>) -> SavedAgent {
        // Leases are opened again.
        let Slot { agent, steps, lease: _, restarts, standing, life } = self;
        let (log_bytes, row, effects) = standing.save();
        SavedAgent {
            id: id.0,
            state: agent.as_ref().map(encoded),
            steps: *steps,
            restarts: *restarts,
            log_bytes,
            row,
            effects,
            life: life.as_ref().and_then(|life| life.save(wheel)),
        }
    }
}

impl Apart {
    fn save(&self, id: AgentId) -> SavedApart {
        // Orders, and births that failed, come behind the moment at which snapshots are taken.
        let Apart { paused, ended: _, emptied, held } = self;
        let held = held.iter().map(Held::save).collect();
        SavedApart { id: id.0, paused: *paused, emptied: *emptied, held }
    }

    fn load(saved: SavedApart) -> Apart {
        let SavedApart { id, paused, emptied, held } = saved;
        let held = held.into_iter().filter_map(|held| Held::load(held, AgentId(id))).collect();
        Apart { paused, ended: Vec::new(), emptied, held }
    }
}

impl Held {
    fn save(&self) -> SavedHeld {
        match self {
            Held::Signal(signal) => SavedHeld::Signal(signal.save()),
            Held::Timer(timer) => SavedHeld::Timer(*timer),
            Held::Input(item) => SavedHeld::Input(item.index),
            Held::Mail(envelope) => SavedHeld::Mail(envelope.save()),
            Held::Birth(by, child) => {
                let child = child.map(|child| child.0).map_err(|denial| denial as u8);
                SavedHeld::Birth(by_of(*by), child)
            }
            Held::Denied(births::Refused { by, deed, denial }) => {
                SavedHeld::Denied(by_of(*by), deed.save(), *denial as u8)
            }
            Held::Told(by, News::Answer(answer)) => {
                SavedHeld::Told(by_of(*by), ByteBuf::from(answer.to_vec()))
            }
            Held::Told(by, News::Receipt(what)) => {
                SavedHeld::Receipt(by_of(*by), ByteBuf::from(what.to_vec()))
            }
        }
    }

    fn load(saved: SavedHeld, receiver: AgentId) -> Option<Held> {
        Some(match saved {
            SavedHeld::Signal(signal) => Held::Signal(Signal::load(signal)),
            SavedHeld::Timer(timer) => Held::Timer(timer),
            SavedHeld::Input(index) => Held::Input(InputItem { receiver, index }),
            SavedHeld::Mail(envelope) => Held::Mail(Envelope::load(envelope)?),
            SavedHeld::Birth(by, Ok(child)) => Held::Birth(message_of(by), Ok(AgentId(child))),
            SavedHeld::Birth(by, Err(denial)) => {
                Held::Birth(message_of(by), Err(Denial::from_number(denial)?))
            }
            SavedHeld::Denied(by, deed, denial) => {
                let denial = Denial::from_number(denial)?;
                Held::Denied(births::Refused { by: message_of(by), deed: Deed::load(deed), denial })
            }
            SavedHeld::Told(by, answer) => {
                Held::Told(message_of(by), News::Answer(answer.into_vec().into()))
            }
            SavedHeld::Receipt(by, what) => {
                Held::Told(message_of(by), News::Receipt(what.into_vec().into()))
            }
        })
    }
}

impl Signal {
    pub(crate) fn save(&self) -> SavedSignal {
        let Signal { to, who, bond, by, reason } = self;
        SavedSignal {
            to: to.0,
            who: who.0,
            is_link: *bond == Bond::Link,
            by: by_of(*by),
            reason: reason.clone(),
        }
    }

    pub(crate) fn load(saved: SavedSignal) -> Signal {
        let SavedSignal { to, who, is_link, by, reason } = saved;
        let bond = if is_link { Bond::Link } else { Bond::Monitor };
        Signal { to: AgentId(to), who: AgentId(who), bond, by: message_of(by), reason }
    }
}

impl Envelope {
    /// Who sent it on its way: of the news of a refusal, whoever refused.
    pub(crate) fn actor(&self) -> AgentId {
        match self.what {
            What::Message(_) | What::Denied(..) => self.message.from,
            What::Refused(by, _) => by,
        }
    }

    pub(crate) fn save(&self) -> SavedMail {
        let Envelope { to, message, what, payload } = self;
        let what = match *what {
            What::Message(lane) => SavedWhat::Message(lane),
            What::Denied(denial, deed) => SavedWhat::Denied(denial as u8, deed.save()),
            What::Refused(by, why) => SavedWhat::Refused(by.0, why == Refused::LaneClosed),
        };
        let payload = ByteBuf::from(payload.to_vec());
        SavedMail { to: to.0, by: by_of(*message), what, payload }
    }

    /// `None`: a denial that this version does not know.
    pub(crate) fn load(saved: SavedMail) -> Option<Envelope> {
        let SavedMail { to, by, what, payload } = saved;
        let what = match what {
            SavedWhat::Message(lane) => What::Message(lane),
            SavedWhat::Denied(denial, deed) => {
                What::Denied(Denial::from_number(denial)?, Deed::load(deed))
            }
            SavedWhat::Refused(by, true) => What::Refused(AgentId(by), Refused::LaneClosed),
            SavedWhat::Refused(by, false) => What::Refused(AgentId(by), Refused::MailboxFull),
        };
        let payload = Payload::from_slice(&payload);
        Some(Envelope { to: AgentId(to), message: message_of(by), what, payload })
    }
}

impl Deed {
    fn save(self) -> SavedDeed {
        match self {
            Deed::Send(to) => SavedDeed::Send(to.0),
            Deed::Remember => SavedDeed::Remember,
            Deed::Arm => SavedDeed::Arm,
            Deed::Monitor(to) => SavedDeed::Monitor(to.0),
            Deed::Link(to) => SavedDeed::Link(to.0),
            Deed::Terminate(child) => SavedDeed::Terminate(child.0),
            Deed::Register(holder) => SavedDeed::Register(holder.0),
            Deed::Join => SavedDeed::Join,
            Deed::Mark(agent) => SavedDeed::Mark(agent.0),
            Deed::Spawn => SavedDeed::Spawn,
            Deed::Recall => SavedDeed::Recall,
            Deed::Effect => SavedDeed::Effect,
        }
    }

    fn load(saved: SavedDeed) -> Deed {
        match saved {
            SavedDeed::Send(to) => Deed::Send(AgentId(to)),
            SavedDeed::Remember => Deed::Remember,
            SavedDeed::Arm => Deed::Arm,
            SavedDeed::Monitor(to) => Deed::Monitor(AgentId(to)),
            SavedDeed::Link(to) => Deed::Link(AgentId(to)),
            SavedDeed::Terminate(child) => Deed::Terminate(AgentId(child)),
            SavedDeed::Register(holder) => Deed::Register(AgentId(holder)),
            SavedDeed::Join => Deed::Join,
            SavedDeed::Mark(agent) => Deed::Mark(AgentId(agent)),
            SavedDeed::Spawn => Deed::Spawn,
            SavedDeed::Recall => Deed::Recall,
            SavedDeed::Effect => Deed::Effect,
        }
    }
}

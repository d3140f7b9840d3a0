//! Who is told of whose end: monitors and links, and the signals that follow from them.
//!
//! What agents bind and how they end in a tick is put in the order of serials by the leader, while
//! all schedulers wait, and becomes signals of the next tick. So it is the same for any number of
//! schedulers. Nothing is kept, and nothing is done, for agents that are not bound.

mod saved;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use karyon_arrangements::{Bond, ExitReason};
use karyon_log::{LOST_STEP, Message};
use karyon_types::AgentId;

use crate::engine::lock;
use crate::scheduler::{Layout, TickOutcome};

/// What a step did to bonds, or how an agent ended.
#[derive(Debug)]
pub(crate) enum BondChange {
    /// `by`: the output with which an agent binds itself.
    Bind {
        by: Message,
        to: AgentId,
        bond: Bond,
    },
    Unbind {
        from: AgentId,
        to: AgentId,
        bond: Bond,
    },
    /// `by`: the output with which an agent ended, or the first of the step that it failed in.
    End {
        by: Message,
        reason: ExitReason,
        left: Left,
    },
    /// No bond: with this output an agent wants another one to be stopped by its supervisor.
    Terminate {
        by: Message,
        child: AgentId,
    },
}

/// What is left of an agent that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// It began anew, bound to nobody.
    Anew,
    /// It goes on from its last good state: it still monitors whom it monitored.
    LastGood,
    /// As nothing; but should its supervisor start it again at once, it goes on as `LastGood`.
    Resting,
}

/// The news of an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    pub(crate) to: AgentId,
    /// Who ended.
    pub(crate) who: AgentId,
    pub(crate) bond: Bond,
    pub(crate) by: Message,
    pub(crate) reason: ExitReason,
}

type Ends = BTreeMap<AgentId, BTreeSet<(AgentId, Bond)>>;

/// All bonds of a run.
#[derive(Default)]
pub(crate) struct Bonds {
    /// By agent: who is told when it ends. A link stands here both ways.
    told: Ends,
    /// By agent: of whose end it is told.
    heeds: Ends,
    gone: BTreeSet<AgentId>,
    /// Serials behind this one nobody has yet.
    pub(crate) last: u64,
    /// The signals of the next tick, by receiver.
    due: BTreeMap<AgentId, Vec<Signal>>,
    /// Who was told something since somebody looked.
    fresh: Vec<AgentId>,
    /// Who ended, or began anew, since the tick began.
    fallen: Vec<(AgentId, Fallen)>,
}

/// An end behind which nothing is left of what an agent had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fallen {
    /// The step in which it ended; what it wanted up to there is void.
    pub(crate) step: u64,
    /// It may go on as it was, if it is there again.
    rests: bool,
}

impl Bonds {
    /// Of a run whose last agent has this serial.
    pub(crate) fn new(last: u64) -> Bonds {
        Bonds { last, ..Bonds::default() }
    }

    pub(crate) fn apply(&mut self, change: BondChange) {
        match change {
            BondChange::Bind { by, to, .. } if by.from == to => {}
            BondChange::Bind { by, to, bond } if to.0 > self.last || self.gone.contains(&to) => {
                let reason = ExitReason::NoProcess;
                self.tell(Signal { to: by.from, who: to, bond, by, reason });
            }
            BondChange::Bind { by, to, bond } => {
                self.bind(by.from, to, bond);
                if bond == Bond::Link {
                    self.bind(to, by.from, bond);
                }
            }
            BondChange::Unbind { from, to, bond } => {
                self.unbind(from, to, bond);
                if bond == Bond::Link {
                    self.unbind(to, from, bond);
                }
                // Whoever unbinds itself hears nothing more, as in OTP.
                if let Some(signals) = self.due.get_mut(&from) {
                    signals.retain(|signal| (signal.who, signal.bond) != (to, bond));
                }
            }
            BondChange::End { by, reason, left } => self.end(by, &reason, left),
            BondChange::Terminate { .. } => {}
        }
    }

    /// Agents are lost: as if they were killed. Those who had ended before did so for themselves.
    pub(crate) fn lose(&mut self, first: AgentId, last: AgentId) {
        for id in
            (first.0..=last.0).map(AgentId).filter(|id| !self.gone.contains(id)).collect::<Vec<_>>()
        {
            let by = Message { from: id, step: LOST_STEP, output: 0 };
            self.end(by, &ExitReason::Killed, Left::Nothing);
        }
    }

    /// Whether an agent ended for good.
    pub(crate) fn is_gone(&self, id: AgentId) -> bool {
        self.gone.contains(&id)
    }

    /// Nobody has anything to lose.
    pub(crate) fn pass_over_fallen(&mut self) {
        self.fallen.clear();
    }

    /// Who lost what it had since somebody asked, and with which of its steps at the latest.
    pub(crate) fn take_fallen(&mut self) -> BTreeMap<AgentId, Fallen> {
        let mut fallen: BTreeMap<AgentId, Fallen> = BTreeMap::new();
        for (who, end) in self.fallen.drain(..) {
            if end.rests && !self.gone.contains(&who) {
                continue;
            }
            let last = fallen.entry(who).or_insert(end);
            last.step = last.step.max(end.step);
        }
        fallen
    }

    /// The signals that are due in the next tick, by receiver.
    fn take_due(&mut self) -> BTreeMap<AgentId, Vec<Signal>> {
        std::mem::take(&mut self.due)
    }

    /// Who was told something since the last time that this was asked.
    pub(crate) fn fresh(&mut self) -> std::vec::Drain<'_, AgentId> {
        self.fresh.drain(..)
    }

    /// Those who are to be told something.
    pub(crate) fn due(&self) -> impl Iterator<Item = AgentId> {
        self.due.keys().copied()
    }

    /// What an agent is to be told.
    pub(crate) fn take_due_of(&mut self, agent: AgentId) -> Option<Vec<Signal>> {
        if self.due.is_empty() { None } else { self.due.remove(&agent) }
    }

    /// Gives the signals of the next tick to the receivers' schedulers.
    pub(crate) fn deliver(&mut self, layout: Layout, outcomes: &[Mutex<TickOutcome>]) {
        self.fresh.clear();
        for (to, signals) in self.take_due() {
            if let Some(outcome) = layout.home(to).and_then(|home| outcomes.get(home)) {
                lock(outcome).signals.extend(signals);
            }
        }
    }

    fn end(&mut self, by: Message, reason: &ExitReason, left: Left) {
        let who = by.from;
        if left != Left::LastGood {
            let rests = left == Left::Resting;
            self.fallen.push((who, Fallen { step: by.step, rests }));
        }
        match left {
            Left::LastGood | Left::Resting => {}
            Left::Nothing | Left::Anew => {
                // What was on its way to it was for the one that ended.
                self.due.remove(&who);
                self.forget_monitors(who);
            }
        }
        for (to, bond) in self.told.remove(&who).unwrap_or_default() {
            remove(&mut self.heeds, to, (who, bond));
            if bond == Bond::Link {
                self.unbind(who, to, bond);
            }
            self.tell(Signal { to, who, bond, by, reason: reason.clone() });
        }
        if matches!(left, Left::Nothing | Left::Resting) {
            self.gone.insert(who);
        }
    }

    /// An agent that was gone is there again; it `goes_on` from its last good state or begins.
    pub(crate) fn began(&mut self, who: AgentId, goes_on: bool) {
        self.gone.remove(&who);
        if !goes_on {
            self.fallen.push((who, Fallen { step: u64::MAX, rests: false }));
            self.due.remove(&who);
            self.forget_monitors(who);
        }
    }

    /// An agent hears of no end any more.
    pub(crate) fn forget_monitors(&mut self, who: AgentId) {
        for (other, bond) in self.heeds.get(&who).cloned().unwrap_or_default() {
            if bond == Bond::Monitor {
                self.unbind(who, other, bond);
            }
        }
    }

    /// How many signals are due in the next tick.
    pub(crate) fn waiting(&self) -> u64 {
        self.due.values().map(|signals| signals.len() as u64).sum()
    }

    pub(crate) fn tell(&mut self, signal: Signal) {
        self.fresh.push(signal.to);
        self.due.entry(signal.to).or_default().push(signal);
    }

    fn bind(&mut self, from: AgentId, to: AgentId, bond: Bond) {
        self.told.entry(to).or_default().insert((from, bond));
        self.heeds.entry(from).or_default().insert((to, bond));
    }

    fn unbind(&mut self, from: AgentId, to: AgentId, bond: Bond) {
        remove(&mut self.told, to, (from, bond));
        remove(&mut self.heeds, from, (to, bond));
    }
}

fn remove(ends: &mut Ends, of: AgentId, what: (AgentId, Bond)) {
    if let Some(set) = ends.get_mut(&of) {
        set.remove(&what);
        if set.is_empty() {
            ends.remove(&of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(from: u64) -> Message {
        Message { from: AgentId(from), step: 0, output: 0 }
    }

    fn bind(bonds: &mut Bonds, from: u64, to: u64, bond: Bond) {
        bonds.apply(BondChange::Bind { by: by(from), to: AgentId(to), bond });
    }

    fn end(bonds: &mut Bonds, who: u64, left: Left) {
        bonds.apply(BondChange::End { by: by(who), reason: ExitReason::Killed, left });
    }

    fn due(bonds: &mut Bonds) -> Vec<(u64, u64, Bond)> {
        let due = bonds.take_due().into_values().flatten();
        due.map(|signal| (signal.to.0, signal.who.0, signal.bond)).collect()
    }

    #[test]
    fn whoever_is_bound_twice_is_told_of_each_bond_once() {
        let mut bonds = Bonds::new(9);
        bind(&mut bonds, 1, 2, Bond::Monitor);
        bind(&mut bonds, 1, 2, Bond::Monitor);
        bind(&mut bonds, 2, 1, Bond::Link);
        end(&mut bonds, 2, Left::Anew);
        assert_eq!(due(&mut bonds), [(1, 2, Bond::Monitor), (1, 2, Bond::Link)]);
        end(&mut bonds, 2, Left::Nothing);
        end(&mut bonds, 1, Left::Nothing);
        assert_eq!(due(&mut bonds), []);
        assert!(bonds.told.is_empty() && bonds.heeds.is_empty());
    }

    #[test]
    fn who_unbinds_itself_hears_nothing_even_of_an_end_before() {
        let mut bonds = Bonds::new(9);
        bind(&mut bonds, 1, 2, Bond::Monitor);
        bind(&mut bonds, 1, 2, Bond::Link);
        end(&mut bonds, 2, Left::Nothing);
        let (from, to) = (AgentId(1), AgentId(2));
        bonds.apply(BondChange::Unbind { from, to, bond: Bond::Link });
        assert_eq!(due(&mut bonds), [(1, 2, Bond::Monitor)]);
        bind(&mut bonds, 3, 2, Bond::Link);
        assert_eq!(due(&mut bonds), [(3, 2, Bond::Link)], "there is nobody");
    }

    #[test]
    fn what_began_anew_is_bound_to_nobody_and_what_goes_on_still_monitors() {
        let mut bonds = Bonds::new(9);
        for who in [1, 3] {
            bind(&mut bonds, who, 2, Bond::Monitor);
            bind(&mut bonds, who, 2, Bond::Link);
        }
        end(&mut bonds, 1, Left::LastGood);
        end(&mut bonds, 3, Left::Anew);
        assert_eq!(due(&mut bonds), [(2, 1, Bond::Link), (2, 3, Bond::Link)]);
        end(&mut bonds, 2, Left::Anew);
        assert_eq!(due(&mut bonds), [(1, 2, Bond::Monitor)]);
        assert!(bonds.told.is_empty() && bonds.heeds.is_empty());
    }
}

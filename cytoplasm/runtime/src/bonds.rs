//! Who is told of whose end: monitors and links, and the signals that follow from them.
//!
//! What agents bind and how they end in a tick is put in the order of serials by the leader, while
//! all schedulers wait, and becomes signals of the next tick. So it is the same for any number of
//! schedulers. Nothing is kept, and nothing is done, for agents that are not bound.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use karyon_arrangements::{Bond, ExitReason};
use karyon_log::{LOST_STEP, Message};
use karyon_types::AgentId;

use crate::engine::lock;
use crate::scheduler::{TickOutcome, share};

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
}

/// What is left of an agent that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Nothing,
    /// It began anew, bound to nobody.
    Anew,
    /// It goes on from its last good state: it still monitors whom it monitored.
    LastGood,
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
    /// The signals of the next tick, by receiver.
    due: BTreeMap<AgentId, Vec<Signal>>,
}

impl Bonds {
    pub(crate) fn apply(&mut self, change: BondChange) {
        match change {
            BondChange::Bind { by, to, .. } if by.from == to => {}
            BondChange::Bind { by, to, bond } if self.gone.contains(&to) => {
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

    /// The signals that are due in the next tick, by receiver.
    fn take_due(&mut self) -> BTreeMap<AgentId, Vec<Signal>> {
        std::mem::take(&mut self.due)
    }

    /// Gives the signals of the next tick to the receivers' schedulers; how many.
    pub(crate) fn deliver(&mut self, agents: u64, outcomes: &[Mutex<TickOutcome>]) -> u64 {
        let share = share(agents, outcomes.len());
        let mut count = 0;
        for (to, signals) in self.take_due() {
            count += signals.len() as u64;
            if let Some(outcome) = outcomes.get(((to.0 - 1) / share) as usize) {
                lock(outcome).signals.extend(signals);
            }
        }
        count
    }

    fn end(&mut self, by: Message, reason: &ExitReason, left: Left) {
        let who = by.from;
        match left {
            Left::LastGood => {}
            Left::Nothing | Left::Anew => {
                // What was on its way to it was for the one that ended.
                self.due.remove(&who);
                for (other, bond) in self.heeds.get(&who).cloned().unwrap_or_default() {
                    if bond == Bond::Monitor {
                        self.unbind(who, other, bond);
                    }
                }
            }
        }
        for (to, bond) in self.told.remove(&who).unwrap_or_default() {
            remove(&mut self.heeds, to, (who, bond));
            if bond == Bond::Link {
                self.unbind(who, to, bond);
            }
            self.tell(Signal { to, who, bond, by, reason: reason.clone() });
        }
        if left == Left::Nothing {
            self.gone.insert(who);
        }
    }

    fn tell(&mut self, signal: Signal) {
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
        let mut bonds = Bonds::default();
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
        let mut bonds = Bonds::default();
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
        let mut bonds = Bonds::default();
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

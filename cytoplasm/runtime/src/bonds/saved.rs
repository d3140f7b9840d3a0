//! All bonds of a run, in a snapshot.

use karyon_arrangements::Bond;
use karyon_types::AgentId;

use super::{Bonds, Signal};
use crate::snapshot::SavedBonds;

impl Bonds {
    pub(crate) fn save(&self) -> SavedBonds {
        let Bonds {
            // The same as `heeds`, the other way.
            told: _,
            heeds,
            gone,
            // How many agents there are.
            last: _,
            due,
            // Of use within a tick.
            fresh: _,
            // Of use where names are taken, and there no snapshot is.
            fallen: _,
        } = self;
        let pairs = |others: &std::collections::BTreeSet<(AgentId, Bond)>| {
            others.iter().map(|(other, bond)| (other.0, *bond == Bond::Link)).collect()
        };
        SavedBonds {
            heeds: heeds.iter().map(|(who, others)| (who.0, pairs(others))).collect(),
            gone: gone.iter().map(|who| who.0).collect(),
            due: due.values().flatten().map(Signal::save).collect(),
        }
    }

    /// Of a run whose last agent has the serial `last`.
    pub(crate) fn load(saved: SavedBonds, last: u64) -> Bonds {
        let SavedBonds { heeds, gone, due } = saved;
        let mut bonds = Bonds::new(last);
        for (who, others) in heeds {
            for (other, is_link) in others {
                let bond = if is_link { Bond::Link } else { Bond::Monitor };
                bonds.bind(AgentId(who), AgentId(other), bond);
            }
        }
        bonds.gone = gone.into_iter().map(AgentId).collect();
        due.into_iter().for_each(|signal| bonds.tell(Signal::load(signal)));
        bonds.fresh.clear();
        bonds
    }
}

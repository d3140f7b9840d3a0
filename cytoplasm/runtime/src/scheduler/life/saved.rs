//! An agent's own life in a snapshot.

use karyon_arrangements::Bond;
use karyon_types::AgentId;
use serde_bytes::ByteBuf;

use super::{Armed, Life, Timer};
use crate::agent::Payload;
use crate::snapshot::{SavedLife, SavedTimer};
use crate::wheel::Wheel;

impl Life {
    /// `None`: nothing is arranged, which is as good as no life of its own.
    pub(in crate::scheduler) fn save(&self, wheel: &Wheel<Armed>) -> Option<SavedLife> {
        let Life { traps, timers, bonds, recalls } = self;
        let saved = SavedLife {
            traps: *traps,
            timers: timers
                .iter()
                .map(|(id, Timer { key, rests, every, payload })| SavedTimer {
                    id: *id,
                    due: key.and_then(|key| wheel.due(key)),
                    rests: *rests,
                    every: *every,
                    payload: ByteBuf::from(payload.to_vec()),
                })
                .collect(),
            bonds: bonds.iter().map(|(bond, to)| (*bond == Bond::Link, to.0)).collect(),
            recalls: *recalls,
        };
        let SavedLife { traps, timers, bonds, recalls } = &saved;
        let is_none = !*traps && timers.is_empty() && bonds.is_empty() && *recalls == 0;
        (!is_none).then_some(saved)
    }

    /// Puts its timers on the wheel.
    pub(in crate::scheduler) fn load(
        saved: SavedLife,
        agent: AgentId,
        wheel: &mut Wheel<Armed>,
    ) -> Life {
        let SavedLife { traps, timers, bonds, recalls } = saved;
        let timers = timers.into_iter().map(|SavedTimer { id, due, rests, every, payload }| {
            let key = due.map(|due| wheel.insert(due, (agent, id)));
            (id, Timer { key, rests, every, payload: Payload::from_slice(&payload) })
        });
        let bond = |is_link| if is_link { Bond::Link } else { Bond::Monitor };
        let bonds = bonds.into_iter().map(|(is_link, to)| (bond(is_link), AgentId(to)));
        Life { traps, timers: timers.collect(), bonds: bonds.collect(), recalls }
    }
}

//! How the agents of a run take turns: part of what the run is, and so recorded at its beginning.

use std::fmt;

use karyon_types::{Tick, varint};

/// Who acts when within a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turns {
    /// All at once: what is sent in a tick arrives in the next.
    #[default]
    Simultaneous,
    /// One after the other, in an order that is drawn for each tick: what is sent arrives in the
    /// same tick, if its receiver's turn is still to come.
    Random,
    /// Likewise, but the order is drawn for all stages of a step at once.
    RandomByStep,
    /// No order of the whole: each acts as soon as something reaches it, and ticks are milliseconds.
    /// What ran when is in the log.
    Free,
}

/// How the agents of a run take turns, and the seed of all that is drawn in it. The usual one is
/// simultaneous, without stages, with the seed 0: it is not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    turns: Turns,
    /// Ticks of a step of the model; 0: it has no stages.
    stages: u32,
    seed: u64,
}

mod number {
    pub(super) const SIMULTANEOUS: u8 = 1;
    pub(super) const RANDOM: u8 = 2;
    pub(super) const RANDOM_BY_STEP: u8 = 3;
    pub(super) const FREE: u8 = 5;
}

impl Schedule {
    /// Within a tick the agents act one after the other, in an order drawn from `seed` and the
    /// tick; each hears first what those before it sent it.
    pub fn sequential_random(seed: u64) -> Schedule {
        Schedule { turns: Turns::Random, stages: 0, seed }
    }

    /// A step of the model takes `stages` ticks (at least one), and agents learn in which they
    /// are. In each all act at once, on what was sent in the one before.
    pub fn staged(stages: u32) -> Schedule {
        Schedule { stages: stages.max(1), ..Schedule::default() }
    }

    /// In each stage the agents act one after the other, in an order drawn anew.
    pub fn shuffled(self, seed: u64) -> Schedule {
        Schedule { turns: Turns::Random, seed, ..self }
    }

    /// In each stage the agents act one after the other, in an order drawn once a step.
    pub fn shuffled_by_step(self, seed: u64) -> Schedule {
        Schedule { turns: Turns::RandomByStep, seed, ..self }
    }

    /// Free-running: agents act as soon as something reaches them, a tick is a millisecond since the
    /// run began, and the order in which steps ran is in the log.
    pub fn free() -> Schedule {
        Schedule { turns: Turns::Free, ..Schedule::default() }
    }

    /// With this seed for the order of turns and for what agents draw.
    pub fn seeded(self, seed: u64) -> Schedule {
        Schedule { seed, ..self }
    }

    /// Who acts when.
    pub fn turns(&self) -> Turns {
        self.turns
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether agents act one after the other, rather than all at once.
    pub fn is_sequential(&self) -> bool {
        matches!(self.turns, Turns::Random | Turns::RandomByStep)
    }

    /// Whether there is no order of the whole.
    pub fn is_free(&self) -> bool {
        self.turns == Turns::Free
    }

    /// Whether an agent hears its messages before its timers and inputs come: in all schedules
    /// but the usual one, so that who acts on its own clock knows what the others did before.
    pub fn hears_first(&self) -> bool {
        self.is_sequential() || self.stages > 0
    }

    /// The stages of a step of the model: at least one.
    pub fn stages(&self) -> u32 {
        self.stages.max(1)
    }

    /// The stage that `tick` is, counted from 0.
    pub fn stage(&self, tick: Tick) -> u32 {
        (tick.0 % u64::from(self.stages())) as u32
    }

    /// The step of the model that `tick` belongs to, counted from 0.
    pub fn round(&self, tick: Tick) -> u64 {
        tick.0 / u64::from(self.stages())
    }

    /// Appends the schedule.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(match self.turns {
            Turns::Simultaneous => number::SIMULTANEOUS,
            Turns::Random => number::RANDOM,
            Turns::RandomByStep => number::RANDOM_BY_STEP,
            Turns::Free => number::FREE,
        });
        varint::write(out, u64::from(self.stages));
        varint::write(out, self.seed);
    }

    /// Reads a schedule; `None` when the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Option<Schedule> {
        let (&turns, mut rest) = bytes.split_first()?;
        let turns = match turns {
            number::SIMULTANEOUS => Turns::Simultaneous,
            number::RANDOM => Turns::Random,
            number::RANDOM_BY_STEP => Turns::RandomByStep,
            number::FREE => Turns::Free,
            _ => return None,
        };
        let stages = varint::read(&mut rest)?.try_into().ok()?;
        let seed = varint::read(&mut rest)?;
        rest.is_empty().then_some(Schedule { turns, stages, seed })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.turns {
            Turns::Simultaneous => "simultaneous",
            Turns::Random => "sequential, in random order",
            Turns::RandomByStep => "sequential, in random order by step",
            Turns::Free => "free-running",
        })?;
        if self.stages > 0 {
            write!(f, ", {} stages", self.stages)?;
        }
        write!(f, ", seed {}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(schedule: Schedule) -> Vec<u8> {
        let mut bytes = Vec::new();
        schedule.encode(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn schedules_come_back(stages: u32, seed: u64) {
            let staged = Schedule::staged(stages);
            for schedule in [
                Schedule::default().seeded(seed), Schedule::sequential_random(seed), staged,
                staged.shuffled(seed), staged.shuffled_by_step(seed), Schedule::free().seeded(seed),
            ] {
                prop_assert_eq!(Schedule::decode(&bytes(schedule)), Some(schedule));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_decode_to_their_own_encoding(read: Vec<u8>) {
            if let Some(schedule) = Schedule::decode(&read) {
                prop_assert_eq!(bytes(schedule), read);
            }
        }
    }

    #[test]
    fn numbers_stay_what_they_are() {
        assert_eq!(bytes(Schedule::default()), b"\x01\x00\x00");
        assert_eq!(bytes(Schedule::sequential_random(300)), b"\x02\x00\xac\x02");
        assert_eq!(bytes(Schedule::staged(4).shuffled_by_step(1)), b"\x03\x04\x01");
        assert_eq!(bytes(Schedule::free()), b"\x05\x00\x00");
    }

    #[test]
    fn ticks_are_stages_of_steps() {
        let schedule = Schedule::staged(3);
        let stages: Vec<_> = (0..7).map(|tick| schedule.stage(Tick(tick))).collect();
        assert_eq!(stages, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!((schedule.round(Tick(5)), schedule.round(Tick(6))), (1, 2));
        let plain = Schedule::default();
        assert_eq!((plain.stage(Tick(9)), plain.round(Tick(9))), (0, 9));
    }
}

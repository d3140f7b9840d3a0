//! Chaos: kills steps at random, but the same ones in every run of a seed.
//!
//! A draw is a function of (seed, logical message, attempt) alone, so it is the same for any
//! number of schedulers, and stands outside whatever agents draw themselves.

use karyon_log::Cause;
use karyon_types::{AgentId, Tick};

use crate::draws::{mix, unit};

/// Which steps die.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chaos {
    seed: u64,
    probability: f64,
}

impl Chaos {
    /// Each attempt of a step dies with `probability` (0 to 1).
    pub fn new(seed: u64, probability: f64) -> Chaos {
        Chaos { seed, probability }
    }

    /// Whether this attempt dies.
    #[inline]
    pub(crate) fn kills(&self, agent: AgentId, tick: Tick, cause: &Cause, attempt: u32) -> bool {
        if self.probability <= 0.0 {
            return false;
        }
        let (kind, from, step, output) = match *cause {
            Cause::Input(index) => (0, 0, u64::from(index), 0),
            Cause::Message(m) => (1, m.from.0, m.step, m.output),
            Cause::Denial(m) => (2, m.from.0, m.step, m.output),
            // One timer may fire in many ticks.
            Cause::Timer(m) => (3, tick.0, m.step, m.output),
            Cause::Down(m) => (4, m.from.0, m.step, m.output),
            Cause::Exit(m) => (5, m.from.0, m.step, m.output),
            Cause::Spawn(m) => (6, m.from.0, m.step, m.output),
            Cause::Told(m) => (7, m.from.0, m.step, m.output),
        };
        let mut draw = mix(self.seed);
        for key in [kind, agent.0, from, step, u64::from(output) << 32 | u64::from(attempt)] {
            draw = mix(draw ^ mix(key));
        }
        unit(draw) < self.probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_log::Message;

    #[test]
    fn kills_about_as_often_as_it_says_and_always_the_same() {
        for (probability, low, high) in
            [(0.0, 0, 0), (0.01, 850, 1150), (0.1, 9_700, 10_300), (1.0, 100_000, 100_000)]
        {
            let count = |seed| {
                let chaos = Chaos::new(seed, probability);
                (0..100_000u64)
                    .filter(|n| {
                        let message = Message { from: AgentId(n % 97), step: n / 97, output: 0 };
                        chaos.kills(AgentId(n % 89), Tick(*n), &Cause::Message(message), 0)
                    })
                    .count()
            };
            let killed = count(7);
            assert!((low..=high).contains(&killed), "{probability}: {killed}");
            assert_eq!(killed, count(7));
        }
    }
}

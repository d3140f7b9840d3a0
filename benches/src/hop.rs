//! The message workload, the same for every engine: chains that hop from agent to agent.
//!
//! Each agent gets one hop from outside and starts a chain with it. Whoever handles a hop passes
//! it to a pseudo-random other agent until its budget is used up. Who gets it follows from the
//! hop alone, so all engines route the same messages between the same agents.

/// How many chains, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// Agents, numbered from 1; each begins one chain. At least 2.
    pub agents: u64,
    /// Messages that each chain sends; at most 2³² - 1.
    pub hops: u64,
}

impl Ring {
    /// Messages that are sent and handled in all.
    pub fn messages(self) -> u64 {
        self.agents * self.hops
    }
}

/// One message: 32 pseudo-random bits, then the hops that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop(u64);

impl Hop {
    /// What begins chain `number`.
    pub fn first(number: u64, ring: Ring) -> Hop {
        Hop(mix(number) << 32 | ring.hops)
    }

    /// The payload: 8 bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Reads a payload; `None` when it is not 8 bytes.
    pub fn from_bytes(payload: &[u8]) -> Option<Hop> {
        payload.try_into().ok().map(|bytes| Hop(u64::from_le_bytes(bytes)))
    }

    /// What agent `me` of `agents` passes on, and to whom; `None` at the end of the chain.
    #[inline]
    pub fn next(self, me: u64, agents: u64) -> Option<(u64, Hop)> {
        let left = (self.0 & u64::from(u32::MAX)).checked_sub(1)?;
        let draw = mix(self.0) >> 32;
        let to = 1 + (me + draw % (agents - 1)) % agents;
        Some((to, Hop(draw << 32 | left)))
    }
}

/// `0..count` in a pseudo-random order, the same in every run.
pub fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, (mix(last as u64) % (last as u64 + 1)) as usize);
    }
    order
}

/// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
/// OOPSLA 2014.
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_as_long_as_its_budget_and_never_stays_where_it_is() {
        let ring = Ring { agents: 5, hops: 10_000 };
        let (mut me, mut hop, mut sent) = (3, Hop::first(3, ring), 0);
        let mut visits = [0; 6];
        while let Some((to, next)) = hop.next(me, ring.agents) {
            assert_ne!(to, me);
            assert_eq!(Hop::from_bytes(&next.to_bytes()), Some(next));
            visits[to as usize] += 1;
            (me, hop, sent) = (to, next, sent + 1);
        }
        assert_eq!(sent, 10_000);
        assert!(visits[1..].iter().all(|n| (1_800..2_200).contains(n)), "{visits:?}");
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut order = shuffled(1_000);
        assert!(order.windows(2).filter(|pair| pair[1] == pair[0] + 1).count() < 10);
        order.sort_unstable();
        assert_eq!(order, (0..1_000).collect::<Vec<_>>());
    }
}

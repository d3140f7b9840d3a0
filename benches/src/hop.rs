//! The message workloads, the same for every engine: chains that hop from agent to agent.
//!
//! A chain is begun by a hop from outside. Whoever handles a hop passes it on until its budget is
//! used up. Who gets it follows from the hop, its holder and the pattern alone, so all engines
//! route the same messages between the same agents.

use serde::{Deserialize, Serialize};

use crate::size;

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Each to a pseudo-random other agent.
    Random,
    /// The same in two halves, by serial: of 100 messages so many stay in the sender's half.
    Halves(u64),
    /// Each to the next one, the last to the first.
    Ring,
    /// In pairs, to and fro: a hop there is the request, the one back its reply.
    Pairs,
    /// All to the last one, in bursts of so many (at least 1): the last message of each is
    /// answered, and the answer is followed by the next burst.
    Streams(u64),
}

/// How many agents send how much, by which pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Who sends to whom.
    pub pattern: Pattern,
    /// Agents, numbered from 1. At least 2; an even number of at least 4 in halves, an even number
    /// in pairs.
    pub agents: u64,
    /// Chains, which are under way at the same time. They begin at different agents as far as
    /// there are so many that begin one.
    pub chains: u64,
    /// Messages that each chain sends, or bursts in streams; at most 2³² - 1.
    pub hops: u64,
}

/// What the holder of a hop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It passes this one on to this agent.
    One(u64, Hop),
    /// It sends [`Hop::burst`] to the last agent.
    Burst(u64, Hop),
    /// Nothing: others of the burst follow.
    Wait,
    /// Nothing: the chain is at its end.
    End,
}

impl Traffic {
    /// Each of `agents` begins a chain of `hops` messages to pseudo-random others.
    pub fn random(agents: u64, hops: u64) -> Traffic {
        Traffic { pattern: Pattern::Random, agents, chains: agents, hops }
    }

    /// Messages that are sent and handled in all.
    pub fn messages(self) -> u64 {
        let each = match self.pattern {
            Pattern::Streams(burst) => burst + 1,
            Pattern::Random | Pattern::Halves(_) | Pattern::Ring | Pattern::Pairs => 1,
        };
        self.chains * self.hops * each
    }

    /// Messages that are under way at a time, at most.
    pub fn under_way(self) -> u64 {
        self.chains * self.burst()
    }

    /// Messages that one step sends, at most.
    pub fn burst(self) -> u64 {
        match self.pattern {
            Pattern::Streams(burst) => burst,
            Pattern::Random | Pattern::Halves(_) | Pattern::Ring | Pattern::Pairs => 1,
        }
    }

    /// Who begins chain `number`, counted from 0.
    pub fn begins(self, number: u64) -> u64 {
        match self.pattern {
            Pattern::Random | Pattern::Halves(_) | Pattern::Ring => 1 + number % self.agents,
            Pattern::Pairs => 1 + 2 * number % self.agents,
            Pattern::Streams(_) => 1 + number % (self.agents - 1),
        }
    }
}

/// One message: 32 bits, which are pseudo-random or name who sent the burst, then the hops that
/// are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop(u64);

/// Of a burst the last message.
const LAST: u64 = 1 << 63;
const LEFT: u64 = u32::MAX as u64;

impl Hop {
    /// What begins chain `number`, counted from 0.
    pub fn first(number: u64, traffic: Traffic) -> Hop {
        Hop(mix(number + 1) << 32 | traffic.hops)
    }

    /// The payload: 8 bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// Reads a payload; `None` when it is not 8 bytes.
    pub fn from_bytes(payload: &[u8]) -> Option<Hop> {
        payload.try_into().ok().map(|bytes| Hop(u64::from_le_bytes(bytes)))
    }

    /// What agent `me` of `agents`, of which there are enough for the pattern, does with it.
    #[inline]
    pub fn next(self, me: u64, agents: u64, pattern: Pattern) -> Next {
        match pattern {
            Pattern::Streams(burst) => return self.in_stream(me, agents, burst),
            Pattern::Random | Pattern::Halves(_) | Pattern::Ring | Pattern::Pairs => {}
        }
        let Some(left) = (self.0 & LEFT).checked_sub(1) else { return Next::End };
        let drawn = mix(self.0);
        let to = match pattern {
            Pattern::Random => 1 + (me + (drawn >> 32) % (agents - 1)) % agents,
            Pattern::Halves(local) => in_halves(drawn, me, agents / 2, local),
            Pattern::Ring | Pattern::Streams(_) => 1 + me % agents,
            Pattern::Pairs => 1 + ((me - 1) ^ 1),
        };
        Next::One(to, Hop(drawn & !LEFT | left))
    }

    fn in_stream(self, me: u64, agents: u64, burst: u64) -> Next {
        let left = self.0 & LEFT;
        match (me == agents, left) {
            (true, _) if self.0 & LAST != 0 => Next::One((self.0 & !LAST) >> 32, Hop(left)),
            (true, _) => Next::Wait,
            (false, 0) => Next::End,
            (false, left) => Next::Burst(burst, Hop(me << 32 | (left - 1))),
        }
    }

    /// So many of these, of which the last says that it is.
    pub fn burst(self, count: u64) -> impl Iterator<Item = Hop> {
        (1..=count).map(move |n| if n == count { Hop(self.0 | LAST) } else { self })
    }
}

/// To whom `me` sends, where so many of 100 messages stay in a half of `half` agents.
fn in_halves(drawn: u64, me: u64, half: u64, local: u64) -> u64 {
    let (mine, place) = ((me - 1) / half, (me - 1) % half);
    let draw = drawn >> 32;
    if ((drawn & LEFT) * 100) >> 32 < local {
        1 + mine * half + (place + 1 + draw % (half - 1)) % half
    } else {
        1 + (1 - mine) * half + draw % half
    }
}

/// What is measured on every engine, by name; tiny where the benches are only tried.
pub fn workloads() -> Vec<(&'static str, Traffic)> {
    let many = size(100_000, 1_000);
    let of = |pattern, agents, chains, hops| Traffic { pattern, agents, chains, hops };
    vec![
        ("big_1000", Traffic::random(1_000, size(1_000, 3))),
        ("big_100000", Traffic::random(many, size(10, 2))),
        // Two bursts of each sender are under way.
        ("stream", of(Pattern::Streams(500), 2, 2, size(1_000, 2))),
        ("fan-in", of(Pattern::Streams(50), 101, 200, size(100, 2))),
        ("ring_1", of(Pattern::Ring, 1_000, 1, size(200_000, 20))),
        ("ring_1000", of(Pattern::Ring, 1_000, 1_000, size(1_000, 3))),
        ("request_1", of(Pattern::Pairs, 2, 1, size(100_000, 20))),
        ("request_500", of(Pattern::Pairs, 1_000, 500, size(2_000, 4))),
    ]
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
pub(crate) mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// One of each pattern, small.
    pub(crate) const SMALL: [Traffic; 8] = [
        Traffic { pattern: Pattern::Random, agents: 7, chains: 7, hops: 30 },
        Traffic { pattern: Pattern::Halves(90), agents: 8, chains: 8, hops: 30 },
        Traffic { pattern: Pattern::Ring, agents: 5, chains: 1, hops: 23 },
        Traffic { pattern: Pattern::Ring, agents: 5, chains: 5, hops: 23 },
        Traffic { pattern: Pattern::Pairs, agents: 2, chains: 1, hops: 10 },
        Traffic { pattern: Pattern::Pairs, agents: 6, chains: 3, hops: 10 },
        Traffic { pattern: Pattern::Streams(5), agents: 2, chains: 2, hops: 4 },
        Traffic { pattern: Pattern::Streams(5), agents: 9, chains: 16, hops: 3 },
    ];

    /// Handles all of it, first in first out: who sent to whom, and how much waited at most.
    fn walk(traffic: Traffic) -> (Vec<(u64, u64)>, u64, u64) {
        let first = |number| (traffic.begins(number), Hop::first(number, traffic));
        let mut waiting: VecDeque<_> = (0..traffic.chains).map(first).collect();
        let (mut sent, mut ended, mut most) = (Vec::new(), 0, 0);
        while let Some((me, hop)) = waiting.pop_front() {
            assert_eq!(Hop::from_bytes(&hop.to_bytes()), Some(hop));
            match hop.next(me, traffic.agents, traffic.pattern) {
                Next::One(to, hop) => {
                    sent.push((me, to));
                    waiting.push_back((to, hop));
                }
                Next::Burst(count, hop) => {
                    for hop in hop.burst(count) {
                        sent.push((me, traffic.agents));
                        waiting.push_back((traffic.agents, hop));
                    }
                }
                Next::Wait => {}
                Next::End => ended += 1,
            }
            most = most.max(waiting.len() as u64);
        }
        (sent, ended, most)
    }

    #[test]
    fn all_chains_end_when_their_messages_are_sent_to_others() {
        for traffic in SMALL {
            let (sent, ended, most) = walk(traffic);
            assert_eq!(sent.len() as u64, traffic.messages(), "{traffic:?}");
            assert_eq!(ended, traffic.chains, "{traffic:?}");
            assert!(most <= traffic.under_way(), "{traffic:?}: {most}");
            for (from, to) in sent {
                assert!(from != to && (1..=traffic.agents).contains(&to), "{traffic:?}");
            }
        }
    }

    #[test]
    fn a_random_chain_visits_all_alike() {
        let (sent, ..) = walk(Traffic { chains: 1, ..Traffic::random(5, 10_000) });
        let mut visits = [0; 6];
        sent.iter().for_each(|(_, to)| visits[*to as usize] += 1);
        assert!(visits[1..].iter().all(|n| (1_800..2_200).contains(n)), "{visits:?}");
    }

    #[test]
    fn so_many_messages_stay_in_their_half() {
        for (local, low, high) in [(0, 0, 0), (50, 4_800, 5_200), (90, 8_800, 9_200), (100, 1, 0)] {
            let pattern = Pattern::Halves(local);
            let (sent, ..) = walk(Traffic { pattern, chains: 1, ..Traffic::random(10, 10_000) });
            let stayed = sent.iter().filter(|(from, to)| (*from < 6) == (*to < 6)).count();
            let as_asked =
                if local == 100 { stayed == 10_000 } else { (low..=high).contains(&stayed) };
            assert!(as_asked, "{local}: {stayed}");
            let visited = |agent| sent.iter().any(|(_, to)| *to == agent);
            assert!(local == 100 || (1..=10).all(visited), "{local}");
        }
    }

    #[test]
    fn patterns_are_what_they_are_called() {
        let path = |traffic| walk(traffic).0;
        let ring = Traffic { pattern: Pattern::Ring, agents: 3, chains: 1, hops: 4 };
        assert_eq!(path(ring), [(1, 2), (2, 3), (3, 1), (1, 2)]);
        let pairs = Traffic { pattern: Pattern::Pairs, agents: 4, chains: 2, hops: 2 };
        assert_eq!(path(pairs), [(1, 2), (3, 4), (2, 1), (4, 3)]);
        let stream = Traffic { pattern: Pattern::Streams(2), agents: 2, chains: 1, hops: 2 };
        assert_eq!(path(stream), [(1, 2), (1, 2), (2, 1), (1, 2), (1, 2), (2, 1)]);
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut order = shuffled(1_000);
        assert!(order.windows(2).filter(|pair| pair[1] == pair[0] + 1).count() < 10);
        order.sort_unstable();
        assert_eq!(order, (0..1_000).collect::<Vec<_>>());
    }
}

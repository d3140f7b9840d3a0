//! Schedules as one would write them down: all agents in order, one after the other, in one loop.

use karyon_log::{Record, Records};
use karyon_runtime::{Schedule, Turns};

use crate::support::{Order, in_words};

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// An agent's rank in the order of turns, as docs/schedules.md promises it.
pub fn rank(seed: u64, drawn_at: u64, agent: u64) -> u64 {
    let turns = u64::from_be_bytes(*b"turns_01");
    mix(mix(mix(seed ^ turns) ^ mix(drawn_at)) ^ mix(agent))
}

/// An agent's rank in a tick of a schedule.
pub fn rank_of(schedule: &Schedule, tick: u64, agent: u64) -> u64 {
    let drawn_at = match schedule.turns() {
        Turns::RandomByStep => tick / u64::from(schedule.stages()),
        _ => tick,
    };
    rank(schedule.seed(), drawn_at, agent)
}

#[derive(Clone)]
struct Letter {
    cause: String,
    orders: Vec<Order>,
}

#[derive(Clone, Default)]
struct Puppet {
    sum: u64,
    steps: u64,
    mailbox: Vec<Letter>,
    /// When, and the letter that it is then; in the order in which they were armed.
    timers: Vec<(u64, Letter)>,
}

/// What is left of the sums, and each step with its tick.
pub fn play(
    schedule: &Schedule,
    agents: u64,
    entries: &[(u64, u64, Vec<Order>)],
) -> (Vec<u64>, Vec<String>) {
    let mut puppets = vec![Puppet::default(); agents as usize];
    let mut steps = Vec::new();
    let ends = entries.iter().map(|(tick, ..)| tick + 1).max().unwrap_or(0);
    let mut tick = 0;
    while tick < ends
        || puppets.iter().any(|puppet| !(puppet.mailbox.is_empty() && puppet.timers.is_empty()))
    {
        let mut order: Vec<_> = (1..=agents).collect();
        if schedule.is_sequential() {
            order.sort_by_key(|agent| rank_of(schedule, tick, *agent));
        }
        // All at once: nobody sees what is sent in this tick.
        let mut mailboxes: Vec<_> = puppets.iter().map(|puppet| puppet.mailbox.clone()).collect();
        if !schedule.is_sequential() {
            puppets.iter_mut().for_each(|puppet| puppet.mailbox.clear());
        }
        for agent in order {
            let place = agent as usize - 1;
            if schedule.is_sequential() {
                mailboxes[place] = std::mem::take(&mut puppets[place].mailbox);
            }
            let (due, later): (Vec<_>, Vec<_>) =
                puppets[place].timers.drain(..).partition(|(at, _)| *at == tick);
            puppets[place].timers = later;
            let inputs = (0..).zip(entries).filter(|(_, (at, to, _))| (*at, *to) == (tick, agent));
            let inputs = inputs.map(|(index, (_, _, orders)): (u32, _)| Letter {
                cause: format!("input {index}"),
                orders: orders.clone(),
            });
            let acts = due.into_iter().map(|(_, letter)| letter).chain(inputs);
            let heard = std::mem::take(&mut mailboxes[place]).into_iter();
            let all: Vec<Letter> = match schedule.hears_first() {
                true => heard.chain(acts).collect(),
                false => acts.chain(heard).collect(),
            };
            for letter in all {
                step(&mut puppets, agent, tick, letter, &mut steps);
            }
        }
        tick += 1;
    }
    (puppets.iter().map(|puppet| puppet.sum).collect(), steps)
}

fn step(puppets: &mut [Puppet], agent: u64, tick: u64, letter: Letter, steps: &mut Vec<String>) {
    let place = agent as usize - 1;
    let number = puppets[place].steps;
    puppets[place].steps += 1;
    let mut outputs = 0;
    for order in letter.orders {
        match order {
            Order::Add(n) => puppets[place].sum += n,
            Order::Send(to, orders) => {
                let cause = format!("{agent}.{number}.{outputs}");
                match puppets.get_mut(to as usize - 1) {
                    Some(puppet) => puppet.mailbox.push(Letter { cause, orders }),
                    None => {
                        let cause = format!("denial {number}.{outputs}");
                        puppets[place].mailbox.push(Letter { cause, orders: Vec::new() });
                    }
                }
                outputs += 1;
            }
            Order::After(ticks, orders) => {
                let cause = format!("timer {number}.{outputs}");
                puppets[place].timers.push((tick + ticks, Letter { cause, orders }));
                outputs += 1;
            }
            other => panic!("the model does not know {other:?}"),
        }
    }
    steps.push(format!("{tick}: agent {agent} step {number} on {} -> {outputs}", letter.cause));
}

/// Each step of these records with its tick.
pub fn steps(records: &[u8]) -> Vec<String> {
    let mut tick = String::new();
    let mut steps = Vec::new();
    for word in in_words(records) {
        match word.strip_prefix("tick ") {
            Some(number) => tick = number.into(),
            None if word.starts_with("agent") => steps.push(format!("{tick}: {word}")),
            None => {}
        }
    }
    let count = |record: &Option<Record<'_>>| matches!(record, Some(Record::Step { .. }));
    assert_eq!(steps.len(), Records::new(records).filter(count).count());
    steps
}

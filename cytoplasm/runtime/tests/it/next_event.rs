//! Models of events in real-valued time, against exact results.

use std::sync::Arc;

use karyon_runtime::{
    Agent, AgentKind, Clock, Context, Event, Failure, InputItem, InputSource, Limits, Restart,
    RestartFrom, Schedule, below, exponential,
};
use karyon_runtime::{Batch, Outcome};
use karyon_types::{AgentId, Tick};
use serde::{Deserialize, Serialize};

use crate::support::*;

/// People of one town.
const TOWN: u64 = 10;
/// Contacts of one person a unit of time: β (N − 1), with β = 2 / (N − 1).
const CONTACTS: f64 = 2.0;
/// Recoveries a unit of time.
const RECOVERY: f64 = 1.0;
const CLOCK: u32 = 1 << 20;

/// A person in the exact SIR process: whoever is infected meets each of the others of its town at
/// the rate β and recovers at the rate 1. Times are exact; the tick only says in which order they
/// come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Person {
    Susceptible,
    /// Until then.
    Infected(f64),
    Recovered,
}

fn time_of(payload: &[u8]) -> f64 {
    f64::from_le_bytes(payload.try_into().unwrap())
}

impl Person {
    fn infect(&mut self, now: f64, context: &mut Context<'_>) {
        let recovers = now + exponential(context.random(), RECOVERY);
        *self = Person::Infected(recovers);
        self.meet_next(now, recovers, context);
    }

    fn meet_next(&self, now: f64, recovers: f64, context: &mut Context<'_>) {
        let clock = Clock::new(CLOCK);
        let meets = now + exponential(context.random(), CONTACTS);
        let next = meets.min(recovers);
        context.after(clock.until(context.now(), next), &next.to_le_bytes());
    }
}

impl Agent for Person {
    const KIND: AgentKind = AgentKind {
        name: "person",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        match (event, &self) {
            (Event::Input { .. }, Person::Susceptible) => self.infect(0.0, context),
            (Event::Message { payload, .. }, Person::Susceptible) => {
                self.infect(time_of(payload), context);
            }
            (Event::Timer { payload, .. }, Person::Infected(recovers)) => {
                let (now, recovers) = (time_of(payload), *recovers);
                if now >= recovers {
                    *self = Person::Recovered;
                    return Ok(());
                }
                let place = (context.me().0 - 1) % TOWN;
                let other = (place + 1 + below(context.random(), TOWN - 1)) % TOWN;
                context.send(AgentId(context.me().0 - place + other), &now.to_le_bytes());
                self.meet_next(now, recovers, context);
            }
            _ => {}
        }
        Ok(())
    }
}

/// At tick 0 infects the first of each town.
struct FirstCases(Vec<InputItem>);

impl InputSource for FirstCases {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let items = if tick == Tick(0) { self.0.as_slice() } else { &[] };
        Batch { number: 0, items }
    }

    fn payload(&self, _: u32, _: &mut Vec<u8>) {}

    fn ends(&self) -> Tick {
        Tick(1)
    }
}

/// How many towns had each final size.
fn sizes(schedule: Schedule, schedulers: usize, towns: u64) -> [u64; 10] {
    let first = |town| InputItem { receiver: AgentId(u64::from(town) * TOWN + 1), index: town };
    let source = FirstCases((0..towns as u32).map(first).collect());
    let limits = Limits { messages_per_tick: 100, ..LIMITS };
    let stage = Stage {
        agents: towns * TOWN,
        schedulers,
        schedule,
        limits,
        small_tick: 64,
        ..Stage::default()
    };
    let disk = Disk::default();
    let (outcome, recorder) =
        stage.play_as(|_| Person::Susceptible, Arc::new(source), recorder(&disk));
    recorder.unwrap().close().unwrap();
    let outcome: Outcome<Person> = outcome.unwrap();
    let mut sizes = [0; 10];
    for town in outcome.agents.chunks(TOWN as usize) {
        let size = town.iter().filter(|person| **person == Some(Person::Recovered)).count();
        sizes[size - 1] += 1;
    }
    sizes
}

/// Exact SIR, N = 10, β = 2 / (N − 1) a pair, γ = 1, one case. What resolution and the tick that a
/// contact takes add is less than a thousandth: within a town two events fall closer than two
/// ticks with a probability of some 30 events · 30 a unit of time · 2 / 2²⁰. Chi-square with 9
/// degrees of freedom, p = 0.001; each probability within five standard errors.
#[test]
fn the_final_size_of_an_exact_sir_is_distributed_as_published() {
    let exact =
        [0.33333, 0.0864, 0.04908, 0.03814, 0.03638, 0.04079, 0.05256, 0.07614, 0.11862, 0.16854];
    let towns = 3_000;
    for (schedule, schedulers) in
        [(Schedule::default().seeded(1), 1), (Schedule::sequential_random(2), 2)]
    {
        let sizes = sizes(schedule, schedulers, towns);
        let mut chi = 0.0;
        for (found, p) in sizes.iter().zip(exact) {
            let expected = p * towns as f64;
            let distance = *found as f64 - expected;
            chi += distance.powi(2) / expected;
            let error = (expected * (1.0 - p)).sqrt();
            assert!(distance.abs() < 5.0 * error, "{schedule}: {sizes:?}");
        }
        assert!(chi < 27.88, "{schedule}: chi-square {chi}, {sizes:?}");
        println!("{schedule}: chi-square {chi:.2}, {sizes:?}");
    }
}

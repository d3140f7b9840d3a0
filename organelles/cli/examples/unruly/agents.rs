//! Agents that send to each other for ever, one of which may be broken.

use std::sync::Mutex;
use std::time::Duration;

use karyon_runtime::{
    Agent, AgentKind, Batch, Context, Event, Failure, InputItem, InputSource, Restart, RestartFrom,
};
use karyon_types::{AgentId, Tick};
use serde::{Deserialize, Serialize};

/// From this message on the broken agent is broken: the trouble begins when all is under way.
pub(crate) const BROKEN_FROM: u64 = 5;

/// How long an idle colony sleeps between two ticks.
const IDLE: Duration = Duration::from_millis(5);

/// What is wrong with an agent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Fault {
    Spin,
    Deadlock,
}

/// Counts what it gets, works a little, and sends on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Pinger {
    pub(crate) next: u64,
    pub(crate) work: u64,
    pub(crate) fault: Option<Fault>,
    pub(crate) seen: u64,
    pub(crate) sum: u64,
}

impl Agent for Pinger {
    const KIND: AgentKind = AgentKind {
        name: "pinger",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::LastGood { redeliver: 1 },
    };

    fn handle(&mut self, _: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        self.seen += 1;
        match self.fault.filter(|_| self.seen >= BROKEN_FROM) {
            Some(Fault::Spin) => spin_for_ever(),
            Some(Fault::Deadlock) => deadlock(),
            None => {}
        }
        for round in 0..self.work {
            self.sum = std::hint::black_box(self.sum.wrapping_mul(31).wrapping_add(round));
        }
        context.send(AgentId(self.next), b"ping");
        Ok(())
    }
}

/// Never returns, and sleeps never.
pub(crate) fn spin_for_ever() -> ! {
    let mut sum = 0u64;
    loop {
        sum = std::hint::black_box(sum.wrapping_add(1));
    }
}

fn deadlock() {
    let lock = Mutex::new(());
    let held = lock.lock();
    let twice = lock.lock();
    drop((held, twice));
}

/// Wakes so many agents in the first tick, and has nothing more to say, ever.
pub(crate) struct Endless {
    first: Vec<InputItem>,
    idle: bool,
}

impl Endless {
    pub(crate) fn new(awake: u64, idle: bool) -> Endless {
        let item = |serial| InputItem { receiver: AgentId(serial), index: serial as u32 };
        Endless { first: (1..=awake).map(item).collect(), idle }
    }
}

impl InputSource for Endless {
    fn released(&self, tick: Tick) -> Batch<'_> {
        if self.idle {
            std::thread::sleep(IDLE);
        }
        let items = if tick.0 == 0 { self.first.as_slice() } else { &[] };
        Batch { number: 0, items }
    }

    fn payload(&self, _: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"begin");
    }

    fn ends(&self) -> Tick {
        Tick(u64::MAX)
    }
}

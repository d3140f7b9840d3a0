//! The runs of this program.

use karyon::{Agent, AgentRef, Context, Kind, Limits, Outcome, Pid, Result, Run};
use serde::{Deserialize, Serialize};

/// Purses among which coins go round, and how often each does.
const PURSES: usize = 8;
const COINS: u64 = 16;
const HOPS: u64 = 5_000;

/// A run, and those who hold what has to add up.
pub(crate) struct Known {
    pub(crate) run: Run,
    purses: Vec<AgentRef<Purse>>,
    guests: Vec<AgentRef<Guest>>,
}

impl Known {
    /// Coins that came to rest, or greetings that were heard.
    pub(crate) fn sum(&self, outcome: &Outcome) -> u64 {
        let coins = self.purses.iter().filter_map(|purse| outcome.state(*purse)).map(|it| it.has);
        let heard = self.guests.iter().filter_map(|guest| outcome.state(*guest)).map(|it| it.heard);
        coins.chain(heard).sum()
    }
}

pub(crate) fn of(name: &str) -> Known {
    match name {
        "short" => party(3),
        "party" => party(u64::MAX),
        "coins" => coins(),
        _ => unknown(name),
    }
}

fn unknown(name: &str) -> Known {
    let known = ["short", "party", "coins"];
    eprintln!("no run {name}; there are {}", known.join(", "));
    std::process::exit(2)
}

/// Greets a guest in each tick, so many times, or until it is killed.
#[derive(Serialize, Deserialize)]
struct Host {
    guests: Vec<AgentRef<Guest>>,
    left: u64,
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Guest {
    heard: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Greet;

impl Agent for Host {
    type Message = Greet;
    const KIND: Kind = Kind::new("host").temporary();

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        ctx.interval(1, Greet);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, _: Greet, ctx: &mut Context<'_, Self>) -> Result {
        if self.left == 0 {
            ctx.exit();
            return Ok(());
        }
        self.left -= 1;
        self.guests.rotate_left(1);
        if let Some(guest) = self.guests.first() {
            ctx.cast(*guest, Greet);
        }
        Ok(())
    }
}

impl Agent for Guest {
    type Message = Greet;
    const KIND: Kind = Kind::new("guest");

    fn handle(&mut self, _from: Pid, _: Greet, _ctx: &mut Context<'_, Self>) -> Result {
        self.heard += 1;
        Ok(())
    }
}

/// A host, agent 1, and three guests behind it.
fn party(greetings: u64) -> Known {
    let mut run = Run::new("party");
    let host = run.reserve("host");
    let guests = run.agents("guest", 3, |_, _| Guest::default());
    run.put(host, Host { guests: guests.clone(), left: greetings });
    run.limits(Limits { forks: 1, ..Limits::default() }).schedulers(2);
    // Somebody has to say the first word.
    run.input(0, host, Greet);
    Known { run, purses: Vec::new(), guests }
}

/// Passes on a coin that has hops left, each other time a millisecond later.
#[derive(Serialize, Deserialize)]
pub(crate) struct Purse {
    next: AgentRef<Purse>,
    has: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Coin {
    Pass(u64),
    Late(u64),
}

impl Agent for Purse {
    type Message = Coin;
    const KIND: Kind = Kind::new("purse").keeps_its_state(64);

    fn handle(&mut self, _from: Pid, coin: Coin, ctx: &mut Context<'_, Self>) -> Result {
        match coin {
            Coin::Pass(0) => self.has += 1,
            Coin::Pass(left) if left % 2 == 1 => _ = ctx.after(1, Coin::Late(left)),
            Coin::Pass(left) | Coin::Late(left) => ctx.cast(self.next, Coin::Pass(left - 1)),
        }
        Ok(())
    }
}

/// Free-running, with crashes.
fn coins() -> Known {
    let mut run = Run::new("coins");
    let mut purses = Vec::new();
    for number in 0..PURSES {
        purses.push(run.reserve(format!("purse {number}")));
    }
    let nexts = purses.iter().cycle().skip(1);
    for (purse, next) in purses.iter().zip(nexts) {
        run.put(*purse, Purse { next: *next, has: 0 });
    }
    for (coin, purse) in (0..COINS).zip(purses.iter().cycle()) {
        run.input(coin, *purse, Coin::Pass(HOPS));
    }
    run.free_running().schedulers(2).chaos(0.01);
    Known { run, purses, guests: Vec::new() }
}

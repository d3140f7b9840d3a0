//! Patterns of messages, in ticks: a message arrives in the tick behind the one in which it was
//! sent.

use karyon::{Agent, AgentRef, Answer, Call, Context, Kind, Outcome, Pid, ReplyTo, Result, Run};
use serde::{Deserialize, Serialize};

use super::ALL;
use crate::error::Failed;
use crate::text::thousands;
use crate::workload::{Setting, Trial, Workload, trial_of};

const MESSAGES: &str = "messages";
/// Agents of `pairs` and of `ring`.
const AGENTS: u64 = 1_000;
/// Hops of each chain of `pairs`.
const HOPS: u64 = 1_000;
/// Rounds of the token of `ring`.
const ROUNDS: u64 = 200;
/// Senders of `fan-in`.
const SENDERS: u64 = 100;
/// Messages of each in a tick: all together stay below the bound of a mailbox, 1,024.
const EACH: u64 = 10;
/// Ticks in which they send.
const TICKS: u64 = 1_000;
/// Callers of `reply`, each with a server of its own.
const CALLERS: u64 = 100;
/// Calls of each.
const CALLS: u64 = 1_000;
/// Ticks after which a call would be given up: an answer takes two.
const TIMEOUT: u64 = 100;

fn delivered(outcome: &Outcome) -> u64 {
    outcome.counts.delivered
}

pub(crate) const PAIRS: Workload = Workload {
    name: "pairs",
    about: "each message goes to a pseudo-random other agent, which sends the next",
    unit: MESSAGES,
    levels: ALL,
    size: |scale| {
        let all = thousands(AGENTS * scale.of(HOPS));
        format!("{} agents, as many messages on their way, {all} in all", thousands(AGENTS))
    },
    prepare: pairs,
};

#[derive(Serialize, Deserialize)]
struct Hopper {
    agents: u64,
}

/// Numbers of a size that a message holds without an allocation.
#[derive(Serialize, Deserialize)]
struct Hop {
    left: u32,
    draw: u32,
}

impl Agent for Hopper {
    type Message = Hop;
    const KIND: Kind = Kind::new("hopper");

    fn handle(&mut self, _: Pid, hop: Hop, ctx: &mut Context<'_, Self>) -> Result {
        if let Some(left) = hop.left.checked_sub(1) {
            // Source: Knuth and Lewis, in Press et al., "Numerical Recipes in C", 1992, 7.1.
            let draw = hop.draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // The upper bits are the better ones; nobody sends to itself.
            let away = 1 + ((u64::from(draw) * (self.agents - 1)) >> 32);
            let to = (ctx.me().pid().0 - 1 + away) % self.agents + 1;
            ctx.cast(Pid(to).of::<Hopper>(), Hop { left, draw });
        }
        Ok(())
    }
}

fn pairs(setting: &Setting<'_>) -> std::result::Result<Trial, Failed> {
    let mut run = Run::new(PAIRS.name);
    let agents = run.agents("hopper", AGENTS, |_, _| Hopper { agents: AGENTS });
    let left = setting.scale.of(HOPS) as u32;
    for agent in agents {
        let mixed = (setting.seed ^ (agent.pid().0 << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        run.input(0, agent, Hop { left, draw: (mixed >> 32) as u32 });
    }
    Ok(trial_of(run, setting, delivered))
}

pub(crate) const RING: Workload = Workload {
    name: "ring",
    about: "one message goes round a ring: hardly anything to do in a tick",
    unit: MESSAGES,
    levels: ALL,
    size: |scale| {
        let all = thousands(AGENTS * scale.of(ROUNDS));
        format!("{} agents, one message on its way, {all} in all", thousands(AGENTS))
    },
    prepare: ring,
};

#[derive(Serialize, Deserialize)]
struct Member {
    next: AgentRef<Member>,
}

impl Agent for Member {
    /// How many are left.
    type Message = u32;
    const KIND: Kind = Kind::new("member");

    fn handle(&mut self, _: Pid, left: u32, ctx: &mut Context<'_, Self>) -> Result {
        if let Some(left) = left.checked_sub(1) {
            ctx.cast(self.next, left);
        }
        Ok(())
    }
}

fn ring(setting: &Setting<'_>) -> std::result::Result<Trial, Failed> {
    let mut run = Run::new(RING.name);
    let members = run.agents("member", AGENTS, |number, _| {
        let next = Pid((number + 1) % AGENTS + 1).of();
        Member { next }
    });
    if let Some(first) = members.first() {
        run.input(0, *first, (AGENTS * setting.scale.of(ROUNDS)) as u32);
    }
    Ok(trial_of(run, setting, delivered))
}

pub(crate) const FAN_IN: Workload = Workload {
    name: "fan-in",
    about: "many agents send to one",
    unit: MESSAGES,
    levels: ALL,
    size: |scale| {
        let all = thousands(SENDERS * EACH * scale.of(TICKS));
        format!("{SENDERS} senders of {EACH} messages a tick each, {all} in all")
    },
    prepare: fan_in,
};

#[derive(Serialize, Deserialize)]
struct Sender {
    sink: AgentRef<Sink>,
}

impl Agent for Sender {
    type Message = ();
    const KIND: Kind = Kind::new("sender");

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        (0..EACH).for_each(|number| ctx.cast(self.sink, number));
        Ok(())
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Sink {
    sum: u64,
}

impl Agent for Sink {
    type Message = u64;
    const KIND: Kind = Kind::new("sink");

    fn handle(&mut self, _: Pid, number: u64, _: &mut Context<'_, Self>) -> Result {
        self.sum += number;
        Ok(())
    }
}

fn fan_in(setting: &Setting<'_>) -> std::result::Result<Trial, Failed> {
    let mut run = Run::new(FAN_IN.name);
    let sink = run.agent("sink", Sink::default());
    run.agents("sender", SENDERS, |_, _| Sender { sink });
    run.every_tick(setting.scale.of(TICKS));
    Ok(trial_of(run, setting, delivered))
}

pub(crate) const REPLY: Workload = Workload {
    name: "reply",
    about: "a call and its answer, again and again: with timeout and monitor, as every call has them",
    unit: "calls",
    levels: ALL,
    size: |scale| {
        let all = thousands(CALLERS * scale.of(CALLS));
        format!("{CALLERS} callers, each with a server and one call at a time, {all} calls in all")
    },
    prepare: reply,
};

#[derive(Default, Serialize, Deserialize)]
struct Server {
    answered: u64,
}

impl Agent for Server {
    /// The right to answer it.
    type Message = ReplyTo<u64>;
    const KIND: Kind = Kind::new("server");

    fn handle(&mut self, _: Pid, reply: ReplyTo<u64>, ctx: &mut Context<'_, Self>) -> Result {
        self.answered += 1;
        ctx.reply(reply, &self.answered);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Caller {
    server: AgentRef<Server>,
    left: u64,
    asked: Option<Call<u64>>,
}

impl Caller {
    fn ask(&mut self, ctx: &mut Context<'_, Self>) {
        if self.left > 0 {
            self.left -= 1;
            self.asked = Some(ctx.call(self.server, |reply| reply, TIMEOUT));
        }
    }
}

impl Agent for Caller {
    type Message = ();
    const KIND: Kind = Kind::new("caller");

    fn handle(&mut self, _: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        self.ask(ctx);
        Ok(())
    }

    fn answered(&mut self, answer: Answer, ctx: &mut Context<'_, Self>) -> Result {
        if let Some(answer) = answer.take(&mut self.asked) {
            answer.map_err(karyon::failure)?;
            self.ask(ctx);
        }
        Ok(())
    }
}

fn reply(setting: &Setting<'_>) -> std::result::Result<Trial, Failed> {
    let mut run = Run::new(REPLY.name);
    let servers = run.agents("server", CALLERS, |_, _| Server::default());
    for (number, server) in (1..).zip(servers) {
        let left = setting.scale.of(CALLS);
        let caller = run.agent(format!("caller {number}"), Caller { server, left, asked: None });
        run.input(0, caller, ());
    }
    // A question and an answer.
    Ok(trial_of(run, setting, |outcome| outcome.counts.delivered / 2))
}

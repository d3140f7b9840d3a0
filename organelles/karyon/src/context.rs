//! An agent's only way out.

use std::marker::PhantomData;

use karyon_memory_ops::{Content, Entity, Query, Time, Valid, Value, Vertex, Write};
use karyon_runtime::{ExitReason, Lane, Layer, Mark, TimerId};
use karyon_types::Tick;
use serde::Serialize;

use crate::address::{AgentRef, Pid};
use crate::agent::{Agent, Result, failure};
use crate::book::Book;
use crate::call::{Call, ReplyTo};
use crate::directory::Directory;
use crate::effect::Intent;
use crate::recall::Recall;
use crate::wire;

/// The only way out of an agent of kind `A`.
///
/// What is asked for here is an output of the step: it becomes real when the step returns `Ok`, in
/// the order in which it was asked for, if the gate allows it. A denial comes in the next tick, to
/// [`Agent::denied`]. A step has at most [`Limits::outputs_per_step`](crate::Limits) outputs; one
/// more ends the run.
pub struct Context<'a, A: Agent> {
    pub(crate) inner: karyon_runtime::Context<'a>,
    pub(crate) book: &'a mut Book,
    pub(crate) directory: &'a Directory,
    /// Why it ends with this step.
    pub(crate) ends: Option<ExitReason>,
    pub(crate) agent: PhantomData<fn() -> A>,
}

impl<'a, A: Agent> Context<'a, A> {
    /// The agent that is running: Elixir's `self()`.
    pub fn me(&self) -> AgentRef<A> {
        Pid::from(self.inner.me()).of()
    }

    /// The tick that runs, from 0: the only time there is.
    pub fn now(&self) -> Tick {
        self.inner.now()
    }

    /// Sends a message, which arrives in the next tick. Nobody says whether it was handled. One
    /// output.
    pub fn cast<B: Agent>(&mut self, to: AgentRef<B>, message: B::Message) {
        self.inner.send(to.pid().id(), &wire::message(&message));
    }

    /// As [`Context::cast`], in a lane: what is speculative is refused first where a mailbox is
    /// full, and safety-critical messages last, for which a right of their own is needed
    /// (`Rights::CRITICAL`). Of one tick an agent handles them in this order. Two outputs in
    /// another lane than the normal one.
    pub fn send_in<B: Agent>(&mut self, lane: Lane, to: AgentRef<B>, message: &B::Message) {
        self.inner.send_in(lane, to.pid().id(), &wire::message(message));
    }

    /// Asks a question without waiting for the answer: OTP's `send_request`. `question` is given
    /// the right to answer, and makes the message of it. What becomes of the call comes to
    /// [`Agent::answered`], once: the answer, or a [`CallError`](crate::CallError).
    ///
    /// `timeout` is in ticks, from 1 to 2^48, and the nearest of these for any other number. An
    /// answer takes two ticks at least: one for the question, one for it.
    ///
    /// Three outputs (a timer, the question, a monitor), and up to two when it ends. An agent has
    /// at most 1,024 calls and timers at a time.
    #[must_use = "the answer is known by it: keep it in the state"]
    pub fn call<B: Agent, T>(
        &mut self,
        to: AgentRef<B>,
        question: impl FnOnce(ReplyTo<T>) -> B::Message,
        timeout: u64,
    ) -> Call<T> {
        let id = self.inner.after(timeout, &[wire::MARK]);
        let caller = Pid::from(self.inner.me());
        let TimerId { step, output } = id;
        let question = question(ReplyTo { caller, step, output, answer: PhantomData });
        self.cast(to, question);
        self.inner.monitor(to.pid().id());
        self.book.wait(id, to.pid());
        Call::new(id)
    }

    /// Answers a call. One that came to its end meanwhile does not hear it. One output.
    pub fn reply<T: Serialize>(&mut self, to: ReplyTo<T>, answer: &T) {
        let call = TimerId { step: to.step, output: to.output };
        self.inner.send(to.caller.id(), &wire::answer(call, answer));
    }

    /// Gives itself a message by [`Agent::timer`], `ticks` ticks later: 1 to 2^48, and the nearest
    /// of these for any other number. One output.
    pub fn after(&mut self, ticks: u64, message: A::Message) -> TimerId {
        self.inner.after(ticks, &wire::message(&message))
    }

    /// As [`Context::after`], again and again, until it is cancelled, the agent begins anew or
    /// ends, or the gate would no longer allow it. A run does not end while a timer is armed.
    pub fn interval(&mut self, ticks: u64, message: A::Message) -> TimerId {
        self.inner.interval(ticks, &wire::message(&message))
    }

    /// Takes a timer back: it does not fire any more, not even in this tick. One that is not armed
    /// is no error. One output.
    pub fn cancel(&mut self, timer: TimerId) {
        self.inner.cancel(timer);
    }

    /// Is told by [`Agent::down`] when `agent` ends, once; in the next tick if it is gone. To
    /// monitor twice is to monitor once. One output.
    pub fn monitor(&mut self, agent: impl Into<Pid>) {
        let agent = agent.into();
        self.book.watch(agent);
        self.inner.monitor(agent.id());
    }

    /// Is told no more, not even of what happened in this tick. One output.
    pub fn demonitor(&mut self, agent: impl Into<Pid>) {
        let agent = agent.into();
        self.book.unwatch(agent);
        self.release(agent);
    }

    /// From now on both end together, unless the reason is [`ExitReason::Normal`] or whoever is
    /// left traps exits. Takes a right of its own, `Rights::LINK`. One output.
    pub fn link(&mut self, agent: impl Into<Pid>) {
        self.inner.link(agent.into().id());
    }

    /// Ends a link, whoever made it. One output.
    pub fn unlink(&mut self, agent: impl Into<Pid>) {
        self.inner.unlink(agent.into().id());
    }

    /// Whether the end of whoever it is linked to comes to [`Agent::exit`] rather than ends it. One
    /// output.
    pub fn trap_exit(&mut self, traps: bool) {
        self.inner.trap_exit(traps);
    }

    /// Ends this agent when the step returns, because it is done; [`Agent::terminate`] is called
    /// before. Its kind says whether it is started again.
    pub fn exit(&mut self) {
        self.exit_with(ExitReason::Normal);
    }

    /// Ends this agent when the step returns. Of several reasons in one step the last holds.
    pub fn exit_with(&mut self, reason: ExitReason) {
        self.ends = Some(reason);
    }

    /// Writes a memory: recorded with this step, and part of the run's temporal graph. Takes the
    /// right `Rights::REMEMBER`. One output.
    ///
    /// # Errors
    /// A write that is beyond a bound of the memory.
    pub fn remember(&mut self, write: &Write) -> Result {
        let mut bytes = Vec::with_capacity(64);
        write.encode(&mut bytes).map_err(failure)?;
        self.inner.remember(&bytes);
        Ok(())
    }

    /// Remembers a fact about itself, as it is from this tick on (a tick counts as a unit of valid
    /// time): `ctx.remember_fact("balance", [("amount", Value::Int(5))])`. One output.
    ///
    /// # Errors
    /// See [`Context::remember`].
    pub fn remember_fact(
        &mut self,
        predicate: &str,
        properties: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result {
        let now = i64::try_from(self.now().0).ok().and_then(|tick| Time::new(tick, 0));
        let now = now.ok_or_else(|| failure("a tick that is no time"))?;
        let subject = Vertex::Agent(self.inner.me());
        self.remember(&Write {
            entity: Entity::Fact { subject, predicate: predicate.into() },
            valid: Valid::since(now),
            content: Content::with(properties),
        })
    }

    /// Asks the run's memory: `ctx.recall(&Query::facts(ctx.me()))`. The answer comes to
    /// [`Agent::recalled`] two ticks later: what is remembered up to the end of this tick, so what
    /// this step remembers is part of it. At most 64 memories and 96 KiB; an answer that leaves
    /// something out says so. Takes the right `Rights::RECALL` ([`Run::may_recall`](crate::Run)) to
    /// the agent that the question is about. One that is about something else, or counts, takes it
    /// to all agents. An agent has at most 8 questions under way. One output.
    ///
    /// # Errors
    /// A name in the question that is beyond a bound of the memory.
    pub fn recall(&mut self, query: &Query) -> Result<Recall> {
        let mut bytes = Vec::with_capacity(32);
        query.encode(&mut bytes).map_err(failure)?;
        Ok(Recall(self.inner.recall(query.about(), &bytes)))
    }

    /// A layer of what all see ([`Run::space`](crate::Run::space)) as it was when the tick began, or,
    /// in a schedule of turns, when this step did. A look at it costs what a look at a list does.
    ///
    /// # Errors
    /// The run has no layer of this number, from 0.
    #[inline]
    pub fn layer(&self, layer: u8) -> Result<&'a Layer> {
        self.inner.layer(layer).ok_or_else(|| failure(format_args!("there is no layer {layer}")))
    }

    /// Changes what all see, from the next tick on, or, in a schedule of turns, from the next step
    /// on. Takes the right `Rights::SEND`, to itself or to the agent whose slot it is. Of claims of one
    /// slot in one tick the first one in an order that is drawn for the tick is granted; who looks at
    /// the slot in the next tick knows. A slot that is not there comes to [`Agent::denied`]. One
    /// output.
    #[inline]
    pub fn mark(&mut self, mark: Mark) {
        self.inner.mark(mark);
    }

    /// What agents do not change ([`Run::world`](crate::Run::world)), as it is in this tick.
    ///
    /// # Errors
    /// The run has none, or one of another type.
    #[inline]
    pub fn world<W: 'static>(&self) -> Result<&'a W> {
        let directory = self.directory;
        let world = directory.worlds.at(self.now().0);
        world.ok_or_else(|| failure("the run has no world of this type"))
    }

    /// The step of the model that this tick is, from 0, and its stage: the tick itself and 0 in a
    /// [`Schedule`](crate::Schedule) without stages.
    pub fn round(&self) -> (u64, u32) {
        (self.inner.round(), self.inner.stage())
    }

    /// 64 random bits: the same for any number of threads, when a step is given again and when the
    /// run is repeated. For numbers see [`below`](crate::below), [`unit`](crate::unit) and
    /// [`exponential`](crate::exponential). Their seed is that of the [`Schedule`](crate::Schedule).
    #[inline]
    pub fn random(&mut self) -> u64 {
        self.inner.random()
    }

    /// Has something done in the world outside: `action` on `resource` (a path, as `mail/team`), by
    /// what [`Run::performs`](crate::Run::performs) was given, if [`Run::permit`](crate::Run::permit)
    /// allows it to agents of this kind. It is begun when this step is durable, at most once, and the
    /// gate is asked once more right before; what came of it comes to [`Agent::receipt`], however long
    /// that takes. The run does not end before. Where nothing else is to be done, ticks wait for it.
    ///
    /// What is not allowed comes to [`Agent::receipt`] as well, as [`Came::Denied`](crate::Came::Denied),
    /// in the next tick. An agent has at most 16 effects under way, and ticks do not wait for the world
    /// while agents have something to do: whoever is to do more keeps it in its state, and asks for the
    /// next when a receipt comes. ([`Run::test`](crate::Run::test) waits for each, so no test shows
    /// that.) Arguments have at most 64 KiB, actions 256 bytes, and resources 1 KiB. One output.
    pub fn effect<T: Serialize>(&mut self, action: &str, resource: &str, arguments: &T) -> Intent {
        Intent(self.inner.effect(action, resource, &wire::message(arguments)))
    }

    /// Gives up a monitor that nobody needs any more.
    pub(crate) fn release(&mut self, agent: Pid) {
        if !self.book.needs(agent) {
            self.inner.demonitor(agent.id());
        }
    }
}

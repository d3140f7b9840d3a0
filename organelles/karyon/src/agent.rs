//! What one writes: an agent, and what holds for all of its kind.

use std::fmt;

use karyon_runtime::{
    AgentKind, Deed, ExitReason, Failure, Refused, Restart, RestartFrom, TimerId,
};
use karyon_types::Denial;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::address::Pid;
use crate::call::Answer;
use crate::context::Context;
use crate::effect::Receipt;
use crate::recall::Recalled;
use crate::spawn::{NotSpawned, Spawned};

/// What a step gives back: `Ok(())`, or why it failed.
pub type Result<T = ()> = std::result::Result<T, Failure>;

/// A step's own word that it failed, from anything that can be shown: `.map_err(failure)?`. At most
/// 256 bytes of it reach whoever monitors the agent.
pub fn failure(why: impl fmt::Display) -> Failure {
    Failure(why.to_string())
}

/// What holds for all agents of a kind: Elixir's child spec.
///
/// `const KIND: Kind = Kind::new("counter");` is a kind in its first version that is always
/// started again as it began (`permanent`, `RestartFrom::Init`), as in OTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub(crate) AgentKind);

impl Kind {
    /// A kind of this name. A run's kinds have different names; genesis holds name and version.
    pub const fn new(name: &'static str) -> Kind {
        let (restart, restart_from) = (Restart::Permanent, RestartFrom::Init);
        Kind(AgentKind { name, version: 1, restart, restart_from })
    }

    /// Its version, from 1. Whoever changes what a step does, or what a message or a state looks
    /// like, raises it: runs that began with another version are not resumed.
    #[must_use]
    pub const fn version(self, version: u32) -> Kind {
        Kind(AgentKind { version, ..self.0 })
    }

    /// Started again only if it failed: an end by its own will is one.
    #[must_use]
    pub const fn transient(self) -> Kind {
        Kind(AgentKind { restart: Restart::Transient, ..self.0 })
    }

    /// Never started again.
    #[must_use]
    pub const fn temporary(self) -> Kind {
        Kind(AgentKind { restart: Restart::Temporary, ..self.0 })
    }

    /// Goes on from the state before the step that failed, with its timers, its waiting calls and
    /// its mailbox. The message that it failed on comes again, at most `redeliver` times in a row,
    /// then it is a dead letter. Each step costs an encoding of the state more.
    #[must_use]
    pub const fn keeps_its_state(self, redeliver: u32) -> Kind {
        Kind(AgentKind { restart_from: RestartFrom::LastGood { redeliver }, ..self.0 })
    }
}

/// A deterministic step over a state of its own, and what it understands.
///
/// The type is the state. It is encoded as MessagePack, for restarts and for the state root, so it
/// is what serde writes of it: a field that is skipped comes back as its default, before the first
/// step already. It holds no map with a random order (take a `BTreeMap`), and a step draws no
/// randomness, reads no clock and does no I/O: with the same state and event it does the same.
///
/// All that a step wants to have an effect goes through [`Context`], and becomes real only when the
/// step returns `Ok`: a step that fails or panics has no effect and no new state.
///
/// ```
/// use karyon::{Agent, Context, Kind, Pid, ReplyTo, Result, Run};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Counter {
///     sum: u64,
/// }
///
/// #[derive(Serialize, Deserialize)]
/// enum Message {
///     Add(u64),
///     Get(ReplyTo<u64>),
/// }
///
/// impl Agent for Counter {
///     type Message = Message;
///     const KIND: Kind = Kind::new("counter");
///
///     fn handle(&mut self, _from: Pid, message: Message, ctx: &mut Context<'_, Self>) -> Result {
///         match message {
///             Message::Add(n) => self.sum += n,
///             Message::Get(reply) => ctx.reply(reply, &self.sum),
///         }
///         Ok(())
///     }
/// }
///
/// let mut run = Run::new("count");
/// let counter = run.agent("counter", Counter { sum: 0 });
/// run.input(0, counter, Message::Add(40));
/// run.input(3, counter, Message::Add(2));
/// let outcome = run.test()?;
/// assert_eq!(outcome.state(counter).map(|counter| counter.sum), Some(42));
/// # Ok::<(), karyon::RunError>(())
/// ```
pub trait Agent: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// What it can be sent: by agents, by itself later, from outside. It travels and is recorded as
    /// MessagePack with the names of variants and without the names of fields; up to 24 bytes of it
    /// need no allocation. At most 1 MiB with all else that its step puts out.
    type Message: Serialize + DeserializeOwned;

    /// What holds for all agents of this type.
    const KIND: Kind;

    /// The first thing that happens to it: in tick 0, in front of any input. Whoever is started
    /// again as it began begins with it, too, but only when the next thing reaches it, in front of
    /// that and in the same step (a mailbox was emptied, and nobody else speaks for it). One that
    /// lives by its timers alone, and has to outlive crashes, is of a kind that
    /// [`keeps_its_state`](Kind::keeps_its_state). To one that was spawned it happens in the tick
    /// behind the one in which its parent hears of it, in front of whatever that sends.
    ///
    /// # Errors
    /// As of all that follow: a [`Failure`] crashes the agent, like a panic.
    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let _ = ctx;
        Ok(())
    }

    /// A message came: `handle_cast`, `handle_call` and `handle_info` in one. Whoever is to answer
    /// finds a [`ReplyTo`](crate::ReplyTo) in the message. Left out: a failure, because then nobody
    /// should have sent any.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn handle(&mut self, from: Pid, message: Self::Message, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (from, message, ctx);
        Err(failure("an agent that is sent messages has to implement `handle`"))
    }

    /// An input came from outside. Left out: it is a message from [`Pid::OUTSIDE`].
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn input(&mut self, message: Self::Message, ctx: &mut Context<'_, Self>) -> Result {
        self.handle(Pid::OUTSIDE, message, ctx)
    }

    /// A timer of its own fired. Left out: it is a message from itself.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn timer(
        &mut self,
        timer: TimerId,
        message: Self::Message,
        ctx: &mut Context<'_, Self>,
    ) -> Result {
        let _ = timer;
        self.handle(ctx.me().pid(), message, ctx)
    }

    /// It is activated with all others: [`Run::every_tick`](crate::Run::every_tick). Left out: it does
    /// nothing.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let _ = ctx;
        Ok(())
    }

    /// A call came to its end: answered, too late, denied, or whoever was asked is gone. Each call
    /// comes here once, unless the caller began anew meanwhile. Left out: a failure, because then
    /// nobody should have called.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn answered(&mut self, answer: Answer, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (answer, ctx);
        Err(failure("an agent that calls has to implement `answered`"))
    }

    /// Something that it wanted was denied, a tick ago. Calls that were denied come to
    /// [`Agent::answered`] instead, and effects to [`Agent::receipt`]. Left out: it goes on; the denial is recorded all the same.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn denied(&mut self, deed: Deed, denial: Denial, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (deed, denial, ctx);
        Ok(())
    }

    /// An agent that it spawned is there: in the next tick, in front of all else. Which one it is,
    /// and so its type, is found out by the [`Spawn`](crate::Spawn) that the agent kept. Left out:
    /// it goes on.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn spawned(&mut self, child: Spawned, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (child, ctx);
        Ok(())
    }

    /// An agent that it asked for does not come, and why: in the next tick. Left out: it is a denial
    /// as any other, of `Deed::Spawn`.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn not_spawned(
        &mut self,
        which: NotSpawned,
        denial: Denial,
        ctx: &mut Context<'_, Self>,
    ) -> Result {
        let _ = which;
        self.denied(Deed::Spawn, denial, ctx)
    }

    /// The memory answers a question of its own, two ticks after it was asked, in front of all else.
    /// To which one is found out by the [`Recall`](crate::Recall) that the agent kept. Whoever began
    /// anew meanwhile hears of it as well, and a fork does not. Left out: a failure, because then
    /// nobody should have asked.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn recalled(&mut self, recalled: Recalled, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (recalled, ctx);
        Err(failure("an agent that recalls has to implement `recalled`"))
    }

    /// What came of an effect of its own, or why it was denied. Of which is found out by the [`Intent`](crate::Intent) that
    /// the agent kept. Whoever began anew meanwhile hears of it as well, and a fork does not. Left
    /// out: a failure, because then nobody should have had anything done.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn receipt(&mut self, receipt: Receipt, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (receipt, ctx);
        Err(failure("an agent that has effects has to implement `receipt`"))
    }

    /// Somebody outside forked `from`, and this is the second one: its state is that of the other,
    /// but it has none of its timers, monitors and links, and its calls ended
    /// ([`CallError::Forked`](crate::CallError::Forked)). Comes in front of the first thing that
    /// reaches it, and in the same step. Left out: it goes on.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn forked(&mut self, from: Pid, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (from, ctx);
        Ok(())
    }

    /// A message of its own was refused, two ticks after it was sent: the mailbox of `to` had no
    /// room for it. That happens only in a run whose [`Limits`](crate::Limits) shed, and, sooner, in
    /// a [free-running](crate::Run::free_running) one. Calls that were refused come to
    /// [`Agent::answered`] instead. Left out: it goes on; the refusal is recorded all the same.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn refused(&mut self, to: Pid, why: Refused, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (to, why, ctx);
        Ok(())
    }

    /// An agent that it monitors ended, or was not there. Left out: it goes on.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn down(&mut self, who: Pid, reason: &ExitReason, ctx: &mut Context<'_, Self>) -> Result {
        let _ = (who, reason, ctx);
        Ok(())
    }

    /// An agent that it is linked to ended; only for one that traps exits. Left out: it ends for
    /// the same reason, by its own will (so [`Agent::terminate`] is called), unless that is normal.
    ///
    /// # Errors
    /// See [`Agent::init`].
    fn exit(&mut self, from: Pid, reason: &ExitReason, ctx: &mut Context<'_, Self>) -> Result {
        let _ = from;
        if !reason.is_normal() {
            ctx.exit_with(reason.clone());
        }
        Ok(())
    }

    /// The last thing that happens to it, in the step in which it ends by its own will:
    /// [`Context::exit`], [`Context::exit_with`]. Not called when it crashes, is killed, dies with
    /// one that it is linked to, or when the run ends.
    fn terminate(&mut self, reason: &ExitReason, ctx: &mut Context<'_, Self>) {
        let _ = (reason, ctx);
    }
}

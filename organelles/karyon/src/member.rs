//! An agent of any kind as the runtime sees it.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use karyon_memory_ops::Memories;
use karyon_runtime::{
    AgentKind, Event, ExitReason, Failure, Restart, RestartFrom, Restore, SpawnId, TimerId, codec,
};
use karyon_types::AgentId;
use serde::{Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};

use crate::address::Pid;
use crate::agent::{Agent, Result};
use crate::book::{Book, Denied};
use crate::call::{Answer, CallError};
use crate::context::Context;
use crate::directory::Directory;
use crate::effect::{Came, Receipt};
use crate::recall::Recalled;
use crate::spawn::{NotSpawned, Spawned};
use crate::wire;

/// An agent of a run. Its encoding: the number of its kind, what the library remembers for it, and
/// its state.
pub(crate) struct Member {
    number: u32,
    book: Book,
    agent: Box<dyn Hosted>,
    directory: Arc<Directory>,
}

/// Reads the state of an agent of one kind.
pub(crate) type Read = fn(&[u8]) -> Option<Box<dyn Hosted>>;

/// An agent whose type is forgotten.
pub(crate) trait Hosted: Send {
    fn kind(&self) -> &'static AgentKind;
    fn step(
        &mut self,
        event: Event<'_>,
        inner: karyon_runtime::Context<'_>,
        book: &mut Book,
        directory: &Directory,
    ) -> Result;
    fn encode(&self, out: &mut Vec<u8>);
    fn restore(&self, state: &[u8]) -> Option<Box<dyn Hosted>>;
    fn as_any(&self) -> &dyn Any;
}

struct Host<A>(A);

impl<A: Agent> Host<A> {
    const KIND: AgentKind = A::KIND.0;
}

/// What holds for all agents of kind `A`.
pub(crate) fn kind_of<A: Agent>() -> &'static AgentKind {
    &Host::<A>::KIND
}

/// Reads an agent of kind `A`.
pub(crate) fn read<A: Agent>(state: &[u8]) -> Option<Box<dyn Hosted>> {
    Some(Box::new(Host(codec::decode::<A>(state)?)))
}

impl Member {
    pub(crate) fn new(number: u32, agent: Box<dyn Hosted>, directory: Arc<Directory>) -> Member {
        Member { number, book: Book::default(), agent, directory }
    }

    /// Its state, if it is of this kind.
    pub(crate) fn state<A: Agent>(&self) -> Option<&A> {
        self.agent.as_any().downcast_ref()
    }
}

impl karyon_runtime::Agent for Member {
    /// No agent's: each has the one of what it holds. The name stands in the state's root.
    const KIND: AgentKind = AgentKind {
        name: "karyon",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(
        &mut self,
        event: Event<'_>,
        context: &mut karyon_runtime::Context<'_>,
    ) -> std::result::Result<(), Failure> {
        self.agent.step(event, context.reborrow(), &mut self.book, &self.directory)
    }

    fn kind(&self) -> &'static AgentKind {
        self.agent.kind()
    }

    fn kind_number(init: &dyn Fn(AgentId) -> Self, agent: AgentId) -> u32 {
        init(agent).number
    }

    fn number(&self) -> u32 {
        self.number
    }

    fn stand_in(any: Self, number: u32) -> Option<Self> {
        let directory = any.directory;
        let agent = Box::new(Blank(*directory.kinds.get(number as usize)?));
        Some(Member { number, book: Book::default(), agent, directory })
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut state = Vec::new();
        self.agent.encode(&mut state);
        (self.number, &self.book, Bytes::new(&state)).serialize(serializer)
    }
}

impl Restore for Member {
    fn restore(&self, state: &[u8]) -> Option<Member> {
        let (number, book, state) = codec::decode::<(u32, Book, ByteBuf)>(state)?;
        let agent = self.agent.restore(&state)?;
        let directory = Arc::clone(&self.directory);
        (number == self.number).then_some(Member { number, book, agent, directory })
    }
}

/// Stands for an agent whose state nobody can read: it has a kind, and does nothing.
struct Blank(&'static AgentKind);

impl Hosted for Blank {
    fn kind(&self) -> &'static AgentKind {
        self.0
    }

    fn step(
        &mut self,
        _event: Event<'_>,
        _inner: karyon_runtime::Context<'_>,
        _book: &mut Book,
        _directory: &Directory,
    ) -> Result {
        Err(crate::failure("the state of this agent cannot be read"))
    }

    fn encode(&self, _out: &mut Vec<u8>) {}

    fn restore(&self, _state: &[u8]) -> Option<Box<dyn Hosted>> {
        Some(Box::new(Blank(self.0)))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<A: Agent> Hosted for Host<A> {
    fn kind(&self) -> &'static AgentKind {
        &Self::KIND
    }

    fn step(
        &mut self,
        event: Event<'_>,
        inner: karyon_runtime::Context<'_>,
        book: &mut Book,
        directory: &Directory,
    ) -> Result {
        let Host(agent) = self;
        let mut ctx = Context { inner, book, directory, ends: None, agent: PhantomData };
        begin(agent, &mut ctx)?;
        if ctx.ends.is_none() {
            happen(agent, event, &mut ctx)?;
        }
        if let Some(reason) = ctx.ends.take() {
            agent.terminate(&reason, &mut ctx);
            ctx.inner.exit_with(ctx.ends.take().unwrap_or(reason));
        }
        Ok(())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        codec::encode(&self.0, out);
    }

    fn restore(&self, state: &[u8]) -> Option<Box<dyn Hosted>> {
        read::<A>(state)
    }

    fn as_any(&self) -> &dyn Any {
        &self.0
    }
}

/// The first step of an agent, or of a fork.
fn begin<A: Agent>(agent: &mut A, ctx: &mut Context<'_, A>) -> Result {
    let me = ctx.me().pid();
    if ctx.book.begun == me {
        return Ok(());
    }
    let before = std::mem::replace(&mut ctx.book.begun, me);
    if before == Pid::OUTSIDE {
        return agent.init(ctx);
    }
    for call in ctx.book.forget() {
        agent.answered(Answer { call, said: Err(CallError::Forked) }, ctx)?;
    }
    agent.forked(before, ctx)
}

fn happen<A: Agent>(agent: &mut A, event: Event<'_>, ctx: &mut Context<'_, A>) -> Result {
    if !matches!(event, Event::Denied { .. }) {
        ctx.book.something_else_came();
    }
    match event {
        // It began, and that was all.
        Event::Input { payload: [wire::MARK] } | Event::Message { payload: [wire::MARK], .. } => {
            Ok(())
        }
        // No message is empty.
        Event::Input { payload: [] } => agent.step(ctx),
        Event::Input { payload } => agent.input(wire::read(payload)?, ctx),
        Event::Message { payload: [wire::MARK, answer @ ..], .. } => {
            match wire::read_answer(answer) {
                Some((call, bytes)) => settle(agent, ctx, call, Ok(bytes.to_vec())),
                None => Err(crate::failure("an answer that cannot be read")),
            }
        }
        Event::Message { from, payload } => agent.handle(from.into(), wire::read(payload)?, ctx),
        Event::Timer { id, payload: [wire::MARK] } => {
            settle(agent, ctx, id, Err(CallError::Timeout))
        }
        Event::Timer { id, payload } => agent.timer(id, wire::read(payload)?, ctx),
        Event::Denied { deed, denial, output } => match ctx.book.denial_of(output) {
            Denied::Call(call, to) => {
                ctx.inner.cancel(call);
                ctx.release(to);
                agent.answered(Answer { call, said: Err(CallError::Denied(denial)) }, ctx)
            }
            Denied::Echo => Ok(()),
            Denied::Own => {
                if let karyon_runtime::Deed::Monitor(who) = deed {
                    ctx.book.unwatch(who.into());
                }
                match deed {
                    karyon_runtime::Deed::Spawn => {
                        let TimerId { step, output } = output;
                        let spawn = SpawnId { step, output };
                        agent.not_spawned(NotSpawned { spawn }, denial, ctx)
                    }
                    karyon_runtime::Deed::Effect => {
                        agent.receipt(Receipt { intent: output, came: Came::Denied(denial) }, ctx)
                    }
                    deed => agent.denied(deed, denial, ctx),
                }
            }
        },
        Event::Refused { to, why, output } => match ctx.book.denial_of(output) {
            Denied::Call(call, to) => {
                ctx.inner.cancel(call);
                ctx.release(to);
                agent.answered(Answer { call, said: Err(CallError::Refused(why)) }, ctx)
            }
            Denied::Echo => Ok(()),
            Denied::Own => agent.refused(to.into(), why, ctx),
        },
        Event::Spawned { spawn, child } => {
            // So that its init is called; in front of what the agent sends it.
            ctx.inner.send(child, &[wire::MARK]);
            agent.spawned(Spawned { spawn, child: child.into() }, ctx)
        }
        Event::Recalled { output, answer } => match Memories::decode(answer) {
            Some(memories) => agent.recalled(Recalled { recall: output, memories }, ctx),
            None => Err(crate::failure("an answer of the memory that cannot be read")),
        },
        Event::Receipt { output, receipt } => {
            agent.receipt(Receipt { intent: output, came: receipt.into() }, ctx)
        }
        Event::Down { who, reason } => down(agent, who.into(), reason, ctx),
        Event::Exit { from, reason } => agent.exit(from.into(), reason, ctx),
    }
}

/// A call comes to its end; one that did before is over.
fn settle<A: Agent>(
    agent: &mut A,
    ctx: &mut Context<'_, A>,
    call: TimerId,
    said: std::result::Result<Vec<u8>, CallError>,
) -> Result {
    let Some(to) = ctx.book.end(call) else { return Ok(()) };
    if said.is_ok() {
        ctx.inner.cancel(call);
    }
    ctx.release(to);
    agent.answered(Answer { call, said }, ctx)
}

/// The monitor is used up: for all calls, and for the agent itself.
fn down<A: Agent>(
    agent: &mut A,
    who: Pid,
    reason: &ExitReason,
    ctx: &mut Context<'_, A>,
) -> Result {
    // First: it may monitor it anew while it hears of its calls.
    let own = ctx.book.unwatch(who);
    for call in ctx.book.end_all(who) {
        ctx.inner.cancel(call);
        let said = Err(CallError::Down(reason.clone()));
        agent.answered(Answer { call, said }, ctx)?;
    }
    if own { agent.down(who, reason, ctx) } else { Ok(()) }
}

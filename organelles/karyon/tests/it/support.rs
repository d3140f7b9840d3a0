//! Two agents that do what a test tells them.

use karyon::{
    Agent, AgentRef, Answer, Call, Context, ExitReason, Kind, Pid, ReplyTo, Result, failure,
};
use serde::{Deserialize, Serialize};

/// Answers, or not.
#[derive(Default, Serialize, Deserialize)]
pub struct Server {
    pub kept: Vec<ReplyTo<u64>>,
    pub handled: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    Now(ReplyTo<u64>),
    /// So many ticks later.
    Later(u64, ReplyTo<u64>),
    /// By this agent.
    By(AgentRef<Server>, ReplyTo<u64>),
    Never(ReplyTo<u64>),
    Break(ReplyTo<u64>),
    Answer,
    Count(u64),
}

impl Agent for Server {
    type Message = Ask;
    const KIND: Kind = Kind::new("server");

    fn handle(&mut self, _from: Pid, message: Ask, ctx: &mut Context<'_, Self>) -> Result {
        self.handled += 1;
        match message {
            Ask::Now(reply) => ctx.reply(reply, &7),
            Ask::Later(ticks, reply) => {
                self.kept.push(reply);
                ctx.after(ticks, Ask::Answer);
            }
            Ask::By(other, reply) => ctx.cast(other, Ask::Now(reply)),
            Ask::Never(_) | Ask::Count(_) => {}
            Ask::Break(_) => return Err(failure("broken")),
            Ask::Answer => {
                if let Some(reply) = self.kept.pop() {
                    ctx.reply(reply, &8);
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Do {
    Now,
    Later(u64),
    By(AgentRef<Server>),
    Never,
    Break,
    Watch,
    Fail,
    End,
}

/// Calls the server with a patience of 5 ticks, and writes down what became of it.
#[derive(Serialize, Deserialize)]
pub struct Client<const KEEPS: bool> {
    pub server: AgentRef<Server>,
    pub calls: Vec<Call<u64>>,
    pub heard: Vec<String>,
}

impl<const KEEPS: bool> Client<KEEPS> {
    pub fn of(server: AgentRef<Server>) -> Self {
        Client { server, calls: Vec::new(), heard: Vec::new() }
    }

    fn hear(&mut self, what: String, ctx: &Context<'_, Self>) {
        self.heard.push(format!("{}: {what}", ctx.now().0));
    }
}

impl<const KEEPS: bool> Agent for Client<KEEPS> {
    type Message = Do;
    const KIND: Kind = match KEEPS {
        true => Kind::new("client").keeps_its_state(30),
        false => Kind::new("client").transient(),
    };

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        self.hear("init".into(), ctx);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, message: Do, ctx: &mut Context<'_, Self>) -> Result {
        let call = match message {
            Do::Now => ctx.call(self.server, Ask::Now, 5),
            Do::Later(ticks) => ctx.call(self.server, |reply| Ask::Later(ticks, reply), 5),
            Do::By(other) => ctx.call(self.server, |reply| Ask::By(other, reply), 5),
            Do::Never => ctx.call(self.server, Ask::Never, 5),
            Do::Break => ctx.call(self.server, Ask::Break, 5),
            Do::Watch => {
                ctx.monitor(self.server);
                return Ok(());
            }
            Do::Fail => return Err(failure("as told")),
            Do::End => {
                ctx.exit_with(ExitReason::Shutdown);
                return Ok(());
            }
        };
        self.calls.push(call);
        Ok(())
    }

    fn answered(&mut self, answer: Answer, ctx: &mut Context<'_, Self>) -> Result {
        let at = self.calls.iter().position(|call| answer.to(call).is_some());
        let at = at.ok_or_else(|| failure("an answer that nobody waits for"))?;
        let said = match answer.to(&self.calls.remove(at)) {
            Some(Ok(number)) => number.to_string(),
            Some(Err(error)) => error.to_string(),
            None => return Err(failure("another call's answer")),
        };
        self.hear(said, ctx);
        Ok(())
    }

    fn denied(
        &mut self,
        deed: karyon::Deed,
        _denial: karyon::Denial,
        ctx: &mut Context<'_, Self>,
    ) -> Result {
        self.hear(format!("denied {deed:?}"), ctx);
        Ok(())
    }

    fn down(&mut self, _who: Pid, reason: &ExitReason, ctx: &mut Context<'_, Self>) -> Result {
        self.hear(format!("down, {reason}"), ctx);
        Ok(())
    }

    fn terminate(&mut self, reason: &ExitReason, ctx: &mut Context<'_, Self>) {
        // Nobody hears it, but it is sent.
        if *reason == ExitReason::Shutdown {
            ctx.cast(self.server, Ask::Count(1));
        }
    }
}

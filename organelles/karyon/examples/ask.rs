//! A question and its answer, which comes by message: nobody waits.

use karyon::{Agent, AgentRef, Answer, Call, CallError, Context, Kind, Pid, ReplyTo, Result};
use karyon::{Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Counter {
    sum: u64,
}

#[derive(Serialize, Deserialize)]
enum Count {
    Add(u64),
    /// The message carries the right to answer it.
    Get(ReplyTo<u64>),
}

impl Agent for Counter {
    type Message = Count;
    const KIND: Kind = Kind::new("counter");

    fn handle(&mut self, _from: Pid, message: Count, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Count::Add(n) => self.sum += n,
            Count::Get(reply) => ctx.reply(reply, &self.sum),
        }
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Asker {
    counter: AgentRef<Counter>,
    /// The call that is under way: by it the answer is known, and its type.
    asked: Option<Call<u64>>,
    heard: Option<std::result::Result<u64, String>>,
}

impl Agent for Asker {
    type Message = ();
    const KIND: Kind = Kind::new("asker");

    fn handle(&mut self, _from: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        ctx.cast(self.counter, Count::Add(2));
        // No answer within 10 ticks is an answer, too.
        self.asked = Some(ctx.call(self.counter, Count::Get, 10));
        Ok(())
    }

    fn answered(&mut self, answer: Answer, _ctx: &mut Context<'_, Self>) -> Result {
        if let Some(sum) = answer.take(&mut self.asked) {
            self.heard = Some(sum.map_err(|error: CallError| error.to_string()));
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("ask");
    let counter = run.agent("counter", Counter { sum: 40 });
    let asker = run.agent("asker", Asker { counter, asked: None, heard: None });
    run.input(0, asker, ());

    let outcome = run.test()?;
    assert_eq!(outcome.state(asker).and_then(|asker| asker.heard.clone()), Some(Ok(42)));
    Ok(())
}

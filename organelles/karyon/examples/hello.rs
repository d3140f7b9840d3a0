//! One agent, one message from outside.

use karyon::{Agent, Context, Kind, Pid, Result, Run, RunError};
use serde::{Deserialize, Serialize};

/// The state: what survives from one message to the next.
#[derive(Default, Serialize, Deserialize)]
struct Greeter {
    greeted: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum Message {
    Greet(String),
}

impl Agent for Greeter {
    type Message = Message;
    const KIND: Kind = Kind::new("greeter");

    fn handle(&mut self, from: Pid, message: Message, ctx: &mut Context<'_, Self>) -> Result {
        let Message::Greet(name) = message;
        println!("{}: hello, {name}! (from {from})", ctx.now());
        self.greeted.push(name);
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("hello");
    let greeter = run.agent("greeter", Greeter::default());
    run.input(0, greeter, Message::Greet("Joe".into()));
    run.input(2, greeter, Message::Greet("Robert".into()));

    let outcome = run.test()?;
    let greeted = outcome.state(greeter).map(|greeter| greeter.greeted.join(", "));
    assert_eq!(greeted.as_deref(), Some("Joe, Robert"));
    Ok(())
}

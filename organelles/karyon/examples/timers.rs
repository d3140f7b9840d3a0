//! Messages to oneself, later: once, again and again, and taken back. Time is counted in ticks.

use karyon::{Agent, Context, Kind, Pid, Result, Run, RunError, TimerId};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Clock {
    ticking: Option<TimerId>,
    seen: Vec<(u64, String)>,
}

#[derive(Serialize, Deserialize)]
enum Message {
    Tick,
    Stop,
}

impl Agent for Clock {
    type Message = Message;
    // Its timers outlive its crashes.
    const KIND: Kind = Kind::new("clock").keeps_its_state(50);

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        self.ticking = Some(ctx.interval(10, Message::Tick));
        ctx.after(35, Message::Stop);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, message: Message, ctx: &mut Context<'_, Self>) -> Result {
        let word = match message {
            Message::Tick => "tick",
            Message::Stop => {
                if let Some(timer) = self.ticking.take() {
                    ctx.cancel(timer);
                }
                "stop"
            }
        };
        self.seen.push((ctx.now().0, word.into()));
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("timers");
    let clock = run.agent("clock", Clock::default());

    // A run waits for its timers, and passes over the ticks in which nothing happens.
    let outcome = run.test()?;
    let seen = outcome.state(clock).map(|clock| clock.seen.clone()).unwrap_or_default();
    let expected = [(10, "tick"), (20, "tick"), (30, "tick"), (35, "stop")];
    assert_eq!(seen, expected.map(|(tick, word)| (tick, word.to_owned())));

    // The same with crashes: each step that dies is tried again, and leaves nothing behind.
    let crashed = run.chaos(0.5).test()?;
    assert!(crashed.counts.crashes > 0);
    assert_eq!(crashed.state_root, outcome.state_root);
    Ok(())
}

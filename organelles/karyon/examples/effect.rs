//! An agent that has something done in the world outside: one action on one resource is permitted,
//! what came of it is recorded and told, and what is not permitted is denied.

use std::sync::{Arc, Mutex};

use karyon::{Agent, Came, Context, Effect, Intent, Kind, Pid, Receipt, Result, Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Clerk {
    sending: Option<Intent>,
    sent: Vec<String>,
    denied: u64,
}

#[derive(Serialize, Deserialize)]
enum Task {
    Mail { to: String, words: String },
}

impl Agent for Clerk {
    type Message = Task;
    const KIND: Kind = Kind::new("clerk");

    fn handle(&mut self, _from: Pid, task: Task, ctx: &mut Context<'_, Self>) -> Result {
        let Task::Mail { to, words } = task;
        self.sending = Some(ctx.effect("mail.send", &format!("mail/{to}"), &words));
        Ok(())
    }

    fn receipt(&mut self, receipt: Receipt, _ctx: &mut Context<'_, Self>) -> Result {
        match receipt.take(&mut self.sending) {
            Some(Came::Done(proof)) => self.sent.push(String::from_utf8_lossy(proof).into()),
            Some(Came::Failed(why)) => self.sent.push(format!("failed: {why}")),
            Some(Came::Denied(_)) => self.denied += 1,
            Some(Came::NotDone(why)) => self.sent.push(format!("not done: {why}")),
            // Perhaps it was sent: whoever must know asks the one who should have it.
            Some(Came::Unknown) => self.sent.push("unknown".into()),
            None => {}
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let outbox = Arc::new(Mutex::new(Vec::new()));
    let world = Arc::clone(&outbox);
    let mut run = Run::new("post");
    run.permit::<Clerk>("mail.send", "mail/team").performs(move |effect: &Effect| {
        let words: String = effect.read().ok_or("no words")?;
        let mut outbox = world.lock().map_err(|_| "the outbox is broken")?;
        outbox.push(format!("{}: {words}", effect.resource));
        Ok(format!("message {}", outbox.len()).into_bytes())
    });
    let clerk = run.agent("clerk", Clerk::default());
    let mail = |to: &str, words: &str| Task::Mail { to: to.into(), words: words.into() };
    run.input(0, clerk, mail("team/ada", "hello"));
    run.input(2, clerk, mail("stranger", "hello"));
    let outcome = run.test()?;
    let clerk = outcome.state(clerk).map(|clerk| (clerk.sent.clone(), clerk.denied));
    assert_eq!(clerk, Some((vec!["message 1".to_owned()], 1)));
    let outbox = outbox.lock().map(|outbox| outbox.clone()).unwrap_or_default();
    assert_eq!(outbox, ["mail/team/ada: hello"]);
    Ok(())
}

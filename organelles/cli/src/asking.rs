//! Asking a node that runs: which agent is meant, what is answered, and what to do when nobody
//! answers.

use std::path::Path;
use std::time::Duration;

use karyon_boundary::{At, Client, ClientError, Done, List};
use karyon_colony::life::VERSION;
use karyon_runtime::DataDir;
use serde_json::json;

use crate::error::{CliError, Code};
use crate::output::{self, plain, thousands};

/// How long a node may take for an answer: a tick of a large run, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A node that runs in `data`.
pub(crate) struct Asked<'a> {
    pub(crate) client: Client,
    data: &'a Path,
}

/// What can be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Pause,
    Resume,
    Kill,
    Restart,
    Fork,
}

impl<'a> Asked<'a> {
    pub(crate) fn connect(data: &'a Path) -> Result<Asked<'a>, CliError> {
        let client = Client::connect(data, &format!("karyon {VERSION}"), PATIENCE);
        Ok(Asked { client: client.map_err(|error| failed(data, &error))?, data })
    }

    /// What the node's failure means here.
    pub(crate) fn heard<T>(&self, answer: Result<T, ClientError>) -> Result<T, CliError> {
        answer.map_err(|error| failed(self.data, &error))
    }

    /// The serial of the agent that is meant: `id:17`, `name:ada`, or either where only one of
    /// them can be meant.
    pub(crate) fn find(&mut self, given: &str) -> Result<u64, CliError> {
        if let Some(number) = given.strip_prefix("id:") {
            return number.parse().map_err(|_| {
                CliError::failure(format!("{given}: behind id: stands a number, such as id:17"))
            });
        }
        if let Some(name) = given.strip_prefix("name:") {
            return self.named(name)?.ok_or_else(|| self.nobody(name));
        }
        let named = self.named(given)?;
        match (given.parse::<u64>(), named) {
            (Ok(id), Some(other)) if id != other => Err(CliError::failure(format!(
                "{given} is a number of one agent and the name of agent {other}"
            ))
            .with_hint(format!("say id:{given} or name:{given}"))),
            (Ok(id), _) => Ok(id),
            (Err(_), named) => named.ok_or_else(|| self.nobody(given)),
        }
    }

    fn named(&mut self, name: &str) -> Result<Option<u64>, CliError> {
        let list = List { name: Some(name.into()), exact: true, limit: Some(1), ..List::default() };
        let listed = self.client.list(&list);
        let found = self.heard(listed)?.processes.into_iter().find(|found| found.name == name);
        Ok(found.map(|process| process.id))
    }

    fn nobody(&self, name: &str) -> CliError {
        CliError::failure(format!("no agent is called {}", plain(name))).with_hint(format!(
            "`karyon ps --name TEXT --data {}` finds names that hold a text",
            self.data.display()
        ))
    }
}

fn failed(data: &Path, error: &ClientError) -> CliError {
    let shown = data.display();
    let (message, hint) = match error {
        ClientError::NoNode(_) if DataDir::is_in_use(data) == Some(true) => (
            format!("{shown} is in use, but nobody there can be asked about agents"),
            Some("a run is asked while it is under way: it may begin, or end, just now".into()),
        ),
        ClientError::NoNode(_) => (
            error.to_string(),
            Some(format!(
                "start a run with `karyon run … --data {shown}`, or go on with one: `karyon \
                 resume --data {shown}`; what was recorded is told by `karyon audit` and `karyon \
                 memory`"
            )),
        ),
        ClientError::NotAllowed(_) => {
            (error.to_string(), Some("ask as the user who runs it, or as root".into()))
        }
        ClientError::Late => {
            (error.to_string(), Some("a tick of it may take long: ask again".into()))
        }
        ClientError::Failed(failure) if failure.data.code == "unknown_agent" => (
            plain(&error.to_string()),
            Some(format!("`karyon ps --data {shown}` lists who is there")),
        ),
        ClientError::Failed(failure) => {
            (plain(&error.to_string()), Some(plain(&failure.data.hint)))
        }
        ClientError::NoData(_) | ClientError::Closed | ClientError::Io(_) => {
            (error.to_string(), None)
        }
        ClientError::Answer(_) => (
            plain(&error.to_string()),
            Some("use the program that the node was started with".into()),
        ),
    };
    CliError { code: Code::Failure, message, hint }
}

/// Of which moment an answer is true, in words.
pub(crate) fn moment(at: &At) -> String {
    let tick = at.tick.map_or("before the first tick".into(), |tick| format!("tick {tick}"));
    let durable = if at.provisional { ", not durable yet" } else { "" };
    format!("{tick}, {} records{durable}", thousands(at.records))
}

/// Gives an order about an agent, and shows what came of it.
pub(crate) fn order(data: &Path, agent: &str, json: bool, verb: Verb) -> Result<Code, CliError> {
    let mut asked = Asked::connect(data)?;
    let id = asked.find(agent)?;
    let (word, done) = match verb {
        Verb::Pause => ("paused", asked.client.pause(id)),
        Verb::Resume => ("resumed", asked.client.resume(id)),
        Verb::Kill => ("killed", asked.client.kill(id)),
        Verb::Restart => ("restarted", asked.client.restart(id)),
        Verb::Fork => ("forked", asked.client.fork(id)),
    };
    let Done { at, child } = asked.heard(done)?;
    let new = child.map(|child| format!(": agent {child}")).unwrap_or_default();
    match json {
        true => {
            let mut shown = json!({ "done": word, "id": id, "at": at });
            output::put(&mut shown, "child", child);
            output::json(&shown);
        }
        false => output::line(&format!("agent {id} was {word}{new} ({})", moment(&at))),
    }
    Ok(Code::Ok)
}

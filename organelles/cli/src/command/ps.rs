//! `karyon ps`: the agents of a run that is under way.

use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use karyon_boundary::{ClientError, List, Listed, Sort, Status};
use serde_json::json;

use crate::args::{OfStatus, Ps, SortBy};
use crate::asking::{Asked, moment};
use crate::error::{CliError, Code};
use crate::output::{self, plain, size, thousands};
use crate::signals;

/// How often `--watch` asks.
const EVERY: Duration = Duration::from_secs(1);
/// How often it looks for a signal meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// Clears a terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

pub(crate) fn execute(args: &Ps) -> Result<Code, CliError> {
    let signal = if args.watch { Some(signals::listen()?) } else { None };
    let mut asked = Asked::connect(&args.under.data)?;
    let list = list(args);
    let listed = asked.client.list(&list);
    show(&asked.heard(listed)?, args);
    let Some(signal) = signal else { return Ok(Code::Ok) };
    let mut shown = Instant::now();
    while signal.load(Ordering::Relaxed) == 0 {
        if shown.elapsed() < EVERY {
            thread::sleep(LOOK);
            continue;
        }
        shown = Instant::now();
        match asked.client.list(&list) {
            Ok(listed) => show(&listed, args),
            Err(error) if is_end(&error) => {
                output::note("the run is over");
                return Ok(Code::Ok);
            }
            Err(error) => return asked.heard(Err(error)),
        }
    }
    Ok(Code::Ok)
}

fn is_end(error: &ClientError) -> bool {
    match error {
        ClientError::Closed => true,
        ClientError::Failed(failure) => failure.data.code == "not_running",
        ClientError::NoData(_)
        | ClientError::NoNode(_)
        | ClientError::NotAllowed(_)
        | ClientError::Late
        | ClientError::Io(_)
        | ClientError::Answer(_) => false,
    }
}

fn list(args: &Ps) -> List {
    List {
        sort: match args.sort {
            SortBy::Id => Sort::Id,
            SortBy::Name => Sort::Name,
            SortBy::Steps => Sort::Steps,
            SortBy::Mailbox => Sort::Mailbox,
            SortBy::Restarts => Sort::Restarts,
        },
        descending: args.desc,
        name: args.name.clone(),
        exact: false,
        status: args.status.map(|status| match status {
            OfStatus::Running => Status::Running,
            OfStatus::Paused => Status::Paused,
            OfStatus::Exited => Status::Exited,
            OfStatus::Lost => Status::Lost,
        }),
        offset: args.offset,
        limit: Some(args.limit),
    }
}

fn show(listed: &Listed, args: &Ps) {
    if args.under.json {
        return output::safe_json(&json!(listed));
    }
    if args.watch && std::io::stdout().is_terminal() {
        output::line(CLEAR);
    }
    let names = listed.processes.iter().map(|process| plain(&process.name));
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(4);
    output::line(&format!(
        "{:>8}  {:<width$}  {:<10}  {:<7}  {:>10}  {:>7}  {:>8}  {:>10}",
        "ID", "NAME", "KIND", "STATUS", "STEPS", "MAILBOX", "RESTARTS", "LOG"
    ));
    for (process, name) in listed.processes.iter().zip(names) {
        output::line(&format!(
            "{:>8}  {name:<width$}  {:<10}  {:<7}  {:>10}  {:>7}  {:>8}  {:>10}",
            process.id,
            plain(&process.kind),
            plain(&process.status),
            process.steps,
            process.mailbox,
            process.restarts,
            size(process.log_bytes),
        ));
    }
    let more = match listed.next {
        Some(next) => format!("; the next with --offset {next}"),
        None => String::new(),
    };
    output::line(&format!(
        "{} of {} agents ({}){more}",
        thousands(listed.processes.len() as u64),
        thousands(listed.total),
        moment(&listed.at)
    ));
}

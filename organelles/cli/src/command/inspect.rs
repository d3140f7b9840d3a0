//! `karyon inspect`: the six questions about an agent of a run that is under way, and its state.

use karyon_boundary::{Cause, Inspected};
use serde_json::json;

use crate::args::InspectAgent;
use crate::asking::{Asked, moment};
use crate::error::{CliError, Code};
use crate::output::{self, plain, size, thousands};

pub(crate) fn execute(args: &InspectAgent) -> Result<Code, CliError> {
    let aim = &args.aim;
    let mut asked = Asked::connect(&aim.under.data)?;
    let id = asked.find(&aim.agent)?;
    let found = asked.client.inspect(id);
    let found = asked.heard(found)?;
    match aim.under.json {
        true => output::safe_json(&json!(found)),
        false => lines(&found).iter().for_each(|line| output::line(line)),
    }
    Ok(Code::Ok)
}

/// What a person is shown. Names and states are others' words.
fn lines(found: &Inspected) -> Vec<String> {
    let Inspected { at, process, lease, grounds, state, last } = found;
    let mut lines = vec![
        "What is running".into(),
        format!("  agent {}, called {}, of kind {}", process.id, process.name, process.kind),
        format!(
            "  {}; waiting for it: {}; restarts: {}",
            process.status,
            thousands(process.mailbox),
            thousands(process.restarts)
        ),
    ];
    let (why, whose) = match grounds {
        Some(grounds) => (
            format!("  {} (grant {})", grounds.reason, grounds.grant),
            format!("  {}", grounds.principal),
        ),
        None => ("  not known".into(), "  not known".into()),
    };
    lines.extend(["Why".into(), why, "On whose behalf".into(), whose, "What it may do".into()]);
    lines.push(match lease {
        Some(lease) if lease.rights.is_empty() => format!("  nothing (lease {})", lease.id),
        Some(lease) => format!(
            "  {}, to agents {} to {} (lease {})",
            lease.rights.join(", "),
            lease.scope.first,
            lease.scope.last,
            lease.id
        ),
        None => "  nothing: it has no lease".into(),
    });
    lines.push("What it has done".into());
    lines.push(format!("  {} steps, {} of log", thousands(process.steps), size(process.log_bytes)));
    lines.extend(last.iter().map(|cause| format!("  {}", handled(process.id, *cause))));
    if last.is_empty() {
        lines.push("  what it handles is remembered from now on: ask again".into());
    }
    lines.push("When it must stop".into());
    lines.push(match lease.as_ref().map(|lease| lease.expires) {
        Some(Some(tick)) => format!("  from tick {tick} on it may do nothing more"),
        Some(None) => "  its lease has no end; whoever signed may revoke it, anybody halt".into(),
        None => "  it may do nothing as it is".into(),
    });
    lines.push("State".into());
    lines.push(match state {
        Some(state) => {
            let cut = if state.cut { ", not all of it shown" } else { "" };
            format!("  {} ({}{cut})", state.value, size(state.size_bytes))
        }
        None => "  none: it has exited".into(),
    });
    lines.push(format!("As of {}", moment(at)));
    lines.iter().map(|line| plain(line)).collect()
}

fn handled(who: u64, cause: Cause) -> String {
    match cause {
        Cause::Input { input } => format!("handled input {input}"),
        Cause::Message { from, step, output } => {
            format!("handled the message of agent {from} (its step {step}, output {output})")
        }
        Cause::Denial { step, output } => {
            format!("heard that output {output} of its step {step} was denied")
        }
        Cause::Timer { step, output } => {
            format!("woke by the timer of its step {step}, output {output}")
        }
        Cause::Down { from, .. } => format!("heard that agent {from}, which it monitors, ended"),
        Cause::Exit { from, .. } if from == who => {
            "heard that whom it linked itself to was gone, or that it is to end".into()
        }
        Cause::Exit { from, .. } => {
            format!("heard that agent {from}, to which it is linked, ended")
        }
        Cause::Spawn { child: Some(child), .. } => format!("heard that agent {child} came to life"),
        Cause::Spawn { child: None, step, output } => {
            format!("heard that nobody came to life by output {output} of its step {step}")
        }
        Cause::Told { step, output } => {
            format!("was told what came of output {output} of its step {step}")
        }
        Cause::Other => "handled something that this program has no word for".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_boundary::{At, Grounds, Lease, Process, Scope, State};

    fn found() -> Inspected {
        Inspected {
            at: At { tick: Some(7), records: 1_234, provisional: true },
            process: Process {
                id: 17,
                name: "a\u{1b}[2J".into(),
                kind: "person".into(),
                status: "paused".into(),
                steps: 12,
                mailbox: 3,
                restarts: 1,
                log_bytes: 2_048,
            },
            lease: Some(Lease {
                id: 17,
                rights: vec!["send".into(), "remember".into()],
                scope: Scope { first: 1, last: 99 },
                expires: Some(200),
            }),
            grounds: Some(Grounds { grant: 1, principal: "ada".into(), reason: "run\nit".into() }),
            state: Some(State { size_bytes: 3, value: json!([3, "\u{202e}"]), cut: true }),
            last: vec![Cause::Input { input: 4 }, Cause::Denial { step: 2, output: 0 }],
        }
    }

    #[test]
    fn the_six_questions_are_answered_and_nothing_steers_the_terminal() {
        let shown = lines(&found()).join("\n");
        assert_eq!(
            shown,
            "What is running
  agent 17, called a\\u{1b}[2J, of kind person
  paused; waiting for it: 3; restarts: 1
Why
  run\\nit (grant 1)
On whose behalf
  ada
What it may do
  send, remember, to agents 1 to 99 (lease 17)
What it has done
  12 steps, 2.0 KiB of log
  handled input 4
  heard that output 0 of its step 2 was denied
When it must stop
  from tick 200 on it may do nothing more
State
  [3,\"\\u{202e}\"] (3 B, not all of it shown)
As of tick 7, 1,234 records, not durable yet"
        );
        let bare = Inspected { lease: None, grounds: None, state: None, last: vec![], ..found() };
        let shown = lines(&bare).join("\n");
        for part in
            ["nothing: it has no lease", "none: it has exited", "it may do nothing as it is"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

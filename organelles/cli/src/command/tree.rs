//! `karyon tree`: the tree of supervisors of a run that is under way.

use karyon_boundary::{Branch, TreeOf};
use serde_json::json;

use crate::args::Tree;
use crate::asking::{Asked, moment};
use crate::error::{CliError, Code};
use crate::output::{self, plain, thousands};

pub(crate) fn execute(args: &Tree) -> Result<Code, CliError> {
    let mut asked = Asked::connect(&args.under.data)?;
    let shown = asked.client.tree(&TreeOf { offset: args.offset, limit: Some(args.limit) });
    let shown = asked.heard(shown)?;
    if args.under.json {
        output::safe_json(&json!(shown));
        return Ok(Code::Ok);
    }
    shown.branches.iter().for_each(|branch| output::line(&line(branch)));
    let more = match shown.next {
        Some(next) => format!("; the next with --offset {next}"),
        None => String::new(),
    };
    output::line(&format!(
        "{} of {} supervisors and agents ({}){more}",
        thousands(shown.branches.len() as u64),
        thousands(shown.total),
        moment(&shown.at)
    ));
    Ok(Code::Ok)
}

/// What a person is shown. Names are others' words.
fn line(branch: &Branch) -> String {
    let Branch { id, depth, status, agent, supervisor, .. } = branch;
    let place = "  ".repeat(*depth as usize);
    let again = |restarts: u64| match restarts {
        0 => String::new(),
        1 => ", started again once".into(),
        many => format!(", started again {} times", thousands(many)),
    };
    let words = match (agent, supervisor) {
        (Some(agent), _) => {
            format!("{id} {} ({status}{})", agent.name, again(agent.restarts))
        }
        (None, Some(above)) => format!(
            "supervisor {id}: {}, {} of {} restarts within {} ticks, {} children",
            above.strategy,
            thousands(above.restarts),
            thousands(above.intensity),
            thousands(above.period_ticks),
            thousands(above.children)
        ),
        (None, None) => format!("supervisor {id} ({status})"),
    };
    format!("{place}{}", plain(&words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use karyon_boundary::{Above, Child};

    #[test]
    fn a_tree_is_shown_by_lines_and_nothing_steers_the_terminal() {
        let agent = |name: &str, restarts| Some(Child { name: name.into(), restarts });
        let root = Branch {
            id: 0,
            above: None,
            depth: 0,
            status: "running".into(),
            agent: None,
            supervisor: Some(Above {
                strategy: "one_for_all".into(),
                restarts: 1,
                intensity: 3,
                period_ticks: 1_000,
                children: 2,
            }),
        };
        let first = Branch {
            id: 7,
            above: Some(0),
            depth: 1,
            agent: agent("a\u{1b}[2J", 2),
            supervisor: None,
            ..root.clone()
        };
        let rests = Branch { id: 9, status: "exited".into(), agent: None, ..first.clone() };
        let shown: Vec<_> = [root, first, rests].iter().map(line).collect();
        assert_eq!(
            shown,
            [
                "supervisor 0: one_for_all, 1 of 3 restarts within 1,000 ticks, 2 children",
                "  7 a\\u{1b}[2J (running, started again 2 times)",
                "  supervisor 9 (exited)",
            ]
        );
    }
}

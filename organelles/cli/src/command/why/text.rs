//! Chains and trees for people.

use karyon_memory::{Bounds, Consequence, Consequences, Lineage, Link, Subject, What};

use super::Teller;
use super::sentence::lost;
use crate::error::CliError;
use crate::output::{self, thousands};

impl Teller<'_> {
    pub(super) fn chain_text(
        &self,
        reference: &str,
        subject: Subject,
        lineage: &Lineage,
    ) -> Result<(), CliError> {
        let known = lineage.links.iter().any(|link| matches!(link.what, What::Fact { .. }));
        if matches!(subject, Subject::Agent(_)) && !known {
            output::line(&match lineage.links.is_empty() {
                true => format!("no fact is recorded of {reference}, and it never took a step"),
                false => format!("no fact is recorded of {reference}; this is its last step:"),
            });
        }
        let mut rows = Vec::new();
        let mut links = lineage.links.iter().peekable();
        while let Some(link) = links.next() {
            let mut sentence = self.sentence(link)?;
            // What made the sender send stands in the same line.
            if let (What::Sent { .. } | What::Denied { .. }, Some(next)) =
                (&link.what, links.peek())
                && let What::Input { index } = next.what
                && (next.agent, next.position) == (link.agent, link.position)
            {
                sentence = format!("{sentence} ({})", self.input(index));
                links.next();
            }
            let heads = rows.is_empty() || matches!(link.what, What::Fact { .. });
            let indent = if heads { "" } else { "  " };
            rows.push((format!("#{}", link.position.0), format!("{indent}{sentence}")));
        }
        table(rows);
        let lines = self.authority_lines(lineage)?;
        if !lines.is_empty() {
            output::line("");
            lines.iter().for_each(|line| output::line(line));
        }
        Ok(())
    }

    /// What came of something, each link below that of which it came.
    pub(super) fn tree_text(
        &self,
        reference: &str,
        subject: Subject,
        bounds: Bounds,
        tree: &Consequences,
    ) -> Result<(), CliError> {
        let known = tree.links.iter().any(|link| matches!(link.link.what, What::Fact { .. }));
        if matches!(subject, Subject::Agent(_)) && !known {
            output::line(&match tree.links.is_empty() {
                true => format!("no fact is recorded of {reference}, and it was never born"),
                false => format!("no fact is recorded of {reference}; this came of its birth:"),
            });
        }
        let mut rows = Vec::new();
        let mut open: Vec<(usize, usize)> = tree.roots().rev().map(|root| (root, 0)).collect();
        while let Some((number, indent)) = open.pop() {
            let Some(link) = tree.links.get(number) else { continue };
            let space = "  ".repeat(indent);
            let sentence = format!("{space}{}", self.consequence(link)?);
            rows.push((format!("#{}", link.link.position.0), sentence));
            if link.barren > 0 {
                let count = thousands(link.barren as u64);
                let s = if link.barren == 1 { "" } else { "s" };
                let words = format!("{space}  and {count} message{s} of which no fact came");
                rows.push((String::new(), words));
            }
            open.extend(tree.of(number).rev().map(|below| (below, indent + 1)));
        }
        let nothing = rows.len() == tree.roots().count() && !rows.is_empty();
        table(rows);
        if nothing && tree.left_out == Default::default() {
            output::line("nothing came of it that the log ties to it");
        }
        left_out(bounds, tree).iter().for_each(|line| output::line(line));
        Ok(())
    }

    fn consequence(&self, link: &Consequence) -> Result<String, CliError> {
        let mut sentence = self.sentence(&link.link)?;
        if let Some(input) = link.input {
            sentence = format!("{sentence} ({})", self.input(input));
        }
        let handled = match (&link.link.what, &link.handled) {
            (What::Sent { .. }, None) => ", not handled by the end of the log".into(),
            (_, None) => String::new(),
            (_, Some(by)) => handled_words(by),
        };
        Ok(sentence + &handled)
    }
}

fn handled_words(by: &Link) -> String {
    match &by.what {
        What::Lost { loss } => format!(", never handled: {} ({})", lost(*loss), by.position),
        _ => format!(", handled in {}", by.position),
    }
}

/// What is not in the tree, and how to see it.
fn left_out(bounds: Bounds, tree: &Consequences) -> Vec<String> {
    let mut lines = Vec::new();
    if tree.left_out.deeper > 0 {
        lines.push(format!(
            "left out: what came of {} of these links, more than {} records away (--depth)",
            thousands(tree.left_out.deeper as u64),
            thousands(bounds.depth as u64)
        ));
    }
    if tree.left_out.more {
        lines.push(format!(
            "left out: whatever is not among the first {} links (--limit)",
            thousands(tree.links.len() as u64)
        ));
    }
    lines
}

/// Records and sentences in two columns.
fn table(rows: Vec<(String, String)>) {
    let width = rows.iter().map(|(record, _)| record.len()).max().unwrap_or(0);
    for (record, sentence) in rows {
        output::line(&format!("{record:width$}  {sentence}"));
    }
}

//! Chains and trees for Graphviz.

use karyon_memory::{Consequences, Lineage};

use super::super::memory::show::quoted;
use super::Teller;
use crate::error::CliError;
use crate::output;

impl Teller<'_> {
    pub(super) fn chain_dot(&self, lineage: &Lineage) -> Result<(), CliError> {
        output::line("digraph why {");
        output::line("  rankdir=BT; node [shape=box];");
        for (number, link) in lineage.links.iter().enumerate() {
            let words = quoted(&format!("{}\n#{}", self.sentence(link)?, link.position.0));
            output::line(&format!("  n{number} [label={words}];"));
            if number > 0 {
                output::line(&format!("  n{number} -> n{};", number - 1));
            }
        }
        let authority = self.authority_lines(lineage)?;
        if let Some(last) = lineage.links.len().checked_sub(1).filter(|_| !authority.is_empty()) {
            let words = quoted(&authority.join("\n"));
            output::line(&format!("  root [label={words}, shape=ellipse];"));
            output::line(&format!("  root -> n{last};"));
        }
        output::line("}");
        Ok(())
    }

    pub(super) fn tree_dot(&self, tree: &Consequences) -> Result<(), CliError> {
        output::line("digraph why {");
        output::line("  node [shape=box];");
        for (number, link) in tree.links.iter().enumerate() {
            let words = quoted(&format!("{}\n{}", self.sentence(&link.link)?, link.link.position));
            output::line(&format!("  n{number} [label={words}];"));
            if let Some(parent) = link.parent {
                output::line(&format!("  n{parent} -> n{number};"));
            }
        }
        output::line("}");
        Ok(())
    }
}

//! A tree of supervisors, and what is under way in it, in a snapshot.

use karyon_supervision::Tree;
use karyon_types::{AgentId, Tick};

use super::Trees;
use crate::snapshot::SavedTrees;

impl Trees {
    /// `None`: its decisions are not carried out yet.
    pub(crate) fn save(&self) -> Option<SavedTrees> {
        let Trees {
            tree,
            // What it began with.
            agents: _,
            intensity: _,
            has_begun,
            ended,
            resting,
            overdue,
            lost,
            told,
            later,
            failed_starts,
            last_failed,
            end,
            records,
            count,
            added,
        } = self;
        let is_quiet = *has_begun && ended.is_empty() && records.is_empty() && *count == 0;
        let is_quiet = is_quiet && added.is_quiet();
        is_quiet.then(|| SavedTrees {
            tree: tree.save(),
            resting: resting.iter().map(|(child, begun)| (*child, *begun)).collect(),
            overdue: overdue.iter().map(|(child, last)| (*child, last.0)).collect(),
            lost: lost.iter().map(|(first, last)| (first.0, last.0)).collect(),
            told: *told as u64,
            later: later.clone(),
            failed_starts: *failed_starts,
            last_failed: last_failed.map(|agent| agent.0),
            end: *end,
        })
    }

    /// Goes on as `tree` and what was saved beside it.
    pub(crate) fn load(&mut self, tree: Tree, saved: SavedTrees) {
        let SavedTrees {
            tree: _,
            resting,
            overdue,
            lost,
            told,
            later,
            failed_starts,
            last_failed,
            end,
        } = saved;
        self.tree = tree;
        self.has_begun = true;
        self.resting = resting.into_iter().collect();
        self.overdue = overdue.into_iter().map(|(child, last)| (child, Tick(last))).collect();
        self.lost = lost.into_iter().map(|(first, last)| (AgentId(first), AgentId(last))).collect();
        self.told = told as usize;
        self.later = later;
        self.failed_starts = failed_starts;
        self.last_failed = last_failed.map(AgentId);
        self.end = end;
    }
}

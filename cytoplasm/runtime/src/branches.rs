//! The tree of supervisors as somebody outside sees it, between two ticks.

use karyon_supervision::{ChildId, ChildState, Flags, RestartWindow, Strategy, Supervisor, Tree};
use karyon_types::AgentId;

use crate::agent::Agent;
use crate::processes::{Branch, MAX_LISTED, Position, Shown, Stands, Status, Upkeep};
use crate::trees::{Field, ROOT, Trees, with};

/// What is shown of a tree.
struct Walk<'w, 'a, 'g, A> {
    field: &'w Field<'a, 'g, A>,
    names: &'w [String],
    skip: u64,
    most: usize,
    total: u64,
    branches: Vec<Branch>,
}

/// Everybody in the tree, each supervisor before those below it.
pub(crate) fn show<A: Agent>(
    field: &Field<'_, '_, A>,
    trees: Option<&Trees>,
    names: &[String],
    (offset, limit): (u64, u32),
    at: Position,
) -> Shown {
    let most = limit.min(MAX_LISTED) as usize;
    let mut walk = Walk { field, names, skip: offset, most, total: 0, branches: Vec::new() };
    match trees {
        Some(trees) => walk.below(trees.tree(), ROOT, None, 0),
        None => walk.flat(field.window),
    }
    Shown { at, total: walk.total, branches: walk.branches }
}

impl<A: Agent> Walk<'_, '_, '_, A> {
    fn add(&mut self, branch: impl FnOnce(&Self) -> Branch) {
        self.total += 1;
        if self.total > self.skip && self.branches.len() < self.most {
            let branch = branch(self);
            self.branches.push(branch);
        }
    }

    /// One supervisor above all.
    fn flat(&mut self, window: &RestartWindow) {
        let (restarts, intensity) = (window.recent(self.field.now), window.intensity());
        let children = self.names.len() as u64;
        let strategy = Strategy::OneForOne;
        let stands = Stands::Supervisor { strategy, restarts, intensity, children };
        self.add(|_| Branch { id: ROOT.0, above: None, depth: 0, stands });
        for serial in (1..).take(self.names.len()) {
            self.agent(serial, ROOT, 1, ChildState::Running);
        }
    }

    fn below(&mut self, tree: &Tree, id: ChildId, above: Option<ChildId>, depth: u32) {
        let supervisor = tree.supervisor(id);
        let now = self.field.now;
        let of = |supervisor: &Supervisor| {
            let Flags { strategy, intensity, .. } = supervisor.flags();
            let children = supervisor.children().count() as u64;
            let restarts = supervisor.restarts(now);
            Stands::Supervisor { strategy, restarts, intensity, children }
        };
        let stands = supervisor.map_or(Stands::SupervisorAtRest, of);
        let above = above.map(|above| above.0);
        self.add(|_| Branch { id: id.0, above, depth, stands });
        for (spec, state) in supervisor.into_iter().flat_map(|machine| machine.children()) {
            if spec.id.0 > self.names.len() as u64 {
                self.below(tree, spec.id, Some(id), depth + 1);
            } else {
                let waits = supervisor.is_some_and(|machine| machine.is_to_start(spec.id));
                let state = if waits { ChildState::Restarting } else { state };
                self.agent(spec.id.0, id, depth + 1, state);
            }
        }
    }

    fn agent(&mut self, serial: u64, above: ChildId, depth: u32, state: ChildState) {
        self.add(|walk| {
            let id = AgentId(serial);
            let facts = with(walk.field.ground, id, |slab| slab.facts_of(id)).flatten();
            let status = facts.map_or(Status::Exited, |facts| facts.status);
            let upkeep = match (state, status) {
                (ChildState::Running, Status::Running) => Upkeep::Running,
                (ChildState::Running, Status::Paused) => Upkeep::Paused,
                (ChildState::Running | ChildState::Stopped, _) => Upkeep::Exited,
                (ChildState::Stopping, _) => Upkeep::Stopping,
                (ChildState::Starting | ChildState::Ended(_) | ChildState::Restarting, _) => {
                    Upkeep::Waiting
                }
            };
            let name = walk.names.get(serial as usize - 1).cloned().unwrap_or_default();
            let restarts = facts.map_or(0, |facts| facts.restarts);
            let stands = Stands::Agent { name, upkeep, restarts };
            Branch { id: serial, above: Some(above.0), depth, stands }
        });
    }
}

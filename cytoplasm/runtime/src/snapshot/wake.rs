//! From the content of a snapshot to what a run can go on from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use karyon_supervision::Tree;
use karyon_types::{AgentId, Tick};

use super::{Content, SavedSeed, Snapshot};
use crate::agent::Agent;
use crate::codec;
use crate::recorder::Recorder;
use crate::scheduler::{Kind, Plan};
use crate::subjects::Sealing;

/// What a run goes on from.
pub(crate) struct Woken<A> {
    pub(crate) tick: Tick,
    pub(crate) records: u64,
    pub(crate) content: Content,
    /// By serial; taken by their schedulers.
    pub(crate) agents: Vec<Option<A>>,
    pub(crate) parked: BTreeMap<AgentId, A>,
    /// Of those that came to life in the run.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) tree: Option<Tree>,
}

/// The newest snapshot from which the run that began can go on.
pub(crate) fn wake<A: Agent>(
    plan: &Plan<A>,
    tree: Option<&Tree>,
    recorder: &mut Recorder,
) -> Option<Woken<A>> {
    let most = recorder.committed_records();
    for start in recorder.take_starts() {
        let Some(snapshot) = start().filter(|snapshot| snapshot.records <= most) else { continue };
        match read(plan, tree, &snapshot) {
            Some(woken) => {
                tracing::info!(tick = woken.tick.0, "the run goes on from a snapshot");
                return Some(woken);
            }
            None => tracing::warn!(
                tick = snapshot.tick.0,
                "a snapshot is passed over: the agents of this run cannot be made from it"
            ),
        }
    }
    None
}

fn read<A: Agent>(plan: &Plan<A>, tree: Option<&Tree>, snapshot: &Snapshot) -> Option<Woken<A>> {
    let opened = match &plan.custody {
        None => Arc::clone(&snapshot.content),
        Some(custody) => {
            custody.seals.open_all(Sealing::Snapshot(snapshot.tick), &snapshot.content)?.into()
        }
    };
    let mut content: Content = codec::decode(&opened)?;
    let all = plan.agents as usize + content.later.len();
    let is_whole = content.agents.len() == all
        && (1..).zip(&content.agents).all(|(serial, agent): (u64, _)| agent.id == serial);
    if !is_whole {
        return None;
    }
    let mut agents = Vec::with_capacity(all);
    for place in 0..all {
        let saved = content.agents.get_mut(place)?.state.take();
        let id = AgentId(place as u64 + 1);
        agents.push(match saved {
            Some(state) => Some(template(plan, &content, id)?.restore(&state)?),
            None => None,
        });
    }
    let mut parked = BTreeMap::new();
    for saved in &content.parked {
        let id = AgentId(saved.id);
        parked.insert(id, template(plan, &content, id)?.restore(&saved.state)?);
    }
    let kinds = kinds(&content, agents.iter().flatten());
    let tree = match (tree, content.trees.as_mut()) {
        (None, None) => None,
        (Some(tree), Some(saved)) => Some(tree.load(std::mem::take(&mut saved.tree))?),
        (None, Some(_)) | (Some(_), None) => return None,
    };
    let Snapshot { tick, records, content: _ } = *snapshot;
    Some(Woken { tick, records, content, agents, parked, kinds, tree })
}

/// An agent of the kind that this one is of.
fn template<A: Agent>(plan: &Plan<A>, content: &Content, id: AgentId) -> Option<A> {
    let Some(place) = id.0.checked_sub(plan.agents + 1) else { return plan.begin(id) };
    let kind = content.later.get(place as usize)?.kind.as_str();
    let is_its = |agent: &A| agent.kind().name == kind;
    first_of_line(plan, content, id).filter(is_its).or_else(|| {
        // Whoever it was forked from is gone, with what it began with: anybody will do.
        let scenarios = (1..=plan.agents).filter_map(|serial| plan.begin(AgentId(serial)));
        let later = (plan.agents + 1..).map(AgentId).zip(&content.later);
        let later = later.filter_map(|(id, later)| match &later.seed {
            SavedSeed::How(how) if later.kind == kind => plan.bear(id, how),
            SavedSeed::How(_) | SavedSeed::State(_) | SavedSeed::Spent => None,
        });
        later.chain(scenarios).find(is_its)
    })
}

/// An agent as it began, or as whoever it was forked from began.
fn first_of_line<A: Agent>(plan: &Plan<A>, content: &Content, id: AgentId) -> Option<A> {
    let mut id = id;
    while let Some(place) = id.0.checked_sub(plan.agents + 1) {
        let later = content.later.get(place as usize)?;
        match &later.seed {
            SavedSeed::How(how) => return plan.bear(id, how),
            // Each was cut from one that was there before.
            SavedSeed::State(_) | SavedSeed::Spent if later.above < id.0 => {
                id = AgentId(later.above);
            }
            SavedSeed::State(_) | SavedSeed::Spent => return None,
        }
    }
    plan.begin(id)
}

/// The names of kinds as the program has them.
fn kinds<'a, A: Agent>(content: &Content, agents: impl Iterator<Item = &'a A>) -> Vec<Kind> {
    if content.later.is_empty() {
        return Vec::new();
    }
    let mut known: BTreeSet<Kind> = agents.map(|agent| agent.kind().name).collect();
    known.insert(A::KIND.name);
    let name = |later: &super::SavedLater| match known.get(later.kind.as_str()) {
        Some(kind) => *kind,
        None => {
            // Nobody of that kind is left. A program has few kinds, and wakes seldom.
            let kind: Kind = Box::leak(later.kind.clone().into_boxed_str());
            known.insert(kind);
            kind
        }
    };
    content.later.iter().map(name).collect()
}

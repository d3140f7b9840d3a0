//! Supervisors above each other. A supervisor that ends is an exit to the one above it, up to the
//! root.
//!
//! To the one above, a supervisor is a child with the shutdown `infinity`: it always has the time
//! to stop what it supervises, so nothing below it is ever left behind.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use karyon_types::Tick;
use serde::{Deserialize, Serialize};

use crate::children::ById;
use crate::event::{Action, End, Event, Refusal, Request, Unexpected};
use crate::saved::{self, Added, SavedTree};
use crate::spec::{ChildId, ChildSpec, Exit, Flags, Restart, Shutdown, SpecError};
use crate::supervisor::Supervisor;

/// A child in a tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Spec {
    /// One that is started and stopped outside.
    Worker(ChildSpec),
    /// A supervisor.
    Supervisor {
        /// Which child it is.
        id: ChildId,
        /// When it is started again.
        restart: Restart,
        /// Whether its end ends the supervisor above it.
        significant: bool,
        /// What it supervises.
        #[serde(with = "saved::shared")]
        below: Arc<Supervised>,
    },
}

/// What a supervisor is, with its children in the order of their starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Supervised {
    /// What it is.
    pub flags: Flags,
    /// Its children.
    pub children: Vec<Spec>,
}

/// A tree of supervisors.
#[derive(Clone, Debug)]
pub struct Tree {
    root: ChildId,
    /// All that has a spec, the root too. Never walked through, since its order is not the same
    /// twice.
    nodes: ById<Node>,
    gave_up: Option<ChildId>,
}

#[derive(Clone, Debug)]
struct Node {
    parent: ChildId,
    /// It was added while its supervisor ran, and is gone when that begins anew.
    is_added: bool,
    /// How often it was begun, if it is a supervisor.
    begun: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Worker,
    /// `None`: it does not run.
    Supervisor(Arc<Supervised>, Option<Box<Supervisor>>),
}

/// What a supervisor in the tree hears.
enum Word {
    Event(Event),
    Asked { ticket: u64, request: Request<ChildSpec> },
}

impl Spec {
    /// What the supervisor above knows of it.
    fn child(&self) -> ChildSpec {
        match self {
            Spec::Worker(spec) => *spec,
            Spec::Supervisor { id, restart, significant, below: _ } => ChildSpec {
                id: *id,
                arguments: 0,
                restart: *restart,
                shutdown: Shutdown::Infinity,
                significant: *significant,
            },
        }
    }

    fn below(&self) -> Option<&Arc<Supervised>> {
        match self {
            Spec::Worker(_) => None,
            Spec::Supervisor { below, .. } => Some(below),
        }
    }

    /// Checks what is below, and gathers all ids.
    fn check(&self, ids: &mut HashSet<ChildId>) -> Result<(), SpecError> {
        let id = self.child().id;
        if !ids.insert(id) {
            return Err(SpecError::Duplicate(id));
        }
        self.below().map_or(Ok(()), |below| below.check(ids))
    }
}

impl Supervised {
    fn check(&self, ids: &mut HashSet<ChildId>) -> Result<(), SpecError> {
        self.flags.check()?;
        self.children.iter().try_for_each(|spec| {
            self.flags.check_child(&spec.child())?;
            spec.check(ids)
        })
    }

    fn supervisor(&self) -> Result<Supervisor, SpecError> {
        Supervisor::new(self.flags, self.children.iter().map(Spec::child))
    }
}

impl Tree {
    /// A tree that has not begun.
    ///
    /// # Errors
    /// What cannot be so.
    pub fn new(root: ChildId, below: Supervised) -> Result<Tree, SpecError> {
        let below = Arc::new(below);
        below.check(&mut HashSet::from([root]))?;
        let kind = Kind::Supervisor(Arc::clone(&below), Some(Box::new(below.supervisor()?)));
        let node = Node { parent: root, is_added: false, begun: 1, kind };
        let mut tree = Tree { root, nodes: ById::from_iter([(root, node)]), gave_up: None };
        below.children.iter().for_each(|spec| tree.register(root, spec, false));
        Ok(tree)
    }

    /// All that is not so from its beginning.
    pub fn save(&self) -> SavedTree {
        let Tree { root: _, nodes, gave_up } = self;
        let mut saved = SavedTree { gave_up: *gave_up, ..SavedTree::default() };
        for (id, Node { parent, is_added, begun, kind }) in nodes {
            let below = match kind {
                Kind::Worker => None,
                Kind::Supervisor(below, machine) => {
                    saved.supervisors.push((*id, *begun, machine.clone()));
                    Some(below)
                }
            };
            if *is_added {
                let below = below.map(|below| Supervised::clone(below));
                saved.added.push(Added { id: *id, parent: *parent, below });
            }
        }
        saved.added.sort_unstable_by_key(|added| added.id);
        saved.supervisors.sort_unstable_by_key(|(id, ..)| *id);
        saved
    }

    /// This tree, which is as it began, as another of the same beginning was saved; `None`: that
    /// was of another.
    pub fn load(&self, saved: SavedTree) -> Option<Tree> {
        let SavedTree { gave_up, added, supervisors } = saved;
        let mut tree = Tree { gave_up, ..self.clone() };
        for Added { id, parent, below } in added {
            let kind = match below.map(Arc::new) {
                None => Kind::Worker,
                Some(below) => {
                    below.children.iter().for_each(|spec| tree.register(id, spec, false));
                    Kind::Supervisor(below, None)
                }
            };
            tree.nodes.insert(id, Node { parent, is_added: true, begun: 0, kind });
        }
        for (id, begun, machine) in supervisors {
            let node = tree.nodes.get_mut(&id)?;
            let Kind::Supervisor(_, place) = &mut node.kind else { return None };
            (*place, node.begun) = (machine, begun);
        }
        Some(tree)
    }

    /// A supervisor that runs.
    pub fn supervisor(&self, id: ChildId) -> Option<&Supervisor> {
        match &self.nodes.get(&id)?.kind {
            Kind::Worker => None,
            Kind::Supervisor(_, machine) => machine.as_deref(),
        }
    }

    /// The supervisor above; `None` for the root and for what is not there.
    pub fn parent(&self, id: ChildId) -> Option<ChildId> {
        self.nodes.get(&id).map(|node| node.parent).filter(|_| id != self.root)
    }

    /// How often a supervisor began: whoever compares tells whether it is the same one still.
    pub fn begun(&self, id: ChildId) -> u64 {
        self.nodes.get(&id).map_or(0, |node| node.begun)
    }

    /// The last supervisor that ended because it gave up.
    pub fn gave_up(&self) -> Option<ChildId> {
        self.gave_up
    }

    /// Hears an event at `now`, which never goes back, and appends what follows to `actions`, all
    /// of it about workers: what becomes of supervisors happens within. `Begin` and `ShutDown` are
    /// the root's, the others are about workers; `Begun` and `End` are of the root.
    ///
    /// # Errors
    /// The event cannot have happened; nothing changed.
    pub fn decide(
        &mut self,
        now: Tick,
        event: Event,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unexpected> {
        let to = match event {
            Event::Begin if self.machine(self.root).is_none() => return Err(Unexpected::Begun),
            Event::Begin | Event::ShutDown => self.root,
            Event::Started(id) | Event::FailedToStart(id) => {
                self.above_worker(id).ok_or(Unexpected::NotStarting(id))?
            }
            Event::Exited(id, _) => self.above_worker(id).ok_or(Unexpected::NotRunning(id))?,
            Event::Overdue(id) => match self.above_worker(id) {
                Some(parent) => parent,
                None => return Ok(()),
            },
        };
        self.run(now, to, Word::Event(event), actions)
    }

    /// Asks a supervisor; it answers under the caller's `ticket`, now or later. What is added is
    /// gone when the supervisor is restarted, as in OTP.
    pub fn ask(
        &mut self,
        now: Tick,
        supervisor: ChildId,
        ticket: u64,
        request: Request<Spec>,
        actions: &mut Vec<Action>,
    ) {
        let asked = self.prepare(supervisor, request).and_then(|request| {
            // Only an event can be unexpected.
            self.run(now, supervisor, Word::Asked { ticket, request }, actions)
                .map_err(|_| Refusal::NotFound)
        });
        if let Err(refusal) = asked {
            actions.push(Action::Answer { ticket, answer: Err(refusal) });
        }
    }

    /// Turns a request into what one supervisor understands; what is to be added has its place.
    fn prepare(
        &mut self,
        supervisor: ChildId,
        request: Request<Spec>,
    ) -> Result<Request<ChildSpec>, Refusal> {
        let Some(machine) = self.supervisor(supervisor) else { return Err(Refusal::NotFound) };
        let spec = match request {
            Request::Terminate(id) => return Ok(Request::Terminate(id)),
            Request::Restart(id) => return Ok(Request::Restart(id)),
            Request::Delete(id) => return Ok(Request::Delete(id)),
            Request::Add(spec) => spec,
        };
        let child = spec.child();
        machine.check_room()?;
        machine.check_child(&child).map_err(Refusal::Misfit)?;
        if let Some(state) = machine.state(child.id) {
            return Err(state.in_the_way());
        }
        let mut ids = HashSet::new();
        spec.check(&mut ids).map_err(Refusal::Misfit)?;
        // The smallest, so that the answer is the same each time.
        if let Some(taken) = ids.into_iter().filter(|id| self.nodes.contains_key(id)).min() {
            return Err(Refusal::Misfit(SpecError::Duplicate(taken)));
        }
        self.register(supervisor, &spec, true);
        Ok(Request::Add(child))
    }

    /// The supervisor above a worker, if it runs.
    fn above_worker(&self, id: ChildId) -> Option<ChildId> {
        let node = self.nodes.get(&id).filter(|node| matches!(node.kind, Kind::Worker))?;
        self.supervisor(node.parent).map(|_| node.parent)
    }

    /// Lets a supervisor hear a word, and all others what follows from it.
    fn run(
        &mut self,
        now: Tick,
        to: ChildId,
        word: Word,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unexpected> {
        let mut words = VecDeque::from([(to, word)]);
        let mut decided = Vec::new();
        while let Some((id, word)) = words.pop_front() {
            // One that has ended meanwhile hears nothing; the one above it has heard that.
            let Some(machine) = self.machine(id) else { continue };
            match word {
                Word::Event(event) => machine.decide(now, event, &mut decided)?,
                Word::Asked { ticket, request } => {
                    machine.ask(now, ticket, request, &mut decided);
                }
            }
            for action in decided.drain(..) {
                self.carry_out(id, action, &mut words, actions);
            }
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        by: ChildId,
        action: Action,
        words: &mut VecDeque<(ChildId, Word)>,
        actions: &mut Vec<Action>,
    ) {
        match action {
            Action::Start { child, .. } if self.is_supervisor(child) => {
                let (to, event) = match self.revive(child) {
                    Ok(()) => (child, Event::Begin),
                    Err(_was_checked) => (by, Event::FailedToStart(child)),
                };
                words.push_back((to, Word::Event(event)));
            }
            Action::Stop { child, .. } if self.is_supervisor(child) => {
                words.push_back((child, Word::Event(Event::ShutDown)));
            }
            Action::Forget(child) => {
                if self.nodes.get(&child).is_some_and(|node| node.is_added) {
                    self.unregister(child);
                }
                actions.push(action);
            }
            Action::Begun if by != self.root => {
                words.push_back((self.parent_of(by), Word::Event(Event::Started(by))));
            }
            Action::End(end) => {
                self.clear(by);
                if by == self.root {
                    return actions.push(action);
                }
                let event = match end {
                    End::Shutdown => Event::Exited(by, Exit::Shutdown),
                    End::FailedToStart(_) => Event::FailedToStart(by),
                };
                words.push_back((self.parent_of(by), Word::Event(event)));
            }
            Action::Start { .. }
            | Action::Stop { .. }
            | Action::Kill(_)
            | Action::Answer { .. }
            | Action::Begun => actions.push(action),
        }
    }

    fn machine(&mut self, id: ChildId) -> Option<&mut Supervisor> {
        match &mut self.nodes.get_mut(&id)?.kind {
            Kind::Worker => None,
            Kind::Supervisor(_, machine) => machine.as_deref_mut(),
        }
    }

    fn is_supervisor(&self, id: ChildId) -> bool {
        self.nodes.get(&id).is_some_and(|node| matches!(node.kind, Kind::Supervisor(..)))
    }

    fn parent_of(&self, id: ChildId) -> ChildId {
        self.nodes.get(&id).map_or(self.root, |node| node.parent)
    }

    /// Gives a supervisor that is to begin its machine.
    fn revive(&mut self, id: ChildId) -> Result<(), SpecError> {
        let Some(node) = self.nodes.get_mut(&id) else { return Ok(()) };
        match &mut node.kind {
            Kind::Supervisor(below, machine) => {
                *machine = Some(Box::new(below.supervisor()?));
                node.begun += 1;
            }
            Kind::Worker => {}
        }
        Ok(())
    }

    /// A supervisor has ended: what was added to it is gone.
    fn clear(&mut self, id: ChildId) {
        let Some(Kind::Supervisor(_, machine)) = self.nodes.get_mut(&id).map(|n| &mut n.kind)
        else {
            return;
        };
        let Some(machine) = machine.take() else { return };
        if machine.has_given_up() {
            self.gave_up = Some(id);
        }
        for (spec, _) in machine.children() {
            if self.nodes.get(&spec.id).is_some_and(|node| node.is_added) {
                self.unregister(spec.id);
            }
        }
    }

    fn register(&mut self, parent: ChildId, spec: &Spec, is_added: bool) {
        let id = spec.child().id;
        let kind = match spec.below() {
            None => Kind::Worker,
            Some(below) => {
                below.children.iter().for_each(|spec| self.register(id, spec, false));
                Kind::Supervisor(Arc::clone(below), None)
            }
        };
        self.nodes.insert(id, Node { parent, is_added, begun: 0, kind });
    }

    /// Forgets a child that has ended, and what its spec names below it.
    fn unregister(&mut self, id: ChildId) {
        match self.nodes.remove(&id).map(|node| node.kind) {
            Some(Kind::Supervisor(below, _)) => {
                below.children.iter().for_each(|spec| self.unregister(spec.child().id));
            }
            Some(Kind::Worker) | None => {}
        }
    }
}

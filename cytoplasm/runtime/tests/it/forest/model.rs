//! The pure tree, and what a run has to do if it does what the tree decides.

use super::*;

/// The test's own tree, and what it knows of the agents.
pub(super) struct Model {
    pub(super) tree: Tree,
    pub(super) now: Tick,
    pub(super) alive: BTreeSet<u64>,
    pub(super) traps: BTreeSet<u64>,
    pub(super) paused: BTreeSet<u64>,
    pub(super) overdue: BTreeMap<u64, Tick>,
    /// Whether who failed may go on from its last good state.
    pub(super) goes_on: bool,
    /// By agent that failed: which beginning of its supervisor that was under.
    pub(super) resting: BTreeMap<u64, u64>,
    /// What the log says that supervisors did, and the test has not decided yet.
    pub(super) log: VecDeque<(u64, Measure)>,
    /// Who is to come to life, by which output; those whose supervisors were busy first.
    pub(super) asked: Vec<Asked>,
    pub(super) waiting: Vec<Asked>,
    /// Who is to be stopped, in the order of asking.
    pub(super) terminated: Vec<u64>,
    pub(super) later: u64,
    pub(super) ended: bool,
}

/// A wish to add a child: by which output, where, how, and whether there is a state.
type Asked = (Message, u64, ChildTerms, bool);

impl Model {
    pub(super) fn new(below: Supervised, goes_on: bool) -> Model {
        let tree = Tree::new(ROOT, below).unwrap();
        let mut model = Model {
            tree,
            now: Tick(0),
            alive: BTreeSet::new(),
            traps: BTreeSet::new(),
            paused: BTreeSet::new(),
            overdue: BTreeMap::new(),
            goes_on,
            resting: BTreeMap::new(),
            log: VecDeque::new(),
            asked: Vec::new(),
            waiting: Vec::new(),
            terminated: Vec::new(),
            later: 0,
            ended: false,
        };
        // The first starts are not recorded.
        let mut actions = VecDeque::new();
        model.tell(Event::Begin, &mut actions);
        while let Some(action) = actions.pop_front() {
            if let Action::Start { child, .. } = action {
                model.alive.insert(child.0);
                model.tell(Event::Started(child), &mut actions);
            }
        }
        model
    }

    pub(super) fn tell(&mut self, event: Event, actions: &mut VecDeque<Action>) {
        let mut decided = Vec::new();
        self.tree.decide(self.now, event, &mut decided).unwrap();
        actions.extend(decided);
    }

    pub(super) fn hear(&mut self, event: Event) {
        let mut actions = VecDeque::new();
        if let Event::Exited(child, _) = event {
            self.overdue.remove(&child.0);
        }
        self.tell(event, &mut actions);
        self.follow(actions);
    }

    /// Looks for each action in the log, and tells the tree what the log says came of it.
    pub(super) fn follow(&mut self, mut actions: VecDeque<Action>) {
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Start { child, .. } => {
                    let (agent, measure) = self.log.pop_front().expect("a start");
                    assert_eq!(agent, child.0);
                    assert!(!self.alive.contains(&agent));
                    let rested = self.resting.remove(&agent);
                    let goes_on = rested == Some(self.begun_above(agent));
                    let is_fit = match measure {
                        Measure::Started => !goes_on,
                        Measure::Continued => goes_on,
                        _ => true,
                    };
                    assert!(is_fit, "{agent} {measure:?}");
                    let event = match measure {
                        Measure::Started | Measure::Continued => {
                            self.alive.insert(agent);
                            if measure == Measure::Started {
                                self.traps.remove(&agent);
                            }
                            Event::Started(child)
                        }
                        Measure::NotStarted => Event::FailedToStart(child),
                        other => panic!("{other:?}"),
                    };
                    self.tell(event, &mut actions);
                }
                // It ended by itself, and that is told next.
                Action::Stop { child, .. } | Action::Kill(child)
                    if !self.alive.contains(&child.0) => {}
                Action::Stop { child: ChildId(id), timeout_ticks } => {
                    let asks = self.traps.contains(&id) && !self.paused.contains(&id);
                    let measure = if asks { Measure::Asked } else { Measure::Ended };
                    assert_eq!(self.log.pop_front(), Some((id, measure)));
                    if !asks {
                        self.end(id, Ending::Shutdown, &mut actions);
                    } else if let Some(ticks) = timeout_ticks {
                        self.overdue.insert(id, Tick(self.now.0 + ticks));
                    }
                }
                Action::Kill(ChildId(id)) => {
                    assert_eq!(self.log.pop_front(), Some((id, Measure::Killed)));
                    self.end(id, Ending::Killed, &mut actions);
                }
                Action::End(_) => self.ended = true,
                Action::Forget(_) | Action::Answer { .. } | Action::Begun => {}
            }
        }
    }

    pub(super) fn begun_above(&self, id: u64) -> u64 {
        self.tree.parent(ChildId(id)).map_or(0, |above| self.tree.begun(above))
    }

    pub(super) fn end(&mut self, id: u64, exit: Ending, actions: &mut VecDeque<Action>) {
        self.alive.remove(&id);
        self.paused.remove(&id);
        self.overdue.remove(&id);
        self.tell(Event::Exited(ChildId(id), exit), actions);
    }

    pub(super) fn see_to_overdue(&mut self) {
        loop {
            let due = self.overdue.iter().filter(|(_, last)| **last <= self.now);
            let due: Vec<_> = due.map(|(id, _)| *id).collect();
            if due.is_empty() {
                return;
            }
            for id in due {
                if self.overdue.remove(&id).is_some() {
                    self.hear(Event::Overdue(ChildId(id)));
                }
            }
        }
    }

    /// Stops whom agents wanted stopped, if agents added them.
    pub(super) fn terminate(&mut self) {
        for id in std::mem::take(&mut self.terminated) {
            let child = ChildId(id);
            if let Some(above) = self.tree.parent(child).filter(|_| id > AGENTS) {
                let mut actions = Vec::new();
                self.tree.ask(self.now, above, 0, Request::Terminate(child), &mut actions);
                self.follow(actions.into());
            }
        }
    }

    /// Adds whom agents asked for; `born`: those who came to life, by which output. `failing`:
    /// which first starts fail.
    pub(super) fn add(
        &mut self,
        born: &mut VecDeque<(u64, Message)>,
        failing: &mut dyn FnMut(u64) -> bool,
    ) {
        let mut asked = std::mem::take(&mut self.asked);
        asked.sort_by_key(|asked| asked.0);
        let waited = std::mem::take(&mut self.waiting);
        for (by, above, terms, has_state) in waited.into_iter().chain(asked) {
            let id = ChildId(AGENTS + self.later + 1);
            let supervisor = self.tree.supervisor(ChildId(above));
            let dynamic = supervisor.filter(|s| s.flags().strategy == Strategy::Dynamic);
            let Some(supervisor) = dynamic.filter(|_| self.later < LATER) else { continue };
            if !supervisor.is_idle() {
                self.waiting.push((by, above, terms, has_state));
                continue;
            }
            let ChildTerms { restart, shutdown, significant } = terms;
            let spec = ChildSpec { id, arguments: 0, restart, shutdown, significant };
            let mut actions = Vec::new();
            let add = Request::Add(Spec::Worker(spec));
            self.tree.ask(self.now, ChildId(above), 0, add, &mut actions);
            let [Action::Start { child, .. }] = actions[..] else {
                assert!(actions.iter().any(|a| matches!(a, Action::Answer { answer: Err(_), .. })));
                continue;
            };
            assert_eq!(child, id);
            let starts = has_state && !failing(id.0);
            let event = match starts {
                true => {
                    assert_eq!(born.pop_front(), Some((id.0, by)));
                    self.later += 1;
                    self.alive.insert(id.0);
                    Event::Started(id)
                }
                false => Event::FailedToStart(id),
            };
            self.hear(event);
        }
        assert!(born.is_empty(), "{born:?}");
    }

    pub(super) fn ask_for_restart(&mut self, id: u64) {
        let child = ChildId(id);
        let above = self.tree.parent(child).unwrap();
        for request in [Request::Terminate(child), Request::Restart(child)] {
            let mut actions = Vec::new();
            self.tree.ask(self.now, above, 0, request, &mut actions);
            self.follow(actions.into());
        }
        self.see_to_overdue();
    }
}

pub(super) fn ending_of(reason: &ExitReason) -> Ending {
    match reason {
        ExitReason::Normal => Ending::Normal,
        ExitReason::Shutdown => Ending::Shutdown,
        ExitReason::Killed => Ending::Killed,
        ExitReason::NoProcess | ExitReason::Failure(_) => Ending::Failure,
    }
}

//! One supervisor: a state machine that does one thing after the other, as OTP's does.
//!
//! While it starts or stops a child it goes on with nothing else: exits and requests wait in
//! `news`, in the order in which they came. A child whose exit waits there and whom a restart of
//! its siblings stops meanwhile has simply stopped, and the old news means nothing any more.

use std::collections::VecDeque;

use karyon_types::Tick;
use serde::{Deserialize, Serialize};

use crate::children::{ChildState, Children, Place};
use crate::event::{Action, End, Event, Refusal, Request, Unexpected};
use crate::spec::{
    AutoShutdown, ChildId, ChildSpec, Flags, Restart, Shutdown, SpecError, Strategy,
};
use crate::window::RestartWindow;

/// Requests that may wait while a supervisor is busy; the next is refused. Enough for a burst, and
/// less than 100 KiB.
pub const REQUESTS_MAX: usize = 1024;

/// One supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Supervisor {
    flags: Flags,
    window: RestartWindow,
    children: Children,
    phase: Phase,
    news: VecDeque<News>,
    /// Requests among the news.
    requests: usize,
    /// It was told to shut down.
    is_told: bool,
    has_given_up: bool,
}

/// What it is doing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Phase {
    /// It has not begun.
    New,
    /// Nothing.
    Idle,
    Starting {
        child: ChildId,
        why: Start,
    },
    /// Stops the children from `from` on, the last first; `child`'s exit comes next.
    Stopping {
        child: ChildId,
        from: Place,
        then: Then,
    },
    /// Stops dynamic children, all at once.
    StoppingAll {
        left: usize,
    },
    Ended,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Start {
    /// The first start of all children.
    Begin,
    /// A child alone is restarted.
    Again,
    /// A child and all behind it are restarted.
    AgainAll,
    Added {
        ticket: u64,
    },
    Asked {
        ticket: u64,
    },
}

/// What follows when children are stopped.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Then {
    /// They are started.
    Start,
    /// The request is answered.
    Answer {
        ticket: u64,
    },
    End(End),
}

/// What it has heard and not come to yet.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum News {
    Exited {
        child: ChildId,
        run: u64,
    },
    /// A restart failed: try again, when what came before it has been seen to.
    TryAgain(ChildId),
    Asked {
        ticket: u64,
        request: Request<ChildSpec>,
    },
    ShutDown,
}

impl Supervisor {
    /// A supervisor that has not begun, with its children in the order of their starts.
    ///
    /// # Errors
    /// What cannot be so.
    pub fn new(
        flags: Flags,
        children: impl IntoIterator<Item = ChildSpec>,
    ) -> Result<Supervisor, SpecError> {
        flags.check()?;
        let mut all = Children::default();
        for spec in children {
            flags.check_child(&spec)?;
            if all.get(spec.id).is_some() {
                return Err(SpecError::Duplicate(spec.id));
            }
            all.add(spec);
        }
        Ok(Supervisor {
            flags,
            window: RestartWindow::new(flags.intensity),
            children: all,
            phase: Phase::New,
            news: VecDeque::new(),
            requests: 0,
            is_told: false,
            has_given_up: false,
        })
    }

    /// What it is.
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The children in the order of their starts, and what each does.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = (ChildSpec, ChildState)> {
        self.children.iter().map(|child| (child.spec, child.state))
    }

    /// A child's spec.
    pub fn child(&self, child: ChildId) -> Option<ChildSpec> {
        self.children.get(child).map(|child| child.spec)
    }

    /// Whether a child is started again as soon as its siblings have stopped.
    pub fn is_to_start(&self, child: ChildId) -> bool {
        match (self.phase, self.children.get(child)) {
            (Phase::Stopping { from, then: Then::Start, .. }, Some(child)) => {
                child.place >= from && child.state == ChildState::Stopped
            }
            (
                Phase::New
                | Phase::Idle
                | Phase::Starting { .. }
                | Phase::Stopping { .. }
                | Phase::StoppingAll { .. }
                | Phase::Ended,
                Some(_) | None,
            ) => false,
        }
    }

    /// The restarts that still count at `now`.
    pub fn restarts(&self, now: Tick) -> u64 {
        self.window.recent(now)
    }

    /// Whether it does nothing just now: what is asked is carried out at once.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Idle)
    }

    /// Requests that wait.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Whether there were more restarts than it bears.
    pub fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// What a child does; `None`: there is no such child.
    pub fn state(&self, child: ChildId) -> Option<ChildState> {
        self.children.get(child).map(|child| child.state)
    }

    /// Hears an event at `now`, which never goes back, and appends what follows to `actions`.
    ///
    /// # Errors
    /// The event cannot have happened; nothing changed.
    pub fn decide(
        &mut self,
        now: Tick,
        event: Event,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unexpected> {
        match event {
            Event::Begin => match self.phase {
                Phase::New => self.start_from(0, Start::Begin, actions),
                Phase::Idle
                | Phase::Starting { .. }
                | Phase::Stopping { .. }
                | Phase::StoppingAll { .. }
                | Phase::Ended => return Err(Unexpected::Begun),
            },
            Event::Started(child) => self.started(child, actions)?,
            Event::FailedToStart(child) => self.failed_to_start(child, actions)?,
            Event::Exited(child, exit) => match self.state(child) {
                Some(ChildState::Running) => {
                    self.children.set(child, ChildState::Ended(exit));
                    let run = self.children.get(child).map_or(0, |child| child.run);
                    self.news.push_back(News::Exited { child, run });
                }
                Some(ChildState::Stopping) => self.stopped(child, actions),
                Some(
                    ChildState::Stopped
                    | ChildState::Starting
                    | ChildState::Ended(_)
                    | ChildState::Restarting,
                )
                | None => return Err(Unexpected::NotRunning(child)),
            },
            Event::Overdue(child) => {
                if self.state(child) == Some(ChildState::Stopping) {
                    actions.push(Action::Kill(child));
                }
            }
            Event::ShutDown => {
                if !self.is_told && !matches!(self.phase, Phase::Ended) {
                    self.is_told = true;
                    self.news.push_back(News::ShutDown);
                }
            }
        }
        self.see_to_news(now, actions);
        Ok(())
    }

    /// Hears a request, which is answered under the caller's `ticket`, now or later.
    pub fn ask(
        &mut self,
        now: Tick,
        ticket: u64,
        request: Request<ChildSpec>,
        actions: &mut Vec<Action>,
    ) {
        if let Err(refusal) = self.check_room() {
            return actions.push(Action::Answer { ticket, answer: Err(refusal) });
        }
        self.requests += 1;
        self.news.push_back(News::Asked { ticket, request });
        self.see_to_news(now, actions);
    }

    fn see_to_news(&mut self, now: Tick, actions: &mut Vec<Action>) {
        while matches!(self.phase, Phase::Idle)
            && let Some(news) = self.news.pop_front()
        {
            match news {
                News::Exited { child, run } => self.see_to_exit(now, child, run, actions),
                News::TryAgain(child) => {
                    if self.state(child) == Some(ChildState::Restarting) {
                        self.restart(now, child, actions);
                    }
                }
                News::Asked { ticket, request } => {
                    self.requests -= 1;
                    if let Err(refusal) = self.carry_out(ticket, request, actions) {
                        actions.push(Action::Answer { ticket, answer: Err(refusal) });
                    }
                }
                News::ShutDown => self.stop_all(actions),
            }
        }
    }

    fn see_to_exit(&mut self, now: Tick, id: ChildId, run: u64, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get(id).filter(|child| child.run == run) else { return };
        let ChildState::Ended(exit) = child.state else { return };
        let spec = child.spec;
        if spec.restart.restarts_after(exit) {
            return self.restart(now, id, actions);
        }
        self.put_down(id, actions);
        let enough = match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.children.has_significant(),
        };
        if spec.significant && enough {
            self.stop_all(actions);
        }
    }

    /// Restarts a child that does not run, and whom that concerns; or gives up.
    fn restart(&mut self, now: Tick, id: ChildId, actions: &mut Vec<Action>) {
        let Some(place) = self.children.get(id).map(|child| child.place) else { return };
        self.children.set(id, ChildState::Stopped);
        if !self.window.record(now, 1) {
            self.has_given_up = true;
            return self.stop_all(actions);
        }
        match self.flags.strategy {
            Strategy::OneForOne | Strategy::Dynamic => self.start(id, Start::Again, actions),
            Strategy::OneForAll => self.stop_between(0, Place::MAX, Then::Start, actions),
            Strategy::RestForOne => self.stop_between(place, Place::MAX, Then::Start, actions),
        }
    }

    fn carry_out(
        &mut self,
        ticket: u64,
        request: Request<ChildSpec>,
        actions: &mut Vec<Action>,
    ) -> Result<(), Refusal> {
        match request {
            Request::Add(spec) => {
                self.flags.check_child(&spec).map_err(Refusal::Misfit)?;
                if let Some(state) = self.state(spec.id) {
                    return Err(state.in_the_way());
                }
                if self.flags.max_children.is_some_and(|most| self.children.len() as u64 >= most) {
                    // Whoever named it, names it no more.
                    actions.push(Action::Forget(spec.id));
                    return Err(Refusal::TooMany);
                }
                self.children.add(spec);
                self.start(spec.id, Start::Added { ticket }, actions);
            }
            Request::Terminate(id) => {
                let place = self.children.get(id).ok_or(Refusal::NotFound)?.place;
                self.stop_between(place, place + 1, Then::Answer { ticket }, actions);
            }
            Request::Restart(id) => {
                self.check_at_rest(id)?;
                self.start(id, Start::Asked { ticket }, actions);
            }
            Request::Delete(id) => {
                self.check_at_rest(id)?;
                self.forget(id, actions);
                actions.push(Action::Answer { ticket, answer: Ok(()) });
            }
        }
        Ok(())
    }

    /// Whether a child may be started or forgotten on request.
    fn check_at_rest(&self, id: ChildId) -> Result<(), Refusal> {
        if self.flags.strategy == Strategy::Dynamic {
            return Err(Refusal::Dynamic);
        }
        match self.state(id).ok_or(Refusal::NotFound)? {
            ChildState::Stopped => Ok(()),
            ChildState::Restarting => Err(Refusal::Restarting),
            ChildState::Starting
            | ChildState::Running
            | ChildState::Stopping
            | ChildState::Ended(_) => Err(Refusal::Running),
        }
    }

    /// Whether a request may still be made.
    pub(crate) fn check_room(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Ended => Err(Refusal::Ended),
            Phase::New
            | Phase::Idle
            | Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::StoppingAll { .. } => {
                if self.requests < REQUESTS_MAX {
                    Ok(())
                } else {
                    Err(Refusal::Busy)
                }
            }
        }
    }

    /// Whether a child can be so under this supervisor.
    pub(crate) fn check_child(&self, child: &ChildSpec) -> Result<(), SpecError> {
        self.flags.check_child(child)
    }

    /// Starts the children from a place on, in their order.
    fn start_from(&mut self, place: Place, why: Start, actions: &mut Vec<Action>) {
        match self.children.first_from(place).map(|child| child.spec.id) {
            Some(id) => self.start(id, why, actions),
            None => {
                self.phase = Phase::Idle;
                if let Start::Begin = why {
                    actions.push(Action::Begun);
                }
            }
        }
    }

    fn start(&mut self, id: ChildId, why: Start, actions: &mut Vec<Action>) {
        let Some(arguments) = self.children.get(id).map(|child| child.spec.arguments) else {
            return;
        };
        self.children.set(id, ChildState::Starting);
        self.phase = Phase::Starting { child: id, why };
        actions.push(Action::Start { child: id, arguments });
    }

    /// Why this child is being started, and its place.
    fn starting(&self, id: ChildId) -> Result<(Start, Place), Unexpected> {
        match (self.phase, self.children.get(id)) {
            (Phase::Starting { child, why }, Some(found)) if child == id => Ok((why, found.place)),
            (
                Phase::New
                | Phase::Idle
                | Phase::Starting { .. }
                | Phase::Stopping { .. }
                | Phase::StoppingAll { .. }
                | Phase::Ended,
                Some(_) | None,
            ) => Err(Unexpected::NotStarting(id)),
        }
    }

    fn started(&mut self, id: ChildId, actions: &mut Vec<Action>) -> Result<(), Unexpected> {
        let (why, place) = self.starting(id)?;
        self.children.set(id, ChildState::Running);
        self.phase = Phase::Idle;
        match why {
            Start::Begin | Start::AgainAll => self.start_from(place + 1, why, actions),
            Start::Again => {}
            Start::Added { ticket } | Start::Asked { ticket } => {
                actions.push(Action::Answer { ticket, answer: Ok(()) });
            }
        }
        Ok(())
    }

    fn failed_to_start(
        &mut self,
        id: ChildId,
        actions: &mut Vec<Action>,
    ) -> Result<(), Unexpected> {
        let (why, place) = self.starting(id)?;
        self.phase = Phase::Idle;
        let failed = Err(Refusal::FailedToStart);
        match why {
            Start::Begin => {
                self.children.set(id, ChildState::Stopped);
                self.stop_between(0, place, Then::End(End::FailedToStart(id)), actions);
            }
            Start::Again | Start::AgainAll => {
                self.children.set(id, ChildState::Restarting);
                self.news.push_back(News::TryAgain(id));
            }
            Start::Added { ticket } => {
                self.forget(id, actions);
                actions.push(Action::Answer { ticket, answer: failed });
            }
            Start::Asked { ticket } => {
                self.children.set(id, ChildState::Stopped);
                actions.push(Action::Answer { ticket, answer: failed });
            }
        }
        Ok(())
    }

    /// Stops the children in the places `from..below`, the last first, one after the other.
    fn stop_between(
        &mut self,
        from: Place,
        mut below: Place,
        then: Then,
        actions: &mut Vec<Action>,
    ) {
        while let Some(child) = self.children.last_in(from..below) {
            let id = child.spec.id;
            below = child.place;
            if self.stop(id, actions) {
                self.phase = Phase::Stopping { child: id, from, then };
                return;
            }
            self.put_down(id, actions);
        }
        self.phase = Phase::Idle;
        match then {
            Then::Start => self.start_from(from, Start::AgainAll, actions),
            Then::Answer { ticket } => actions.push(Action::Answer { ticket, answer: Ok(()) }),
            Then::End(end) => self.end(end, actions),
        }
    }

    /// Stops all children, and ends.
    fn stop_all(&mut self, actions: &mut Vec<Action>) {
        if self.flags.strategy != Strategy::Dynamic {
            return self.stop_between(0, Place::MAX, Then::End(End::Shutdown), actions);
        }
        let ids: Vec<_> = self.children.iter().rev().map(|child| child.spec.id).collect();
        let left = ids.into_iter().filter(|id| self.stop(*id, actions)).count();
        self.phase = Phase::StoppingAll { left };
        if left == 0 {
            self.end(End::Shutdown, actions);
        }
    }

    /// Decides that a child stops; `false` when it does not run.
    fn stop(&mut self, id: ChildId, actions: &mut Vec<Action>) -> bool {
        let Some(child) = self.children.get(id) else { return false };
        if child.state != ChildState::Running {
            return false;
        }
        actions.push(match child.spec.shutdown {
            Shutdown::BrutalKill => Action::Kill(id),
            Shutdown::Timeout { ticks } => Action::Stop { child: id, timeout_ticks: Some(ticks) },
            Shutdown::Infinity => Action::Stop { child: id, timeout_ticks: None },
        });
        self.children.set(id, ChildState::Stopping);
        true
    }

    /// A child that was stopped has ended.
    fn stopped(&mut self, id: ChildId, actions: &mut Vec<Action>) {
        let place = self.children.get(id).map_or(0, |child| child.place);
        self.put_down(id, actions);
        match self.phase {
            Phase::Stopping { child, from, then } if child == id => {
                self.stop_between(from, place, then, actions);
            }
            Phase::StoppingAll { left: 0 | 1 } => self.end(End::Shutdown, actions),
            Phase::StoppingAll { left } => self.phase = Phase::StoppingAll { left: left - 1 },
            // A child stops in no other phase.
            Phase::New
            | Phase::Idle
            | Phase::Starting { .. }
            | Phase::Stopping { .. }
            | Phase::Ended => {}
        }
    }

    /// A child does not run any more and is not started again: its spec stays, unless it is
    /// temporary or dynamic.
    fn put_down(&mut self, id: ChildId, actions: &mut Vec<Action>) {
        let restart = self.children.get(id).map(|child| child.spec.restart);
        if restart == Some(Restart::Temporary) || self.flags.strategy == Strategy::Dynamic {
            self.forget(id, actions);
        } else {
            self.children.set(id, ChildState::Stopped);
        }
    }

    fn forget(&mut self, id: ChildId, actions: &mut Vec<Action>) {
        self.children.remove(id);
        actions.push(Action::Forget(id));
    }

    fn end(&mut self, end: End, actions: &mut Vec<Action>) {
        self.phase = Phase::Ended;
        self.requests = 0;
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Asked { ticket, request } => {
                    if let Request::Add(spec) = request
                        && self.state(spec.id).is_none()
                    {
                        actions.push(Action::Forget(spec.id));
                    }
                    actions.push(Action::Answer { ticket, answer: Err(Refusal::Ended) });
                }
                News::Exited { .. } | News::TryAgain(_) | News::ShutDown => {}
            }
        }
        actions.push(Action::End(end));
    }
}

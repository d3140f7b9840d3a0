//! Children that agents add to the tree while the run goes on, and have stopped again.

use karyon_arrangements::ChildTerms;
use karyon_log::Message;
use karyon_supervision::{Action, ChildId, ChildSpec, Event, Refusal, Request, Spec, Strategy};
use karyon_types::{AgentId, Denial, Tick};

use super::{Field, Trees};
use crate::agent::{Agent, Deed};
use crate::births::{Place, Refused};
use crate::error::RunError;

/// What agents want of a tree, and what of it was refused.
#[derive(Default)]
pub(crate) struct Added {
    /// Whom agents want stopped, in the order in which they said so.
    terminations: Vec<(Message, AgentId)>,
    /// To be told in the tick that comes next.
    pub(crate) refused: Vec<Refused>,
}

impl Added {
    /// Whether nobody wants anything, or is to be told.
    pub(super) fn is_quiet(&self) -> bool {
        let Added { terminations, refused } = self;
        terminations.is_empty() && refused.is_empty()
    }

    pub(super) fn terminate(&mut self, by: Message, child: AgentId) {
        self.terminations.push((by, child));
    }
}

/// Whether a child is added.
pub(crate) enum Admitted {
    /// It is to be started now, and [`Trees::started`] is to be told.
    Starts,
    /// Its supervisor is busy: ask again.
    Waits,
    Refused(Denial),
}

impl Trees {
    /// Whether a supervisor is busy, so that whom it shall add has to wait.
    pub(crate) fn is_busy(&self, supervisor: ChildId) -> bool {
        self.tree.supervisor(supervisor).is_some_and(|supervisor| !supervisor.is_idle())
    }

    /// Adds the agent that is to be born as `id`.
    pub(crate) fn admit(&mut self, now: Tick, id: AgentId, place: &Place) -> Admitted {
        let Place { supervisor, child } = *place;
        let Some(above) = self.tree.supervisor(supervisor) else {
            return Admitted::Refused(Denial::ExceedsCapabilityScope);
        };
        if above.flags().strategy != Strategy::Dynamic {
            return Admitted::Refused(Denial::ExceedsCapabilityScope);
        }
        if !above.is_idle() {
            return Admitted::Waits;
        }
        let ChildTerms { restart, shutdown, significant } = child;
        let id = ChildId(id.0);
        let spec = ChildSpec { id, arguments: 0, restart, shutdown, significant };
        let mut actions = Vec::new();
        self.tree.ask(now, supervisor, 0, Request::Add(Spec::Worker(spec)), &mut actions);
        let answer = actions.iter().find_map(|action| match action {
            Action::Answer { answer, .. } => answer.err(),
            _ => None,
        });
        match answer {
            None => Admitted::Starts,
            Some(refusal) => Admitted::Refused(denial_of(refusal)),
        }
    }

    /// An agent that was admitted began, or could not.
    pub(crate) fn started<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
        id: AgentId,
        began: bool,
    ) -> Result<(), RunError> {
        let child = ChildId(id.0);
        let event = if began { Event::Started(child) } else { Event::FailedToStart(child) };
        self.hear(field, event)
    }

    /// Stops whom agents want stopped: of those alone that agents added.
    pub(super) fn see_to_terminations<A: Agent>(
        &mut self,
        field: &mut Field<'_, '_, A>,
    ) -> Result<(), RunError> {
        for (by, agent) in std::mem::take(&mut self.added.terminations) {
            let child = ChildId(agent.0);
            let above = Some(child).filter(|_| agent.0 > self.agents);
            let done = match above.and_then(|child| self.tree.parent(child)) {
                Some(above) => {
                    let mut actions = Vec::new();
                    let request = Request::Terminate(child);
                    self.tree.ask(field.now, above, 0, request, &mut actions);
                    let refused = actions.iter().find_map(|action| match action {
                        Action::Answer { answer, .. } => answer.err(),
                        _ => None,
                    });
                    self.carry_out(field, actions)?;
                    refused.map_or(Ok(()), |refusal| Err(denial_of(refusal)))
                }
                None => Err(Denial::ExceedsCapabilityScope),
            };
            if let Err(denial) = done {
                let deed = Deed::Terminate(agent);
                self.added.refused.push(Refused { by, deed, denial });
            }
        }
        Ok(())
    }
}

/// What an agent is told of a supervisor's refusal.
fn denial_of(refusal: Refusal) -> Denial {
    match refusal {
        Refusal::TooMany | Refusal::Busy => Denial::BudgetExhausted,
        Refusal::Misfit(_) | Refusal::FailedToStart => Denial::MalformedArguments,
        Refusal::NotFound
        | Refusal::AlreadyPresent
        | Refusal::Running
        | Refusal::Restarting
        | Refusal::Dynamic
        | Refusal::Ended => Denial::ExceedsCapabilityScope,
    }
}

//! One attempt of a step.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use karyon_arrangements::ExitReason;
use karyon_log::CrashKind;

use crate::agent::{Agent, Context, Event, Failure};
use crate::panics;

/// What chaos throws: no message, no hook.
struct ChaosStrikes;

/// How a step failed: boxed, so that one which does not costs nothing.
pub(super) type Fault = Box<(CrashKind, ExitReason)>;

/// Runs a step; how it failed, if it did. What the agent and the context hold then is void.
#[inline]
pub(super) fn attempt_step<A: Agent>(
    agent: &mut A,
    event: Event<'_>,
    context: &mut Context<'_>,
    chaos: bool,
) -> Option<Fault> {
    let quiet = panics::quiet();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let outcome = agent.handle(event, context);
        if chaos && outcome.is_ok() {
            // After the step changed its state and made its outputs: the hardest moment. A step
            // that failed by itself did, with chaos and without: others may hear why.
            resume_unwind(Box::new(ChaosStrikes));
        }
        outcome
    }));
    drop(quiet);
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(fault(Ok(failure))),
        Err(thrown) => Some(fault(Err(thrown))),
    }
}

#[cold]
fn fault(outcome: Result<Failure, Box<dyn Any + Send>>) -> Fault {
    Box::new(match outcome {
        Ok(failure) => {
            panics::note(&failure.0);
            (CrashKind::Error, ExitReason::failure(&failure.0))
        }
        Err(thrown) if thrown.is::<ChaosStrikes>() => {
            (CrashKind::Chaos, ExitReason::failure("chaos"))
        }
        // What a panic says may name lines and addresses: no other agent may rest on it.
        Err(_) => (CrashKind::Panic, ExitReason::failure("panic")),
    })
}

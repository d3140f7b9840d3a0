//! One attempt of a step.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use karyon_arrangements::ExitReason;
use karyon_log::CrashKind;

use crate::agent::{Agent, Context, Event, Failure};
use crate::panics;

/// What chaos throws: no message, no hook.
struct ChaosStrikes;

/// Runs a step; how it failed, if it did. What the agent and the context hold then is void.
pub(super) fn attempt_step<A: Agent>(
    agent: &mut A,
    event: Event<'_>,
    context: &mut Context<'_>,
    chaos: bool,
) -> Result<(), (CrashKind, ExitReason)> {
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
    classify(outcome)
}

#[inline]
fn classify(
    outcome: Result<Result<(), Failure>, Box<dyn Any + Send>>,
) -> Result<(), (CrashKind, ExitReason)> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            panics::note(&failure.0);
            Err((CrashKind::Error, ExitReason::failure(&failure.0)))
        }
        Err(thrown) if thrown.is::<ChaosStrikes>() => {
            Err((CrashKind::Chaos, ExitReason::failure("chaos")))
        }
        // What a panic says may name lines and addresses: no other agent may rest on it.
        Err(_) => Err((CrashKind::Panic, ExitReason::failure("panic"))),
    }
}

//! Agents that have something done in the world outside, and act upon what came of it.

use std::sync::{Arc, Mutex};

use karyon::{
    Agent, Came, Context, Effect, Intent, Kind, NotDone, Pid, Receipt, Result, Run, RunError,
};
use serde::{Deserialize, Serialize};

use crate::support::data;

/// Pays what it is told to, again if that failed, and never again if nobody knows.
#[derive(Default, Serialize, Deserialize)]
struct Clerk {
    paying: Option<(Intent, u64)>,
    heard: Vec<String>,
}

impl Agent for Clerk {
    type Message = u64;
    const KIND: Kind = Kind::new("clerk").keeps_its_state(20);

    fn handle(&mut self, _from: Pid, cents: u64, ctx: &mut Context<'_, Self>) -> Result {
        self.paying = Some((ctx.effect("pay", "bank/acme", &cents), cents));
        Ok(())
    }

    fn receipt(&mut self, receipt: Receipt, ctx: &mut Context<'_, Self>) -> Result {
        let Some((intent, cents)) = self.paying else { return Ok(()) };
        let Some(came) = receipt.of(intent) else { return Ok(()) };
        self.heard.push(match came {
            Came::Done(proof) => format!("{} {}", ctx.now(), String::from_utf8_lossy(proof)),
            other => format!("{} {other:?}", ctx.now()),
        });
        self.paying = None;
        if let Came::Failed(_) = came {
            self.handle(Pid::OUTSIDE, cents - 1, ctx)?;
        }
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Bank(Arc<Mutex<Vec<u64>>>);

impl karyon::Adapter for Bank {
    fn perform(&self, effect: &Effect) -> std::result::Result<Vec<u8>, String> {
        let cents: u64 = effect.read().ok_or("no number")?;
        match cents % 3 {
            2 => Err("not that much".into()),
            _ => {
                self.0.lock().unwrap().push(cents);
                Ok(format!("paid {cents}").into_bytes())
            }
        }
    }
}

fn office(clerks: u64, bank: &Bank) -> (Run, Vec<karyon::AgentRef<Clerk>>) {
    let mut run = Run::new("office");
    run.permit::<Clerk>("pay", "bank").performs(bank.clone());
    let all: Vec<_> =
        (0..clerks).map(|n| run.agent(format!("clerk {n}"), Clerk::default())).collect();
    for (number, clerk) in (0..).zip(&all) {
        run.input(number % 3, *clerk, 4 + number).input(5 + number % 2, *clerk, 7 + number);
    }
    (run, all)
}

#[test]
fn the_same_comes_out_with_any_schedulers_and_chaos_and_nothing_is_done_twice() {
    let heard = |run: &Run, all: &[karyon::AgentRef<Clerk>]| {
        let outcome = run.test().unwrap();
        let heard = all.iter().map(|clerk| outcome.state(*clerk).unwrap().heard.clone());
        (heard.collect::<Vec<_>>(), outcome.state_root, outcome.counts.crashes)
    };
    let bank = Bank::default();
    let (mut run, all) = office(7, &bank);
    let calm = heard(&run, &all);
    let paid = std::mem::take(&mut *bank.0.lock().unwrap());
    assert_eq!(calm.0[0], ["tick 1 paid 4", "tick 6 paid 7"]);
    assert_eq!(calm.0[1][..2], ["tick 2 Failed(\"not that much\")", "tick 3 paid 4"]);
    assert_eq!(paid.len(), 14);
    for (schedulers, chaos) in [(2, 0.0), (4, 0.0), (1, 0.2), (2, 0.2), (4, 0.2)] {
        run.schedulers(schedulers).chaos(chaos).intensity(100_000, 10);
        let other = heard(&run, &all);
        assert_eq!((&other.0, other.1), (&calm.0, calm.1), "chaos {chaos}");
        assert!(chaos == 0.0 || other.2 > 3);
        // A step that fails wants nothing.
        assert_eq!(std::mem::take(&mut *bank.0.lock().unwrap()), paid);
    }
}

#[test]
fn from_any_snapshot_it_comes_to_the_same_end() {
    let bank = Bank::default();
    let (run, _) = office(3, &bank);
    let whole = run.test().unwrap().state_root;
    assert_eq!(run.test_snapshots().unwrap().state_root, whole);
    assert_eq!(bank.0.lock().unwrap().len(), 12, "once each time: what is compared does nothing");
}

/// Nobody could end what is begun.
#[test]
fn on_a_directory_nothing_is_done_without_a_guardian_and_a_replay_agrees() {
    let bank = Bank::default();
    let (run, all) = office(1, &bank);
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let outcome = run.begin(&data).unwrap();
    let heard = &outcome.state(all[0]).unwrap().heard;
    let unguarded = Came::NotDone(NotDone::Unguarded);
    assert!(heard.iter().all(|heard| heard.ends_with(&format!("{unguarded:?}"))), "{heard:?}");
    assert_eq!(heard.len(), 2);
    assert!(run.replay(&data).unwrap().is_confirmed());
    assert!(bank.0.lock().unwrap().is_empty());
}

#[test]
fn free_running_effects_are_done_too() {
    let bank = Bank::default();
    let (mut run, all) = office(3, &bank);
    let outcome = run.free_running().test().unwrap();
    assert_eq!(bank.0.lock().unwrap().len(), 6);
    assert!(all.iter().all(|clerk| outcome.state(*clerk).unwrap().heard.len() >= 2));
}

#[test]
fn what_is_not_permitted_is_denied_and_a_permit_that_is_none_is_refused() {
    let bank = Bank::default();
    let mut run = Run::new("shop");
    run.performs(bank.clone());
    let clerk = run.agent("clerk", Clerk::default());
    run.input(0, clerk, 4);
    let denied = |run: &Run| run.test().unwrap().state(clerk).unwrap().heard.clone();
    assert_eq!(denied(&run), ["tick 1 Denied(CapabilityNotGranted)"]);
    run.permit::<Clerk>("pay", "bank/other");
    assert_eq!(denied(&run), ["tick 1 Denied(ExceedsCapabilityScope)"]);
    assert!(bank.0.lock().unwrap().is_empty());
    let digest = run.digest();
    run.permit::<Clerk>("pay", "bank/acme");
    assert_ne!(run.digest(), digest, "it is part of what a principal signs");
    assert_eq!(denied(&run), ["tick 1 paid 4"]);

    let error = run.clone().permit::<Clerk>("pay", "bank//acme").test().err().unwrap();
    assert!(matches!(error, RunError::Permit(..)) && error.to_string().contains("bank//acme"));
    let mut nobody = Run::new("nobody");
    nobody.agent("clerk", Clerk::default());
    let error = nobody.permit::<Clerk>("pay", "bank").test().err().unwrap();
    assert!(error.to_string().contains("Run::performs"), "{error}");
}

/// Has effects, and no ear for what comes of them.
#[derive(Serialize, Deserialize)]
struct Deaf;

impl Agent for Deaf {
    type Message = u64;
    const KIND: Kind = Kind::new("deaf").temporary();

    fn handle(&mut self, _from: Pid, cents: u64, ctx: &mut Context<'_, Self>) -> Result {
        ctx.effect("pay", "bank/acme", &cents);
        Ok(())
    }
}

#[test]
fn whoever_has_effects_has_to_hear_of_them() {
    let mut run = Run::new("deaf");
    run.permit::<Deaf>("pay", "bank").performs(Bank::default());
    let deaf = run.agent("deaf", Deaf);
    run.input(0, deaf, 4);
    let outcome = run.test().unwrap();
    assert_eq!(outcome.counts.crashes, 1);
    assert!(outcome.state(deaf).is_none());
}

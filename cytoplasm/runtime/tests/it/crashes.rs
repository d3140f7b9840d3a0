//! Let it crash: what is left of a step that failed, and who goes on.

use karyon_runtime::{Intensity, RunError};
use karyon_types::Tick;

use crate::support::*;
use Order::{Add, Exit, Fail, Panic, Send};

/// Agent 1 is told at tick 0 to send three messages to agent 2; the second kills it.
fn poisoned(poison: Order) -> Script {
    let second = vec![Add(100), Send(3, vec![Add(1)]), poison];
    let orders = vec![Send(2, vec![Add(1)]), Send(2, second), Send(2, vec![Add(10)])];
    Script::new([(0, 1, orders), (2, 2, vec![Add(1000)])])
}

#[test]
fn restarted_from_init_with_an_empty_mailbox() {
    for (poison, kind) in [(Panic, "Panic"), (Fail, "Error")] {
        let (outcome, records) = Stage::default().complete::<0, 0>(&poisoned(poison));
        assert_eq!(
            in_words(&records),
            [
                "tick 0".into(),
                "input 0: 1".into(),
                "agent 1 step 0 on input 0 -> 3".into(),
                "tick 1".into(),
                "agent 2 step 0 on 1.0.0 -> 0".into(),
                format!("agent 2 attempt 0: {kind}, Restarted"),
                "agent 2 lost 1.0.1: Poison".into(),
                "agent 2 lost 1.0.2: MailboxEmptied".into(),
                "tick 2".into(),
                "input 2: 1".into(),
                "agent 2 step 2 on input 1 -> 0".into(),
            ]
        );
        let sums: Vec<_> = outcome.agents.iter().map(|a| a.as_ref().unwrap().sum).collect();
        assert_eq!(sums, [0, 1000, 0, 0], "the first message went with the crash");
        let counts = outcome.counts;
        assert_eq!((counts.sent, counts.delivered, counts.dead_lettered), (3, 1, 2));
        assert_eq!((counts.crashes, counts.restarts), (1, 1));
    }
}

#[test]
fn restarted_from_the_last_good_state_until_attempts_are_used_up() {
    let (outcome, records) = Stage::default().complete::<0, 2>(&poisoned(Panic));
    assert_eq!(
        in_words(&records)[4..9],
        [
            "agent 2 step 0 on 1.0.0 -> 0",
            "agent 2 attempt 0: Panic, Redelivered",
            "agent 2 attempt 1: Panic, Redelivered",
            "agent 2 attempt 2: Panic, Restarted",
            "agent 2 lost 1.0.1: Poison",
        ]
    );
    // Nothing of the failed step is left, everything else is.
    let sums: Vec<_> = outcome.agents.iter().map(|a| a.as_ref().unwrap().sum).collect();
    assert_eq!(sums, [0, 1011, 0, 0]);
    assert_eq!((outcome.counts.crashes, outcome.counts.restarts), (3, 3));
    assert_eq!(outcome.counts.dead_lettered, 1);
}

#[test]
fn a_temporary_agent_stays_dead() {
    let (outcome, records) = Stage::default().complete::<2, 0>(&poisoned(Panic));
    assert_eq!(
        in_words(&records)[5..],
        [
            "agent 2 attempt 0: Panic, Stopped",
            "agent 2 lost 1.0.1: Poison",
            "agent 2 lost 1.0.2: ReceiverGone",
            "tick 2",
            "input 2: 1",
            "agent 2 lost input 1: ReceiverGone",
        ]
    );
    assert_eq!(outcome.agents[1], None);
    assert_eq!((outcome.counts.crashes, outcome.counts.restarts), (1, 0));
}

#[test]
fn who_ends_itself_is_restarted_only_if_permanent() {
    let orders = vec![Add(1), Send(2, vec![Add(5)]), Exit];
    let script = Script::new([(0, 1, orders), (1, 1, vec![Add(7)])]);
    let (permanent, _) = Stage::default().complete::<0, 0>(&script);
    let (transient, _) = Stage::default().complete::<1, 0>(&script);
    assert_eq!(permanent.agents[0].as_ref().unwrap().sum, 7);
    assert_eq!(transient.agents[0], None);
    assert_eq!((permanent.counts.restarts, transient.counts.restarts), (1, 0));
    // An exit is an output like any other: what was sent with it arrives.
    assert_eq!(permanent.agents[1].as_ref().unwrap().sum, 5);
    assert_eq!(transient.agents[1].as_ref().unwrap().sum, 5);
}

#[test]
fn the_supervisor_gives_up_at_its_intensity() {
    let script = Script::new((0..4).map(|tick| (tick * 2, 1, vec![Fail])));
    for (restarts, period_ticks, gives_up) in
        [(4, 100, None), (3, 100, Some(6)), (1, 3, Some(2)), (1, 2, None), (0, 1, Some(0))]
    {
        let intensity = Intensity { restarts, period_ticks };
        for schedulers in [1, 3] {
            let stage = Stage { intensity, schedulers, ..Stage::default() };
            let disk = Disk::default();
            let (outcome, _) = stage.play::<0, 0>(&script, recorder(&disk));
            match (outcome, gives_up) {
                (Ok(outcome), None) => assert_eq!(outcome.counts.restarts, 4),
                (Err(RunError::IntensityExceeded { tick, .. }), Some(at)) => {
                    assert_eq!(tick, Tick(at));
                }
                (Ok(_), Some(_)) => panic!("{intensity:?}: did not give up"),
                (Err(error), _) => panic!("{intensity:?}: {error}"),
            }
        }
    }
}

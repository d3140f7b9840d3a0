//! Exit reasons, monitors and links: who is told of whose end, and who dies of it.

use karyon_gate::Rights;
use karyon_runtime::{BONDS_PER_AGENT, ExitReason, Limits, REASON_BYTES_MAX};

use crate::support::*;
use Order::{Add, Demonitor, Exit, ExitWith, Fail, Link, Monitor, Panic, Send, Trap, Unlink};

/// What each agent heard; `None`: it is gone. The same for any number of schedulers.
fn heard<const R: u8, const G: u32>(script: &Script) -> (Vec<Option<Vec<String>>>, Vec<String>) {
    let mut first = None;
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { schedulers, ..Stage::default() }.complete::<R, G>(script);
        let heard: Vec<_> =
            outcome.agents.into_iter().map(|agent| agent.map(|agent| agent.heard)).collect();
        let all = (heard, in_words(&records));
        assert_eq!(first.get_or_insert(all.clone()), &all, "{schedulers} schedulers");
    }
    first.unwrap()
}

fn shutdown() -> Order {
    ExitWith(ExitReason::Shutdown)
}

fn heard_by(agent: usize, script: &Script) -> Vec<String> {
    heard::<2, 0>(script).0[agent - 1].clone().unwrap()
}

#[test]
fn a_monitor_is_told_once_in_the_next_tick_and_why() {
    let long = "x".repeat(2 * REASON_BYTES_MAX);
    for (end, words) in [
        (Exit, "normal".to_owned()),
        (shutdown(), "shutdown".into()),
        (ExitWith(ExitReason::Killed), "killed".into()),
        (Fail, "failure: as ordered".into()),
        (Panic, "failure: panic".into()),
        (
            ExitWith(ExitReason::Failure(long.into())),
            format!("failure: {}", "x".repeat(REASON_BYTES_MAX)),
        ),
    ] {
        let script = Script::new([(0, 1, vec![Monitor(3), Monitor(3)]), (2, 3, vec![end])]);
        assert_eq!(heard_by(1, &script), [format!("tick 3: 3 down, {words}")]);
    }
}

#[test]
fn who_is_gone_or_was_never_there_is_told_of_in_the_next_tick() {
    let script = Script::new([(0, 3, vec![Exit]), (2, 1, vec![Monitor(3), Trap(true), Link(3)])]);
    assert_eq!(heard_by(1, &script), ["tick 3: 3 down, noproc", "tick 3: 3 exit, noproc"]);
    // Whoever traps nothing dies of a link to nobody.
    let script = Script::new([(0, 3, vec![Exit]), (2, 1, vec![Link(3)])]);
    assert_eq!(heard::<2, 0>(&script).0[0], None);
}

#[test]
fn linked_agents_end_together_both_ways_a_tick_a_link() {
    for first in [1, 4] {
        let links = [(0, 1, vec![Link(2)]), (0, 3, vec![Link(2), Link(4)])];
        let script = Script::new(links.into_iter().chain([(2, first, vec![Fail])]));
        let (heard, words) = heard::<2, 0>(&script);
        assert_eq!(heard, [None, None, None, None]);
        let ends: Vec<_> = words.iter().filter(|word| word.contains("attempt")).collect();
        assert_eq!(ends.len(), 4);
        assert_eq!(ends[3], &format!("agent {} attempt 0: Link, Stopped", 5 - first));
        assert!(words.iter().any(|word| word == "tick 5"), "{words:?}");
    }
}

#[test]
fn a_normal_end_harms_nobody_and_whoever_traps_exits_is_told() {
    let links = |traps| vec![Trap(traps), Link(2), Link(3)];
    let ends = [(2, 2, vec![Exit]), (3, 3, vec![Exit]), (4, 1, vec![Add(1)])];
    let script = Script::new([(0, 1, links(false))].into_iter().chain(ends.clone()));
    assert_eq!(heard_by(1, &script), [""; 0]);
    let script = Script::new([(0, 1, links(true))].into_iter().chain(ends));
    assert_eq!(heard_by(1, &script), ["tick 3: 2 exit, normal", "tick 4: 3 exit, normal"]);
    let script = Script::new([(0, 1, links(true)), (2, 3, vec![shutdown()]), (2, 2, vec![Panic])]);
    let both = ["tick 3: 2 exit, failure: panic", "tick 3: 3 exit, shutdown"];
    assert_eq!(heard_by(1, &script), both);
}

#[test]
fn whoever_unbinds_itself_hears_nothing_even_of_the_same_tick() {
    let bind = vec![Trap(true), Monitor(2), Link(2), Link(3)];
    for (tick, told) in [(1, false), (2, false), (3, true)] {
        // In tick 3 the news are handled before whatever else is due.
        let script = Script::new([
            (0, 1, bind.clone()),
            (2, 2, vec![Fail]),
            (tick, 1, vec![Demonitor(2), Unlink(2)]),
        ]);
        assert_eq!(heard_by(1, &script).len(), if told { 2 } else { 0 });
    }
    // A link is ended by either side.
    let script = Script::new([(0, 1, bind), (1, 3, vec![Unlink(1)]), (2, 3, vec![Fail])]);
    assert_eq!(heard_by(1, &script), [""; 0]);
}

#[test]
fn who_began_anew_is_bound_to_nobody_and_traps_nothing() {
    let script = Script::new([
        (0, 1, vec![Trap(true), Monitor(2), Link(3)]),
        (1, 1, vec![Panic]),
        (2, 2, vec![Panic]),
        (4, 1, vec![Link(3)]),
        (5, 3, vec![Panic]),
    ]);
    let (heard, words) = heard::<0, 0>(&script);
    assert_eq!(heard[0].as_deref(), Some(&[][..]));
    let third: Vec<_> = words.iter().filter(|word| word.contains("3 attempt")).collect();
    // It was linked to the first until that began anew, and then again.
    assert_eq!(
        third,
        ["agent 3 attempt 0: Link, Restarted", "agent 3 attempt 0: Panic, Restarted"]
    );
    assert!(words.contains(&"agent 1 attempt 0: Link, Restarted".to_owned()));
}

#[test]
fn who_goes_on_from_its_last_good_state_still_monitors_and_its_end_is_told() {
    let script = Script::new([
        (0, 1, vec![Monitor(2), Trap(true), Link(2)]),
        (0, 3, vec![Monitor(1)]),
        (1, 1, vec![Add(1), Panic]),
        (3, 2, vec![Exit]),
    ]);
    let (heard, _) = heard::<1, 1>(&script);
    // The second died of its link at tick 2, and is there again.
    let told = ["tick 3: 2 down, failure: panic"];
    assert_eq!(heard[0].as_deref().unwrap(), told);
    assert_eq!(heard[2].as_deref().unwrap(), ["tick 2: 1 down, failure: panic"]);
}

#[test]
fn a_signal_that_kills_takes_the_rest_of_the_mailbox_with_it() {
    let script = Script::new([
        (0, 1, vec![Link(2)]),
        (1, 2, vec![Fail]),
        (1, 3, vec![Send(1, vec![Add(1)])]),
        (2, 1, vec![Add(10)]),
    ]);
    let (_, words) = heard::<0, 0>(&script);
    let tick = words.iter().position(|word| word == "tick 2").unwrap();
    assert_eq!(
        words[tick + 2..],
        [
            "agent 1 attempt 0: Link, Restarted",
            "agent 1 lost exit 2.0.0: Poison",
            "agent 1 lost input 3: MailboxEmptied",
            "agent 1 lost 3.0.0: MailboxEmptied",
        ]
    );
}

#[test]
fn to_be_shut_down_is_no_failure_and_to_be_killed_is_one() {
    for (reason, again) in [
        (ExitReason::Normal, false),
        (ExitReason::Shutdown, false),
        (ExitReason::Killed, true),
        (ExitReason::failure("tired"), true),
    ] {
        let script = Script::new([(0, 1, vec![Add(1), ExitWith(reason)])]);
        let (transient, _) = Stage::default().complete::<1, 0>(&script);
        assert_eq!(transient.agents[0].is_some(), again);
        assert_eq!(transient.counts.restarts, u64::from(again));
    }
}

#[test]
fn to_link_is_a_right_of_its_own() {
    let rights = Rights::SEND;
    let script = Script::new([(0, 1, vec![Link(2), Monitor(2), Link(99)]), (1, 2, vec![Fail])]);
    let stage = Stage { rights, ..Stage::default() };
    let (outcome, _) = stage.complete::<2, 0>(&script);
    let agent = outcome.agents[0].as_ref().unwrap();
    assert_eq!(agent.denied, ["capability_not_granted"; 2]);
    assert_eq!(agent.heard, ["tick 2: 2 down, failure: as ordered"]);
    assert_eq!(outcome.counts.unarranged, 2);
}

#[test]
fn more_bonds_than_an_agent_may_make_are_denied() {
    let agents = BONDS_PER_AGENT as u64 + 2;
    let limits = Limits { outputs_per_step: 2 * agents, ..LIMITS };
    let stage = Stage { agents, limits, ..Stage::default() };
    let all: Vec<_> = (2..=agents).map(Monitor).collect();
    // One that it has already is none more; one that it gave up makes room.
    let more = vec![Monitor(2), Link(2), Demonitor(2), Link(3)];
    let script = Script::new([(0, 1, all), (2, 1, more)]);
    let (outcome, _) = stage.complete::<0, 0>(&script);
    let denied = &outcome.agents[0].as_ref().unwrap().denied;
    assert_eq!(denied, &["budget_exhausted"; 2]);
}

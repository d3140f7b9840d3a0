//! Timers: armed for a tick, fired in it before messages, taken back, and ended with their agent.

use karyon_gate::Rights;
use karyon_runtime::{Limits, TIMERS_PER_AGENT};
use karyon_types::{AgentId, Tick};

use crate::support::*;
use Order::{Add, After, Cancel, Every, Exit, Panic, Send};

fn words<const R: u8, const G: u32>(stage: &Stage, script: &Script) -> (Vec<u64>, Vec<String>) {
    let mut first = None;
    for schedulers in [1, 2, 4] {
        let stage = Stage { schedulers, ..stage.clone() };
        let (outcome, records) = stage.complete::<R, G>(script);
        let sums: Vec<_> =
            outcome.agents.iter().map(|agent| agent.as_ref().map_or(0, |a| a.sum)).collect();
        let all = (sums, in_words(&records));
        assert_eq!(first.get_or_insert(all.clone()), &all, "{schedulers} schedulers");
    }
    first.unwrap()
}

#[test]
fn a_timer_fires_in_its_tick_before_inputs_and_messages() {
    let script = Script::new([
        (0, 3, vec![After(2, vec![Add(1)]), After(2, vec![Add(2)]), After(1, vec![])]),
        (0, 1, vec![After(2, vec![Send(3, vec![Add(4)])])]),
        (1, 3, vec![After(1, vec![])]),
        (1, 1, vec![Send(3, vec![])]),
        (2, 3, vec![]),
    ]);
    let (sums, words) = words::<0, 0>(&Stage::default(), &script);
    assert_eq!(sums, [0, 0, 7, 0]);
    let third = words.iter().position(|word| word == "tick 2").unwrap();
    assert_eq!(
        words[third..],
        [
            "tick 2",
            "input 2: 1",
            "agent 1 step 2 on timer 0.0 -> 1",
            // By step and output.
            "agent 3 step 3 on timer 0.0 -> 0",
            "agent 3 step 4 on timer 0.1 -> 0",
            "agent 3 step 5 on timer 2.0 -> 0",
            "agent 3 step 6 on input 4 -> 0",
            "agent 3 step 7 on 1.1.0 -> 0",
            "tick 3",
            "agent 3 step 8 on 1.2.0 -> 0",
        ]
    );
}

#[test]
fn a_run_waits_for_its_timers_and_passes_over_what_lies_between() {
    let far = 1 << 40;
    let script = Script::new([(0, 2, vec![After(far, vec![Add(1)]), After(70, vec![Add(2)])])]);
    let (sums, words) = words::<0, 0>(&Stage::default(), &script);
    assert_eq!(sums, [0, 3, 0, 0]);
    let ticks: Vec<_> = words.iter().filter(|word| word.starts_with("tick")).collect();
    assert_eq!(ticks, ["tick 0", "tick 70", &Tick(far).to_string()]);
}

#[test]
fn what_is_taken_back_does_not_fire_not_even_in_the_same_tick() {
    let script = Script::new([
        (
            0,
            1,
            vec![
                After(3, vec![Cancel(0, 1), Cancel(0, 1), Cancel(7, 7)]),
                After(3, vec![Add(1)]),
                After(4, vec![Add(2)]),
                Every(2, vec![Add(10)]),
            ],
        ),
        (1, 1, vec![Cancel(0, 2)]),
        (7, 1, vec![Cancel(0, 3)]),
    ]);
    let (sums, words) = words::<0, 0>(&Stage::default(), &script);
    assert_eq!(sums, [30, 0, 0, 0], "the interval three times, at 2, 4 and 6");
    assert_eq!(words.last().unwrap(), "agent 1 step 6 on input 2 -> 1");
}

#[test]
fn who_begins_anew_has_no_timers_and_who_goes_on_keeps_them() {
    let script = Script::new([
        (0, 1, vec![After(5, vec![Add(1)]), After(2, vec![])]),
        (2, 1, vec![After(1, vec![Add(100)]), Panic]),
        (2, 2, vec![After(1, vec![Add(1)]), Exit]),
    ]);
    let (sums, _) = words::<0, 0>(&Stage::default(), &script);
    assert_eq!(sums, [0, 0, 0, 0]);
    // What the failed step armed is not there.
    let (sums, _) = words::<0, 2>(&Stage::default(), &script);
    assert_eq!(sums, [1, 0, 0, 0]);
}

#[test]
fn an_interval_outlives_a_firing_that_killed_and_ends_with_what_allowed_it() {
    // The first dies of each firing; its lease ends at tick 7.
    let script =
        Script::new([(0, 1, vec![Every(2, vec![Panic])]), (0, 2, vec![Every(3, vec![Add(1)])])]);
    let expires = vec![(AgentId(1), Tick(7)), (AgentId(2), Tick(7))];
    let stage = Stage { expires, ..Stage::default() };
    let (sums, words) = words::<0, 1>(&stage, &script);
    // At 3, 6 and, armed at 6, at 9.
    assert_eq!(sums, [0, 3, 0, 0]);
    let lost = words.iter().filter(|word| *word == "agent 1 lost timer 0.0: Poison").count();
    assert_eq!(lost, 4, "at 2, 4, 6 and 8");
}

#[test]
fn the_gate_is_asked_as_for_a_message_to_itself() {
    let stage = Stage { rights: Rights::REMEMBER, ..Stage::default() };
    let script = Script::new([(0, 1, vec![After(1, vec![Add(1)])])]);
    let (outcome, _) = stage.complete::<0, 0>(&script);
    let agent = outcome.agents[0].as_ref().unwrap();
    assert_eq!((agent.sum, agent.denied.as_slice()), (0, &["capability_not_granted".into()][..]));
    assert_eq!(outcome.counts.unarranged, 1);
}

#[test]
fn more_timers_than_an_agent_may_have_are_denied() {
    let limits = Limits { outputs_per_step: 2 * TIMERS_PER_AGENT as u64, ..LIMITS };
    let stage = Stage { limits, ..Stage::default() };
    let all: Vec<_> = (0..=TIMERS_PER_AGENT).map(|_| After(2, vec![Add(1)])).collect();
    // A timer that fired makes room.
    let script = Script::new([(0, 1, all), (2, 1, vec![After(1, vec![Add(1)])])]);
    let (outcome, _) = stage.complete::<0, 0>(&script);
    let agent = outcome.agents[0].as_ref().unwrap();
    assert_eq!(agent.denied, ["budget_exhausted"]);
    assert_eq!(agent.sum, TIMERS_PER_AGENT as u64 + 1);
}

#[test]
fn timers_are_no_messages_against_the_bound_of_the_mailbox() {
    let limits = Limits { messages_per_tick: 1, ..LIMITS };
    let stage = Stage { limits, ..Stage::default() };
    let script = Script::new([(0, 1, vec![After(1, vec![]), After(1, vec![]), Send(1, vec![])])]);
    assert_eq!(stage.complete::<0, 0>(&script).0.counts.steps, 4);
}

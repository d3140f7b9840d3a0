//! Lanes: what is speculative is refused first, what is safety-critical last; all of it is counted,
//! recorded and told, the same for any number of schedulers.

use karyon_gate::Rights;
use karyon_runtime::processes::OrderVerb::{Pause, Resume};
use karyon_runtime::{Lane, Limits, Outcome, RunError, Shed};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::support::*;
use Lane::{Critical, Normal, Speculative};
use Order::{Add, SendIn};

const BOUND: u64 = 4;

fn stage(shed: Option<Shed>) -> Stage {
    let limits = Limits { messages_per_tick: BOUND, shed, ..LIMITS };
    let rights = Stage::default().rights.and(Rights::CRITICAL);
    Stage { limits, rights, agents: 10, ..Stage::default() }
}

const SHED: Option<Shed> = Some(Shed { speculative: 2, critical: 1 });

/// Agents 2, 3, … send agent 1 a digit each, in these lanes.
fn burst(lanes: &[Lane]) -> Script {
    Script::new((0..).zip(lanes).map(|(place, lane)| {
        (0, 2 + place, vec![SendIn(*lane, 1, vec![Add(10u64.pow(place as u32))])])
    }))
}

fn play(stage: &Stage, script: &Script) -> (Outcome<Puppet<0, 0>>, Vec<u8>) {
    stage.complete(script)
}

fn sum(outcome: &Outcome<Puppet<0, 0>>) -> u64 {
    outcome.agents[0].as_ref().unwrap().sum
}

fn adds_up(outcome: &Outcome<Puppet<0, 0>>) {
    let counts = outcome.counts;
    let all = counts.delivered + counts.denied + counts.refused + counts.dead_lettered;
    assert_eq!(counts.sent, all, "{counts:?}");
}

#[test]
fn speculative_messages_are_refused_first_and_safety_critical_ones_last() {
    for (lanes, kept, refused, speculative) in [
        // As many as there is room for.
        (&[Normal, Speculative, Speculative][..], 0b011, 1, 1),
        (&[Speculative, Speculative], 0b11, 0, 0),
        (&[Speculative, Normal, Normal], 0b110, 1, 1),
        (&[Speculative, Normal, Normal, Normal, Normal, Normal], 0b011110, 2, 1),
        (&[Normal, Normal, Normal, Normal, Critical], 0b10111, 1, 0),
        (&[Critical, Critical, Critical, Critical, Critical, Normal], 0b011111, 1, 0),
    ] {
        let (outcome, _) = play(&stage(SHED), &burst(lanes));
        let digits = (0..lanes.len() as u32).filter(|place| kept >> place & 1 == 1);
        assert_eq!(sum(&outcome), digits.map(|place| 10u64.pow(place)).sum(), "{lanes:?}");
        let counts = outcome.counts;
        assert_eq!((counts.refused, counts.refused_speculative), (refused, speculative));
        assert_eq!(counts.dead_lettered, 0);
        adds_up(&outcome);
    }
}

#[test]
fn whoever_is_refused_hears_why_in_the_next_tick_and_the_record_says_so() {
    let lanes = [Normal, Normal, Normal, Normal, Normal, Speculative];
    let (outcome, records) = play(&stage(SHED), &burst(&lanes));
    let denied = |id: usize| outcome.agents[id - 1].as_ref().unwrap().denied.clone();
    assert_eq!(denied(6), ["mailbox_full by 1"]);
    assert_eq!(denied(7), ["lane_closed by 1"]);
    let words = in_words(&records);
    let tick = words.iter().position(|words| words == "tick 1").unwrap();
    assert_eq!(
        words[tick + 1..],
        [
            "agent 1 lost 6.0.0: Refused",
            "agent 1 lost 7.0.1: Refused",
            "agent 1 step 0 on 2.0.0 -> 0",
            "agent 1 step 1 on 3.0.0 -> 0",
            "agent 1 step 2 on 4.0.0 -> 0",
            "agent 1 step 3 on 5.0.0 -> 0",
            "tick 2",
            "agent 6 step 1 on denial 0.0 -> 0",
            "agent 7 step 1 on denial 0.1 -> 0",
        ]
    );
}

#[test]
fn lanes_are_handled_in_their_order_and_each_by_sender() {
    let lanes = [Speculative, Normal, Critical, Speculative, Critical];
    let roomy = Limits { messages_per_tick: 64, ..stage(None).limits };
    for shed in [None, Some(Shed { speculative: 64, critical: 0 })] {
        let limits = Limits { shed, ..roomy };
        let (_, records) = play(&Stage { limits, ..stage(None) }, &burst(&lanes));
        let steps = in_words(&records);
        let steps: Vec<_> = steps.iter().filter(|words| words.starts_with("agent 1 ")).collect();
        let senders: Vec<_> = steps.iter().map(|w| w.split(' ').nth(5).unwrap()).collect();
        assert_eq!(senders, ["4.0.1", "6.0.1", "3.0.0", "2.0.1", "5.0.1"]);
    }
}

#[test]
fn without_shedding_a_full_mailbox_ends_the_run_whatever_the_lane() {
    for lane in [Critical, Normal, Speculative] {
        match stage(None).play::<0, 0>(&burst(&[lane; 5]), recorder(&Disk::default())).0 {
            Err(RunError::MailboxBound { agent: AgentId(1), tick: Tick(1), bound: BOUND }) => {}
            other => panic!("{:?}", other.map(|outcome| outcome.counts)),
        }
    }
}

#[test]
fn too_many_safety_critical_messages_end_the_run_and_name_the_agent() {
    match stage(SHED).play::<0, 0>(&burst(&[Critical; 6]), recorder(&Disk::default())).0 {
        Err(RunError::MailboxBound { agent: AgentId(1), tick: Tick(1), .. }) => {}
        other => panic!("{:?}", other.map(|outcome| outcome.counts)),
    }
}

#[test]
fn the_safety_critical_lane_needs_a_right_of_its_own() {
    let stage = Stage { rights: Rights::SEND, ..stage(SHED) };
    let (outcome, _) = play(&stage, &burst(&[Critical, Speculative]));
    assert_eq!(outcome.counts.denied, 1);
    assert_eq!(outcome.agents[1].as_ref().unwrap().denied, ["capability_not_granted"]);
    assert_eq!(sum(&outcome), 10);
    adds_up(&outcome);
}

#[test]
fn a_paused_agent_refuses_what_it_has_no_room_for() {
    // One normal message a tick while it is paused, and a safety-critical one at the end.
    let lane = |tick| if tick == 6 { Critical } else { Normal };
    let script =
        Script::new((0..7u32).map(|tick| {
            (u64::from(tick), 2, vec![SendIn(lane(tick), 1, vec![Add(10u64.pow(tick))])])
        }));
    let asker = Asker::new(script, vec![(0, order(Pause, 1)), (8, order(Resume, 1))]);
    let stage = Stage { desk: Some(asker.desk.clone()), ..stage(SHED) };
    let (outcome, _) = stage.play_from::<0, 0>(asker.clone(), recorder(&Disk::default()));
    let outcome = outcome.unwrap();
    assert_eq!((sum(&outcome), outcome.counts.refused), (1_001_111, 2));
    adds_up(&outcome);
}

#[test]
fn any_number_of_schedulers_refuses_the_same() {
    // Everybody sends everybody in all lanes, at once, in three ticks.
    let orders = |from: u64| {
        let lane =
            |to: u64| [Critical, Normal, Speculative, Speculative][((from + to) % 4) as usize];
        (1..=10).map(|to| SendIn(lane(to), to, vec![Add(1)])).collect::<Vec<_>>()
    };
    let script =
        Script::new((0..3).flat_map(|tick| (1..=10).map(move |from| (tick, from, orders(from)))));
    let play = |schedulers, small_tick, chaos| {
        let chaos = karyon_runtime::Chaos::new(7, chaos);
        let stage = stage(SHED);
        let limits = Limits { outputs_per_step: 20, ..stage.limits };
        let (outcome, records) =
            Stage { schedulers, small_tick, limits, chaos, ..stage }.complete::<0, 9>(&script);
        (outcome.counts, outcome.agents, records)
    };
    for chaos in [0.0, 0.2] {
        let (counts, agents, records) = play(1, 0, chaos);
        assert!(counts.refused > counts.refused_speculative && counts.refused_speculative > 0);
        for (schedulers, small_tick) in [(2, 0), (4, 0), (3, 1000)] {
            assert!(
                play(schedulers, small_tick, chaos) == (counts, agents.clone(), records.clone())
            );
        }
    }
}

#[test]
fn where_agents_take_turns_a_mailbox_sheds_when_the_turn_comes() {
    let lanes = [Speculative, Normal, Critical, Speculative, Normal, Critical, Normal, Speculative];
    let mut refused = 0;
    for seed in 0..8 {
        let schedule = karyon_runtime::Schedule::sequential_random(seed);
        let (outcome, records) = play(&Stage { schedule, ..stage(SHED) }, &burst(&lanes));
        adds_up(&outcome);
        refused += outcome.counts.refused;
        let words = in_words(&records);
        for turn in words.split(|words| words.starts_with("tick ")) {
            let steps = turn.iter().filter(|words| words.starts_with("agent 1 step "));
            let senders = steps.map(|words| words.split(' ').nth(5).unwrap());
            let senders = senders.map(|message| message.split('.').next().unwrap());
            let handled: Vec<Lane> =
                senders.map(|from| lanes[from.parse::<usize>().unwrap() - 2]).collect();
            assert!(handled.is_sorted(), "{seed}: {handled:?}");
            assert!(handled.len() as u64 <= BOUND + 1, "{seed}: {handled:?}");
        }
    }
    assert!(refused > 0);
}

//! Authority that changes during a run: at a tick, recorded, the same for any number of schedulers.

use karyon_log::{Record, Records, Target, Verb};
use karyon_runtime::{Change, ChangeError, Chaos, RunError};
use karyon_types::{AgentId, GrantId, LeaseId, PrincipalId, ReasonId, Tick};

use crate::support::*;
use Order::{Add, Remember, Send};

/// Agents 1 to 4 send to the next one, and remember, at each of ten ticks.
fn script() -> Script {
    Script::new((0..10).flat_map(|tick| {
        (1..5).map(move |agent| {
            (tick, agent, vec![Send(1 + agent % 4, vec![Add(1)]), Remember(tick.to_string())])
        })
    }))
}

fn stage(changes: &[(u64, Verb, Target)]) -> Stage {
    let at = |(tick, verb, target): &(u64, Verb, Target)| (Tick(*tick), *verb, *target);
    Stage { changes: changes.iter().map(at).collect(), ..Stage::default() }
}

/// The changes with the ticks behind whose records they stand.
fn recorded(records: &[u8]) -> Vec<(u64, Verb, Target)> {
    let (mut now, mut behind_tick, mut found) = (0, false, Vec::new());
    for record in Records::new(records) {
        match record.unwrap() {
            Record::Tick(tick) => (now, behind_tick) = (tick.0, true),
            Record::Change { verb, target } => {
                assert!(behind_tick, "a change stands right behind its tick");
                found.push((now, verb, target));
            }
            _ => behind_tick = false,
        }
    }
    found
}

fn agent(serial: u64) -> Target {
    Target::Agent(AgentId(serial))
}

/// What agents 1 to 4 were denied, in the order in which they were told.
fn denied(stage: &Stage) -> Vec<Vec<String>> {
    let (calm, records) = Stage { schedulers: 1, ..stage.clone() }.complete::<0, 60>(&script());
    for (schedulers, chaos) in [(1, 0.2), (2, 0.0), (3, 0.2), (4, 0.0), (9, 0.0)] {
        let chaos = Chaos::new(7, chaos);
        let (wild, others) =
            Stage { schedulers, chaos, ..stage.clone() }.complete::<0, 60>(&script());
        assert_eq!(wild.agents, calm.agents, "{schedulers} schedulers");
        assert_eq!(recorded(&others), recorded(&records));
        assert_eq!(wild.counts.denied, calm.counts.denied);
    }
    calm.agents.into_iter().map(|agent| agent.unwrap().denied).collect()
}

#[test]
fn a_revoked_agent_does_nothing_from_that_tick_on_and_everything_before() {
    let stage = stage(&[(6, Verb::Revoke, agent(2))]);
    let (outcome, records) = stage.complete::<0, 60>(&script());
    assert_eq!(recorded(&records), [(6, Verb::Revoke, agent(2))]);
    let sum = |n: usize| outcome.agents[n - 1].as_ref().unwrap().sum;
    // Agent 2 still hears what agent 1 says.
    assert_eq!([sum(1), sum(2), sum(3), sum(4)], [10, 10, 6, 10]);
    assert_eq!((outcome.counts.denied, outcome.counts.forgone), (4, 4));
    let denied = denied(&stage);
    assert_eq!(denied[1], ["lease_revoked"; 8]);
    assert!(denied[0].is_empty() && denied[2].is_empty() && denied[3].is_empty());
}

#[test]
fn what_is_suspended_holds_again_when_it_is_resumed_as_often() {
    let (reason, grant) = (Target::Reason(ReasonId(1)), Target::Grant(GrantId(1)));
    let (principal, lease) = (Target::Principal(PrincipalId(1)), Target::Lease(LeaseId(3)));
    for (target, agents, code) in [
        (agent(3), 3..=3, "agent_halted"),
        (lease, 3..=3, "lease_suspended"),
        (reason, 1..=4, "lease_suspended"),
        (grant, 1..=4, "lease_suspended"),
        (principal, 1..=4, "lease_suspended"),
    ] {
        // Held in ticks 2, 3, 4, 5 and 8; a tick's changes come in the order of the list.
        let stage = stage(&[
            (2, Verb::Suspend, target),
            (8, Verb::Suspend, target),
            (3, Verb::Suspend, target),
            (4, Verb::Resume, target),
            (6, Verb::Resume, target),
            (7, Verb::Suspend, target),
            (7, Verb::Resume, target),
            (9, Verb::Resume, target),
        ]);
        for (serial, told) in (1..).zip(denied(&stage)) {
            let times = if agents.contains(&serial) { 2 * 5 } else { 0 };
            assert_eq!(told, vec![code; times], "{target:?}");
        }
    }
}

#[test]
fn a_tick_without_other_work_is_visited_and_one_behind_the_end_is_not() {
    let script = Script::new([(0, 1, vec![]), (9, 1, vec![Send(2, vec![Add(1)])])]);
    let changes = [(5, Verb::Suspend, agent(1)), (40, Verb::Resume, agent(1))];
    let (outcome, records) = stage(&changes).complete::<0, 0>(&script);
    assert_eq!(outcome.agents[1].as_ref().unwrap().sum, 0);
    assert_eq!(recorded(&records), [changes[0]]);
}

#[test]
fn changes_that_cannot_be_made_are_refused_before_anything_runs() {
    let one = |tick, verb, target| vec![(Tick(tick), verb, target)];
    let cases: [(Vec<Change>, ChangeError); 9] = [
        (one(1, Verb::Suspend, agent(0)), ChangeError::Unknown),
        (one(1, Verb::Suspend, agent(5)), ChangeError::Unknown),
        (one(1, Verb::Revoke, Target::Lease(LeaseId(5))), ChangeError::Unknown),
        (one(1, Verb::Revoke, Target::Reason(ReasonId(2))), ChangeError::Unknown),
        (one(1, Verb::Revoke, Target::Grant(GrantId(2))), ChangeError::Unknown),
        (one(1, Verb::Revoke, Target::Principal(PrincipalId(2))), ChangeError::Unknown),
        (one(1, Verb::Resume, agent(1)), ChangeError::NotSuspended),
        (
            [one(1, Verb::Suspend, agent(1)), one(2, Verb::Resume, agent(2))].concat(),
            ChangeError::NotSuspended,
        ),
        // Suspended later than resumed.
        (
            [one(3, Verb::Suspend, agent(1)), one(2, Verb::Resume, agent(1))].concat(),
            ChangeError::NotSuspended,
        ),
    ];
    for (changes, expected) in cases {
        let stage = Stage { changes, ..Stage::default() };
        let disk = Disk::default();
        let (outcome, recorder) = stage.play::<0, 0>(&script(), recorder(&disk));
        match outcome {
            Err(RunError::Change { error, .. }) => assert_eq!(error, expected),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it ran"),
        }
        recorder.unwrap().close().unwrap();
        assert!(records(&disk).unwrap().is_empty());
    }
}

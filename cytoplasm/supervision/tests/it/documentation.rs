//! What OTP's manual page of `supervisor` says, sentence by sentence.

use karyon_supervision::{
    Action, AutoShutdown, ChildId, ChildSpec, ChildState, End, Event, Exit, Flags, REQUESTS_MAX,
    Refusal, Request, Restart, Shutdown, Spec, SpecError, Strategy, Supervised, Supervisor, Tree,
    Unexpected,
};
use karyon_types::Tick;
use std::sync::Arc;

use crate::support::{Did, Driver, Failing, ROOT, flags, worker};
use Did::{End as Ended, Fail, Start, Stop};
use Restart::{Permanent, Temporary, Transient};

const ONE: Flags = Flags { strategy: Strategy::OneForOne, ..ALL };
const ALL: Flags = Flags {
    strategy: Strategy::OneForAll,
    intensity: karyon_supervision::Intensity { restarts: 1, period_ticks: 5 },
    auto_shutdown: AutoShutdown::Never,
    max_children: None,
};
const REST: Flags = Flags { strategy: Strategy::RestForOne, ..ALL };
const DYNAMIC: Flags = Flags { strategy: Strategy::Dynamic, ..ALL };

fn three(restart: Restart) -> [ChildSpec; 3] {
    [worker(1, restart), worker(2, restart), worker(3, restart)]
}

#[test]
fn children_are_started_from_left_to_right_and_terminated_from_right_to_left() {
    let children = three(Permanent).into_iter().map(Spec::Worker).collect();
    let mut driver = Driver::new(Supervised { flags: ONE, children }, Failing::new());
    driver.hear(Event::Begin).unwrap();
    assert_eq!(driver.did(), [Start(1), Start(2), Start(3)]);
    driver.hear(Event::ShutDown).unwrap();
    assert_eq!(driver.did(), [Stop(3), Stop(2), Stop(1), Ended]);
    assert_eq!(driver.end, Some(End::Shutdown));
}

#[test]
fn one_for_one_affects_only_that_child() {
    let mut driver = Driver::flat(ONE, &three(Permanent));
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Start(2)]);
}

#[test]
fn one_for_all_terminates_all_others_and_restarts_all() {
    let mut driver = Driver::flat(ALL, &three(Permanent));
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Stop(3), Stop(1), Start(1), Start(2), Start(3)]);
}

#[test]
fn rest_for_one_terminates_the_rest_and_restarts_them() {
    let mut driver = Driver::flat(REST, &three(Permanent));
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Stop(3), Start(2), Start(3)]);
}

#[test]
fn a_temporary_child_is_never_restarted_even_when_a_siblings_death_terminates_it() {
    for flags in [ALL, REST] {
        let children = [worker(1, Permanent), worker(2, Temporary), worker(3, Permanent)];
        let mut driver = Driver::flat(flags, &children);
        driver.exit(1, Exit::Failure);
        assert_eq!(driver.did(), [Stop(3), Stop(2), Start(1), Start(3)]);
        let two = driver.tree.supervisor(ROOT).unwrap().state(ChildId(2));
        assert_eq!(two, None, "its spec is deleted");
    }
}

#[test]
fn a_transient_child_is_restarted_only_if_it_terminates_abnormally() {
    for (exit, expected) in [
        (Exit::Normal, vec![]),
        (Exit::Shutdown, vec![]),
        (Exit::Killed, vec![Start(1)]),
        (Exit::Failure, vec![Start(1)]),
    ] {
        let mut driver = Driver::flat(ONE, &[worker(1, Transient)]);
        driver.exit(1, exit);
        assert_eq!(driver.did(), expected, "{exit:?}");
    }
}

#[test]
fn one_that_ended_for_good_comes_back_with_a_restart_of_all() {
    let mut driver = Driver::flat(ALL, &[worker(1, Transient), worker(2, Permanent)]);
    driver.exit(1, Exit::Normal);
    assert_eq!(driver.did(), []);
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Start(1), Start(2)]);
}

#[test]
fn more_restarts_than_the_intensity_within_the_period_and_it_terminates_with_shutdown() {
    let mut driver = Driver::flat(flags(Strategy::OneForOne, 2, 5), &three(Permanent));
    for tick in [10, 11] {
        driver.now = Tick(tick);
        driver.exit(1, Exit::Failure);
        assert_eq!(driver.did(), [Start(1)]);
    }
    driver.now = Tick(14);
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Stop(3), Stop(1), Ended]);
    assert_eq!(driver.end, Some(End::Shutdown));
}

#[test]
fn restarts_that_are_a_period_apart_go_on_for_ever() {
    let mut driver = Driver::flat(flags(Strategy::OneForOne, 1, 5), &[worker(1, Permanent)]);
    for tick in 0..100 {
        driver.now = Tick(5 * tick);
        driver.exit(1, Exit::Failure);
        assert_eq!(driver.did(), [Start(1)]);
    }
}

#[test]
fn a_restart_of_all_counts_once() {
    let mut driver = Driver::flat(ALL, &three(Permanent));
    driver.exit(1, Exit::Failure);
    assert_eq!(driver.end, None);
    driver.exit(1, Exit::Failure);
    assert_eq!(driver.end, Some(End::Shutdown));
}

#[test]
fn a_restart_that_fails_is_tried_again_and_each_try_counts() {
    for (failures, survives) in [(2, true), (3, false)] {
        let mut driver = Driver::flat(flags(Strategy::OneForOne, 3, 5), &[worker(1, Permanent)]);
        driver.failing = (1..=failures).map(|nth| (1, nth)).collect();
        driver.exit(1, Exit::Failure);
        let mut expected = vec![Fail(1); failures as usize];
        expected.push(if survives { Start(1) } else { Ended });
        assert_eq!(driver.did(), expected);
    }
}

#[test]
fn of_several_that_are_restarted_the_one_that_failed_to_start_is_tried_again() {
    for (strategy, expected) in [
        (
            Strategy::OneForAll,
            vec![Stop(3), Stop(2), Start(1), Fail(2), Stop(1), Start(1), Start(2), Start(3)],
        ),
        (Strategy::RestForOne, vec![Stop(3), Stop(2), Start(1), Fail(2), Start(2), Start(3)]),
    ] {
        let mut driver = Driver::flat(flags(strategy, 3, 5), &three(Permanent));
        driver.failing = Failing::from([(2, 1)]);
        driver.exit(1, Exit::Failure);
        assert_eq!(driver.did(), expected, "{strategy:?}");
    }
}

#[test]
fn when_the_first_start_of_a_child_fails_those_before_it_are_terminated() {
    let children = three(Permanent).into_iter().map(Spec::Worker).collect();
    let mut driver = Driver::new(Supervised { flags: ONE, children }, Failing::from([(3, 0)]));
    driver.hear(Event::Begin).unwrap();
    assert_eq!(driver.did(), [Start(1), Start(2), Fail(3), Stop(2), Stop(1), Ended]);
    assert_eq!(driver.end, Some(End::FailedToStart(ChildId(3))));
}

#[test]
fn brutal_kill_kills_and_a_timeout_kills_one_that_did_not_end() {
    let specs = [
        worker(1, Permanent),
        ChildSpec { shutdown: Shutdown::Infinity, ..worker(2, Permanent) },
        ChildSpec { shutdown: Shutdown::BrutalKill, ..worker(3, Permanent) },
    ];
    let mut supervisor = Supervisor::new(ONE, specs).unwrap();
    let mut hear = |event, expected: &[Action]| {
        let mut actions = Vec::new();
        supervisor.decide(Tick(0), event, &mut actions).unwrap();
        assert_eq!(actions, expected, "{event:?}");
    };
    let [one, two, three] = specs.map(|spec| spec.id);
    hear(Event::Begin, &[Action::Start { child: one, arguments: 101 }]);
    hear(Event::Started(one), &[Action::Start { child: two, arguments: 102 }]);
    hear(Event::Started(two), &[Action::Start { child: three, arguments: 103 }]);
    hear(Event::Started(three), &[Action::Begun]);
    hear(Event::ShutDown, &[Action::Kill(three)]);
    hear(Event::ShutDown, &[]);
    hear(Event::Exited(three, Exit::Killed), &[Action::Stop { child: two, timeout_ticks: None }]);
    hear(
        Event::Exited(two, Exit::Shutdown),
        &[Action::Stop { child: one, timeout_ticks: Some(5) }],
    );
    hear(Event::Overdue(two), &[]);
    hear(Event::Overdue(one), &[Action::Kill(one)]);
    hear(Event::Exited(one, Exit::Killed), &[Action::End(End::Shutdown)]);
    hear(Event::Overdue(one), &[]);
    hear(Event::ShutDown, &[]);
}

#[test]
fn dynamic_children_are_stopped_all_at_once() {
    let mut supervisor = Supervisor::new(DYNAMIC, []).unwrap();
    let mut actions = Vec::new();
    supervisor.decide(Tick(0), Event::Begin, &mut actions).unwrap();
    for spec in three(Permanent) {
        supervisor.ask(Tick(0), 7, Request::Add(spec), &mut actions);
        supervisor.decide(Tick(0), Event::Started(spec.id), &mut actions).unwrap();
        assert_eq!(actions.pop(), Some(Action::Answer { ticket: 7, answer: Ok(()) }));
    }
    actions.clear();
    supervisor.decide(Tick(0), Event::ShutDown, &mut actions).unwrap();
    let stops = [3, 2, 1].map(|id| Action::Stop { child: ChildId(id), timeout_ticks: Some(5) });
    assert_eq!(actions, stops);
    actions.clear();
    for id in [1, 3, 2] {
        assert!(!actions.iter().any(|action| matches!(action, Action::End(_))));
        supervisor
            .decide(Tick(0), Event::Exited(ChildId(id), Exit::Shutdown), &mut actions)
            .unwrap();
    }
    assert_eq!(actions.last(), Some(&Action::End(End::Shutdown)));
}

#[test]
fn dynamic_children_are_restarted_alone_and_forgotten_when_they_end_for_good() {
    let mut driver = Driver::flat(DYNAMIC, &three(Transient));
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Start(2)]);
    driver.exit(2, Exit::Normal);
    assert_eq!(driver.tree.supervisor(ROOT).unwrap().state(ChildId(2)), None);
    assert_eq!(driver.ask(ROOT, Request::Terminate(ChildId(1))), Ok(()));
    assert_eq!(driver.tree.supervisor(ROOT).unwrap().state(ChildId(1)), None);
    for request in [Request::Restart(ChildId(3)), Request::Delete(ChildId(3))] {
        assert_eq!(driver.ask(ROOT, request), Err(Refusal::Dynamic));
    }
}

#[test]
fn a_terminated_child_keeps_its_spec_and_can_be_restarted_or_deleted() {
    let mut driver = Driver::flat(ONE, &three(Permanent));
    let two = ChildId(2);
    assert_eq!(driver.ask(ROOT, Request::Delete(two)), Err(Refusal::Running));
    assert_eq!(driver.ask(ROOT, Request::Restart(two)), Err(Refusal::Running));
    assert_eq!(driver.ask(ROOT, Request::Terminate(two)), Ok(()));
    assert_eq!(driver.ask(ROOT, Request::Terminate(two)), Ok(()), "it is already");
    let add = || Request::Add(Spec::Worker(worker(2, Permanent)));
    assert_eq!(driver.ask(ROOT, add()), Err(Refusal::AlreadyPresent));
    assert_eq!(driver.ask(ROOT, Request::Restart(two)), Ok(()));
    assert_eq!(driver.ask(ROOT, add()), Err(Refusal::Running));
    assert_eq!(driver.did(), [Stop(2), Start(2)]);
    assert_eq!(driver.ask(ROOT, Request::Terminate(two)), Ok(()));
    assert_eq!(driver.ask(ROOT, Request::Delete(two)), Ok(()));
    for request in [Request::Delete(two), Request::Restart(two), Request::Terminate(two)] {
        assert_eq!(driver.ask(ROOT, request), Err(Refusal::NotFound));
    }
    assert_eq!(driver.ask(ChildId(99), Request::Terminate(two)), Err(Refusal::NotFound));
}

#[test]
fn a_child_that_is_added_and_does_not_start_is_discarded_and_not_counted() {
    let mut driver = Driver::flat(flags(Strategy::OneForAll, 0, 5), &[worker(1, Permanent)]);
    driver.failing = Failing::from([(2, 0), (2, 1)]);
    for _ in 0..2 {
        let add = Request::Add(Spec::Worker(worker(2, Permanent)));
        assert_eq!(driver.ask(ROOT, add), Err(Refusal::FailedToStart));
    }
    assert_eq!(driver.ask(ROOT, Request::Add(Spec::Worker(worker(2, Permanent)))), Ok(()));
    assert_eq!(driver.did(), [Fail(2), Fail(2), Start(2)]);
}

#[test]
fn a_restart_on_request_that_fails_leaves_the_child_as_it_was() {
    let mut driver = Driver::flat(flags(Strategy::OneForOne, 0, 5), &[worker(1, Permanent)]);
    driver.failing = Failing::from([(1, 1)]);
    assert_eq!(driver.ask(ROOT, Request::Terminate(ChildId(1))), Ok(()));
    assert_eq!(driver.ask(ROOT, Request::Restart(ChildId(1))), Err(Refusal::FailedToStart));
    assert_eq!(driver.ask(ROOT, Request::Restart(ChildId(1))), Ok(()));
    assert_eq!(driver.did(), [Stop(1), Fail(1), Start(1)]);
}

#[test]
fn any_significant_or_all_significant_children_end_the_supervisor() {
    let significant = |id| ChildSpec { significant: true, ..worker(id, Transient) };
    let children = [worker(1, Permanent), significant(2), significant(3)];
    let any = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..ONE };
    let mut driver = Driver::flat(any, &children);
    driver.exit(2, Exit::Failure);
    assert_eq!(driver.did(), [Start(2)], "it was restarted, so it has not ended for good");
    driver.exit(2, Exit::Normal);
    assert_eq!(driver.did(), [Stop(3), Stop(1), Ended]);

    let all = Flags { auto_shutdown: AutoShutdown::AllSignificant, ..ONE };
    let mut driver = Driver::flat(all, &children);
    driver.exit(2, Exit::Normal);
    assert_eq!(driver.did(), []);
    driver.exit(3, Exit::Shutdown);
    assert_eq!(driver.did(), [Stop(1), Ended]);
}

#[test]
fn a_significant_child_that_is_terminated_on_request_ends_nobody() {
    let child = ChildSpec { significant: true, ..worker(1, Temporary) };
    let any = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..ONE };
    let mut driver = Driver::flat(any, &[child, worker(2, Permanent)]);
    assert_eq!(driver.ask(ROOT, Request::Terminate(ChildId(1))), Ok(()));
    assert_eq!(driver.did(), [Stop(1)]);
}

#[test]
fn what_cannot_be_is_refused() {
    let new =
        |flags, children: &[ChildSpec]| Supervisor::new(flags, children.iter().copied()).err();
    let two = [worker(1, Permanent), worker(1, Permanent)];
    assert_eq!(new(ONE, &two), Some(SpecError::Duplicate(ChildId(1))));
    let permanent = ChildSpec { significant: true, ..worker(1, Permanent) };
    let any = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..ONE };
    assert_eq!(new(any, &[permanent]), Some(SpecError::SignificantPermanent(ChildId(1))));
    let transient = ChildSpec { significant: true, ..worker(1, Transient) };
    assert_eq!(new(ONE, &[transient]), Some(SpecError::SignificantForNothing(ChildId(1))));
    assert_eq!(new(flags(Strategy::OneForOne, 1, 0), &[]), Some(SpecError::NoPeriod));
    let below = Supervised { flags: ONE, children: vec![Spec::Worker(worker(0, Permanent))] };
    assert_eq!(Tree::new(ROOT, below).err(), Some(SpecError::Duplicate(ROOT)));
}

fn nested(id: u64, restart: Restart, flags: Flags, children: &[ChildSpec]) -> Spec {
    let children = children.iter().copied().map(Spec::Worker).collect();
    let below = Arc::new(Supervised { flags, children });
    Spec::Supervisor { id: ChildId(id), restart, significant: false, below }
}

#[test]
fn a_supervisor_that_gives_up_is_an_exit_to_the_one_above_up_to_the_root() {
    let below = nested(
        10,
        Permanent,
        flags(Strategy::OneForOne, 1, 5),
        &[worker(11, Permanent), worker(12, Permanent)],
    );
    let children =
        vec![Spec::Worker(worker(1, Permanent)), below, Spec::Worker(worker(2, Permanent))];
    let above = Supervised { flags: flags(Strategy::OneForAll, 1, 5), children };
    let mut driver = Driver::new(above, Failing::new());
    driver.hear(Event::Begin).unwrap();
    assert_eq!(driver.did(), [Start(1), Start(11), Start(12), Start(2)]);
    driver.exit(11, Exit::Failure);
    assert_eq!(driver.did(), [Start(11)]);
    driver.exit(11, Exit::Failure);
    let anew = [Stop(12), Stop(2), Stop(1), Start(1), Start(11), Start(12), Start(2)];
    assert_eq!(driver.did(), anew);
    driver.exit(11, Exit::Failure);
    assert_eq!(driver.did(), [Start(11)], "a supervisor that begins anew has borne nothing yet");
    driver.exit(11, Exit::Failure);
    assert_eq!(driver.did(), [Stop(12), Stop(2), Stop(1), Ended]);
}

#[test]
fn a_transient_supervisor_that_gives_up_is_not_restarted() {
    let below = nested(10, Transient, flags(Strategy::OneForOne, 0, 5), &[worker(11, Permanent)]);
    let mut driver = Driver::new(Supervised { flags: ONE, children: vec![below] }, Failing::new());
    driver.hear(Event::Begin).unwrap();
    driver.exit(11, Exit::Failure);
    assert_eq!(driver.did(), [Start(11)]);
    let state = driver.tree.supervisor(ROOT).unwrap().state(ChildId(10));
    assert_eq!(state, Some(ChildState::Stopped));
    assert!(driver.tree.supervisor(ChildId(10)).is_none());
}

#[test]
fn a_supervisor_that_does_not_begin_is_a_start_that_failed() {
    let below = nested(10, Permanent, flags(Strategy::OneForOne, 0, 5), &three(Permanent));
    let above = Supervised { flags: flags(Strategy::OneForOne, 2, 5), children: vec![below] };
    let mut driver = Driver::new(above, Failing::from([(2, 1), (3, 1)]));
    driver.hear(Event::Begin).unwrap();
    driver.did();
    driver.exit(1, Exit::Failure);
    let expected = [
        Stop(3),
        Stop(2),
        Start(1),
        Fail(2),
        Stop(1),
        Start(1),
        Start(2),
        Fail(3),
        Stop(2),
        Stop(1),
        Ended,
    ];
    assert_eq!(driver.did(), expected);
}

#[test]
fn what_was_added_is_lost_when_its_supervisor_is_restarted() {
    let below = nested(10, Permanent, flags(Strategy::OneForOne, 0, 5), &[worker(11, Permanent)]);
    let above = Supervised { flags: flags(Strategy::OneForOne, 9, 5), children: vec![below] };
    let mut driver = Driver::new(above, Failing::new());
    driver.hear(Event::Begin).unwrap();
    let add = || Request::Add(nested(20, Permanent, ONE, &[worker(21, Permanent)]));
    assert_eq!(driver.ask(ChildId(10), add()), Ok(()));
    assert_eq!(driver.ask(ROOT, add()), Err(Refusal::Misfit(SpecError::Duplicate(ChildId(20)))));
    assert_eq!(driver.tree.parent(ChildId(21)), Some(ChildId(20)));
    assert_eq!(driver.did(), [Start(11), Start(21)]);
    driver.exit(11, Exit::Failure);
    assert_eq!(driver.did(), [Stop(21), Start(11)]);
    assert_eq!(driver.tree.parent(ChildId(21)), None);
    assert_eq!(driver.ask(ROOT, add()), Ok(()), "its ids are free again");
}

#[test]
fn what_waits_to_be_added_when_its_supervisor_ends_leaves_its_id_free() {
    let below = nested(
        10,
        Permanent,
        flags(Strategy::OneForOne, 0, 5),
        &[worker(11, Permanent), worker(12, Permanent)],
    );
    let above = Supervised { flags: flags(Strategy::OneForOne, 9, 5), children: vec![below] };
    let mut tree = Tree::new(ROOT, above).unwrap();
    let mut actions = Vec::new();
    for event in [
        Event::Begin,
        Event::Started(ChildId(11)),
        Event::Started(ChildId(12)),
        // It gives up, and waits for 12.
        Event::Exited(ChildId(11), Exit::Failure),
    ] {
        tree.decide(Tick(0), event, &mut actions).unwrap();
    }
    actions.clear();
    let add = || Request::Add(Spec::Worker(worker(20, Permanent)));
    tree.ask(Tick(0), ChildId(10), 1, add(), &mut actions);
    assert_eq!(actions, []);
    tree.decide(Tick(0), Event::Exited(ChildId(12), Exit::Shutdown), &mut actions).unwrap();
    assert!(actions.contains(&Action::Answer { ticket: 1, answer: Err(Refusal::Ended) }));
    actions.clear();
    tree.ask(Tick(0), ROOT, 2, add(), &mut actions);
    assert_eq!(actions, [], "the root restarts the supervisor, and then adds");
    for id in [11, 12] {
        tree.decide(Tick(0), Event::Started(ChildId(id)), &mut actions).unwrap();
    }
    assert_eq!(actions.last(), Some(&Action::Start { child: ChildId(20), arguments: 120 }));
}

#[test]
fn exits_while_it_is_busy_wait_for_their_turn() {
    let mut supervisor =
        Supervisor::new(flags(Strategy::OneForOne, 9, 5), three(Permanent)).unwrap();
    let mut actions = Vec::new();
    let mut hear = |event| {
        actions.clear();
        supervisor.decide(Tick(0), event, &mut actions).map(|()| actions.clone())
    };
    hear(Event::Begin).unwrap();
    for id in 1..=3 {
        hear(Event::Started(ChildId(id))).unwrap();
    }
    let start = |id| Ok(vec![Action::Start { child: ChildId(id), arguments: 100 + id }]);
    assert_eq!(hear(Event::Exited(ChildId(3), Exit::Failure)), start(3));
    assert_eq!(hear(Event::Exited(ChildId(1), Exit::Failure)), Ok(vec![]));
    assert_eq!(hear(Event::Exited(ChildId(2), Exit::Failure)), Ok(vec![]));
    // The start that failed is tried again behind what came meanwhile.
    assert_eq!(hear(Event::FailedToStart(ChildId(3))), start(1));
    assert_eq!(hear(Event::Started(ChildId(1))), start(2));
    assert_eq!(hear(Event::Started(ChildId(2))), start(3));
    assert_eq!(hear(Event::Started(ChildId(3))), Ok(vec![]));
}

#[test]
fn one_that_ended_while_its_siblings_were_stopped_is_not_stopped_nor_counted() {
    let mut supervisor =
        Supervisor::new(flags(Strategy::OneForAll, 1, 5), three(Permanent)).unwrap();
    let mut actions = Vec::new();
    let mut hear = |event| {
        actions.clear();
        supervisor.decide(Tick(0), event, &mut actions).unwrap();
        actions.clone()
    };
    hear(Event::Begin);
    for id in 1..=3 {
        hear(Event::Started(ChildId(id)));
    }
    let stop = |id| vec![Action::Stop { child: ChildId(id), timeout_ticks: Some(5) }];
    let start = |id| vec![Action::Start { child: ChildId(id), arguments: 100 + id }];
    assert_eq!(hear(Event::Exited(ChildId(2), Exit::Failure)), stop(3));
    assert_eq!(hear(Event::Exited(ChildId(1), Exit::Failure)), []);
    assert_eq!(hear(Event::Exited(ChildId(3), Exit::Failure)), start(1));
    assert_eq!(hear(Event::Started(ChildId(1))), start(2));
    assert_eq!(hear(Event::Started(ChildId(2))), start(3));
    assert_eq!(hear(Event::Started(ChildId(3))), [], "the old exit of 1 means nothing any more");
}

#[test]
fn old_news_of_one_that_was_started_since_does_not_come_before_what_was_earlier() {
    let four = (1..=4).map(|id| worker(id, Permanent));
    let mut supervisor = Supervisor::new(flags(Strategy::RestForOne, 9, 5), four).unwrap();
    let mut actions = Vec::new();
    let mut hear = |event| {
        actions.clear();
        supervisor.decide(Tick(0), event, &mut actions).unwrap();
        actions.clone()
    };
    let exited = |id| Event::Exited(ChildId(id), Exit::Failure);
    hear(Event::Begin);
    for id in 1..=4 {
        hear(Event::Started(ChildId(id)));
    }
    // 2 ends while 4 is stopped: its exit waits, and is old when all have been started.
    for event in [exited(1), exited(2), exited(4), exited(3)] {
        hear(event);
    }
    for id in 1..=3 {
        hear(Event::Started(ChildId(id)));
    }
    assert_eq!(hear(exited(3)), []);
    assert_eq!(hear(exited(2)), []);
    let stop_4 = Action::Stop { child: ChildId(4), timeout_ticks: Some(5) };
    assert_eq!(hear(Event::Started(ChildId(4))), [stop_4]);
    let start_3 = Action::Start { child: ChildId(3), arguments: 103 };
    assert_eq!(hear(exited(4)), [start_3], "3 ended before 2 did");
}

#[test]
fn events_that_cannot_be_are_refused_and_change_nothing() {
    let mut driver = Driver::flat(ONE, &[worker(1, Permanent)]);
    for (event, expected) in [
        (Event::Begin, Unexpected::Begun),
        (Event::Started(ChildId(1)), Unexpected::NotStarting(ChildId(1))),
        (Event::FailedToStart(ChildId(1)), Unexpected::NotStarting(ChildId(1))),
        (Event::Exited(ChildId(9), Exit::Normal), Unexpected::NotRunning(ChildId(9))),
        (Event::Exited(ROOT, Exit::Normal), Unexpected::NotRunning(ROOT)),
    ] {
        assert_eq!(driver.hear(event), Err(expected));
    }
    driver.hear(Event::ShutDown).unwrap();
    let gone = Event::Exited(ChildId(1), Exit::Normal);
    assert_eq!(driver.hear(gone), Err(Unexpected::NotRunning(ChildId(1))));
    assert_eq!(driver.hear(Event::Begin), Err(Unexpected::Begun));
    assert_eq!(driver.hear(Event::ShutDown), Ok(()), "it has");
}

#[test]
fn requests_wait_for_a_busy_supervisor_up_to_a_bound() {
    let mut supervisor = Supervisor::new(ONE, [worker(1, Permanent)]).unwrap();
    let mut actions = Vec::new();
    supervisor.decide(Tick(0), Event::Begin, &mut actions).unwrap();
    actions.clear();
    for ticket in 0..REQUESTS_MAX as u64 {
        supervisor.ask(Tick(0), ticket, Request::Delete(ChildId(9)), &mut actions);
    }
    assert_eq!(actions, []);
    supervisor.ask(Tick(0), 7777, Request::Delete(ChildId(9)), &mut actions);
    assert_eq!(actions, [Action::Answer { ticket: 7777, answer: Err(Refusal::Busy) }]);
    supervisor.decide(Tick(0), Event::FailedToStart(ChildId(1)), &mut actions).unwrap();
    let ended = actions
        .iter()
        .filter(|action| matches!(action, Action::Answer { answer: Err(Refusal::Ended), .. }));
    assert_eq!(ended.count(), REQUESTS_MAX);
    assert_eq!(actions.last(), Some(&Action::End(End::FailedToStart(ChildId(1)))));
}

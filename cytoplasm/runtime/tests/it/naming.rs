//! Names and groups that agents take while a run goes on.

use karyon_log::{Output, Record, Records};
use karyon_runtime::processes::OrderVerb::{Fork, Kill};
use karyon_runtime::{
    Chaos, ExitReason, MEMBERSHIPS_MAX, NAMES_MAX, REGISTERED_BYTES_MAX, Schedule,
};
use karyon_supervision::Strategy;
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::births::{FORKING, SPAWNING};
use crate::repeating::log_of;
use crate::support::*;
use crate::trees::{flags, supervised};
use Order::{
    Add, After, Broadcast, Call, Exit, Fail, Join, Leave, Monitor, Register, Send, Spawn, Trap,
    Unregister,
};

fn call(name: &str) -> Order {
    Call(name.into(), vec![Add(1)])
}

fn register(name: &str) -> Order {
    Register(name.into())
}

fn cry(group: &str) -> Order {
    Broadcast(group.into(), vec![Add(1)])
}

/// The same for any number of schedulers: the agents, and the records.
fn played<const R: u8, const G: u32>(
    stage: &Stage,
    script: &Script,
) -> (Vec<Option<Puppet<R, G>>>, Vec<u8>) {
    let mut whole: Option<Vec<u8>> = None;
    let mut agents = Vec::new();
    for schedulers in [1, 2, 4] {
        let (outcome, records) = Stage { schedulers, ..stage.clone() }.complete::<R, G>(script);
        assert_eq!(*whole.get_or_insert_with(|| records.clone()), records);
        agents = outcome.agents;
    }
    (agents, whole.unwrap())
}

fn sums<const R: u8, const G: u32>(agents: &[Option<Puppet<R, G>>]) -> Vec<u64> {
    agents.iter().map(|puppet| puppet.as_ref().map_or(99, |puppet| puppet.sum)).collect()
}

fn heard<const R: u8, const G: u32>(agents: &[Option<Puppet<R, G>>], id: usize) -> &[String] {
    &agents[id - 1].as_ref().unwrap().heard
}

#[test]
fn a_name_is_in_force_from_the_next_tick_on_until_it_is_given_up() {
    let script = Script::new([
        (0, 2, vec![register("clerk"), call("clerk")]),
        (1, 1, vec![call("clerk")]),
        (3, 2, vec![Unregister("clerk".into()), Unregister("nobody's".into())]),
        (3, 3, vec![call("clerk"), Unregister("clerk".into())]),
        (4, 4, vec![call("clerk")]),
    ]);
    let (agents, _) = played::<0, 0>(&Stage::default(), &script);
    assert_eq!(sums(&agents), [0, 2, 0, 0]);
    assert_eq!(heard(&agents, 2), ["tick 0: no clerk"]);
    assert_eq!(heard(&agents, 4), ["tick 4: no clerk"]);
}

#[test]
fn of_several_who_want_a_name_the_lowest_gets_it_and_the_others_hear_of_it() {
    let script = Script::new([
        (0, 4, vec![register("clerk"), register("other")]),
        (0, 2, vec![register("clerk"), register("clerk")]),
        (0, 3, vec![register("clerk")]),
        (1, 1, vec![call("clerk"), call("other")]),
        // The scenario's agents have their names for good; one's own is no error.
        (2, 1, vec![register("puppet 2"), register("puppet 1")]),
        (3, 3, vec![register("clerk")]),
        (3, 1, vec![register(""), register(&"x".repeat(REGISTERED_BYTES_MAX + 1))]),
        (4, 1, vec![register(&"x".repeat(REGISTERED_BYTES_MAX))]),
    ]);
    let (agents, records) = played::<0, 0>(&Stage::default(), &script);
    assert_eq!(sums(&agents), [0, 1, 0, 1]);
    let denied: Vec<_> =
        agents.iter().map(|puppet| puppet.as_ref().unwrap().denied.len()).collect();
    assert_eq!(denied, [3, 0, 2, 1]);
    let told = &agents[0].as_ref().unwrap().denied;
    assert_eq!(told[..], ["budget_exhausted", "malformed_arguments", "malformed_arguments"]);
    let words = in_words(&records);
    assert!(words.contains(&"agent 3 step 1 on denial 0.0 -> 0".into()), "{words:#?}");
}

#[test]
fn who_ends_or_begins_anew_has_no_name_and_who_goes_on_keeps_it() {
    let script = Script::new([
        (0, 1, vec![register("a"), Join("all".into())]),
        (0, 2, vec![register("b"), Join("all".into())]),
        (0, 3, vec![Join("all".into())]),
        // What it wants and then fails: with the one that began anew it is gone, too.
        (2, 1, vec![register("a too")]),
        (2, 1, vec![Fail]),
        (2, 2, vec![Exit]),
        (2, 3, vec![register("c"), Fail]),
        (3, 4, vec![call("a"), call("a too"), call("b"), call("c"), cry("all")]),
        // A new life takes the name anew.
        (3, 3, vec![register("c")]),
        (4, 4, vec![call("c")]),
    ]);
    let (agents, _) = played::<0, 0>(&Stage::default(), &script);
    let none = ["a", "a too", "b", "c"].map(|name| format!("tick 3: no {name}"));
    assert_eq!(heard(&agents, 4), none);
    assert_eq!(sums(&agents), [0, 0, 1, 0], "nobody is left in the group");
    // Redelivered once, and then lost: it goes on.
    let (agents, _) = played::<1, 1>(&Stage::default(), &script);
    assert_eq!(heard(&agents, 4), ["tick 3: no b", "tick 3: no c"]);
    assert_eq!(sums(&agents), [3, 99, 2, 0]);
}

#[test]
fn in_a_tree_a_name_is_kept_by_who_goes_on_and_lost_by_whoever_is_stopped() {
    let script = Script::new([
        (0, 1, vec![register("a"), Join("all".into())]),
        (0, 2, vec![register("b"), Join("all".into())]),
        (0, 3, vec![register("c"), Trap(true)]),
        (2, 2, vec![Fail]),
        (6, 4, vec![call("a"), call("b"), call("c"), cry("all")]),
    ]);
    let tree = |strategy| Some(supervised(4, flags(strategy)));
    let one = Stage { tree: tree(Strategy::OneForOne), ..Stage::default() };
    let (agents, _) = played::<0, 1>(&one, &script);
    assert_eq!(sums(&agents), [2, 2, 1, 0], "started from its last good state");
    let (agents, _) = played::<0, 0>(&one, &script);
    assert_eq!(heard(&agents, 4), ["tick 6: no b"]);
    let rest = Stage { tree: tree(Strategy::RestForOne), ..Stage::default() };
    let (agents, _) = played::<0, 1>(&rest, &script);
    // The third was asked, and killed in tick 5; the second was not there until then.
    assert_eq!(heard(&agents, 4), ["tick 6: no b", "tick 6: no c"]);
    assert_eq!(sums(&agents), [2, 0, 0, 0]);
}

#[test]
fn a_group_is_whoever_joined_before_the_tick_in_the_order_of_serials() {
    let script = Script::new([
        (0, 4, vec![Join("all".into()), Join("all".into())]),
        (0, 2, vec![Join("all".into()), cry("all")]),
        (1, 1, vec![cry("all"), Spawn(10, vec![Join("all".into())])]),
        (2, 4, vec![Leave("all".into()), Leave("none".into()), cry("all")]),
        (5, 1, vec![cry("all")]),
    ]);
    let stage = Stage { limits: SPAWNING, ..Stage::default() };
    let (agents, records) = played::<0, 0>(&stage, &script);
    assert_eq!(sums(&agents), [0, 3, 0, 2, 11]);
    let to = |output: &Output<'_>| match output {
        Output::Sent { to, .. } => Some(to.0),
        _ => None,
    };
    let cried = Records::new(&records).find_map(|record| match record.unwrap() {
        Record::Step { agent: AgentId(1), step: 0, outputs, .. } => {
            Some(outputs.iter().filter_map(to).collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(cried, Some(vec![2, 4]));
}

#[test]
fn orders_from_outside_count_as_ends_and_a_fork_has_no_names() {
    let script = Script::new([
        (0, 1, vec![register("a")]),
        (0, 2, vec![register("b"), Join("all".into())]),
        (6, 4, vec![call("a"), call("b"), cry("all")]),
    ]);
    let asker = Asker::new(script, vec![(2, order(Kill, 1)), (3, order(Fork, 2))]);
    let desk = Some(asker.desk.clone());
    let stage = Stage { desk, limits: FORKING, ..Stage::default() };
    let (outcome, recorder) = stage.play_from::<0, 0>(asker, recorder(&Disk::default()));
    recorder.unwrap().close().unwrap();
    let agents = outcome.unwrap().agents;
    assert_eq!(heard(&agents, 4), ["tick 6: no a"]);
    assert_eq!(sums(&agents), [0, 2, 0, 0, 0]);
}

#[test]
fn names_need_a_lease_and_are_bounded() {
    let expires = vec![(AgentId(1), Tick(1))];
    let script = Script::new([
        (1, 1, vec![register("a"), Join("all".into()), Leave("all".into())]),
        (2, 2, vec![call("a")]),
    ]);
    let (agents, _) = played::<0, 0>(&Stage { expires, ..Stage::default() }, &script);
    assert_eq!(agents[0].as_ref().unwrap().denied, ["lease_expired"; 2]);
    assert_eq!(heard(&agents, 2), ["tick 2: no a"]);
    let names = (0..=NAMES_MAX).map(|number| register(&number.to_string())).collect();
    let groups = (0..=MEMBERSHIPS_MAX - 2).map(|number| Join(number.to_string())).collect();
    let script = Script::new([
        (0, 1, names),
        (0, 2, vec![Join("1".into())]),
        (1, 2, groups),
        (2, 3, vec![Join("all".into()), Join("others".into())]),
        (3, 3, vec![call(&(NAMES_MAX - 1).to_string()), call(&NAMES_MAX.to_string())]),
    ]);
    let limits = karyon_runtime::Limits { outputs_per_step: 65_536, ..LIMITS };
    let (outcome, _) = Stage { limits, ..Stage::default() }.complete::<0, 0>(&script);
    let agents = outcome.agents;
    let denied = |id: usize| agents[id - 1].as_ref().unwrap().denied.clone();
    assert_eq!((denied(1), denied(2).len()), (vec!["budget_exhausted".to_owned()], 0));
    assert_eq!(denied(3), ["budget_exhausted"]);
    assert_eq!(heard(&agents, 3), [format!("tick 3: no {NAMES_MAX}")]);
}

/// Names come and go in every way.
fn busy() -> Script {
    Script::new([
        (0, 1, vec![register("a"), Join("all".into()), After(5, vec![Fail])]),
        (0, 2, vec![register("a"), Join("all".into()), Monitor(3)]),
        (1, 3, vec![register("b"), Join("all".into()), Spawn(9, vec![register("c"), cry("all")])]),
        (2, 4, vec![call("a"), call("b"), call("c"), cry("all")]),
        (3, 3, vec![Send(5, vec![Join("all".into()), After(2, vec![Fail])])]),
        (4, 3, vec![Order::ExitWith(ExitReason::Shutdown)]),
        (5, 2, vec![register("a"), register("b"), Leave("all".into())]),
        (7, 4, vec![call("a"), call("b"), call("c"), cry("all")]),
        (9, 2, vec![register("a")]),
        (10, 4, vec![call("a"), cry("all")]),
    ])
}

#[test]
fn names_are_the_same_for_any_schedulers_with_chaos_in_each_schedule_and_wherever_it_is_cut() {
    let stage = Stage { limits: SPAWNING, ..Stage::default() };
    let (calm, whole) = played::<0, 60>(&stage, &busy());
    let chaos = Chaos::new(5, 0.3);
    let (wild, _) = played::<0, 60>(&Stage { chaos, ..stage.clone() }, &busy());
    assert_eq!(calm, wild);
    assert!(sums(&calm).iter().sum::<u64>() > 15, "{:?}", sums(&calm));
    for schedule in [Schedule::sequential_random(3), Schedule::staged(2)] {
        played::<0, 0>(&Stage { schedule, ..stage.clone() }, &busy());
    }
    for kept in 0..=Records::new(&whole).count() {
        let mut cut = Records::new(&whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let disk = log_of(&whole[..whole.len() - cut.rest().len()], 1 + kept % 5);
        let again = Stage { schedulers: 1 + kept % 4, ..stage.clone() };
        let (outcome, recorder) = again.play::<0, 60>(&busy(), resuming(&disk));
        recorder.unwrap().close().unwrap();
        assert!(outcome.is_ok(), "{kept} records kept");
        assert_eq!(records(&disk).unwrap(), whole, "{kept} records kept");
    }
}

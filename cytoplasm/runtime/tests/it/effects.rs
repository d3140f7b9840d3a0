//! Agents have something done in the world outside: here, a list of what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use karyon_arrangements::{Arrangement, Told};
use karyon_gate::Rights;
use karyon_log::{Message, Output, Record, Records, Target, Verb, Walk};
use karyon_runtime::processes::OrderVerb::{Kill, Pause, Resume};
use karyon_runtime::{
    Adapter, Chaos, EFFECTS_PER_AGENT, Effect, Effects, Ending, Intensity, Limits, Permit,
    RECEIPT_BYTES_MAX, Receipt, RecordError, Recorder, RunError, Schedule,
};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::following::each;
use crate::free::replay;
use crate::guardian::Played;
use crate::repeating::log_of;
use crate::snapshots::{Kept, start};
use crate::support::*;
use Order::{Add, After, Every, Exit, Fail, Send};

/// What was done, in its order.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Vec<Effect>>>);

impl World {
    fn done(&self) -> Vec<Effect> {
        self.0.lock().unwrap().clone()
    }

    fn named(&self) -> BTreeSet<Message> {
        let name = |effect: Effect| Message {
            from: effect.agent,
            step: effect.step,
            output: effect.output,
        };
        let named: Vec<_> = self.done().into_iter().map(name).collect();
        let once: BTreeSet<_> = named.iter().copied().collect();
        assert_eq!(once.len(), named.len(), "something was done twice");
        once
    }
}

impl Adapter for World {
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String> {
        self.0.lock().unwrap().push(effect.clone());
        let arguments = String::from_utf8_lossy(&effect.arguments).into_owned();
        match &*arguments {
            "fail" => Err("it is shut".into()),
            "panic" => panic!("as ordered"),
            "long" => Ok(vec![b'x'; RECEIPT_BYTES_MAX + 1]),
            _ => Ok(format!("{} {arguments}", effect.resource).into_bytes()),
        }
    }
}

fn permits(adapter: impl Adapter + 'static) -> Effects {
    let permit = |action: &str, resource: &str| Permit {
        kind: "puppet".into(),
        action: action.into(),
        resource: resource.into(),
    };
    Effects {
        permits: vec![permit("pay", "bank/acme"), permit("mail", "mail")],
        adapter: Some(Arc::new(adapter)),
        unguarded: true,
    }
}

fn stage(adapter: impl Adapter + 'static) -> Stage {
    let rights = Stage::default().rights.and(Rights::ACT);
    Stage { rights, effects: permits(adapter), virtual_time: true, ..Stage::default() }
}

fn pay(arguments: &str) -> Order {
    on("bank/acme/1", arguments)
}

fn on(resource: &str, arguments: &str) -> Order {
    Order::Effect("pay".into(), resource.into(), arguments.into())
}

type Ended = karyon_runtime::Outcome<Puppet<0, 0>>;

fn heard(outcome: &Ended, agent: usize) -> Vec<String> {
    outcome.agents[agent - 1].as_ref().unwrap().heard.clone()
}

#[test]
fn an_agent_is_told_what_came_of_it_in_the_next_tick_and_in_front_of_all_else() {
    let world = World::default();
    let script = Script::new([
        (0, 2, vec![pay("5")]),
        (0, 1, vec![pay("7"), Add(1), pay("fail")]),
        (1, 1, vec![Add(5)]),
    ]);
    let (outcome, records) = stage(world.clone()).complete::<0, 0>(&script);
    assert_eq!(
        heard(&outcome, 1),
        ["tick 1: 0.0 done bank/acme/1 7", "tick 1: 0.1 failed it is shut"]
    );
    assert_eq!(heard(&outcome, 2), ["tick 1: 0.0 done bank/acme/1 5"]);
    let done: Vec<_> = world.done();
    let named: Vec<_> = done.iter().map(|it| (it.agent.0, it.step, it.output)).collect();
    assert_eq!(named, [(1, 0, 0), (1, 0, 1), (2, 0, 0)], "by agent, step and output");
    assert_eq!((done[0].kind, &*done[0].action, &*done[0].arguments), ("puppet", "pay", &b"7"[..]));
    let words = in_words(&records);
    let tick = words.iter().position(|word| word == "tick 1").unwrap();
    assert!(words[tick + 1..tick + 4].iter().all(|word| word.starts_with("Told")), "{words:#?}");
    assert_eq!(words[tick + 5], "agent 1 step 1 on told 0.0 -> 0");
}

#[test]
fn what_is_not_permitted_is_denied_and_nothing_is_done() {
    let world = World::default();
    let denied = |stage: &Stage, orders: Vec<Order>| {
        let (outcome, _) = stage.complete::<0, 0>(&Script::new([(0, 1, orders)]));
        let agent = outcome.agents[0].as_ref().unwrap();
        (agent.denied.clone(), agent.heard.len())
    };
    let (no, none) = (stage(world.clone()), Effects::default());
    assert_eq!(denied(&no, vec![on("bank/zoo", "1")]).0, ["exceeds_capability_scope"]);
    assert_eq!(denied(&no, vec![on("bank/acme/../zoo", "1")]).0, ["malformed_arguments"]);
    let mail = Order::Effect("post".into(), "mail".into(), String::new());
    assert_eq!(denied(&no, vec![mail]).0, ["capability_not_granted"]);
    let right = Stage { rights: Rights::SEND, ..no.clone() };
    assert_eq!(denied(&right, vec![pay("1")]).0, ["capability_not_granted"]);
    let nothing = Stage { effects: none, ..no.clone() };
    assert_eq!(denied(&nothing, vec![pay("1")]).0, ["capability_not_granted"]);
    assert!(world.done().is_empty());
    let limits = Limits { outputs_per_step: 64, ..LIMITS };
    let many = (0..EFFECTS_PER_AGENT + 3).map(|n| pay(&n.to_string())).collect();
    let full = denied(&Stage { limits, ..no.clone() }, many);
    assert_eq!(full, (vec!["budget_exhausted".to_owned(); 3], EFFECTS_PER_AGENT as usize));
    // To begin anew makes no room.
    let all = (0..EFFECTS_PER_AGENT).map(|n| pay(&n.to_string())).collect();
    let script = Script::new([
        (0, 1, all),
        (1, 1, vec![Fail]),
        (2, 1, vec![pay("1"), pay("2")]),
        (40, 1, vec![pay("3")]),
    ]);
    let base = Stage { limits, virtual_time: false, ..no };
    let effects = permits(Patient(base.clone(), world, 2));
    let (outcome, _) = Stage { effects, ..base }.complete::<0, 0>(&script);
    let agent = outcome.agents[0].as_ref().unwrap();
    assert_eq!(agent.denied, ["budget_exhausted"; 2]);
    assert_eq!(agent.heard.len(), EFFECTS_PER_AGENT as usize + 1);
}

#[test]
fn an_effect_is_begun_however_much_else_is_to_be_done() {
    for schedule in [Schedule::default(), Schedule::free()] {
        let world = World::default();
        let base = Stage { virtual_time: false, schedule, ..stage(World::default()) };
        let effects = permits(Interrupting(base.clone(), world.clone()));
        let script = Script::new([(0, 1, vec![pay("1")]), (0, 2, vec![Every(1, vec![Add(1)])])]);
        // It would go on for ever.
        let (outcome, _) =
            Stage { effects, ..base }.play::<0, 0>(&script, recorder(&Disk::default()));
        assert_eq!(outcome.unwrap().ending, Ending::Interrupted { signal: 2 });
        assert_eq!(world.done().len(), 1);
    }
}

#[test]
fn an_adapter_that_panics_or_says_too_much_leaves_an_unknown_outcome() {
    let world = World::default();
    let script = Script::new([
        (0, 1, vec![pay("long")]),
        (3, 1, vec![pay("panic"), pay("1")]),
        (6, 1, vec![pay("2")]),
    ]);
    let (outcome, _) = stage(world.clone()).complete::<0, 0>(&script);
    assert_eq!(
        heard(&outcome, 1),
        [
            "tick 1: 0.0 unknown",
            "tick 4: 2.0 unknown",
            "tick 4: 2.1 not done no_adapter",
            "tick 7: 5.0 not done no_adapter",
        ]
    );
    assert_eq!(world.done().len(), 2);
}

#[test]
fn where_nobody_does_effects_or_nobody_guards_agents_are_told_so() {
    let script = Script::new([(0, 1, vec![pay("1")])]);
    let stage = stage(World::default());
    let effects = Effects { adapter: None, ..stage.effects.clone() };
    let (outcome, _) = Stage { effects, ..stage.clone() }.complete::<0, 0>(&script);
    assert_eq!(heard(&outcome, 1), ["tick 1: 0.0 not done no_adapter"]);
    let effects = Effects { unguarded: false, ..stage.effects.clone() };
    let (outcome, _) = Stage { effects, ..stage }.complete::<0, 0>(&script);
    assert_eq!(heard(&outcome, 1), ["tick 1: 0.0 not done unguarded"]);
}

#[test]
fn the_guardian_hears_of_each_before_it_is_begun_and_of_what_came_of_it() {
    let played = Played::new();
    let (words, world) = (Arc::new(Mutex::new(Vec::new())), World::default());
    let (hearing, doing) = (Arc::clone(&words), world.clone());
    played.on_each(move |word| hearing.lock().unwrap().push((word.to_owned(), doing.done().len())));
    let stage = stage(world);
    let effects = Effects { unguarded: false, ..stage.effects.clone() };
    let stage = Stage { effects, guard: Some(Arc::clone(&played.guard)), ..stage };
    let script = Script::new([(0, 1, vec![pay("1"), pay("fail")])]);
    let (outcome, _) = stage.complete::<0, 0>(&script);
    assert_eq!(heard(&outcome, 1).len(), 2);
    let words = words.lock().unwrap().clone();
    let words: Vec<_> = words.iter().map(|(word, done)| (&**word, *done)).collect();
    // With the lease.
    let first = [("Ask 1", 0), ("Admitted 1", 0), ("Task 1", 0), ("Success 1", 1)];
    assert_eq!(words[..4], first);
    assert_eq!(words[4..], [("Ask 1", 1), ("Admitted 1", 1), ("Task 1", 1), ("Failure 1", 2)]);
}

/// Waits for a tick before it does anything.
struct Patient(Stage, World, u64);

impl Adapter for Patient {
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String> {
        while self.0.progress.tick.load(Ordering::Relaxed) < self.2 {
            thread::sleep(Duration::from_millis(1));
        }
        self.1.perform(effect)
    }
}

/// The first is done while ticks go on, the second waits behind it meanwhile.
#[test]
fn authority_that_ends_before_an_effect_begins_keeps_it_from_being_done() {
    let world = World::default();
    let base = Stage { virtual_time: false, ..stage(World::default()) };
    let effects = permits(Patient(base.clone(), world.clone(), 5));
    let changes = vec![(Tick(3), Verb::Revoke, Target::Agent(AgentId(2)))];
    let expires = vec![(AgentId(3), Tick(9))];
    let stage = Stage { effects, changes, expires, ..base };
    let script = Script::new([
        (0, 1, vec![pay("1")]),
        (0, 2, vec![pay("2")]),
        // So that ticks go on, until its lease ends.
        (0, 3, vec![Every(1, vec![Add(1)])]),
    ]);
    let (outcome, _) = stage.complete::<0, 0>(&script);
    assert!(heard(&outcome, 1)[0].ends_with("0.0 done bank/acme/1 1"));
    assert!(heard(&outcome, 2)[0].ends_with("0.0 not done lease_revoked"));
    assert_eq!(world.done().len(), 1);
}

/// Takes its time.
struct Slow(World);

impl Adapter for Slow {
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String> {
        thread::sleep(Duration::from_millis(30));
        self.0.perform(effect)
    }
}

#[test]
fn time_stands_still_for_an_effect_where_nothing_else_is_to_be_done() {
    let stage = Stage { virtual_time: false, ..stage(Slow(World::default())) };
    let script = Script::new([
        (0, 1, vec![pay("1"), After(50, vec![Add(2)])]),
        // Nor do the ticks pass that lie before an input.
        (9, 1, vec![pay("2"), Add(3)]),
    ]);
    let disk = Disk::default();
    let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
    recorder.unwrap().close().unwrap();
    let outcome = outcome.unwrap();
    let expected = ["tick 1: 0.0 done bank/acme/1 1", "tick 10: 2.0 done bank/acme/1 2"];
    assert_eq!(heard(&outcome, 1), expected);
    assert_eq!((outcome.agents[0].as_ref().unwrap().sum, outcome.ending), (5, Ending::Completed));
    // The same is repeated, and nothing is done.
    let world = World::default();
    let again = Stage { effects: permits(world.clone()), ..stage };
    let (outcome, recorder) = again.play::<0, 0>(&script, resuming(&disk));
    recorder.unwrap().close().unwrap();
    assert_eq!(heard(&outcome.unwrap(), 1), expected);
    assert!(world.done().is_empty());
}

#[test]
fn who_is_paused_hears_it_later_and_who_is_gone_never() {
    let script = Script::new([
        (0, 1, vec![pay("1")]),
        (0, 2, vec![pay("2")]),
        (0, 3, vec![pay("3"), Exit]),
        (0, 4, vec![pay("4"), Fail]),
        (9, 4, vec![Add(1)]),
    ]);
    let world = World::default();
    let asker =
        Asker::new(script, [(1, order(Pause, 1)), (1, order(Kill, 2)), (6, order(Resume, 1))]);
    let stage = Stage { desk: Some(Arc::clone(&asker.desk)), ..stage(world.clone()) };
    let disk = Disk::default();
    let (outcome, recorder) = stage.play_from::<2, 0>(asker, recorder(&disk));
    recorder.unwrap().close().unwrap();
    let (outcome, words) = (outcome.unwrap(), in_words(&records(&disk).unwrap()));
    let first = outcome.agents[0].as_ref().unwrap();
    assert_eq!(first.heard, ["tick 6: 0.0 done bank/acme/1 1"]);
    for agent in [2, 3] {
        let lost = format!("agent {agent} lost told 0.0: ReceiverGone");
        assert!(words.contains(&lost), "{words:#?}");
    }
    assert_eq!(world.done().len(), 3, "a step that fails wants nothing");
}

/// Looks at the disk before it does anything.
struct Careful(Disk, World);

impl Adapter for Careful {
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String> {
        let name = (effect.agent, effect.step);
        let durable = records(&self.0).unwrap();
        let is_there = Records::new(&durable).any(|record| {
            matches!(record, Some(Record::Step { agent, step, .. }) if (agent, step) == name)
        });
        assert!(is_there, "{effect:?} is begun before it is durable");
        self.1.perform(effect)
    }
}

/// Effects among messages, crashes, timers that pass ticks over, authority that changes.
fn busy(adapter: impl Adapter + 'static) -> (Stage, Script) {
    let limits = Limits { log_bytes_per_lease: 3_000, outputs_per_step: 16, ..LIMITS };
    let changes = vec![
        (Tick(4), Verb::Suspend, Target::Agent(AgentId(2))),
        (Tick(9), Verb::Resume, Target::Agent(AgentId(2))),
    ];
    let entries = (0..24u64).map(|n| {
        let (agent, other) = (1 + n % 6, 1 + (n * 5) % 6);
        let mut orders = vec![pay(&n.to_string()), Send(other, vec![pay("fail"), Add(1)])];
        match n % 7 {
            3 => orders.push(Fail),
            5 => orders.push(After(3, vec![pay("later")])),
            _ => {}
        }
        (n / 2 + n / 12 * 9, agent, orders)
    });
    (Stage { agents: 6, limits, changes, ..stage(adapter) }, Script::new(entries))
}

#[test]
fn nothing_is_begun_before_it_is_durable() {
    for virtual_time in [false, true] {
        for schedule in [Schedule::default(), Schedule::free()] {
            let (disk, world) = (Disk::default(), World::default());
            let (stage, script) = busy(Careful(disk.clone(), world.clone()));
            let stage = Stage { virtual_time, schedule, ..stage };
            let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
            recorder.unwrap().close().unwrap();
            let outcome = outcome.unwrap();
            assert!(world.named().len() > 20);
            let unknown = outcome.agents.iter().flatten().flat_map(|agent| &agent.heard);
            assert!(unknown.clone().count() > 20);
            assert!(unknown.clone().all(|heard| !heard.ends_with("unknown")), "none panicked");
        }
    }
}

#[test]
fn the_same_records_for_any_number_of_schedulers_in_each_schedule() {
    let plans = [
        Schedule::default(),
        Schedule::staged(3),
        Schedule::sequential_random(7),
        Schedule::staged(2).shuffled(3),
    ];
    for schedule in plans {
        for chaos in [0.0, 0.2] {
            let play = |schedulers, small_tick| {
                let (stage, script) = busy(World::default());
                let chaos = Chaos::new(3, chaos);
                let intensity = Intensity { restarts: 100_000, period_ticks: 10 };
                let stage = Stage { schedulers, schedule, chaos, intensity, small_tick, ..stage };
                stage.complete::<0, 4>(&script).1
            };
            let one = play(1, 0);
            assert!(receipts(&one).len() > 20);
            for (schedulers, small_tick) in [(1, 64), (2, 0), (2, 64), (4, 0)] {
                assert_eq!(play(schedulers, small_tick), one, "{schedule:?} {schedulers}");
            }
        }
    }
}

/// What agents were told, by which output.
fn receipts(records: &[u8]) -> BTreeMap<Message, Option<bool>> {
    let mut all = BTreeMap::new();
    for record in Records::new(records) {
        if let Some(Record::Told { by, what }) = record
            && let Some(Told::Receipt(receipt)) = Told::decode(what)
        {
            let came = match receipt {
                Receipt::Done(_) => Some(true),
                Receipt::Failed(_) | Receipt::NotDone(_) => Some(false),
                Receipt::Unknown => None,
            };
            assert_eq!(all.insert(by, came), None, "told twice of {by:?}");
        }
    }
    all
}

/// Each effect that was admitted, and how many records there are up to the end of its tick.
fn admitted(records: &[u8]) -> BTreeMap<Message, u64> {
    let (mut all, mut of_tick, mut count) = (BTreeMap::new(), Vec::new(), 0);
    for record in Records::new(records) {
        match record.unwrap() {
            Record::Tick(_) => all.extend(of_tick.drain(..).map(|by| (by, count))),
            Record::Step { agent, step, outputs, .. } => {
                for (output, made) in (0..).zip(outputs) {
                    let Output::Arranged { lease: Some(_), what } = made else { continue };
                    if let Some(Arrangement::Effect { .. }) = Arrangement::decode(what) {
                        of_tick.push(Message { from: agent, step, output });
                    }
                }
            }
            _ => {}
        }
        count += 1;
    }
    all.extend(of_tick.drain(..).map(|by| (by, count)));
    all
}

/// What was done in the life that was cut off, at most, is not done in the next one; all else is,
/// and each agent is told of each, once, the truth.
fn check_life_after(whole: &[u8], kept: u64, disk: &Disk, stage: &Stage, script: &Script) {
    let prefix = Records::new(&records(disk).unwrap()).count() as u64;
    assert_eq!(prefix, kept);
    let before: BTreeSet<_> =
        admitted(whole).into_iter().filter(|(_, end)| *end <= kept).map(|(by, _)| by).collect();
    let left = records(disk).unwrap();
    let (told_before, asked_before) = (receipts(&left), admitted(&left));
    let is_free = stage.schedule.is_free();
    let world = World::default();
    let stage = Stage { effects: permits(world.clone()), ..stage.clone() };
    let (outcome, recorder) = stage.play::<0, 0>(script, resuming(disk));
    recorder.unwrap().close().unwrap();
    outcome.unwrap();
    let all = records(disk).unwrap();
    let (told, done) = (receipts(&all), world.named());
    assert_eq!(told.keys().collect::<Vec<_>>(), admitted(&all).keys().collect::<Vec<_>>());
    for (by, came) in &told {
        match (before.contains(by), told_before.get(by)) {
            (_, Some(said)) => assert_eq!((came, done.contains(by)), (said, false), "{by:?}"),
            (true, None) => assert_eq!((came, done.contains(by)), (&None, false), "{by:?}"),
            // Free-running nobody can tell whether the log ends with an epoch.
            (false, None) if is_free && asked_before.contains_key(by) => {
                assert_eq!(came.is_some(), done.contains(by), "{by:?}");
            }
            (false, None) => assert!(came.is_some() && done.contains(by), "{by:?}: {came:?}"),
        }
    }
    // Repeated from what it left, with nobody who does anything.
    let effects = Effects { adapter: None, ..stage.effects.clone() };
    replay::<0, 0>(&Stage { effects, ..stage }, script, disk).unwrap();
}

#[test]
fn a_run_cut_at_any_record_does_nothing_twice_and_says_what_is_unknown() {
    for schedule in [Schedule::default(), Schedule::sequential_random(7), Schedule::free()] {
        let (stage, script) = busy(World::default());
        let schedulers = if schedule.is_free() { 1 } else { 2 };
        let stage = Stage { schedule, schedulers, ..stage };
        let (_, whole) = stage.complete::<0, 0>(&script);
        assert!(receipts(&whole).len() > 20);
        for kept in 0..=Records::new(&whole).count() {
            let mut cut = Records::new(&whole);
            (0..kept).for_each(|_| assert!(cut.pass()));
            let disk = log_of(&whole[..whole.len() - cut.rest().len()], 1 + kept % 7);
            check_life_after(&whole, kept as u64, &disk, &stage, &script);
        }
    }
}

#[test]
fn a_replay_does_nothing() {
    let (stage, script) = busy(World::default());
    let (_, whole) = stage.complete::<0, 0>(&script);
    let disk = log_of(&whole, 7);
    let world = World::default();
    let stage = Stage { effects: permits(world.clone()), ..stage };
    replay::<0, 0>(&stage, &script, &disk).unwrap();
    for records in [1, 30, 60] {
        let walk = Walk::new(Box::new(disk.clone())).unwrap();
        let reached = stage.play::<0, 0>(&script, Recorder::comparing(walk, records)).0;
        assert!(reached.err().unwrap().to_string().contains("reached"));
    }
    assert!(world.done().is_empty());
}

#[test]
fn a_receipt_of_something_that_nobody_asked_for_is_named() {
    let (stage, script) = busy(World::default());
    for schedule in [Schedule::default(), Schedule::free()] {
        let stage = Stage { schedule, schedulers: 1, ..stage.clone() };
        let (_, whole) = stage.complete::<0, 0>(&script);
        let each = each(&whole);
        let is_told =
            |bytes: &Vec<u8>| matches!(Records::new(bytes).next(), Some(Some(Record::Told { .. })));
        let place = each.iter().rposition(is_told).unwrap();
        // Once more right behind, or what another says.
        for changed in [each[place].clone(), each[each.iter().position(is_told).unwrap()].clone()] {
            let mut forged = each.clone();
            forged.insert(place + 1, changed);
            let disk = log_of(&forged.concat(), 5);
            let error = replay::<0, 0>(&stage, &script, &disk).err().unwrap();
            let RunError::Record(RecordError::Diverged(first)) = error else { panic!("{error}") };
            assert_eq!(first.position.0, place as u64 + 1);
        }
    }
}

#[test]
fn a_run_goes_on_from_any_snapshot_as_from_its_beginning() {
    let (stage, script) = busy(World::default());
    let kept = Kept::default();
    let stage = Stage { snapshots: kept.every_tick(), ..stage };
    stage.complete::<0, 0>(&script);
    let stage = Stage { snapshots: None, ..stage };
    let (_, whole) = stage.complete::<0, 0>(&script);
    let all = kept.all();
    assert!(all.len() > 10);
    for snapshot in all {
        // The log goes on behind it, or ends with it.
        for behind in [u64::MAX, 0, 1, 4] {
            let mut cut = Records::new(&whole);
            let kept = snapshot.records.saturating_add(behind);
            let kept = (0..kept).take_while(|_| cut.pass()).count() as u64;
            let disk = log_of(&whole[..whole.len() - cut.rest().len()], 5);
            let world = World::default();
            let stage = Stage { effects: permits(world.clone()), ..stage.clone() };
            let recorder = resuming(&disk).starting_from(vec![start(&snapshot)]);
            let (outcome, recorder) = stage.play::<0, 0>(&script, recorder);
            recorder.unwrap().close().unwrap();
            assert_eq!(outcome.unwrap().resumed_from, Some(snapshot.tick));
            let from_there = records(&disk).unwrap();
            let disk = log_of(&whole[..whole.len() - cut.rest().len()], 5);
            check_life_after(&whole, kept, &disk, &stage, &script);
            assert!(records(&disk).unwrap() == from_there, "{} and {behind}", snapshot.tick);
        }
    }
}

/// Interrupts the run while it does something.
struct Interrupting(Stage, World);

impl Adapter for Interrupting {
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String> {
        self.0.interrupt.store(2, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(20));
        self.1.perform(effect)
    }
}

#[test]
fn a_run_that_is_interrupted_waits_for_what_is_being_done_and_begins_nothing_more() {
    for (schedule, ticks_go_on) in
        [(Schedule::default(), false), (Schedule::default(), true), (Schedule::free(), false)]
    {
        let world = World::default();
        let base = Stage { virtual_time: false, schedule, ..stage(World::default()) };
        let effects = permits(Interrupting(base.clone(), world.clone()));
        let mut orders = vec![(0, 1, vec![pay("1"), pay("2")])];
        if ticks_go_on {
            orders.push((0, 2, vec![Every(1, vec![Add(1)])]));
        }
        let (script, disk) = (Script::new(orders), Disk::default());
        let stage = Stage { effects, expires: vec![(AgentId(2), Tick(300_000))], ..base.clone() };
        let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
        recorder.unwrap().close().unwrap();
        assert_eq!(outcome.unwrap().ending, Ending::Interrupted { signal: 2 });
        assert_eq!(world.done().len(), 1, "one is done when the run has ended, the other never");
        let (again, next) = (World::default(), stage);
        next.interrupt.store(0, Ordering::Relaxed);
        let next = Stage { effects: permits(again.clone()), ..next };
        let (outcome, recorder) = next.play::<0, 0>(&script, resuming(&disk));
        recorder.unwrap().close().unwrap();
        let heard = heard(&outcome.unwrap(), 1);
        // What came of it is known, and so is that the other may be tried again.
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(heard[0].ends_with("0.0 done bank/acme/1 1"), "{heard:?}");
        assert!(heard[1].ends_with("0.1 not done interrupted"), "{heard:?}");
        assert!(again.done().is_empty());
    }
}

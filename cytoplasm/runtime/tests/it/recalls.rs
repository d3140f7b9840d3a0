//! Agents ask a memory, here one that says what it was asked and up to where it would look.

use std::sync::Arc;

use karyon_arrangements::Told;
use karyon_gate::Rights;
use karyon_log::{Output, Record, Records, Target, Verb};
use karyon_runtime::processes::OrderVerb::{Kill, Pause, Resume};
use karyon_runtime::{
    ANSWER_BYTES_MAX, Asked, Chaos, Intensity, Limits, Prefix, RECALLS_PER_AGENT, Recaller,
    RunError, Schedule,
};
use karyon_types::{AgentId, Tick};

use crate::asker::{Asker, order};
use crate::repeating::log_of;
use crate::support::*;
use Order::{Add, Fail, Recall, Send};

/// Says what it was asked.
struct Echo;

impl Recaller for Echo {
    fn answer(&mut self, prefix: Prefix, asked: &Asked<'_>) -> Result<Vec<u8>, String> {
        let about = asked.about.map_or("all".to_owned(), |agent| agent.0.to_string());
        let query = String::from_utf8_lossy(asked.query);
        let Prefix { tick, records } = prefix;
        match &*query {
            "broken" => Err("it is torn".into()),
            "long" => Ok(vec![b'x'; ANSWER_BYTES_MAX + 1]),
            _ => Ok(format!("{query}/{about}/{}.{records}", tick.0).into_bytes()),
        }
    }
}

/// Says something else.
struct Other;

impl Recaller for Other {
    fn answer(&mut self, _: Prefix, _: &Asked<'_>) -> Result<Vec<u8>, String> {
        Ok(b"something else".to_vec())
    }
}

fn stage() -> Stage {
    let rights = Stage::default().rights.and(Rights::RECALL);
    Stage { rights, recaller: Some(Arc::new(|| Box::new(Echo))), ..Stage::default() }
}

fn ask(about: u64, query: &str) -> Order {
    Recall(about, query.into())
}

#[test]
fn the_answer_comes_two_ticks_later_in_front_of_all_else() {
    let script = Script::new([
        (0, 1, vec![ask(1, "own"), ask(0, "all"), ask(3, "other")]),
        (2, 1, vec![Add(5)]),
        (7, 2, vec![ask(2, "late")]),
    ]);
    let (outcome, records) = stage().complete::<0, 0>(&script);
    let heard = |agent: usize| outcome.agents[agent].as_ref().unwrap().heard.clone();
    // 8 records of life's beginning, and three of tick 0.
    let first = ["tick 2: 0.0 own/1/0.11", "tick 2: 0.1 all/all/0.11", "tick 2: 0.2 other/3/0.11"];
    assert_eq!(heard(0), first);
    assert_eq!(heard(1), ["tick 9: 0.0 late/2/7.22"], "what lies between is passed over");
    let words = in_words(&records);
    let tick = words.iter().position(|word| word == "tick 2").unwrap();
    let Some(tick) = words.get(tick + 1..tick + 9) else { panic!("{words:#?}") };
    assert!(tick[..3].iter().all(|word| word.starts_with("Told")), "{tick:#?}");
    assert_eq!(
        tick[3..],
        [
            "input 2: 1",
            "agent 1 step 1 on told 0.0 -> 0",
            "agent 1 step 2 on told 0.1 -> 0",
            "agent 1 step 3 on told 0.2 -> 0",
            "agent 1 step 4 on input 1 -> 0",
        ]
    );
    assert!(!words.contains(&"tick 3".into()) && words.contains(&"tick 9".into()));
}

#[test]
fn a_record_holds_the_tick_and_the_digest_of_the_answer() {
    let (_, records) = stage().complete::<0, 0>(&Script::new([(3, 1, vec![ask(1, "own")])]));
    let told: Vec<_> = Records::new(&records)
        .filter_map(|record| match record {
            Some(Record::Told { by, what }) => Some((by.from.0, Told::decode(what).unwrap())),
            _ => None,
        })
        .collect();
    let [(1, Told::Answer { upto: Tick(3), digest })] = told[..] else { panic!("{told:?}") };
    let mut hasher = karyon_types::Hasher::for_domain("karyon recalled v1");
    hasher.update(b"own/1/3.15");
    assert_eq!(*digest, hasher.finish().0);
}

#[test]
fn without_the_right_the_scope_room_or_a_memory_it_is_denied() {
    let denied = |stage: &Stage, orders: Vec<Order>| {
        let (outcome, _) = stage.complete::<0, 0>(&Script::new([(0, 1, orders)]));
        let agent = outcome.agents[0].as_ref().unwrap();
        (agent.denied.clone(), agent.heard.len())
    };
    let all = || vec![ask(1, "own"), ask(3, "other"), ask(0, "all")];
    assert_eq!(denied(&stage(), all()), (vec![], 3));
    let no_right = Stage { rights: Rights::SEND, ..stage() };
    assert_eq!(denied(&no_right, all()), (vec!["capability_not_granted".to_owned(); 3], 0));
    let no_memory = Stage { recaller: None, ..stage() };
    assert_eq!(denied(&no_memory, all()), (vec!["budget_exhausted".to_owned(); 3], 0));
    // One that is not there lies outside of the scope, and so does "all" where somebody is who lies
    // outside.
    assert_eq!(denied(&stage(), vec![ask(5, "none")]).0, ["exceeds_capability_scope"]);
    let narrow = Stage { scope: Some(2), ..stage() };
    assert_eq!(
        denied(&narrow, vec![ask(1, "own"), ask(2, "other"), ask(3, "far"), ask(0, "all")]),
        (vec!["exceeds_capability_scope".to_owned(); 2], 2)
    );
    let limits = Limits { outputs_per_step: 64, ..LIMITS };
    let many = (0..RECALLS_PER_AGENT + 3).map(|n| ask(1, &n.to_string())).collect();
    assert_eq!(
        denied(&Stage { limits, ..stage() }, many),
        (vec!["budget_exhausted".to_owned(); 3], RECALLS_PER_AGENT as usize)
    );
}

#[test]
fn there_is_room_again_when_it_was_answered_and_a_denial_takes_none() {
    let limits = Limits { outputs_per_step: 64, ..LIMITS };
    let many = |n| (0..n).map(|n| ask(1, &n.to_string())).collect::<Vec<_>>();
    let full = RECALLS_PER_AGENT;
    let script = Script::new([(0, 1, many(full + 2)), (1, 1, many(1)), (2, 1, many(full))]);
    let (outcome, _) = Stage { limits, ..stage() }.complete::<0, 0>(&script);
    let agent = outcome.agents[0].as_ref().unwrap();
    assert_eq!((agent.denied.len(), agent.heard.len()), (3, 2 * full as usize));
}

#[test]
fn a_memory_that_cannot_be_asked_ends_the_run_and_says_so() {
    for (query, why) in [("broken", "it is torn"), ("long", "longer than")] {
        let disk = Disk::default();
        let script = Script::new([(0, 2, vec![ask(1, query)])]);
        let (outcome, recorder) = stage().play::<0, 0>(&script, recorder(&disk));
        recorder.unwrap().close().unwrap();
        let error = outcome.err().unwrap();
        assert!(
            matches!(error, RunError::Recall { agent: AgentId(2), tick: Tick(0), .. }),
            "{error}"
        );
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn who_is_paused_hears_it_later_and_who_is_gone_never() {
    let script = Script::new([
        (0, 1, vec![ask(1, "one")]),
        (0, 2, vec![ask(1, "two")]),
        (0, 3, vec![ask(1, "three"), Order::Exit]),
        (0, 4, vec![ask(1, "four"), Fail]),
        (9, 4, vec![Add(1)]),
    ]);
    let asker =
        Asker::new(script, [(1, order(Pause, 1)), (1, order(Kill, 2)), (6, order(Resume, 1))]);
    let stage = Stage { desk: Some(Arc::clone(&asker.desk)), ..stage() };
    let disk = Disk::default();
    let (outcome, recorder) = stage.play_from::<2, 0>(asker, recorder(&disk));
    recorder.unwrap().close().unwrap();
    let (outcome, words) = (outcome.unwrap(), in_words(&records(&disk).unwrap()));
    assert_eq!(outcome.agents[0].as_ref().unwrap().heard, ["tick 6: 0.0 one/1/0.17"]);
    for agent in [2, 3] {
        let lost = format!("agent {agent} lost told 0.0: ReceiverGone");
        assert!(words.contains(&lost), "{words:#?}");
    }
    assert!(!words.iter().any(|word| word.contains("agent 4 ") && word.contains("told")));
}

/// Everything at once: crashes, timers that pass ticks over, authority that changes.
fn busy() -> (Stage, Script) {
    let limits = Limits { log_bytes_per_lease: 3_000, outputs_per_step: 16, ..LIMITS };
    let changes = vec![
        (Tick(4), Verb::Suspend, Target::Agent(AgentId(2))),
        (Tick(9), Verb::Resume, Target::Agent(AgentId(2))),
    ];
    let entries = (0..24u64).map(|n| {
        let (agent, other) = (1 + n % 6, 1 + (n * 5) % 6);
        let mut orders = vec![ask(other, "a"), Send(other, vec![ask(agent, "b"), Add(1)])];
        if n % 7 == 3 {
            orders.push(Fail);
        }
        (n / 2 + n / 12 * 9, agent, orders)
    });
    (Stage { agents: 6, limits, changes, ..stage() }, Script::new(entries))
}

#[test]
fn the_same_records_for_any_number_of_schedulers_in_each_schedule() {
    let (stage, script) = busy();
    let plans = [
        Schedule::default(),
        Schedule::staged(3),
        Schedule::sequential_random(7),
        Schedule::staged(2).shuffled(3),
    ];
    for schedule in plans {
        for chaos in [0.0, 0.2] {
            let play = |schedulers, small_tick| {
                let chaos = Chaos::new(3, chaos);
                let intensity = Intensity { restarts: 100_000, period_ticks: 10 };
                let stage =
                    Stage { schedulers, schedule, chaos, intensity, small_tick, ..stage.clone() };
                stage.complete::<0, 4>(&script).1
            };
            let one = play(1, 0);
            let told = in_words(&one).iter().filter(|word| word.starts_with("Told")).count();
            assert!(told > 20, "{told}");
            for (schedulers, small_tick) in [(1, 64), (2, 0), (2, 64), (4, 0)] {
                assert_eq!(play(schedulers, small_tick), one, "{schedule:?} {schedulers}");
            }
        }
    }
}

#[test]
fn a_run_cut_at_any_record_is_completed_to_the_same_records() {
    let (stage, script) = busy();
    let (_, whole) = stage.complete::<0, 0>(&script);
    for kept in 0..=Records::new(&whole).count() {
        let mut cut = Records::new(&whole);
        (0..kept).for_each(|_| assert!(cut.pass()));
        let prefix = &whole[..whole.len() - cut.rest().len()];
        for (per_block, schedulers) in [(1, 2), (1000, 4)] {
            let disk = log_of(prefix, per_block);
            let stage = Stage { schedulers, ..stage.clone() };
            let (outcome, recorder) = stage.play::<0, 0>(&script, resuming(&disk));
            recorder.unwrap().close().unwrap();
            outcome.unwrap();
            assert_eq!(records(&disk).unwrap(), whole, "{kept} records kept");
        }
    }
}

#[test]
fn a_memory_that_answers_otherwise_is_found_at_the_record() {
    let (stage, script) = busy();
    let (_, whole) = stage.complete::<0, 0>(&script);
    let disk = log_of(&whole, 7);
    let stage = Stage { recaller: Some(Arc::new(|| Box::new(Other))), ..stage };
    let (outcome, _) = stage.play::<0, 0>(&script, resuming(&disk));
    let error = outcome.err().unwrap();
    let RunError::Record(karyon_runtime::RecordError::Diverged(first)) = error else {
        panic!("{error}");
    };
    let expected = first.expected.unwrap();
    assert!(matches!(Records::new(&expected).next(), Some(Some(Record::Told { .. }))));
    assert_eq!(first.tick, Some(Tick(2)));
}

/// Looks at the disk before it answers.
struct Careful(Disk);

impl Recaller for Careful {
    fn answer(&mut self, prefix: Prefix, _: &Asked<'_>) -> Result<Vec<u8>, String> {
        let durable = Records::new(&records(&self.0).unwrap()).count() as u64;
        match durable >= prefix.records {
            true => Ok(Vec::new()),
            false => Err(format!("{durable} of {} records are durable", prefix.records)),
        }
    }
}

#[test]
fn nobody_is_answered_before_what_it_asks_of_is_durable() {
    let (stage, script) = busy();
    for schedulers in [1, 4] {
        let disk = Disk::default();
        let careful = disk.clone();
        let recaller = move || Box::new(Careful(careful.clone())) as Box<dyn Recaller>;
        let stage = Stage { schedulers, recaller: Some(Arc::new(recaller)), ..stage.clone() };
        let (outcome, recorder) = stage.play::<0, 0>(&script, recorder(&disk));
        recorder.unwrap().close().unwrap();
        outcome.unwrap();
    }
}

#[test]
fn a_question_is_an_output_under_a_lease() {
    let (_, records) = stage().complete::<0, 0>(&Script::new([(0, 1, vec![ask(1, "own")])]));
    let asked = Records::new(&records).find_map(|record| match record {
        Some(Record::Step { outputs, .. }) => outputs.into_iter().next(),
        _ => None,
    });
    let Some(Output::Arranged { lease: Some(lease), what }) = asked else { panic!("{asked:?}") };
    assert_eq!((lease.0, what), (1, &b"\x1e\x01own"[..]));
}

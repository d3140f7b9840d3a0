//! Agents that ask the run's memory, and act upon what it says.

use karyon::memory::{Query, Remembered, Time, Value, Vertex};
use karyon::{
    Agent, Context, Deed, Denial, Kind, Pid, Recall, Recalled, Replayed, Result, Rights, Run,
};
use serde::{Deserialize, Serialize};

use crate::support::data;

/// Learns words from others, asks what it learned, and passes on one more than it knows of.
#[derive(Default, Serialize, Deserialize)]
pub struct Pupil {
    next: Option<karyon::AgentRef<Pupil>>,
    asked: Option<Recall>,
    pub heard: Vec<String>,
    denied: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Lesson {
    Learn(String, i64),
    /// Of this agent (0: how many there are), at a moment.
    Ask(u64, Option<i64>),
    History(u64),
    Fail,
}

impl Agent for Pupil {
    type Message = Lesson;
    const KIND: Kind = Kind::new("pupil").keeps_its_state(20);

    fn handle(&mut self, _from: Pid, lesson: Lesson, ctx: &mut Context<'_, Self>) -> Result {
        let at = |query: Query, at: Option<i64>| match at.and_then(|at| Time::new(at, 0)) {
            Some(at) => query.at(at),
            None => query,
        };
        match lesson {
            Lesson::Learn(word, number) => {
                ctx.remember_fact(&word, [("n", Value::Int(number))])?;
                // What this very step writes is part of the answer.
                self.asked = Some(ctx.recall(&Query::facts(ctx.me()))?);
            }
            Lesson::Ask(0, when) => {
                self.asked = Some(ctx.recall(&at(Query::count_facts("ant"), when))?);
            }
            Lesson::Ask(of, when) => {
                self.asked = Some(ctx.recall(&at(Query::facts(Pid(of)), when))?);
            }
            Lesson::History(of) => {
                self.asked = Some(ctx.recall(&Query::history(Pid(of), "ant"))?);
            }
            Lesson::Fail => return Err(karyon::failure("as told")),
        }
        Ok(())
    }

    fn recalled(&mut self, recalled: Recalled, ctx: &mut Context<'_, Self>) -> Result {
        let Some(memories) = recalled.take(&mut self.asked) else { return Ok(()) };
        let words: Vec<_> = memories.memories.iter().map(word).collect();
        let (now, cut) = (ctx.now(), if memories.is_cut { " and more" } else { "" });
        self.heard.push(format!("{now}: {} {}{cut}", memories.count, words.join(" ")));
        if let Some(next) = self.next.filter(|_| memories.count < 4 && !words.is_empty()) {
            let number = memories.count as i64;
            ctx.cast(next, Lesson::Learn(format!("word-{number}"), number));
        }
        Ok(())
    }

    fn denied(&mut self, deed: Deed, _denial: Denial, _ctx: &mut Context<'_, Self>) -> Result {
        self.denied += u64::from(deed == Deed::Recall);
        Ok(())
    }
}

fn word(memory: &Remembered) -> String {
    let karyon::memory::Entity::Fact { predicate, .. } = &memory.write.entity else {
        return "?".into();
    };
    match memory.property("n") {
        Some(Value::Int(n)) => format!("{predicate}={n}@{}", memory.tick.0),
        _ => predicate.clone(),
    }
}

/// A ring of pupils, each of whom teaches the next what it recalls.
pub fn school(pupils: u64) -> (Run, Vec<karyon::AgentRef<Pupil>>) {
    let mut run = Run::new("school");
    run.may_recall();
    let all: Vec<_> = (0..pupils).map(|n| run.reserve(format!("pupil {n}"))).collect();
    for (number, pupil) in all.iter().enumerate() {
        let next = Some(all[(number + 1) % all.len()]);
        run.put(*pupil, Pupil { next, ..Pupil::default() });
    }
    for (number, pupil) in all.iter().enumerate() {
        run.input(number as u64 % 5, *pupil, Lesson::Learn("ant".into(), number as i64));
        run.input(9 + number as u64 % 3, *pupil, Lesson::Ask(1 + number as u64 / 2, None));
    }
    (run, all)
}

#[test]
fn the_answer_comes_two_ticks_later_and_is_of_the_end_of_the_tick() {
    let mut run = Run::new("one");
    run.may_recall();
    let one = run.agent("one", Pupil::default());
    let two = run.agent("two", Pupil::default());
    run.input(0, one, Lesson::Learn("ant".into(), 1));
    run.input(1, one, Lesson::Learn("bee".into(), 2));
    // Learned in the tick in which the other asks, and corrected behind it.
    run.input(5, one, Lesson::Learn("ant".into(), 3));
    run.input(5, two, Lesson::Ask(1, None));
    run.input(6, one, Lesson::Learn("ant".into(), 4));
    run.input(9, two, Lesson::Ask(1, Some(5))).input(12, two, Lesson::History(1));
    run.input(15, two, Lesson::Ask(0, None)).input(18, two, Lesson::Ask(2, None));
    let outcome = run.test().unwrap();
    // Of two questions that are under way the later one is kept.
    assert_eq!(
        outcome.state(one).unwrap().heard,
        ["tick 3: 2 ant=1@0 bee=2@1", "tick 8: 2 ant=4@6 bee=2@1"]
    );
    assert_eq!(
        outcome.state(two).unwrap().heard,
        [
            "tick 7: 2 ant=3@5 bee=2@1",
            "tick 11: 2 ant=3@5 bee=2@1",
            "tick 14: 3 ant=1@0 ant=3@5 ant=4@6",
            "tick 17: 1 ",
            "tick 20: 0 ",
        ]
    );
}

#[test]
fn whoever_may_not_recall_is_told_and_pays_nothing_else() {
    let mut run = Run::new("none");
    let one = run.agent("one", Pupil::default());
    run.input(0, one, Lesson::Learn("ant".into(), 1));
    let outcome = run.test().unwrap();
    let state = outcome.state(one).unwrap();
    assert_eq!((state.denied, state.heard.len()), (1, 0));
    assert_eq!((outcome.counts.remembered, outcome.counts.unarranged), (1, 1));
    // The right alone is enough.
    run.rights(Rights::SEND.and(Rights::REMEMBER).and(Rights::RECALL));
    assert_eq!(run.test().unwrap().state(one).unwrap().heard, ["tick 2: 1 ant=1@0"]);
}

#[test]
fn a_class_learns_the_same_with_any_schedulers_chaos_and_directory() {
    let (mut run, all) = school(9);
    let calm = run.test().unwrap();
    let heard = |outcome: &karyon::Outcome| -> Vec<_> {
        all.iter().map(|pupil| outcome.state(*pupil).unwrap().heard.clone()).collect()
    };
    let learned = heard(&calm);
    assert!(learned.iter().all(|heard| heard.len() > 2), "{learned:#?}");
    let mut records = Vec::new();
    for (schedulers, chaos) in [(1, 0.0), (2, 0.0), (4, 0.0), (1, 0.2), (2, 0.2), (4, 0.2)] {
        run.schedulers(schedulers).chaos(chaos).intensity(100_000, 10);
        let outcome = run.test().unwrap();
        assert_eq!(heard(&outcome), learned);
        assert_eq!(outcome.state_root, calm.state_root, "chaos {chaos}");
        records.push(outcome.records_root);
        if chaos > 0.0 {
            assert!(outcome.counts.crashes > 9);
        }
        let folder = tempfile::tempdir().unwrap();
        let data = data(&folder);
        let lived = run.begin(&data).unwrap();
        assert_eq!(lived.records_root, outcome.records_root, "a directory changes nothing");
        assert_eq!(heard(&lived), learned);
        // The log is longer then than at any question, and answers the same.
        for schedulers in [1, 4] {
            let replayed = run.schedulers(schedulers).replay(&data).unwrap();
            let Replayed::Confirmed { state_root, .. } = replayed else { panic!("{replayed:?}") };
            assert_eq!(state_root, Some(lived.state_root));
        }
    }
    assert_eq!((records[0], records[3]), (records[1], records[4]));
    assert_eq!((records[0], records[3]), (records[2], records[5]));
}

#[test]
fn a_memory_of_many_facts_is_cut_and_says_so() {
    let mut run = Run::new("many");
    run.may_recall();
    let one = run.agent("one", Pupil::default());
    (0..70).for_each(|n| _ = run.input(n, one, Lesson::Learn(format!("w{n:02}"), n as i64)));
    run.input(80, one, Lesson::Ask(1, None));
    let outcome = run.test().unwrap();
    let heard = outcome.state(one).unwrap().heard.last().unwrap().clone();
    assert!(heard.starts_with("tick 82: 70 w00=0@0 ") && heard.ends_with("=63@63 and more"));
}

#[test]
fn whoever_began_anew_hears_an_answer_that_it_does_not_know() {
    let mut run = Run::new("anew");
    run.may_recall();
    let one = run.agent("one", Pupil::default());
    run.input(0, one, Lesson::Learn("ant".into(), 1)).input(1, one, Lesson::Fail);
    let outcome = run.test().unwrap();
    assert_eq!(outcome.state(one).unwrap().heard, ["tick 2: 1 ant=1@0"], "it keeps its state");
    assert!(outcome.counts.crashes > 0);
}

#[test]
fn a_name_that_is_none_fails_the_step_and_names_of_things_can_be_asked_for() {
    let query = Query::facts(Vertex::from("the \n house"));
    assert!(query.encode(&mut Vec::new()).is_err());
    assert_eq!(Query::facts("house").about(), None);
}

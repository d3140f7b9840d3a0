//! Agents that come to life while a run goes on.

use karyon::{
    Agent, AgentRef, Answer, Call, Context, Deed, Denial, ExitReason, Kind, Outcome, Pid, ReplyTo,
    Result, Rights, Run, Spawn, Spawned, Supervisor, failure,
};
use serde::{Deserialize, Serialize};

use crate::support::data;

/// Spawns, asks whom it spawned, and writes down what it hears.
#[derive(Default, Serialize, Deserialize)]
struct Parent {
    spawning: Vec<Spawn<Child>>,
    children: Vec<AgentRef<Child>>,
    call: Option<Call<String>>,
    heard: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Do {
    Spawn(u64),
    SpawnStranger,
    Ask,
    Break(u64),
}

impl Agent for Parent {
    type Message = Do;
    const KIND: Kind = Kind::new("parent").keeps_its_state(60);

    fn handle(&mut self, _from: Pid, message: Do, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Do::Spawn(number) => {
                let child = Child { number, begun: Vec::new() };
                self.spawning.push(ctx.spawn(&format!("child {number}"), child)?);
            }
            Do::SpawnStranger => _ = ctx.spawn("stranger", Parent::default())?,
            Do::Ask => {
                let child = self.children.last().ok_or_else(|| failure("nobody"))?;
                self.call = Some(ctx.call(*child, Say::Who, 9));
            }
            Do::Break(ticks) => {
                let child = self.children.last().ok_or_else(|| failure("nobody"))?;
                ctx.monitor(*child);
                ctx.cast(*child, Say::Break(ticks));
            }
        }
        Ok(())
    }

    fn spawned(&mut self, child: Spawned, ctx: &mut Context<'_, Self>) -> Result {
        let at = self.spawning.iter().position(|spawn| child.of(spawn).is_some());
        let spawn = self.spawning.remove(at.ok_or_else(|| failure("nobody asked for it"))?);
        self.children.extend(child.take(&mut Some(spawn)));
        self.heard.push(format!("{}: {}", ctx.now().0, child.pid()));
        Ok(())
    }

    fn answered(&mut self, answer: Answer, ctx: &mut Context<'_, Self>) -> Result {
        match answer.take(&mut self.call) {
            Some(Ok(said)) => self.heard.push(format!("{}: {said}", ctx.now().0)),
            other => return Err(failure(format_args!("{other:?}"))),
        }
        Ok(())
    }

    fn denied(&mut self, deed: Deed, denial: Denial, ctx: &mut Context<'_, Self>) -> Result {
        self.heard.push(format!("{}: {deed:?} {}", ctx.now().0, denial.code()));
        Ok(())
    }

    fn down(&mut self, who: Pid, reason: &ExitReason, ctx: &mut Context<'_, Self>) -> Result {
        self.heard.push(format!("{}: {who} down, {reason}", ctx.now().0));
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Child {
    number: u64,
    begun: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Say {
    Who(ReplyTo<String>),
    Break(u64),
    Now,
}

impl Agent for Child {
    type Message = Say;
    const KIND: Kind = Kind::new("child");

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        self.begun.push(ctx.now().0);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, message: Say, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Say::Who(reply) => ctx.reply(reply, &format!("{}, {:?}", self.number, self.begun)),
            Say::Break(0) | Say::Now => return Err(failure("broken")),
            Say::Break(ticks) => {
                self.number += 1;
                ctx.after(ticks, Say::Now);
            }
        }
        Ok(())
    }
}

fn family() -> (Run, AgentRef<Parent>) {
    let mut run = Run::new("family");
    let parent = run.agent("parent", Parent::default());
    run.may_spawn::<Child>(3);
    run.input(1, parent, Do::Spawn(70)).input(6, parent, Do::Ask);
    (run, parent)
}

fn heard(outcome: &Outcome, parent: AgentRef<Parent>) -> Vec<String> {
    outcome.state(parent).unwrap().heard.clone()
}

#[test]
fn a_child_begins_with_init_and_is_found_by_what_its_parent_kept() {
    let (mut run, parent) = family();
    run.input(1, parent, Do::Spawn(80)).input(3, parent, Do::Spawn(90));
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let outcome = run.schedulers(schedulers).test().unwrap();
        let told = ["2: agent 2", "2: agent 3", "4: agent 4", "8: 90, [5]"];
        assert_eq!(heard(&outcome, parent), told);
        let born: Vec<_> = outcome.born().map(|(pid, name)| (pid.0, name)).collect();
        assert_eq!(born, [(2, "child 70"), (3, "child 80"), (4, "child 90")]);
        let states: Vec<_> = outcome
            .born()
            .map(|(pid, _)| outcome.state(pid.of::<Child>()).map(|c| (c.number, c.begun.clone())))
            .collect();
        // Each began once, whether anybody spoke to it or not.
        let state = |number, tick| Some((number, vec![tick]));
        assert_eq!(states, [state(70, 3), state(80, 3), state(90, 5)]);
        assert!(outcome.state(Pid(2).of::<Parent>()).is_none(), "it is of another kind");
        let roots = (outcome.records_root, outcome.state_root);
        assert_eq!(*whole.get_or_insert(roots), roots);
    }
    let wild = run.chaos(0.2).seed(3).test().unwrap();
    assert!(wild.counts.crashes > 0);
    assert_eq!(wild.born().count(), 3);
}

#[test]
fn a_child_that_crashes_begins_anew_from_the_same_state() {
    let (mut run, parent) = family();
    run.input(3, parent, Do::Break(1));
    let outcome = run.test().unwrap();
    // It was 71 when it broke; it begins anew with the question.
    let told = ["2: agent 2", "6: agent 2 down, failure: broken", "8: 70, [7]"];
    assert_eq!(heard(&outcome, parent), told);
    assert_eq!((outcome.counts.crashes, outcome.counts.restarts), (1, 1));
}

#[test]
fn one_too_many_and_one_whose_parent_may_nothing_are_denied() {
    let (mut run, parent) = family();
    (71..75).for_each(|number| _ = run.input(3, parent, Do::Spawn(number)));
    run.revoke(parent, 12).input(12, parent, Do::Spawn(1));
    let denied = heard(&run.test().unwrap(), parent);
    let budget = "4: Spawn budget_exhausted";
    assert_eq!(denied.iter().filter(|told| *told == budget).count(), 2, "{denied:#?}");
    assert!(denied.contains(&"13: Spawn lease_revoked".into()), "{denied:#?}");
}

#[test]
fn a_kind_that_is_not_to_be_spawned_fails_the_step_that_tries() {
    let mut run = Run::new("stranger");
    let parent = run.agent("parent", Parent::default());
    let watcher =
        run.agent("watcher", Parent { children: vec![parent.pid().of()], ..Parent::default() });
    run.may_spawn::<Child>(3).input(0, parent, Do::SpawnStranger);
    let outcome = run.test().unwrap();
    assert!(outcome.counts.crashes > 0);
    assert_eq!((outcome.born().count(), heard(&outcome, watcher).len()), (0, 0));
}

#[test]
fn a_family_on_a_data_directory_is_repeated_and_another_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let (mut run, parent) = family();
    let outcome = run.begin(&data).unwrap();
    assert_eq!(outcome.records_root, run.test().unwrap().records_root);
    for schedulers in [1, 2, 4] {
        assert!(run.schedulers(schedulers).replay(&data).unwrap().is_confirmed());
    }
    let again = run.resume(&data).unwrap();
    assert_eq!(again.state_root, outcome.state_root);
    assert_eq!(heard(&again, parent), ["2: agent 2", "8: 70, [3]"]);
    run.may_spawn::<Child>(1);
    assert!(matches!(run.replay(&data), Err(karyon::RunError::OtherRun(_))));
}

#[test]
fn who_is_spawned_below_a_tree_stands_in_none() {
    let (mut run, parent) = family();
    // The tree bears nothing, and is not asked.
    run.supervise(Supervisor::one_for_all().intensity(0, 9).child(parent));
    run.input(3, parent, Do::Break(1)).order(9, Pid(2), karyon::Order::Kill);
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let outcome = run.schedulers(schedulers).test().unwrap();
        assert_eq!(outcome.counts.restarts, 2);
        let told = ["2: agent 2", "6: agent 2 down, failure: broken", "8: 70, [7]"];
        assert_eq!(heard(&outcome, parent), told);
        let roots = (outcome.records_root, outcome.state_root);
        assert_eq!(*whole.get_or_insert(roots), roots);
    }
    run.intensity(1, 9);
    assert!(run.test().is_err(), "their one supervisor gives up");
}

#[test]
fn what_may_be_spawned_may_be_said_before_other_settings() {
    let (mut run, parent) = family();
    run.rights(Rights::SEND).limits(karyon::Limits::default());
    assert_eq!(heard(&run.test().unwrap(), parent), ["2: agent 2", "8: 70, [3]"]);
}

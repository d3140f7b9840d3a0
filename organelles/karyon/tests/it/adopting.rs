//! Agents that are spawned below supervisors of the run's tree.

use karyon::{
    Agent, AgentRef, Child, Context, Deed, Denial, ExitReason, Kind, NotSpawned, Outcome, Pid,
    Result, Run, RunError, Spawn, Spawned, Supervisor, failure,
};
use serde::{Deserialize, Serialize};

use crate::support::data;

/// Hires and fires, and writes down what it hears.
#[derive(Default, Serialize, Deserialize)]
struct Boss {
    hiring: Vec<(Spawn<Worker>, String)>,
    heard: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Do {
    /// Below this supervisor, and this many times a worker breaks.
    Hire(String, u64),
    Fire(Pid),
    Watch(Pid),
}

impl Boss {
    fn hear(&mut self, what: String, ctx: &Context<'_, Self>) {
        self.heard.push(format!("{}: {what}", ctx.now().0));
    }
}

impl Agent for Boss {
    type Message = Do;
    const KIND: Kind = Kind::new("boss");

    fn handle(&mut self, _from: Pid, message: Do, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Do::Hire(crew, breaks) => {
                let name = format!("worker {breaks}");
                let how = Child::transient().shutdown(2);
                let spawn = ctx.spawn_under(&crew, how, &name, Worker { breaks, begun: vec![] })?;
                self.hiring.push((spawn, name));
            }
            Do::Fire(worker) => ctx.terminate_child(worker),
            Do::Watch(worker) => ctx.monitor(worker),
        }
        Ok(())
    }

    fn spawned(&mut self, child: Spawned, ctx: &mut Context<'_, Self>) -> Result {
        let hired = self.hiring.iter().position(|(spawn, _)| child.of(spawn).is_some());
        let (spawn, name) = self.hiring.remove(hired.ok_or_else(|| failure("nobody's"))?);
        self.hear(format!("{name} is {}", child.pid()), ctx);
        ctx.cast(child.of(&spawn).ok_or_else(|| failure("another one"))?, ());
        Ok(())
    }

    fn not_spawned(
        &mut self,
        which: NotSpawned,
        denial: Denial,
        ctx: &mut Context<'_, Self>,
    ) -> Result {
        let at = self.hiring.iter().position(|(spawn, _)| which.is(spawn));
        let (_, name) = self.hiring.remove(at.ok_or_else(|| failure("nobody's"))?);
        self.hear(format!("no {name}: {denial}"), ctx);
        Ok(())
    }

    fn denied(&mut self, deed: Deed, denial: Denial, ctx: &mut Context<'_, Self>) -> Result {
        self.hear(format!("{deed:?}: {denial}"), ctx);
        Ok(())
    }

    fn down(&mut self, who: Pid, reason: &ExitReason, ctx: &mut Context<'_, Self>) -> Result {
        self.hear(format!("{who} down, {reason}"), ctx);
        Ok(())
    }
}

/// Breaks until it did so often enough; a memory of its lives is nobody's.
#[derive(Serialize, Deserialize)]
struct Worker {
    breaks: u64,
    begun: Vec<u64>,
}

impl Agent for Worker {
    type Message = ();
    const KIND: Kind = Kind::new("worker");

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        self.begun.push(ctx.now().0);
        Ok(())
    }

    fn handle(&mut self, _from: Pid, (): (), ctx: &mut Context<'_, Self>) -> Result {
        ctx.trap_exit(true);
        match self.breaks {
            0 => Ok(()),
            _ => Err(failure("broken")),
        }
    }
}

fn office() -> (Run, AgentRef<Boss>) {
    let mut run = Run::new("office");
    let boss = run.agent("boss", Boss::default());
    run.may_spawn::<Worker>(5);
    let crews = Supervisor::one_for_one()
        .supervisor(Supervisor::dynamic("day").max_children(2))
        .supervisor(Supervisor::one_for_all().supervisor(Supervisor::dynamic("night")));
    run.supervise(crews);
    let hire = |crew: &str, breaks| Do::Hire(crew.into(), breaks);
    run.input(0, boss, hire("day", 0)).input(0, boss, hire("day", 1));
    run.input(2, boss, hire("night", 0)).input(2, boss, hire("evening", 0));
    run.input(2, boss, hire("day", 2)).input(4, boss, Do::Watch(Pid(2)));
    run.input(5, boss, Do::Fire(Pid(2))).input(5, boss, Do::Fire(Pid(1)));
    (run, boss)
}

fn heard(outcome: &Outcome, boss: AgentRef<Boss>) -> Vec<String> {
    outcome.state(boss).unwrap().heard.clone()
}

const HEARD: [&str; 7] = [
    "1: worker 0 is agent 2",
    "1: worker 1 is agent 3",
    "3: worker 0 is agent 4",
    "3: no worker 0: exceeds_capability_scope",
    "3: no worker 2: budget_exhausted",
    "6: Terminate(AgentId(1)): exceeds_capability_scope",
    // Asked behind tick 5, and it ended in the next.
    "7: agent 2 down, shutdown",
];

#[test]
fn children_below_a_dynamic_supervisor_are_kept_stopped_and_told_of() {
    let (mut run, boss) = office();
    let mut whole = None;
    for schedulers in [1, 2, 4] {
        let outcome = run.schedulers(schedulers).test().unwrap();
        assert_eq!(heard(&outcome, boss), HEARD);
        // The second broke once with what it was told, and begins anew with what comes next.
        let alive: Vec<_> = (2..5)
            .map(|id| outcome.state(Pid(id).of::<Worker>()).map(|worker| worker.begun.clone()))
            .collect();
        assert_eq!(alive, [None, Some(vec![]), Some(vec![4])]);
        let roots = (outcome.records_root, outcome.state_root);
        assert_eq!(*whole.get_or_insert(roots), roots);
    }
    let wild = run.chaos(0.1).seed(5).test();
    assert!(wild.is_ok() || matches!(wild, Err(RunError::Run(_))));
}

#[test]
fn an_office_on_a_data_directory_is_repeated_and_another_tree_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let (run, boss) = office();
    let outcome = run.begin(&data).unwrap();
    assert_eq!(outcome.records_root, run.test().unwrap().records_root);
    assert!(run.replay(&data).unwrap().is_confirmed());
    assert_eq!(heard(&run.resume(&data).unwrap(), boss), HEARD);
    let other = |root: Supervisor| {
        let mut run = Run::new("office");
        let boss = run.agent("boss", Boss::default());
        run.may_spawn::<Worker>(5).supervise(root).input(0, boss, Do::Fire(boss.pid()));
        run.digest()
    };
    let one = || Supervisor::one_for_one();
    let day = || Supervisor::dynamic("day");
    let digests = [
        other(one().supervisor(day())),
        other(one().supervisor(day().max_children(2))),
        other(one().supervisor(Supervisor::dynamic("night"))),
        other(day()),
    ];
    let different: std::collections::BTreeSet<_> = digests.iter().map(|d| d.to_string()).collect();
    assert_eq!(different.len(), 4);
}

#[test]
fn two_supervisors_of_one_name_are_refused_and_the_root_can_be_one() {
    let mut run = Run::new("office");
    let boss = run.agent("boss", Boss::default());
    run.may_spawn::<Worker>(1).input(0, boss, Do::Hire("all".into(), 0));
    let mut twice = run.clone();
    let all = || Supervisor::dynamic("all");
    twice.supervise(all().supervisor(all()));
    assert!(matches!(twice.test(), Err(RunError::TwoSupervisors(name)) if name == "all"));
    let outcome = run.supervise(all()).test().unwrap();
    assert_eq!(heard(&outcome, boss), ["1: worker 0 is agent 2"]);
}

//! Trees of supervisors, as they are written down.

use karyon::{Agent, Context};
use karyon::{
    AgentRef, AutoShutdown, Child, ExitReason, Kind, Pid, Result, Run, RunError, Supervisor,
    failure,
};
use serde::{Deserialize, Serialize};

use crate::support::data;

/// Knows since when it lives, if somebody spoke to it since.
#[derive(Default, Serialize, Deserialize)]
struct Part {
    since: u64,
    told: Vec<String>,
    last_words: Option<AgentRef<Part>>,
}

#[derive(Serialize, Deserialize)]
enum Word {
    Look,
    Break,
    Trap,
    End,
    Tell(String),
}

impl Agent for Part {
    type Message = Word;
    const KIND: Kind = Kind::new("part");

    fn init(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        self.since = ctx.now().0;
        Ok(())
    }

    fn handle(&mut self, _from: Pid, word: Word, ctx: &mut Context<'_, Self>) -> Result {
        match word {
            Word::Look => {}
            Word::Break => return Err(failure("broken")),
            Word::Trap => ctx.trap_exit(true),
            Word::End => ctx.exit(),
            Word::Tell(what) => self.told.push(what),
        }
        Ok(())
    }

    fn terminate(&mut self, reason: &ExitReason, ctx: &mut Context<'_, Self>) {
        if let Some(heir) = self.last_words {
            ctx.cast(heir, Word::Tell(format!("{}: {reason}", ctx.now().0)));
        }
    }
}

/// A tree over these.
type Written = fn(&[AgentRef<Part>]) -> Supervisor;

fn parts(count: u64) -> (Run, Vec<AgentRef<Part>>) {
    let mut run = Run::new("parts");
    let parts = run.agents("part", count, |_, _| Part::default());
    (run, parts)
}

/// Since when each lives; asked at a tick behind all.
fn since(run: &Run, parts: &[AgentRef<Part>]) -> Vec<Option<u64>> {
    let mut first = None;
    for schedulers in [1, 2, 4] {
        let mut run = run.clone();
        run.schedulers(schedulers);
        parts.iter().for_each(|part| _ = run.input(50, *part, Word::Look));
        let outcome = run.test().unwrap();
        let since: Vec<_> =
            parts.iter().map(|part| outcome.state(*part).map(|part| part.since)).collect();
        let found = (since, outcome.records_root);
        assert_eq!(*first.get_or_insert_with(|| found.clone()), found);
    }
    first.unwrap().0
}

#[test]
fn each_strategy_concerns_whom_it_says() {
    for (root, expected) in [
        (Supervisor::one_for_one(), [0, 50, 0, 0]),
        (Supervisor::rest_for_one(), [0, 50, 50, 50]),
        (Supervisor::one_for_all(), [50; 4]),
    ] {
        let (mut run, parts) = parts(4);
        run.supervise(root.children(parts.clone())).input(1, parts[1], Word::Break);
        assert_eq!(since(&run, &parts), expected.map(Some));
    }
}

#[test]
fn who_is_not_named_stands_behind_the_named_in_the_order_of_adding() {
    let (mut run, parts) = parts(4);
    run.supervise(Supervisor::rest_for_one().child(parts[2]).child(parts[1]));
    let late = run.agent("late", Part::default());
    let all: Vec<_> = parts.iter().copied().chain([late]).collect();
    // The order is 3, 2, 1, 4, late.
    run.input(1, parts[0], Word::Break);
    assert_eq!(since(&run, &all), [Some(50), Some(0), Some(0), Some(50), Some(50)]);
}

#[test]
fn who_traps_exits_says_its_last_words_within_its_time() {
    let one = |how: Child| {
        let (mut run, parts) = parts(2);
        let dying = Part { last_words: Some(parts[0]), ..Part::default() };
        let dying = run.agent("dying", dying);
        let pair = Supervisor::one_for_all().child(parts[1]).child_with(dying, how);
        run.supervise(Supervisor::one_for_one().supervisor(pair));
        run.input(0, dying, Word::Trap).input(1, parts[1], Word::Break);
        run.test().unwrap().state(parts[0]).unwrap().told.clone()
    };
    assert_eq!(one(Child::permanent()), ["2: shutdown"]);
    assert_eq!(one(Child::permanent().shutdown(2)), ["2: shutdown"]);
    assert_eq!(one(Child::transient().shutdown_infinity()), ["2: shutdown"]);
    assert_eq!(one(Child::temporary().brutal_kill()), [""; 0]);
}

#[test]
fn significant_children_end_their_supervisor_and_one_that_gives_up_is_told_above() {
    let (mut run, parts) = parts(3);
    let pair = Supervisor::one_for_one()
        .temporary()
        .auto_shutdown(AutoShutdown::AnySignificant)
        .child_with(parts[0], Child::transient().significant())
        .child(parts[1]);
    run.supervise(Supervisor::one_for_one().supervisor(pair)).input(1, parts[0], Word::End);
    assert_eq!(since(&run, &parts), [None, None, Some(0)]);

    let (mut run, parts) = self::parts(3);
    let pair = |parts: &[AgentRef<Part>]| {
        Supervisor::one_for_one().intensity(0, 5).children([parts[0], parts[1]])
    };
    run.supervise(Supervisor::one_for_one().intensity(1, 5).supervisor(pair(&parts)));
    run.input(1, parts[0], Word::Break);
    assert_eq!(since(&run, &parts), [Some(50), Some(50), Some(0)]);
    run.input(3, parts[1], Word::Break);
    let error = run.test().err().unwrap().to_string();
    assert!(error.contains("supervisor"), "{error}");
    // To give up is to end by shutdown, after which who is transient is not started again.
    let (mut run, parts) = self::parts(3);
    run.supervise(Supervisor::one_for_one().supervisor(pair(&parts).transient()));
    run.input(1, parts[0], Word::Break);
    assert_eq!(since(&run, &parts), [None, None, Some(0)]);
}

#[test]
fn a_tree_that_cannot_be_is_refused_and_the_agent_named() {
    let error = |tree: Written| {
        let (mut run, parts) = parts(3);
        run.supervise(tree(&parts));
        run.test().err().expect("it is wrong").to_string()
    };
    let twice = error(|parts| {
        let below = Supervisor::one_for_one().child(parts[1]);
        Supervisor::one_for_all().children([parts[0], parts[1]]).supervisor(below)
    });
    assert!(twice.starts_with("\"part 2\" stands in the tree"), "{twice}");
    let stranger = error(|_| Supervisor::one_for_one().child(Pid(4)));
    assert!(stranger.starts_with("there is no agent 4"), "{stranger}");
    let permanent = error(|parts| {
        Supervisor::one_for_one()
            .auto_shutdown(AutoShutdown::AllSignificant)
            .child_with(parts[2], Child::permanent().significant())
    });
    assert!(permanent.starts_with("\"part 3\" is significant and permanent"), "{permanent}");
    let nothing = error(|parts| {
        let below = Supervisor::one_for_one().temporary().significant().child(parts[1]);
        Supervisor::one_for_one().supervisor(below)
    });
    assert!(nothing.starts_with("the supervisor above \"part 2\" is significant"), "{nothing}");
    let period = error(|parts| Supervisor::one_for_one().intensity(1, 0).child(parts[0]));
    assert!(period.starts_with("the supervisor above \"part 1\" has an intensity"), "{period}");
    let (mut run, _) = parts(1);
    run.supervise(Supervisor::one_for_one()).supervise(Supervisor::one_for_all());
    assert!(matches!(run.test(), Err(RunError::TwoTrees)));
}

#[test]
fn another_tree_is_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let with = |tree: Written| {
        let (mut run, parts) = parts(4);
        run.supervise(tree(&parts)).input(1, parts[1], Word::Break);
        run
    };
    let mut run = with(|parts| Supervisor::rest_for_one().children(parts.to_vec()));
    let outcome = run.begin(&data).unwrap();
    assert_eq!(outcome.records_root, run.test().unwrap().records_root);
    for schedulers in [1, 2, 4] {
        assert!(run.schedulers(schedulers).replay(&data).unwrap().is_confirmed());
    }
    assert_eq!(run.resume(&data).unwrap().state_root, outcome.state_root);
    // Who is not named stands where it would have been named.
    assert_eq!(with(|_| Supervisor::rest_for_one()).digest(), run.digest());
    let others: [Written; 6] = [
        |_| Supervisor::one_for_all(),
        |_| Supervisor::rest_for_one().intensity(4, 5),
        |parts| Supervisor::rest_for_one().child(parts[1]),
        |parts| Supervisor::rest_for_one().child_with(parts[0], Child::transient()),
        |parts| Supervisor::rest_for_one().child_with(parts[0], Child::permanent().shutdown(4)),
        |parts| Supervisor::rest_for_one().supervisor(Supervisor::one_for_one().child(parts[0])),
    ];
    for tree in others {
        let other = with(tree);
        assert_ne!(other.digest(), run.digest());
        assert!(matches!(other.replay(&data), Err(RunError::OtherRun(_))));
        assert!(matches!(other.resume(&data), Err(RunError::OtherRun(_))));
    }
}

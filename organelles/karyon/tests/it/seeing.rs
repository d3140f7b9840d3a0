//! What all agents see, what never changes, and what is measured.

use karyon::{
    Agent, Context, Deed, Denial, Kind, Layer, Mark, Pid, Result, Run, RunError, Schedule, Whose,
    Words,
};
use serde::{Deserialize, Serialize};

/// Counts in its slot how often it was activated, and how many neighbours it saw do so.
#[derive(Serialize, Deserialize)]
struct Walker {
    seen: Vec<u64>,
    denied: u32,
}

#[derive(Serialize)]
struct Ring {
    places: u64,
}

impl Agent for Walker {
    type Message = ();
    const KIND: Kind = Kind::new("walker").keeps_its_state(8);

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let (me, places) = (ctx.me().pid().0 - 1, ctx.world::<Ring>()?.places);
        let layer = ctx.layer(0)?;
        self.seen.push(layer.word((me + 1) % places));
        let words = Words::new(&[layer.word(me) + 1]).unwrap();
        ctx.mark(Mark::Set { layer: 0, slot: me, cell: None, words });
        ctx.mark(Mark::Clear { layer: 0, slot: places });
        Ok(())
    }

    fn denied(&mut self, deed: Deed, denial: Denial, _: &mut Context<'_, Self>) -> Result {
        assert!(matches!(deed, Deed::Mark(_)) && denial.code() == "malformed_arguments");
        self.denied += 1;
        Ok(())
    }
}

fn ring(schedule: Schedule) -> Run {
    let mut run = Run::new("ring");
    run.space([Layer::new(Whose::Agents, 5, 1)]);
    run.agents("walker", 5, |_, _| Walker { seen: Vec::new(), denied: 0 });
    run.world(Ring { places: 5 });
    run.schedule(schedule);
    run.every(2, 4);
    run.measure(2, ["sum"], |view| {
        let places = view.world::<Ring>().map_or(0, |ring| ring.places);
        vec![(0..places).map(|slot| view.layer(0).map_or(0, |l| l.word(slot))).sum::<u64>() as f64]
    });
    run
}

#[test]
fn all_are_activated_see_each_other_and_are_measured() {
    let outcome = ring(Schedule::default()).test().unwrap();
    let walker = |n: u64| outcome.state(Pid(n).of::<Walker>()).unwrap();
    for n in 1..=5 {
        assert_eq!(walker(n).seen, [0, 1, 2, 3], "as it was when each tick began");
        assert_eq!(walker(n).denied, 4);
    }
    assert_eq!(outcome.series.names, ["sum"]);
    assert_eq!(
        outcome.series.of("sum").collect::<Vec<_>>(),
        [(0, 5.0), (1, 5.0), (3, 10.0), (5, 15.0), (7, 20.0)]
    );
    assert_eq!(outcome.series.last("sum"), Some(20.0));
    assert_eq!(outcome.space.unwrap().layer(0).unwrap().word(3), 4);
    // In turns each sees what those before it did.
    let outcome = ring(Schedule::sequential_random(3)).test().unwrap();
    let walker = |n: u64| outcome.state(Pid(n).of::<Walker>()).unwrap();
    let later = (1..=5).filter(|n| walker(*n).seen[0] == 1).count();
    assert!((1..5).contains(&later), "{later}");
}

#[test]
fn a_run_ends_when_a_measure_says_so() {
    let mut run = ring(Schedule::default());
    run.until(|tick, row| tick > 0 && row[0] >= 10.0);
    let outcome = run.test().unwrap();
    assert_eq!((outcome.ticks, outcome.series.last("sum")), (4, Some(10.0)));
    run.test_snapshots().unwrap();
}

#[test]
fn of_what_is_measured_some_is_kept_and_the_end_is_the_same() {
    let rows = |change: fn(&mut Run)| {
        let mut run = ring(Schedule::default());
        change(&mut run);
        run.test_snapshots().unwrap();
        run.test().unwrap().series.of("sum").collect::<Vec<_>>()
    };
    let few = rows(|run| _ = run.collect(4));
    assert_eq!(few, [(0, 5.0), (3, 10.0), (7, 20.0)]);
    // A condition is given what is not kept, too; and any of several ends the run.
    let ended = rows(|run| _ = run.collect(4).until(|_, row| row[0] >= 10.0));
    assert_eq!(ended, [(0, 5.0), (3, 10.0)]);
    let ended = rows(|run| {
        run.until(|_, row| row[0] >= 10.0).until(|_, row| row[0] >= 15.0);
    });
    assert_eq!(ended, [(0, 5.0), (1, 5.0), (3, 10.0)]);
}

#[test]
fn a_run_says_what_it_will_be() {
    let mut run = ring(Schedule::default());
    assert_eq!((run.size(), run.activations()), (5, Some(20)));
    assert_eq!(Run::new("nobody").activations(), None);
    assert_eq!(run.agent_of("walker 3"), Some(Pid(3)));
    assert_eq!(run.agent_of("walker"), None);
    assert!(run.check().is_ok());
    let bounds = karyon::Limits { messages_per_tick: 7, ..run.bounds() };
    assert_eq!(run.limits(bounds).bounds(), bounds);
    run.every_tick(u64::MAX);
    assert!(matches!(run.check(), Err(RunError::TooManySteps(5, u64::MAX))));
}

#[test]
fn what_all_see_and_what_never_changes_is_part_of_what_is_signed() {
    let digest = |change: fn(&mut Run)| {
        let mut run = ring(Schedule::default());
        change(&mut run);
        run.digest()
    };
    let all = [
        digest(|_| ()),
        digest(|run| {
            run.world(Ring { places: 4 });
        }),
        digest(|run| {
            run.space([Layer::new(Whose::Agents, 6, 1)]);
        }),
        digest(|run| {
            let words = Words::new(&[7]).unwrap();
            run.mark(Mark::Set { layer: 0, slot: 1, cell: None, words });
        }),
        digest(|run| {
            run.every(2, 5);
        }),
        digest(|run| {
            run.made_from("seed = 1");
        }),
    ];
    for (n, one) in all.iter().enumerate() {
        assert!(all.iter().skip(n + 1).all(|other| other != one), "{n}");
    }
}

#[test]
fn what_cannot_be_measured_or_activated_is_refused() {
    let mut run = Run::new("blind");
    run.measure(1, ["nothing"], |_| vec![0.0]);
    assert!(matches!(run.test(), Err(RunError::NothingToMeasure)));
    let mut run = ring(Schedule::default());
    run.every_tick(u64::MAX);
    assert!(matches!(run.test(), Err(RunError::TooManySteps(5, u64::MAX))));
    let mut run = ring(Schedule::default());
    run.free_running();
    assert!(matches!(run.test(), Err(RunError::Run(_))));
}

/// Takes steps as long as the world says.
#[derive(Serialize, Deserialize)]
struct Pacer;

#[derive(Serialize)]
struct Pace(u64);

impl Agent for Pacer {
    type Message = ();
    const KIND: Kind = Kind::new("pacer");

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let (layer, me) = (ctx.layer(0)?, ctx.me().pid().0 - 1);
        let words = Words::new(&[layer.word(me) + ctx.world::<Pace>()?.0]).unwrap();
        ctx.mark(Mark::Set { layer: 0, slot: me, cell: None, words });
        Ok(())
    }
}

fn pacers(agents: u64, pace: u64, steps: u64) -> Run {
    let mut run = Run::new("pacers");
    run.space([Layer::new(Whose::Agents, agents, 1)]);
    run.agents("pacer", agents, |_, _| Pacer);
    run.world(Pace(pace)).every_tick(steps);
    run.measure(1, ["gone", "pace"], |view| {
        let gone = view.layer(0).map_or(0, |layer| layer.word(0));
        vec![gone as f64, view.world::<Pace>().map_or(0.0, |pace| pace.0 as f64)]
    });
    run
}

#[test]
fn another_future_has_the_same_past() {
    let plain = pacers(2, 1, 6).test().unwrap();
    let mut forked = pacers(2, 1, 6);
    forked.change_from(3, &pacers(2, 10, 8)).unwrap();
    let forked = forked.test().unwrap();
    assert_eq!(plain.series.rows[..3], forked.series.rows[..3]);
    let of = |name| forked.series.of(name).map(|(_, number)| number).collect::<Vec<_>>();
    assert_eq!(of("gone"), [1.0, 2.0, 3.0, 13.0, 23.0, 33.0, 43.0, 53.0]);
    assert_eq!(of("pace"), [1.0, 1.0, 1.0, 10.0, 10.0, 10.0, 10.0, 10.0]);
    // The last word about a tick holds, whatever the order in which they are said.
    let mut run = pacers(2, 1, 6);
    run.world_from(4, Pace(100)).world_from(2, Pace(7)).world_from(4, Pace(0));
    assert_eq!(run.test().unwrap().series.last("gone"), Some(16.0));
    // Nothing that is different ends in the same state.
    let mut same = pacers(2, 1, 6);
    same.change_from(3, &pacers(2, 1, 6)).unwrap();
    assert_eq!(same.test().unwrap().state_root, plain.state_root);
    assert_ne!(forked.state_root, plain.state_root);
}

#[test]
fn what_a_run_begins_with_cannot_change_later() {
    let error = pacers(2, 1, 6).change_from(3, &pacers(3, 1, 6)).err().unwrap();
    assert!(matches!(error, RunError::OtherBeginning(3)), "{error}");
    for (tick, other, end) in [(7, pacers(2, 5, 9), 6), (3, pacers(2, 5, 2), 2)] {
        let error = pacers(2, 1, 6).change_from(tick, &other).err().unwrap();
        assert!(
            matches!(error, RunError::OverBefore(at, to) if (at, to) == (tick, end)),
            "{error}"
        );
    }
    let mut chaotic = pacers(2, 5, 6);
    chaotic.chaos(0.5);
    assert!(pacers(2, 1, 6).change_from(3, &chaotic).is_err());
}

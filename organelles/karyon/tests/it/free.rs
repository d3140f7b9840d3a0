//! Free-running: no ticks for all at once.

use karyon::testkit::Property;
use karyon::{Agent, AgentRef, Context, Kind, Order, Pid, Result, Run};
use serde::{Deserialize, Serialize};

use crate::support::data;

/// Passes on what it is given, a millisecond later if it is an odd number.
#[derive(Serialize, Deserialize)]
struct Purse {
    next: AgentRef<Purse>,
    has: u64,
}

#[derive(Debug, Serialize, Deserialize)]
enum Coin {
    Pass(u64),
    Late(u64),
}

impl Agent for Purse {
    type Message = Coin;
    const KIND: Kind = Kind::new("purse").keeps_its_state(64);

    fn handle(&mut self, _from: Pid, coin: Coin, ctx: &mut Context<'_, Self>) -> Result {
        match coin {
            Coin::Pass(0) => self.has += 1,
            Coin::Pass(left) if left % 2 == 1 => _ = ctx.after(1, Coin::Late(left)),
            Coin::Pass(left) | Coin::Late(left) => ctx.cast(self.next, Coin::Pass(left - 1)),
        }
        Ok(())
    }
}

fn ring() -> (Run, Vec<AgentRef<Purse>>) {
    let mut run = Run::new("ring");
    let mut purses = Vec::new();
    for n in 0..6 {
        purses.push(run.reserve(format!("purse {n}")));
    }
    for (n, purse) in purses.iter().enumerate() {
        run.put(*purse, Purse { next: purses[(n + 1) % 6], has: 0 });
    }
    run.free_running();
    (run, purses)
}

#[test]
fn a_property_holds_with_crashes_and_two_threads() {
    let (mut run, purses) = ring();
    run.schedulers(2);
    let all = purses.clone();
    Property::new(run)
        .runs(20)
        .chaos(0.1)
        .inputs(12, move |random, script| {
            let purse = *random.pick(&all).unwrap();
            script.input(random.below(5), purse, Coin::Pass(random.below(20)));
        })
        .holds(move |outcome| {
            let has: u64 =
                purses.iter().filter_map(|purse| outcome.state(*purse)).map(|p| p.has).sum();
            let sent = outcome.counts.sent;
            let went = outcome.counts.delivered + outcome.counts.dead_lettered;
            // Each agent's start is a step on an input, and so is each coin.
            match sent == went && has > 0 {
                true => Ok(()),
                false => Err(format!("{has} coins, {:?}", outcome.counts)),
            }
        });
}

#[test]
fn orders_at_known_times_are_recorded_and_the_replay_agrees() {
    let (mut run, purses) = ring();
    for purse in &purses {
        run.input(3, *purse, Coin::Pass(30));
    }
    run.order(2, purses[2], Order::Pause).order(6, purses[2], Order::Resume);
    run.order(4, purses[1], Order::Kill).order(8, purses[0], Order::Restart);
    run.schedulers(2).chaos(0.05);
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let outcome = run.begin(&data).unwrap();
    assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    for schedulers in [1, 3] {
        let replayed = run.schedulers(schedulers).replay(&data).unwrap();
        assert!(replayed.is_confirmed(), "{replayed:?}");
    }
}

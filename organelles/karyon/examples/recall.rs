//! An agent that keeps nothing in mind: it writes down what it sees, asks its memory, and acts upon
//! the answer.

use karyon::memory::{Query, Value};
use karyon::{Agent, AgentRef, Context, Kind, Pid, Recall, Recalled, Result, Run, RunError};
use serde::{Deserialize, Serialize};

#[derive(Default, Serialize, Deserialize)]
struct Pump {
    litres: u64,
}

impl Agent for Pump {
    type Message = u64;
    const KIND: Kind = Kind::new("pump");

    fn handle(&mut self, _from: Pid, litres: u64, _ctx: &mut Context<'_, Self>) -> Result {
        self.litres += litres;
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Gardener {
    pump: AgentRef<Pump>,
    asked: Option<Recall>,
}

#[derive(Serialize, Deserialize)]
enum Day {
    Rain(i64),
    Evening,
}

impl Agent for Gardener {
    type Message = Day;
    const KIND: Kind = Kind::new("gardener");

    fn handle(&mut self, _from: Pid, day: Day, ctx: &mut Context<'_, Self>) -> Result {
        match day {
            Day::Rain(mm) => ctx.remember_fact("rain", [("mm", Value::Int(mm))])?,
            Day::Evening => self.asked = Some(ctx.recall(&Query::history(ctx.me(), "rain"))?),
        }
        Ok(())
    }

    fn recalled(&mut self, recalled: Recalled, ctx: &mut Context<'_, Self>) -> Result {
        let Some(rains) = recalled.take(&mut self.asked) else { return Ok(()) };
        let all: i64 = rains
            .memories
            .iter()
            .map(|rain| match rain.property("mm") {
                Some(Value::Int(mm)) => *mm,
                _ => 0,
            })
            .sum();
        if all < 10 {
            ctx.cast(self.pump, 10 - all.unsigned_abs());
        }
        Ok(())
    }
}

fn main() -> std::result::Result<(), RunError> {
    let mut run = Run::new("garden");
    run.may_recall();
    let pump = run.agent("pump", Pump::default());
    let gardener = run.agent("gardener", Gardener { pump, asked: None });
    run.input(0, gardener, Day::Rain(2)).input(1, gardener, Day::Rain(1));
    run.input(2, gardener, Day::Evening); // 3 mm so far: 7 litres are missing.
    run.input(3, gardener, Day::Rain(9)); // Before the answer, but not part of it.
    run.input(6, gardener, Day::Evening);
    let outcome = run.test()?;
    assert_eq!(outcome.state(pump).map(|pump| pump.litres), Some(7));
    Ok(())
}

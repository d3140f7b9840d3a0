//! Voters on a ring: each step each of them, in an order drawn anew, takes over what one of its two
//! neighbours thinks.

use karyon::{
    Agent, Context, Kind, Layer, Mark, Result, Run, Schedule, Whose, Words, below, failure,
};
use karyon_colony::random::Sequence;
use serde::{Deserialize, Serialize};

/// The layer in which each voter says what it thinks: 0 or 1.
const OPINIONS: u8 = 0;

/// What the colony depends on.
#[derive(Clone, Serialize, Deserialize)]
pub struct Parameters {
    /// How many voters there are, at least 3.
    pub voters: u64,
    /// How many steps each takes.
    pub steps: u64,
}

impl Default for Parameters {
    fn default() -> Parameters {
        Parameters { voters: 60, steps: 300 }
    }
}

/// A voter: its state survives from one step to the next.
#[derive(Serialize, Deserialize)]
struct Voter {
    opinion: u64,
}

impl Agent for Voter {
    /// Nobody sends anything here; voters look at each other.
    type Message = ();
    const KIND: Kind = Kind::new("voter").keeps_its_state(8);

    fn step(&mut self, ctx: &mut Context<'_, Self>) -> Result {
        let voters = ctx.world::<Parameters>()?.voters;
        let slot = ctx.me().pid().0 - 1;
        let neighbour = match below(ctx.random(), 2) {
            0 => (slot + 1) % voters,
            _ => (slot + voters - 1) % voters,
        };
        let opinion = ctx.layer(OPINIONS)?.word(neighbour);
        if opinion != self.opinion {
            self.opinion = opinion;
            let words = Words::new(&[opinion]).ok_or_else(|| failure("too many words"))?;
            ctx.mark(Mark::Set { layer: OPINIONS, slot, cell: None, words });
        }
        Ok(())
    }
}

/// A run of so many voters; all that is drawn follows from the seed.
pub fn colony(parameters: &Parameters, seed: u64) -> Run {
    let mut run = Run::new("demo");
    let voters = parameters.voters;
    run.space([Layer::new(Whose::Agents, voters, 1)]);
    let mut draws = Sequence::new(seed, 0);
    for slot in 0..voters {
        let opinion = draws.below(2);
        run.agent(format!("voter {}", slot + 1), Voter { opinion });
        if let Some(words) = Words::new(&[opinion]) {
            run.mark(Mark::Set { layer: OPINIONS, slot, cell: None, words });
        }
    }
    run.world(parameters.clone());
    run.seed(seed).schedule(Schedule::sequential_random(seed));
    run.every_tick(parameters.steps);
    run.measure(1, ["ones", "borders"], move |view| {
        let opinion = |slot| view.layer(OPINIONS).map_or(0, |layer| layer.word(slot % voters));
        let ones = (0..voters).map(opinion).sum::<u64>();
        let borders = (0..voters).filter(|slot| opinion(*slot) != opinion(slot + 1)).count();
        vec![ones as f64, borders as f64]
    });
    // When all agree nothing happens any more.
    run.until(|_, row| row.ends_with(&[0.0]));
    run
}

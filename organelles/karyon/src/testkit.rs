//! Random inputs and crashes against a property, and the shortest script that fails.
//!
//! Time is virtual, and all that happens comes from one seed: the same seed, the same run. What is
//! drawn is a script, a list of inputs with their ticks; a run of its inputs is checked, with
//! crashes if that is wanted. When a property does not hold, the script is made as short as it gets
//! (delta debugging), its ticks and the chaos likewise, and it is printed as code that can be put
//! into a test of its own.
//!
//! ```should_panic
//! use karyon::testkit::{Property, Random};
//! use karyon::{Agent, AgentRef, Context, Kind, Pid, Result, Run};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Account {
//!     balance: i64,
//! }
//!
//! impl Agent for Account {
//!     type Message = i64;
//!     const KIND: Kind = Kind::new("account");
//!
//!     fn handle(&mut self, _from: Pid, amount: i64, _ctx: &mut Context<'_, Self>) -> Result {
//!         self.balance += amount; // it may be overdrawn
//!         Ok(())
//!     }
//! }
//!
//! let mut run = Run::new("bank");
//! let account = run.agent("account", Account { balance: 10 });
//! Property::new(run)
//!     .inputs(20, move |random, script| {
//!         script.input(random.below(10), account, random.below(9) as i64 - 4);
//!     })
//!     .holds(move |outcome| match outcome.state(account) {
//!         Some(account) if account.balance < 0 => Err(format!("balance {}", account.balance)),
//!         _ => Ok(()),
//!     });
//! ```

use std::fmt::Debug;

use crate::address::AgentRef;
use crate::agent::Agent;
use crate::error::RunError;
use crate::inputs::Input;
use crate::outcome::Outcome;
use crate::run::Run;
use crate::wire;

/// Runs of a property, if it is not said.
const RUNS: u64 = 100;
/// Runs that are spent on making a script short: enough for some hundred inputs, and an end.
const SHRINKS_MAX: u32 = 10_000;

/// A generator of random numbers: SplitMix64, so the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number, any of them.
    pub fn next_u64(&mut self) -> u64 {
        // Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end`, without `end`; 0 if that is 0. (Not exactly even: by less than
    /// `end` in 2^64.)
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(end)) >> 64) as u64
    }

    /// One of them; `None` if there is none.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> Option<&'a T> {
        among.get(self.below(among.len() as u64) as usize)
    }
}

/// A list of inputs that can be shown as code.
#[derive(Clone, Default)]
pub struct Script {
    lines: Vec<Line>,
}

#[derive(Clone)]
struct Line {
    input: Input,
    /// The message as code.
    message: String,
}

impl Script {
    /// As [`Run::input`].
    pub fn input<A>(&mut self, tick: u64, to: AgentRef<A>, message: A::Message)
    where
        A: Agent,
        A::Message: Debug,
    {
        let bytes = wire::message(&message).to_vec();
        let message = as_code(&message);
        self.lines.push(Line { input: (tick, to.pid(), bytes), message });
    }
}

/// A message as code: what `Debug` says, and in front of a variant its type.
fn as_code<M: Debug>(message: &M) -> String {
    let said = format!("{message:?}");
    let path = std::any::type_name::<M>();
    let name = path.split('<').next().and_then(|path| path.rsplit("::").next()).unwrap_or(path);
    let is_variant = path.contains("::")
        && !path.starts_with("alloc::")
        && !path.starts_with("core::")
        && said.starts_with(char::is_uppercase)
        && !said.starts_with(name);
    match (is_variant, path == std::any::type_name::<String>()) {
        (true, _) => format!("{name}::{said}"),
        (false, true) => format!("{said}.into()"),
        (false, false) => said,
    }
}

/// What fails, as short as it gets.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// In which way: the property's words, or the run's error.
    pub why: String,
    /// The seed of the chaos.
    pub seed: u64,
    /// The probability of a crash, 0 if it fails without.
    pub chaos: f64,
    /// How many inputs are left.
    pub inputs: usize,
    /// The script as code: `run` is the run, and each agent has its name.
    pub code: String,
}

type Draw = dyn Fn(&mut Random, &mut Script);

/// A property of a run, whatever it is told and wherever it crashes.
pub struct Property {
    run: Run,
    draw: Option<(u64, Box<Draw>)>,
    runs: u64,
    seed: u64,
    chaos: f64,
}

impl Property {
    /// A property of this run; its own inputs come in front of what is drawn.
    pub fn new(run: Run) -> Property {
        let (seed, chaos) = (run.settings.seed, run.settings.chaos);
        Property { run, draw: None, runs: RUNS, seed, chaos }
    }

    /// Draws up to `most` inputs for each run: `draw` is called so often, and adds what it likes
    /// to the script.
    #[must_use]
    pub fn inputs(mut self, most: u64, draw: impl Fn(&mut Random, &mut Script) + 'static) -> Self {
        self.draw = Some((most, Box::new(draw)));
        self
    }

    /// How many runs; 100, if it is not said. Each has a seed of its own, one behind the other from
    /// the run's.
    #[must_use]
    pub fn runs(mut self, runs: u64) -> Self {
        self.runs = runs;
        self
    }

    /// Lets steps crash with this probability, in [0, 1). How much the supervisor bears says the
    /// run ([`Run::intensity`]).
    #[must_use]
    pub fn chaos(mut self, probability: f64) -> Self {
        self.chaos = probability;
        self
    }

    /// Checks what `property` says of each outcome.
    ///
    /// # Panics
    /// When it says `Err`, or a run fails: with the shortest script, as code.
    #[track_caller]
    pub fn holds(self, property: impl Fn(&Outcome) -> Result<(), String>) {
        if let Some(found) = self.find(property) {
            #[expect(clippy::panic, reason = "so a test says that it failed")]
            {
                panic!("{}\n\n{}", found.why, found.code);
            }
        }
    }

    /// The same without a panic: what fails, if something does.
    pub fn find(
        &self,
        property: impl Fn(&Outcome) -> Result<(), String>,
    ) -> Option<Counterexample> {
        let check = |trial: &Trial| match trial.run(&self.run) {
            Ok(outcome) => property(&outcome).err(),
            Err(error) => Some(error.to_string()),
        };
        for seed in (self.seed..).take(usize::try_from(self.runs).unwrap_or(usize::MAX)) {
            let mut random = Random::new(seed);
            let mut script = Script::default();
            if let Some((most, draw)) = &self.draw {
                let count = 1 + random.below(*most);
                (0..count.min(*most)).for_each(|_| draw(&mut random, &mut script));
            }
            let trial = Trial { lines: script.lines, seed, chaos: self.chaos };
            if let Some(why) = check(&trial) {
                return Some(self.shown(shrink(trial, why, check)));
            }
        }
        None
    }

    fn shown(&self, (trial, why): (Trial, String)) -> Counterexample {
        let mut code = String::new();
        if trial.chaos > 0.0 {
            code.push_str(&format!("run.chaos({:?}).seed({});\n", trial.chaos, trial.seed));
        }
        for Line { input: (tick, to, _), message } in &trial.lines {
            let to = identifier(self.run.name_of(*to));
            code.push_str(&format!("run.input({tick}, {to}, {message});\n"));
        }
        Counterexample {
            why,
            seed: trial.seed,
            chaos: trial.chaos,
            inputs: trial.lines.len(),
            code,
        }
    }
}

/// A name as an identifier.
fn identifier(name: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(fits).collect();
    if name.starts_with(|c: char| c.is_numeric()) { format!("_{name}") } else { name }
}

/// One run of a property.
#[derive(Clone)]
struct Trial {
    lines: Vec<Line>,
    seed: u64,
    chaos: f64,
}

impl Trial {
    fn run(&self, run: &Run) -> Result<Outcome, RunError> {
        let mut run = run.clone();
        run.seed(self.seed).chaos(self.chaos);
        run.inputs.extend(self.lines.iter().map(|line| line.input.clone()));
        run.test()
    }
}

/// Makes a trial that fails as short as it gets: without chaos, with fewer inputs, at earlier
/// ticks, with a smaller seed.
fn shrink(
    mut trial: Trial,
    mut why: String,
    check: impl Fn(&Trial) -> Option<String>,
) -> (Trial, String) {
    let mut left = SHRINKS_MAX;
    let mut fails = |smaller: Trial, trial: &mut Trial| {
        let words = left.checked_sub(1).and_then(|fewer| {
            left = fewer;
            check(&smaller)
        });
        let failed = words.is_some();
        if let Some(words) = words {
            (*trial, why) = (smaller, words);
        }
        failed
    };
    if trial.chaos > 0.0 {
        fails(Trial { chaos: 0.0, ..trial.clone() }, &mut trial);
    }
    // Delta debugging (Zeller, Hildebrandt, 2002), by complements alone: pieces are left out, then
    // halves of pieces, until no single input can be.
    let mut piece = trial.lines.len();
    while piece > 0 {
        let (before, mut at) = (trial.lines.len(), 0);
        while at < trial.lines.len() {
            let mut smaller = trial.clone();
            smaller.lines.drain(at..trial.lines.len().min(at + piece));
            if !fails(smaller, &mut trial) {
                at += piece;
            }
        }
        // What is left out last may be what others were needed for.
        piece = if piece == 1 && trial.lines.len() < before { 1 } else { piece / 2 };
    }
    for at in 0..trial.lines.len() {
        for step in [|_| 0, |tick| tick / 2, |tick: u64| tick.saturating_sub(1)] {
            loop {
                let mut smaller = trial.clone();
                let Some(line) = smaller.lines.get_mut(at) else { break };
                let before = line.input.0;
                line.input.0 = step(before);
                if line.input.0 == before || !fails(smaller, &mut trial) {
                    break;
                }
            }
        }
    }
    if trial.chaos > 0.0 {
        for seed in 0..trial.seed.min(32) {
            if fails(Trial { seed, ..trial.clone() }, &mut trial) {
                break;
            }
        }
    }
    (trial, why)
}

//! The models of `scripts/model_peers` in krABMaga, each after its declaration; a line of JSON for each
//! run.
//!
//! `cargo run --release -- large|small SEED…`
//!
//! Rules and parameters: the declarations of the public comparison of frameworks
//! (JuliaDynamics/ABMFrameworksComparison, MIT). krABMaga's schedule orders by time and a number that
//! belongs to the agent; a new random order each step comes of new numbers for all, drawn before the
//! step. What krABMaga cannot do is said where it is: positions are of 32 bits, and its plane shows
//! where birds were when the step began ([`flocking`]).

mod flocking;
mod schelling;
mod wolf_sheep;

use std::time::Instant;

use krabmaga::engine::schedule::Schedule;
use krabmaga::engine::state::State;

// As for the other engines in Rust.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A generator of random numbers.
///
/// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, without `end`.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// From 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A place in the order of a step.
    fn place(&mut self) -> i32 {
        (self.next() >> 33) as i32
    }

    /// All of them in any order.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// What is the same for all models.
trait Peer: State + Sized {
    const NAME: &'static str;
    const STEPS: u64;

    /// How many agents acted.
    fn acted(&self) -> u64;
    /// What is measured, at the end.
    fn stats(&self) -> Vec<(&'static str, f64)>;
}

fn time<P: Peer>(size: &str, seed: u64, build: impl FnOnce() -> P) {
    let begun = Instant::now();
    let mut peer = build();
    let mut schedule = Schedule::new();
    peer.init(&mut schedule);
    let build_ms = begun.elapsed().as_secs_f64() * 1e3;
    let (begun, cpu) = (Instant::now(), cpu_ms());
    for _ in 0..P::STEPS {
        schedule.step(&mut peer);
    }
    let (run_ms, cpu_ms) = (begun.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
    let stats = peer.stats().into_iter().map(|(name, number)| format!("\"{name}\": {number}"));
    println!(
        "{{\"peer\": \"krabmaga\", \"level\": \"\", \"schedulers\": 1, \"model\": \"{}\", \
         \"size\": \"{size}\", \"seed\": {seed}, \"build_ms\": {build_ms:.3}, \
         \"run_ms\": {run_ms:.3}, \"cpu_ms\": {cpu_ms}, \"acted\": {}, \"stats\": {{{}}}}}",
        P::NAME,
        peer.acted(),
        stats.collect::<Vec<_>>().join(", "),
    );
}

/// What the processor worked for this process, milliseconds; Linux counts in hundredths of a second.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>() * 10
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((size, seeds)) = arguments.split_first() else {
        eprintln!("usage: krabmaga-peer large|small SEED…");
        std::process::exit(2);
    };
    let is_large = size == "large";
    // The first run of a process makes its pages.
    let mut is_warm = false;
    for seed in seeds.iter().filter_map(|seed| seed.parse().ok()) {
        if !std::mem::replace(&mut is_warm, true) {
            let (mut town, mut schedule) = (schelling::Town::new(false, seed), Schedule::new());
            town.init(&mut schedule);
            schedule.step(&mut town);
        }
        time(size, seed, || schelling::Town::new(is_large, seed));
        time(size, seed, || wolf_sheep::Meadow::new(is_large, seed));
        time(size, seed, || flocking::Sky::new(is_large, seed));
    }
}

//! How far the built-in rumour spreads, over 100 seeds, by the direct algorithm.
//!
//! `cargo run --release -p karyon-colony --example rumour_seeds -- [CONTACTS [PEOPLE [SOURCE]]]`
//! measures other sizes than the scenario's, or another source than the first sender.

use std::error::Error;

use karyon_colony::contacts::Contacts;
use karyon_colony::direct::reach;
use karyon_colony::levels::Levels;
use karyon_colony::network;
use karyon_colony::rumour::Rumour;
use karyon_colony::scenario::{Scenario, Space, builtin};

/// What one seed gave.
struct Run {
    share: f64,
    levels: usize,
    denials: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut scenario = Scenario::parse(builtin("rumour").ok_or("no such scenario")?)?;
    let mut arguments = std::env::args().skip(1);
    if let (Some(contacts), Space::ActivityDriven(space)) = (arguments.next(), &mut scenario.space)
    {
        space.contacts = contacts.parse()?;
    }
    if let Some(people) = arguments.next() {
        scenario.population.people = people.parse()?;
    }
    scenario.model.source = arguments.next().or(scenario.model.source);

    let mut runs = Vec::new();
    for seed in 1..=100 {
        scenario.seed = seed;
        let run = measure(&scenario)?;
        if seed == 1 {
            println!(
                "seed 1: {:.1} % informed, {} levels, {} denials",
                100.0 * run.share,
                run.levels,
                run.denials
            );
        }
        runs.push(run);
    }
    let middle = |run: &&Run| (1.0 / 3.0..=2.0 / 3.0).contains(&run.share);
    println!("between a third and two thirds: {} of 100", runs.iter().filter(middle).count());
    println!("                     min  lower quartile  median  upper quartile     max");
    show("informed, %", runs.iter().map(|run| 100.0 * run.share));
    show("levels", runs.iter().map(|run| run.levels as f64));
    show("denials", runs.iter().map(|run| run.denials as f64));
    Ok(())
}

fn measure(scenario: &Scenario) -> Result<Run, Box<dyn Error>> {
    let Space::ActivityDriven(parameters) = &scenario.space else {
        return Err("the scenario generates no network".into());
    };
    let text = network::generate(scenario.population.people, parameters, scenario.seed)?;
    let (contacts, _) = Contacts::parse(text.into_bytes())?;
    let rumour = Rumour::new(scenario, contacts)?;
    let blocked = rumour.blocked();
    let arrivals = reach(&rumour.contacts, rumour.source, &blocked);
    Ok(Run {
        // Who is in no contact counts as well: they are people of the scenario.
        share: arrivals.iter().flatten().count() as f64 / f64::from(scenario.population.people),
        levels: Levels::new(&rumour.contacts).len(),
        denials: (0..parameters.contacts).filter(|index| blocked(*index)).count(),
    })
}

fn show(what: &str, values: impl Iterator<Item = f64>) {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let at = |quarter: usize| {
        values.get(quarter * values.len().saturating_sub(1) / 4).copied().unwrap_or(f64::NAN)
    };
    println!("{what:16} {:7.1} {:15.1} {:7.1} {:15.1} {:7.1}", at(0), at(1), at(2), at(3), at(4));
}

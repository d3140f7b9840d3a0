//! Runs the colony, says how it ended, and writes what was measured.

use demo::{Parameters, colony};
use karyon_colony::models::{series_csv, series_svg};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(1), |seed| seed.parse())?;
    let outcome = colony(&Parameters::default(), seed).test()?;
    std::fs::write("series.csv", series_csv(&outcome.series))?;
    std::fs::write("series.svg", series_svg("demo", &outcome.series)?)?;
    for name in &outcome.series.names {
        println!("{name} {}", outcome.series.last(name).unwrap_or_default());
    }
    println!("{} steps in {} ticks", outcome.counts.steps, outcome.ticks);
    println!("state root {}", outcome.state_root);
    println!("results in series.csv and series.svg");
    Ok(())
}

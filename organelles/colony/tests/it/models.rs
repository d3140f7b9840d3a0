//! Models against exact and published values. The short form is part of every test run; the full one
//! takes minutes: `just models`.

use karyon::{Outcome, Run};
use karyon_colony::models::{
    Model, fire, flocking, gossip, maki_thompson, moran, schelling, sir, sir_events, wealth,
    wolf_sheep,
};

/// What a run in memory measured last.
fn ends(run: &Run) -> Vec<f64> {
    outcome(run).series.rows.pop().unwrap().1
}

fn outcome(run: &Run) -> Outcome {
    run.test().unwrap()
}

/// Runs seeds 1 to `count` on both cores; what comes of each.
fn seeds<T: Send>(count: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let half = |from| -> Vec<T> { (from..=count).step_by(2).map(&run).collect() };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(2));
        let mut all = half(1);
        all.extend(other.join().unwrap());
        all
    })
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The standard error of a mean.
fn error(numbers: &[f64]) -> f64 {
    let mean = mean(numbers);
    let squares: f64 = numbers.iter().map(|n| (n - mean).powi(2)).sum();
    let count = numbers.len() as f64;
    (squares / (count - 1.0) / count).sqrt()
}

/// A mean within five standard errors of what it should be, and these no larger than `most`.
#[track_caller]
fn is_near(what: &str, numbers: &[f64], expected: f64, most: f64) {
    let (mean, error) = (mean(numbers), error(numbers));
    println!("{what}: {mean:.5} ± {error:.5} of {}, expected {expected}", numbers.len());
    assert!(error <= most, "{what}: the standard error {error} is larger than {most}");
    assert!((mean - expected).abs() <= 5.0 * error, "{what}: {mean} ± {error}, not {expected}");
}

/// A share within five standard errors of a binomial.
#[track_caller]
fn is_share(what: &str, hits: usize, of: usize, p: f64) {
    let share = hits as f64 / of as f64;
    let error = (p * (1.0 - p) / of as f64).sqrt();
    println!("{what}: {share:.5} ± {error:.5} of {of}, expected {p}");
    assert!((share - p).abs() <= 5.0 * error, "{what}: {share} ± {error} of {of}, not {p}");
}

/// Final sizes of the exact SIR process, N = 10, β = 2 / 9, γ = 1, one case.
const SIZES: [f64; 10] =
    [0.33333, 0.0864, 0.04908, 0.03814, 0.03638, 0.04079, 0.05256, 0.07614, 0.11862, 0.16854];

fn sizes_of_ten(count: u64) {
    let parameters = sir_events::Parameters { people: 10, ..Default::default() };
    let sizes = seeds(count, |seed| ends(&parameters.build(seed))[2] as usize);
    for (size, p) in (1..).zip(SIZES) {
        let hits = sizes.iter().filter(|own| **own == size).count();
        is_share(&format!("final size {size}"), hits, sizes.len(), p);
    }
}

#[test]
fn ten_people_fall_ill_as_the_exact_distribution_says() {
    sizes_of_ten(2_000);
}

#[test]
#[ignore = "takes minutes"]
fn full_ten_people_fall_ill_as_the_exact_distribution_says() {
    sizes_of_ten(200_000);
}

fn sizes_of_a_thousand(count: u64) {
    let sizes = seeds(count, |seed| ends(&sir_events::Parameters::default().build(seed))[2]);
    let small = sizes.iter().filter(|size| **size < 100.0).count();
    is_share("fewer than 100 of 1,000", small, sizes.len(), 0.50156);
    is_near("mean of 1,000", &sizes, 397.74, f64::INFINITY);
}

#[test]
fn a_thousand_people_fall_ill_as_the_exact_distribution_says() {
    sizes_of_a_thousand(100);
}

#[test]
#[ignore = "takes minutes"]
fn full_a_thousand_people_fall_ill_as_the_exact_distribution_says() {
    sizes_of_a_thousand(10_000);
}

/// Of large epidemics, the share that fell ill.
const LARGE: [(f64, f64); 4] = [(1.2, 0.313698), (1.5, 0.582812), (2.0, 0.796812), (3.0, 0.940480)];

fn large_sizes(people: u32, count: u64, all: &[(f64, f64)]) {
    for (reproduction, expected) in all.iter().copied() {
        let parameters =
            sir_events::Parameters { people, cases: people / 1_000, reproduction, recovery: 1.0 };
        let sizes = seeds(count, |seed| ends(&parameters.build(seed))[2] / f64::from(people));
        let mean = mean(&sizes);
        println!("R0 = {reproduction}: {mean:.5}, expected {expected} of infinitely many");
        // A thousandth was ill at first, and the rest is finite: two hundredths.
        assert!((mean - expected).abs() < 0.02, "{reproduction}: {mean}, not {expected}");
    }
}

#[test]
fn large_epidemics_end_where_the_limit_says() {
    // Nearer to 1 the end depends much on chance.
    large_sizes(10_000, 2, &LARGE[2..]);
}

#[test]
#[ignore = "takes minutes"]
fn full_large_epidemics_end_where_the_limit_says() {
    large_sizes(200_000, 4, &LARGE);
}

fn never_heard(people: u32, count: u64, most: f64) {
    let parameters = maki_thompson::Parameters { people, ..Default::default() };
    let shares = seeds(count, |seed| ends(&parameters.build(seed))[0] / f64::from(people));
    is_near("never heard", &shares, 0.203188, most);
}

#[test]
fn a_fifth_never_hears_the_rumour() {
    never_heard(5_000, 20, 0.003);
}

#[test]
#[ignore = "takes minutes"]
fn full_a_fifth_never_hears_the_rumour() {
    never_heard(100_000, 60, 0.0005);
}

fn rounds(nodes: u32, count: u64) {
    let rounds = seeds(count, |seed| {
        let outcome = outcome(&gossip::Parameters { nodes, ..Default::default() }.build(seed));
        assert_eq!(outcome.series.last("informed"), Some(f64::from(nodes)));
        outcome.series.rows.last().unwrap().0 as f64
    });
    let nodes = f64::from(nodes);
    let expected = nodes.log2() + nodes.ln();
    let mean = mean(&rounds);
    println!("gossip: {mean:.2} rounds, log2 N + ln N = {expected:.2}");
    // Up to a term that is bounded in probability.
    assert!((mean - expected).abs() < 2.0, "{mean} rounds, not {expected}");
}

#[test]
fn gossip_takes_logarithmically_many_rounds() {
    rounds(1_000, 20);
}

#[test]
#[ignore = "takes minutes"]
fn full_gossip_takes_logarithmically_many_rounds() {
    rounds(100_000, 20);
}

fn coins(agents: u32, time: u32, count: u64) {
    let parameters = wealth::Parameters { agents, coins: 1, time };
    let agents = f64::from(agents);
    let shares = seeds(count, |seed| {
        let outcome = outcome(&parameters.build(seed));
        // Behind the time that it takes to forget how it began.
        let rows = outcome.series.rows.iter().skip(time as usize / 4);
        let rows: Vec<&Vec<f64>> = rows.map(|(_, row)| row).collect();
        [2, 3, 4].map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64)
    });
    // With as many coins as agents: .497487, .251256, .126266 for 100.
    let none = (agents - 1.0) / (2.0 * agents - 1.0);
    let one = none * agents / (2.0 * agents - 2.0);
    let two = one * (agents - 1.0) / (2.0 * agents - 3.0);
    for (place, p) in [none, one, two].into_iter().enumerate() {
        let shares: Vec<f64> = shares.iter().map(|run| run[place] / agents).collect();
        is_near(&format!("agents with {place} coins, of {agents}"), &shares, p, 0.01);
    }
}

#[test]
fn coins_are_spread_as_all_distributions_are() {
    coins(100, 400, 20);
    // Among few a coin that is missed shows.
    coins(5, 1_000, 20);
}

#[test]
#[ignore = "takes minutes"]
fn full_coins_are_spread_as_all_distributions_are() {
    coins(100, 4_000, 100);
}

fn fixations(individuals: u32, fitness: f64, count: u64, p: f64) {
    let parameters = moran::Parameters { individuals, mutants: 1, fitness };
    let fixed = seeds(count, |seed| ends(&parameters.build(seed))[0] == 0.0);
    let fixed = fixed.into_iter().filter(|fixed| *fixed).count();
    is_share(&format!("N = {individuals}, r = {fitness}"), fixed, count as usize, p);
}

#[test]
fn mutants_take_over_as_often_as_the_formula_says() {
    fixations(20, 2.0, 300, 0.5000005);
    fixations(10, 1.0, 300, 0.1);
}

#[test]
#[ignore = "takes minutes"]
fn full_mutants_take_over_as_often_as_the_formula_says() {
    fixations(20, 2.0, 5_000, 0.5000005);
    fixations(100, 1.1, 4_000, 0.090916);
    fixations(100, 1.0, 4_000, 0.01);
}

/// How many of the forests burn through to the other edge.
fn burnt_through(side: u32, density: f64, count: u64) -> f64 {
    let parameters = fire::Parameters { side, density };
    let through = seeds(count, |seed| ends(&parameters.build(seed))[2] == f64::from(side - 1));
    let share = through.iter().filter(|through| **through).count() as f64 / count as f64;
    println!("density {density}: {share} of {count} burn through");
    share
}

#[test]
fn forests_burn_through_from_a_density_on() {
    assert!(burnt_through(101, 0.50, 8) < 0.2);
    assert!(burnt_through(101, 0.68, 8) > 0.8);
}

#[test]
#[ignore = "takes minutes"]
fn full_forests_burn_through_from_a_density_on() {
    assert!(burnt_through(251, 0.55, 100) < 0.05);
    let half = burnt_through(251, 0.59, 200);
    assert!((0.3..0.7).contains(&half), "{half}");
    assert!(burnt_through(251, 0.65, 100) > 0.95);
}

fn segregated(count: u64, most: f64) {
    let rows = seeds(count, |seed| ends(&schelling::Parameters::default().build(seed)));
    let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
    is_near("happy", &column(0), 0.998, most);
    is_near("alike", &column(1), 0.873, most);
}

#[test]
fn groups_part_as_in_the_comparison_of_frameworks() {
    segregated(10, 0.01);
}

#[test]
#[ignore = "takes minutes"]
fn full_groups_part_as_in_the_comparison_of_frameworks() {
    segregated(200, 0.001);
}

fn animals(parameters: &wolf_sheep::Parameters, count: u64, sheep: (f64, f64), wolves: (f64, f64)) {
    let rows = seeds(count, |seed| ends(&parameters.build(seed)));
    let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
    // The published mean has an error of its own.
    for (what, at, (expected, error_of_theirs)) in [("sheep", 0, sheep), ("wolves", 1, wolves)] {
        let numbers = column(at);
        let (mean, error) = (mean(&numbers), error(&numbers).hypot(error_of_theirs));
        println!("{what}: {mean:.2} ± {error:.2} of {count}, published {expected}");
        assert!((mean - expected).abs() < 5.0 * error, "{what}: {mean} ± {error}, not {expected}");
    }
}

fn many_animals() -> wolf_sheep::Parameters {
    wolf_sheep::Parameters {
        side: 100,
        sheep: 1_000,
        wolves: 500,
        regrowth: 10,
        sheep_reproduce: 0.4,
        wolf_reproduce: 0.2,
        ..Default::default()
    }
}

#[test]
fn wolves_and_sheep_are_as_many_as_in_the_comparison_of_frameworks() {
    animals(&Default::default(), 20, (85.1, 0.5), (21.3, 0.3));
}

#[test]
#[ignore = "takes minutes"]
fn full_wolves_and_sheep_are_as_many_as_in_the_comparison_of_frameworks() {
    animals(&Default::default(), 1_000, (85.1, 0.5), (21.3, 0.3));
    animals(&many_animals(), 40, (1_362.0, 27.0), (2_412.0, 38.0));
}

#[test]
fn birds_come_to_fly_the_same_way() {
    let run = flocking::Parameters::default().build(1);
    let series = outcome(&run).series;
    let (first, last) = (series.rows[0].1[0], series.last("order").unwrap());
    println!("order {first:.3} to {last:.3}");
    assert!(first < 0.3 && last > 2.0 * first, "{first} to {last}");
}

/// One seed, one end: for any number of threads, with crashes, and from each of its snapshots.
#[test]
fn each_model_ends_the_same_on_any_number_of_threads_and_whatever_crashes() {
    let small = wolf_sheep::Parameters { steps: 8, ..Default::default() };
    let few = schelling::Parameters { side: 12, agents: 90, ..Default::default() };
    let models = [
        sir::Parameters { people: 300, ..Default::default() }.build(5),
        sir_events::Parameters { people: 100, ..Default::default() }.build(5),
        maki_thompson::Parameters { people: 200, ..Default::default() }.build(5),
        gossip::Parameters { nodes: 200, ..Default::default() }.build(5),
        wealth::Parameters { time: 5, ..Default::default() }.build(5),
        moran::Parameters { individuals: 20, ..Default::default() }.build(5),
        fire::Parameters { side: 30, density: 0.6 }.build(5),
        few.build(5),
        small.build(5),
        flocking::Parameters { birds: 60, steps: 20, ..Default::default() }.build(5),
    ];
    for mut run in models {
        run.intensity(u64::MAX, 1);
        let whole = outcome(&run);
        for (schedulers, chaos) in [(2, 0.0), (4, 0.0), (1, 0.1), (3, 0.1)] {
            let again = outcome(run.schedulers(schedulers).chaos(chaos));
            let name = again.series.names.join(", ");
            assert_eq!(again.state_root, whole.state_root, "{name}: {schedulers}, {chaos}");
            assert_eq!(again.series, whole.series, "{schedulers}, {chaos}");
            assert_eq!(again.space, whole.space, "{name}: {schedulers}, {chaos}");
            assert_eq!(again.counts.crashes > 0, chaos > 0.0);
        }
    }
}

#[test]
fn a_model_goes_on_from_any_of_its_snapshots() {
    sir::Parameters { people: 60, cases: 3, ..Default::default() }
        .build(3)
        .test_snapshots()
        .unwrap();
    schelling::Parameters { side: 8, agents: 40, steps: 6, ..Default::default() }
        .build(3)
        .test_snapshots()
        .unwrap();
    wolf_sheep::Parameters { side: 8, sheep: 12, wolves: 6, steps: 4, ..Default::default() }
        .build(3)
        .test_snapshots()
        .unwrap();
}

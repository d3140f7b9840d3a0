//! How long a stop takes, and what the guardian costs: `cargo test --release -p karyon-cli --test
//! guardian -- --ignored speed --nocapture`. Nothing is asserted about time.

use std::time::{Duration, Instant};

use crate::matrix::stopped;
use crate::place::{Place, Run, Who, users};
use crate::stops::Stop;

/// How often each is measured; `KARYON_REPEATS` says otherwise, and `KARYON_AS` (`Root`, `User`)
/// measures for one alone.
const REPEATS: usize = 50;

/// 10,000 agents on two schedulers, and 200 descendants, half of which spin. The agents work so
/// much that the log grows slowly: a process that waits for a disk dies when the disk answers.
const LOADED: &str = "busy,work=20000,fork=200";

fn measured() -> impl Iterator<Item = Who> {
    let only = std::env::var("KARYON_AS").ok();
    let is_asked = move |who: &Who| only.as_ref().is_none_or(|only| *only == format!("{who:?}"));
    users().into_iter().filter(is_asked)
}

fn repeats() -> usize {
    std::env::var("KARYON_REPEATS").ok().and_then(|text| text.parse().ok()).unwrap_or(REPEATS)
}

/// While it lives this thread is served before all others, so that what is measured is how soon
/// the guardian acts, and not how soon whoever stops it does.
struct First(String);

impl First {
    fn new() -> First {
        let first = First(rustix::thread::gettid().as_raw_nonzero().to_string());
        if !chrt(&["--fifo", "--pid", "5", &first.0]) {
            println!("(not served first: `chrt` failed, which needs root)");
        }
        first
    }
}

impl Drop for First {
    fn drop(&mut self) {
        chrt(&["--other", "--pid", "0", &self.0]);
    }
}

fn chrt(arguments: &[&str]) -> bool {
    std::process::Command::new("chrt").args(arguments).status().is_ok_and(|ended| ended.success())
}

#[test]
#[ignore = "half an hour; prints figures"]
fn speed() {
    println!("| stop | as | median | worst |\n| --- | --- | ---: | ---: |");
    for who in measured() {
        for (stop, modes, expected) in [
            (Stop::File, LOADED, ("exit 4", "halted")),
            (Stop::GuardianKilled, LOADED, ("signal 9", "running")),
            (Stop::GuardianFrozen, LOADED, ("exit 4", "halted")),
            (Stop::RuntimeFrozen, LOADED, ("exit 4", "halted")),
            (Stop::Term, "idle", ("exit 143", "clear")),
        ] {
            let mut times = Vec::new();
            for _ in 0..repeats() {
                let place = Place::new(who);
                let run = place.start_ready(modes);
                let _first = First::new();
                times.push(stopped(run, stop, expected).unwrap());
            }
            times.sort_unstable();
            let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
            let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1_000.0);
            println!("| {stop:?}, {modes} | {who:?} | {} | {} |", ms(median), ms(worst));
        }
    }
}

/// Processor time of a process, in the system's clock ticks, and its resident memory, KiB.
fn used(number: u32) -> (u64, String) {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = [11, 12].map(|field| fields[field].parse::<u64>().unwrap()).iter().sum();
    let status = std::fs::read_to_string(format!("/proc/{number}/status")).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let anonymous = status.lines().find(|line| line.starts_with("RssAnon")).unwrap();
    (ticks, format!("{resident}, {anonymous}").replace('\t', " "))
}

#[test]
#[ignore = "a minute; prints figures"]
fn cost() {
    const SPAN: Duration = Duration::from_secs(20);
    for who in measured() {
        for modes in [LOADED, "idle"] {
            let place = Place::new(who);
            let run = place.start_ready(modes);
            let numbers = [("guardian", run.number()), ("init", run.tree().init_number())];
            let before = numbers.map(|(_, number)| used(number).0);
            let begun = Instant::now();
            std::thread::sleep(SPAN);
            let seconds = begun.elapsed().as_secs_f64();
            for ((name, number), before) in numbers.into_iter().zip(before) {
                let (ticks, memory) = used(number);
                let share = (ticks - before) as f64
                    / rustix::param::clock_ticks_per_second() as f64
                    / seconds;
                println!("{who:?} {modes}: {name}: {:.2} % of a core, {memory}", share * 100.0);
            }
        }
    }
}

/// Ticks in a second, as the program says at its end.
fn rate(place: &Place, run: Run<'_>) -> f64 {
    run.end().unwrap();
    let said = place.said();
    let words: Vec<&str> = said.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "ticks").unwrap();
    let number = |at: usize| words[at].parse::<f64>().unwrap();
    number(at - 1) / number(at + 2) * 1_000.0
}

#[test]
#[ignore = "a minute; prints figures"]
fn throughput() {
    const MODES: &str = "busy,work=0,ticks=1000";
    const AGENTS: f64 = 10_000.0;
    let mut rates = [Vec::new(), Vec::new()];
    // In turns, so that whatever else the machine does is felt by both.
    for _ in 0..10 {
        for (guarded, rates) in rates.iter_mut().enumerate() {
            let place = Place::new(users()[0]);
            let run = if guarded == 1 { place.start(MODES) } else { place.start_unguarded(MODES) };
            rates.push(rate(&place, run) * AGENTS / 1e6);
        }
    }
    for (name, rates) in ["without guardian", "with guardian"].iter().zip(&mut rates) {
        rates.sort_unstable_by(f64::total_cmp);
        println!("{name}: {rates:.2?} million messages/s, median {:.2}", rates[rates.len() / 2]);
    }
}

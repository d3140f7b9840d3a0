//! A memory that follows the log more slowly than it is written, or not at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use karyon_runtime::{Asked, Ending, Prefix, Progress, Recaller, RunError, Schedule};

use crate::repeating::log_of;
use crate::support::*;
use Order::{Add, Remember, Send};

/// What a memory was told.
#[derive(Default)]
struct Told {
    /// In which ticks somebody remembered for the first time.
    remembers: Vec<u64>,
    asked: u64,
}

/// Does not keep up for so many looks, whenever it is asked for the `every`-th time.
struct Slow {
    every: u64,
    looks: u64,
    left: u64,
    progress: Arc<Progress>,
    told: Arc<Mutex<Told>>,
}

impl Recaller for Slow {
    fn answer(&mut self, _: Prefix, _: &Asked<'_>) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn remembers(&mut self) {
        let tick = self.progress.tick.load(Ordering::Relaxed);
        self.told.lock().unwrap().remembers.push(tick);
    }

    fn keeps_up(&mut self) -> Result<bool, String> {
        let mut told = self.told.lock().unwrap();
        told.asked += 1;
        if self.left == 0 && told.asked.is_multiple_of(self.every) {
            self.left = self.looks + 1;
        }
        self.left = self.left.saturating_sub(1);
        Ok(self.left == 0)
    }
}

/// Does not follow from the `from`-th time on that it is asked.
struct Torn(u64);

impl Recaller for Torn {
    fn answer(&mut self, _: Prefix, _: &Asked<'_>) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn keeps_up(&mut self) -> Result<bool, String> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { Err("it is torn".into()) } else { Ok(true) }
    }
}

fn script() -> Script {
    let remember = || Remember("word".into());
    Script::new((0..12).map(|tick| {
        let orders = match tick {
            5 | 8 => vec![Add(tick), remember(), Send(2, vec![Add(1)])],
            _ => vec![Add(tick), Send(3, vec![Send(4, vec![Add(2)])])],
        };
        (tick, 1 + tick % 4, orders)
    }))
}

fn stage(schedule: Schedule) -> Stage {
    Stage { schedule, virtual_time: true, ..Stage::default() }
}

#[test]
fn a_run_waits_for_its_memory_and_does_the_same() {
    for schedule in [Schedule::default(), Schedule::sequential_random(3), Schedule::free()] {
        // A free-running run does the same again only with one.
        let schedulers = if schedule == Schedule::free() { 1 } else { 2 };
        let stage = Stage { schedulers, ..stage(schedule) };
        let (alone, whole) = stage.complete::<0, 0>(&script());
        let (progress, told) = (Arc::<Progress>::default(), Arc::<Mutex<Told>>::default());
        let (theirs, heard) = (Arc::clone(&progress), Arc::clone(&told));
        let make = move || -> Box<dyn Recaller> {
            let (progress, told) = (Arc::clone(&theirs), Arc::clone(&heard));
            Box::new(Slow { every: 3, looks: 2, left: 0, progress, told })
        };
        let slow = Stage { recaller: Some(Arc::new(make)), progress, ..stage.clone() };
        let (outcome, records) = slow.complete::<0, 0>(&script());
        assert_eq!((outcome.ticks, outcome.counts), (alone.ticks, alone.counts), "{schedule}");
        assert_eq!(records, whole, "{schedule}");
        let told = told.lock().unwrap();
        assert_eq!(told.remembers.len(), 1, "{schedule}: told once");
        if schedule == Schedule::default() {
            assert_eq!(told.remembers, [5]);
        }
        assert!(told.asked > outcome.counts.steps / 4, "{schedule}: asked {} times", told.asked);
    }
}

#[test]
fn while_it_waits_a_signal_ends_the_run() {
    for schedule in [Schedule::default(), Schedule::free()] {
        let stage = stage(schedule);
        let (signal, asked) = (Arc::clone(&stage.interrupt), Arc::new(AtomicU64::new(0)));
        struct Never(Arc<std::sync::atomic::AtomicUsize>, Arc<AtomicU64>);
        impl Recaller for Never {
            fn answer(&mut self, _: Prefix, _: &Asked<'_>) -> Result<Vec<u8>, String> {
                Ok(Vec::new())
            }

            fn keeps_up(&mut self) -> Result<bool, String> {
                if self.1.fetch_add(1, Ordering::SeqCst) == 4 {
                    self.0.store(15, Ordering::SeqCst);
                }
                Ok(false)
            }
        }
        let theirs = Arc::clone(&asked);
        let make = move || -> Box<dyn Recaller> {
            Box::new(Never(Arc::clone(&signal), Arc::clone(&theirs)))
        };
        let stage = Stage { recaller: Some(Arc::new(make)), ..stage };
        let disk = Disk::default();
        let (outcome, _) = stage.play::<0, 0>(&script(), recorder(&disk));
        let outcome = outcome.unwrap();
        assert_eq!(outcome.ending, Ending::Interrupted { signal: 15 }, "{schedule}");
        assert_eq!(outcome.counts.steps, 0, "{schedule}: nothing ran meanwhile");
        assert!(asked.load(Ordering::SeqCst) >= 5);
    }
}

#[test]
fn one_that_follows_no_more_ends_the_run_and_says_so() {
    for schedule in [Schedule::default(), Schedule::free()] {
        let make = || -> Box<dyn Recaller> { Box::new(Torn(4)) };
        let stage = Stage { recaller: Some(Arc::new(make)), ..stage(schedule) };
        let (outcome, _) = stage.play::<0, 0>(&script(), recorder(&Disk::default()));
        match outcome.err() {
            Some(RunError::Memory { why, .. }) => assert_eq!(why, "it is torn"),
            other => panic!("{schedule}: {other:?}"),
        }
    }
}

#[test]
fn what_is_repeated_waits_for_nothing() {
    let (_, whole) = stage(Schedule::default()).complete::<0, 0>(&script());
    let disk = log_of(&whole, 9);
    // All of it is there, and the last look comes before the end.
    let make = || -> Box<dyn Recaller> { Box::new(Torn(1)) };
    let stage = Stage { recaller: Some(Arc::new(make)), ..stage(Schedule::default()) };
    let (outcome, _) = stage.play::<0, 0>(&script(), resuming(&disk));
    match outcome {
        Ok(outcome) => assert!(outcome.ticks > 11),
        Err(RunError::Memory { tick, .. }) => panic!("it was asked in front of {tick}"),
        Err(other) => panic!("{other}"),
    }
}

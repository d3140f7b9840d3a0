//! Doing it: warm-up runs, then samples, one workload after the other.

use std::fs;
use std::path::Path;

use crate::error::{BenchError, Failed};
use crate::flags::Flags;
use crate::level::Level;
use crate::report::Measured;
use crate::workload::{Scale, Setting, Workload};

/// Told how many runs are done, and which workload is under way; whether it is to go on.
pub type Told<'a> = &'a mut dyn FnMut(u64, &str) -> bool;

/// Measures all that the flags ask for, in folders below `place`, which are removed.
///
/// # Errors
/// [`BenchError`]; the folder of a run that failed is removed, too.
pub fn measure(
    flags: &Flags,
    threads: u64,
    scale: Scale,
    place: &Path,
    told: Told<'_>,
) -> Result<Vec<Measured>, BenchError> {
    let mut results = Vec::new();
    let mut done = 0;
    for (workload, level) in flags.rows()? {
        let folder = place.join("row");
        let row = Row { workload, level, flags, threads, scale, folder: &folder };
        make(&folder)?;
        let measured = row.measure(&mut done, told);
        remove(&folder)?;
        results.push(measured?);
    }
    Ok(results)
}

/// How many runs the flags ask for, those to warm up among them.
///
/// # Errors
/// As [`Flags::rows`].
pub fn runs(flags: &Flags) -> Result<u64, BenchError> {
    Ok(flags.rows()?.len() as u64 * (flags.warm_up + flags.repeat))
}

/// A workload at a level.
struct Row<'a> {
    workload: &'static Workload,
    level: Level,
    flags: &'a Flags,
    threads: u64,
    scale: Scale,
    folder: &'a Path,
}

impl Row<'_> {
    fn measure(&self, done: &mut u64, told: Told<'_>) -> Result<Measured, BenchError> {
        let Row { workload, level, flags, threads, scale, folder } = *self;
        let kept = folder.join("kept");
        make(&kept)?;
        let (seed, place) = (flags.seed, kept.as_path());
        let setting = Setting { level, threads: threads as usize, seed, scale, place };
        if !told(*done, workload.name) {
            return Err(BenchError::Interrupted);
        }
        let mut trial = (workload.prepare)(&setting).map_err(|error| self.failed(error))?;
        let mut times_ns = Vec::new();
        let mut work = None;
        for _ in 0..flags.warm_up + flags.repeat {
            let once = folder.join("once");
            make(&once)?;
            let sample = trial(&once);
            // Also where it failed: nobody asks for it later.
            remove(&once)?;
            let sample = sample.map_err(|error| self.failed(error))?;
            let before = *work.get_or_insert(sample.work);
            if before != sample.work {
                let (unit, workload, now) = (workload.unit, workload.name, sample.work);
                return Err(BenchError::Uneven { workload, level, unit, before, now });
            }
            // A clock that stands still would divide by nothing.
            times_ns.push((sample.took.as_nanos() as u64).max(1));
            *done += 1;
            if !told(*done, workload.name) {
                return Err(BenchError::Interrupted);
            }
        }
        let samples_ns = times_ns.split_off(flags.warm_up as usize);
        let work = work.unwrap_or_default();
        let size = workload.size(scale);
        Ok(Measured::new(workload, level, (size, threads, seed), work, times_ns, samples_ns))
    }

    fn failed(&self, error: Failed) -> BenchError {
        let source = Box::new(error);
        BenchError::Run { workload: self.workload.name, level: self.level, source }
    }
}

fn make(folder: &Path) -> Result<(), BenchError> {
    fs::create_dir(folder).map_err(|source| BenchError::Io { path: folder.into(), source })
}

fn remove(folder: &Path) -> Result<(), BenchError> {
    fs::remove_dir_all(folder).map_err(|source| BenchError::Io { path: folder.into(), source })
}

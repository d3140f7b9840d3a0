//! The clerk: writes, and looks at disk and processes, so that the guardian waits for neither.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use karyon_safety::{Limits, replace_file, resumes_recorded};
use rustix::net::{SendFlags, send};

use crate::frame::FromGuardian;
use crate::held;
use crate::outside::{Contract, Processes, disk};
use crate::record::{Halt, Record};

/// Pieces of work that wait: a runtime waits for the answer to each of its events, so more only
/// comes from one that floods.
const QUEUE: usize = 1_024;

/// What is to be done, in this order.
pub(crate) enum Work {
    /// Answer the runtime's event with this number; before that, keep the counts if there are any.
    Answer(u64, Option<String>),
    /// Keep the counts if there are new ones, and look at the processes, the disk and what nobody
    /// may change.
    Look(Option<String>),
    /// Keep a checkpoint: log and note.
    Checkpoint(String, String),
    /// The reasons of resumes up to this number are in the log.
    Recorded(u64),
    /// Say who guards.
    Held(String),
}

/// The guardian's side.
pub(crate) struct Clerk {
    work: SyncSender<Work>,
    failures: Receiver<Halt>,
    cpu_s: Arc<AtomicU64>,
    thread: JoinHandle<Record>,
}

impl Clerk {
    /// Begins. `link` is where answers go, `init` the first of the processes to look at.
    pub(crate) fn begin(
        record: Record,
        contract: Contract,
        limits: Limits,
        link: OwnedFd,
        init: i32,
    ) -> io::Result<Clerk> {
        let (work, todo) = mpsc::sync_channel(QUEUE);
        let (failed, failures) = mpsc::channel();
        let cpu_s = Arc::new(AtomicU64::new(0));
        let processes = Processes::below(init);
        let (logs, used) = (BTreeSet::new(), Arc::clone(&cpu_s));
        let mut clerk = Desk { record, contract, limits, link, processes, cpu_s: used, logs };
        let thread = std::thread::Builder::new().name("clerk".into()).spawn(move || {
            for work in todo {
                // Whoever listened is ending everything already.
                if let Err(halt) = clerk.perform(work) {
                    drop(failed.send(halt));
                }
            }
            clerk.record
        })?;
        Ok(Clerk { work, failures, cpu_s, thread })
    }

    /// Never waits.
    pub(crate) fn ask(&self, work: Work) -> Result<(), Halt> {
        let asked = self.work.try_send(work);
        asked.map_err(|_| Halt::breach("the runtime says more than can be written down"))
    }

    /// What went wrong meanwhile.
    pub(crate) fn failure(&self) -> Result<(), Halt> {
        self.failures.try_recv().map_or(Ok(()), Err)
    }

    /// Processor time that was found used since this was last asked, s.
    pub(crate) fn take_cpu_s(&self) -> u64 {
        self.cpu_s.swap(0, Ordering::Relaxed)
    }

    /// Waits until all is written: nothing lives any more that it could keep from dying.
    pub(crate) fn end(self) -> Result<Record, String> {
        drop(self.work);
        self.thread.join().map_err(|_| "the guardian's clerk died".into())
    }
}

struct Desk {
    record: Record,
    contract: Contract,
    limits: Limits,
    link: OwnedFd,
    processes: Processes,
    cpu_s: Arc<AtomicU64>,
    /// Those of which a checkpoint is kept.
    logs: BTreeSet<String>,
}

impl Desk {
    fn perform(&mut self, work: Work) -> Result<(), Halt> {
        match work {
            Work::Answer(number, counts) => {
                self.keep(counts)?;
                // One that is gone needs no answer.
                let done = FromGuardian::Done(number).encode();
                let _ = send(&self.link, done.as_bytes(), SendFlags::NOSIGNAL);
                Ok(())
            }
            Work::Look(counts) => {
                self.keep(counts)?;
                let used = self.processes.look();
                self.cpu_s.fetch_add(used.cpu_s, Ordering::Relaxed);
                used.check(&self.limits).map_err(Halt::safety)?;
                disk(&self.record.data, &self.limits).map_err(Halt::safety)?;
                match self.contract.broken() {
                    None => Ok(()),
                    Some(path) => Err(Halt::breach(format!("{} was changed", path.display()))),
                }
            }
            Work::Checkpoint(log, note) => {
                self.logs.insert(log.clone());
                if self.logs.len() > 1 {
                    return Err(Halt::breach("the runtime writes more than one log"));
                }
                self.record.checkpoint(&log, &note).map_err(Halt::breach)
            }
            Work::Recorded(n) => resumes_recorded(&self.record.place, n).map_err(Halt::internal),
            Work::Held(held) => {
                let file = held::file(&self.record.place);
                replace_file(&file, held.as_bytes(), 0o644).map_err(Halt::internal)
            }
        }
    }

    /// So that the counts survive whatever comes.
    fn keep(&mut self, counts: Option<String>) -> Result<(), Halt> {
        let Some(counts) = counts else { return Ok(()) };
        self.record.entry.windows = counts;
        self.record.entry.store().map_err(Halt::internal)
    }
}

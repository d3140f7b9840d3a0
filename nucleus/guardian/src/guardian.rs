//! The guardian's life: watches, ends, and writes down how it ended.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use karyon_safety::{EventKind, Limits, StopWatch};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::time::Timespec;

use crate::clerk::{Clerk, Work};
use crate::frame::{End, FromGuardian, FromRuntime, MAX_FRAME_BYTES, PROTOCOL, Terms};
use crate::held::Held;
use crate::outside::Processes;
use crate::record::{Halt, note, unix_s, words};
use crate::start::{Refusal, Started, failed, halted};
use crate::watch::{Tripped, Watches};
use crate::{init, system};

/// The exit code of what was halted, or may not start.
pub(crate) const HALTED: u8 = 4;
/// The exit code of any other failure.
pub(crate) const FAILED: u8 = 1;
/// How long a runtime has to say its first word.
pub(crate) const FIRST_WORD: Duration = Duration::from_secs(10);
/// How long the kernel has to bury the processes of a namespace.
const PROOF: Duration = Duration::from_secs(10);
/// How often processes, disk and files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A link that was closed is always ready: whoever looks must not keep the processor from the
/// dying.
const CLOSED: Duration = Duration::from_millis(5);

/// How it ended.
pub(crate) enum Ended {
    /// The runtime ended: its exit code, in words and as a number.
    Alone(String, u8),
    /// Everything was ended.
    Halted(Halt),
}

/// A start under way.
pub(crate) struct Guardian {
    pub(crate) data: PathBuf,
    /// Taken when everything is dead.
    pub(crate) clerk: Option<Clerk>,
    pub(crate) limits: Limits,
    pub(crate) watches: Watches,
    pub(crate) stop: StopWatch,
    pub(crate) mechanisms: Vec<(&'static str, bool)>,
    pub(crate) requests: File,
    pub(crate) started: Started,
    /// When the runtime was last heard; none: it did not speak yet.
    pub(crate) spoken: Option<Instant>,
    pub(crate) begun: bool,
    pub(crate) said: Option<End>,
    pub(crate) crashes: u64,
    /// The ticks of the runtime, and since when they stand still while agents run.
    pub(crate) ticked: (u64, Instant),
    /// What each beat says: once a signal came, that signal. A runtime that does not listen for
    /// it yet is so told again.
    pub(crate) asked: u8,
    /// Until when it has to end in good order.
    pub(crate) deadline: Option<Instant>,
}

impl Guardian {
    /// Until the end.
    pub(crate) fn watch(&mut self) -> Ended {
        let begun = Instant::now();
        let every = Duration::from_millis(self.limits.heartbeat_ms);
        let pause = Timespec::try_from(every / 4).unwrap_or_default();
        let (mut beaten, mut looked) = (None::<Instant>, begun);
        let mut processes = Processes::default();
        // A silence is counted in looks too: a machine that stood still is no silence.
        let mut silent_looks = 0;
        loop {
            if beaten.is_none_or(|at| at.elapsed() >= every) {
                beaten = Some(Instant::now());
                self.beat();
                silent_looks += 1;
            }
            let mut outcome = self.turn(&pause, &mut silent_looks);
            if matches!(outcome, Ok(None)) {
                outcome = self.overdue(begun, silent_looks).map(|()| None);
            }
            if matches!(outcome, Ok(None)) && looked.elapsed() >= LOOK {
                looked = Instant::now();
                outcome = self.look(&mut processes).map(|()| None);
            }
            match outcome {
                Ok(None) => {}
                Ok(Some(ended)) => return ended,
                Err(halt) => {
                    self.kill();
                    return Ended::Halted(halt);
                }
            }
        }
    }

    /// What the processes use, and what the clerk finds on the disk.
    fn look(&mut self, processes: &mut Processes) -> Result<(), Halt> {
        let used = processes.look(self.started.number);
        self.watches
            .add(&self.limits, "cpu_s_per_day", unix_s(), used.cpu_s, "")
            .and_then(|()| used.check(&self.limits))
            .map_err(resources)?;
        self.ask(Work::Look(self.watches.encode()))
    }

    fn ask(&self, work: Work) -> Result<(), Halt> {
        self.clerk.as_ref().map_or(Ok(()), |clerk| clerk.ask(work))
    }

    /// Waits for whatever comes first, and deals with all that came.
    fn turn(&mut self, pause: &Timespec, silent_looks: &mut u64) -> Result<Option<Ended>, Halt> {
        let mut waited = [
            PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN),
            PollFd::new(&self.started.link, PollFlags::IN),
            PollFd::new(&self.requests, PollFlags::IN),
            PollFd::new(&self.started.handle, PollFlags::IN),
        ];
        match poll(&mut waited, Some(pause)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(internal(format!("poll: {errno}"))),
        }
        let [_, link, requests, ended] = waited.map(|one| !one.revents().is_empty());
        if let Some(which) = self.stop.check() {
            return Err(Halt::new(EventKind::ManualStop, format!("{which} was found")));
        }
        if requests {
            return Err(Halt::new(EventKind::ManualStop, self.requested()));
        }
        self.clerk.as_ref().map_or(Ok(()), Clerk::failure)?;
        self.signals()?;
        if link && self.hear()? {
            *silent_looks = 0;
        }
        if ended { Ok(Some(self.ended())) } else { Ok(None) }
    }

    /// One that finds no room, or nobody, is not missed: the end of both is seen elsewhere.
    fn beat(&mut self) {
        match self.started.life.write_all(&[self.asked]) {
            Ok(()) | Err(_) => {}
        }
        if self.spoken.is_some() {
            self.say(&FromGuardian::Beat);
        }
    }

    fn say(&self, said: &FromGuardian) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match send(&self.started.link, said.encode().as_bytes(), flags) {
            Ok(_) | Err(_) => {}
        }
    }

    fn signals(&mut self) -> Result<(), Halt> {
        if system::came(Signal::QUIT) {
            return Err(Halt::new(EventKind::ManualStop, "SIGQUIT"));
        }
        for (signal, word) in [
            (Signal::TERM, init::TERMINATE),
            (Signal::HUP, init::TERMINATE),
            (Signal::INT, init::INTERRUPT),
        ] {
            if system::came(signal) {
                self.asked = word;
                let grace = Duration::from_millis(self.limits.term_grace_ms);
                self.deadline.get_or_insert(Instant::now() + grace);
            }
        }
        Ok(())
    }

    /// Reads what the runtime said. True: it did speak.
    fn hear(&mut self) -> Result<bool, Halt> {
        let mut spoke = false;
        loop {
            let mut packet = [0; MAX_FRAME_BYTES];
            let length = match recv(&self.started.link, &mut packet, RecvFlags::DONTWAIT) {
                // Its end is told by the first process, or by its silence.
                Ok((0, _)) => {
                    std::thread::sleep(CLOSED);
                    return Ok(spoke);
                }
                Err(_) => return Ok(spoke),
                Ok((length, _)) => length,
            };
            let said = packet.get(..length).and_then(FromRuntime::decode);
            let said = said.ok_or_else(|| breach("the runtime said what no runtime says"))?;
            spoke = true;
            self.spoken = Some(Instant::now());
            self.obey(said)?;
        }
    }

    fn obey(&mut self, said: FromRuntime) -> Result<(), Halt> {
        match said {
            FromRuntime::Hello(protocol, version) => {
                let own = env!("CARGO_PKG_VERSION");
                if protocol != PROTOCOL || version != own {
                    let reason =
                        format!("the runtime is of version {version}, the guardian of {own}");
                    return Err(Halt::new(EventKind::SafetyHalt, reason));
                }
                self.note_absent();
                let held = self.held();
                if let Some(held) = Held::of(self.started.number, held.clone()) {
                    self.ask(Work::Held(held))?;
                }
                self.say(&FromGuardian::Terms(Terms {
                    limits: self.limits.digest,
                    heartbeat_ms: self.limits.heartbeat_ms,
                    heartbeat_limit_ms: self.limits.heartbeat_limit_ms,
                    held,
                }));
            }
            FromRuntime::Begin(_) => self.begun = true,
            FromRuntime::Beat(stepping, ticks, crashes) => {
                let new = crashes.saturating_sub(self.crashes);
                self.crashes = crashes;
                let limit = "crashes_per_minute";
                self.watches.add(&self.limits, limit, unix_s(), new, "").map_err(runaway)?;
                if !stepping || ticks != self.ticked.0 {
                    self.ticked = (ticks, Instant::now());
                }
            }
            FromRuntime::Event(number, event, lease, text) => {
                let limits = &self.limits;
                let counted = self.watches.report(limits, event, lease, &text, unix_s());
                let kept = counted.map_err(runaway)?.then(|| self.watches.encode());
                self.ask(Work::Answer(number, kept))?;
            }
            FromRuntime::Checkpoint(log, note) => {
                self.ask(Work::Checkpoint(log, note))?;
            }
            FromRuntime::ResumesRecorded(n) => {
                self.ask(Work::Recorded(n))?;
            }
            FromRuntime::End(number, end) => {
                self.said = Some(end);
                self.ask(Work::Answer(number, None))?;
            }
        }
        Ok(())
    }

    /// What did not come in its time.
    fn overdue(&self, begun: Instant, silent_looks: u64) -> Result<(), Halt> {
        let halt = |reason: String| Err(Halt::new(EventKind::SafetyHalt, reason));
        let limit = Duration::from_millis(self.limits.heartbeat_limit_ms);
        match self.spoken {
            None if begun.elapsed() > FIRST_WORD => {
                return halt("the runtime did not say a first word".into());
            }
            Some(at)
                if at.elapsed() > limit
                    && silent_looks * self.limits.heartbeat_ms > self.limits.heartbeat_limit_ms =>
            {
                return halt(format!(
                    "heartbeat: the runtime was silent for {} ms",
                    limit.as_millis()
                ));
            }
            None | Some(_) => {}
        }
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let ms = self.limits.term_grace_ms;
            return halt(format!("the runtime did not end in good order within {ms} ms"));
        }
        let (stalled, allowed) = (self.ticked.1.elapsed(), self.limits.stalled_step_s);
        if stalled > Duration::from_secs(allowed) {
            return Err(runaway(Tripped {
                limit: "stalled_step_s",
                allowed,
                found: stalled.as_secs(),
                about: "a step does not end".into(),
            }));
        }
        Ok(())
    }

    /// The words of whoever asked for a halt.
    fn requested(&mut self) -> String {
        let mut asked = [0; 1_024];
        let length = self.requests.read(&mut asked).unwrap_or(0);
        let words = String::from_utf8_lossy(asked.get(..length).unwrap_or_default()).into_owned();
        format!("halted by a person: {}", words.trim().lines().next().unwrap_or("no reason"))
    }

    /// Ends everything below. Allocates, forks and opens nothing.
    fn kill(&self) {
        match pidfd_send_signal(&self.started.handle, Signal::KILL) {
            Ok(()) | Err(_) => {}
        }
    }

    /// What could not be had is absent.
    fn note_absent(&mut self) {
        self.started.read_reports();
        for line in self.started.reported.lines() {
            let name = line.strip_prefix("absent ").and_then(|absent| absent.split(' ').next());
            let lost = self.mechanisms.iter_mut().filter(|(known, _)| Some(*known) == name);
            lost.for_each(|(_, armed)| *armed = false);
        }
    }

    fn is_armed(&self, mechanism: &str) -> bool {
        self.mechanisms.iter().any(|(name, armed)| *name == mechanism && *armed)
    }

    fn held(&self) -> String {
        let word = |(name, armed): &(&str, bool)| {
            format!("{name}={}", if *armed { "armed" } else { "absent" })
        };
        self.mechanisms.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    /// The first process ended: what it said last.
    fn ended(&mut self) -> Ended {
        self.started.read_reports();
        let said = |word: &str| self.started.said(word);
        if let Some(why) = said("failed ") {
            return Ended::Alone(format!("it could not be started: {why}"), FAILED);
        }
        let number = |text: &str| text.parse::<u8>().unwrap_or(FAILED);
        if let Some(code) = said("ended code ") {
            return Ended::Alone(format!("it ended with code {code}"), number(code));
        }
        if let Some(signal) = said("ended signal ") {
            let words = format!("it was ended by signal {signal}");
            return Ended::Alone(words, number(signal).saturating_add(128));
        }
        let reason = match said("silence") {
            Some(_) => "heartbeat: the guardian was too slow for the first process",
            None => "the first process of the namespace was ended by somebody else",
        };
        Ended::Halted(Halt::new(EventKind::SafetyHalt, reason))
    }

    /// Whether nobody below lives any more.
    fn is_proved_dead(&self) -> bool {
        let begun = Instant::now();
        let pause = Timespec::try_from(Duration::from_millis(10)).unwrap_or_default();
        let in_namespace = self.is_armed("pid_namespace");
        while begun.elapsed() < PROOF {
            let ready = poll(&mut [PollFd::new(&self.started.handle, PollFlags::IN)], Some(&pause));
            if ready == Ok(1) && (in_namespace || crate::confine::bury_orphans()) {
                return true;
            }
        }
        false
    }

    /// Writes down how it ended; the exit code.
    pub(crate) fn finish(&mut self, ended: Ended) -> Result<u8, Refusal> {
        let dead = self.is_proved_dead();
        self.started.read_reports();
        let clerk = self.clerk.take().ok_or_else(|| failed("the guardian ended twice"))?;
        let mut record = clerk.end().map_err(failed)?;
        record.entry.windows = self.watches.encode();
        let (halt, code) = match ended {
            Ended::Halted(halt) => (Some(halt), HALTED),
            Ended::Alone(how, code) => match (&self.said, self.begun) {
                (Some(End::Clean), _) | (None, false) if dead => (None, code),
                (Some(End::Halted(why)), _) => {
                    (Some(Halt::new(EventKind::SafetyHalt, why.clone())), code)
                }
                (Some(End::Clean) | None, _) => {
                    let reason = format!("the runtime ended without a last word: {how}");
                    (Some(Halt::new(EventKind::SafetyHalt, reason)), code)
                }
            },
        };
        let removed = Held::remove(record.place.path())
            .and_then(|()| crate::start::remove_requests(record.place.path()).map_err(words));
        let Some(mut halt) = halt else {
            removed.map_err(failed)?;
            record.clear().map_err(failed)?;
            self.tell_start();
            return Ok(code);
        };
        if !dead {
            halt.reason.push_str(" (not proved dead: something below still lives)");
        }
        let governance = match (halt.breached, self.is_armed("pid_namespace")) {
            (true, _) => "breached",
            (false, true) => "enforced",
            (false, false) => "degraded",
        };
        let written = record.halt(&halt, governance, &self.limits);
        written.map_err(|why| {
            let reason = &halt.reason;
            halted(&self.data, format!("halted: {reason}; and that cannot be written down: {why}"))
        })?;
        match code {
            HALTED if self.said.is_none() => {
                Err(halted(&self.data, format!("halted: {}", halt.reason)))
            }
            code => Ok(code),
        }
    }

    /// What kept the runtime from starting, for a person.
    fn tell_start(&self) {
        if let Some(why) = self.started.said("failed ") {
            note(&format!("error: the runtime could not be started: {why}"));
        }
    }
}

fn runaway(tripped: Tripped) -> Halt {
    Halt::new(EventKind::RunawayDetected, tripped.to_string())
}

pub(crate) fn resources(tripped: Tripped) -> Halt {
    Halt::new(EventKind::SafetyHalt, tripped.to_string())
}

pub(crate) fn breach(reason: &str) -> Halt {
    Halt { breached: true, ..Halt::new(EventKind::SafetyHalt, reason) }
}

/// The guardian itself cannot go on: then nothing goes on.
pub(crate) fn internal(error: impl std::fmt::Display) -> Halt {
    Halt::new(EventKind::SafetyHalt, format!("the guardian: {}", words(error)))
}

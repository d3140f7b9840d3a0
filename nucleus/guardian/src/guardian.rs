//! The guardian's life: watches, ends, and writes down how it ended.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use karyon_safety::{Limits, StopWatch};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::time::Timespec;

use crate::clerk::{Clerk, Work};
use crate::confine::bury_orphans;
use crate::frame::{End, FromGuardian, FromRuntime, MAX_FRAME_BYTES, PROTOCOL, Terms};
use crate::record::{Halt, note, unix_s};
use crate::silence::Silence;
use crate::start::{Refusal, Started, failed, halted};
use crate::watch::{Watches, within};
use crate::{held, init, system};

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
/// How many words are read in one turn: a flood of them keeps no stop waiting.
const WORDS: usize = 64;
/// A link that was closed, or is full of words, is always ready: whoever looks must not keep the
/// processor from the dying.
const BUSY: Duration = Duration::from_millis(5);

/// How the runtime ended by itself: in words, and its exit code.
type Ended = (String, u8);

/// A start under way.
pub(crate) struct Guardian {
    pub(crate) clerk: Clerk,
    pub(crate) limits: Limits,
    pub(crate) watches: Watches,
    pub(crate) stop: StopWatch,
    pub(crate) mechanisms: Vec<(&'static str, bool)>,
    pub(crate) requests: File,
    pub(crate) started: Started,
    pub(crate) known: Known,
}

/// What is known of a runtime so far.
pub(crate) struct Known {
    since: Instant,
    /// When the last heartbeat went out, and when its processes were last looked at.
    beaten: Option<Instant>,
    looked: Instant,
    /// Whether it has said its first word.
    spoken: bool,
    silence: Silence,
    begun: bool,
    said: Option<End>,
    crashes: u64,
    /// Its ticks, and since when they stand still while agents run.
    ticked: (u64, Instant),
    /// What each beat says: once a signal came, that signal. A runtime that does not listen for
    /// it yet is so told again.
    asked: u8,
    /// Until when it has to end in good order.
    deadline: Option<Instant>,
}

impl Known {
    /// Of a runtime that may be silent for so long.
    pub(crate) fn nothing(limits: &Limits) -> Known {
        let since = Instant::now();
        Known {
            since,
            beaten: None,
            looked: since,
            spoken: false,
            silence: Silence::new(Duration::from_millis(limits.heartbeat_limit_ms)),
            begun: false,
            said: None,
            crashes: 0,
            ticked: (0, since),
            asked: init::BEAT,
            deadline: None,
        }
    }
}

impl Guardian {
    /// Until the end, which a halt brings about.
    pub(crate) fn watch(&mut self) -> Result<Ended, Halt> {
        loop {
            match self.turn() {
                Ok(None) => {}
                Ok(Some(ended)) => return Ok(ended),
                Err(halt) => {
                    // Ends everything below. Allocates, forks and opens nothing.
                    let _ = pidfd_send_signal(&self.started.handle, Signal::KILL);
                    return Err(halt);
                }
            }
        }
    }

    /// Waits for whatever comes first, deals with all that came, and looks for what did not.
    fn turn(&mut self) -> Result<Option<Ended>, Halt> {
        let every = Duration::from_millis(self.limits.heartbeat_ms);
        let since = self.known.beaten.map_or(every, |at| at.elapsed());
        let left = every.checked_sub(since).filter(|left| !left.is_zero());
        if left.is_none() {
            self.beat();
        }
        let mut waited = [
            PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN),
            PollFd::new(&self.started.link, PollFlags::IN),
            PollFd::new(&self.requests, PollFlags::IN),
            PollFd::new(&self.started.handle, PollFlags::IN),
        ];
        let pause = Timespec::try_from(left.unwrap_or(every)).unwrap_or_default();
        match poll(&mut waited, Some(&pause)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Halt::internal(format!("poll: {errno}"))),
        }
        let [_, link, requests, ended] = waited.map(|one| !one.revents().is_empty());
        if let Some(which) = self.stop.check() {
            return Err(Halt::manual(which.to_owned()));
        }
        if requests {
            return Err(Halt::manual(self.requested()));
        }
        self.clerk.failure()?;
        self.signals()?;
        if link {
            self.hear()?;
        }
        if ended {
            return self.ended().map(Some);
        }
        self.overdue()?;
        if self.known.looked.elapsed() >= LOOK {
            self.look()?;
        }
        Ok(None)
    }

    /// Counts what the clerk has found, and lets it look again.
    fn look(&mut self) -> Result<(), Halt> {
        self.known.looked = Instant::now();
        let cpu_s = self.clerk.take_cpu_s();
        let counted = self.watches.add(&self.limits, "cpu_s_per_day", unix_s(), cpu_s, "");
        counted.map_err(Halt::safety)?;
        self.clerk.ask(Work::Look(self.watches.news()))
    }

    fn beat(&mut self) {
        self.known.beaten = Some(Instant::now());
        // A word that finds no room, or nobody, is not missed: the end of both is seen elsewhere.
        let _ = self.started.life.write_all(&[self.known.asked]);
        if self.known.spoken {
            self.say(&FromGuardian::Beat);
        }
    }

    fn say(&self, said: &FromGuardian) {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = send(&self.started.link, said.encode().as_bytes(), flags);
    }

    fn signals(&mut self) -> Result<(), Halt> {
        if system::came(Signal::QUIT) {
            return Err(Halt::manual("SIGQUIT"));
        }
        for (signal, word) in [
            (Signal::TERM, init::TERMINATE),
            (Signal::HUP, init::TERMINATE),
            (Signal::INT, init::INTERRUPT),
        ] {
            if system::came(signal) {
                self.known.asked = word;
                let grace = Duration::from_millis(self.limits.term_grace_ms);
                self.known.deadline.get_or_insert(Instant::now() + grace);
            }
        }
        Ok(())
    }

    /// Reads what the runtime said.
    fn hear(&mut self) -> Result<(), Halt> {
        for _ in 0..WORDS {
            let mut packet = [0; MAX_FRAME_BYTES];
            let length = match recv(&self.started.link, &mut packet, RecvFlags::DONTWAIT) {
                // Its end is told by the first process, or by its silence.
                Ok((0, _)) => {
                    std::thread::sleep(BUSY);
                    return Ok(());
                }
                Err(_) => return Ok(()),
                Ok((length, _)) => length,
            };
            let said = packet.get(..length).and_then(FromRuntime::decode);
            let said = said.ok_or_else(|| Halt::breach("the runtime said what no runtime says"))?;
            self.known.spoken = true;
            self.known.silence.end();
            self.obey(said)?;
        }
        std::thread::sleep(BUSY);
        Ok(())
    }

    fn obey(&mut self, said: FromRuntime) -> Result<(), Halt> {
        match said {
            FromRuntime::Hello(protocol, version) => self.greet(protocol, &version),
            FromRuntime::Begin(_) => {
                self.known.begun = true;
                Ok(())
            }
            FromRuntime::Beat(stepping, ticks, crashes) => {
                let new = crashes.saturating_sub(self.known.crashes);
                self.known.crashes = crashes;
                if !stepping || ticks != self.known.ticked.0 {
                    self.known.ticked = (ticks, Instant::now());
                }
                let counted =
                    self.watches.add(&self.limits, "crashes_per_minute", unix_s(), new, "");
                counted.map_err(Halt::runaway)
            }
            FromRuntime::Event(number, event, lease, text) => {
                let counted = self.watches.report(&self.limits, event, lease, &text, unix_s());
                let must = counted.map_err(Halt::runaway)?;
                let kept = if must { self.watches.news() } else { None };
                self.clerk.ask(Work::Answer(number, kept))
            }
            FromRuntime::Checkpoint(log, note) => self.clerk.ask(Work::Checkpoint(log, note)),
            FromRuntime::ResumesRecorded(n) => self.clerk.ask(Work::Recorded(n)),
            FromRuntime::End(number, end) => {
                self.known.said = Some(end);
                self.clerk.ask(Work::Answer(number, None))
            }
        }
    }

    /// Tells a runtime of the same version under what it runs, and everybody who guards it.
    fn greet(&mut self, protocol: u32, version: &str) -> Result<(), Halt> {
        let own = env!("CARGO_PKG_VERSION");
        if protocol != PROTOCOL || version != own {
            let words = format!("the runtime is of version {version}, the guardian of {own}");
            return Err(Halt::safety(words));
        }
        self.note_absent();
        let word = |armed| if armed { "armed" } else { "absent" };
        let held = self.mechanisms.iter().map(|(name, armed)| format!("{name}={}", word(*armed)));
        let held = held.collect::<Vec<_>>().join(" ");
        if let Some(text) = held::text(self.started.number, &held) {
            self.clerk.ask(Work::Held(text))?;
        }
        let Limits { digest: limits, heartbeat_ms, heartbeat_limit_ms, .. } = self.limits;
        self.say(&FromGuardian::Terms(Terms { limits, heartbeat_ms, heartbeat_limit_ms, held }));
        Ok(())
    }

    /// What did not come in its time.
    fn overdue(&mut self) -> Result<(), Halt> {
        let (known, limits) = (&mut self.known, &self.limits);
        let too_long = known.silence.is_too_long();
        if !known.spoken && known.since.elapsed() > FIRST_WORD {
            return Err(Halt::safety("the runtime did not say a first word"));
        }
        if known.spoken && too_long {
            let ms = limits.heartbeat_limit_ms;
            let words = format!("heartbeat: the runtime was silent for {ms} ms");
            return Err(Halt::safety(words));
        }
        if known.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            let ms = limits.term_grace_ms;
            let words = format!("the runtime did not end in good order within {ms} ms");
            return Err(Halt::safety(words));
        }
        let stalled_s = known.ticked.1.elapsed().as_secs();
        within("stalled_step_s", limits.stalled_step_s, stalled_s, "a step does not end")
            .map_err(Halt::runaway)
    }

    /// The words of whoever asked for a halt.
    fn requested(&mut self) -> String {
        let mut asked = [0; 1_024];
        let length = self.requests.read(&mut asked).unwrap_or(0);
        let words = String::from_utf8_lossy(asked.get(..length).unwrap_or_default()).into_owned();
        format!("halted by a person: {}", words.trim().lines().next().unwrap_or("no reason"))
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

    /// The first process ended: what it said last.
    fn ended(&mut self) -> Result<Ended, Halt> {
        self.started.read_reports();
        let said = |word: &str| self.started.said(word);
        let number = |text: &str| text.parse::<u8>().unwrap_or(FAILED);
        if let Some(why) = said("failed ") {
            return Ok((format!("it could not be started: {why}"), FAILED));
        }
        if let Some(code) = said("ended code ") {
            return Ok((format!("it ended with code {code}"), number(code)));
        }
        if let Some(signal) = said("ended signal ") {
            let words = format!("it was ended by signal {signal}");
            return Ok((words, number(signal).saturating_add(128)));
        }
        Err(Halt::safety(match said("silence") {
            Some(_) => "heartbeat: the guardian was too slow for the first process",
            None => "the first process of the namespace was ended by somebody else",
        }))
    }

    /// Whether nobody below lives any more.
    fn is_proved_dead(&self) -> bool {
        let begun = Instant::now();
        let pause = Timespec::try_from(Duration::from_millis(10)).unwrap_or_default();
        let in_namespace = self.is_armed("pid_namespace");
        while begun.elapsed() < PROOF {
            let ready = poll(&mut [PollFd::new(&self.started.handle, PollFlags::IN)], Some(&pause));
            if ready == Ok(1) && (in_namespace || bury_orphans()) {
                return true;
            }
        }
        false
    }

    /// Writes down how it ended; the exit code.
    pub(crate) fn finish(mut self, ended: Result<Ended, Halt>) -> Result<u8, Refusal> {
        let dead = self.is_proved_dead();
        self.started.read_reports();
        let enforced = self.is_armed("pid_namespace");
        let Guardian { clerk, limits, watches, started, known, .. } = self;
        let mut record = clerk.end().map_err(failed)?;
        record.entry.windows = watches.encode();
        let (halt, code) = match (ended, &known.said) {
            (Err(halt), _) => (Some(halt), HALTED),
            (Ok((_, code)), Some(End::Clean)) if dead => (None, code),
            (Ok((_, code)), None) if dead && !known.begun => (None, code),
            (Ok((_, code)), Some(End::Halted(why))) => (Some(Halt::safety(why)), code),
            (Ok((how, code)), Some(End::Clean) | None) => {
                let words = format!("the runtime ended without a last word: {how}");
                (Some(Halt::safety(words)), code)
            }
        };
        // A runtime that never spoke was never written down, and nobody reads what is asked now.
        let removed = held::remove(&held::file(&record.place))
            .and_then(|()| held::remove(&held::requests(&record.place)));
        let Some(mut halt) = halt else {
            removed.map_err(failed)?;
            record.clear().map_err(failed)?;
            if let Some(why) = started.said("failed ") {
                note(&format!("error: the runtime could not be started: {why}"));
            }
            return Ok(code);
        };
        if !dead {
            halt.reason.push_str(" (not proved dead: something below still lives)");
        }
        let governance = match (halt.breached, enforced) {
            (true, _) => "breached",
            (false, true) => "enforced",
            (false, false) => "degraded",
        };
        let words = format!("halted: {}", halt.reason);
        record.halt(&halt, governance, &limits).map_err(|why| {
            halted(&record.data, format!("{words}; and that cannot be written down: {why}"))
        })?;
        // A runtime that gave up by itself has told a person why.
        match code == HALTED && known.said.is_none() {
            true => Err(halted(&record.data, words)),
            false => Ok(code),
        }
    }
}

//! The workload on Karyon, run as the product runs it: each output passes the gate, each step is
//! recorded in hash-chained blocks under signed commits, STOP is looked for at every tick.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_gate::{Grant, Rights, Scope};
use karyon_identity::SecretKey;
use karyon_log::{End, SegmentHeader, segment_file};
use karyon_log_writer::{Block, FileStorage, MemoryStorage, Storage, Writer};
use karyon_runtime::{
    Agent, AgentKind, Batch, Chaos, Context, Counts, Ending, Event, Failure, InputItem,
    InputSource, Intensity, Limits, Population, Recorder, Restart, RestartFrom, RunConfig,
    SMALL_TICK, run,
};
use karyon_safety::StopFile;
use karyon_types::{AgentId, GrantId, LogId, PrincipalId, ReasonId, Tick};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::hop::{Hop, Next, Pattern, Traffic};

/// Where a log is written.
#[derive(Clone, Copy, Debug)]
pub enum LogPlace {
    /// To memory: nothing is durable. With room for this many bytes, so that growing is not
    /// measured.
    Memory(u64),
    /// To a file, each commit made durable by fdatasync before the next one.
    Durable,
}

/// A log without a run. Dropping it ends its thread and deletes its folder.
pub struct LogAlone {
    writer: Option<Writer>,
    _folder: TempDir,
}

impl LogAlone {
    /// A new log below `folder`.
    pub fn new(place: LogPlace, folder: &str) -> LogAlone {
        let folder = new_folder(folder);
        LogAlone { writer: Some(start(place, folder.path())), _folder: folder }
    }

    /// Appends the blocks and waits until they are committed.
    pub fn append_all(self, blocks: Vec<Block>) -> LogAlone {
        let writer = self.writer.as_ref().expect("it is there until this is dropped");
        for block in blocks {
            writer.append(block).expect("the disk works");
        }
        writer.flush().expect("the disk works");
        self
    }
}

impl Drop for LogAlone {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.close().expect("the disk works");
        }
    }
}

fn new_folder(below: &str) -> TempDir {
    TempDir::new_in(below).expect("cargo makes the folder for temporary files")
}

fn log_folder(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn start(place: LogPlace, folder: &Path) -> Writer {
    let key = Arc::new(SecretKey::from_seed([7; 32]).expect("a seed that is not zero"));
    let header = SegmentHeader { log: LogId([0x11; 16]), node_key: key.public_key() };
    let mut storage: Box<dyn Storage> = match place {
        LogPlace::Memory(room) => {
            Box::new(MemoryStorage { bytes: Vec::with_capacity(room as usize) })
        }
        LogPlace::Durable => {
            let log = log_folder(folder);
            std::fs::create_dir(&log).expect("the folder is new");
            Box::new(FileStorage::create(&segment_file(&log, 0)).expect("the folder is empty"))
        }
    };
    storage.write_at(0, &header.encode()).expect("the disk has room");
    storage.sync().expect("the disk works");
    Writer::start(storage, &header, key, 1, End::of_new_log()).expect("the system has threads")
}

/// An agent that passes hops on.
#[derive(Serialize, Deserialize)]
pub struct Hopper<const LAST_GOOD: bool> {
    agents: u64,
    pattern: Pattern,
    handled: u64,
}

impl<const LAST_GOOD: bool> Hopper<LAST_GOOD> {
    pub(crate) fn new(agents: u64, pattern: Pattern) -> Self {
        Hopper { agents, pattern, handled: 0 }
    }
}

impl<const LAST_GOOD: bool> Agent for Hopper<LAST_GOOD> {
    const KIND: AgentKind = AgentKind {
        name: "hopper",
        version: 1,
        restart: Restart::Permanent,
        restart_from: if LAST_GOOD {
            RestartFrom::LastGood { redeliver: 8 }
        } else {
            RestartFrom::Init
        },
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        if let Event::Input { payload } | Event::Message { payload, .. } = event {
            self.handled += 1;
            let hop = Hop::from_bytes(payload).ok_or_else(|| Failure("not a hop".into()))?;
            match hop.next(context.me().0, self.agents, self.pattern) {
                Next::One(to, hop) => context.send(AgentId(to), &hop.to_bytes()),
                Next::Burst(count, hop) => {
                    let to = AgentId(self.agents);
                    hop.burst(count).for_each(|hop| context.send(to, &hop.to_bytes()));
                }
                Next::Wait | Next::End => {}
            }
        }
        Ok(())
    }
}

/// An agent to which nothing happens.
#[derive(Serialize, Deserialize)]
pub struct Quiet;

impl Agent for Quiet {
    const KIND: AgentKind = AgentKind {
        name: "quiet",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::Init,
    };

    fn handle(&mut self, _: Event<'_>, _: &mut Context<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Releases the first hop of each chain at tick 0.
pub(crate) struct Kickoff {
    items: Vec<InputItem>,
    traffic: Traffic,
}

impl Kickoff {
    pub(crate) fn new(traffic: Traffic) -> Kickoff {
        let item = |number: u64| InputItem {
            receiver: AgentId(traffic.begins(number)),
            index: number as u32,
        };
        let mut items: Vec<_> = (0..traffic.chains).map(item).collect();
        items.sort_by_key(|item| item.receiver);
        Kickoff { items, traffic }
    }
}

impl InputSource for Kickoff {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let items = if tick == Tick(0) { self.items.as_slice() } else { &[] };
        Batch { number: tick.0, items }
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&Hop::first(u64::from(index), self.traffic).to_bytes());
    }

    fn ends(&self) -> Tick {
        Tick(1)
    }
}

/// Releases nothing, for so many ticks.
struct Nothing(u64);

impl InputSource for Nothing {
    fn released(&self, _: Tick) -> Batch<'_> {
        Batch::default()
    }

    fn payload(&self, _: u32, _: &mut Vec<u8>) {}

    fn ends(&self) -> Tick {
        Tick(self.0)
    }
}

/// What allows `agents` agents to send to each other.
pub fn grant(agents: u64) -> Grant {
    Grant {
        id: GrantId(1),
        principal: PrincipalId(1),
        reason: ReasonId(1),
        rights: Rights::SEND,
        scope: Scope { first: 1, last: agents },
        expires: None,
    }
}

/// A run that is ready to begin.
pub struct Run<A> {
    pub(crate) population: Population<A>,
    inputs: Arc<dyn InputSource>,
    pub(crate) config: RunConfig,
    pub(crate) recorder: Recorder,
    /// Steps that fail, each of which is followed by a restart.
    pub(crate) crashes: RangeInclusive<u64>,
    folder: TempDir,
}

/// What a run leaves. Dropping it ends the log's thread and deletes its folder.
pub struct Done {
    /// What was counted.
    pub counts: Counts,
    /// Ticks that ran.
    pub ticks: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    recorder: Option<Recorder>,
    folder: TempDir,
}

impl<const LAST_GOOD: bool> Run<Hopper<LAST_GOOD>> {
    /// The chains of `traffic`; the log lies below `folder`.
    pub fn hops(traffic: Traffic, schedulers: usize, place: LogPlace, folder: &str) -> Self {
        let Traffic { agents, pattern, .. } = traffic;
        let init = move |_| Hopper::new(agents, pattern);
        let inputs = Arc::new(Kickoff::new(traffic));
        let mut run = Run::new(agents, init, inputs, schedulers, place, folder);
        run.config.limits.outputs_per_step = traffic.burst();
        run.config.limits.messages_per_tick = traffic.under_way();
        run
    }
}

impl Run<Quiet> {
    /// `agents` agents, and `ticks` ticks (at least one) in which nothing happens to them. With
    /// `small_tick` = 0 all schedulers meet in each.
    pub fn idle(
        agents: u64,
        ticks: u64,
        schedulers: usize,
        small_tick: u64,
        place: LogPlace,
        folder: &str,
    ) -> Run<Quiet> {
        let mut run =
            Run::new(agents, |_| Quiet, Arc::new(Nothing(ticks)), schedulers, place, folder);
        run.config.small_tick = small_tick;
        run
    }
}

impl<A: Agent> Run<A> {
    pub(crate) fn new(
        agents: u64,
        init: impl Fn(AgentId) -> A + Send + Sync + 'static,
        inputs: Arc<dyn InputSource>,
        schedulers: usize,
        place: LogPlace,
        below: &str,
    ) -> Run<A> {
        let folder = new_folder(below);
        std::fs::create_dir(folder.path().join("safety")).expect("the folder is empty");
        let stop = StopFile::watch(folder.path()).expect("the folder exists");
        Run {
            population: Population {
                names: (1..=agents).map(|serial| serial.to_string()).collect(),
                init: Arc::new(init),
                born: None,
                grant: grant(agents),
                expires: Vec::new(),
                changes: Vec::new(),
                tree: None,
                subjects: None,
            },
            inputs,
            config: RunConfig {
                schedulers,
                schedule: Default::default(),
                small_tick: SMALL_TICK,
                chaos: Chaos::new(0, 0.0),
                intensity: Intensity { restarts: 0, period_ticks: 1 },
                limits: Limits {
                    outputs_per_step: 1,
                    messages_per_tick: agents,
                    // The product's default: the bytes are counted.
                    log_bytes_per_lease: 64 << 20,
                    shed: None,
                    spawned: 0,
                    forks: 0,
                },
                stop: Some(stop),
                interrupt: Arc::default(),
                progress: Arc::default(),
                guard: None,
                desk: None,
                watch: None,
                virtual_time: false,
                snapshots: None,
                recaller: None,
                effects: Default::default(),
                space: None,
                observer: None,
                rate: None,
            },
            recorder: Recorder::new(start(place, folder.path())),
            crashes: 0..=0,
            folder,
        }
    }

    /// Runs to the end, and until everything is in the log (a durable one: on the disk).
    pub fn go(self) -> Done {
        let agents = self.population.names.len() as u64;
        let is_free = self.config.schedule.is_free();
        let mut recorder = Some(self.recorder);
        let outcome = run(self.config, self.population, self.inputs, &mut recorder)
            .expect("nothing goes wrong");
        recorder.as_mut().expect("a run gives it back").flush().expect("the disk works");
        assert_eq!(outcome.ending, Ending::Completed);
        let counts = outcome.counts;
        assert_eq!(counts.denied + counts.forgone + counts.dead_lettered, 0);
        assert!(self.crashes.contains(&counts.crashes), "{counts:?}");
        assert_eq!(counts.restarts, counts.crashes);
        // A lease and a spawn an agent, a record a tick (but where these are time) and a step.
        let ticks = if is_free { 0 } else { outcome.ticks };
        let status = recorder.as_ref().and_then(Recorder::status).expect("it writes a log");
        let records = status.records();
        assert!(records >= 2 * agents + ticks + counts.steps);
        Done {
            counts,
            ticks: outcome.ticks,
            log_bytes: status.bytes(),
            recorder,
            folder: self.folder,
        }
    }
}

impl Done {
    /// The folder with the log, if it is durable.
    pub fn log(&self) -> PathBuf {
        log_folder(self.folder.path())
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.close().expect("the disk works");
        }
    }
}

#[cfg(test)]
mod tests {
    use karyon_runtime::Schedule;

    use super::*;
    use crate::hop::tests::SMALL;

    #[test]
    fn every_hop_is_handled_and_recorded() {
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        for traffic in SMALL {
            for (schedulers, place) in [(1, LogPlace::Memory(0)), (2, LogPlace::Durable)] {
                for schedule in [Schedule::default(), Schedule::free()] {
                    let run = Run::<Hopper<false>>::hops(traffic, schedulers, place, below);
                    let done = run.with(schedule).go();
                    assert_eq!(done.counts.delivered, traffic.messages(), "{traffic:?}");
                    // The first hops come from outside.
                    let steps = traffic.messages() + traffic.chains;
                    assert_eq!(done.counts.steps, steps, "{traffic:?}");
                }
            }
        }
    }

    #[test]
    fn a_hop_takes_a_tick() {
        let below = std::env::temp_dir();
        let below = below.to_str().unwrap();
        let traffic = Traffic::random(7, 30);
        let done = Run::<Hopper<true>>::hops(traffic, 2, LogPlace::Memory(0), below).go();
        assert_eq!((done.counts.delivered, done.ticks), (traffic.messages(), 31));
        let done = Run::idle(3, 20, 2, 0, LogPlace::Memory(0), below).go();
        assert_eq!((done.counts.steps, done.ticks), (0, 20));
    }
}

//! Puppets, and a stage for them.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use karyon_gate::{Grant, Rights, Scope};
use karyon_guard::Guard;
use karyon_identity::SecretKey;
use karyon_log::{Cause, End, LogError, ReadStorage, Record, Records, SegmentHeader, Walk};
use karyon_log_writer::{MemoryStorage, Storage, Writer};
use karyon_runtime::processes::Desk;
use karyon_runtime::{
    Agent, AgentKind, Batch, Change, Chaos, Context, Effects, Event, ExitReason, Failure,
    InputItem, InputSource, Intensity, Lane, Limits, Mark, Observer, Outcome, Population, Progress,
    Recaller, Receipt, Recorder, Registered, Restart, RestartFrom, RunConfig, RunError, Schedule,
    Snapshots, Space, SpawnId, Subjects, TimerId, Watch, Words, codec, run,
};
use karyon_supervision::Supervised;
use karyon_types::{AgentId, GrantId, LogId, PrincipalId, ReasonId, Tick};
use serde::{Deserialize, Serialize};

/// What a puppet is told to do, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Send these orders to this agent.
    Send(u64, Vec<Order>),
    /// Send this text to this agent.
    Say(u64, String),
    /// Likewise, in a lane.
    SayIn(Lane, u64, String),
    SendIn(Lane, u64, Vec<Order>),
    Remember(String),
    /// Add to its sum.
    Add(u64),
    Panic,
    /// Not to come back before somebody says so: see [`Released`].
    Hang(usize),
    Fail,
    Exit,
    ExitWith(ExitReason),
    /// So many ticks later, do this.
    After(u64, Vec<Order>),
    Every(u64, Vec<Order>),
    /// The timer that this output of this step armed.
    Cancel(u64, u16),
    Monitor(u64),
    Demonitor(u64),
    Link(u64),
    Unlink(u64),
    Trap(bool),
    /// From now on it ends when its supervisor asks for it.
    Obey,
    /// Bring to life who begins with this sum, and then tell it this. [`NOBODY`] and [`PANIC`] are
    /// no sums.
    Spawn(u64, Vec<Order>),
    /// Likewise, below this supervisor.
    SpawnUnder(u64, Below, u64, Vec<Order>),
    /// Have this agent stopped by its supervisor.
    Terminate(u64),
    Register(String),
    Unregister(String),
    Join(String),
    Leave(String),
    /// Send these orders to whoever has this name.
    Call(String, Vec<Order>),
    /// Send these orders to all of this group.
    Broadcast(String, Vec<Order>),
    /// Ask the memory about this agent (0: all).
    Recall(u64, String),
    /// Have something done outside: action, resource, arguments.
    Effect(String, String, String),
    /// Set a slot of a layer, and where it stands.
    Set(u8, u64, Option<u32>, Vec<u64>),
    Clear(u8, u64),
    /// Claim a slot with a word, and leave another.
    Claim(u8, u64, u64, Option<u64>),
    /// Hear what all see.
    Look,
}

/// How a child is supervised: its restart (0 permanent, 1 transient, 2 temporary), the ticks that
/// it has to end (none: it is killed), and whether it is significant.
pub type Below = (u8, Option<u64>, bool);

/// No state comes of this.
pub const NOBODY: u64 = u64::MAX;
/// A panic comes of this.
pub const PANIC: u64 = u64::MAX - 1;

/// Does what it is told; `R` is its restart (0 permanent, 1 transient, 2 temporary), `G` how
/// often a message is given again (0: restarts from init).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Puppet<const R: u8, const G: u32> {
    pub sum: u64,
    pub denied: Vec<String>,
    /// What it heard of others' ends.
    pub heard: Vec<String>,
    pub obeys: bool,
    /// What it has to tell those that are to come to life.
    pub to_tell: BTreeMap<SpawnId, Vec<Order>>,
}

impl<const R: u8, const G: u32> Agent for Puppet<R, G> {
    const KIND: AgentKind = AgentKind {
        name: "puppet",
        version: 1,
        restart: match R {
            0 => Restart::Permanent,
            1 => Restart::Transient,
            _ => Restart::Temporary,
        },
        restart_from: if G == 0 {
            RestartFrom::Init
        } else {
            RestartFrom::LastGood { redeliver: G }
        },
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        let payload = match event {
            Event::Input { payload }
            | Event::Message { payload, .. }
            | Event::Timer { payload, .. } => payload,
            Event::Denied { denial, .. } => {
                self.denied.push(denial.code().into());
                return Ok(());
            }
            Event::Refused { to, why, .. } => {
                self.denied.push(format!("{} by {}", why.code(), to.0));
                return Ok(());
            }
            Event::Down { who, reason } => {
                self.heard.push(format!("{}: {} down, {reason}", context.now(), who.0));
                return Ok(());
            }
            Event::Exit { from, reason } => {
                self.heard.push(format!("{}: {} exit, {reason}", context.now(), from.0));
                if self.obeys && from == AgentId(0) {
                    context.exit_with(reason.clone());
                }
                return Ok(());
            }
            Event::Recalled { output, answer } => {
                let answer = String::from_utf8_lossy(answer);
                let TimerId { step, output } = output;
                self.heard.push(format!("{}: {step}.{output} {answer}", context.now()));
                return Ok(());
            }
            Event::Receipt { output: TimerId { step, output }, receipt } => {
                let came = match receipt {
                    Receipt::Done(result) => format!("done {}", String::from_utf8_lossy(result)),
                    Receipt::Failed(why) => format!("failed {why}"),
                    Receipt::NotDone(why) => format!("not done {why}"),
                    Receipt::Unknown => "unknown".into(),
                };
                self.heard.push(format!("{}: {step}.{output} {came}", context.now()));
                return Ok(());
            }
            Event::Spawned { spawn, child } => {
                self.heard.push(format!("{}: {} spawned", context.now(), child.0));
                if let Some(orders) = self.to_tell.remove(&spawn).filter(|o| !o.is_empty()) {
                    context.send(child, &encoded(&orders));
                }
                return Ok(());
            }
        };
        for order in codec::decode::<Vec<Order>>(payload).expect("orders") {
            match order {
                Order::Send(to, orders) => context.send(AgentId(to), &encoded(&orders)),
                Order::Say(to, text) => context.send(AgentId(to), text.as_bytes()),
                Order::SayIn(lane, to, text) => {
                    context.send_in(lane, AgentId(to), text.as_bytes());
                }
                Order::SendIn(lane, to, orders) => {
                    context.send_in(lane, AgentId(to), &encoded(&orders));
                }
                Order::Remember(text) => context.remember(text.as_bytes()),
                Order::Add(n) => self.sum += n,
                Order::Hang(which) => {
                    while !HANGING[which].load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                Order::Panic => panic!("as ordered"),
                Order::Fail => return Err(Failure("as ordered".into())),
                Order::Exit => context.exit(),
                Order::ExitWith(reason) => context.exit_with(reason),
                Order::After(ticks, orders) => drop(context.after(ticks, &encoded(&orders))),
                Order::Every(ticks, orders) => drop(context.interval(ticks, &encoded(&orders))),
                Order::Cancel(step, output) => context.cancel(TimerId { step, output }),
                Order::Monitor(agent) => context.monitor(AgentId(agent)),
                Order::Demonitor(agent) => context.demonitor(AgentId(agent)),
                Order::Link(agent) => context.link(AgentId(agent)),
                Order::Unlink(agent) => context.unlink(AgentId(agent)),
                Order::Trap(traps) => context.trap_exit(traps),
                Order::Obey => self.obeys = true,
                Order::Recall(about, query) => {
                    let about = Some(AgentId(about)).filter(|agent| agent.0 > 0);
                    context.recall(about, query.as_bytes());
                }
                Order::Effect(action, resource, arguments) => {
                    context.effect(&action, &resource, arguments.as_bytes());
                }
                Order::Spawn(sum, orders) => {
                    let spawn = context.spawn("child", &sum.to_le_bytes());
                    self.to_tell.insert(spawn, orders);
                }
                Order::SpawnUnder(supervisor, below, sum, orders) => {
                    let how = sum.to_le_bytes();
                    let spawn = context.spawn_under(
                        supervisor,
                        crate::adopted::terms(below),
                        "child",
                        &how,
                    );
                    self.to_tell.insert(spawn, orders);
                }
                Order::Set(layer, slot, cell, words) => {
                    let words = Words::new(&words).expect("words");
                    context.mark(Mark::Set { layer, slot, cell, words });
                }
                Order::Clear(layer, slot) => context.mark(Mark::Clear { layer, slot }),
                Order::Claim(layer, slot, word, leave) => {
                    context.mark(Mark::Claim { layer, slot, word, leave });
                }
                Order::Look => {
                    let seen: Vec<_> = (0..9).map_while(|layer| context.layer(layer)).collect();
                    self.heard.push(format!(
                        "{}: {}",
                        context.now(),
                        crate::spaces::in_short(&seen)
                    ));
                }
                Order::Terminate(child) => context.terminate_child(AgentId(child)),
                Order::Register(name) => context.register(&name),
                Order::Unregister(name) => context.unregister(&name),
                Order::Join(group) => context.join(&group),
                Order::Leave(group) => context.leave(&group),
                Order::Call(name, orders) => match context.whereis(&name) {
                    Some(Registered { agent, .. }) => context.send(agent, &encoded(&orders)),
                    None => self.heard.push(format!("{}: no {name}", context.now())),
                },
                Order::Broadcast(group, orders) => {
                    let members: Vec<_> = context.members(&group).collect();
                    for member in members {
                        context.send(member.agent, &encoded(&orders));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Steps that do not come back, by test; `true`: they may.
static HANGING: [AtomicBool; 20] = [const { AtomicBool::new(false) }; 20];

/// When this is dropped, those who hang come back, so that their threads end.
pub struct Released(pub usize);

impl Drop for Released {
    fn drop(&mut self) {
        HANGING[self.0].store(true, Ordering::Relaxed);
    }
}

fn encoded(orders: &[Order]) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(&orders, &mut bytes);
    bytes
}

/// Orders that come from outside: (tick, agent, orders), in any order.
#[derive(Clone, Default, Debug)]
pub struct Script {
    items: Vec<(u64, InputItem)>,
    orders: Vec<Vec<u8>>,
    by_tick: Vec<Vec<InputItem>>,
}

impl Script {
    pub fn new(entries: impl IntoIterator<Item = (u64, u64, Vec<Order>)>) -> Script {
        let mut script = Script::default();
        for (tick, agent, orders) in entries {
            let mut bytes = Vec::new();
            codec::encode(&orders, &mut bytes);
            let index = script.orders.len() as u32;
            script.items.push((tick, InputItem { receiver: AgentId(agent), index }));
            script.orders.push(bytes);
        }
        let ends = script.items.iter().map(|(tick, _)| tick + 1).max().unwrap_or(0);
        for tick in 0..ends {
            let mut items: Vec<_> =
                script.items.iter().filter(|(at, _)| *at == tick).map(|(_, item)| *item).collect();
            items.sort_by_key(|item| item.receiver);
            script.by_tick.push(items);
        }
        script
    }
}

impl InputSource for Script {
    fn released(&self, tick: Tick) -> Batch<'_> {
        let items = self.by_tick.get(tick.0 as usize).map(Vec::as_slice).unwrap_or_default();
        Batch { number: tick.0, items }
    }

    fn payload(&self, index: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.orders[index as usize]);
    }

    fn ends(&self) -> Tick {
        Tick(self.by_tick.len() as u64)
    }
}

/// A disk that can be looked at afterwards, and that fails from a given write on.
#[derive(Clone, Default)]
pub struct Disk {
    pub storage: Arc<Mutex<MemoryStorage>>,
    pub writes_left: Option<Arc<Mutex<u32>>>,
}

impl ReadStorage for Disk {
    fn len(&self) -> io::Result<u64> {
        self.storage.lock().unwrap().len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.storage.lock().unwrap().read_at(offset, buffer)
    }
}

impl Storage for Disk {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(left) = &self.writes_left {
            let mut left = left.lock().unwrap();
            if *left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *left -= 1;
        }
        self.storage.lock().unwrap().write_at(offset, bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.storage.lock().unwrap().set_len(len)
    }
    fn reserve(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
}

pub fn key() -> Arc<SecretKey> {
    Arc::new(SecretKey::from_seed([9; 32]).unwrap())
}

pub fn header() -> SegmentHeader {
    SegmentHeader { log: LogId([1; 16]), node_key: key().public_key() }
}

pub fn recorder(disk: &Disk) -> Recorder {
    let mut first = disk.clone();
    first.write_at(0, &header().encode()).unwrap();
    let writer =
        Writer::start(Box::new(disk.clone()), &header(), key(), 1, End::of_new_log()).unwrap();
    Recorder::new(writer)
}

pub type Born<A> = Arc<dyn Fn(AgentId, &[u8]) -> Option<A> + std::marker::Send + Sync>;

/// A recorder that goes on with what lies on this disk.
pub fn resuming(disk: &Disk) -> Recorder {
    let mut walk = Walk::new(Box::new(disk.clone())).unwrap();
    while walk.next_group().unwrap().is_some() {}
    let end = walk.into_end();
    let writer = Writer::start(Box::new(disk.clone()), &header(), key(), 2, end.clone()).unwrap();
    Recorder::resuming(Some(writer), Walk::new(Box::new(disk.clone())).unwrap(), &end)
}

pub type MakeObserver = Arc<dyn Fn() -> Box<dyn Observer> + std::marker::Send + Sync>;

pub type MakeRecaller = Arc<dyn Fn() -> Box<dyn Recaller> + std::marker::Send + Sync>;

/// How a stage differs from the usual.
#[derive(Clone)]
pub struct Stage {
    pub agents: u64,
    pub schedulers: usize,
    pub schedule: Schedule,
    pub small_tick: u64,
    pub chaos: Chaos,
    pub intensity: Intensity,
    pub limits: Limits,
    pub expires: Vec<(AgentId, Tick)>,
    pub changes: Vec<Change>,
    pub tree: Option<Supervised>,
    pub subjects: Option<Subjects>,
    pub rights: Rights,
    pub guard: Option<Arc<Guard>>,
    pub desk: Option<Arc<Desk>>,
    pub watch: Option<Watch>,
    pub virtual_time: bool,
    pub snapshots: Option<Snapshots>,
    pub rate: Option<NonZeroU64>,
    pub interrupt: Arc<AtomicUsize>,
    pub progress: Arc<Progress>,
    /// Makes what answers agents that ask the memory.
    pub recaller: Option<MakeRecaller>,
    pub effects: Effects,
    pub space: Option<Space>,
    pub observer: Option<MakeObserver>,
}

pub const LIMITS: Limits = Limits {
    outputs_per_step: 8,
    messages_per_tick: 64,
    log_bytes_per_lease: u64::MAX,
    shed: None,
    spawned: 0,
    forks: 0,
};

impl Default for Stage {
    fn default() -> Self {
        Stage {
            agents: 4,
            schedulers: 2,
            schedule: Schedule::default(),
            // Every tick is shared, however small.
            small_tick: 0,
            chaos: Chaos::new(0, 0.0),
            intensity: Intensity { restarts: 1_000, period_ticks: 10 },
            limits: LIMITS,
            expires: Vec::new(),
            changes: Vec::new(),
            tree: None,
            subjects: None,
            rights: Rights::SEND.and(Rights::REMEMBER).and(Rights::LINK).and(Rights::SPAWN),
            guard: None,
            desk: None,
            watch: None,
            virtual_time: false,
            snapshots: None,
            rate: None,
            interrupt: Arc::default(),
            progress: Arc::default(),
            recaller: None,
            effects: Effects::default(),
            space: None,
            observer: None,
        }
    }
}

impl Stage {
    pub fn play<const R: u8, const G: u32>(
        &self,
        script: &Script,
        recorder: Recorder,
    ) -> (Result<Outcome<Puppet<R, G>>, RunError>, Option<Recorder>) {
        self.play_from(Arc::new(script.clone()), recorder)
    }

    pub fn play_from<const R: u8, const G: u32>(
        &self,
        inputs: Arc<dyn InputSource>,
        recorder: Recorder,
    ) -> (Result<Outcome<Puppet<R, G>>, RunError>, Option<Recorder>) {
        let born = |_: AgentId, how: &[u8]| {
            let sum = u64::from_le_bytes(how.try_into().ok()?);
            assert_ne!(sum, PANIC, "as ordered");
            (sum != NOBODY).then(|| Puppet { sum, ..Puppet::default() })
        };
        self.play_with(|_| Puppet::default(), Some(Arc::new(born)), inputs, recorder)
    }

    pub fn play_as<A: Agent>(
        &self,
        init: impl Fn(AgentId) -> A + Send + Sync + 'static,
        inputs: Arc<dyn InputSource>,
        recorder: Recorder,
    ) -> (Result<Outcome<A>, RunError>, Option<Recorder>) {
        self.play_with(init, None, inputs, recorder)
    }

    pub fn play_with<A: Agent>(
        &self,
        init: impl Fn(AgentId) -> A + Send + Sync + 'static,
        born: Option<Born<A>>,
        inputs: Arc<dyn InputSource>,
        recorder: Recorder,
    ) -> (Result<Outcome<A>, RunError>, Option<Recorder>) {
        let reach =
            if self.limits.spawned > 0 { self.limits.spawned + self.limits.forks } else { 0 };
        let config = RunConfig {
            schedulers: self.schedulers,
            schedule: self.schedule,
            small_tick: self.small_tick,
            chaos: self.chaos,
            intensity: self.intensity,
            limits: self.limits,
            stop: None,
            interrupt: self.interrupt.clone(),
            progress: self.progress.clone(),
            guard: self.guard.clone(),
            desk: self.desk.clone(),
            watch: self.watch.clone(),
            virtual_time: self.virtual_time,
            snapshots: self.snapshots.clone(),
            rate: self.rate,
            recaller: self.recaller.as_ref().map(|make| make()),
            effects: self.effects.clone(),
            space: self.space.clone(),
            observer: self.observer.as_ref().map(|make| make()),
        };
        let population = Population {
            names: (1..=self.agents).map(|n| format!("puppet {n}")).collect(),
            init: Arc::new(init),
            born,
            grant: Grant {
                id: GrantId(1),
                principal: PrincipalId(1),
                reason: ReasonId(1),
                rights: self.rights,
                scope: Scope { first: 1, last: self.agents + reach },
                expires: None,
            },
            expires: self.expires.clone(),
            changes: self.changes.clone(),
            tree: self.tree.clone(),
            subjects: self.subjects.clone(),
        };
        let mut recorder = Some(recorder);
        let outcome = run(config, population, inputs, &mut recorder);
        (outcome, recorder)
    }

    /// Plays to the end; what came out, and the bytes of all records.
    pub fn complete<const R: u8, const G: u32>(
        &self,
        script: &Script,
    ) -> (Outcome<Puppet<R, G>>, Vec<u8>) {
        let disk = Disk::default();
        let (outcome, recorder) = self.play(script, recorder(&disk));
        recorder.unwrap().close().unwrap();
        (outcome.unwrap(), records(&disk).unwrap())
    }
}

/// All committed records, one behind the other.
pub fn records(disk: &Disk) -> Result<Vec<u8>, LogError> {
    let mut walk = Walk::new(Box::new(disk.clone()))?;
    let mut bytes = Vec::new();
    while let Some(blocks) = walk.next_group()? {
        blocks.iter().for_each(|block| bytes.extend_from_slice(&block.body));
    }
    Ok(bytes)
}

/// The records in words, those of life's beginning left out.
pub fn in_words(bytes: &[u8]) -> Vec<String> {
    Records::new(bytes)
        .map(|record| record.expect("a whole record"))
        .filter(|record| !matches!(record, Record::Lease(_) | Record::Spawn { .. }))
        .map(|record| match record {
            Record::Tick(tick) => tick.to_string(),
            Record::Input { batch, count } => format!("input {batch}: {count}"),
            Record::Step { agent, step, cause, outputs } => {
                format!("{agent} step {step} on {} -> {}", cause_in_words(cause), outputs.len())
            }
            Record::Crash { agent, attempt, kind, decision, .. } => {
                format!("{agent} attempt {attempt}: {kind:?}, {decision:?}")
            }
            Record::DeadLetter { agent, cause, loss } => {
                format!("{agent} lost {}: {loss:?}", cause_in_words(cause))
            }
            other => format!("{other:?}"),
        })
        .collect()
}

fn cause_in_words(cause: Cause) -> String {
    match cause {
        Cause::Input(index) => format!("input {index}"),
        Cause::Message(m) => format!("{}.{}.{}", m.from.0, m.step, m.output),
        Cause::Denial(m) => format!("denial {}.{}", m.step, m.output),
        Cause::Timer(m) => format!("timer {}.{}", m.step, m.output),
        Cause::Down(m) => format!("down {}.{}.{}", m.from.0, m.step, m.output),
        Cause::Exit(m) => format!("exit {}.{}.{}", m.from.0, m.step, m.output),
        Cause::Told(m) => format!("told {}.{}", m.step, m.output),
        Cause::Spawn(m) => format!("spawn {} {}.{}", m.from.0, m.step, m.output),
    }
}

//! What a scrape says of a run that is under way, and of one that has ended.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

use karyon_gate::{Grant, Rights, Scope};
use karyon_identity::SecretKey;
use karyon_log::{End, SegmentHeader};
use karyon_log_writer::{MemoryStorage, Storage, Writer};
use karyon_metrics::Run;
use karyon_runtime::{
    Agent, AgentKind, Batch, Chaos, Context, Counts, Event, Failure, InputItem, InputSource,
    Intensity, Limits, Outcome, Population, Progress, Recorder, Restart, RestartFrom, RunConfig,
    Schedule, run,
};
use karyon_types::{AgentId, GrantId, LogId, PrincipalId, ReasonId, Tick};

use crate::openmetrics::{self, Samples};
use crate::support::{about, open, scrape};

const AGENTS: u64 = 20;
const TICKS: u64 = 200;

/// Hands what it is told to the next, and some of it to everybody's first.
#[derive(serde::Serialize, serde::Deserialize)]
struct Neighbour;

impl Agent for Neighbour {
    const KIND: AgentKind = AgentKind {
        name: "neighbour",
        version: 1,
        restart: Restart::Permanent,
        restart_from: RestartFrom::LastGood { redeliver: 0 },
    };

    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure> {
        if let Event::Input { .. } = event {
            let me = context.me().0;
            context.send(AgentId(me % AGENTS + 1), b"secret");
            context.send(AgentId(1), b"secret");
            // There is nobody of that number.
            context.send(AgentId(AGENTS + 1), b"secret");
            context.remember(b"secret");
        }
        Ok(())
    }
}

/// One input a tick; waits at half of them until somebody has looked.
struct Feeder {
    items: Vec<InputItem>,
    half: AtomicBool,
    looked: AtomicBool,
}

impl InputSource for Feeder {
    fn released(&self, tick: Tick) -> Batch<'_> {
        if tick.0 == TICKS / 2 {
            self.half.store(true, SeqCst);
            while !self.looked.load(SeqCst) {
                std::thread::yield_now();
            }
        }
        let at = tick.0 as usize;
        let items = self.items.get(at..=at).unwrap_or_default();
        Batch { number: tick.0, items }
    }

    fn ends(&self) -> Tick {
        Tick(TICKS)
    }

    fn payload(&self, _index: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"secret");
    }
}

fn recorder() -> Recorder {
    let key = Arc::new(SecretKey::from_seed([9; 32]).unwrap());
    let header = SegmentHeader { log: LogId([1; 16]), node_key: key.public_key() };
    let mut disk = MemoryStorage::default();
    disk.write_at(0, &header.encode()).unwrap();
    Recorder::new(Writer::start(Box::new(disk), &header, key, 1, End::of_new_log()).unwrap())
}

fn play(
    schedulers: usize,
    progress: &Arc<Progress>,
    feeder: Arc<Feeder>,
    recorder: Recorder,
) -> (Outcome<Neighbour>, Recorder) {
    let config = RunConfig {
        schedulers,
        small_tick: 0,
        chaos: Chaos::new(7, 0.1),
        intensity: Intensity { restarts: 1_000, period_ticks: 1 },
        limits: Limits {
            outputs_per_step: 8,
            messages_per_tick: 64,
            log_bytes_per_lease: u64::MAX,
            shed: None,
            spawned: 0,
            forks: 0,
        },
        stop: None,
        interrupt: Arc::default(),
        progress: Arc::clone(progress),
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
        schedule: Schedule::default(),
    };
    let population = Population {
        names: (1..=AGENTS).map(|n| format!("neighbour {n}")).collect(),
        init: Arc::new(|_| Neighbour),
        born: None,
        tree: None,
        subjects: None,
        grant: Grant {
            id: GrantId(1),
            principal: PrincipalId(1),
            reason: ReasonId(1),
            rights: Rights::SEND.and(Rights::REMEMBER),
            scope: Scope { first: 1, last: AGENTS },
            expires: None,
        },
        expires: vec![(AgentId(3), Tick(50))],
        changes: Vec::new(),
    };
    let mut recorder = Some(recorder);
    let outcome = run(config, population, feeder, &mut recorder).unwrap();
    (outcome, recorder.unwrap())
}

fn feeder(looked: bool) -> Arc<Feeder> {
    let item = |n| InputItem { index: n as u32, receiver: AgentId(n % AGENTS + 1) };
    let items = (0..TICKS).map(item).collect();
    Arc::new(Feeder { items, half: AtomicBool::new(false), looked: AtomicBool::new(looked) })
}

fn counted(samples: &Samples) -> Counts {
    let of = |name: &str| samples[&format!("karyon_{name}_total")] as u64;
    Counts {
        steps: of("steps"),
        sent: of("messages_sent"),
        delivered: of("messages_delivered"),
        denied: of("messages_denied"),
        remembered: of("memories_written"),
        forgone: of("memories_denied"),
        refused: of("messages_refused"),
        refused_speculative: of("messages_refused_speculative"),
        dead_lettered: of("messages_dead_lettered"),
        inputs_lost: of("inputs_lost"),
        crashes: of("crashes"),
        restarts: of("restarts"),
        exits: of("exits"),
        unarranged: of("arrangements_denied"),
    }
}

/// What is read half-way, and at the end with what the run itself tells.
fn looked_at(schedulers: usize) -> (Samples, Samples, Counts) {
    let (progress, feeder, recorder) = (Arc::new(Progress::default()), feeder(false), recorder());
    let status = recorder.status();
    let port = open(Run { status, ..about(Arc::clone(&progress)) });
    let address: SocketAddr = port.address;
    std::thread::scope(|scope| {
        let half = scope.spawn(|| {
            while !feeder.half.load(SeqCst) {
                std::thread::yield_now();
            }
            let text = scrape(address);
            feeder.looked.store(true, SeqCst);
            text
        });
        let (outcome, mut recorder) = play(schedulers, &progress, Arc::clone(&feeder), recorder);
        recorder.flush().unwrap();
        let end = scrape(address);
        assert!(!end.contains("secret"), "{end}");
        (openmetrics::read(&half.join().unwrap()), openmetrics::read(&end), outcome.counts)
    })
}

#[test]
fn what_is_scraped_equals_what_the_run_tells() {
    let (half, end, counts) = looked_at(2);
    assert_eq!(counted(&end), counts);
    for (name, some) in [("denied", counts.denied), ("crashes", counts.crashes)] {
        assert!(some > 0 && counts.restarts > 0, "nothing is shown of {name}");
    }
    // Half-way some ticks are over, and all that is read is true of the same one.
    let then = counted(&half);
    assert!(then.steps > 0 && then.steps < counts.steps, "{then:?}");
    // News of denials are on the way like messages, and are not counted as such.
    let handled = then.delivered + then.dead_lettered + then.denied;
    let on_the_way = half["karyon_mailbox_messages"] as u64;
    assert!(handled <= then.sent && then.sent <= handled + on_the_way, "{then:?} {on_the_way}");
    assert_eq!(end["karyon_inputs_total"], TICKS as f64);
    assert_eq!(end["karyon_mailbox_messages"], 0.0);
    assert!(end["karyon_mailbox_deepest_ever"] >= 2.0);
    assert_eq!(end["karyon_log_lag_records"], 0.0);
    assert_eq!(end["karyon_log_failed"], 0.0);
    assert_eq!(end["karyon_memory_lag_records"], 0.0, "nobody follows");
    assert!(end["karyon_log_records_total"] > TICKS as f64);
    assert_eq!(end["karyon_log_commit_seconds_count"], end["karyon_log_commits_total"]);
    let about =
        format!("karyon_run_info{{version=\"0.1.0\",log=\"{}\",boot=\"3\"}}", "ab".repeat(16));
    assert_eq!(end[&about], 1.0);
}

#[test]
fn any_number_of_schedulers_shows_the_same() {
    let shown = |schedulers| {
        let (half, end, _) = looked_at(schedulers);
        let of = |samples: Samples| {
            let same = |name: &String| !name.contains("log_");
            samples.into_iter().filter(|(name, _)| same(name)).collect::<Vec<_>>()
        };
        (of(half), of(end))
    };
    assert_eq!(shown(1), shown(3));
}

#[test]
fn nothing_is_counted_for_nobody() {
    let progress = Arc::new(Progress::default());
    let (outcome, _) = play(2, &progress, feeder(true), recorder());
    assert!(outcome.counts.steps > 0);
    assert_eq!(progress.tally.read(), karyon_runtime::Tallied::default());
}

#[test]
fn how_far_behind_its_log_a_memory_is() {
    let (progress, recorder) = (Arc::new(Progress::default()), recorder());
    let status = recorder.status();
    let (_, mut recorder) = play(2, &progress, feeder(true), recorder);
    recorder.flush().unwrap();
    let port = open(Run { status, ..about(Arc::clone(&progress)) });
    let shown = || openmetrics::read(&scrape(port.address));
    let memory = &progress.memory;
    memory.is_begun.store(true, SeqCst);
    let durable = shown()["karyon_log_records_total"];
    assert_eq!(shown()["karyon_memory_lag_records"], durable, "it has begun and read nothing");
    memory.records.store(5, SeqCst);
    memory.waits.store(3, SeqCst);
    memory.restarts.store(2, SeqCst);
    let shown = shown();
    assert_eq!(shown["karyon_memory_lag_records"], durable - 5.0);
    assert_eq!(shown["karyon_memory_records"], 5.0);
    assert_eq!(shown["karyon_memory_waits_total"], 3.0);
    assert_eq!(shown["karyon_memory_restarts_total"], 2.0);
}

//! A node's life, with trouble.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use karyon_gate::{Grant, Rights, Scope};
use karyon_guard::Guard;
use karyon_identity::SecretKey;
use karyon_log::{Genesis, SegmentHeader};
use karyon_log_writer::{Writer, WriterOptions};
use karyon_runtime::{
    Beginning, Chaos, DataDir, Ending, Intensity, Limits, Node, Population, Progress, Recorder,
    RunConfig, SMALL_TICK, Stuck, Watch, run,
};
use karyon_types::{AgentId, GrantId, PrincipalId, ReasonId};
use rustix::net::SendFlags;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::agents::{BROKEN_FROM, Endless, Fault, Pinger};
use crate::mode::Modes;
use crate::stuck::StuckFolder;
use crate::{descendants, strain};

/// The seed of the node's key: who tests knows it.
const NODE_KEY: [u8; 32] = [9; 32];

/// How long all is left to get under way before the file `ready` says so.
const SETTLE: Duration = Duration::from_millis(30);

const LIMITS: Limits = Limits {
    outputs_per_step: 8,
    messages_per_tick: 64,
    log_bytes_per_lease: u64::MAX,
    shed: None,
    spawned: 0,
    forks: 0,
};

pub(crate) fn live(folder: &Path, modes: &Modes) -> ExitCode {
    let link = own_link();
    let guard = Guard::attach(env!("CARGO_PKG_VERSION")).unwrap().map(Arc::new);
    let interrupt = Arc::new(AtomicUsize::new(0));
    for signal in [SIGTERM, SIGINT] {
        // One that is deaf looks at another number.
        let number = if modes.has("deaf") { Arc::default() } else { Arc::clone(&interrupt) };
        signal_hook::flag::register_usize(signal, number, signal as usize).unwrap();
    }
    let dir = match &guard {
        Some(guard) => DataDir::under(Arc::clone(guard), folder),
        None => DataDir::create(folder),
    };
    let key = Arc::new(SecretKey::from_seed(NODE_KEY).unwrap());
    let (dir, new) = (dir.unwrap(), !folder.join("log").exists());
    let mut node = match new {
        true => Node::create(dir, Arc::clone(&key), 2, beginning()).unwrap(),
        false => {
            let (version, kinds) = (env!("CARGO_PKG_VERSION"), kinds());
            Node::resume(dir, Arc::clone(&key), 2, version, &kinds, &[]).unwrap().0
        }
    };
    let stuck = modes.has("stuck-log").then(|| get_stuck(&mut node, &key));
    let progress = Arc::new(Progress::default());
    let trouble = Trouble {
        folder: folder.into(),
        guard,
        progress: Arc::clone(&progress),
        interrupt: Arc::clone(&interrupt),
        stuck,
        link,
    };
    thread::scope(|scope| {
        scope.spawn(|| trouble.make(modes));
        let began = Instant::now();
        let ended = run_node(node, modes, progress, interrupt);
        if let Ok((_, ticks)) = &ended {
            println!("{ticks} ticks in {} ms", began.elapsed().as_millis());
        }
        match ended {
            Ok((Ending::Completed, _)) => std::process::exit(0),
            Ok((Ending::Interrupted { signal }, _)) => std::process::exit(128 + signal as i32),
            Ok((Ending::Halted, _)) => std::process::exit(4),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(1)
            }
        }
    })
}

fn beginning() -> Beginning {
    let genesis = Genesis {
        karyon: env!("CARGO_PKG_VERSION").into(),
        created_unix_ms: 0,
        scenario_name: "unruly".into(),
        scenario: String::new(),
        kinds: kinds(),
        inputs: vec![],
    };
    Beginning { genesis, authority: vec![], inputs: vec![] }
}

fn kinds() -> Vec<(String, u32)> {
    vec![("pinger".into(), 1)]
}

/// Runs the agents until somebody ends it; how, and after how many ticks.
fn run_node(
    mut node: Node,
    modes: &Modes,
    progress: Arc<Progress>,
    interrupt: Arc<AtomicUsize>,
) -> Result<(Ending, u64), Box<dyn std::error::Error>> {
    let config = RunConfig {
        schedulers: modes.number("schedulers").unwrap_or(2) as usize,
        schedule: Default::default(),
        small_tick: SMALL_TICK,
        chaos: Chaos::new(0, 0.0),
        intensity: Intensity { restarts: 1_000, period_ticks: 10 },
        limits: LIMITS,
        stop: Some(node.stop_file()?),
        interrupt,
        progress,
        guard: node.dir().guard().cloned(),
        desk: None,
        watch: modes.number("watch").map(watch),
        virtual_time: false,
        snapshots: None,
        recaller: None,
        effects: Default::default(),
        space: None,
        observer: None,
        rate: None,
    };
    let count = modes.number("agents").unwrap_or(10_000);
    let idle = modes.has("idle");
    let inputs = Arc::new(Endless::new(if idle { 0 } else { count }, idle));
    match run(config, population(modes, count), inputs, &mut node.recorder) {
        Ok(outcome) => {
            match outcome.ending {
                Ending::Halted => node.halt("the file safety/STOP was found")?,
                Ending::Interrupted { signal } => {
                    drop(node.interrupt(outcome.ticks, signal)?);
                    if outcome.lost > 0 {
                        eprintln!("{} agents were lost", outcome.lost);
                    }
                }
                Ending::Completed => return Err("what never ends has ended".into()),
            }
            Ok((outcome.ending, outcome.ticks))
        }
        Err(error) => {
            // The error that ended the run is the one to tell.
            match node.abandon(&error.to_string()) {
                Ok(()) | Err(_) => Err(error.into()),
            }
        }
    }
}

/// As the command line watches, with a limit of its own.
fn watch(limit_ms: u64) -> Watch {
    let told = |stuck: &Stuck| eprintln!("warning: {stuck}");
    Watch { limit: Duration::from_millis(limit_ms), told: Arc::new(told) }
}

fn population(modes: &Modes, count: u64) -> Population<Pinger> {
    let work = modes.number("work").unwrap_or(2_000);
    let fault = match (modes.has("spin"), modes.has("deadlock")) {
        (true, _) => Some(Fault::Spin),
        (_, true) => Some(Fault::Deadlock),
        (false, false) => None,
    };
    Population {
        names: (1..=count).map(|serial| format!("pinger {serial}")).collect(),
        born: None,
        init: Arc::new(move |AgentId(serial)| Pinger {
            next: serial % count + 1,
            work,
            fault: fault.filter(|_| serial == 1),
            seen: 0,
            sum: 0,
        }),
        grant: Grant {
            id: GrantId(1),
            principal: PrincipalId(1),
            reason: ReasonId(1),
            rights: Rights::SEND,
            scope: Scope { first: 1, last: count },
            expires: None,
        },
        expires: vec![],
        changes: vec![],
        tree: None,
        subjects: None,
    }
}

/// From here on the log's disk answers a few times more, and then never again.
fn get_stuck(node: &mut Node, key: &Arc<SecretKey>) -> Arc<AtomicBool> {
    let end = node.recorder.take().unwrap().close().unwrap().unwrap();
    let header = SegmentHeader { log: node.log(), node_key: key.public_key() };
    let folder = StuckFolder::new(&node.dir().log_folder());
    let stuck = Arc::clone(&folder.stuck);
    let (key, options) = (Arc::clone(key), WriterOptions::default());
    let writer = Writer::open(Arc::new(folder), &header, key, 1, &end, options).unwrap();
    node.recorder = Some(Recorder::new(writer));
    stuck
}

/// What happens beside the agents.
struct Trouble {
    folder: PathBuf,
    guard: Option<Arc<Guard>>,
    progress: Arc<Progress>,
    interrupt: Arc<AtomicUsize>,
    stuck: Option<Arc<AtomicBool>>,
    link: Option<OwnedFd>,
}

/// The link to the guardian once more, as only this process itself can have it.
fn own_link() -> Option<OwnedFd> {
    let number = std::env::var("KARYON_GUARDIAN_LINK").ok()?.parse().ok()?;
    let me = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok()?;
    pidfd_getfd(&me, number, PidfdGetfdFlags::empty()).ok()
}

impl Trouble {
    fn make(&self, modes: &Modes) {
        if let Some(count) = modes.number("fork") {
            descendants::start(&self.folder, count);
        }
        // An agent that is broken is so from this tick on.
        self.wait(|| self.progress.tick.load(Ordering::Relaxed) >= BROKEN_FROM - 1);
        self.wait(|| self.stuck.as_ref().is_none_or(|stuck| stuck.load(Ordering::Acquire)));
        thread::sleep(SETTLE);
        for _ in 0..modes.number("flood").unwrap_or(0) {
            let link = self.link.as_ref().unwrap().try_clone().unwrap();
            // A beat. One that finds no room is not missed.
            thread::spawn(move || {
                loop {
                    match rustix::net::send(&link, b"beat false 1 0", SendFlags::NOSIGNAL) {
                        Ok(_) | Err(_) => {}
                    }
                }
            });
        }
        if modes.has("attack") {
            let outcome = attack(&self.folder);
            assert!(outcome.as_ref().is_ok_and(ExitStatus::success), "{outcome:?}");
        }
        std::fs::write(self.folder.join("ready"), "").or_else(full_is_ready).unwrap();
        let _held = strain::use_up(&self.folder, modes);
        if let Some(guard) = &self.guard {
            strain::report(guard, modes);
        }
        std::fs::write(self.folder.join("done"), "").or_else(full_is_ready).unwrap();
        if let Some(code) = modes.number("exit") {
            std::process::exit(code as i32);
        }
        if modes.has("freeze") {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::STOP).unwrap();
        }
        if modes.has("close") {
            let mut other = descendants::again(&self.folder, "spin", 0);
            other.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let error = other.env_clear().exec();
            panic!("{error}");
        }
        match modes.number("ticks") {
            Some(ticks) => {
                self.wait(|| self.progress.tick.load(Ordering::Relaxed) >= ticks);
                self.interrupt.store(SIGTERM as usize, Ordering::Relaxed);
            }
            // What is held stays held.
            None => strain::sleep_for_ever(),
        }
    }

    fn wait(&self, until: impl Fn() -> bool) {
        while !until() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// On a full disk a file without content can still be refused; its name may be there all the same.
fn full_is_ready(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::StorageFull => Ok(()),
        _ => Err(error),
    }
}

/// Runs the script that the test has put beside the data directory, once it has said what an
/// attacker could know.
fn attack(data: &Path) -> io::Result<ExitStatus> {
    let folder = data.with_file_name("attack");
    while !folder.join("facts").exists() {
        thread::sleep(Duration::from_millis(1));
    }
    let names = std::fs::read_to_string(folder.join("names"))?;
    let out = std::fs::File::create(data.join("attack.out"))?;
    Command::new("python3")
        .arg(folder.join("attack.py"))
        .arg(data)
        .args(names.lines())
        .stdin(Stdio::null())
        .stdout(out)
        .status()
}

//! Before a start: what has to hold, and the making of the first process.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use karyon_safety::{Entry, EventKind, Limits, StopWatch};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Mode, OFlags, mknodat};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior};
use rustix::time::Timespec;

use crate::args::Asked;
use crate::clerk::Clerk;
use crate::confine::{Confinement, URGENT, hand_over, own_ids};
use crate::guard::LINK;
use crate::guardian::{FAILED, FIRST_WORD, Guardian, HALTED};
use crate::halt::{REQUESTS, lock};
use crate::outside::{Contract, disk};
use crate::record::{Halt, Place, Record, unix_s};
use crate::watch::Watches;
use crate::{init, system};

/// Why nothing was started.
pub(crate) struct Refusal {
    pub(crate) code: u8,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

pub(crate) fn failed(message: impl ToString) -> Refusal {
    Refusal { code: FAILED, message: message.to_string(), hint: None }
}

pub(crate) fn halted(data: &Path, message: impl ToString) -> Refusal {
    let hint =
        format!("look at it, then `karyon safety resume --reason \"…\" --data {}`", data.display());
    Refusal { code: HALTED, message: message.to_string(), hint: Some(hint) }
}

/// Starts what is asked for, and guards it to its end: the exit code.
pub(crate) fn guard(asked: Asked) -> Result<u8, Refusal> {
    let config = karyon_safety::config_home().ok_or_else(|| {
        failed("neither KARYON_CONFIG_HOME nor HOME is set: nowhere to keep what is known")
    })?;
    let mut limits = Limits::load(&config).map_err(|error| halted(&asked.data, error))?;
    for tighter in &asked.tighten {
        limits.tighten(tighter).map_err(failed)?;
    }
    let data = asked
        .data
        .canonicalize()
        .map_err(|error| failed(format!("the data directory {}: {error}", asked.data.display())))?;
    let lock = lock(&data).ok_or_else(|| {
        failed(format!("{} is in use by another process; wait for it, or stop it", data.display()))
    })?;
    let entry = match is_new(&data) {
        true => Entry::begin(&data, &config, unix_s()).map_err(failed)?,
        false => karyon_safety::admit(&data, &config)
            .map_err(|mode| halted(&data, mode.message(&data)))?,
    };
    let mut stop = StopWatch::watch(&data, &limits.host_stop)
        .map_err(|error| halted(&data, format!("STOP cannot be watched: {error}")))?;
    if let Some(which) = stop.check() {
        return Err(halted(
            &data,
            format!("{which} is there: nothing starts until a person removes it"),
        ));
    }
    let place = Place::of(&data).map_err(failed)?;
    let mut record = Record { data, place, config, entry };
    let mut watches = Watches::decode(&record.entry.windows)
        .ok_or_else(|| halted(&record.data, "the counts of its watches cannot be read"))?;
    if !karyon_safety::pending_resumes(&record.data).map_err(failed)?.is_empty() {
        watches.forgive();
    }
    if let Err(halt) = validate(&record, &limits) {
        record.halt(&halt, "enforced", &limits).map_err(failed)?;
        return Err(halted(&record.data, halt.reason));
    }
    let mut confinement = confinement(&asked, &record, &limits)?;
    let make = |error: io::Error| failed(format!("nothing can be started: {error}"));
    let logs = record.data.join("logs");
    if !logs.is_dir() {
        std::fs::create_dir(&logs).map_err(make)?;
    }
    if let Some(uid) = confinement.user {
        // Root may ask the memory while the runtime lives: it must not be root's then.
        std::fs::create_dir_all(record.data.join("memory")).map_err(make)?;
        hand_over(&record.data, uid).map_err(make)?;
    }
    let requests = requests(&record.data).map_err(make)?;
    system::catch(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT]);
    record.begin().map_err(failed)?;
    let first = start(&mut confinement);
    let started = match first {
        Ok(started) if started.is_furnished() => started,
        other if limits.require_namespaces => {
            let why = other.map_or_else(|error| error.to_string(), |started| started.reported);
            let reason = format!("guardian.conf requires namespaces, and there are none: {why}");
            let halt = Halt::new(EventKind::SafetyHalt, reason);
            record.halt(&halt, "enforced", &limits).map_err(failed)?;
            return Err(halted(&record.data, halt.reason));
        }
        Ok(_) | Err(_) => {
            confinement.namespaces = false;
            // What loses its parents comes to the guardian then.
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
                .map_err(failed)?;
            start(&mut confinement).map_err(make)?
        }
    };
    if confinement.user.is_some() {
        rustix::process::setpriority_process(None, URGENT).map_err(failed)?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    let mut contract = vec![
        record.config.join("guardian.conf"),
        record.data.join("safety").join("marker"),
        record.data.join("logs").join("safety_events.jsonl"),
    ];
    contract.extend(confinement.programs.iter().cloned());
    let link = started.link.try_clone().map_err(make)?;
    let data = record.data.clone();
    let clerk = Clerk::begin(record, Contract::of(contract), limits.clone(), link).map_err(make)?;
    let mut guardian = Guardian {
        mechanisms: confinement.armed().collect(),
        data,
        clerk: Some(clerk),
        limits,
        watches,
        stop,
        requests,
        started,
        spoken: None,
        begun: false,
        said: None,
        crashes: 0,
        ticked: (0, Instant::now()),
        asked: init::BEAT,
        deadline: None,
    };
    let end = guardian.watch();
    let code = guardian.finish(end);
    drop(lock);
    code
}

/// Whether nothing ever ran here. A person can put STOP there beforehand.
fn is_new(data: &Path) -> bool {
    ["log", "logs/safety_events.jsonl", "safety/marker"]
        .iter()
        .all(|name| !data.join(name).exists())
}

/// What has to hold before anything runs.
fn validate(record: &Record, limits: &Limits) -> Result<(), Halt> {
    let halt = |reason: String| Halt::new(EventKind::SafetyHalt, reason);
    let disk_flags = rustix::fs::statvfs(&record.data)
        .map_err(|errno| halt(format!("the disk of the data directory: {errno}")))?
        .f_flag;
    if disk_flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        return Err(halt("the disk of the data directory cannot be written".into()));
    }
    disk(&record.data, limits).map_err(|tripped| halt(tripped.to_string()))?;
    let (now_s, last_s) = (unix_s(), record.entry.last_unix_s);
    if now_s.saturating_add(limits.clock_back_s) < last_s {
        let back_s = last_s - now_s;
        return Err(halt(format!("the clock stands {back_s} s before what was recorded last")));
    }
    Ok(())
}

/// The programs that run: this one, and the one that is asked for.
fn confinement(asked: &Asked, record: &Record, limits: &Limits) -> Result<Confinement, Refusal> {
    let folder = std::env::current_dir().map_err(failed)?;
    let program = asked
        .program
        .canonicalize()
        .map_err(|error| failed(format!("the program {}: {error}", asked.program.display())))?;
    let own = std::env::current_exe().map_err(failed)?;
    let opened = rustix::fs::open(&program, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let root = rustix::process::geteuid().is_root();
    for path in [record.config.as_path(), &program, &own] {
        if path.starts_with(&record.data) || record.data.starts_with(path) {
            return Err(failed(format!(
                "{} and the data directory {} must not lie in one another",
                path.display(),
                record.data.display()
            )));
        }
    }
    Ok(Confinement {
        data: record.data.clone(),
        config: record.config.clone(),
        name: asked.program.clone().into_os_string(),
        programs: vec![own, program],
        program: opened.map_err(failed)?,
        arguments: asked.arguments.clone(),
        environment: Vec::new(),
        user: root.then_some(limits.runtime_uid),
        own: own_ids(),
        namespaces: true,
        silence_ms: limits.heartbeat_limit_ms,
        folder,
    })
}

/// The first process, as the guardian holds it.
pub(crate) struct Started {
    pub(crate) handle: OwnedFd,
    pub(crate) number: i32,
    pub(crate) link: OwnedFd,
    pub(crate) life: File,
    report: File,
    /// What it said so far.
    pub(crate) reported: String,
}

impl Started {
    /// Reads what it said since.
    pub(crate) fn read_reports(&mut self) {
        let mut text = Vec::new();
        match self.report.read_to_end(&mut text) {
            // What was there was read; more comes later, or never.
            Ok(_) | Err(_) => self.reported.push_str(&String::from_utf8_lossy(&text)),
        }
    }

    /// What it said behind this word.
    pub(crate) fn said(&self, word: &str) -> Option<&str> {
        self.reported.lines().find_map(|line| line.strip_prefix(word))
    }

    fn is_furnished(&self) -> bool {
        self.said("furnished").is_some()
    }
}

/// Starts the first process and waits for its first word. It inherits the directory's lock, which
/// so is free only when nobody is left.
fn start(confinement: &mut Confinement) -> io::Result<Started> {
    let (packets, pipes) = (SocketFlags::CLOEXEC, PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
    let (link, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, packets, None)?;
    let (life_end, life) = pipe_with(pipes)?;
    let (report, report_end) = pipe_with(pipes)?;
    confinement.environment = vec![crate::inherit::offer(LINK, &theirs)?];
    let Some((handle, number)) = system::fork(confinement.flags())? else {
        // What it must not hold open: then it could not see the guardian's end.
        drop((link, life, report));
        init::run(confinement, life_end, report_end)
    };
    let mut started = Started {
        handle,
        number,
        link,
        life: life.into(),
        report: report.into(),
        reported: String::new(),
    };
    let begun = Instant::now();
    while started.reported.is_empty() && begun.elapsed() < FIRST_WORD {
        let mut waited = [PollFd::new(&started.report, PollFlags::IN)];
        poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }))?;
        started.read_reports();
        if started.reported.is_empty()
            && poll(&mut [PollFd::new(&started.handle, PollFlags::IN)], Some(&Timespec::default()))?
                > 0
        {
            break;
        }
    }
    Ok(started)
}
/// Without a guardian nobody reads it.
pub(crate) fn remove_requests(data: &Path) -> io::Result<()> {
    match std::fs::remove_file(data.join("safety").join(REQUESTS)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The pipe through which a person halts; made anew at each start.
fn requests(data: &Path) -> std::io::Result<File> {
    remove_requests(data)?;
    let path = data.join("safety").join(REQUESTS);
    mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Held open for writing too, so that it never ends.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(&path, flags, Mode::empty())?.into())
}

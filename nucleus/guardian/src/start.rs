//! Before a start: what has to hold, and the making of the first process.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use karyon_safety::{Entry, Limits, SafetyLog, StopWatch, make_folder};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, StatVfsMountFlags, mknodat, statvfs};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{DumpableBehavior, Signal, getpriority_process, set_dumpable_behavior};
use rustix::time::Timespec;

use crate::args::Asked;
use crate::clerk::Clerk;
use crate::confine::{Confinement, hand_over, mechanisms, own_ids};
use crate::guardian::{FAILED, FIRST_WORD, Guardian, HALTED, Known};
use crate::outside::{Contract, disk};
use crate::record::{Halt, Record, unix_s};
use crate::watch::Watches;
use crate::{held, init, system};

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
    asked.tighten.iter().try_for_each(|tighter| limits.tighten(tighter)).map_err(failed)?;
    let data = canonical("data directory", &asked.data)?;
    let _lock = held::lock(&data).ok_or_else(|| {
        failed(format!("{} is in use by another process; wait for it, or stop it", data.display()))
    })?;
    let (mut record, watches, stop) = admit(&data, &config, &limits)?;
    let mut confinement = confinement(asked, &record, &limits)?;
    let requests = prepare(&record, confinement.user).map_err(cannot_start)?;
    system::catch(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT]);
    // A guardian that a terminal stopped would be a frozen one, and end its runtime.
    system::catch(&[Signal::TSTP, Signal::TTIN, Signal::TTOU]);
    record.begin().map_err(failed)?;
    let started = start_somehow(&mut confinement, &mut record, &limits)?;
    system::be_urgent(getpriority_process(None).map_err(failed)?);
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)?;
    let files =
        [config.join("guardian.conf"), data.join("safety").join("marker"), SafetyLog::path(&data)];
    let contract = Contract::of(files.into_iter().chain(confinement.programs.clone()));
    let link = started.link.try_clone().map_err(cannot_start)?;
    let clerk = Clerk::begin(record, contract, limits.clone(), link, started.number);
    let clerk = clerk.map_err(cannot_start)?;
    let mechanisms = mechanisms(confinement.namespaces, confinement.user.is_some()).into();
    let known = Known::nothing(&limits);
    let mut guardian =
        Guardian { clerk, limits, watches, stop, mechanisms, requests, started, known };
    let ended = guardian.watch();
    guardian.finish(ended)
}

fn canonical(what: &str, path: &Path) -> Result<PathBuf, Refusal> {
    let found = path.canonicalize();
    found.map_err(|error| failed(format!("the {what} {}: {error}", path.display())))
}

fn cannot_start(error: io::Error) -> Refusal {
    failed(format!("nothing can be started: {error}"))
}

/// What is known of a directory in which a start is permitted, now that it is locked.
fn admit(
    data: &Path,
    config: &Path,
    limits: &Limits,
) -> Result<(Record, Watches, StopWatch), Refusal> {
    let entry = match karyon_safety::is_new(data) {
        true => Entry::begin(data, config, unix_s()).map_err(failed)?,
        false => {
            let known = karyon_safety::admit(data, config);
            known.map_err(|mode| halted(data, mode.message(data)))?
        }
    };
    let mut stop = StopWatch::watch(data, &limits.host_stop)
        .map_err(|error| halted(data, format!("STOP cannot be watched: {error}")))?;
    if let Some(which) = stop.check() {
        let words = format!("{which}: nothing starts until a person removes it");
        return Err(halted(data, words));
    }
    let mut record = Record::of(data, config, entry).map_err(failed)?;
    let mut watches = Watches::decode(&record.entry.windows)
        .ok_or_else(|| halted(data, "the counts of its watches cannot be read"))?;
    if !karyon_safety::pending_resumes(data).map_err(failed)?.is_empty() {
        watches.forgive();
    }
    match validate(&record, limits) {
        Ok(()) => Ok((record, watches, stop)),
        Err(reason) => Err(halt(&mut record, reason, limits)),
    }
}

/// Halts before anything ran.
fn halt(record: &mut Record, reason: String, limits: &Limits) -> Refusal {
    let halt = Halt::safety(reason);
    match record.halt(&halt, "enforced", limits) {
        Ok(()) => halted(&record.data, halt.reason),
        Err(error) => failed(error),
    }
}

/// What has to hold before anything runs.
fn validate(record: &Record, limits: &Limits) -> Result<(), String> {
    let disk_flags = statvfs(&record.data)
        .map_err(|errno| format!("the disk of the data directory: {errno}"))?
        .f_flag;
    if disk_flags.contains(StatVfsMountFlags::RDONLY) {
        return Err("the disk of the data directory cannot be written".into());
    }
    disk(&record.data, limits)?;
    let (now_s, last_s) = (unix_s(), record.entry.last_unix_s);
    if now_s.saturating_add(limits.clock_back_s) < last_s {
        let back_s = last_s - now_s;
        return Err(format!("the clock stands {back_s} s before what was recorded last"));
    }
    Ok(())
}

/// Makes what the first process and whoever asks for a halt find in the directory: the pipe for
/// that.
fn prepare(record: &Record, user: Option<u32>) -> io::Result<File> {
    let data = &record.data;
    make_folder(data, "logs").map_err(|error| error.source)?;
    if let Some(uid) = user {
        // Root may ask the memory while the runtime lives: it must not be root's then.
        make_folder(data, "memory").map_err(|error| error.source)?;
        hand_over(data, uid, &["safety", "logs", "lock"])?;
    }
    let path = held::requests(data);
    held::remove(&path)?;
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    // Held open for writing too, so that it never ends.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(&path, flags, Mode::empty())?.into())
}

/// In namespaces, or without them where there are none and a person has not required them.
fn start_somehow(
    confinement: &mut Confinement,
    record: &mut Record,
    limits: &Limits,
) -> Result<Started, Refusal> {
    let why = match start(confinement) {
        Ok(started) if started.is_furnished() => return Ok(started),
        Ok(started) => started.reported,
        Err(error) => error.to_string(),
    };
    if limits.require_namespaces {
        let reason = format!("guardian.conf requires namespaces, and there are none: {why}");
        return Err(halt(record, reason, limits));
    }
    confinement.namespaces = false;
    // What loses its parents comes to the guardian then.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(failed)?;
    start(confinement).map_err(cannot_start)
}

/// The programs that run: this one, and the one that is asked for.
fn confinement(asked: Asked, record: &Record, limits: &Limits) -> Result<Confinement, Refusal> {
    let folder = std::env::current_dir().map_err(failed)?;
    let program = canonical("program", &asked.program)?;
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
        programs: vec![own, program],
        program: opened.map_err(failed)?,
        asked,
        link: -1,
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
        // What was there was read; more comes later, or never.
        let _ = self.report.read_to_end(&mut text);
        self.reported.push_str(&String::from_utf8_lossy(&text));
    }

    /// What it said behind this word.
    pub(crate) fn said(&self, word: &str) -> Option<&str> {
        self.reported.lines().find_map(|line| line.strip_prefix(word))
    }

    fn is_furnished(&self) -> bool {
        self.said("furnished").is_some()
    }
}

/// Starts the first process and waits until it is ready, or gave up. It inherits the directory's
/// lock, which so is free only when nobody is left.
fn start(confinement: &mut Confinement) -> io::Result<Started> {
    let (packets, pipes) = (SocketFlags::CLOEXEC, PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
    let (link, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, packets, None)?;
    let (life_end, life) = pipe_with(pipes)?;
    let (report, report_end) = pipe_with(pipes)?;
    fcntl_setfd(&theirs, FdFlags::empty())?;
    confinement.link = theirs.as_raw_fd();
    let Some((handle, number)) = system::fork(confinement.flags())? else {
        // What it must not hold open: then it could not see the guardian's end.
        drop((link, life, report));
        init::run(confinement, life_end, report_end)
    };
    let (life, report, reported) = (life.into(), report.into(), String::new());
    let mut started = Started { handle, number, link, life, report, reported };
    // Open there only, so that its end is seen here.
    drop((theirs, life_end, report_end));
    let (begun, mut is_open) = (Instant::now(), true);
    while !started.is_furnished() && is_open && begun.elapsed() < FIRST_WORD {
        let mut waited = [PollFd::new(&started.report, PollFlags::IN)];
        match poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 })) {
            // A signal is obeyed by whoever watches.
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        is_open = !waited[0].revents().contains(PollFlags::HUP);
        started.read_reports();
    }
    Ok(started)
}

//! A place of its own for each test, and the program in it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use karyon_guard::inherit;
use serde_json::Value;
use tempfile::TempDir;

/// The longest that anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Contacts of a run that lasts long enough to be disturbed: about half a second, 13 MiB of log.
const LONG_CONTACTS: u64 = 400_000;

/// People in it: so many that many contacts fit in a tick, and waiting for ticks costs little.
const LONG_PEOPLE: u64 = 2_000;

/// How much of the log is written when a run is disturbed, bytes.
pub(crate) const UNDER_WAY: u64 = 512 * 1024;

/// A working directory with keys of its own.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        // As root the node is another user, and its commands leave files here.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Place { dir }
    }

    /// Makes the guardian wait long for signs of life: for a test that freezes something.
    pub(crate) fn patient(&self) {
        self.limits("heartbeat_limit_ms = 20000\n");
    }

    /// Writes the limits of the guardian.
    pub(crate) fn limits(&self, text: &str) {
        fs::create_dir_all(self.keys()).unwrap();
        fs::set_permissions(self.keys(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(self.keys().join("guardian.conf"), text).unwrap();
    }

    /// Removes a data directory, with a safety log that can only grow.
    pub(crate) fn remove(&self, data: &str) {
        let data = self.path(data);
        may_shrink(&data);
        fs::remove_dir_all(data).unwrap();
    }

    /// Starts a node under the guardian as a launcher does, with what `said` signed, as in the
    /// handover's JSON; `inputs` are variables and files.
    pub(crate) fn node(&self, args: &[&str], said: &Value, inputs: &[(&str, &str)]) -> Ended {
        let data = self.path("d");
        let key = fs::read_to_string(self.keys().join("node.key")).unwrap();
        let mut handover = serde_json::json!({
            "data": data.clone().into_os_string(),
            "shown": std::ffi::OsString::from("d"),
            "key": key.split_whitespace().last().unwrap(),
            "known": [],
            "grant": null,
            "statement": null,
            "signers": null,
        });
        for (name, value) in said.as_object().unwrap() {
            handover[name] = value.clone();
        }
        let file = inherit::in_memory(handover.to_string().as_bytes()).unwrap();
        let mut files = vec![("KARYON_HANDOVER", file)];
        files.extend(
            inputs.iter().map(|(name, file)| (*name, File::open(self.path(file)).unwrap())),
        );
        let offered = files.iter().map(|(name, file)| inherit::offer(name, file).unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_karyon-guardian"));
        command
            .current_dir(self.dir.path())
            .env("KARYON_CONFIG_HOME", self.keys())
            .envs(offered.collect::<Vec<_>>())
            .stdin(Stdio::null())
            .arg("--data")
            .arg(data)
            .args(["--", env!("CARGO_BIN_EXE_karyon")])
            .args(args);
        self.end_of(&mut command, args)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of the keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.path("keys")
    }

    pub(crate) fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_karyon")))
    }

    /// Another program, in this place.
    pub(crate) fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.dir.path())
            .env("KARYON_CONFIG_HOME", self.keys())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn karyon(&self, args: &[&str]) -> Ended {
        self.end_of(self.command().args(args), args)
    }

    /// Runs a command of which `args` are the arguments.
    pub(crate) fn end_of(&self, command: &mut Command, args: &[&str]) -> Ended {
        Ended::of(args, command.output().unwrap())
    }

    /// Starts the program.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let data = args.iter().skip_while(|arg| **arg != "--data").nth(1).unwrap_or(&"");
        self.start_of(self.command().args(args), args, data)
    }

    /// Starts a command of which `args` are the arguments, and which works in `data`.
    pub(crate) fn start_of(&self, command: &mut Command, args: &[&str], data: &str) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let lock = self.path(data).join("lock");
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Running { args, lock, child: Some(command.spawn().unwrap()) }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Starts a long run in `data` and waits until a part of its log is written.
    pub(crate) fn start_long(&self, data: &str) -> Running {
        let contacts = long_contacts();
        let args = ["run", "rumour", "--contacts", contacts, "--data", data, "--schedulers", "1"];
        let mut running = self.start(&args);
        running.wait_for_log(&self.path(data), UNDER_WAY);
        running
    }

    /// `audit verify`, which must say that all is well.
    pub(crate) fn verified(&self, data: &str) -> Value {
        self.karyon(&["audit", "verify", "--data", data, "--json"]).expect(0).json()
    }

    /// Resumes the long run in `data`: to the end, with the same state as an undisturbed one.
    pub(crate) fn resumes_to_the_same_state(&self, data: &str) {
        let args = ["resume", "--data", data, "--schedulers", "2", "--json"];
        let resumed = self.karyon(&args).expect(0).json();
        assert_eq!(resumed["state_root"], long_root());
        let report = self.verified(data);
        assert_eq!(report["state"], "sealed");
        assert_eq!(report["state_root"], long_root());
    }

    pub(crate) fn end_safe_mode(&self, data: &str, reason: &str) {
        self.karyon(&["safety", "resume", "--reason", reason, "--data", data]).expect(0);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        may_shrink(self.dir.path());
    }
}

/// As root the guardian's log cannot be removed, but by whoever takes that attribute away.
fn may_shrink(folder: &Path) {
    let taken = Command::new("chattr").args(["-R", "-f", "-a"]).arg(folder).output();
    // Where there is no such program, or no such attribute, nothing is in the way.
    drop(taken);
}

/// A program that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) args: Vec<String>,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn of(args: &[impl ToString], output: Output) -> Ended {
        Ended {
            args: args.iter().map(ToString::to_string).collect(),
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Requires an exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Ended {
        let Ended { args, out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "karyon {}\n{out}{err}", args.join(" "));
        self
    }

    /// Requires words on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Ended {
        for word in words {
            let Ended { args, out, err, .. } = &self;
            assert!(err.contains(word), "karyon {}: no {word:?} in\n{out}{err}", args.join(" "));
        }
        self
    }

    /// The object on the last line of standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A program under way; killed when dropped.
pub(crate) struct Running {
    args: Vec<String>,
    /// Held while anything of it lives.
    lock: PathBuf,
    child: Option<Child>,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The node below the guardian, which is the process that was started.
    pub(crate) fn node(&self, data: &Path) -> u32 {
        let held = karyon_safe_mode::Held::read(data).unwrap();
        let init = held.init.0;
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
        children.trim().parse().unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    /// Sends a signal, such as "INT".
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Sends a signal to the node, past its guardian.
    pub(crate) fn signal_node(&self, data: &Path, name: &str) {
        signal(self.node(data), name);
    }

    /// Waits until the log in `data` holds something at `bytes`.
    pub(crate) fn wait_for_log(&mut self, data: &Path, bytes: u64) {
        let log = log_file(data);
        self.wait_until(|| {
            let mut part = [0; 8192];
            // Reserved space reads as zero.
            File::open(&log)
                .and_then(|file| file.read_exact_at(&mut part, bytes))
                .is_ok_and(|()| part.iter().any(|byte| *byte != 0))
        });
    }

    /// Waits for something that happens while the program runs.
    pub(crate) fn wait_until(&mut self, mut happened: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !happened() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain: {:?}", self.args);
            if self.has_ended() {
                let child = self.child.take().unwrap();
                panic!(
                    "ended early: {:?}",
                    Ended::of(&self.args, child.wait_with_output().unwrap())
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let begun = Instant::now();
        while !self.has_ended() {
            assert!(begun.elapsed() < PATIENCE, "does not end: {:?}", self.args);
            std::thread::sleep(Duration::from_millis(1));
        }
        let child = self.child.take().unwrap();
        Ended::of(&self.args, child.wait_with_output().unwrap())
    }

    /// Kills it, sees that it was under way, and waits until nothing below it lives.
    pub(crate) fn kill(self) {
        let lock = self.lock.clone();
        self.signal("KILL");
        let ended = self.end();
        assert_eq!(ended.code, None, "{ended:?}");
        wait_until_free(&lock);
    }
}

/// Waits until nobody holds a lock.
pub(crate) fn wait_until_free(lock: &Path) {
    let begun = Instant::now();
    while File::open(lock).is_ok_and(|lock| lock.try_lock().is_err()) {
        assert!(begun.elapsed() < PATIENCE, "somebody lives: {}", lock.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

pub(crate) fn log_file(data: &Path) -> PathBuf {
    data.join("log/00000000.log")
}

/// Says visibly that something was not tested.
pub(crate) fn skipped(why: &str) {
    // Not by a macro: what those print is kept back when the test passes.
    std::io::stderr().write_all(format!("SKIPPED {why}\n").as_bytes()).unwrap();
}

/// The contacts of the long run: made once, the same for all tests.
pub(crate) fn long_contacts() -> &'static str {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let file = folder.join(format!("long-{LONG_CONTACTS}-{LONG_PEOPLE}.txt"));
        let mut new = tempfile::NamedTempFile::new_in(folder).unwrap();
        new.write_all(contacts(LONG_CONTACTS, LONG_PEOPLE).as_bytes()).unwrap();
        new.persist(&file).unwrap();
        file.to_str().unwrap().to_owned()
    })
}

/// `count` contacts of `people` people, by a small generator of its own.
pub(crate) fn contacts(count: u64, people: u64) -> String {
    let (mut text, mut state) = (String::new(), 7u64);
    let mut draw = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % people
    };
    for time in 0..count {
        writeln!(text, "p{} p{} {time}", draw(), draw()).unwrap();
    }
    text
}

/// The state root of the long run when nobody disturbs it.
pub(crate) fn long_root() -> &'static str {
    static ROOT: OnceLock<String> = OnceLock::new();
    ROOT.get_or_init(|| {
        let place = Place::new();
        let args = ["run", "rumour", "--contacts", long_contacts(), "--data", "d", "--json"];
        place.karyon(&args).expect(0).json()["state_root"].as_str().unwrap().to_owned()
    })
}

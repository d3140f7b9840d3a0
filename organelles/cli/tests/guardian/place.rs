//! A place for one run under a guardian, and the run in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use karyon_identity::{PublicKey, SecretKey};
use karyon_log::origin;
use karyon_safety::{Found, Marker};
use karyon_statements::Checkpoint;
use karyon_verify::{Report, Trust, verify};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::tree::{Tree, arguments, pid, signal};

/// The longest that anything here may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The ordinary user of the tests that run as root.
const USER: u32 = 1000;

/// As whom a guardian is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
}

/// As whom this machine lets us start one.
pub(crate) fn users() -> Vec<Who> {
    if rustix::process::geteuid().is_root() {
        return vec![Who::Root, Who::User];
    }
    skipped("all rows of root: the tests run as an ordinary user");
    vec![Who::User]
}

/// Says what this machine cannot do.
pub(crate) fn skipped(what: &str) {
    eprintln!("SKIPPED {what}");
}

/// A folder that everybody can use, with a data directory and a configuration of its own.
pub(crate) struct Place {
    dir: TempDir,
    who: Who,
    limits: String,
}

impl Place {
    pub(crate) fn new(who: Who) -> Place {
        // Not below a folder that another user cannot search.
        let dir = tempfile::Builder::new().prefix("karyon-guardian").tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let place = Place { dir, who, limits: String::new() };
        for (name, mode) in [("config", 0o700), ("d", 0o755), ("host", 0o777)] {
            let path = place.path(name);
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            place.give(&path);
        }
        let host_stop = place.host_stop();
        place.with("host_stop", host_stop.display())
    }

    /// Sets a limit in the guardian's configuration.
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Place {
        let others = self.limits.lines().filter(|line| !line.starts_with(&format!("{key} =")));
        let mut limits: String = others.map(|line| format!("{line}\n")).collect();
        limits.push_str(&format!("{key} = {}\n", value.to_string()));
        self.limits = limits;
        let path = self.config().join("guardian.conf");
        fs::write(&path, &self.limits).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        self.give(&path);
        self
    }

    /// Makes it the user's for whom this place is.
    pub(crate) fn give(&self, path: &Path) {
        if self.who == Who::User && rustix::process::geteuid().is_root() {
            chown(path, Some(USER), Some(USER)).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("d")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("config")
    }

    pub(crate) fn host_stop(&self) -> PathBuf {
        self.path("host").join("STOP")
    }

    /// A command as the user for whom this place is; its process is the program's.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if self.who == Who::User && rustix::process::geteuid().is_root() {
            let user = USER.to_string();
            command = Command::new("setpriv");
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(program);
        }
        command.current_dir(self.dir.path()).env_clear();
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", self.dir.path()).env("KARYON_CONFIG_HOME", self.config());
        command.stdin(Stdio::null());
        command
    }

    /// Both programs as files of the user's own.
    pub(crate) fn with_own_programs(self) -> Place {
        let folder = self.path("bin");
        fs::create_dir(&folder).unwrap();
        for (from, to) in [(GUARDIAN.into(), "karyon-guardian"), (unruly(), "unruly")] {
            // By another process: a file that this one has open to write, and with it whatever another
            // test forks just then, cannot be executed.
            let copied = Command::new("cp").arg::<PathBuf>(from).arg(folder.join(to)).status();
            assert!(copied.unwrap().success());
            self.give(&folder.join(to));
        }
        self.give(&folder);
        self
    }

    fn own(&self, program: &str) -> Option<PathBuf> {
        Some(self.path("bin").join(program)).filter(|path| path.exists())
    }

    pub(crate) fn guardian(&self) -> PathBuf {
        self.own("karyon-guardian").unwrap_or_else(|| GUARDIAN.into())
    }

    pub(crate) fn unruly(&self) -> PathBuf {
        self.own("unruly").unwrap_or_else(unruly)
    }

    /// Starts the unruly program under a guardian.
    pub(crate) fn start(&self, modes: &str) -> Run<'_> {
        let data = self.data();
        self.start_program(&self.unruly(), &[data.to_str().unwrap(), modes])
    }

    /// Starts any program under a guardian.
    pub(crate) fn start_program(&self, program: &Path, arguments: &[&str]) -> Run<'_> {
        let out = fs::File::options().create(true).append(true).open(self.path("out")).unwrap();
        self.start_into(program, arguments, out.try_clone().unwrap().into(), out.into())
    }

    /// As [`Place::start_program`], with other places for what it says.
    pub(crate) fn start_into(
        &self,
        program: &Path,
        arguments: &[&str],
        out: Stdio,
        err: Stdio,
    ) -> Run<'_> {
        let mut command = self.command(&self.guardian());
        command.arg("--data").arg(self.data()).arg("--").arg(program).args(arguments);
        command.stdout(out).stderr(err);
        Run { place: self, child: command.spawn().unwrap() }
    }

    /// Starts the unruly program without one.
    pub(crate) fn start_unguarded(&self, modes: &str) -> Run<'_> {
        let mut command = self.command(&unruly());
        command.arg(self.data()).arg(modes).stdout(fs::File::create(self.path("out")).unwrap());
        Run { place: self, child: command.spawn().unwrap() }
    }

    /// Starts it and waits until all of its trouble is under way.
    pub(crate) fn start_ready(&self, modes: &str) -> Run<'_> {
        let mut run = self.start(modes);
        run.wait_for("ready");
        run
    }

    /// What the processes said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.path("out")).unwrap_or_default()
    }

    pub(crate) fn marker(&self) -> Found {
        karyon_safety::read(&self.data())
    }

    /// The safety log's lines.
    pub(crate) fn events(&self) -> Vec<String> {
        let path = self.data().join("logs").join("safety_events.jsonl");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The log verifies, and extends what is known of it.
    pub(crate) fn verify(&self, known: &[Checkpoint]) -> Result<Report, String> {
        let log = self.data().join("log");
        let trust = Trust { node_key: Some(node_key()), known: known.to_vec() };
        let inputs = self.data().join("inputs");
        verify(&log, &log.join("checkpoint"), &inputs, &trust).map_err(|error| error.to_string())
    }

    /// A checkpoint of what the log holds now, taken from outside.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, String> {
        let report = self.verify(&[])?;
        let (size, root) = (report.end.tree.size(), report.end.tree.root());
        Ok(Checkpoint { origin: origin(report.log), size, root })
    }

    /// The sizes of what the descendants write.
    pub(crate) fn grown(&self) -> Vec<(PathBuf, u64)> {
        let Ok(entries) = fs::read_dir(self.data().join("grow")) else { return Vec::new() };
        let size = |entry: fs::DirEntry| (entry.path(), entry.metadata().unwrap().len());
        entries.flatten().map(size).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        crate::test_release::release(&karyon_safety::SafetyLog::path(&self.data()));
    }
}

/// What the key of the unruly node signs is verified with.
fn node_key() -> PublicKey {
    SecretKey::from_seed([9; 32]).unwrap().public_key()
}

const GUARDIAN: &str = env!("CARGO_BIN_EXE_karyon-guardian");

/// The program that misbehaves: an example of this package.
fn unruly() -> PathBuf {
    let karyon = Path::new(env!("CARGO_BIN_EXE_karyon"));
    let path = karyon.parent().unwrap().join("examples").join("unruly");
    assert!(path.exists(), "{} is missing: `cargo build -p karyon-cli --examples`", path.display());
    path
}

/// A guardian and all below it.
pub(crate) struct Run<'a> {
    pub(crate) place: &'a Place,
    child: Child,
}

impl Run<'_> {
    /// Waits for a file that the unruly program writes.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, name: &str) {
        let file = self.place.data().join(name);
        let begun = Instant::now();
        while !file.exists() {
            let ended = self.child.try_wait().unwrap();
            let said = self.place.said();
            assert!(ended.is_none(), "it ended early: {ended:?}\n{said}");
            assert!(begun.elapsed() < PATIENCE, "no {name} in time\n{said}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the runtime has become another program; `None`: it has ended meanwhile.
    pub(crate) fn wait_until_closed(&mut self) -> Option<Tree> {
        let is_other = |tree: &Tree| arguments(tree.runtime).get(2).is_some_and(|it| it == "spin");
        while !self.has_ended() {
            let tree = Tree::find(self.child.id());
            if let Some(tree) = tree.filter(is_other) {
                return Some(tree);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }

    #[track_caller]
    pub(crate) fn tree(&self) -> Tree {
        let said = self.place.said();
        assert!(said.is_empty(), "it has ended: {said}");
        let number = self.child.id();
        Tree::find(number).unwrap_or_else(|| panic!("nothing below the guardian {number}"))
    }

    /// The guardian's process number.
    pub(crate) fn number(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, or for a file, behind which it is asked to end; how it ended.
    pub(crate) fn end_or_stop(mut self, name: &str) -> String {
        self.wait_for_end_or(name);
        // The guardian looks once a second at what nobody may change.
        std::thread::sleep(Duration::from_millis(1_500));
        if !self.has_ended() {
            signal(pid(self.number() as i32), Signal::TERM);
        }
        self.end().map_or_else(|fault| fault, code)
    }

    pub(crate) fn wait_for_end_or(&mut self, name: &str) {
        let begun = Instant::now();
        let file = self.place.data().join(name);
        while !self.has_ended() && !file.exists() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.place.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the guardian's own end.
    pub(crate) fn end(mut self) -> Result<ExitStatus, String> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                return Err("the guardian did not end".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        // Whatever a test that failed left: its guardian's death is the death of all.
        match self.child.kill().and_then(|()| self.child.wait()) {
            Ok(_) | Err(_) => {}
        }
    }
}

/// In words.
pub(crate) fn code(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "gone".into(),
    }
}

/// In one word.
pub(crate) fn word(found: &Found) -> &'static str {
    match found {
        Found::Missing => "missing",
        Found::Broken { .. } => "broken",
        Found::Marker(Marker::Clear { .. }) => "clear",
        Found::Marker(Marker::Running { .. }) => "running",
        Found::Marker(Marker::Halted { .. }) => "halted",
    }
}

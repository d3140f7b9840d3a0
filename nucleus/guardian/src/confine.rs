//! What the runtime can reach: namespaces, mounts, and the user that it runs as.
//!
//! As an ordinary user: a user namespace in which that user is itself. As root: another user, who
//! owns the data directory and nothing else. In both, the safety files, what the guardian knows
//! and the programs cannot be written, and nobody outside the namespace is seen.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, open, statvfs};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_remount,
};
use rustix::process::{
    DumpableBehavior, Gid, Pid, Signal, Uid, WaitOptions, getpriority_process, kill_process,
    set_dumpable_behavior, wait, waitpid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::args::Asked;
use crate::frame::LINK;
use crate::system::{self, NAMESPACES, USER_NAMESPACE};

/// The namespaces of a runtime, as the system knows them.
pub(crate) fn flags(namespaces: bool, root: bool) -> u64 {
    match (namespaces, root) {
        (false, _) => 0,
        (true, true) => NAMESPACES,
        (true, false) => NAMESPACES | USER_NAMESPACE,
    }
}

/// Each mechanism, by the name that status and log show, and whether it holds then.
pub(crate) fn mechanisms(namespaces: bool, root: bool) -> [(&'static str, bool); 7] {
    [
        ("pid_namespace", namespaces),
        ("mount_namespace", namespaces),
        ("ipc_namespace", namespaces),
        ("user_namespace", namespaces && !root),
        ("separate_user", root),
        ("landlock", false),
        ("seccomp", false),
    ]
}

/// How a runtime is started and held.
pub(crate) struct Confinement {
    /// The data directory, absolute, without links.
    pub(crate) data: PathBuf,
    /// What is hidden.
    pub(crate) config: PathBuf,
    /// What cannot be written: the guardian's program, the runtime's.
    pub(crate) programs: Vec<PathBuf>,
    pub(crate) program: OwnedFd,
    pub(crate) asked: Asked,
    /// The descriptor of the runtime's end of the link: it stays open in what it becomes.
    pub(crate) link: i32,
    /// As root: whom the runtime runs as.
    pub(crate) user: Option<u32>,
    /// Who started it: nobody knows any more in a new user namespace.
    pub(crate) own: (u32, u32),
    /// False: the system gives no namespaces, and a person allowed to go on without.
    pub(crate) namespaces: bool,
    /// After which silence of the guardian all ends.
    pub(crate) silence_ms: u64,
    /// Where the command was given.
    pub(crate) folder: PathBuf,
}

impl Confinement {
    pub(crate) fn flags(&self) -> u64 {
        flags(self.namespaces, self.user.is_some())
    }

    /// In the first process: makes the namespace what it has to be. What could not be had is
    /// named with the reason; an error is what nothing can go on without.
    pub(crate) fn furnish(&self) -> io::Result<Vec<(&'static str, String)>> {
        // Where a kernel divides the processor among sessions, whoever ends the others does not
        // share what they use up. A terminal's Ctrl-C comes through the guardian.
        rustix::process::setsid()?;
        system::be_urgent(getpriority_process(None)?);
        if !self.namespaces {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
            return Ok(Vec::new());
        }
        map_users(self.flags(), self.own)?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        private_mounts()?;
        let mut absent = Vec::new();
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        if let Err(error) = mount("proc", "/proc", "proc", flags, None) {
            // Some containers cover parts of /proc and so forbid another one.
            absent.push(("mount_namespace", format!("no /proc of its own: {error}")));
        }
        self.protect()?;
        Ok(absent)
    }

    fn protect(&self) -> io::Result<()> {
        let data = open(&self.data, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        if let Some(covered) = self.user.and_then(|uid| self.unsearchable(uid)) {
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            mount("karyon", &covered, "tmpfs", flags, c"mode=755")?;
            fs::create_dir_all(&self.data)?;
            mount_bind(format!("/proc/self/fd/{}", data.as_raw_fd()), &self.data)?;
            read_only(&covered)?;
        }
        for own in ["safety", "logs", "lock"] {
            seal(&self.data.join(own))?;
        }
        for program in self.programs.iter().filter(|program| program.exists()) {
            seal(program)?;
        }
        for groups in control_groups()? {
            read_only(&groups)?;
        }
        if self.config.is_dir() {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
            mount("karyon", &self.config, "tmpfs", flags, c"mode=755,size=4k")?;
        }
        Ok(())
    }

    /// The uppermost folder above the data directory that this user cannot enter.
    fn unsearchable(&self, uid: u32) -> Option<PathBuf> {
        let closed = |path: &&Path| {
            fs::metadata(path).is_ok_and(|found| {
                let bit = if found.uid() == uid { 0o100 } else { 0o001 };
                found.mode() & bit == 0
            })
        };
        self.data.ancestors().skip(1).filter(closed).last().map(Path::to_path_buf)
    }

    /// In the first process, once the runtime is started: keeps the right to signal it, no other.
    pub(crate) fn drop_rights(&self) -> io::Result<()> {
        set_no_new_privs(true)?;
        let kept = if self.user.is_some() { CapabilitySet::KILL } else { CapabilitySet::empty() };
        Ok(set_capabilities(None, only(kept))?)
    }

    /// Becomes the runtime; returns only when that fails.
    pub(crate) fn become_runtime(&self) -> io::Error {
        if let Err(error) = self.lower() {
            return error;
        }
        // As another user it may not be reachable by its name.
        let program = format!("/proc/self/fd/{}", self.program.as_raw_fd());
        std::process::Command::new(program)
            .arg0(&self.asked.program)
            .args(&self.asked.arguments)
            .env(LINK, self.link.to_string())
            .exec()
    }

    fn lower(&self) -> io::Result<()> {
        // Without namespaces this is what is left; it does not reach what the runtime starts.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if let Some(uid) = self.user {
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(uid));
            set_thread_groups(&[])?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
        }
        rustix::process::setsid()?;
        set_no_new_privs(true)?;
        set_capabilities(None, only(CapabilitySet::empty()))?;
        let reachable = accessat(CWD, &self.folder, Access::EXEC_OK, AtFlags::EACCESS);
        let folder = if reachable.is_ok() { &self.folder } else { &self.data };
        Ok(rustix::process::chdir(folder)?)
    }
}

fn only(kept: CapabilitySet) -> CapabilitySets {
    CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() }
}

/// Makes a folder or file unwritable where it stands.
fn seal(path: &Path) -> io::Result<()> {
    mount_bind(path, path)?;
    read_only(path)
}

fn read_only(path: &Path) -> io::Result<()> {
    // What another mount forbids already must be forbidden here too; both have the same bits.
    let forbidden = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let present = MountFlags::from_bits_truncate(statvfs(path)?.f_flag.bits() as u32) & forbidden;
    Ok(mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | present, "")?)
}

/// Where control groups are mounted. Whoever may change the guardian's own could leave it and
/// freeze it, the first process with it.
fn control_groups() -> io::Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let groups = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let folder = words.next()?;
        words.next()?.starts_with("cgroup").then(|| PathBuf::from(folder))
    });
    Ok(groups.collect())
}

/// As root: makes the data directory the runtime's own, but for what in it is `kept` for the
/// guardian. Links are not followed, and a file with several names keeps its owner.
pub(crate) fn hand_over(path: &Path, uid: u32, kept: &[&str]) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if !kept.iter().any(|own| entry.file_name() == *own) {
                hand_over(&entry.path(), uid, &[])?;
            }
        }
    }
    match found.uid() != uid && (found.is_dir() || found.nlink() == 1) {
        true => std::os::unix::fs::lchown(path, Some(uid), Some(uid)),
        false => Ok(()),
    }
}

/// Without a namespace: ends whatever came to this process when its parents ended. True: nobody is
/// left.
pub(crate) fn bury_orphans() -> bool {
    let own = rustix::process::getpid().as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    let Ok(children) = children else { return false };
    for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
        if let Some(child) = Pid::from_raw(child) {
            // One that has ended by itself is buried below.
            let _ = kill_process(child, Signal::KILL);
        }
    }
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    children.trim().is_empty()
}

/// Whether this system gives such namespaces, and mounts in them.
pub(crate) fn available(flags: u64) -> bool {
    let own = own_ids();
    match system::fork(flags) {
        Err(_) => false,
        Ok(None) => {
            let made = map_users(flags, own).and_then(|()| Ok(private_mounts()?));
            system::exit_now(i32::from(made.is_err()))
        }
        Ok(Some((_, number))) => {
            let ended = waitpid(Pid::from_raw(number), WaitOptions::empty());
            matches!(ended, Ok(Some((_, status))) if status.exit_status() == Some(0))
        }
    }
}

/// The user and group of this process.
pub(crate) fn own_ids() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// In a new user namespace: the user is itself, and nobody else is there.
fn map_users(flags: u64, (uid, gid): (u32, u32)) -> io::Result<()> {
    if flags & USER_NAMESPACE == 0 {
        return Ok(());
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

fn private_mounts() -> rustix::io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}

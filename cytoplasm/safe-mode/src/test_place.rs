//! A data directory and a configuration directory for tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use karyon_safety::{Limits, SafetyLog};
use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

use crate::ResumeRequest;

pub(crate) struct Place {
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) limits: Limits,
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (data, config) = (dir.path().join("data"), dir.path().join("config"));
        fs::create_dir(&data).unwrap();
        let host_stop = dir.path().join("host/STOP");
        Place { data, config, limits: Limits { host_stop, ..Limits::default() }, dir }
    }

    pub(crate) fn request<'a>(&'a self, reason: &'a str) -> ResumeRequest<'a> {
        ResumeRequest {
            data: &self.data,
            config: &self.config,
            log: [7; 16],
            reason,
            unix_ms: 1_700_000_000_250,
            least_n: 0,
            signature: None,
            limits: &self.limits,
        }
    }

    /// The entry of the data directory, which has one.
    pub(crate) fn entry(&self) -> PathBuf {
        let id = fs::read_to_string(self.data.join("safety/identity")).unwrap();
        self.config.join("directories").join(id.trim())
    }

    /// A copy of the data directory, attributes of files aside.
    pub(crate) fn copy(&self, to: &str) -> PathBuf {
        let copy = self.dir.path().join(to);
        let mut done = std::process::Command::new("cp");
        done.args(["-r", "-T"]).args([&self.data, &copy]);
        assert!(done.status().unwrap().success());
        copy
    }

    /// As root the safety log can only be appended to.
    pub(crate) fn overwrite(&self, path: &Path, bytes: &[u8]) {
        release(path);
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for data in fs::read_dir(self.dir.path()).into_iter().flatten().flatten() {
            release(&SafetyLog::path(&data.path()));
        }
    }
}

pub(crate) fn release(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    if let Ok(flags) = ioctl_getflags(&file)
        && flags.contains(IFlags::APPEND)
    {
        ioctl_setflags(&file, flags - IFlags::APPEND).unwrap();
    }
}

//! A data directory and a configuration directory for tests, also those of `karyon-safe-mode`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::test_release::release;

pub(crate) struct Place {
    pub(crate) data: PathBuf,
    pub(crate) config: PathBuf,
    dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (data, config) = (dir.path().join("data"), dir.path().join("config"));
        fs::create_dir(&data).unwrap();
        Place { data, config, dir }
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
            release(&data.path().join("logs/safety_events.jsonl"));
        }
    }
}

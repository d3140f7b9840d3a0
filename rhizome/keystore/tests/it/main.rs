//! The keystore on a real file system.
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod carry;
mod copies;
mod golden;
mod place;
mod readers;

use std::path::PathBuf;

use karyon_keystore::{Erasure, Keystore};
use karyon_types::LogId;

/// The log of all tests.
const LOG: LogId = LogId([0xab; 16]);

/// A data directory, and a folder for a master key beside it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data", "config"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Place { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn master(&self) -> PathBuf {
        self.folder.path().join("config/master")
    }

    fn keys(&self, generation: u64) -> PathBuf {
        self.data().join(format!("keystore/keys.{generation}"))
    }

    fn create(&self) -> Keystore {
        Keystore::create(&self.data(), &self.master(), LOG).unwrap()
    }

    fn open(&self) -> Keystore {
        Keystore::open(&self.data(), &self.master(), LOG).unwrap()
    }

    fn open_read_only(&self) -> Keystore {
        Keystore::open_read_only(&self.data(), &self.master(), LOG).unwrap()
    }
}

fn erase(keystore: &mut Keystore, erasure: &Erasure) {
    assert!(keystore.erase(erasure).unwrap().leftover.is_none());
}

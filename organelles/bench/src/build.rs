//! Which program it was.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::machine::UNKNOWN;

/// Which program it was. Each is a text, `unknown` where nobody could tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The version of Karyon.
    pub karyon: String,
    /// The compiler that built it.
    pub rustc: String,
    /// What allocates memory for it.
    pub allocator: String,
    /// The profile that it was built with.
    pub profile: Profile,
    /// The commit that it was built from.
    pub commit: String,
    /// Who says so.
    pub commit_from: CommitFrom,
}

/// How much the compiler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Optimised.
    Release,
    /// With checks that cost time, and little optimised: says nothing about speed.
    Debug,
}

/// Who says from which commit it was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitFrom {
    /// `KARYON_COMMIT` was set when it was built.
    Build,
    /// It was run in a checkout, of which this is the commit. Nobody knows whether it was built
    /// there.
    WorkingDirectory,
    /// Nobody.
    Unknown,
}

impl Build {
    /// This program; its allocator is known to whoever chose it.
    pub fn here(allocator: &str) -> Build {
        let (commit, commit_from) = match option_env!("KARYON_COMMIT") {
            Some(commit) if !commit.is_empty() => (commit.to_owned(), CommitFrom::Build),
            Some(_) | None => match checkout(Path::new(".")) {
                Some(commit) => (commit, CommitFrom::WorkingDirectory),
                None => (UNKNOWN.to_owned(), CommitFrom::Unknown),
            },
        };
        Build {
            karyon: env!("CARGO_PKG_VERSION").into(),
            rustc: env!("KARYON_RUSTC").into(),
            allocator: allocator.into(),
            profile: if cfg!(debug_assertions) { Profile::Debug } else { Profile::Release },
            commit,
            commit_from,
        }
    }
}

/// The commit of the checkout of Karyon at a place, with `-dirty` where files that are in it were
/// changed; `None`: there is none.
fn checkout(place: &Path) -> Option<String> {
    // Any other repository has nothing to say here.
    if !place.join("organelles/bench/Cargo.toml").is_file() {
        return None;
    }
    let said = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(place).args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = said(&["rev-parse", "HEAD"]).filter(|commit| !commit.is_empty())?;
    let changed = said(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_that_of_a_checkout_of_karyon_and_of_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let git = |args: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(dir.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
            assert!(command.args(args).output().unwrap().status.success(), "{args:?}");
        };
        git(&["init", "-q"]);
        std::fs::write(dir.path().join("a"), "a").unwrap();
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "x"]);
        assert_eq!(checkout(dir.path()), None, "another repository");
        let here = dir.path().join("organelles/bench");
        std::fs::create_dir_all(&here).unwrap();
        std::fs::write(here.join("Cargo.toml"), "").unwrap();
        let commit = checkout(dir.path()).unwrap();
        assert!(commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{commit}");
        std::fs::write(dir.path().join("a"), "b").unwrap();
        assert_eq!(checkout(dir.path()), Some(format!("{commit}-dirty")));
    }

    #[test]
    fn the_build_says_all_that_it_knows() {
        let build = Build::here("mimalloc");
        assert!(build.rustc.starts_with("rustc 1."), "{}", build.rustc);
        assert_eq!((build.karyon.as_str(), build.allocator.as_str()), ("0.1.0", "mimalloc"));
        assert_eq!(build.profile == Profile::Debug, cfg!(debug_assertions));
    }
}

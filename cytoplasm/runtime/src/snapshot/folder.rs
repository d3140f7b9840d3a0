//! Snapshots as files of a data directory.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use karyon_log::{Control, SnapshotRecord};
use karyon_types::{LogId, Tick};

use super::{Keep, Snapshot, Start};
use crate::datadir::replace_whole;

/// How a file begins; the last two digits are the version of its format.
const MAGIC: [u8; 8] = *b"KSNAP\x0003";
/// Magic, log, tick, records, digest, length of the content.
const HEADER_BYTES: usize = 8 + 16 + 8 + 8 + 32 + 8;
/// Snapshots that are kept: should the newest not be whole, there is one more.
const KEPT: usize = 2;
const SUFFIX: &str = ".snapshot";

/// The folder of a log's snapshots.
#[derive(Clone, Debug)]
pub struct SnapshotFolder {
    path: PathBuf,
    log: LogId,
}

impl SnapshotFolder {
    /// That of the data directory `data`, for the log that it holds.
    pub fn of(data: &Path, log: LogId) -> SnapshotFolder {
        SnapshotFolder { path: data.join("snapshots"), log }
    }

    /// Those that the log names in its committed records, `controls`, the newest first. A run of
    /// which more than `most` records are to be compared may start from each.
    pub fn believed<'a>(
        &self,
        controls: impl IntoIterator<Item = &'a Control>,
        most: u64,
    ) -> Vec<Start> {
        let named: Vec<SnapshotRecord> = controls
            .into_iter()
            .filter_map(|control| match control {
                Control::Snapshot(named) if named.records <= most => Some(named.clone()),
                _ => None,
            })
            .collect();
        let there = match self.list() {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::warn!(%error, folder = %self.path.display(), "no snapshot can be read");
                return Vec::new();
            }
        };
        let starts = there.into_iter().rev().map(|(_, path)| {
            let (named, log) = (named.clone(), self.log);
            let start: Start = Box::new(move || match read(&path, log, &named) {
                Ok(snapshot) => Some(snapshot),
                Err(why) => {
                    tracing::warn!(file = %path.display(), why, "a snapshot is passed over");
                    None
                }
            });
            start
        });
        starts.collect()
    }

    /// All that there are, by tick.
    fn list(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if let Some(tick) = name.strip_suffix(SUFFIX).and_then(|tick| tick.parse().ok()) {
                all.push((tick, path));
            }
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Removes what writes leave that were cut off.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with('.') && name.ends_with(".snapshot.new") {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what is older than the newest, or of a future that was cut off.
    fn prune(&self, newest: u64) -> io::Result<()> {
        let mut all = self.list()?;
        let behind = all.split_off(all.partition_point(|(tick, _)| *tick <= newest));
        let old = all.len().saturating_sub(KEPT);
        for (_, path) in all.drain(..old).chain(behind) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

impl Keep for SnapshotFolder {
    fn keep(&self, snapshot: &Snapshot) -> io::Result<()> {
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let tick = snapshot.tick.0;
        let bytes = encode(snapshot, self.log);
        let kept = replace_whole(&self.path.join(format!("{tick}{SUFFIX}")), &bytes);
        // Half a file would take room on a full disk.
        let swept = self.sweep();
        kept.map_err(io::Error::other)?;
        swept?;
        self.prune(tick)
    }
}

fn encode(snapshot: &Snapshot, log: LogId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + snapshot.content.len());
    bytes.extend(MAGIC);
    bytes.extend(log.0);
    bytes.extend(snapshot.tick.0.to_le_bytes());
    bytes.extend(snapshot.records.to_le_bytes());
    bytes.extend(snapshot.digest().0);
    bytes.extend((snapshot.content.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&snapshot.content);
    bytes
}

/// Reads a file, should it be whole, of this log, and one of those that are `named`; why it is not.
fn read(path: &Path, log: LogId, named: &[SnapshotRecord]) -> Result<Snapshot, String> {
    let said = |error: io::Error| error.to_string();
    let file = karyon_log::open_regular(path).map_err(said)?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    (&file).take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(said)?;
    let (record, length) = read_header(&header, log)?;
    if !named.contains(&record) {
        return Err("the log does not name it".into());
    }
    // Now that somebody answers for it: only so much of it is read as there was.
    let whole = length.saturating_add(HEADER_BYTES as u64);
    if file.metadata().map_err(said)?.len() != whole {
        return Err("it is not as long as it was".into());
    }
    let bytes = karyon_log::read_open(&file, whole).map_err(said)?;
    let content = bytes.get(HEADER_BYTES..).unwrap_or_default().into();
    let SnapshotRecord { tick, records, digest } = record;
    let snapshot = Snapshot { tick: Tick(tick), records, content };
    match snapshot.digest().0 == digest {
        true => Ok(snapshot),
        false => Err("it is not as it was written".into()),
    }
}

/// Of which snapshot a file says that it is, and how long its content is.
fn read_header(mut rest: &[u8], log: LogId) -> Result<(SnapshotRecord, u64), String> {
    let cut = || "it is cut".to_owned();
    let mut take = |count: usize| {
        let (part, more) = rest.split_at_checked(count).ok_or_else(cut)?;
        rest = more;
        Ok::<_, String>(part)
    };
    if take(8)? != MAGIC {
        return Err("it is of another version, or no snapshot".into());
    }
    if take(16)? != log.0 {
        return Err("it is of another log".into());
    }
    let mut number = || {
        let bytes: [u8; 8] = take(8)?.try_into().map_err(|_| cut())?;
        Ok::<_, String>(u64::from_le_bytes(bytes))
    };
    let (tick, records) = (number()?, number()?);
    let digest: [u8; 32] = take(32)?.try_into().map_err(|_| cut())?;
    let length: [u8; 8] = take(8)?.try_into().map_err(|_| cut())?;
    Ok((SnapshotRecord { tick, records, digest }, u64::from_le_bytes(length)))
}

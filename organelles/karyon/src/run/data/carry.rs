//! What is remembered in a data directory, taken out, brought in elsewhere, and told to whoever is
//! new.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use karyon_gate::Rights;
use karyon_graph::View;
use karyon_identity::PublicKey;
use karyon_memory::{
    Carried, Filter, Import, Imported, Item, Journal, RESOURCE, Selection, TransplantError, export,
    import, import_digest, known, spool, trust,
};
use karyon_memory_ops::Properties;
use karyon_runtime::{DataDir, DataDirError, datadir};
use karyon_verify::{Trust, verify};

use super::Data;
use crate::error::RunError;

/// The version of Karyon, as recorded.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A fact that an agent recorded, and from where it is known.
#[derive(Clone, Debug)]
pub struct KnownFact {
    /// Of whom.
    pub subject: String,
    /// Which kind of fact.
    pub predicate: String,
    /// What it says, agents by name.
    pub properties: Properties,
    /// Who recorded it, in which record, of which log: in words.
    pub source: String,
}

impl KnownFact {
    fn of(item: Item) -> Option<KnownFact> {
        let (subject, predicate) = item.thing.fact()?;
        let (subject, predicate) = (subject.to_owned(), predicate.to_owned());
        let (record, writer) = (item.recorded.position, item.writer);
        let source = match item.origin {
            None => format!("record {record}, by {writer}"),
            Some(log) => {
                format!("record {record} of log {log}, by {writer}; here record {}", item.position)
            }
        };
        let (_, properties) = item.content?;
        Some(KnownFact { subject, predicate, properties, source })
    }
}

impl Data {
    /// Writes what was chosen of the memory to a new file, an engram, signed by the node; how many
    /// memories it holds.
    ///
    /// # Errors
    /// What keeps the log from being verified, or the file from being written; should it fail, no
    /// file stays.
    pub fn export(&self, chosen: &Selection<'_>, out: &Path) -> Result<usize, RunError> {
        let key = self.node_key_of_log()?;
        let trust = Trust { node_key: Some(key.public_key()), known: Vec::new() };
        let (log, checkpoint) =
            (datadir::log_folder(&self.path), datadir::checkpoint_file(&self.path));
        let verified = verify(&log, &checkpoint, &datadir::inputs(&self.path), &trust);
        let report = verified.map_err(karyon_runtime::NodeError::from)?;
        let reader = karyon_memory::open(&self.path, &mut |_| ())?.graph.read()?;
        let mut journal = Journal::of(&self.path, &mut |_| ()).map_err(TransplantError::Journal)?;
        let file = File::create_new(out).map_err(|error| RunError::File(out.into(), error))?;
        let sealed =
            spool(out).map_err(|error| RunError::File(out.into(), error)).and_then(|spool| {
                let files = (spool, &mut BufWriter::new(&file));
                let (_, memories) = export(&report, &reader, &mut journal, chosen, &key, files)?;
                file.sync_all().map_err(|error| RunError::File(out.into(), error))?;
                Ok(memories)
            });
        sealed.inspect_err(|_| drop(std::fs::remove_file(out)))
    }

    /// Brings an engram into the memory: of a directory with a complete run, or of a new one. It is
    /// believed if this machine's node signed it, or the key that is `trusted`. What is there
    /// already is not added again, and what contradicts is kept beside.
    ///
    /// # Errors
    /// An engram that is not as it was signed, or not believed; a grant, a key or a directory that
    /// cannot be had. Nothing is written then.
    pub fn import(&self, engram: &Path, trusted: Option<PublicKey>) -> Result<Imported, RunError> {
        let failed = |error| RunError::File(engram.into(), error);
        let engram =
            Carried::check(File::open(engram).map_err(failed)?).map_err(TransplantError::Engram)?;
        let key = match datadir::log_file(&self.path).exists() {
            true => self.node_key_of_log()?,
            false => self.node_key()?,
        };
        let node_key = key.public_key();
        let believed = trust(&engram, Some(node_key), trusted)?;
        let terms = (RESOURCE.to_owned(), import_digest(&engram.hash), Rights::IMPORT);
        let authority = self.allowed(node_key, terms)?;
        let (known, _) = match datadir::log_file(&self.path).exists() {
            true => {
                self.known(karyon_log::Walk::open(&datadir::log_folder(&self.path))?.header().log)?
            }
            false => (Vec::new(), None),
        };
        let wanted = Import {
            engram: &engram,
            trusted: believed,
            authority: &authority,
            known: &known,
            karyon: VERSION,
        };
        let dir = match DataDir::create(&self.path) {
            Err(DataDirError::NotEmpty { .. }) => DataDir::open(&self.path),
            other => other,
        };
        let dir = dir.map_err(karyon_runtime::NodeError::from)?;
        Ok(import(dir, key, &wanted)?)
    }

    /// What somebody new should know: the facts that agents recorded and that hold, here or where
    /// an engram came from, the newest first, at most `most`. Of `subject` alone, if one is named.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn brief(&self, subject: Option<&str>, most: usize) -> Result<Vec<KnownFact>, RunError> {
        let reader = karyon_memory::open(&self.path, &mut |_| ())?.graph.read()?;
        let filter = Filter { subject, ..Filter::default() };
        let (items, _) = known(&reader, &filter, &View::NOW, most)?;
        Ok(items.into_iter().filter_map(KnownFact::of).collect())
    }
}

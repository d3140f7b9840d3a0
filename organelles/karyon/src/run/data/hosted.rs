//! A run in a program that is a node by itself, with its guardian, its keys and its ways to show what
//! happens: the command `karyon`.

use std::any::Any;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use karyon_boundary::Grounds;
use karyon_identity::SecretKey;
use karyon_log::{End, Walk};
use karyon_runtime::processes::Desk;
use karyon_runtime::{Authority, DataDir, Node, Progress, Watch, datadir};
use karyon_statements::Checkpoint;
use karyon_types::Tick;
use karyon_verify::Report;

use super::live::{Told, VERSION};
use crate::error::RunError;
use crate::outcome::Outcome;
use crate::run::Run;
use crate::run::orders::left_behind;

/// Called when the node has begun; what comes of it is kept until the run is over.
pub type Begun<'a> = &'a dyn Fn(&Node) -> Option<Box<dyn Any>>;

/// Who looks on while it runs.
#[derive(Default)]
pub struct Seen<'a> {
    /// The number of the signal that asks for an end; 0: none.
    pub interrupt: Arc<AtomicUsize>,
    /// Read by whoever shows progress.
    pub progress: Arc<Progress>,
    /// Where it is asked about its agents.
    pub desk: Arc<Desk>,
    /// How its steps are watched.
    pub watch: Option<Watch>,
    /// Messages and inputs a second at most.
    pub rate: Option<NonZeroU64>,
    /// Told of the node.
    pub begun: Option<Begun<'a>>,
}

/// The node that a run is to live in.
pub struct Host<'a> {
    /// Its directory, locked by its guardian.
    pub dir: DataDir,
    /// The key that signs its log.
    pub key: Arc<SecretKey>,
    /// Who looks on.
    pub seen: Seen<'a>,
}

/// What is left of the node.
#[derive(Default)]
pub struct Ended {
    /// The directory of a run that is complete, still locked.
    pub dir: Option<DataDir>,
    /// Where its log ends.
    pub end: Option<End>,
    /// Agents that were lost with a step that did not return.
    pub lost: u64,
}

impl Run {
    /// As [`Run::begin`], in the node of a program that has its own.
    ///
    /// # Errors
    /// As [`Run::begin`].
    pub fn begin_hosted(
        &self,
        host: Host<'_>,
        authority: &Authority,
    ) -> Result<(Outcome, Ended), RunError> {
        self.check()?;
        self.settings.check_adapter()?;
        if !self.subjects.is_empty() {
            return Err(RunError::NoKeystore);
        }
        let Host { dir, key, seen } = host;
        let rights = self.rights_in_all();
        authority.permits(key.public_key(), self.digest(), &self.resource(), rights)?;
        let grant = self.grant(authority.signed.terms.expires_tick.map(Tick));
        let beginning = self.beginning(authority.records(&grant), None);
        let grounds = Grounds::recorded(&beginning.authority);
        let node = Node::create(dir, key, self.settings.schedulers, beginning)?;
        let told = Told { boot: 1, grounds };
        self.live_seen(node, (grant, None), &self.orders, (None, told), seen)
    }

    /// As [`Run::resume`], likewise; the report of what its log held. `known`: checkpoints that were
    /// kept elsewhere.
    ///
    /// # Errors
    /// As [`Run::resume`].
    pub fn resume_hosted(
        &self,
        host: Host<'_>,
        known: &[Checkpoint],
        from_snapshot: bool,
        told_of: impl FnOnce(&Report),
    ) -> Result<(Outcome, Ended), RunError> {
        self.check()?;
        self.settings.check_adapter()?;
        let Host { dir, key, seen } = host;
        let walk = Walk::open(&datadir::log_folder(dir.path()))?;
        let orders = left_behind(&self.orders, walk)?;
        let (schedulers, versions) = (self.settings.schedulers, self.versions());
        let (mut node, report) = Node::resume(dir, key, schedulers, VERSION, &versions, known)?;
        if self.is_another(report.genesis()) {
            let error = RunError::OtherRun("population or one of its settings");
            return Err(super::live::failed(node, error));
        }
        if from_snapshot {
            node.go_on_from_snapshots(&report);
        }
        told_of(&report);
        let boot = report.boots() as u32 + u32::from(!report.end.sealed);
        let told = Told { boot, grounds: Grounds::recorded(&report.controls) };
        let grant = self.granted(&report);
        self.live_seen(node, (grant, None), &orders, (None, told), seen)
    }

    /// Says what it was made from: recorded with it, and part of its digest. For a program that makes
    /// it again from that ([`Run::origin_of`]).
    pub fn made_from(&mut self, text: &str) -> &mut Run {
        self.origin = Some(text.to_owned());
        self
    }

    /// What the scenario of a log's genesis says that its run was [made from](Run::made_from); `None`:
    /// it does not say. Nobody checked it yet: a run that is made of it is compared with the log.
    pub fn origin_of(scenario: &str) -> Option<String> {
        origin_in(scenario)
    }
}

/// The line of a description that says it.
fn origin_in(description: &str) -> Option<String> {
    let line = description.lines().find_map(|line| line.strip_prefix("made_from = "))?;
    // As `Debug` writes a text.
    let mut text = String::new();
    let mut characters = line.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                'u' => {
                    let code: String =
                        characters.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    char::from_u32(u32::from_str_radix(&code, 16).ok()?)?
                }
                plain => plain,
            },
            plain => plain,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_comes_back_from_a_description() {
        for text in ["", "a = \"b\"\nc = 'ü\\'\n", "\u{1}\t\r\0\u{200b}"] {
            let mut run = Run::new("x");
            run.made_from(text);
            assert_eq!(origin_in(&run.description()).as_deref(), Some(text));
        }
        assert_eq!(origin_in(&Run::new("x").description()), None);
    }
}

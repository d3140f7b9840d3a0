//! A run on a data directory: a node with a signed log, and a principal who answers for it.

mod carry;
mod hosted;
mod live;
mod replay;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karyon_gate::Rights;
use karyon_identity::{PublicKey, SecretKey};
use karyon_keys::{KeyDirectory, KeyError};
use karyon_log::Walk;
use karyon_runtime::{Authority, NodeError, Permit, Shed, datadir};
use karyon_statements::{Checkpoint, GrantTerms};
use karyon_types::{Hash, Hasher};

pub use self::carry::KnownFact;
pub use self::hosted::{Begun, Ended, Host, Seen};
pub use self::replay::Replayed;
use super::Run;
use super::tree::add;
use crate::address::Pid;
use crate::error::RunError;

/// A data directory, and whose keys sign what happens in it.
#[derive(Clone)]
pub struct Data {
    path: PathBuf,
    signs: Signs,
}

#[derive(Clone)]
enum Signs {
    /// Keys of this machine.
    Here { keys: Option<KeyDirectory>, principal: String, reason: String },
    /// Somebody signed elsewhere.
    Elsewhere { key: Arc<SecretKey>, authority: Arc<Authority> },
}

impl Data {
    /// The directory `path`, which a new run makes. `principal` is the name of the person who
    /// grants the run what it may do and answers for it, `reason` says why it runs, in 1 to 1,000
    /// bytes; both are recorded. The keys are those of this machine, as the command `karyon` uses
    /// them; what is missing is made when a run begins: the node's key, which signs the log, and
    /// the principal's.
    ///
    /// The process holds the principal's key while it signs. Where that is too much, and under a
    /// guardian, which hides all keys: [`Data::granted`].
    pub fn new(path: impl Into<PathBuf>, principal: &str, reason: &str) -> Data {
        let (principal, reason) = (principal.into(), reason.into());
        Data { path: path.into(), signs: Signs::Here { keys: None, principal, reason } }
    }

    /// The directory `path` for a process that was handed the node's key and a grant which a
    /// principal signed for [`Run::resource`] and [`Run::digest`].
    pub fn granted(path: impl Into<PathBuf>, node_key: SecretKey, authority: Authority) -> Data {
        let (key, authority) = (Arc::new(node_key), Arc::new(authority));
        Data { path: path.into(), signs: Signs::Elsewhere { key, authority } }
    }

    /// Takes the keys from this directory: for tests, and for whoever keeps them elsewhere.
    #[must_use]
    pub fn keys(mut self, directory: KeyDirectory) -> Data {
        if let Signs::Here { keys, .. } = &mut self.signs {
            *keys = Some(directory);
        }
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys of this machine, if they are what signs.
    fn keys_here(&self) -> Result<Option<KeyDirectory>, RunError> {
        match &self.signs {
            Signs::Here { keys, .. } => Ok(Some(key_directory(keys)?)),
            Signs::Elsewhere { .. } => Ok(None),
        }
    }

    /// The key that signs the log of a new run.
    fn node_key(&self) -> Result<Arc<SecretKey>, RunError> {
        Ok(match &self.signs {
            Signs::Here { keys, .. } => Arc::new(key_directory(keys)?.load_or_create_node_key()?.0),
            Signs::Elsewhere { key, .. } => Arc::clone(key),
        })
    }

    /// The key that signs the log that is there: the one that began it.
    fn node_key_of_log(&self) -> Result<Arc<SecretKey>, RunError> {
        Ok(match &self.signs {
            Signs::Here { keys, .. } => {
                Arc::new(key_directory(keys)?.node_key_for(&self.signer()?)?)
            }
            Signs::Elsewhere { key, .. } => Arc::clone(key),
        })
    }

    /// By which key the log that is there says that it is signed.
    fn signer(&self) -> Result<PublicKey, RunError> {
        let walk = Walk::open(&datadir::log_folder(&self.path));
        let nothing = |_| NodeError::NothingRecorded { data: self.path.clone() };
        Ok(walk.map_err(nothing)?.header().node_key)
    }

    /// Who allows a run of this.
    fn authority(&self, node_key: PublicKey, run: &Run) -> Result<Arc<Authority>, RunError> {
        self.allowed(node_key, (run.resource(), run.digest(), run.rights_in_all()))
    }

    /// Who allows something: on what, exactly what, with which rights.
    fn allowed(
        &self,
        node_key: PublicKey,
        (resource, digest, rights): (String, Hash, Rights),
    ) -> Result<Arc<Authority>, RunError> {
        let (keys, name, reason) = match &self.signs {
            Signs::Here { keys, principal, reason } => (key_directory(keys)?, principal, reason),
            Signs::Elsewhere { authority, .. } => return Ok(Arc::clone(authority)),
        };
        match keys.create_principal(name) {
            Ok(_) | Err(KeyError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let key = keys.load_principal_key(name)?;
        let terms = GrantTerms {
            principal: name.clone(),
            principal_key: key.public_key(),
            node_key,
            reason: reason.clone(),
            rights: rights.0,
            resource,
            scenario: digest,
            expires_tick: None,
            nonce: GrantTerms::random_nonce()?,
        };
        let signed = terms.sign(&key)?;
        Ok(Arc::new(Authority { signed, principal_key: key.public_key() }))
    }

    /// What is known of the log from elsewhere, and where its newest checkpoint is kept.
    fn known(
        &self,
        log: karyon_types::LogId,
    ) -> Result<(Vec<Checkpoint>, Option<PathBuf>), RunError> {
        let Signs::Here { keys, .. } = &self.signs else { return Ok((Vec::new(), None)) };
        let checkpoints = key_directory(keys)?.checkpoints();
        let known = checkpoints.load(log, &[self.signer()?])?;
        Ok((known.into_iter().map(|known| known.checkpoint).collect(), Some(checkpoints.path(log))))
    }
}

fn key_directory(keys: &Option<KeyDirectory>) -> Result<KeyDirectory, RunError> {
    Ok(match keys {
        Some(keys) => keys.clone(),
        None => KeyDirectory::from_environment()?,
    })
}

impl Run {
    /// What a principal's grant for this run is for: `run/NAME`.
    pub fn resource(&self) -> String {
        format!("run/{}", self.name)
    }

    /// The digest of the whole run, which a principal's grant names: agents with their kinds,
    /// versions and first states, groups, the tree of supervisors, inputs, orders, and all settings
    /// but the number of threads.
    pub fn digest(&self) -> Hash {
        let mut hasher = Hasher::for_domain("karyon run terms v1");
        hasher.field(self.description().as_bytes()).field(&self.inputs_signed());
        hasher.finish()
    }

    /// What genesis says of it, as TOML. Who is in it stands in the records of their beginning.
    pub(super) fn description(&self) -> String {
        let mut hasher = Hasher::for_domain("karyon population v1");
        for (serial, place) in (1..).zip(&self.places) {
            hasher.field(place.name.as_bytes()).update(&(place.kind as u64).to_le_bytes());
            // A digest of what somebody begins with would outlive them.
            let is_open = !self.subjects.contains_key(&Pid(serial));
            hasher.field(place.state.as_deref().filter(|_| is_open).unwrap_or_default());
        }
        hasher.update(&(self.groups.len() as u64).to_le_bytes());
        for (name, (members, kind)) in &self.groups {
            hasher.field(name.as_bytes()).field(kind.as_bytes());
            hasher.update(&(members.len() as u64).to_le_bytes());
            for member in members {
                hasher.update(&member.0.to_le_bytes());
            }
        }
        if let Ok(Some(tree)) = &self.supervised() {
            hasher.field(b"tree");
            add(tree, &mut hasher);
            for (name, number) in self.supervisors().unwrap_or_default() {
                hasher.field(name.as_bytes()).update(&number.to_le_bytes());
            }
        }
        let (subjects, seen) = (self.describe_subjects(), self.surroundings.describe());
        let origin =
            self.origin.as_ref().map_or(String::new(), |text| format!("made_from = {text:?}\n"));
        let (name, agents, population) = (&self.name, self.places.len(), hasher.finish());
        let settings = &self.settings;
        let (limits, intensity) = (self.limits_in_all(), &settings.intensity);
        let (seed, chaos, rights) = (settings.seed, settings.chaos, self.rights_in_all().0);
        let spawns: Vec<_> =
            self.spawns.iter().filter_map(|number| self.kinds.get(*number)).collect();
        let spawns: Vec<_> = spawns.iter().map(|known| known.name).collect();
        let orders: Vec<_> = self
            .orders
            .iter()
            .map(|(tick, agent, order)| format!("{tick}: {order:?} {}", agent.0))
            .collect();
        let expires: Vec<_> =
            settings.expires.iter().map(|(agent, tick)| [agent.0, tick.0]).collect();
        let changes: Vec<_> = settings
            .changes
            .iter()
            .map(|(tick, verb, target)| format!("{}: {verb:?} {target:?}", tick.0))
            .collect();
        let shed = limits.shed.map_or(String::new(), |Shed { speculative, critical }| {
            format!("shed = [{speculative}, {critical}]\n")
        });
        let effects = match settings.effects.permits.as_slice() {
            [] => String::new(),
            permits => {
                let all = permits.iter().map(|Permit { kind, action, resource }| {
                    format!("    [{kind:?}, {action:?}, {resource:?}],\n")
                });
                format!("permits = [\n{}]\n", all.collect::<String>())
            }
        };
        format!(
            "run = {name:?}\n{origin}agents = {agents}\npopulation = \"{population}\"\nseed = {seed}\n\
             chaos = {chaos:?}\nrights = {rights}\nlease_ends = {expires:?}\n\
             changes = {changes:?}\nspawns = {spawns:?}\norders = {orders:?}\n{effects}{subjects}{seen}\n\
             [supervision]\nintensity = {}\nperiod_ticks = {}\n\n\
             [limits]\noutputs_per_step = {}\nmessages_per_tick = {}\n\
              log_bytes_per_lease = \"{}\"\nspawned = {}\nforks = {}\n{shed}",
            intensity.restarts,
            intensity.period_ticks,
            limits.outputs_per_step,
            limits.messages_per_tick,
            limits.log_bytes_per_lease,
            limits.spawned,
            limits.forks,
        )
    }
}

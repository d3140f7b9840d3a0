//! From a run to the runtime, and back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use karyon_gate::{Grant, Scope};
use karyon_runtime::{Chaos, Population, Progress, Recorder, RunConfig, SMALL_TICK, add_state};
use karyon_types::{GrantId, Hasher, PrincipalId, ReasonId, Tick};

use super::Run;
use crate::inputs::Inputs;
use crate::member::Member;

impl Run {
    /// How it is run, here or again; nothing guards it and nobody looks for STOP yet.
    pub(super) fn config(&self) -> RunConfig {
        let settings = &self.settings;
        RunConfig {
            schedulers: settings.schedulers,
            small_tick: SMALL_TICK,
            chaos: Chaos::new(settings.seed, settings.chaos),
            intensity: settings.intensity,
            limits: settings.limits,
            stop: None,
            interrupt: Arc::new(AtomicUsize::new(0)),
            progress: Arc::new(Progress::default()),
            guard: None,
            desk: None,
            rate: None,
            watch: None,
            schedule: settings.schedule,
        }
    }

    /// Its one grant, in the serials of its log.
    pub(super) fn grant(&self, expires: Option<Tick>) -> Grant {
        Grant {
            id: GrantId(1),
            principal: PrincipalId(1),
            reason: ReasonId(1),
            rights: self.settings.rights,
            scope: Scope { first: 1, last: self.places.len() as u64 },
            expires,
        }
    }

    pub(super) fn population(&self, grant: Grant) -> Population<Member> {
        Population {
            names: self.names(),
            init: Arc::new(self.births()),
            born: None,
            tree: None,
            grant,
            expires: self.settings.expires.clone(),
            changes: self.settings.changes.clone(),
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.places.iter().map(|place| place.name.clone()).collect()
    }

    /// Runs it with this recorder.
    pub(super) fn go(
        &self,
        config: RunConfig,
        grant: Grant,
        recorder: &mut Option<Recorder>,
    ) -> Result<karyon_runtime::Outcome<Member>, karyon_runtime::RunError> {
        let inputs = Arc::new(Inputs::new(self.places.len() as u64, &self.inputs));
        karyon_runtime::run(config, self.population(grant), inputs, recorder)
    }

    /// What the root of the final state is computed from, as far as the agents make it.
    pub(super) fn add_state(&self, outcome: &karyon_runtime::Outcome<Member>) -> Hasher {
        let mut hasher = Hasher::for_domain("karyon state root v2");
        add_state(outcome, &self.names(), &mut hasher);
        hasher
    }
}

//! From a run to the runtime, and back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use karyon_gate::{Grant, Rights, Scope};
use karyon_runtime::{
    Chaos, Limits, Population, Progress, Recorder, RunConfig, SMALL_TICK, Subjects, add_state,
};
use karyon_types::{GrantId, Hash, Hasher, PrincipalId, ReasonId, Tick};

use super::Run;
use super::orders::{Due, Ordered, RefusedOrder};
use crate::error::RunError;
use crate::inputs::Inputs;
use crate::member::Member;
use crate::outcome::Outcome;
use crate::series::Series;

/// What comes of a run beside its agents.
pub(super) struct Beside {
    pub(super) refused: Vec<RefusedOrder>,
    pub(super) series: Series,
}

impl Run {
    /// How it is run, here or again; nothing guards it and nobody looks for STOP yet.
    pub(super) fn config(&self) -> RunConfig {
        let settings = &self.settings;
        RunConfig {
            schedulers: settings.schedulers,
            small_tick: SMALL_TICK,
            chaos: Chaos::new(settings.seed, settings.chaos),
            intensity: settings.intensity,
            limits: self.limits_in_all(),
            stop: None,
            interrupt: Arc::new(AtomicUsize::new(0)),
            progress: Arc::new(Progress::default()),
            guard: None,
            desk: None,
            rate: None,
            watch: None,
            virtual_time: false,
            snapshots: None,
            recaller: None,
            effects: settings.effects.clone(),
            space: None,
            observer: None,
            schedule: settings.schedule,
        }
    }

    /// Its one grant, in the serials of its log.
    pub(super) fn grant(&self, expires: Option<Tick>) -> Grant {
        let Limits { spawned, forks, .. } = self.limits_in_all();
        // Where nobody may spawn, leases reach those who are there when it begins.
        let reach = if spawned == 0 { 0 } else { spawned.saturating_add(forks) };
        Grant {
            id: GrantId(1),
            principal: PrincipalId(1),
            reason: ReasonId(1),
            rights: self.rights_in_all(),
            scope: Scope { first: 1, last: (self.places.len() as u64).saturating_add(reach) },
            expires,
        }
    }

    /// With what was added for those that come to life.
    pub(super) fn limits_in_all(&self) -> Limits {
        let (limits, forks) = (self.settings.limits, self.forks());
        Limits {
            spawned: limits.spawned.saturating_add(self.settings.spawned),
            forks: limits.forks.saturating_add(forks),
            ..limits
        }
    }

    /// What the principal's grant for this run has to hold.
    pub fn granted_rights(&self) -> Rights {
        self.rights_in_all()
    }

    pub(super) fn rights_in_all(&self) -> Rights {
        let mut rights = self.settings.rights;
        if !self.spawns.is_empty() {
            rights = rights.and(Rights::SPAWN);
        }
        if !self.settings.effects.permits.is_empty() {
            rights = rights.and(Rights::ACT);
        }
        if self.settings.recalls {
            rights = rights.and(Rights::RECALL);
        }
        rights
    }

    fn population(
        &self,
        grant: Grant,
        subjects: Option<Subjects>,
    ) -> Result<Population<Member>, RunError> {
        let directory = Arc::new(self.directory());
        Ok(Population {
            names: self.names(),
            init: Arc::new(self.births(Arc::clone(&directory))),
            born: self.born(directory),
            tree: self.supervised()?,
            subjects,
            grant,
            expires: self.settings.expires.clone(),
            changes: self.settings.changes.clone(),
        })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.places.iter().map(|place| place.name.clone()).collect()
    }

    /// Runs it with this recorder, giving these orders; those that were refused.
    pub(super) fn go(
        &self,
        mut config: RunConfig,
        (grant, subjects): (Grant, Option<Subjects>),
        orders: &[Due],
        recorder: &mut Option<Recorder>,
    ) -> Result<(karyon_runtime::Outcome<Member>, Beside), RunError> {
        let inputs = Inputs::new(self.places.len() as u64, &self.inputs);
        let inputs = inputs.activating(self.surroundings.activates());
        config.space = self.surroundings.space();
        let (observer, reported) = self.surroundings.reporter().unzip();
        config.observer = observer;
        let desk = config.desk.get_or_insert_default();
        let inputs = Arc::new(Ordered::new(inputs, Arc::clone(desk), &self.orders, orders));
        let source = Arc::clone(&inputs);
        let outcome =
            karyon_runtime::run(config, self.population(grant, subjects)?, source, recorder)?;
        let series = self.series(reported, outcome.ticks, outcome.space.as_deref());
        Ok((outcome, Beside { refused: inputs.refused(), series }))
    }

    /// What is left of it; how long it took knows whoever ran it.
    pub(super) fn left(
        &self,
        outcome: karyon_runtime::Outcome<Member>,
        Beside { refused, series }: Beside,
        state_root: Hash,
        (records, records_root): (u64, Hash),
    ) -> Outcome {
        Outcome {
            ending: outcome.ending,
            ticks: outcome.ticks,
            counts: outcome.counts,
            state_root,
            resumed_from: outcome.resumed_from.map(|tick| tick.0),
            records_root,
            records,
            took: Duration::ZERO,
            refused,
            series,
            space: outcome.space,
            agents: outcome.agents,
            born: outcome.born,
        }
    }

    /// What the root of the final state is computed from, as far as the agents make it: their states,
    /// and what all see, where there is such.
    pub(super) fn add_state(&self, outcome: &karyon_runtime::Outcome<Member>) -> Hasher {
        let mut hasher = Hasher::for_domain("karyon state root v2");
        add_state(outcome, &self.names(), &mut hasher);
        if let Some(space) = &outcome.space {
            space.add_to(hasher.field(b"space"));
        }
        hasher
    }
}

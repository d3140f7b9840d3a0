//! What agents look at and do not change: from a tick on, another.

use std::any::Any;
use std::sync::Arc;

use karyon_runtime::codec;
use karyon_types::{Hash, Hasher};
use serde::Serialize;

use super::Run;
use crate::error::RunError;

type Thing = Arc<dyn Any + Send + Sync>;

/// What holds from which tick on, and its digest; in the order of ticks.
#[derive(Clone, Default)]
pub(crate) struct Worlds(Vec<(u64, Thing, Hash)>);

impl Worlds {
    /// The one that holds in a tick, if it is of this type.
    #[inline]
    pub(crate) fn at<W: 'static>(&self, tick: u64) -> Option<&W> {
        let held = self.0.iter().rev().find(|(from, ..)| *from <= tick);
        held.and_then(|(_, thing, _)| thing.downcast_ref())
    }

    fn put(&mut self, from: u64, thing: Thing, digest: Hash) {
        let behind = self.0.partition_point(|(other, ..)| *other < from);
        match self.0.get_mut(behind) {
            Some(same) if same.0 == from => *same = (from, thing, digest),
            Some(_) | None => self.0.insert(behind, (from, thing, digest)),
        }
    }

    /// The one that holds from the beginning on.
    fn first(&self) -> Option<&(u64, Thing, Hash)> {
        self.0.first().filter(|(from, ..)| *from == 0)
    }

    /// What a run's description says of them; nothing where there is none.
    pub(crate) fn describe(&self) -> String {
        let line = |(from, _, digest): &(u64, Thing, Hash)| match from {
            0 => format!("world = \"{digest}\"\n"),
            from => format!("world_from_{from} = \"{digest}\"\n"),
        };
        self.0.iter().map(line).collect()
    }
}

impl Run {
    /// What never changes while the run goes on and all agents may look at
    /// ([`Context::world`](crate::Context::world)): parameters, a map, who knows whom. Its
    /// MessagePack is part of the run's digest.
    pub fn world<W: Serialize + Send + Sync + 'static>(&mut self, world: W) -> &mut Run {
        self.world_from(0, world)
    }

    /// As [`Run::world`], from a tick on: what agents look at in that tick and behind it.
    pub fn world_from<W: Serialize + Send + Sync + 'static>(
        &mut self,
        tick: u64,
        world: W,
    ) -> &mut Run {
        let mut bytes = Vec::new();
        codec::encode(&world, &mut bytes);
        let digest = Hasher::for_domain("karyon world v1").field(&bytes).finish();
        self.surroundings.worlds.put(tick, Arc::new(world), digest);
        self
    }

    /// From a tick on, goes on as `other` would: with its world, and to its end where that is given
    /// by a number of activations ([`Run::every_tick`]). What happened before is what happens
    /// without.
    ///
    /// # Errors
    /// [`RunError::OtherBeginning`], if they differ in anything else: then `other` had another past;
    /// [`RunError::OverBefore`], if one of them is over by then.
    pub fn change_from(&mut self, tick: u64, other: &Run) -> Result<&mut Run, RunError> {
        let plain = |run: &Run| {
            let mut plain = run.clone();
            plain.surroundings.worlds = Worlds::default();
            plain.surroundings.activates = None;
            plain.origin = None;
            plain.description()
        };
        let (own, others) = (self.surroundings.activates, other.surroundings.activates);
        let ticks = |all: Option<(u64, u64)>| all.map(|(times, each)| times.saturating_mul(each));
        let end = ticks(own).into_iter().chain(ticks(others)).min();
        if let Some(end) = end.filter(|end| tick > *end) {
            return Err(RunError::OverBefore(tick, end));
        }
        let goes_on = own.map(|(_, each)| each) == others.map(|(_, each)| each);
        let worlds = &other.surroundings.worlds;
        let (Some((_, thing, digest)), true) = (worlds.first(), goes_on) else {
            return Err(RunError::OtherBeginning(tick));
        };
        if self.inputs != other.inputs || plain(self) != plain(other) {
            return Err(RunError::OtherBeginning(tick));
        }
        self.surroundings.worlds.put(tick, Arc::clone(thing), *digest);
        self.surroundings.activates = others;
        Ok(self)
    }
}

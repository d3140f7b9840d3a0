//! A tree as it is kept in a snapshot: what is not so from its beginning, in one order.

use serde::{Deserialize, Serialize};

use crate::children::{Child, Place};
use crate::spec::ChildId;
use crate::supervisor::Supervisor;
use crate::tree::Supervised;

/// What became of a tree: see [`Tree::save`](crate::Tree::save).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SavedTree {
    pub(crate) gave_up: Option<ChildId>,
    pub(crate) added: Vec<Added>,
    /// How often each was begun, and what it does if it runs.
    pub(crate) supervisors: Vec<(ChildId, u64, Option<Box<Supervisor>>)>,
}

/// A child that was added while its supervisor ran.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Added {
    pub(crate) id: ChildId,
    pub(crate) parent: ChildId,
    /// `None`: a worker.
    pub(crate) below: Option<Supervised>,
}

/// Children in the order of their starts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedChildren {
    pub(crate) children: Vec<Child>,
    pub(crate) next: Place,
}

/// Ticks and what was counted in them.
pub(crate) mod ring {
    use std::collections::VecDeque;

    use karyon_types::Tick;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        ring: &VecDeque<(Tick, u64)>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ring.iter().map(|(tick, count)| (tick.0, count)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<VecDeque<(Tick, u64)>, D::Error> {
        let ring = Vec::<(u64, u64)>::deserialize(deserializer)?;
        Ok(ring.into_iter().map(|(tick, count)| (Tick(tick), count)).collect())
    }
}

/// What several share, each time as it is.
pub(crate) mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::tree::Supervised;

    pub(crate) fn serialize<S: Serializer>(
        below: &Arc<Supervised>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Supervised::serialize(below, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<Supervised>, D::Error> {
        Supervised::deserialize(deserializer).map(Arc::new)
    }
}

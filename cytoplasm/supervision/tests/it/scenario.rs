//! Random trees, and what happens to them.

use std::sync::Arc;

use karyon_supervision::{
    AutoShutdown, ChildId, ChildSpec, Exit, Flags, Intensity, Restart, Shutdown, Spec, Strategy,
    Supervised,
};
use proptest::prelude::*;
// The domain has a `Strategy` too.
use proptest::strategy::Strategy as Generate;

use crate::support::{Failing, ROOT};

/// Supervisors above each other, at most; with the workers below that is depth 4.
const SUPERVISORS_DEEP: u32 = 3;

/// A tree and its history.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub below: Supervised,
    pub failing: Failing,
    pub happens: Vec<Happens>,
}

/// Places are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
pub enum Happens {
    /// A worker that runs ends.
    Exit(usize, Exit),
    /// So many ticks later.
    Later(u64),
    Terminate(usize),
    Restart(usize),
    Delete(usize),
    /// A worker is added to a supervisor.
    Add(usize, Restart),
}

/// What a scenario may hold.
#[derive(Clone, Copy, Debug)]
pub struct Holds {
    pub dynamic: bool,
    pub requests: bool,
    /// Ticks go by, and not all restarts fall into one period.
    pub time: bool,
    pub failed_starts: bool,
}

#[derive(Clone, Debug)]
enum Shape {
    Worker(Restart, Shutdown, bool),
    Supervisor(Restart, bool, Flags, Vec<Shape>),
}

pub fn scenario(holds: Holds) -> impl Generate<Value = Scenario> {
    // First starts rarely fail: then there is little to see.
    let nth = prop_oneof![1 => Just(0), 20 => 1u32..6];
    let failing = prop::collection::btree_set((1u64..12, nth), 0..10);
    let happens = prop::collection::vec(happens(holds), 1..30);
    (supervised(holds), failing, happens).prop_map(move |((flags, shapes), failing, happens)| {
        let mut next = ROOT.0;
        let children = shapes.iter().map(|shape| shape.spec(flags, &mut next)).collect();
        let failing = if holds.failed_starts { failing } else { Failing::new() };
        Scenario { below: Supervised { flags, children }, failing, happens }
    })
}

fn supervised(holds: Holds) -> impl Generate<Value = (Flags, Vec<Shape>)> {
    (flags(holds), prop::collection::vec(shape(holds), 0..5)).prop_map(without_order)
}

/// Dynamic supervisors stop several at once: where these are supervisors themselves, what is below
/// them comes in no one order, so there are workers only.
fn without_order((flags, mut children): (Flags, Vec<Shape>)) -> (Flags, Vec<Shape>) {
    if flags.strategy == Strategy::Dynamic {
        children.retain(|shape| matches!(shape, Shape::Worker(..)));
    }
    (flags, children)
}

fn shape(holds: Holds) -> impl Generate<Value = Shape> {
    let worker = (restart(), shutdown(), any::<bool>())
        .prop_map(|(restart, shutdown, significant)| Shape::Worker(restart, shutdown, significant));
    worker.prop_recursive(SUPERVISORS_DEEP - 1, 24, 4, move |inner| {
        let children = prop::collection::vec(inner, 0..4);
        (restart(), any::<bool>(), flags(holds), children).prop_map(
            |(restart, significant, flags, children)| {
                let (flags, children) = without_order((flags, children));
                Shape::Supervisor(restart, significant, flags, children)
            },
        )
    })
}

fn restart() -> impl Generate<Value = Restart> {
    prop_oneof![
        3 => Just(Restart::Permanent),
        1 => Just(Restart::Transient),
        1 => Just(Restart::Temporary)
    ]
}

fn shutdown() -> impl Generate<Value = Shutdown> {
    prop_oneof![
        Just(Shutdown::Infinity),
        Just(Shutdown::BrutalKill),
        Just(Shutdown::Timeout { ticks: 3 })
    ]
}

fn flags(holds: Holds) -> impl Generate<Value = Flags> {
    let strategy = prop_oneof![
        3 => Just(Strategy::OneForOne),
        3 => Just(Strategy::OneForAll),
        3 => Just(Strategy::RestForOne),
        1 => Just(if holds.dynamic { Strategy::Dynamic } else { Strategy::OneForAll }),
    ];
    let auto_shutdown = prop_oneof![
        3 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant),
    ];
    (strategy, 0u64..6, 1u64..10, auto_shutdown).prop_map(
        move |(strategy, restarts, period_ticks, auto_shutdown)| {
            let period_ticks = if holds.time { period_ticks } else { 3600 };
            let intensity = Intensity { restarts, period_ticks };
            Flags { strategy, intensity, auto_shutdown, max_children: None }
        },
    )
}

fn happens(holds: Holds) -> impl Generate<Value = Happens> {
    let exit = prop_oneof![
        4 => Just(Exit::Failure),
        1 => Just(Exit::Normal),
        1 => Just(Exit::Shutdown),
        1 => Just(Exit::Killed)
    ];
    let (asked, later) = (u32::from(holds.requests), u32::from(holds.time));
    let place = any::<usize>();
    prop_oneof![
        10 => (place, exit).prop_map(|(place, exit)| Happens::Exit(place, exit)),
        2 * later => (1u64..6).prop_map(Happens::Later),
        asked => place.prop_map(Happens::Terminate),
        asked => place.prop_map(Happens::Restart),
        asked => place.prop_map(Happens::Delete),
        asked => (place, restart()).prop_map(|(place, restart)| Happens::Add(place, restart)),
    ]
}

impl Shape {
    /// Its spec, numbered as it is met, under a supervisor with these flags.
    fn spec(&self, above: Flags, next: &mut u64) -> Spec {
        *next += 1;
        let id = ChildId(*next);
        let fits = |significant: bool, restart| {
            significant
                && restart != Restart::Permanent
                && above.auto_shutdown != AutoShutdown::Never
        };
        match self {
            Shape::Worker(restart, shutdown, significant) => Spec::Worker(ChildSpec {
                id,
                arguments: 100 + id.0,
                restart: *restart,
                shutdown: *shutdown,
                significant: fits(*significant, *restart),
            }),
            Shape::Supervisor(restart, significant, flags, shapes) => {
                let children = shapes.iter().map(|shape| shape.spec(*flags, next)).collect();
                Spec::Supervisor {
                    id,
                    restart: *restart,
                    significant: fits(*significant, *restart),
                    below: Arc::new(Supervised { flags: *flags, children }),
                }
            }
        }
    }
}

/// All ids in a tree: supervisors, and (supervisor, child).
pub fn ids(root: &Supervised) -> (Vec<ChildId>, Vec<(ChildId, ChildId)>) {
    fn walk(id: ChildId, below: &Supervised, all: &mut (Vec<ChildId>, Vec<(ChildId, ChildId)>)) {
        all.0.push(id);
        for spec in &below.children {
            match spec {
                Spec::Worker(child) => all.1.push((id, child.id)),
                Spec::Supervisor { id: child, below, .. } => {
                    all.1.push((id, *child));
                    walk(*child, below, all);
                }
            }
        }
    }
    let mut all = (Vec::new(), Vec::new());
    walk(ROOT, root, &mut all);
    all
}

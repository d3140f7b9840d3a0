//! Hops and paths against walking everywhere.

use super::*;

/// A small, dense graph of agents: edges at times, some of which end.
fn networks() -> impl Strategy<Value = Vec<Write>> {
    let agent = || (1..6u64).prop_map(|serial| Vertex::Agent(AgentId(serial)));
    let kind = prop::sample::select(vec!["met", "met", "met", "knows"]);
    let contents = prop_oneof![
        5 => (0..3i64).prop_map(|value| Content::Present {
            labels: BTreeSet::new(),
            properties: [("value".to_owned(), Value::Int(value))].into(),
        }),
        2 => Just(Content::Ended),
    ];
    let write =
        (agent(), kind, agent(), 0..4i64, contents).prop_map(|(from, kind, to, at, content)| {
            let entity = Entity::Edge { from, kind: kind.to_owned(), to };
            Write { entity, valid: Valid::since(time(at)), content }
        });
    prop::collection::vec(write, 0..36)
}

/// Ways from each vertex: along which edge, to whom.
type Ways = Vec<(VertexId, EntityId, VertexId)>;

fn ways(known: &Known, view: &View, direction: &str, filter: Option<&Filter>) -> Ways {
    let mut ways = Ways::new();
    for (edge, version) in known.holding(view) {
        let EntityId::Edge { from, to, .. } = &edge else { continue };
        let (from, to) = (*from, *to);
        let mut add = |a: VertexId, b: VertexId| {
            let follows = filter
                .is_none_or(|filter| known.matches(filter, Some(&version.content), Some(b), view));
            if follows {
                ways.push((a, edge.clone(), b));
            }
        };
        if direction != "incoming" {
            add(from, to);
        }
        if direction == "incoming" || (direction == "both" && from != to) {
            add(to, from);
        }
    }
    ways.sort_by(|a, b| (a.0, a.2, &a.1).cmp(&(b.0, b.2, &b.1)));
    ways
}

fn moments() -> impl Strategy<Value = View> {
    prop_oneof![
        Just(View::NOW),
        (0..6i64).prop_map(|at| View::at(time(at))),
        (0..6i64, 0..3i64).prop_map(|(at, len)| View::between(time(at), time(at + len))),
    ]
}

fn directions() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["outgoing", "incoming", "both"])
}

/// All simple paths of at most `max` edges, the naive way: every one that can be walked.
fn walked(
    ways: &Ways,
    to: VertexId,
    max: usize,
    path: &mut Vec<(VertexId, EntityId)>,
    from: VertexId,
    all: &mut Vec<Vec<(VertexId, EntityId)>>,
) {
    let at = path.last().map_or(from, |(vertex, _)| *vertex);
    if at == to && !path.is_empty() {
        all.push(path.clone());
    }
    if path.len() == max || at == to {
        return;
    }
    for (_, edge, next) in ways.iter().filter(|(a, _, _)| *a == at) {
        if *next == from || path.iter().any(|(vertex, _)| vertex == next) {
            continue;
        }
        path.push((*next, edge.clone()));
        walked(ways, to, max, path, from, all);
        path.pop();
    }
}

proptest! {
    #![proptest_config(cases(200))]

    /// By distances of all from all: so many times as there are hops, each edge once.
    #[test]
    fn hops(
        writes in networks(),
        view in moments(),
        direction in directions(),
        filter in prop::option::of(filters()),
        from in 1..7u64,
        hops in 0..5u32,
        limit in 1..4usize,
        max in 0..7usize,
    ) {
        let known = network(&writes);
        let from = known.id(&agent(from));
        let ways = ways(&known, &view, direction, filter.as_ref());
        let mut distances = BTreeMap::from([(from, 0)]);
        for distance in 1..=hops {
            for (a, _, b) in &ways {
                if distances.get(a) == Some(&(distance - 1)) && !distances.contains_key(b) {
                    distances.insert(*b, distance);
                }
            }
        }
        distances.remove(&from);
        let mut expected: Vec<_> =
            distances.iter().map(|(vertex, distance)| (*distance, *vertex)).collect();
        expected.sort_unstable();
        let query = known.reader.ask().with(view).khop(from, hops);
        let query = match direction {
            "outgoing" => query.outgoing(),
            "incoming" => query.incoming(),
            _ => query,
        };
        let query = filter.iter().fold(query, |query, filter| query.filter(filter.clone()));
        let found = whole_and_in_pages!(limit, query.clone(), |hops: karyon_graph::Hops| {
            assert_eq!(hops.cut, None);
            hops.page
        });
        let at = |hop: &Hop| (hop.distance, hop.vertex);
        prop_assert_eq!(found.iter().map(at).collect::<Vec<_>>(), expected.clone());
        for hop in &found {
            // Each by the first edge that leads to it from the distance before.
            let before = |vertex: &VertexId| match hop.distance {
                1 => *vertex == from,
                _ => distances.get(vertex) == Some(&(hop.distance - 1)),
            };
            let first = ways.iter().find(|(a, _, b)| *b == hop.vertex && before(a));
            prop_assert_eq!(first.map(|(_, edge, _)| edge), Some(&hop.edge));
            let version = known.reader.ask().with(view).get(&hop.edge).unwrap();
            prop_assert_eq!(version.as_ref(), Some(&hop.version));
        }
        // Cut: as many as are allowed, and none that is further away than one left out.
        let cut = query.max_vertices(max).fetch().unwrap();
        prop_assert_eq!(cut.page.items.len(), max.min(expected.len()));
        prop_assert_eq!(cut.cut, (max < expected.len()).then_some(Cut::Vertices(max)));
        prop_assert!(cut.page.items.iter().all(|hop| expected.contains(&at(hop))));
        let furthest = cut.page.items.iter().map(|hop| hop.distance).max().unwrap_or(0);
        let kept = |vertex: &VertexId| cut.page.items.iter().any(|hop| hop.vertex == *vertex);
        prop_assert!(expected.iter().all(|(distance, vertex)| *distance >= furthest || kept(vertex)));
    }

    #[test]
    fn paths_of_any_kind(
        writes in networks(),
        view in moments(),
        direction in directions(),
        filter in prop::option::of(filters()),
        from in 1..7u64,
        to in 1..7u64,
        max in 0..7usize,
        limit in 1..5usize,
    ) {
        let known = network(&writes);
        let (from, to) = (known.id(&agent(from)), known.id(&agent(to)));
        let ask = known.reader.ask().with(view);
        let narrowed = || {
            let query = ask.paths(from, to).max_length(max).limit(100_000);
            let query = match direction {
                "incoming" => query.incoming(),
                "both" => query.both(),
                _ => query,
            };
            filter.iter().fold(query, |query, filter| query.filter(filter.clone()))
        };
        let steps = |path: &karyon_graph::Path| -> Vec<(VertexId, EntityId)> {
            path.steps.iter().map(|step| (step.other, step.edge.clone())).collect()
        };
        let in_order = |ways: &Ways| {
            let mut all = Vec::new();
            if from != to {
                walked(ways, to, max, &mut Vec::new(), from, &mut all);
            }
            all.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
            all
        };
        let expected = in_order(&ways(&known, &view, direction, filter.as_ref()));
        let found = narrowed().fetch().unwrap();
        prop_assert_eq!(found.cut, None);
        prop_assert_eq!(found.paths.iter().map(steps).collect::<Vec<_>>(), expected.clone());
        for step in found.paths.iter().flat_map(|path| &path.steps) {
            let version = ask.get(&step.edge).unwrap();
            prop_assert_eq!(version.as_ref(), Some(&step.version));
        }
        // A limit keeps the first, and says whether there are more.
        let limited = narrowed().limit(limit).fetch().unwrap();
        prop_assert_eq!(&limited.paths[..], &found.paths[..limit.min(expected.len())]);
        prop_assert_eq!(limited.cut, (limit < expected.len()).then_some(Cut::Paths(limit)));
        // So does a bound on the work.
        let short = narrowed().max_edges(limit * 3).fetch().unwrap();
        prop_assert!(found.paths.starts_with(&short.paths));
        if short.paths.len() < found.paths.len() {
            prop_assert_eq!(short.cut, Some(Cut::Edges(limit * 3)));
        }
        // In the order of time: every choice of versions is tried, the earliest are told.
        let possible = in_order(&ways(&known, &view, direction, None));
        let expected: Vec<_> = possible
            .into_iter()
            .filter_map(|path| {
                let begins = path
                    .iter()
                    .map(|(end, edge)| beginnings(&known, edge, *end, filter.as_ref(), &view))
                    .collect::<Vec<_>>();
                Some((path, earliest(&begins, &[])?))
            })
            .collect();
        let found = narrowed().time_respecting().fetch().unwrap();
        prop_assert_eq!(found.cut, None);
        let times = |path: &karyon_graph::Path| -> Vec<Time> {
            path.steps.iter().map(|step| step.version.valid.from).collect()
        };
        let found: Vec<_> = found.paths.iter().map(|path| (steps(path), times(path))).collect();
        prop_assert_eq!(found, expected);
    }
}

/// The moments at which an edge can be taken: at which it holds by a version that begins then.
fn beginnings(
    known: &Known,
    edge: &EntityId,
    end: VertexId,
    filter: Option<&Filter>,
    view: &View,
) -> Vec<Time> {
    let entity = known.reader.entity(edge).unwrap();
    let mut begins = Vec::new();
    for version in known.model.history(&entity, view) {
        let then = View { at: At::Moment(version.valid.from), ..*view };
        let is_then = known.model.get(&entity, &then) == Some(version);
        let matches = filter
            .is_none_or(|filter| known.matches(filter, Some(&version.content), Some(end), view));
        if is_then && matches {
            begins.push(version.valid.from);
        }
    }
    begins
}

/// Of all choices of one moment for each edge, none before the last, the first in order.
fn earliest(begins: &[Vec<Time>], so_far: &[Time]) -> Option<Vec<Time>> {
    let Some((first, rest)) = begins.split_first() else { return Some(so_far.to_vec()) };
    let choices = first.iter().filter(|then| so_far.last().is_none_or(|last| last <= *then));
    choices.filter_map(|then| earliest(rest, &[so_far, &[*then]].concat())).min()
}

//! The query language against plain code over lists: random memories, random questions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

use karyon_graph::{
    Ask, At, Change, Comparison, Cut, Difference, EntityId, Filter, Graph, GraphError, Hop, Kind,
    Neighbour, Page, PageError, PageToken, Reader, Version, VertexId, View, labelled, other,
    property,
};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, Position};
use proptest::prelude::*;

use crate::model::{self, Model};
use crate::records::{Happening, happenings, record, step, time, times, vertices};
use crate::support::{project, with_genesis};

/// A memory, and what is plainly known of it.
struct Known {
    reader: Reader,
    model: Model,
}

impl Known {
    fn of(happenings: &[Happening]) -> Known {
        let (mut model, mut bodies, mut tick) = (Model::new(), Vec::new(), 0);
        for (number, happening) in happenings.iter().enumerate() {
            tick += u64::from(matches!(happening, Happening::Tick));
            model.happen(happening, number as u64, tick);
            bodies.push(record(happening, number as u64, tick));
        }
        let mut graph = Graph::in_memory().unwrap();
        project(&mut graph, &with_genesis(&bodies));
        Known { reader: graph.read().unwrap(), model }
    }

    fn id(&self, vertex: &Vertex) -> VertexId {
        self.reader.find_vertex(None, vertex).unwrap().unwrap()
    }

    fn entity(&self, entity: &Entity) -> EntityId {
        self.reader.find(entity).unwrap().unwrap()
    }

    /// Everything that holds, in the order of numbers.
    fn holding(&self, view: &View) -> BTreeMap<EntityId, model::Version> {
        let versions = self.model.versions.keys();
        versions
            .filter_map(|entity| {
                let version = self.model.get(entity, view)?;
                Some((self.entity(entity), version.clone()))
            })
            .collect()
    }

    fn content(&self, vertex: VertexId, view: &View) -> Option<Content> {
        let mut holding = self.holding(view);
        holding.remove(&EntityId::Vertex(vertex)).map(|version| version.content)
    }

    /// Whether a filter matches, from what it says; no content is that of what is not there.
    fn matches(
        &self,
        filter: &Filter,
        content: Option<&Content>,
        to: Option<VertexId>,
        view: &View,
    ) -> bool {
        let (labels, properties) = match content.cloned() {
            Some(Content::Present { labels, properties }) => (labels, properties),
            Some(Content::Ended) | None => Default::default(),
        };
        match filter {
            Filter::Property { name, is, value } => match (properties.get(name), value) {
                (None, _) => false,
                (Some(Value::Int(found)), Value::Int(value)) => compares(*is, found, value),
                (Some(Value::Int(found)), Value::Float(value)) => {
                    compares(*is, &(*found as f64), value)
                }
                (Some(_), _) => *is == Comparison::Ne,
            },
            Filter::Has(name) => properties.contains_key(name),
            Filter::Labelled(label) => labels.contains(label),
            Filter::Other(filter) => to.is_some_and(|to| {
                self.matches(filter, self.content(to, view).as_ref(), None, view)
            }),
            Filter::From(log) => content.is_some() && log.is_none(),
            Filter::All(all) => all.iter().all(|filter| self.matches(filter, content, to, view)),
            Filter::Any(any) => any.iter().any(|filter| self.matches(filter, content, to, view)),
            Filter::Not(not) => !self.matches(not, content, to, view),
        }
    }
}

fn network(writes: &[Write]) -> Known {
    let done = writes.iter().map(|write| crate::records::Done::Write(write.clone())).collect();
    Known::of(&[Happening::Step(1, done)])
}

fn agent(serial: u64) -> Vertex {
    Vertex::Agent(AgentId(serial))
}

fn compares<T: PartialOrd>(is: Comparison, a: &T, b: &T) -> bool {
    match is {
        Comparison::Eq => a == b,
        Comparison::Ne => a != b,
        Comparison::Lt => a < b,
        Comparison::Le => a <= b,
        Comparison::Gt => a > b,
        Comparison::Ge => a >= b,
    }
}

fn leads_to(entity: &EntityId) -> Option<VertexId> {
    match entity {
        EntityId::Edge { to, .. } => Some(*to),
        EntityId::Vertex(_) | EntityId::Fact { .. } => None,
    }
}

fn views() -> impl Strategy<Value = View> {
    let at = prop_oneof![
        Just(At::Now),
        times().prop_map(At::Moment),
        (times(), times()).prop_map(|(a, b)| At::Between(a.min(b), a.max(b))),
    ];
    let recorded = prop::option::of((0..40u64).prop_map(Position));
    (at, recorded).prop_map(|(at, as_recorded)| View { at, as_recorded })
}

fn filters() -> impl Strategy<Value = Filter> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let is = prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    let value = prop_oneof![
        4 => (0..3i64).prop_map(Value::Int),
        2 => prop::sample::select(vec![0.0, 0.5, 1.0, 1.5]).prop_map(Value::Float),
        1 => Just(Value::from("1")),
    ];
    let leaf = prop_oneof![
        4 => (is, value).prop_map(|(is, value)| property("value").is(is, value)),
        1 => Just(property("value").has()),
        1 => Just(property("nothing").has()),
        1 => Just(Filter::From(None)),
        2 => prop::sample::select(vec!["person", "hub"]).prop_map(labelled),
    ];
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(other),
            inner.clone().prop_map(|filter| !filter),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner).prop_map(|(a, b)| a.or(b)),
        ]
    })
}

/// All pages, one after the other, each cut to `limit`; every page but the last is full.
#[track_caller]
fn pages<T: Clone + Debug>(
    limit: usize,
    fetch: impl Fn(Option<&PageToken>) -> Result<Page<T>, GraphError>,
) -> Vec<T> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = fetch(next.as_ref()).unwrap();
        assert!(page.items.len() <= limit);
        assert!(all.len() < 10_000, "pages lead in a circle");
        all.extend(page.items.clone());
        match page.next {
            None => return all,
            // A page goes through its text, as it does from one command to the next.
            Some(token) => {
                assert_eq!(page.items.len(), limit);
                next = Some(token.to_string().parse().unwrap());
            }
        }
    }
}

/// Asks a question whole and in pages; both are the same.
macro_rules! whole_and_in_pages {
    ($limit:expr, $query:expr, $page:expr) => {{
        let query = $query;
        let whole = $page(query.fetch().unwrap());
        assert_eq!(whole.next, None);
        let joined = pages($limit, |after| {
            let query = query.clone().limit($limit);
            let query = match after {
                Some(after) => query.after(after),
                None => query,
            };
            query.fetch().map($page)
        });
        assert_eq!(joined, whole.items);
        whole.items
    }};
}

fn same(found: &Version, expected: &model::Version) {
    assert_eq!(
        (found.valid, &found.content, found.recorded),
        (expected.valid, &expected.content, expected.recorded)
    );
}

#[track_caller]
fn same_all(found: &[(EntityId, Version)], expected: &[(EntityId, model::Version)]) {
    let ids = |found: &(EntityId, Version)| found.0.clone();
    let expected_ids: Vec<_> = expected.iter().map(|(entity, _)| entity.clone()).collect();
    assert_eq!(found.iter().map(ids).collect::<Vec<_>>(), expected_ids);
    found.iter().zip(expected).for_each(|(found, expected)| same(&found.1, &expected.1));
}

/// Cases of each property: a thousand where time is no matter.
fn cases(few: u32) -> ProptestConfig {
    let many = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(many.unwrap_or(few))
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn entities_lists_and_histories(
        happenings in prop::collection::vec(happenings(), 0..40),
        view in views(),
        filter in filters(),
        limit in 1..5usize,
    ) {
        let known = Known::of(&happenings);
        let ask = known.reader.ask().with(view);
        prop_assert_eq!(ask.view(), view);
        let retained = |all: Vec<(EntityId, model::Version)>| -> Vec<_> {
            let matches = |(entity, version): &(EntityId, model::Version)| {
                known.matches(&filter, Some(&version.content), leads_to(entity), &view)
            };
            all.into_iter().filter(matches).collect()
        };
        let holding: Vec<_> = known.holding(&view).into_iter().collect();
        // Of each name.
        for (kind, name) in [
            (Kind::Vertex, "person"), (Kind::Vertex, "hub"), (Kind::Edge, "met"),
            (Kind::Edge, "knows"), (Kind::Fact, "met"), (Kind::Fact, "nothing"),
        ] {
            let listed: Vec<_> = known.model.list(kind, name, &view);
            let mut listed: Vec<_> = listed
                .into_iter()
                .map(|(entity, version)| (known.entity(entity), version.clone()))
                .collect();
            listed.sort_by_key(|(entity, _)| entity.clone());
            let query = ask.list(kind, name);
            prop_assert_eq!(query.count().unwrap(), listed.len() as u64);
            same_all(&whole_and_in_pages!(limit, query, |page| page), &listed);
            let (query, listed) = (ask.list(kind, name).filter(filter.clone()), retained(listed));
            prop_assert_eq!(query.clone().limit(1).count().unwrap(), listed.len() as u64);
            same_all(&whole_and_in_pages!(limit, query, |page| page), &listed);
        }
        // Single ones, and several in an order of their own.
        let mut all: Vec<_> =
            known.model.versions.keys().map(|entity| known.entity(entity)).collect();
        for id in &all {
            let expected = holding.iter().find(|(entity, _)| entity == id);
            let found = ask.get(id).unwrap();
            prop_assert_eq!(found.is_some(), expected.is_some());
            found.iter().zip(expected).for_each(|(found, expected)| same(found, &expected.1));
        }
        all.reverse();
        let in_order = |entity: &EntityId| all.iter().position(|other| other == entity);
        let mut expected = retained(holding.clone());
        expected.sort_by_key(|(entity, _)| in_order(entity));
        let query = ask.get_all(&all).filter(filter.clone());
        same_all(&whole_and_in_pages!(limit, query, |page| page), &expected);
        // Facts.
        for vertex in known.model.names.values().flatten() {
            let id = known.id(vertex);
            let is_fact = |entity: &EntityId| {
                matches!(entity, EntityId::Fact { subject, .. } if *subject == id)
            };
            let facts = holding.iter().filter(|(entity, _)| is_fact(entity)).cloned().collect();
            let query = ask.facts(id).filter(filter.clone());
            same_all(&whole_and_in_pages!(limit, query, |page| page), &retained(facts));
        }
        // Histories, all one after the other and each alone.
        let history = |id: &EntityId| {
            let entity = known.reader.entity(id).unwrap();
            let versions = known.model.history(&entity, &view).into_iter();
            versions.map(|version| (id.clone(), version.clone())).collect::<Vec<_>>()
        };
        let query = ask.histories(&all).filter(filter.clone());
        let expected = retained(all.iter().flat_map(history).collect());
        same_all(&whole_and_in_pages!(limit, query, |page| page), &expected);
        for id in &all {
            let expected = retained(history(id));
            let query = ask.history(id).filter(filter.clone());
            let found = whole_and_in_pages!(limit, query, |page| page);
            prop_assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(found, expected)| same(found, &expected.1));
        }
    }

    #[test]
    fn neighbours_in_order(
        happenings in prop::collection::vec(happenings(), 0..40),
        view in views(),
        filter in filters(),
        of_type in prop::option::of(prop::sample::select(vec!["met", "knows", "nothing"])),
        limit in 1..5usize,
    ) {
        let known = Known::of(&happenings);
        let ask = known.reader.ask().with(view);
        let edges: Vec<_> = known.holding(&view).into_iter().collect();
        let named = known.model.names.values().flatten().map(|vertex| known.id(vertex));
        let agents = (1..4).map(|serial| known.id(&agent(serial)));
        let of: Vec<VertexId> = named.chain(agents).collect::<BTreeSet<_>>().into_iter().collect();
        for direction in ["outgoing", "incoming", "both"] {
            let expected = |of: VertexId| {
                let mut found = Vec::new();
                for (edge, version) in &edges {
                    let EntityId::Edge { from, kind, to } = edge else { continue };
                    let far = match direction {
                        "outgoing" if *from == of => (false, *to),
                        "incoming" if *to == of => (true, *from),
                        "both" if *from == of => (false, *to),
                        "both" if *to == of => (true, *from),
                        _ => continue,
                    };
                    let of_this = of_type.is_none_or(|of_type| of_type == kind);
                    if of_this && known.matches(&filter, Some(&version.content), Some(far.1), &view) {
                        found.push((far.0, kind.clone(), far.1, edge.clone(), version.clone()));
                    }
                }
                found.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
                found
            };
            let check = |found: Vec<Neighbour>, of: &[VertexId]| {
                let expected: Vec<_> = of.iter().flat_map(|of| expected(*of)).collect();
                assert_eq!(found.len(), expected.len());
                for (found, (_, _, other, edge, version)) in found.iter().zip(expected) {
                    assert_eq!((found.other, &found.edge), (other, &edge));
                    same(&found.version, &version);
                }
            };
            let narrowed = |of: &[VertexId]| {
                let query = ask.neighbours_of(of).filter(filter.clone());
                let query = match direction {
                    "outgoing" => query.outgoing(),
                    "incoming" => query.incoming(),
                    _ => query.both(),
                };
                of_type.map_or(query.clone(), |of_type| query.of_type(of_type))
            };
            check(whole_and_in_pages!(limit, narrowed(&of), |page| page), &of);
            for one in &of {
                let query = narrowed(&[*one]);
                prop_assert_eq!(query.count().unwrap(), expected(*one).len() as u64);
                check(query.fetch().unwrap().items, &[*one]);
            }
        }
        // Either way is the way of one who does not choose.
        if let Some(one) = of.first() {
            let chosen = ask.neighbours(*one).both().fetch().unwrap();
            prop_assert_eq!(ask.neighbours(*one).fetch().unwrap(), chosen);
        }
    }

    /// By comparing all that holds at one time with all that holds at the other.
    #[test]
    fn differences(
        happenings in prop::collection::vec(happenings(), 0..40),
        before in views(),
        after in views(),
        of in vertices(),
        filter in filters(),
        limit in 1..5usize,
    ) {
        let known = Known::of(&happenings);
        let ask = known.reader.ask().with(before);
        let (was, is) = (known.holding(&before), known.holding(&after));
        let entities: BTreeSet<&EntityId> = was.keys().chain(is.keys()).collect();
        let mut expected: Vec<(&EntityId, Option<&model::Version>, Option<&model::Version>)> = entities
            .into_iter()
            .map(|entity| (entity, was.get(entity), is.get(entity)))
            .filter(|(_, was, is)| was.map(|was| &was.content) != is.map(|is| &is.content))
            .collect();
        expected.sort_by_key(|(entity, ..)| match entity {
            EntityId::Vertex(_) => (Kind::Vertex, String::new(), (*entity).clone()),
            EntityId::Edge { kind, .. } => (Kind::Edge, kind.clone(), (*entity).clone()),
            EntityId::Fact { predicate, .. } => (Kind::Fact, predicate.clone(), (*entity).clone()),
        });
        type Expected<'a> = (&'a EntityId, Option<&'a model::Version>, Option<&'a model::Version>);
        let check = |found: Vec<Difference>, expected: Vec<Expected<'_>>| {
            let entities: Vec<_> = expected.iter().map(|(entity, ..)| *entity).collect();
            assert_eq!(found.iter().map(|found| &found.entity).collect::<Vec<_>>(), entities);
            for (found, (_, was, is)) in found.iter().zip(expected) {
                let (before, after) = found.change.versions();
                assert_eq!((before.is_some(), after.is_some()), (was.is_some(), is.is_some()));
                before.iter().zip(was).for_each(|(found, expected)| same(found, expected));
                after.iter().zip(is).for_each(|(found, expected)| same(found, expected));
            }
        };
        check(whole_and_in_pages!(limit, ask.diff_to(after), |page| page), expected.clone());
        let has_name = |(entity, was, is): &Expected<'_>, kind: Kind, name: &str| match entity {
            EntityId::Vertex(_) => kind == Kind::Vertex && [was, is].into_iter().flatten().any(
                |version| matches!(&version.content, Content::Present { labels, .. } if labels.contains(name))
            ),
            EntityId::Edge { kind: of, .. } => kind == Kind::Edge && of == name,
            EntityId::Fact { predicate, .. } => kind == Kind::Fact && predicate == name,
        };
        let matching = |(entity, was, is): &Expected<'_>| {
            [was, is].into_iter().flatten().any(|version| {
                known.matches(&filter, Some(&version.content), leads_to(entity), &before)
            })
        };
        // A vertex at the other end is looked at as of before.
        let query = ask.diff_to(after).filter(filter.clone());
        let filtered = expected.iter().filter(|found| matching(found)).copied().collect();
        check(whole_and_in_pages!(limit, query, |page| page), filtered);
        let of = known.id(&of_known(&known, of));
        let is_about = |entity: &EntityId| match entity {
            EntityId::Vertex(vertex) | EntityId::Fact { subject: vertex, .. } => *vertex == of,
            EntityId::Edge { from, to, .. } => *from == of || *to == of,
        };
        let about: Vec<_> = expected.iter().filter(|(entity, ..)| is_about(entity)).copied().collect();
        check(whole_and_in_pages!(limit, ask.diff_to(after).of(of), |page| page), about.clone());
        for (kind, name) in [(Kind::Vertex, "hub"), (Kind::Edge, "met"), (Kind::Fact, "met")] {
            let named = |all: &[Expected<'_>]| -> Vec<_> {
                all.iter().filter(|found| has_name(found, kind, name)).map(|found| found.0.clone()).collect()
            };
            let query = ask.diff_to(after).named(kind, name);
            let found = whole_and_in_pages!(limit, query.clone(), |page| page);
            prop_assert_eq!(ids(&found), named(&expected));
            prop_assert_eq!(ids(&query.of(of).fetch().unwrap().items), named(&about));
        }
        // Between two moments.
        if let (At::Moment(was), At::Moment(is)) = (before.at, after.at)
            && before.as_recorded == after.as_recorded
        {
            let found = ask.diff(was, is).fetch().unwrap();
            prop_assert_eq!(found, ask.diff_to(after).fetch().unwrap());
        }
    }
}

fn ids(found: &[Difference]) -> Vec<EntityId> {
    found.iter().map(|found| found.entity.clone()).collect()
}

/// The vertex, or an agent where the memory does not know the name.
fn of_known(known: &Known, vertex: Vertex) -> Vertex {
    match known.reader.find_vertex(None, &vertex).unwrap() {
        Some(_) => vertex,
        None => Vertex::Agent(AgentId(1)),
    }
}

#[path = "queries_by_hand.rs"]
mod by_hand;
#[path = "queries_of_walks.rs"]
mod of_walks;

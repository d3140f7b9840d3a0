//! What random questions hardly meet: great ages, other people's pages, bounds.

use super::*;

fn edge(from: u64, to: u64, at: i64) -> Write {
    let entity = Entity::Edge { from: agent(from), kind: "met".into(), to: agent(to) };
    let content = Content::Present { labels: BTreeSet::new(), properties: BTreeMap::new() };
    Write { entity, valid: Valid::since(time(at)), content }
}

fn fact(subject: u64, predicate: &str, value: Value) -> Write {
    let entity = Entity::Fact { subject: agent(subject), predicate: predicate.into() };
    let properties = [("value".to_owned(), value)].into();
    let content = Content::Present { labels: BTreeSet::new(), properties };
    Write { entity, valid: Valid::since(time(0)), content }
}

#[test]
fn now_as_known_now_and_any_other_time() {
    let known = network(&[edge(1, 2, 5), edge(1, 3, 9)]);
    let (one, edges) =
        (known.id(&agent(1)), |ask: Ask<'_>| ask.neighbours(known.id(&agent(1))).count().unwrap());
    let ask = known.reader.ask();
    assert_eq!(ask.view(), View::NOW);
    assert_eq!(edges(ask), 2);
    assert_eq!(edges(ask.at(time(5))), 1);
    assert_eq!(edges(ask.between(time(0), time(9))), 2);
    assert_eq!(edges(ask.as_recorded(Position(0))), 0);
    assert_eq!(edges(ask.as_recorded(Position(0)).at(time(9))), 0, "both times stay");
    assert_eq!(edges(ask.at(time(4)).as_recorded(Position(1)).at(time(5))), 1);
    assert_eq!(ask.facts(one).fetch().unwrap(), Page { items: vec![], next: None });
}

#[test]
fn a_view_that_is_too_old_answers_nothing_and_a_new_one_does() {
    let mut graph = Graph::in_memory().unwrap();
    project(&mut graph, &with_genesis(&[step(1, 1, &[edge(1, 2, 1)])]));
    assert_eq!(graph.max_view_age(), karyon_graph::limits::VIEW_AGE_MAX);
    graph.set_max_view_age(Duration::from_millis(20));
    let reader = graph.read().unwrap();
    let one = reader.find_vertex(None, &agent(1)).unwrap().unwrap();
    let id = EntityId::Vertex(one);
    let ask = reader.ask();
    while reader.age() <= Duration::from_millis(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let refused = [
        ask.get(&id).err(),
        ask.get_all(std::slice::from_ref(&id)).fetch().err(),
        ask.history(&id).fetch().err(),
        ask.histories(std::slice::from_ref(&id)).fetch().err(),
        ask.facts(one).fetch().err(),
        ask.list(Kind::Edge, "met").fetch().err(),
        ask.list(Kind::Edge, "met").count().err(),
        ask.neighbours(one).fetch().err(),
        ask.neighbours(one).count().err(),
        ask.khop(one, 1).fetch().err(),
        ask.paths(one, one).fetch().err(),
        ask.diff(time(0), time(1)).fetch().err(),
    ];
    for (question, refusal) in refused.into_iter().enumerate() {
        let Some(GraphError::Aged { age, max_age }) = refusal else {
            panic!("{question}: {refusal:?}");
        };
        assert!(age > max_age && max_age == Duration::from_millis(20), "{age:?}");
    }
    // The new one is young, and the age is for views that are opened from now on.
    graph.set_max_view_age(Duration::MAX);
    assert_eq!(graph.read().unwrap().ask().neighbours(one).count().unwrap(), 1);
    assert!(matches!(ask.get(&id), Err(GraphError::Aged { .. })));
}

#[test]
fn where_nobody_writes_a_view_does_not_age() {
    let data = crate::support::Data::new();
    data.write_log(1, &[step(1, 1, &[edge(1, 2, 1)])], true);
    data.heal();
    let graph = Graph::open_read_only(&data.file()).unwrap();
    assert_eq!(graph.max_view_age(), Duration::MAX);
}

#[test]
fn a_page_leads_on_in_a_newer_view() {
    let mut graph = Graph::in_memory().unwrap();
    let first: Vec<Write> = [2, 4, 6, 8].map(|to| edge(1, to, 1)).into();
    let bodies = with_genesis(&[step(1, 1, &first)]);
    let old = {
        project(&mut graph, &bodies);
        graph.read().unwrap()
    };
    let one = old.find_vertex(None, &agent(1)).unwrap().unwrap();
    let next = old.ask().neighbours(one).limit(2).fetch().unwrap().next.unwrap();
    // Meanwhile: one before the cut, the one at the cut ends, two behind it.
    let mut gone = edge(1, 4, 2);
    gone.content = Content::Ended;
    let later = [edge(1, 3, 2), gone, edge(1, 5, 2), edge(1, 9, 2)];
    let mut projector = graph.projector(Path::new("")).unwrap();
    projector.apply(&[&step(1, 2, &later)]).unwrap();
    let met = |reader: &Reader| {
        let page = reader.ask().neighbours(one).after(&next).fetch().unwrap();
        page.items.iter().map(|neighbour| neighbour.other).collect::<Vec<_>>()
    };
    let agents = |serials: &[u64]| -> Vec<VertexId> {
        serials
            .iter()
            .map(|serial| old.find_vertex(None, &agent(*serial)).unwrap().unwrap())
            .collect()
    };
    assert_eq!(met(&graph.read().unwrap()), agents(&[5, 6, 8, 9]));
    assert_eq!(met(&old), agents(&[6, 8]));
}

#[test]
fn a_page_of_another_question_is_refused() {
    let facts = ["a", "b"].map(|predicate| fact(1, predicate, Value::Null));
    let edges = [edge(1, 2, 1), edge(1, 3, 1), edge(2, 3, 1)];
    let known = network(&[edges.as_slice(), facts.as_slice()].concat());
    let (one, two) = (known.id(&agent(1)), known.id(&agent(2)));
    let ask = known.reader.ask();
    let fact_id = |predicate: &str| EntityId::Fact { subject: one, predicate: predicate.into() };
    let ids = [fact_id("a"), fact_id("b")];
    let tokens = [
        ask.get_all(&ids).limit(1).fetch().unwrap().next,
        ask.histories(&ids).limit(1).fetch().unwrap().next,
        ask.facts(one).limit(1).fetch().unwrap().next,
        ask.list(Kind::Edge, "met").limit(1).fetch().unwrap().next,
        ask.neighbours(one).limit(1).fetch().unwrap().next,
        ask.khop(one, 1).limit(1).fetch().unwrap().page.next,
        ask.diff(time(-1), time(5)).limit(1).fetch().unwrap().next,
    ];
    for (of, token) in tokens.iter().enumerate() {
        let token = token.as_ref().unwrap();
        let accepted = [
            ask.get_all(&ids).after(token).fetch().map(|_| ()),
            ask.histories(&ids).after(token).fetch().map(|_| ()),
            ask.facts(one).after(token).fetch().map(|_| ()),
            ask.list(Kind::Edge, "met").after(token).fetch().map(|_| ()),
            ask.neighbours(one).after(token).fetch().map(|_| ()),
            ask.khop(one, 1).after(token).fetch().map(|_| ()),
            ask.diff(time(-1), time(5)).after(token).fetch().map(|_| ()),
        ];
        for (question, outcome) in accepted.into_iter().enumerate() {
            match outcome {
                Ok(()) => assert_eq!(question, of),
                Err(GraphError::Page(PageError::OtherQuestion)) => assert_ne!(question, of),
                Err(other) => panic!("{question}: {other}"),
            }
        }
        let paths = ask.paths(one, two).after(token).fetch();
        assert!(matches!(paths, Err(GraphError::Page(PageError::OtherQuestion))));
    }
    // Of the same sort, and about somebody else.
    let refused = |outcome: Result<(), GraphError>| {
        assert!(matches!(outcome, Err(GraphError::Page(PageError::OtherQuestion))), "{outcome:?}");
    };
    refused(ask.neighbours(two).after(tokens[4].as_ref().unwrap()).fetch().map(|_| ()));
    refused(ask.get_all(&ids[1..]).after(tokens[0].as_ref().unwrap()).fetch().map(|_| ()));
    refused(ask.list(Kind::Fact, "a").after(tokens[3].as_ref().unwrap()).fetch().map(|_| ()));
    refused(ask.list(Kind::Edge, "knows").after(tokens[3].as_ref().unwrap()).fetch().map(|_| ()));
    refused(ask.history(&ids[1]).after(tokens[1].as_ref().unwrap()).fetch().map(|_| ()));
}

#[test]
fn hops_stop_at_the_edges_that_are_allowed() {
    // 1 leads to 2 and 3, they to 4 and 5.
    let known = network(&[edge(1, 2, 1), edge(1, 3, 1), edge(2, 4, 1), edge(3, 5, 1)]);
    let ask = known.reader.ask();
    let near = |max: usize| {
        let query = ask.khop(known.id(&agent(1)), 9).outgoing().max_edges(max);
        let found = query.fetch().unwrap();
        (found.page.items.len(), found.cut)
    };
    assert_eq!(near(0), (0, Some(Cut::Edges(0))));
    assert_eq!(near(1), (2, Some(Cut::Edges(1))), "those of one vertex are looked at together");
    assert_eq!(near(3), (3, Some(Cut::Edges(3))));
    assert_eq!(near(4), (4, Some(Cut::Edges(4))), "whether 4 and 5 lead on is not known");
    assert_eq!(near(5), (4, None));
}

#[test]
fn a_long_way_costs_no_more_than_its_edges_and_an_end_is_seen() {
    let line: Vec<Write> = (1..400).map(|at| edge(at, at + 1, 1)).collect();
    let known = network(&line);
    let (first, last) = (known.id(&agent(1)), known.id(&agent(400)));
    let ask = known.reader.ask();
    let found = ask.paths(first, last).max_length(usize::MAX).max_edges(200_000).fetch().unwrap();
    assert_eq!((found.paths.len(), found.cut), (1, None));
    assert_eq!(found.paths[0].steps.len(), 399);
    // There is no way back, and that is known after a few looks.
    let back = ask.paths(last, first).max_length(usize::MAX).max_edges(10).fetch().unwrap();
    assert_eq!((back.paths.len(), back.cut), (0, None));
    assert_eq!(ask.paths(first, first).fetch().unwrap().paths, []);
}

#[test]
fn a_path_is_looked_for_from_both_ends() {
    // From 1 a tree leads to 50, to 2,500, to 50,000; 2 is led to by a chain of its own.
    let mut writes = vec![edge(1, 3, 1), edge(3, 4, 1), edge(4, 5, 1), edge(5, 2, 1)];
    for branch in 0..50 {
        writes.push(edge(1, 100 + branch, 1));
        for twig in 0..50 {
            let twig = 1000 + 50 * branch + twig;
            writes.push(edge(100 + branch, twig, 1));
            writes.extend((0..20).map(|leaf| edge(twig, 100_000 + 20 * twig + leaf, 1)));
        }
    }
    let known = network(&writes);
    let (from, to) = (known.id(&agent(1)), known.id(&agent(2)));
    let query = known.reader.ask().paths(from, to).max_length(4);
    let found = query.clone().max_edges(20_000).fetch().unwrap();
    assert_eq!((found.paths.len(), found.cut), (1, None));
    // What it takes is counted, though.
    let found = query.max_edges(2000).fetch().unwrap();
    assert_eq!((found.paths.len(), found.cut), (0, Some(Cut::Edges(2000))));
}

/// No path at all.
const NEVER: [[Time; 0]; 0] = [];

#[test]
fn what_reached_whom_in_time() {
    // 1 wrote to 2 at 5 and again at 9, 2 to 3 at 7, 3 to 4 at 6.
    let known = network(&[edge(1, 2, 5), edge(1, 2, 9), edge(2, 3, 7), edge(3, 4, 6)]);
    let ask = known.reader.ask();
    let times = |ask: Ask<'_>, to: u64| -> Vec<Vec<Time>> {
        let query = ask.paths(known.id(&agent(1)), known.id(&agent(to))).time_respecting();
        let paths = query.fetch().unwrap().paths;
        let begins = |path: &karyon_graph::Path| {
            path.steps.iter().map(|step| step.version.valid.from).collect()
        };
        paths.iter().map(begins).collect()
    };
    assert_eq!(times(ask, 3), [[time(5), time(7)]], "by the first message, not by the last");
    assert_eq!(times(ask, 4), NEVER);
    assert_eq!(ask.paths(known.id(&agent(1)), known.id(&agent(4))).fetch().unwrap().paths.len(), 1);
    assert_eq!(times(ask.at(time(6)), 3), NEVER, "2 had not written yet");
    assert_eq!(times(ask.between(time(9), time(9)), 3), NEVER, "the first was past");
}

#[test]
fn what_was_written_again_is_no_change() {
    let known = network(&[
        fact(1, "mood", Value::from("good")),
        fact(2, "mood", Value::from("good")),
        Write { valid: Valid::since(time(3)), ..fact(1, "mood", Value::from("good")) },
        Write { valid: Valid::since(time(3)), ..fact(2, "mood", Value::from("bad")) },
    ]);
    let ask = known.reader.ask();
    let changed = ask.diff(time(1), time(4)).fetch().unwrap().items;
    let entity = EntityId::Fact { subject: known.id(&agent(2)), predicate: "mood".into() };
    assert_eq!(ids(&changed), [entity]);
    assert!(matches!(&changed[0].change, Change::Changed { before, after }
        if before.valid.from == time(0) && after.valid.from == time(3)));
    // The other way around it is told the other way around.
    let back = ask.diff(time(4), time(-1)).fetch().unwrap().items;
    assert!(back.iter().all(|found| matches!(found.change, Change::Ended(_))) && back.len() == 2);
    // And what was learned between two records.
    let learned = ask.as_recorded(Position(0)).diff_to(View::NOW).fetch().unwrap().items;
    assert!(learned.iter().all(|found| matches!(found.change, Change::Appeared(_))));
    assert_eq!(learned.len(), 2);
}

/// A log that tells two memories of one place: both are there, and a page can lie between them.
#[test]
fn a_page_ends_between_two_memories_of_one_place() {
    use crate::engrams::{agent as foreign, imported, mood, seal, since, value};
    let twins = [mood(20, since(3), 1), mood(20, since(3), 2), mood(21, since(4), 3)];
    let engrams = twins.map(|memory| seal(9, &[memory]));
    let reader = imported(&engrams.each_ref().map(Vec::as_slice));
    let log = Some(karyon_types::LogId([9; 16]));
    let subject = reader.find_vertex(log, &foreign(1)).unwrap().unwrap();
    let id = EntityId::Fact { subject, predicate: "mood".into() };
    let query = reader.ask().history(&id);
    let whole = whole_and_in_pages!(1, query.clone(), |page| page);
    assert_eq!(whole.len(), 3);
    assert_eq!(whole[0].recorded, whole[1].recorded);
    assert_ne!(value(&whole[0]), value(&whole[1]));
    // Whence they come.
    for (from, count) in [(log, 3), (None, 0), (Some(karyon_types::LogId([8; 16])), 0)] {
        let found = query.clone().filter(Filter::From(from)).fetch().unwrap().items;
        assert_eq!(found.len(), count, "{from:?}");
    }
}

#[test]
fn several_at_once() {
    // 1 to 2 to 3, 4 to 3, and 5 to itself.
    let known = network(&[edge(1, 2, 1), edge(2, 3, 1), edge(4, 3, 1), edge(5, 5, 1)]);
    let id = |serial: u64| known.id(&agent(serial));
    let ask = known.reader.ask();
    let near = ask.khop_of(&[id(4), id(1)], 9).outgoing().fetch().unwrap().page.items;
    let near: Vec<_> = near.iter().map(|hop| (hop.distance, hop.vertex)).collect();
    assert_eq!(near, [(1, id(2)), (1, id(3))], "3 is nearer to 4");
    let changed = ask.diff(time(0), time(1)).of(id(4)).of(id(3)).of(id(3)).fetch().unwrap().items;
    let edge_id = |from, to| EntityId::Edge { from: id(from), kind: "met".into(), to: id(to) };
    assert_eq!(ids(&changed), [edge_id(2, 3), edge_id(4, 3)], "each once");
}

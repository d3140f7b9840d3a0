//! Real data: every answer is that of a direct reading of the file, which knows nothing of graphs:
//! lists in the order of the file, and binary search.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::thread;

use karyon_graph::{Direction, EntityId, Graph, Kind, Reader, Version, VertexId, View};
use karyon_log::{Cause, Output, Record};
use karyon_memory_ops::{Content, Entity, Time, Valid, Value, Vertex, Write};
use karyon_types::{AgentId, LeaseId, Position};

use crate::records::{encoded, time};
use crate::support::{control, dataset, genesis};

/// Moments at which each vertex is asked about.
const MOMENTS: usize = 1_000;
/// Records of one transaction.
const TRANSACTION: usize = 20_000;

/// A moment as the direct reading knows it: seconds, and billionths above them.
type Moment = (i64, u32);

/// What one record brought: when it begins, and its position in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    begins: i64,
    position: u64,
}

/// How many of these, which are in the order of both, had begun by then and were recorded.
fn passed(marks: &[Mark], (seconds, _): Moment, recorded: Option<u64>) -> usize {
    let begun = marks.partition_point(|mark| mark.begins <= seconds);
    let recorded =
        recorded.map_or(marks.len(), |last| marks.partition_point(|mark| mark.position <= last));
    begun.min(recorded)
}

/// So many moments from just before the first to behind the last of `all`: beginnings of `own`,
/// one billionth before each and one behind it, and others spread evenly.
fn moments(own: &[Mark], (first, last): (i64, i64)) -> Vec<Moment> {
    let beginnings = own.len().min(MOMENTS / 5);
    let exact = (0..beginnings).flat_map(|number| {
        let begins = own[number * own.len() / beginnings].begins;
        [(begins, 0), (begins - 1, 999_999_999), (begins, 1)]
    });
    let spread = (MOMENTS - 3 * beginnings) as i64;
    let evenly = (0..spread).map(|number| {
        let span = last - first + 20;
        (first - 10 + span * number / spread, (number * 7_919_777 % 1_000_000_000) as u32)
    });
    exact.chain(evenly).collect()
}

fn view((seconds, nanos): Moment, recorded: Option<u64>) -> View {
    let at = View::at(Time::new(seconds, nanos).unwrap());
    View { as_recorded: recorded.map(Position), ..at }
}

/// Projects writes behind genesis: each element as one record, from position 1 on.
fn project(steps: impl Iterator<Item = Vec<Write>>) -> Graph {
    let mut graph = Graph::in_memory().unwrap();
    let mut projector = graph.projector(Path::new("")).unwrap();
    projector.apply(&[&control(genesis()).body]).unwrap();
    let mut body = Vec::new();
    for (number, writes) in (1..).zip(steps) {
        let writes: Vec<Vec<u8>> = writes.iter().map(encoded).collect();
        let lease = LeaseId(1);
        let outputs = writes.iter().map(|write| Output::Remembered { lease, write }).collect();
        let (agent, step, cause) = (AgentId(1), number as u64, Cause::Input(0));
        Record::Step { agent, step, cause, outputs }.encode(&mut body);
        if number % TRANSACTION == 0 {
            projector.apply(&[&body]).unwrap();
            body.clear();
        }
    }
    projector.apply(&[&body]).unwrap();
    graph
}

/// Does `check` for each of `items`, on all processors, each with a view of its own.
fn each<T: Sync>(graph: &Graph, items: &[T], check: impl Fn(&Reader, &T) + Sync) {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for first in 0..threads {
            let (reader, check) = (graph.read().unwrap(), &check);
            scope.spawn(move || {
                items.iter().skip(first).step_by(threads).for_each(|item| check(&reader, item));
            });
        }
    });
}

fn agent(serial: u64) -> Vertex {
    Vertex::Agent(AgentId(serial))
}

fn vertex(reader: &Reader, serial: u64) -> VertexId {
    reader.find_vertex(None, &agent(serial)).unwrap().unwrap()
}

fn int(version: &Version, property: &str) -> i64 {
    match &version.content {
        Content::Present { properties, .. } => match properties[property] {
            Value::Int(value) => value,
            _ => panic!("an int"),
        },
        Content::Ended => panic!("nothing ends"),
    }
}

/// Who wrote to whom, and when.
struct Messages {
    /// By position, the first at 1.
    lines: Vec<(u64, u64, i64)>,
    /// Of each sender.
    sent: BTreeMap<u64, Vec<Mark>>,
    /// Of each pair.
    pairs: BTreeMap<(u64, u64), Vec<Mark>>,
}

impl Messages {
    fn read(text: &str) -> Messages {
        let line = |line: &str| {
            let mut parts = line.split_whitespace();
            let mut next = || parts.next().unwrap();
            let (from, to) = (next().parse().unwrap(), next().parse().unwrap());
            (from, to, next().parse().unwrap())
        };
        let lines: Vec<(u64, u64, i64)> = text.lines().map(line).collect();
        assert!(lines.is_sorted_by_key(|(_, _, seconds)| *seconds));
        let (mut sent, mut pairs) = (BTreeMap::new(), BTreeMap::new());
        for (position, &(from, to, begins)) in (1..).zip(&lines) {
            let mark = Mark { begins, position };
            sent.entry(from).or_insert_with(Vec::new).push(mark);
            pairs.entry((from, to)).or_insert_with(Vec::new).push(mark);
        }
        Messages { lines, sent, pairs }
    }

    /// The writes: of each message one record, with the contact as the rumour has it, and how
    /// many messages its sender has sent.
    fn steps(&self) -> impl Iterator<Item = Vec<Write>> {
        let (mut sent, mut pairs) = (BTreeMap::new(), BTreeMap::new());
        self.lines.iter().map(move |&(from, to, seconds)| {
            let nth = |count: &mut i64| {
                *count += 1;
                Value::Int(*count)
            };
            let (sent, pair) =
                (nth(sent.entry(from).or_insert(0)), nth(pairs.entry((from, to)).or_insert(0)));
            let valid = Valid::since(time(seconds));
            let contact = Write {
                entity: Entity::Edge { from: agent(from), kind: "contact".into(), to: agent(to) },
                valid,
                content: Content::with([("count", pair), ("last", Value::Time(time(seconds)))]),
            };
            let fact = Write {
                entity: Entity::Fact { subject: agent(from), predicate: "sent".into() },
                valid,
                content: Content::with([("count", sent), ("to", Value::Vertex(agent(to)))]),
            };
            vec![contact, fact]
        })
    }

    fn people(&self) -> Vec<u64> {
        let mut people: Vec<u64> =
            self.lines.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        people.sort_unstable();
        people.dedup();
        people
    }
}

/// By sender (true) or receiver: the others, with the messages.
type Partners<'m> = BTreeMap<(u64, bool), Vec<(u64, &'m [Mark])>>;

/// A version that is the `count`th of these, counted from 1.
fn is_mark(version: &Version, marks: &[Mark], count: usize) {
    let Mark { begins, position } = marks[count - 1];
    assert_eq!((version.valid.from, version.valid.to), (time(begins), None));
    assert_eq!((version.position.0, version.recorded.position.0), (position, position));
    assert_eq!(int(version, "count"), count as i64);
}

/// Everybody asked at [`MOMENTS`] moments, and at each `every`th of them for neighbours too.
fn check_messages(every: usize) {
    let Some(text) = dataset("college-msg.txt") else { return };
    let messages = Messages::read(&text);
    assert_eq!((messages.lines.len(), messages.pairs.len()), (59_835, 20_296));
    let around = (messages.lines[0].2, messages.lines[messages.lines.len() - 1].2);
    let graph = project(messages.steps());
    let people = messages.people();
    assert_eq!(people.len(), 1_899);
    let mut partners = Partners::new();
    for ((from, to), marks) in &messages.pairs {
        partners.entry((*from, true)).or_default().push((*to, marks));
        partners.entry((*to, false)).or_default().push((*from, marks));
    }
    let partners_of = |person, out| partners.get(&(person, out)).into_iter().flatten();
    each(&graph, &people, |reader, &person| {
        let both = partners_of(person, true).chain(partners_of(person, false));
        let mut own: Vec<Mark> = both.flat_map(|(_, marks)| marks.iter().copied()).collect();
        own.sort_unstable_by_key(|mark| mark.position);
        let sent = messages.sent.get(&person).map_or(&[][..], Vec::as_slice);
        let id = vertex(reader, person);
        let fact = EntityId::Fact { subject: id, predicate: "sent".into() };
        for (number, moment) in moments(&own, around).into_iter().enumerate() {
            // Every fifth question is about what was recorded up to some message.
            let some = (number as u64 * 104_729 + person) % (messages.lines.len() as u64 + 2);
            let recorded = (number % 5 == 4).then_some(some);
            let view = view(moment, recorded);
            match (reader.get(&fact, &view).unwrap(), passed(sent, moment, recorded)) {
                (None, 0) => {}
                (Some(version), count @ 1..) => is_mark(&version, sent, count),
                (found, count) => panic!("{person} at {moment:?}: {found:?}, not {count}"),
            }
            if !number.is_multiple_of(every) {
                continue;
            }
            let number = number / every;
            let out = number.is_multiple_of(2);
            let direction = if out { Direction::Out } else { Direction::In };
            let kind = (number % 4 < 2).then_some("contact");
            let mut found = reader.neighbours(id, direction, kind, &view).unwrap();
            found.sort_unstable_by_key(|neighbour| neighbour.other);
            let mut found = found.iter();
            for (other, marks) in partners_of(person, out) {
                let count = passed(marks, moment, recorded);
                if count > 0 {
                    let neighbour = found.next().unwrap();
                    assert_eq!(neighbour.other, vertex(reader, *other));
                    is_mark(&neighbour.version, marks, count);
                }
            }
            assert!(found.next().is_none(), "{person} at {moment:?}");
        }
    });
    // Every message is a version, in the order of the file.
    let pairs: Vec<_> = messages.pairs.iter().collect();
    each(&graph, &pairs, |reader, ((from, to), marks)| {
        let [from, to] = [*from, *to].map(|person| vertex(reader, person));
        let edge = EntityId::Edge { from, kind: "contact".into(), to };
        let history = reader.history(&edge, &View::NOW).unwrap();
        assert_eq!(history.len(), marks.len());
        for (count, version) in (1..).zip(&history) {
            is_mark(version, marks, count);
        }
    });
    let reader = graph.read().unwrap();
    for moment in moments(&[], around).into_iter().step_by(50) {
        let begun = pairs.iter().filter(|(_, marks)| passed(marks, moment, None) > 0).count();
        let counted = reader.count(Kind::Edge, "contact", &view(moment, None)).unwrap();
        assert_eq!(counted, begun as u64, "{moment:?}");
    }
}

#[test]
fn who_had_written_to_whom() {
    check_messages(8);
}

/// Two million questions for neighbours: minutes on a busy machine.
#[test]
#[ignore = "takes minutes"]
fn who_had_written_to_whom_at_each_of_a_thousand_moments() {
    check_messages(1);
}

/// Seconds between two rows of the speeds.
const STEP: i64 = 300;

/// Of each sensor the speeds that differ from those before: when, where recorded, how fast.
fn speeds(text: &str) -> (Vec<u64>, Vec<Vec<(Mark, f64)>>) {
    let mut lines = text.lines();
    let sensors: Vec<u64> =
        lines.next().unwrap().split(',').map(|sensor| sensor.parse().unwrap()).collect();
    let mut speeds = vec![Vec::<(Mark, f64)>::new(); sensors.len()];
    let mut position = 0;
    for (row, line) in (0..).zip(lines) {
        for (speed, of) in line.split(',').zip(&mut speeds) {
            let speed: f64 = speed.parse().unwrap();
            if of.last().is_none_or(|(_, before)| *before != speed) {
                position += 1;
                of.push((Mark { begins: row * STEP, position }, speed));
            }
        }
    }
    (sensors, speeds)
}

#[test]
fn how_fast_it_went() {
    let Some(text) = dataset("los-speed.csv") else { return };
    let (sensors, speeds) = speeds(&text);
    let mut records: Vec<(u64, Mark, f64)> = Vec::new();
    for (sensor, speeds) in sensors.iter().zip(&speeds) {
        records.extend(speeds.iter().map(|(mark, speed)| (*sensor, *mark, *speed)));
    }
    records.sort_unstable_by_key(|(_, mark, _)| mark.position);
    let versions = records.len() as u64;
    assert_eq!((sensors.len(), versions), (207, 412_114));
    let graph = project(records.iter().map(|(sensor, mark, speed)| {
        vec![Write {
            entity: Entity::Fact { subject: agent(*sensor), predicate: "speed".into() },
            valid: Valid::since(time(mark.begins)),
            content: Content::with([("speed", Value::Float(*speed))]),
        }]
    }));
    let around = (0, 2_015 * STEP);
    let sensors: Vec<_> = sensors.iter().zip(&speeds).collect();
    each(&graph, &sensors, |reader, (sensor, speeds)| {
        let marks: Vec<Mark> = speeds.iter().map(|(mark, _)| *mark).collect();
        let subject = vertex(reader, **sensor);
        let fact = EntityId::Fact { subject, predicate: "speed".into() };
        let is = |version: &Version, number: usize| {
            let (Mark { begins, position }, speed) = speeds[number];
            assert_eq!((version.valid.from, version.valid.to), (time(begins), None));
            assert_eq!(version.position.0, position);
            assert_eq!(version.content, Content::with([("speed", Value::Float(speed))]));
        };
        for (number, moment) in moments(&marks, around).into_iter().enumerate() {
            let some = (number as u64 * 104_729 * 7 + **sensor) % (versions + 2);
            let recorded = (number % 5 == 4).then_some(some);
            match (
                reader.get(&fact, &view(moment, recorded)).unwrap(),
                passed(&marks, moment, recorded),
            ) {
                (None, 0) => {}
                (Some(version), count @ 1..) => is(&version, count - 1),
                (found, count) => panic!("{sensor} at {moment:?}: {found:?}, not {count}"),
            }
            // An hour from then on, now and then: what held when it began, and what began in it.
            if number % 50 == 0 {
                let (first, until) = (passed(&marks, moment, None), (moment.0 + 3_600, 0));
                let last = passed(&marks, until, None);
                let [from, to] = [moment, until].map(|(seconds, nanos)| Time::new(seconds, nanos));
                let hour = View::between(from.unwrap(), to.unwrap());
                let held = first.saturating_sub(1)..last;
                let history = reader.history(&fact, &hour).unwrap();
                assert_eq!(history.len(), held.len(), "{sensor} at {moment:?}");
                history.iter().zip(held).for_each(|(version, number)| is(version, number));
            }
        }
        let history = reader.history(&fact, &View::NOW).unwrap();
        assert_eq!(history.len(), marks.len());
        history.iter().zip(0..).for_each(|(version, number)| is(version, number));
    });
    let reader = graph.read().unwrap();
    assert_eq!(reader.count(Kind::Fact, "speed", &View::NOW).unwrap(), 207);
}

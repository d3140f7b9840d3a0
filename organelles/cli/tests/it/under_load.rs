//! Ten thousand questions and orders through the socket, while a run goes at full speed.
//!
//! `cargo test --release -p karyon --test it under_load -- --ignored --nocapture` prints how long
//! the answers took; what is asserted is that each is true of the place in the log that it names.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use karyon_boundary::{At, Client, List, Sort};
use karyon_log::{Lane, OrderVerb, Record, Records, Walk};

use crate::support::{PATIENCE, Place, contacts};

/// So many that the run lasts longer than the questions, and each tick has thousands of events.
const CONTACTS: u64 = 10_000_000;
const PEOPLE: u64 = 100_000;
const ASKERS: u64 = 8;
const CALLS: u64 = 10_000;

/// What an answer says of the log.
enum Told {
    /// How many events each of these agents is done with.
    Steps(Vec<(u64, u64)>),
    /// What was ordered last about an agent.
    Ordered(OrderVerb, u64),
}

struct Answered {
    what: &'static str,
    at: At,
    told: Told,
    took: Duration,
}

fn ask(client: &mut Client, turn: u64, agent: u64) -> Answered {
    let begun = Instant::now();
    let (what, at, told) = match turn % 4 {
        0 => {
            let list =
                List { sort: Sort::Mailbox, descending: true, limit: Some(20), ..List::default() };
            let listed = client.list(&list).unwrap();
            let steps = listed.processes.iter().map(|process| (process.id, process.steps));
            ("ps", listed.at, Told::Steps(steps.collect()))
        }
        1 => {
            let found = client.inspect(agent).unwrap();
            ("inspect", found.at, Told::Steps(vec![(agent, found.process.steps)]))
        }
        2 => ("pause", client.pause(agent).unwrap().at, Told::Ordered(OrderVerb::Pause, agent)),
        _ => ("resume", client.resume(agent).unwrap().at, Told::Ordered(OrderVerb::Resume, agent)),
    };
    Answered { what, at, told, took: begun.elapsed() }
}

/// Reads the log once, and looks at each answer where it says that it is true.
fn is_so(data: &Path, mut answers: Vec<Answered>) -> usize {
    answers.sort_by_key(|answer| answer.at.records);
    let (mut steps, mut orders) = (BTreeMap::new(), BTreeMap::new());
    let (mut records, mut checked) = (0, 0);
    let mut walk = Walk::open(&data.join("log")).unwrap();
    while let Some(blocks) = walk.next_group().unwrap() {
        for block in blocks.iter().filter(|block| block.header.lane == Lane::Ticks) {
            for record in Records::new(&block.body) {
                match record.unwrap() {
                    Record::Step { agent, step, .. } | Record::Crash { agent, step, .. } => {
                        steps.insert(agent.0, step + 1);
                    }
                    Record::Order { verb, agent, .. } => drop(orders.insert(agent.0, verb)),
                    _ => {}
                }
                records += 1;
                while let Some(answer) = answers.get(checked).filter(|it| it.at.records == records)
                {
                    match &answer.told {
                        Told::Steps(told) => told.iter().for_each(|(id, told)| {
                            let counted = steps.get(id).copied().unwrap_or(0);
                            assert_eq!(*told, counted, "agent {id} at {:?}", answer.at);
                        }),
                        Told::Ordered(verb, id) => assert_eq!(orders.get(id), Some(verb)),
                    }
                    checked += 1;
                }
            }
        }
    }
    checked
}

fn shown(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    if times.is_empty() {
        return println!("{what:>8}: none");
    }
    let at = |part: usize| times[(times.len() - 1) * part / 1000];
    println!(
        "{what:>8}: {} answers, p50 {:.1?}, p99 {:.1?}, most {:.1?}",
        times.len(),
        at(500),
        at(990),
        at(1000)
    );
}

#[test]
#[ignore = "a measurement: ten thousand calls while a run of 100,000 agents goes at full speed"]
fn ten_thousand_calls_while_a_run_goes_at_full_speed() {
    let place = Place::new();
    place.patient();
    place.write("contacts", &contacts(CONTACTS, PEOPLE));
    let mut running = place.start(&["run", "rumour", "--contacts", "contacts", "--data", "d"]);
    let data = place.path("d");
    let connect = || Client::connect(&data, "load", PATIENCE);
    let mut now = None;
    let moment = |client: &mut Client| {
        let list = List { limit: Some(1), ..List::default() };
        client.list(&list).map(|listed| (Instant::now(), listed.at.records))
    };
    running.wait_until(|| {
        now = connect().ok().and_then(|mut client| moment(&mut client).ok());
        now.is_some()
    });
    let mut watching = connect().unwrap();
    // Somebody who is paused keeps the run from its end.
    watching.pause(PEOPLE / 2).unwrap();
    thread::sleep(Duration::from_secs(1));
    let first = now.unwrap();
    let before = moment(&mut watching).unwrap();
    let askers: Vec<_> = (0..ASKERS)
        .map(|asker| {
            let mut client = connect().unwrap();
            let agent = move |turn: u64| 1 + asker * (PEOPLE / ASKERS) + turn / 4;
            thread::spawn(move || {
                let turns = 0..CALLS / ASKERS;
                turns.map(|turn| ask(&mut client, turn, agent(turn))).collect::<Vec<_>>()
            })
        })
        .collect();
    let answers: Vec<_> = askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect();
    let behind = moment(&mut watching).unwrap();
    running.signal("INT");
    running.end().expect(130);
    let rate = |from: (Instant, u64), to: (Instant, u64)| {
        ((to.1 - from.1) as f64 / (to.0 - from.0).as_secs_f64()) as u64
    };
    // What was asked when the run was through with its contacts is no measure of anything.
    let full = |answer: &&Answered| answer.at.records < behind.1 / 20 * 19;
    println!(
        "records/s: {} with nobody asking, {} meanwhile; {} of {CALLS} calls at full speed",
        rate(first, before),
        rate(before, behind),
        answers.iter().filter(full).count(),
    );
    for what in ["ps", "inspect", "pause", "resume"] {
        let of = answers.iter().filter(full).filter(|answer| answer.what == what);
        shown(what, of.map(|answer| answer.took).collect());
    }
    shown("all", answers.iter().filter(full).map(|answer| answer.took).collect());
    assert_eq!(is_so(&data, answers), CALLS as usize);
}

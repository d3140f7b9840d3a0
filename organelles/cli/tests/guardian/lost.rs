//! A step that does not return, in a real process: named, its scheduler's agents lost, and the run
//! goes on.

use karyon_log::{Record, Records, Walk};
use karyon_types::AgentId;

use crate::place::{Place, code, users, word};

/// Two schedulers with 50 agents each; the first agent's fifth step never returns.
const BROKEN: [&str; 2] = ["busy,agents=100,spin", "busy,agents=100,deadlock"];

/// Who is lost, as recorded, and the last tick.
fn recorded(place: &Place) -> (Vec<(AgentId, AgentId)>, u64) {
    let mut walk = Walk::open(&place.data().join("log")).unwrap();
    let (mut lost, mut last) = (Vec::new(), 0);
    while let Some(blocks) = walk.next_group().unwrap() {
        for record in blocks.iter().flat_map(|block| Records::new(&block.body)) {
            match record {
                Some(Record::Lost { first, last }) => lost.push((first, last)),
                Some(Record::Tick(tick)) => last = tick.0,
                // Of other lanes some are records of another kind.
                Some(_) | None => {}
            }
        }
    }
    (lost, last)
}

#[test]
fn a_step_that_does_not_return_is_named_and_the_run_goes_on_to_its_end_and_again() {
    for who in users() {
        for broken in BROKEN {
            let place = Place::new(who);
            let status = place.start(&format!("{broken},watch=500,ticks=40")).end().unwrap();
            let said = place.said();
            assert_eq!((code(status).as_str(), word(&place.marker())), ("exit 143", "clear"));
            let named = "warning: agent 1 (pinger 1, a pinger) has not come back for ";
            assert!(said.contains(named), "{said}");
            assert!(said.contains("; lost: agent 1 to agent 50"), "{said}");
            assert!(said.contains("50 agents were lost"), "{said}");
            let (lost, last) = recorded(&place);
            assert_eq!(lost, [(AgentId(1), AgentId(50))]);
            assert!(last >= 40, "{last}");
            place.verify(&[]).unwrap();

            // Gone on with by who watches nothing: what is recorded is not tried again.
            let status = place.start(&format!("{broken},ticks=80")).end().unwrap();
            let said = place.said();
            assert_eq!(
                (code(status).as_str(), word(&place.marker())),
                ("exit 143", "clear"),
                "{said}"
            );
            assert_eq!(said.matches("has not come back").count(), 1, "{said}");
            let (lost, last) = recorded(&place);
            assert_eq!(lost, [(AgentId(1), AgentId(50))]);
            assert!(last >= 80, "{last}");
            place.verify(&[]).unwrap();
        }
    }
}

#[test]
fn where_nobody_is_left_the_run_fails_and_a_person_looks() {
    for who in users() {
        let place = Place::new(who);
        let status = place.start("busy,agents=100,spin,schedulers=1,watch=500").end().unwrap();
        let said = place.said();
        assert_eq!((code(status).as_str(), word(&place.marker())), ("exit 1", "halted"), "{said}");
        assert!(said.contains("agent 1 (pinger 1, a pinger)"), "{said}");
        let (lost, last) = recorded(&place);
        assert_eq!((lost, last < 6), (vec![], true), "{last}");
        place.verify(&[]).unwrap();
    }
}

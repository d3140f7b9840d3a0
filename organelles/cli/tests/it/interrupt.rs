//! Ctrl-C and SIGTERM: an end in good order.

use crate::support::Place;

#[test]
fn an_interrupted_run_is_resumed_plainly() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let running = place.start_long("d");
        running.signal(signal);
        running.end().expect(code).says(&["karyon resume --data d"]);
        let report = place.verified("d");
        assert_eq!((&report["state"], &report["tail_bytes"]), (&"interrupted".into(), &0.into()));
        let status = place.karyon(&["safety", "status", "--data", "d", "--json"]).expect(0).json();
        assert_eq!(status["start_permitted"], true, "{status}");
        place.resumes_to_the_same_state("d");
    }
}

#[test]
fn a_resumed_run_can_be_interrupted_again() {
    let place = Place::new();
    let running = place.start_long("d");
    running.signal("INT");
    running.end().expect(130);
    // At once: while the log is verified, or while the run is repeated.
    for _ in 0..2 {
        let before = place.verified("d")["records"].as_u64().unwrap();
        let mut running = place.start(&["resume", "--data", "d", "--schedulers", "1"]);
        running.wait_until(|| place.path("d/safety/guardian").exists());
        // Until somebody listens, as an impatient person would.
        while !running.has_ended() {
            running.signal("TERM");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        running.end().expect(143);
        assert!(place.verified("d")["records"].as_u64().unwrap() > before);
    }
    place.resumes_to_the_same_state("d");
}

#[test]
fn an_interrupted_run_answers_as_json() {
    let place = Place::new();
    let contacts = crate::support::long_contacts();
    let args = ["run", "rumour", "--contacts", contacts, "--data", "d", "--json"];
    let mut running = place.start(&args);
    running.wait_for_log(&place.path("d"), 8192);
    running.signal("INT");
    let object = running.end().expect(130).json();
    assert_eq!((&object["exit_code"], &object["data"]), (&130.into(), &"d".into()));
}

#[test]
fn a_second_signal_does_no_harm() {
    for second in ["INT", "TERM"] {
        let place = Place::new();
        let running = place.start_long("d");
        // Two at once, as from an impatient hand or from a terminal and a supervisor together.
        running.signal("INT");
        running.signal(second);
        let ended = running.end();
        assert!(matches!(ended.code, Some(130 | 143)), "{ended:?}");
        place.verified("d");
        place.resumes_to_the_same_state("d");
    }
}

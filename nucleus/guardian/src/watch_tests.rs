use super::*;
use proptest::prelude::*;

fn limits() -> Limits {
    Limits { tasks_per_day: 10, rejections_in_sequence: 3, ..Limits::default() }
}

fn report(watches: &mut Watches, event: Event, lease: u64, now_s: u64) -> Result<bool, String> {
    watches.report(&limits(), event, lease, "pay", now_s)
}

#[test]
fn the_eleventh_task_of_a_day_is_one_too_many_and_the_tenth_is_not() {
    let mut watches = Watches::default();
    for task in 0..10 {
        assert_eq!(report(&mut watches, Event::Task, 1, 1_000 + task * 3_600), Ok(true));
        // A restart in between changes nothing.
        watches = Watches::decode(&watches.encode()).unwrap();
    }
    let tripped = report(&mut watches.clone(), Event::Task, 1, 50_000).unwrap_err();
    assert_eq!(tripped, "tasks_per_day: 11, and 10 is the most that is allowed (lease 1: pay)");
    // A day after the first there is room for one.
    assert_eq!(report(&mut watches, Event::Task, 1, 1_000 + DAY_S), Ok(true));
    // A clock that is set back makes no room.
    assert!(report(&mut watches, Event::Task, 1, 0).is_err());
}

#[test]
fn only_what_is_new_is_kept_again() {
    let mut watches = Watches::default();
    assert_eq!(watches.news(), None);
    let counted = |watches: &mut Watches, event| report(watches, event, 1, 5).unwrap();
    for (event, is_new) in [
        (Event::Ask, true),
        (Event::Task, true),
        (Event::Admitted, false),
        (Event::Rejection, true),
        (Event::Admitted, true),
        (Event::Admitted, false),
        (Event::Failure, true),
        (Event::Success, true),
        (Event::Success, false),
    ] {
        counted(&mut watches, event);
        assert_eq!(watches.news(), is_new.then(|| watches.encode()), "{event:?}");
        assert_eq!(watches.news(), None);
    }
    watches.add(&limits(), "cpu_s_per_day", 6, 0, "").unwrap();
    assert_eq!(watches.news(), None);
    watches.add(&limits(), "cpu_s_per_day", 6, 1, "").unwrap();
    assert_eq!(watches.news(), Some(watches.encode()));
}

#[test]
fn rejections_count_in_sequence_and_for_each_lease() {
    let mut watches = Watches::default();
    for _ in 0..3 {
        report(&mut watches, Event::Rejection, 1, 5).unwrap();
        report(&mut watches, Event::Rejection, 2, 5).unwrap();
    }
    report(&mut watches, Event::Admitted, 2, 5).unwrap();
    report(&mut watches, Event::Rejection, 2, 5).unwrap();
    let watches = Watches::decode(&watches.encode()).unwrap();
    let tripped = report(&mut watches.clone(), Event::Rejection, 1, 900_000).unwrap_err();
    assert!(tripped.starts_with("rejections_in_sequence: 4, and 3 is"), "{tripped}");
    let mut forgiven = watches;
    forgiven.forgive();
    report(&mut forgiven, Event::Rejection, 1, 5).unwrap();
}

#[test]
fn what_is_not_ours_is_not_read() {
    for text in
        ["window x 1 2\n", "window tasks_per_day 1\n", "sequence tasks_per_day 1 2\n", "x\n"]
    {
        assert_eq!(Watches::decode(text), None, "{text}");
    }
    assert_eq!(Watches::decode(""), Some(Watches::default()));
}

proptest! {
    /// A window never forgets what is younger than its span less one part, and never remembers
    /// what is older than it.
    #[test]
    fn a_window_is_a_sum_over_its_span(steps in proptest::collection::vec((0_u64..5_000, 0_u64..9), 1..200)) {
        let span_s = 3_600;
        let (mut window, mut all, mut now_s) = (Window::default(), Vec::new(), 0);
        for (pause_s, amount) in steps {
            now_s += pause_s;
            all.push((now_s, amount));
            let found = window.add(now_s, span_s, amount);
            let sum = |span_s: u64| -> u64 {
                all.iter().filter(|(at, _)| now_s - at < span_s).map(|(_, held)| held).sum()
            };
            prop_assert!(found >= sum(span_s - span_s / PARTS), "{found}");
            prop_assert!(found <= sum(span_s), "{found}");
            prop_assert!(window.parts.len() as u64 <= PARTS + 2);
        }
    }
}

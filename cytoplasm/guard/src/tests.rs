use super::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn terms(heartbeat_limit_ms: u64) -> Terms {
    Terms { limits: [7; 32], heartbeat_ms: 5, heartbeat_limit_ms, held: "pid namespace".into() }
}

fn reply(socket: &OwnedFd, said: &FromGuardian) {
    send(socket, said.encode().as_bytes(), SendFlags::NOSIGNAL).unwrap();
}

/// The next word that is no beat.
fn next(socket: &OwnedFd) -> Option<FromRuntime> {
    loop {
        let mut packet = [0; MAX_FRAME_BYTES];
        let (length, _) = recv(socket, &mut packet, RecvFlags::empty()).unwrap();
        match FromRuntime::decode(&packet[..length]) {
            Some(FromRuntime::Beat(..)) => {}
            other => return other,
        }
    }
}

/// Plays a guardian that answers the first word and so many questions, and goes away then.
fn guardian(
    socket: OwnedFd,
    terms: Terms,
    answers: u64,
) -> std::thread::JoinHandle<Vec<FromRuntime>> {
    std::thread::spawn(move || {
        let mut heard = vec![next(&socket).unwrap()];
        reply(&socket, &FromGuardian::Terms(terms));
        for number in 1..=answers {
            heard.push(next(&socket).unwrap());
            reply(&socket, &FromGuardian::Beat);
            reply(&socket, &FromGuardian::Done(number));
        }
        heard
    })
}

#[test]
fn what_is_reported_is_counted_before_it_goes_on() {
    let (here, there) = pair();
    let kept = there.try_clone().unwrap();
    let peer = guardian(there, terms(60_000), 2);
    let guard = Guard::over(here, "1.2.3").unwrap();
    assert_eq!(guard.terms(), &terms(60_000));
    assert!(guard.is_live());
    guard.report(Event::Task, 3, "pay").unwrap();
    guard.end(End::Halted("full".into())).unwrap();
    let hello = FromRuntime::Hello(PROTOCOL, "1.2.3".into());
    let event = FromRuntime::Event(1, Event::Task, 3, "pay".into());
    let end = FromRuntime::End(2, End::Halted("full".into()));
    assert_eq!(peer.join().unwrap(), [hello, event, end]);
    drop(kept);
    assert!(matches!(guard.report(Event::Ask, 0, ""), Err(LinkError::Lost { .. })));
    assert!(!guard.is_live());
}

#[test]
fn silence_is_loss() {
    let (here, there) = pair();
    let kept = there.try_clone().unwrap();
    let peer = guardian(there, terms(50), 0);
    let guard = Guard::over(here, "1").unwrap();
    peer.join().unwrap();
    assert!(matches!(guard.report(Event::Ask, 0, ""), Err(LinkError::Lost { .. })));
    assert!(!guard.is_live());
    drop(kept);
}

#[test]
fn what_does_not_fit_is_refused_or_cut() {
    let (here, there) = pair();
    // A socket that is closed with words unread takes its answers back.
    let _kept = there.try_clone().unwrap();
    let peer = guardian(there, terms(60_000), 1);
    let guard = Guard::over(here, "1").unwrap();
    let long = "é".repeat(10_000);
    assert!(matches!(guard.checkpoint(&"0".repeat(32), &long), Err(LinkError::TooLong)));
    guard.report(Event::Ask, 0, &long).unwrap();
    drop(guard);
    assert!(
        matches!(&peer.join().unwrap()[1], FromRuntime::Event(_, _, _, text) if text.len() < 1_000)
    );
}

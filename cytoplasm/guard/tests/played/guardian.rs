//! A live guardian, played by a thread: for the tests of whoever needs one.

use std::sync::Arc;

use karyon_guard::{FromGuardian, FromRuntime, Guard, MAX_FRAME_BYTES, Terms};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

/// Its thread ends with its link.
pub fn guard() -> Arc<Guard> {
    let kind = SocketType::SEQPACKET;
    let (here, there) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; MAX_FRAME_BYTES];
        while let Ok((length @ 1.., _)) = recv(&there, &mut packet, RecvFlags::empty()) {
            let answer = match FromRuntime::decode(&packet[..length]).unwrap() {
                FromRuntime::Hello(..) => FromGuardian::Terms(Terms {
                    limits: [7; 32],
                    heartbeat_ms: 50,
                    heartbeat_limit_ms: 600_000,
                    held: "played".into(),
                }),
                _ => FromGuardian::Beat,
            };
            if send(&there, answer.encode().as_bytes(), SendFlags::NOSIGNAL).is_err() {
                return;
            }
        }
    });
    Arc::new(Guard::over(here, "test").unwrap())
}

//! A port under a played guardian, and clients that speak raw.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use karyon_guard::{FromGuardian, FromRuntime, Guard, MAX_FRAME_BYTES, Terms};
use karyon_metrics::{Listener, Run, Server};
use karyon_runtime::{DataDir, Progress};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use tempfile::TempDir;

/// The longest that anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A live guardian, played by a thread that ends with its link.
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

/// A port that is served.
pub struct Port {
    pub address: SocketAddr,
    pub server: Server,
    pub folder: TempDir,
}

/// Of a run that counts there.
pub fn about(progress: Arc<Progress>) -> Run {
    Run { version: "0.1.0".into(), log: "ab".repeat(16), boot: 3, progress, status: None }
}

pub fn open(run: Run) -> Port {
    let folder = tempfile::tempdir().unwrap();
    let dir = DataDir::under(guard(), folder.path()).unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), &dir).unwrap();
    let address = listener.address();
    Port { address, server: listener.serve(run).unwrap(), folder }
}

/// A client that has said nothing yet.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that it is told after it has said `words`: head and body.
pub fn say(address: SocketAddr, words: &[u8]) -> (String, String) {
    let mut stream = connect(address);
    // It may be told that it said enough.
    drop(stream.write_all(words));
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    let (head, body) = told.split_once("\r\n\r\n").expect("a head and a body");
    (head.into(), body.into())
}

/// What a scraper reads.
pub fn scrape(address: SocketAddr) -> String {
    let (head, body) = say(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0"), "{head}");
    body
}

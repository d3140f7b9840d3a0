//! A port under a played guardian, and clients that speak raw.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use karyon_metrics::{Listener, Run, Server};
use karyon_runtime::{DataDir, Progress};
use tempfile::TempDir;

pub use crate::guardian::guard;

/// The longest that anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

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

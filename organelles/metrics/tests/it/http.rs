//! Who is answered, and what becomes of those who are slow, silent or too many.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use karyon_metrics::limits::{CONNECTIONS_MAX, REQUEST_BYTES_MAX};
use karyon_metrics::{Listener, MetricsError};
use karyon_runtime::DataDir;

use crate::openmetrics;
use crate::support::{Port, about, connect, guard, open, say, scrape};

fn port() -> Port {
    open(about(Arc::default()))
}

#[test]
fn one_path_and_one_method() {
    let port = port();
    for (request, status) in [
        ("GET /metrics HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET / HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /metrics/../x HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", "400 Bad Request"),
    ] {
        let (head, _) = say(port.address, request.as_bytes());
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {head}");
        assert!(head.contains("Connection: close"), "{head}");
        assert_eq!(head.contains("Allow: GET"), status.starts_with("405"), "{head}");
    }
}

#[test]
fn a_request_has_a_bound() {
    let port = port();
    let long = format!("GET /metrics?{}", "a".repeat(REQUEST_BYTES_MAX));
    let (head, _) = say(port.address, long.as_bytes());
    assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
    scrape(port.address);
}

#[test]
fn silent_clients_give_their_places_to_others() {
    let port = port();
    let mut silent: Vec<_> = (0..100).map(|_| connect(port.address)).collect();
    openmetrics::read(&scrape(port.address));
    // The first of them is gone, long before its time was over; the last one is not.
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    let last = silent.last_mut().unwrap();
    last.set_nonblocking(true).unwrap();
    assert_eq!(last.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(silent.len() > 2 * CONNECTIONS_MAX);
}

#[test]
fn a_slow_client_holds_up_nobody_and_is_answered_all_the_same() {
    let port = port();
    let mut slow = connect(port.address);
    for byte in b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" {
        slow.write_all(&[*byte]).unwrap();
        scrape(port.address);
    }
    let mut told = String::new();
    slow.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200 OK"), "{told}");
}

#[test]
fn who_never_asks_and_who_never_leaves_is_sent_away() {
    let port = port();
    let mut silent = connect(port.address);
    let mut staying = connect(port.address);
    staying.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    // Both wait for the other side only.
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut told = Vec::new();
    staying.read_to_end(&mut told).unwrap();
    scrape(port.address);
}

#[test]
fn it_ends_with_the_run() {
    let Port { address, server, folder: _folder } = port();
    let mut silent = connect(address);
    scrape(address);
    drop(server);
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert!(matches!(silent.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn without_a_live_guardian_no_port_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let unguarded = DataDir::create(&folder.path().join("d")).unwrap();
    let refused = Listener::bind("127.0.0.1:0".parse().unwrap(), &unguarded).err().unwrap();
    assert!(matches!(refused, MetricsError::NoGuardian), "{refused}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let port = port();
    let dir = DataDir::under(guard(), port.folder.path()).unwrap();
    let place = port.address.to_string().parse().unwrap();
    let refused = Listener::bind(place, &dir).err().unwrap().to_string();
    assert!(refused.contains(&port.address.to_string()), "{refused}");
}

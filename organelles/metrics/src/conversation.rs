//! One connection: it asks, is answered, and parts.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use crate::limits::{CONVERSATION, HEADERS_MAX, PARTING_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::text::CONTENT_TYPE;

/// Read at a time, bytes.
const CHUNK: usize = 2 * 1024;

/// A connection and how far it has come.
pub(crate) struct Conversation {
    pub(crate) stream: TcpStream,
    /// When it is closed, whatever it does.
    pub(crate) until: Instant,
    state: State,
}

enum State {
    Asking(Vec<u8>),
    Answering {
        answer: Vec<u8>,
        written: usize,
    },
    /// It has its answer; this much was read since.
    Parting(usize),
}

/// What it may be told but for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Metrics,
    Malformed,
    NotFound,
    NotAllowed,
    TooLong,
}

impl Conversation {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Conversation> {
        stream.set_nonblocking(true)?;
        let until = Instant::now() + CONVERSATION;
        Ok(Conversation { stream, until, state: State::Asking(Vec::new()) })
    }

    /// Whether it waits to be written to, and not to be read.
    pub(crate) fn writes(&self) -> bool {
        matches!(self.state, State::Answering { .. })
    }

    /// Goes on as far as it can without waiting; whether it is to go on later. `metrics` is the
    /// text, `None` if there is none to be had.
    pub(crate) fn go_on(&mut self, metrics: impl Fn() -> Option<String>) -> bool {
        loop {
            match self.advance(&metrics) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Anything else is the client's affair.
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    /// One step; false at the end.
    fn advance(&mut self, metrics: impl Fn() -> Option<String>) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        match &mut self.state {
            State::Asking(request) => {
                let read = self.stream.read(&mut chunk)?;
                request.extend(chunk.iter().take(read));
                if let Some(reply) = reply_to(request) {
                    let answer = answer(reply, metrics);
                    self.state = State::Answering { answer, written: 0 };
                    return Ok(true);
                }
                Ok(read > 0)
            }
            State::Answering { answer, written } => {
                let rest = answer.get(*written..).unwrap_or_default();
                *written += self.stream.write(rest)?;
                if *written == answer.len() {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.state = State::Parting(0);
                }
                Ok(true)
            }
            State::Parting(passed) => {
                let read = self.stream.read(&mut chunk)?;
                *passed += read;
                Ok(read > 0 && *passed <= PARTING_BYTES_MAX)
            }
        }
    }
}

/// What to say to a request; `None`: it is not whole.
fn reply_to(bytes: &[u8]) -> Option<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let whole = match request.parse(bytes) {
        Ok(status) => status.is_complete(),
        Err(httparse::Error::TooManyHeaders) => return Some(Reply::TooLong),
        Err(_) => return Some(Reply::Malformed),
    };
    if bytes.len() > REQUEST_BYTES_MAX {
        return Some(Reply::TooLong);
    }
    if !whole {
        return None;
    }
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    Some(match (path, request.method) {
        ("/metrics", Some("GET")) => Reply::Metrics,
        ("/metrics", _) => Reply::NotAllowed,
        (_, _) => Reply::NotFound,
    })
}

fn answer(reply: Reply, metrics: impl Fn() -> Option<String>) -> Vec<u8> {
    let plain = "text/plain; charset=utf-8";
    let (status, kind, body) = match reply {
        Reply::Metrics => match metrics() {
            Some(text) => ("200 OK", CONTENT_TYPE, text),
            None => ("500 Internal Server Error", plain, "there are no metrics\n".into()),
        },
        Reply::Malformed => ("400 Bad Request", plain, "this is not HTTP\n".into()),
        Reply::NotFound => ("404 Not Found", plain, "only /metrics is here\n".into()),
        Reply::NotAllowed => ("405 Method Not Allowed", plain, "only GET is answered\n".into()),
        Reply::TooLong => {
            ("431 Request Header Fields Too Large", plain, "the request is too long\n".into())
        }
    };
    let allow = if reply == Reply::NotAllowed { "Allow: GET\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}Connection: \
         close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for() {
        for (request, reply) in [
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", Some(Reply::Metrics)),
            ("GET /metrics?a=b HTTP/1.0\r\n\r\n", Some(Reply::Metrics)),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n", None),
            ("", None),
            ("G", None),
            ("POST /metrics HTTP/1.1\r\n\r\n", Some(Reply::NotAllowed)),
            ("HEAD /metrics HTTP/1.1\r\n\r\n", Some(Reply::NotAllowed)),
            ("GET / HTTP/1.1\r\n\r\n", Some(Reply::NotFound)),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", Some(Reply::NotFound)),
            ("\u{16}\u{3}\u{1}", Some(Reply::Malformed)),
            ("GET /metrics\r\n\r\n", Some(Reply::Malformed)),
        ] {
            assert_eq!(reply_to(request.as_bytes()), reply, "{request:?}");
        }
        let long = format!("GET /metrics?{} HTTP/1.1\r\n", "a".repeat(REQUEST_BYTES_MAX));
        assert_eq!(reply_to(long.as_bytes()), Some(Reply::TooLong));
        let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(reply_to(many.as_bytes()), Some(Reply::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(0u8.., 0..200)) {
            let reply = reply_to(&bytes);
            // Nothing else begins so.
            proptest::prop_assert!(reply != Some(Reply::Metrics) || bytes.ends_with(b"\n"));
        }
    }
}

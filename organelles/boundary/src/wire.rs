//! Lines over a socket, each within a bound of bytes and of time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Read at a time, bytes.
const CHUNK: usize = 16 * 1024;

/// Why nothing more is heard or said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Silence {
    #[error("the other side closed the connection")]
    Closed,
    #[error("the other side took too long")]
    Late,
    #[error("a line is too long")]
    TooLong,
    #[error("this side ends")]
    Stopped,
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Told by everybody who waits when its other end is closed.
pub(crate) type Stop = Arc<OwnedFd>;

/// A connection.
pub(crate) struct Wire {
    stream: UnixStream,
    stop: Option<Stop>,
    /// The longest line, bytes.
    most: usize,
    /// Read, and no whole line yet.
    buffer: Vec<u8>,
    /// So much of it holds no end of a line.
    scanned: usize,
}

impl Wire {
    pub(crate) fn new(stream: UnixStream, stop: Option<Stop>, most: usize) -> io::Result<Wire> {
        stream.set_nonblocking(true)?;
        Ok(Wire { stream, stop, most, buffer: Vec::new(), scanned: 0 })
    }

    /// The next line without its end: begun within `first`, and whole within `whole` of its first
    /// byte.
    pub(crate) fn line(&mut self, first: Duration, whole: Duration) -> Result<Vec<u8>, Silence> {
        let now = Instant::now();
        let mut until = now + if self.buffer.is_empty() { first } else { whole };
        loop {
            if let Some(line) = self.take_line()? {
                return Ok(line);
            }
            wait(self.stream.as_fd(), PollFlags::IN, self.stop.as_ref(), until)?;
            let (mut chunk, begins) = ([0; CHUNK], self.buffer.is_empty());
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Silence::Closed),
                Ok(read) => self.buffer.extend(chunk.iter().take(read)),
                Err(error) if is_passing(&error) => continue,
                Err(error) => return Err(error.into()),
            }
            if begins {
                until = Instant::now() + whole;
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<Vec<u8>>, Silence> {
        let unseen = self.buffer.iter().skip(self.scanned);
        match unseen.take(self.most + 1).position(|byte| *byte == b'\n') {
            Some(at) if self.scanned + at <= self.most => {
                let line = self.buffer.drain(..self.scanned + at).collect();
                self.buffer.drain(..1);
                self.scanned = 0;
                Ok(Some(line))
            }
            None if self.buffer.len() <= self.most => {
                self.scanned = self.buffer.len();
                Ok(None)
            }
            Some(_) | None => Err(Silence::TooLong),
        }
    }

    /// Says a line, which the other side takes within `patience`.
    pub(crate) fn say(&mut self, line: &[u8], patience: Duration) -> Result<(), Silence> {
        let until = Instant::now() + patience;
        let ended = [line, b"\n"].concat();
        let mut rest = ended.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(self.stream.as_fd(), PollFlags::OUT, self.stop.as_ref(), until)?;
                }
                Err(error) if is_passing(&error) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Err(Silence::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Waits until something can be done with `fd`; whoever stops is not waited for.
pub(crate) fn wait(
    fd: BorrowedFd<'_>,
    what: PollFlags,
    stop: Option<&Stop>,
    until: Instant,
) -> Result<(), Silence> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Silence::Late)?;
        let mut waited = vec![PollFd::from_borrowed_fd(fd, what)];
        waited.extend(stop.map(|stop| PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)));
        match poll(&mut waited, Some(&left)) {
            Ok(0) => return Err(Silence::Late),
            Ok(_) if waited.get(1).is_some_and(|stop| !stop.revents().is_empty()) => {
                return Err(Silence::Stopped);
            }
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Silence::Failed(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn wire(most: usize) -> (UnixStream, Wire) {
        let (there, here) = UnixStream::pair().unwrap();
        (there, Wire::new(here, None, most).unwrap())
    }

    #[test]
    fn lines_are_taken_one_by_one_however_they_come() {
        let (mut there, mut wire) = wire(8);
        for part in ["a", "b\n\nsecond", "xy\r", "\nrest"] {
            there.write_all(part.as_bytes()).unwrap();
        }
        drop(there);
        for line in ["ab", ""] {
            assert_eq!(wire.line(LONG, LONG).unwrap(), line.as_bytes());
        }
        // Nine bytes with its \r.
        assert!(matches!(wire.line(LONG, LONG), Err(Silence::TooLong)));
    }

    #[test]
    fn the_longest_line_is_heard_and_one_more_byte_is_not() {
        for (length, is_heard) in [(7, true), (8, true), (9, false), (CHUNK * 2, false)] {
            let (mut there, mut wire) = wire(8);
            there.write_all(&[&vec![b'x'; length][..], b"\nnext\n"].concat()).unwrap();
            match wire.line(LONG, LONG) {
                Ok(line) => assert!(is_heard && line.len() == length),
                Err(why) => assert!(!is_heard && matches!(why, Silence::TooLong), "{length}"),
            }
        }
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let (mut there, mut wire) = wire(64);
        let soon = Duration::from_millis(20);
        assert!(matches!(wire.line(soon, LONG), Err(Silence::Late)));
        there.write_all(b"begun").unwrap();
        // The first byte came in time; the rest does not.
        assert!(matches!(wire.line(LONG, soon), Err(Silence::Late)));
        // Nobody takes it.
        let much = vec![b'x'; 16 * 1024 * 1024];
        assert!(matches!(wire.say(&much, soon), Err(Silence::Late)));
        drop(there);
        assert!(matches!(wire.say(b"x", LONG), Err(Silence::Closed)));
    }

    #[test]
    fn a_line_that_trickles_is_not_waited_for() {
        let (mut there, mut wire) = wire(1 << 20);
        let trickling = std::thread::spawn(move || {
            // Goes on until nobody listens, and longer than anybody should.
            (0..400).all(|_| {
                std::thread::sleep(Duration::from_millis(5));
                there.write_all(b"x").is_ok()
            })
        });
        assert!(matches!(wire.line(LONG, Duration::from_millis(50)), Err(Silence::Late)));
        drop(wire);
        assert!(!trickling.join().unwrap());
    }

    #[test]
    fn whoever_stops_waits_no_more() {
        let (sender, receiver) = UnixStream::pair().unwrap();
        let (_there, here) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(here, Some(Arc::new(receiver.into())), 64).unwrap();
        let waiting = std::thread::spawn(move || wire.line(LONG, LONG));
        drop(sender);
        assert!(matches!(waiting.join().unwrap(), Err(Silence::Stopped)));
    }
}

//! Who connects, and who goes: one thread for all.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use karyon_runtime::DataDir;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::address::Loopback;
use crate::conversation::Conversation;
use crate::limits::CONNECTIONS_MAX;
use crate::text::{Run, text};

/// How long nothing is accepted when the system has no room for more.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the thread looks around though nobody came.
const LOOK: Duration = Duration::from_secs(60);

/// Why no metrics are offered.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A node without a live guardian opens no socket.
    #[error("no live guardian: a node opens no port without one")]
    NoGuardian,
    /// The system refused.
    #[error("metrics cannot be offered at {address}: {source}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A port that is taken, on which nobody answers yet.
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the port for the node in `dir`.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn bind(place: Loopback, dir: &DataDir) -> Result<Listener, MetricsError> {
        if !dir.guard().is_some_and(|guard| guard.is_live()) {
            return Err(MetricsError::NoGuardian);
        }
        let failed = |source| MetricsError::Io { address: place.address(), source };
        let listener = TcpListener::bind(place.address()).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Listener { listener, address })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with what is counted of `run`, until the server is dropped.
    ///
    /// # Errors
    /// [`MetricsError::Io`].
    pub fn serve(self, run: Run) -> Result<Server, MetricsError> {
        let address = self.address;
        let failed = |source| MetricsError::Io { address, source };
        run.progress.tally.want();
        let (stop, stopped) = UnixStream::pair().map_err(failed)?;
        let thread = thread::Builder::new()
            .name("metrics".into())
            .spawn(move || answer_all(&self.listener, &stopped, &run))
            .map_err(failed)?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}

/// Answers whoever connects, until it is dropped.
pub struct Server {
    /// Closed to stop.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panicked)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panicked);
        }
    }
}

fn answer_all(listener: &TcpListener, stopped: &UnixStream, run: &Run) {
    // The oldest first.
    let mut all: Vec<Conversation> = Vec::new();
    // A text that cannot be made is none.
    let metrics = || text(run).ok();
    loop {
        let now = Instant::now();
        all.retain(|one| one.until > now);
        let Ok(ready) = wait(listener, stopped, &all, now) else { return };
        if ready.stopped {
            return;
        }
        let mut woken = ready.conversations.into_iter();
        all.retain_mut(|one| woken.next() != Some(true) || one.go_on(metrics));
        if ready.listener {
            accept(listener, &mut all);
        }
    }
}

/// What there is to do.
struct Ready {
    stopped: bool,
    listener: bool,
    conversations: Vec<bool>,
}

fn wait(
    listener: &TcpListener,
    stopped: &UnixStream,
    all: &[Conversation],
    now: Instant,
) -> io::Result<Ready> {
    let until = all.iter().map(|one| one.until).min().unwrap_or(now + LOOK);
    // Rounded up, or the thread would run in circles for the last millisecond.
    let left = until.saturating_duration_since(now) + Duration::from_millis(1);
    let timeout = Timespec::try_from(left).map_err(|_| ErrorKind::InvalidInput)?;
    let mut waited = vec![
        PollFd::from_borrowed_fd(stopped.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
    ];
    waited.extend(all.iter().map(|one| {
        let flags = if one.writes() { PollFlags::OUT } else { PollFlags::IN };
        PollFd::from_borrowed_fd(one.stream.as_fd(), flags)
    }));
    match poll(&mut waited, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = waited.iter().map(|one| !one.revents().is_empty());
    Ok(Ready {
        stopped: ready.next() == Some(true),
        listener: ready.next() == Some(true),
        conversations: ready.collect(),
    })
}

/// Lets in who waits outside, no more than there are places: the others come in the next round,
/// when these could say something.
fn accept(listener: &TcpListener, all: &mut Vec<Conversation>) {
    for _ in 0..CONNECTIONS_MAX {
        match listener.accept() {
            Ok((stream, _)) => welcome(stream, all),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                ) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // No descriptor or no memory: whoever waits waits on.
            Err(_) => return thread::sleep(PAUSE),
        }
    }
}

fn welcome(stream: TcpStream, all: &mut Vec<Conversation>) {
    // One that cannot be watched is closed.
    let Ok(one) = Conversation::new(stream) else { return };
    if all.len() >= CONNECTIONS_MAX {
        all.remove(0);
    }
    all.push(one);
}

//! The node's side: who connects, and how long anybody is waited for.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use karyon_runtime::DataDir;
use karyon_runtime::processes::Desk;
use karyon_types::LogId;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::event::PollFlags;
use rustix::process::geteuid;

use crate::answer::{Fault, Session, failed};
use crate::limits::{CONNECTIONS_MAX, GREETING, IDLE, LINE, LINE_BYTES_MAX, TAKING};
use crate::protocol::Grounds;
use crate::socket::{Bound, SOCKET, SocketError, bind_in};
use crate::wire::{Silence, Stop, Wire, wait};

/// How long nothing is accepted when the system has no room for more.
const PAUSE: Duration = Duration::from_millis(50);
/// How often who accepts looks around though nobody came.
const LOOK: Duration = Duration::from_secs(60);

/// Which node answers.
#[derive(Clone, Debug)]
pub struct About {
    /// Its version.
    pub karyon: String,
    /// The log that it writes.
    pub log: LogId,
    /// Which start of it this is, from 1.
    pub boot: u32,
    /// Why its agents run and who answers for it.
    pub grounds: Option<Grounds>,
}

struct Shared {
    about: About,
    desk: Arc<Desk>,
    connections: AtomicUsize,
}

/// Answers whoever connects, until it is stopped or dropped.
pub struct Server {
    /// `None`: stopped.
    bound: Option<Bound>,
    desk: Arc<Desk>,
    /// Closed to stop.
    stop: Option<UnixStream>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens in `dir`, and asks the run at `desk`.
    ///
    /// # Errors
    /// [`SocketError`]. Nothing is left behind then.
    pub fn open(dir: &DataDir, about: About, desk: Arc<Desk>) -> Result<Server, SocketError> {
        if !dir.guard().is_some_and(|guard| guard.is_live()) {
            return Err(SocketError::NoGuardian);
        }
        let (listener, bound) = bind_in(dir.path())?;
        let failed = |source| SocketError::Io { path: dir.path().join(SOCKET), source };
        listener.set_nonblocking(true).map_err(failed)?;
        let (stop, stopped) = UnixStream::pair().map_err(failed)?;
        let stopped: Stop = Arc::new(stopped.into());
        let shared = Shared { about, desk: Arc::clone(&desk), connections: AtomicUsize::new(0) };
        let accepting = thread::Builder::new()
            .name("boundary".into())
            .spawn(move || accept(&listener, &shared, &stopped))
            .map_err(failed)?;
        Ok(Server { bound: Some(bound), desk, stop: Some(stop), accepting: Some(accepting) })
    }

    /// Ends all conversations, and waits for that.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // First what brings others, then what anybody may wait for.
        drop(self.bound.take());
        drop(self.stop.take());
        self.desk.close();
        if let Some(Err(panicked)) = self.accepting.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panicked);
        }
    }
}

fn accept(listener: &UnixListener, shared: &Shared, stop: &Stop) {
    // Left only when each of its threads has ended.
    thread::scope(|scope| {
        loop {
            match wait(listener.as_fd(), PollFlags::IN, Some(stop), Instant::now() + LOOK) {
                Ok(()) => {}
                Err(Silence::Late) => continue,
                Err(Silence::Stopped | Silence::Closed | Silence::TooLong | Silence::Failed(_)) => {
                    return;
                }
            }
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock
                            | ErrorKind::Interrupted
                            | ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue;
                }
                // No descriptor or no memory: whoever waits waits on.
                Err(_) => {
                    thread::sleep(PAUSE);
                    continue;
                }
            };
            let Ok(mut wire) = Wire::new(stream, Some(Arc::clone(stop)), LINE_BYTES_MAX) else {
                continue;
            };
            let Some(place) = Place::take(&shared.connections) else {
                tell(&mut wire, Fault::Crowded, Duration::ZERO);
                continue;
            };
            // Where there is no thread for it the connection is closed with what was moved there.
            let served = thread::Builder::new().name("boundary client".into()).spawn_scoped(
                scope,
                move || {
                    let _place = place;
                    serve(wire, shared);
                },
            );
            drop(served);
        }
    });
}

/// One of the places for connections, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl Place<'_> {
    fn take(connections: &AtomicUsize) -> Option<Place<'_>> {
        let more = |held| (held < CONNECTIONS_MAX).then_some(held + 1);
        let taken = connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Place(connections))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn tell(wire: &mut Wire, fault: Fault, patience: Duration) {
    // Whoever does not take it finds the connection closed.
    match wire.say(&failed(fault), patience) {
        Ok(()) | Err(_) => {}
    }
}

fn serve(mut wire: Wire, shared: &Shared) {
    // Who it is that the kernel cannot tell is nobody.
    let Ok(peer) = getsockopt(wire.stream(), PeerCredentials) else { return };
    let uid = peer.uid();
    if !is_heard(uid, geteuid().as_raw()) {
        return tell(&mut wire, Fault::Stranger(uid), TAKING);
    }
    let mut session = Session::new(&shared.about, &shared.desk, uid);
    loop {
        let first = if session.is_greeted() { IDLE } else { GREETING };
        match wire.line(first, LINE) {
            Ok(line) => match session.answer(&line).map(|answer| wire.say(&answer, TAKING)) {
                None | Some(Ok(())) => {}
                Some(Err(_)) => return,
            },
            Err(Silence::TooLong) => return tell(&mut wire, Fault::TooLong, TAKING),
            Err(Silence::Closed | Silence::Late | Silence::Stopped | Silence::Failed(_)) => return,
        }
    }
}

/// Root, and who the node itself is.
fn is_heard(uid: u32, own: u32) -> bool {
    uid == 0 || uid == own
}

#[cfg(test)]
mod tests {
    use super::is_heard;

    #[test]
    fn only_root_and_the_nodes_own_user_are_heard() {
        for (uid, own, heard) in [
            (0, 1_000, true),
            (1_000, 1_000, true),
            (1_001, 1_000, false),
            // Who has no number in the node's namespace.
            (65_534, 1_000, false),
            (77_001, 0, false),
        ] {
            assert_eq!(is_heard(uid, own), heard, "{uid} {own}");
        }
    }
}

//! Plays a guardian: at the other end of a socket, in a thread of this process.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use karyon_guard::{End, FromGuardian, FromRuntime, Guard, MAX_FRAME_BYTES, Terms};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown,
    socketpair,
};

/// Called with each word that is no beat, before it is answered.
type Hook = Box<dyn FnMut(&str) + Send>;

pub struct Played {
    pub guard: Arc<Guard>,
    socket: Arc<OwnedFd>,
    heard: Arc<Mutex<Heard>>,
    hook: Arc<Mutex<Option<Hook>>>,
}

#[derive(Default)]
struct Heard {
    words: Vec<String>,
    beats: Vec<(bool, u64, u64)>,
}

pub fn terms() -> Terms {
    // So long that only a link that is closed is a lost one, however slow the machine.
    let (heartbeat_ms, heartbeat_limit_ms) = (1, 600_000);
    Terms { limits: [7; 32], heartbeat_ms, heartbeat_limit_ms, held: "played".into() }
}

impl Played {
    pub fn new() -> Played {
        let kind = SocketType::SEQPACKET;
        let (here, there) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        let (socket, heard) = (Arc::new(there), Arc::new(Mutex::new(Heard::default())));
        let hook = Arc::new(Mutex::new(None));
        let (listening, told, called) = (socket.clone(), heard.clone(), hook.clone());
        std::thread::spawn(move || listen(&listening, &told, &called));
        let guard = Arc::new(Guard::over(here, "test").unwrap());
        Played { guard, socket, heard, hook }
    }

    /// The words since the last time, but the first of all and the beats.
    pub fn words(&self) -> Vec<String> {
        self.hear_out();
        std::mem::take(&mut self.heard.lock().unwrap().words)
    }

    /// Stepping, ticks and crashes, as a beat told them that was made from now on.
    pub fn last_beat(&self) -> (bool, u64, u64) {
        self.hear_out();
        let beats = || self.heard.lock().unwrap().beats.clone();
        // The first may have been made before, and waited.
        let enough = beats().len() + 2;
        while beats().len() < enough {
            std::thread::yield_now();
        }
        *beats().last().unwrap()
    }

    /// Hears all that was said so far, by a word that comes behind it.
    fn hear_out(&self) {
        if self.guard.resumes_recorded(u64::MAX).is_err() {
            return;
        }
        let last = format!("recorded {}", u64::MAX);
        while self.guard.is_live() {
            let mut heard = self.heard.lock().unwrap();
            if heard.words.last() == Some(&last) {
                heard.words.pop();
                return;
            }
            drop(heard);
            std::thread::yield_now();
        }
    }

    pub fn on_each(&self, hook: impl FnMut(&str) + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// It is gone, and the runtime knows.
    pub fn dies(&self) {
        (self.death())();
    }

    /// What lets it die.
    pub fn death(&self) -> impl Fn() + Send + Sync + 'static {
        let (socket, guard) = (Arc::clone(&self.socket), Arc::clone(&self.guard));
        move || {
            die(&socket);
            while guard.is_live() {
                std::thread::yield_now();
            }
        }
    }

    /// It is gone when it hears this word the next time, which it leaves without an answer.
    pub fn dies_of(&self, word: &'static str) {
        let socket = Arc::clone(&self.socket);
        self.on_each(move |said| {
            if said.starts_with(word) {
                die(&socket);
            }
        });
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        die(&self.socket);
    }
}

fn die(socket: &OwnedFd) {
    // It may be gone already.
    match shutdown(socket, Shutdown::Both) {
        Ok(()) | Err(_) => {}
    }
}

fn listen(socket: &OwnedFd, heard: &Mutex<Heard>, hook: &Mutex<Option<Hook>>) {
    let mut packet = [0; MAX_FRAME_BYTES];
    while let Ok((length @ 1.., _)) = recv(socket, &mut packet, RecvFlags::empty()) {
        let answer = match FromRuntime::decode(&packet[..length]).expect("a word of ours") {
            FromRuntime::Hello(..) => Some(FromGuardian::Terms(terms())),
            FromRuntime::Beat(stepping, ticks, crashes) => {
                heard.lock().unwrap().beats.push((stepping, ticks, crashes));
                Some(FromGuardian::Beat)
            }
            said => {
                let (word, number) = in_words(said);
                heard.lock().unwrap().words.push(word.clone());
                if let Some(hook) = hook.lock().unwrap().as_mut() {
                    hook(&word);
                }
                number.map(FromGuardian::Done)
            }
        };
        let Some(answer) = answer else { continue };
        match send(socket, answer.encode().as_bytes(), SendFlags::NOSIGNAL) {
            Ok(_) => {}
            Err(_gone) => return,
        }
    }
}

/// A word, and the number of its answer.
fn in_words(said: FromRuntime) -> (String, Option<u64>) {
    match said {
        FromRuntime::Begin(log) => (format!("begin {log}"), None),
        FromRuntime::Event(number, event, lease, _) => (format!("{event:?} {lease}"), Some(number)),
        FromRuntime::Checkpoint(log, _) => (format!("checkpoint {log}"), None),
        FromRuntime::ResumesRecorded(n) => (format!("recorded {n}"), None),
        FromRuntime::End(number, End::Clean) => ("clean".into(), Some(number)),
        FromRuntime::End(number, End::Halted(why)) => (format!("halted {why}"), Some(number)),
        FromRuntime::Hello(..) | FromRuntime::Beat(..) => unreachable!("heard before"),
    }
}

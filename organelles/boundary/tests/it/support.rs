//! A data directory under a played guardian, a desk with a clerk, and a socket that speaks raw.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use karyon_boundary::{About, Client, Grounds, Server};
use karyon_gate::{Lease, Rights, Scope};
use karyon_log::{Cause, Message};
use karyon_runtime::DataDir;
use karyon_runtime::processes::{
    Answer, Branch, Desk, Inspected, Intensity, Listed, OrderVerb, Position, Process, Question,
    Refusal, Shown, Stands, Status, Strategy, Upkeep,
};
use karyon_types::{AgentId, LeaseId, LogId, Tick};
use serde_json::Value;

pub use crate::guardian::guard;

/// The longest that anything here may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub fn about() -> About {
    let grounds =
        Grounds { grant: 1, principal: "ada".into(), reason: "run the scenario rumour".into() };
    About { karyon: "0.1.0".into(), log: LogId([0xab; 16]), boot: 1, grounds: Some(grounds) }
}

pub const AT: Position = Position { tick: Some(Tick(12)), records: 345, provisional: false };

/// Two agents: 1 runs, 2 is paused.
pub fn process(id: u64) -> Process {
    Process {
        id: AgentId(id),
        name: if id == 1 { "ada".into() } else { "bob".into() },
        kind: "person",
        status: if id == 1 { Status::Running } else { Status::Paused },
        steps: 40,
        mailbox: id - 1,
        restarts: 0,
        log_bytes: 512,
    }
}

/// What a run of those two answers.
pub fn answer(question: Question) -> Answer {
    match question {
        Question::List(selection) => {
            let all = (1..=2).map(process);
            let found: Vec<_> =
                all.filter(|one| selection.status.is_none_or(|of| of == one.status)).collect();
            Answer::Listed(Listed { at: AT, total: found.len() as u64, processes: found })
        }
        Question::Inspect(AgentId(id @ 1..=2)) => Answer::Inspected(Box::new(Inspected {
            at: AT,
            process: process(id),
            lease: Some(Lease {
                id: LeaseId(id),
                owner: AgentId(id),
                rights: Rights::SEND.and(Rights::REMEMBER),
                scope: Scope { first: 1, last: 2 },
                expires: None,
            }),
            state: Some(vec![0x92, 0xc3, 0xa3, b'Z', 0xc3, 0xab]),
            last: vec![Cause::Message(Message { from: AgentId(2), step: 3, output: 0 })],
        })),
        Question::Tree { offset, limit } => {
            let intensity = Intensity { restarts: 3, period_ticks: 10 };
            let strategy = Strategy::OneForOne;
            let root = Stands::Supervisor { strategy, restarts: 1, intensity, children: 2 };
            let agent =
                |name: &str, upkeep| Stands::Agent { name: name.into(), upkeep, restarts: 0 };
            let all = [
                Branch { id: 0, above: None, depth: 0, stands: root },
                Branch { id: 1, above: Some(0), depth: 1, stands: agent("ada", Upkeep::Running) },
                Branch { id: 2, above: Some(0), depth: 1, stands: agent("bob", Upkeep::Paused) },
            ];
            let part = all.into_iter().skip(offset as usize).take(limit as usize);
            Answer::Tree(Shown { at: AT, total: 3, branches: part.collect() })
        }
        Question::Order(order) if order.agent.0 == 2 => Answer::Refused(Refusal::AlreadyPaused),
        Question::Order(order) if order.agent.0 == 1 && order.verb == OrderVerb::Fork => {
            Answer::Forked(Position { provisional: true, ..AT }, AgentId(3))
        }
        Question::Order(order) if order.agent.0 == 1 => {
            Answer::Done(Position { provisional: true, ..AT })
        }
        Question::Inspect(_) | Question::Order(_) => Answer::Refused(Refusal::Unknown),
    }
}

/// A node as far as the boundary knows one.
pub struct Node {
    pub desk: Arc<Desk>,
    pub asked: Arc<Mutex<Vec<Question>>>,
    server: Option<Server>,
    clerk: Option<JoinHandle<()>>,
    ends: Arc<AtomicBool>,
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Node {
    pub fn new() -> Node {
        Node::with(about(), answer)
    }

    pub fn with(about: About, answer: impl Fn(Question) -> Answer + Send + 'static) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_path_buf();
        let desk = Arc::new(Desk::default());
        let dir = DataDir::under(guard(), &data).unwrap();
        let server = Server::open(&dir, about, Arc::clone(&desk)).unwrap();
        let (asked, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        desk.open();
        let clerk = {
            let (desk, asked, ends) = (Arc::clone(&desk), Arc::clone(&asked), Arc::clone(&ends));
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    if let Some(waiting) = desk.take() {
                        let question = waiting.question.clone();
                        asked.lock().unwrap().push(question.clone());
                        waiting.answer(answer(question));
                    } else {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                }
            })
        };
        Node { desk, asked, server: Some(server), clerk: Some(clerk), ends, folder, data }
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn client(&self) -> Client {
        Client::connect(self.data(), "test", PATIENCE).unwrap()
    }

    pub fn raw(&self) -> Raw {
        Raw::connect(&self.data().join("node.sock"))
    }

    /// Lets everybody reach the socket, as only its owner could.
    pub fn let_in(&self) {
        let free = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(self.folder.path(), free.clone()).unwrap();
        std::fs::set_permissions(self.data().join("node.sock"), free).unwrap();
    }

    /// From now on nobody answers, though the run is under way.
    pub fn leave_the_desk(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(clerk) = self.clerk.take() {
            clerk.join().unwrap();
        }
    }

    pub fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.server.take());
        self.leave_the_desk();
    }
}

/// A connection that says what it likes.
pub struct Raw {
    pub stream: UnixStream,
    lines: BufReader<UnixStream>,
}

pub const HELLO: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"client":"raw","protocol":[1]}}"#;

impl Raw {
    pub fn connect(socket: &Path) -> Raw {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Raw { stream, lines }
    }

    /// `false`: nobody hears it any more.
    pub fn say(&mut self, line: &str) -> bool {
        self.stream.write_all(line.as_bytes()).and_then(|()| self.stream.write_all(b"\n")).is_ok()
    }

    /// The next answer; `None`: the connection was closed.
    pub fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn ask(&mut self, line: &str) -> Option<Value> {
        self.say(line);
        self.hear()
    }
}

/// The stable word of a failure.
pub fn word(answer: &Value) -> &str {
    answer["error"]["data"]["code"].as_str().unwrap_or_default()
}

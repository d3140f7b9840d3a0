//! From a line to its answer: one connection's conversation. Nothing here waits but for the desk.

use karyon_gate::Rights;
use karyon_runtime::processes::{
    self, Answer, Desk, MAX_LISTED, Order, OrderVerb, Question, Refusal, Selection,
};
use karyon_types::AgentId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use serde_json::value::{RawValue, to_raw_value};

use crate::branches::{Branch, Tree, TreeOf};
use crate::limits::{ANSWER_BYTES_MAX, CLIENT_BYTES_MAX, LINE_BYTES_MAX, NAME_BYTES_MAX};
use crate::protocol::{
    At, Cause, Done, Failure, FailureData, Hello, Initialize, Inspected, JSONRPC, Lease, List,
    Listed, PROTOCOL, Process, RequestId, Response, Scope, Sort, Status, Target,
};
use crate::server::About;
use crate::state::{readable, shortened};

/// The longest result: an answer gives the request's id back, which is shorter than its line.
const RESULT_BYTES_MAX: usize = ANSWER_BYTES_MAX - LINE_BYTES_MAX - 1024;
/// How much of somebody's words is repeated to them, bytes.
const QUOTED_BYTES_MAX: usize = 200;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Fault {
    Json(String),
    Request(String),
    Batch,
    TooLong,
    Method(String),
    Params(String),
    Ungreeted,
    Greeted,
    Version,
    Stranger(u32),
    Crowded,
    Refused(Refusal, Option<AgentId>),
    Internal(String),
}

impl Fault {
    fn failure(self) -> Failure {
        let (code, word, message, hint) = match self {
            Fault::Json(why) => (
                -32700,
                "parse_error",
                format!("the line is no JSON: {why}"),
                "send one JSON object a line",
            ),
            Fault::Request(why) => (
                -32600,
                "invalid_request",
                format!("the line is no request: {why}"),
                "send {\"jsonrpc\":\"2.0\",\"id\":N,\"method\":\"…\",\"params\":{…}}",
            ),
            Fault::Batch => (
                -32600,
                "batch",
                "batches are not taken".into(),
                "send one request a line; lines may be sent without waiting for answers",
            ),
            Fault::TooLong => (
                -32600,
                "line_too_long",
                format!("a line has at most {LINE_BYTES_MAX} bytes"),
                "connect anew and send less",
            ),
            Fault::Method(method) => (
                -32601,
                "unknown_method",
                format!("there is no method {method:?}"),
                "there are initialize and process.list, inspect, tree, pause, resume, kill, restart, \
                 fork",
            ),
            Fault::Params(why) => (
                -32602,
                "invalid_params",
                why,
                "docs/boundary.md has the parameters of each method, by name",
            ),
            Fault::Ungreeted => (
                -32002,
                "not_initialized",
                "the first request is initialize".into(),
                "send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":\
                 {\"client\":\"…\",\"protocol\":[1]}}",
            ),
            Fault::Greeted => (
                -32002,
                "already_initialized",
                "initialize is said once".into(),
                "go on with other requests, or connect anew",
            ),
            Fault::Version => (
                -32003,
                "unsupported_protocol",
                format!("this node speaks version {PROTOCOL} only"),
                "use a client of the node's version",
            ),
            Fault::Stranger(uid) => (
                -32004,
                "forbidden",
                format!("user {uid} is neither root nor the user of this node"),
                "ask as the user who runs the node; one who runs as an ordinary user in a \
                 namespace does not know even root",
            ),
            Fault::Crowded => (
                -32005,
                "too_many_connections",
                "too many are connected".into(),
                "close others, or wait until they are let go",
            ),
            Fault::Refused(refusal, agent) => {
                let message = match agent {
                    Some(agent) => format!("{agent}: {refusal}"),
                    None => refusal.to_string(),
                };
                let (word, hint) = refused(refusal);
                (-32001, word, message, hint)
            }
            Fault::Internal(why) => (-32603, "internal", why, "tell those who maintain Karyon"),
        };
        Failure { code, message, data: FailureData { code: word.into(), hint: hint.into() } }
    }
}

/// The stable word of a refusal, and what to do.
fn refused(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::Unknown => ("unknown_agent", "process.list tells who is there"),
        Refusal::Exited => ("exited", "nothing can be done with it any more"),
        Refusal::NotKept => ("not_kept", "kill it; it is not started again"),
        Refusal::AlreadyPaused => ("already_paused", "nothing needs to be done"),
        Refusal::NotPaused => ("not_paused", "nothing needs to be done"),
        Refusal::TooMany => ("too_many", "a new run begins without forks"),
        Refusal::Busy => ("busy", "ask again"),
        Refusal::Repeating => ("repeating", "ask again when it has caught up with its log"),
        Refusal::NotRunning => ("not_running", "the run has ended, or has not begun yet"),
    }
}

/// A line with an answer that is no result.
pub(crate) fn failed(fault: Fault) -> Vec<u8> {
    encode(None, Err(fault))
}

fn encode(id: Option<RequestId>, outcome: Result<Box<RawValue>, Fault>) -> Vec<u8> {
    let (result, error) = match outcome {
        Ok(result) => (Some(result), None),
        Err(fault) => (None, Some(fault.failure())),
    };
    let answer = Response { jsonrpc: JSONRPC.into(), id, result, error };
    // Plain values always encode; an empty line would be no answer, and end nothing.
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// A request as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    jsonrpc: String,
    #[serde(default, deserialize_with = "present")]
    id: Option<RequestId>,
    method: String,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

/// A field that is there has a value: without an id it is a notification, with `null` nothing.
fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<RequestId>, D::Error> {
    RequestId::deserialize(reader).map(Some)
}

/// What can still be told of a line that is no request.
#[derive(Deserialize)]
struct OnlyId {
    id: RequestId,
}

fn read(line: &[u8]) -> Result<Envelope<'_>, (Option<RequestId>, Fault)> {
    if line.trim_ascii_start().starts_with(b"[") {
        return Err((None, Fault::Batch));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(line).map_err(|error| {
        let id = serde_json::from_slice(line).ok().map(|only: OnlyId| only.id);
        let why = quoted(&error);
        match error.classify() {
            Category::Data => (id, Fault::Request(why)),
            Category::Syntax | Category::Eof | Category::Io => (id, Fault::Json(why)),
        }
    })?;
    if envelope.jsonrpc != JSONRPC {
        let why = format!("jsonrpc is not {JSONRPC:?}");
        return Err((envelope.id, Fault::Request(why)));
    }
    Ok(envelope)
}

/// Words that may hold somebody else's.
fn quoted(words: &impl ToString) -> String {
    shortened(&words.to_string(), QUOTED_BYTES_MAX).0
}

fn parsed<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P, Fault> {
    let text = params.map_or("{}", RawValue::get);
    if !text.starts_with('{') {
        return Err(Fault::Params("parameters are given by name, in an object".into()));
    }
    serde_json::from_str(text).map_err(|error| Fault::Params(quoted(&error)))
}

fn result(value: &impl Serialize) -> Result<Box<RawValue>, Fault> {
    to_raw_value(value).map_err(|error| Fault::Internal(error.to_string()))
}

/// One connection's conversation.
pub(crate) struct Session<'a> {
    about: &'a About,
    desk: &'a Desk,
    /// Who asks.
    uid: u32,
    greeted: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(about: &'a About, desk: &'a Desk, uid: u32) -> Session<'a> {
        Session { about, desk, uid, greeted: false }
    }

    /// Whether a version was agreed on.
    pub(crate) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// The answer to a line; `None`: there is none, to a notification or to nothing.
    pub(crate) fn answer(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        match read(line) {
            Ok(Envelope { id: None, .. }) => None,
            Ok(Envelope { id: Some(id), method, params, .. }) => {
                Some(encode(Some(id), self.call(&method, params)))
            }
            Err((id, fault)) => Some(encode(id, Err(fault))),
        }
    }

    fn call(&mut self, method: &str, params: Option<&RawValue>) -> Result<Box<RawValue>, Fault> {
        if method == "initialize" {
            return self.initialize(parsed(params)?);
        }
        if !self.greeted {
            return Err(Fault::Ungreeted);
        }
        match method {
            "process.list" => self.list(parsed(params)?),
            "process.inspect" => self.inspect(parsed(params)?),
            "process.tree" => self.tree(parsed(params)?),
            "process.pause" => self.order(OrderVerb::Pause, parsed(params)?),
            "process.resume" => self.order(OrderVerb::Resume, parsed(params)?),
            "process.kill" => self.order(OrderVerb::Kill, parsed(params)?),
            "process.restart" => self.order(OrderVerb::Restart, parsed(params)?),
            "process.fork" => self.order(OrderVerb::Fork, parsed(params)?),
            other => Err(Fault::Method(quoted(&other))),
        }
    }

    fn initialize(&mut self, asked: Initialize) -> Result<Box<RawValue>, Fault> {
        if self.greeted {
            return Err(Fault::Greeted);
        }
        if asked.client.len() > CLIENT_BYTES_MAX {
            let why = format!("client is a name of at most {CLIENT_BYTES_MAX} bytes");
            return Err(Fault::Params(why));
        }
        if !asked.protocol.contains(&PROTOCOL) {
            return Err(Fault::Version);
        }
        self.greeted = true;
        let About { karyon, log, boot, .. } = self.about;
        let (karyon, log) = (karyon.clone(), log.to_string());
        result(&Hello { protocol: PROTOCOL, karyon, log, boot: *boot })
    }

    fn list(&self, asked: List) -> Result<Box<RawValue>, Fault> {
        let offset = asked.offset;
        match self.desk.ask(Question::List(selection(asked))) {
            Answer::Listed(listed) => page(listed, offset),
            other => Err(no_answer(other, None)),
        }
    }

    fn inspect(&self, Target { id }: Target) -> Result<Box<RawValue>, Fault> {
        let agent = AgentId(id);
        match self.desk.ask(Question::Inspect(agent)) {
            Answer::Inspected(found) => result(&Inspected {
                at: found.at.into(),
                process: found.process.into(),
                grounds: found.lease.as_ref().and(self.about.grounds.clone()),
                lease: found.lease.map(Lease::from),
                state: found.state.as_deref().map(readable),
                last: found.last.into_iter().map(Cause::from).collect(),
            }),
            other => Err(no_answer(other, Some(agent))),
        }
    }

    fn tree(&self, asked: TreeOf) -> Result<Box<RawValue>, Fault> {
        let TreeOf { offset, limit } = asked;
        let limit = limit.unwrap_or(MAX_LISTED);
        match self.desk.ask(Question::Tree { offset, limit }) {
            Answer::Tree(shown) => part(shown, offset),
            other => Err(no_answer(other, None)),
        }
    }

    fn order(&self, verb: OrderVerb, Target { id }: Target) -> Result<Box<RawValue>, Fault> {
        let agent = AgentId(id);
        match self.desk.ask(Question::Order(Order { verb, agent, uid: self.uid })) {
            Answer::Done(at) => result(&Done { at: at.into(), child: None }),
            Answer::Forked(at, child) => result(&Done { at: at.into(), child: Some(child.0) }),
            other => Err(no_answer(other, Some(agent))),
        }
    }
}

/// What is left when the answer is none that was asked for.
fn no_answer(answer: Answer, agent: Option<AgentId>) -> Fault {
    match answer {
        Answer::Refused(refusal) => match refusal {
            Refusal::Busy | Refusal::Repeating | Refusal::NotRunning => {
                Fault::Refused(refusal, None)
            }
            Refusal::Unknown
            | Refusal::Exited
            | Refusal::NotKept
            | Refusal::AlreadyPaused
            | Refusal::NotPaused
            | Refusal::TooMany => Fault::Refused(refusal, agent),
        },
        Answer::Listed(_)
        | Answer::Inspected(_)
        | Answer::Tree(_)
        | Answer::Done(_)
        | Answer::Forked(..) => Fault::Internal("the run answered another question".into()),
    }
}

fn selection(asked: List) -> Selection {
    let List { sort, descending, name, exact, status, offset, limit } = asked;
    Selection {
        sort: match sort {
            Sort::Id => processes::Sort::Id,
            Sort::Name => processes::Sort::Name,
            Sort::Steps => processes::Sort::Steps,
            Sort::Mailbox => processes::Sort::Mailbox,
            Sort::Restarts => processes::Sort::Restarts,
        },
        descending,
        name,
        exact,
        status: status.map(|status| match status {
            Status::Running => processes::Status::Running,
            Status::Paused => processes::Status::Paused,
            Status::Exited => processes::Status::Exited,
            Status::Lost => processes::Status::Lost,
        }),
        offset,
        limit: limit.map_or(MAX_LISTED, |limit| limit.min(MAX_LISTED)),
    }
}

/// As many of them as fit in an answer.
fn page(listed: processes::Listed, offset: u64) -> Result<Box<RawValue>, Fault> {
    let processes::Listed { at, total, processes } = listed;
    let processes = processes.into_iter().map(Process::from).collect();
    let mut page = Listed { at: at.into(), total, next: None, processes };
    loop {
        let shown = page.processes.len();
        let next = offset.saturating_add(shown as u64);
        page.next = Some(next).filter(|next| shown > 0 && *next < total);
        let text = result(&page)?;
        if text.get().len() <= RESULT_BYTES_MAX {
            return Ok(text);
        }
        page.processes.truncate(shown / 2);
    }
}

/// Likewise, of the tree.
fn part(shown: processes::Shown, offset: u64) -> Result<Box<RawValue>, Fault> {
    let processes::Shown { at, total, branches } = shown;
    let branches = branches.into_iter().map(Branch::from).collect();
    let mut part = Tree { at: at.into(), total, next: None, branches };
    loop {
        let shown = part.branches.len();
        let next = offset.saturating_add(shown as u64);
        part.next = Some(next).filter(|next| shown > 0 && *next < total);
        let text = result(&part)?;
        if text.get().len() <= RESULT_BYTES_MAX {
            return Ok(text);
        }
        part.branches.truncate(shown / 2);
    }
}

impl From<processes::Position> for At {
    fn from(at: processes::Position) -> At {
        At { tick: at.tick.map(|tick| tick.0), records: at.records, provisional: at.provisional }
    }
}

impl From<processes::Process> for Process {
    fn from(process: processes::Process) -> Process {
        let status = match process.status {
            processes::Status::Running => "running",
            processes::Status::Paused => "paused",
            processes::Status::Exited => "exited",
            processes::Status::Lost => "lost",
        };
        Process {
            id: process.id.0,
            name: shortened(&process.name, NAME_BYTES_MAX).0,
            kind: process.kind.into(),
            status: status.into(),
            steps: process.steps,
            mailbox: process.mailbox,
            restarts: process.restarts,
            log_bytes: process.log_bytes,
        }
    }
}

impl From<karyon_gate::Lease> for Lease {
    fn from(lease: karyon_gate::Lease) -> Lease {
        let named = [
            (Rights::SEND, "send"),
            (Rights::REMEMBER, "remember"),
            (Rights::IMPORT, "import"),
            (Rights::ACT, "act"),
            (Rights::LINK, "link"),
            (Rights::SPAWN, "spawn"),
            (Rights::RECALL, "recall"),
        ];
        let held = named.into_iter().filter(|(right, _)| lease.rights.contains(*right));
        Lease {
            id: lease.id.0,
            rights: held.map(|(_, name)| name.to_owned()).collect(),
            scope: Scope { first: lease.scope.first, last: lease.scope.last },
            expires: lease.expires.map(|tick| tick.0),
        }
    }
}

impl From<karyon_log::Cause> for Cause {
    fn from(cause: karyon_log::Cause) -> Cause {
        match cause {
            karyon_log::Cause::Input(input) => Cause::Input { input },
            karyon_log::Cause::Message(message) => Cause::Message {
                from: message.from.0,
                step: message.step,
                output: message.output.into(),
            },
            karyon_log::Cause::Denial(message) => {
                Cause::Denial { step: message.step, output: message.output.into() }
            }
            karyon_log::Cause::Timer(message) => {
                Cause::Timer { step: message.step, output: message.output.into() }
            }
            karyon_log::Cause::Down(end) => Cause::Down { from: end.from.0, step: end.step },
            karyon_log::Cause::Exit(end) => Cause::Exit { from: end.from.0, step: end.step },
            karyon_log::Cause::Told(message) => {
                Cause::Told { step: message.step, output: message.output.into() }
            }
            karyon_log::Cause::Spawn(answer) => Cause::Spawn {
                child: Some(answer.from.0).filter(|id| *id > 0),
                step: answer.step,
                output: answer.output.into(),
            },
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;

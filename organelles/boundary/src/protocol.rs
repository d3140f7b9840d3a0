//! What goes over the wire: versions, requests, answers, failures.
//!
//! Requests are strict: a field that is not known is refused. Answers only grow: who reads them
//! ignores what it does not know.

use karyon_log::Control;
use serde::{Deserialize, Serialize};

/// The version that is spoken.
pub const PROTOCOL: u32 = 1;

/// The first word: who asks, and what they speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Initialize {
    /// The program that asks, for people.
    pub client: String,
    /// The versions that it speaks.
    pub protocol: Vec<u32>,
}

/// The answer to [`Initialize`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version that is spoken from here on.
    pub protocol: u32,
    /// The node's version.
    pub karyon: String,
    /// The log that it writes, 32 hexadecimal digits.
    pub log: String,
    /// Which start of the node this is, from 1.
    pub boot: u32,
}

/// Of which moment an answer is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The last tick that ended.
    pub tick: Option<u64>,
    /// Records of the run so far.
    pub records: u64,
    /// Whether some of them are not durable yet.
    pub provisional: bool,
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// By serial.
    #[default]
    Id,
    /// By name.
    Name,
    /// By steps.
    Steps,
    /// By messages that wait.
    Mailbox,
    /// By restarts.
    Restarts,
}

/// What an agent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It handles what it is sent.
    Running,
    /// What it is sent waits.
    Paused,
    /// It ended.
    Exited,
    /// It was lost with a step that did not return.
    Lost,
}

/// Parameters of `process.list`; each may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct List {
    /// By what.
    pub sort: Sort,
    /// The largest first.
    pub descending: bool,
    /// Only names that hold this text.
    pub name: Option<String>,
    /// Only the one whose whole name `name` is.
    pub exact: bool,
    /// Only these.
    pub status: Option<Status>,
    /// So many are left out at the beginning.
    pub offset: u64,
    /// At most so many; none given: as many as an answer may hold.
    pub limit: Option<u32>,
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its serial.
    pub id: u64,
    /// Its name; a very long one is cut and ends in `…`.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What it does: `running`, `paused`, `exited`, `lost`.
    pub status: String,
    /// Events that it is done with.
    pub steps: u64,
    /// Messages that wait for it.
    pub mailbox: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Bytes of the log that its outputs took.
    pub log_bytes: u64,
}

/// The answer to `process.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Of when.
    pub at: At,
    /// How many the selection has in all.
    pub total: u64,
    /// The offset of the next page; none: this is the last.
    pub next: Option<u64>,
    /// These.
    pub processes: Vec<Process>,
}

/// Parameters of all methods about one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its serial.
    pub id: u64,
}

/// What a lease reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The first serial.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

/// What an agent may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its serial.
    pub id: u64,
    /// What may be done: `send`, `remember`, `import`, `act`, `link`, `spawn`.
    pub rights: Vec<String>,
    /// To whom.
    pub scope: Scope,
    /// The first tick at which it no longer holds.
    pub expires: Option<u64>,
}

/// Why something runs, and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// The grant that the lease is cut from.
    pub grant: u64,
    /// Who signed it.
    pub principal: String,
    /// Why.
    pub reason: String,
}

impl Grounds {
    /// What the one grant of a run says, of the records with which its log begins.
    pub fn recorded(records: &[Control]) -> Option<Grounds> {
        let grant = records.iter().find_map(|record| match record {
            Control::Grant(grant) => Some(grant),
            _ => None,
        })?;
        let principal = records.iter().find_map(|record| match record {
            Control::Principal(principal) if principal.id == grant.principal => {
                Some(&principal.name)
            }
            _ => None,
        })?;
        let reason = records.iter().find_map(|record| match record {
            Control::Reason(reason) if reason.id == grant.reason => Some(&reason.label),
            _ => None,
        })?;
        Some(Grounds { grant: grant.id, principal: principal.clone(), reason: reason.clone() })
    }
}

/// A state as people read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How large it is, encoded.
    pub size_bytes: u64,
    /// What it holds; bytes as `0x…`, fields without their names in their order.
    pub value: serde_json::Value,
    /// Whether some of it is left out.
    pub cut: bool,
}

/// Something that an agent handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Cause {
    /// Something from outside.
    Input {
        /// Its index.
        input: u32,
    },
    /// A message.
    Message {
        /// Whose.
        from: u64,
        /// In which of its steps.
        step: u64,
        /// Which output of it.
        output: u32,
    },
    /// That an output of its own was denied.
    Denial {
        /// In which of its steps.
        step: u64,
        /// Which output of it.
        output: u32,
    },
    /// That a timer of its own fired.
    Timer {
        /// In which of its steps it was armed.
        step: u64,
        /// With which output of it.
        output: u32,
    },
    /// That an agent which it monitors ended.
    Down {
        /// Whose end.
        from: u64,
        /// Its last step.
        step: u64,
    },
    /// That an agent which it is linked to ended.
    Exit {
        /// Whose end.
        from: u64,
        /// Its last step.
        step: u64,
    },
    /// What came of its wish for a new agent.
    Spawn {
        /// Who came to life; none: nobody.
        child: Option<u64>,
        /// In which of its steps it wished for it.
        step: u64,
        /// With which output of it.
        output: u32,
    },
    /// What came of an output of its own: what it recalled.
    Told {
        /// In which of its steps.
        step: u64,
        /// Which output of it.
        output: u32,
    },
    /// What this version has no word for.
    #[serde(other)]
    Other,
}

/// The answer to `process.inspect`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// Of when.
    pub at: At,
    /// The agent.
    pub process: Process,
    /// What it may do; none: nothing.
    pub lease: Option<Lease>,
    /// Why, and on whose behalf.
    pub grounds: Option<Grounds>,
    /// Its state; none: it exited.
    pub state: Option<State>,
    /// What it handled last, the newest first.
    pub last: Vec<Cause>,
}

/// The answer to an order: it was carried out and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// When.
    pub at: At,
    /// Who came to life by it, should it have been to fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<u64>,
}

/// A failure as JSON-RPC has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// JSON-RPC's number.
    pub code: i32,
    /// What happened.
    pub message: String,
    /// What it means here.
    pub data: FailureData,
}

/// What a failure means here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureData {
    /// A stable word.
    pub code: String,
    /// What to do.
    pub hint: String,
}

/// A request's name: a number or a text, given back with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RequestId {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

/// A request as it is written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request<'a, P> {
    pub(crate) jsonrpc: &'static str,
    pub(crate) id: RequestId,
    pub(crate) method: &'a str,
    pub(crate) params: P,
}

/// An answer as it is read and written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Response<R> {
    pub(crate) jsonrpc: String,
    pub(crate) id: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failure>,
}

/// The word of JSON-RPC's version.
pub(crate) const JSONRPC: &str = "2.0";

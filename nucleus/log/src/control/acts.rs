//! Records of authority and of what is done to the world outside, in the order in which they
//! happen to an effect: terms, order, proposal, approval, intent, receipt.

use karyon_types::{Arguments, Terms};
use serde::{Deserialize, Serialize};

/// An agent that acts on the world outside, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRecord {
    /// Its serial.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// A lease with terms of its own was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsRecord {
    /// The lease's serial.
    pub lease: u64,
    /// Its only holder.
    pub owner: u64,
    /// The grant that it comes from.
    pub grant: u64,
    /// The lease that it was cut from; `None`: from the grant itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// Why; the grant's reason, or one below it.
    pub reason: u64,
    /// What it allows.
    pub terms: Terms,
}

/// Somebody's authority was suspended, resumed or revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The number of a [`Verb`](crate::Verb).
    pub verb: u8,
    /// The kind of a [`Target`](crate::Target), and its serial.
    pub target: (u8, u64),
    /// The principal who ordered it.
    pub principal: u64,
    /// The order with the principal's signature.
    pub signed: Vec<u8>,
    /// How many effects were in flight under it.
    pub in_flight: u64,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
}

/// An action that waits for an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Its serial.
    pub id: u64,
    /// Who wants it.
    pub agent: u64,
    /// Under which lease.
    pub lease: u64,
    /// What.
    pub action: String,
    /// To what.
    pub resource: String,
    /// How.
    pub arguments: Arguments,
    /// The digest of all that an approval approves of.
    pub digest: [u8; 32],
    /// The first moment at which it cannot be approved or done any more, milliseconds since 1970.
    pub expires_unix_ms: u64,
}

impl Eq for Proposal {}

/// A proposal was approved, for one use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The proposal.
    pub proposal: u64,
    /// The principal who approved; `None`: an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<u64>,
    /// The lease under which an agent approved; `None`: a principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// The approval with the principal's signature; empty for an agent's.
    pub signed: Vec<u8>,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
}

/// An effect was admitted, and is about to happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Its serial.
    pub id: u64,
    /// Who acts.
    pub agent: u64,
    /// Under which lease.
    pub lease: u64,
    /// The place of the capability in the lease's terms.
    pub capability: u32,
    /// The proposal that was approved for it, if one was needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal: Option<u64>,
    /// What.
    pub action: String,
    /// To what.
    pub resource: String,
    /// How.
    pub arguments: Arguments,
    /// The first moment at which its outcome counts as unknown, milliseconds since 1970.
    pub deadline_unix_ms: u64,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
}

impl Eq for Intent {}

/// How an effect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectStatus {
    /// It happened.
    Done,
    /// It was tried, and did not happen.
    Failed,
    /// The node stopped it before it began.
    NotDone,
}

impl EffectStatus {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            EffectStatus::Done => "done",
            EffectStatus::Failed => "failed",
            EffectStatus::NotDone => "not_done",
        }
    }
}

/// What came of an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The intent.
    pub effect: u64,
    /// How it ended.
    pub status: EffectStatus,
    /// The BLAKE3 hash of what came back.
    pub payload: [u8; 32],
    /// What it really used of each budget, by argument.
    pub used: std::collections::BTreeMap<String, u64>,
    /// Milliseconds since 1970, UTC.
    pub started_unix_ms: u64,
    /// Milliseconds since 1970, UTC.
    pub ended_unix_ms: u64,
    /// The adapter's ed25519 public key.
    pub adapter: [u8; 32],
    /// The adapter's signature over all before.
    pub signature: Vec<u8>,
}

/// Nobody knows whether an effect happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeUnknown {
    /// The intent.
    pub effect: u64,
    /// Why nobody knows.
    pub why: String,
}

/// An action was denied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Who wanted it.
    pub agent: u64,
    /// Under which lease, if it named a live one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u64>,
    /// The stable code.
    pub code: String,
    /// What.
    pub action: String,
    /// To what.
    pub resource: String,
    /// How many in a row this stands for.
    pub count: u64,
}

/// A principal recorded or erased memories, outside of any run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryRecord {
    /// The lease that allowed it.
    pub lease: u64,
    /// Memory writes, in their one encoding.
    pub writes: Vec<serde_bytes::ByteBuf>,
    /// Keys that are destroyed behind this record: subject, first index and last.
    pub erased: Vec<(u64, u32, u32)>,
    /// Everything whose horizon is no later, in seconds since 1970, is among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<i64>,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
}

/// Which agents of the run that begins belong to a subject; whoever comes to life belongs to the
/// subject of its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectsRecord {
    /// Agent and subject, by agent.
    pub agents: Vec<(u64, u64)>,
    /// Under which of its keys what they hear and remember is sealed, by subject.
    pub keys: Vec<(u64, u32)>,
}

/// The clock stood behind the last commit at a start: every lease and pending approval that has
/// an end is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockBack {
    /// The time of the last commit, milliseconds since 1970.
    pub recorded_unix_ms: u64,
    /// What the clock said.
    pub found_unix_ms: u64,
}

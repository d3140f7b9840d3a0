//! Control records: rare, so they are written as MessagePack maps that explain themselves.

use karyon_types::Terms;
use serde::{Deserialize, Serialize};

mod acts;

pub use acts::{
    AgentRecord, Approval, ClockBack, EffectStatus, Intent, Order, OutcomeUnknown, Proposal,
    Receipt, Refused, TermsRecord,
};

/// What began this log: everything that is needed to run it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The version of Karyon that wrote it.
    pub karyon: String,
    /// Milliseconds since 1970, UTC.
    pub created_unix_ms: u64,
    /// The scenario's name.
    pub scenario_name: String,
    /// The scenario as it was run, command-line changes included (TOML).
    pub scenario: String,
    /// Agent kinds and their versions.
    pub kinds: Vec<(String, u32)>,
    /// The inputs, each kept as a copy beside the log.
    pub inputs: Vec<InputFile>,
}

/// An input file that genesis holds by digest and by copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// The copy's name in the folder `inputs` of the data directory.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its BLAKE3 hash.
    pub hash: [u8; 32],
}

/// A start of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Counted from 1.
    pub boot: u32,
    /// The version of Karyon that started.
    pub karyon: String,
    /// How many schedulers ran.
    pub schedulers: u32,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
    /// Under which guardian; none: the start was unguarded, and the log stays marked so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<GuardianRecord>,
}

/// The guardian under which a node started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardianRecord {
    /// The digest of its limits.
    pub limits: [u8; 32],
    /// The mechanisms that held, and those that did not.
    pub held: String,
}

/// A person who answers for grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrincipalRecord {
    /// Its serial.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its ed25519 public key.
    pub public_key: [u8; 32],
}

/// Why something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonRecord {
    /// Its serial.
    pub id: u64,
    /// The reason above it.
    pub parent: Option<u64>,
    /// What it says.
    pub label: String,
}

/// What a principal allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantRecord {
    /// Its serial.
    pub id: u64,
    /// Who answers for it.
    pub principal: u64,
    /// Why it was given.
    pub reason: u64,
    /// The rights, as bits.
    pub rights: u32,
    /// The first resource of its scope.
    pub scope_first: u64,
    /// The last resource of its scope.
    pub scope_last: u64,
    /// The first tick at which it no longer holds.
    pub expires: Option<u64>,
    /// The terms with the principal's signature, as they were signed.
    pub signed: Vec<u8>,
    /// Leave for actions on the world outside; the signature covers its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// An uncommitted tail was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    /// How many bytes behind the last commit were cut.
    pub cut_bytes: u64,
}

/// A person ended safe mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The number of the safety marker that they wrote.
    pub n: u64,
    /// What the marker said before.
    pub before: String,
    /// Their reason.
    pub reason: String,
    /// Seconds since 1970, UTC.
    pub at_unix_s: u64,
}

/// A run was interrupted in good order and can be resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interrupted {
    /// The tick at which it goes on; while a run is repeated this may lie before the log's end.
    pub tick: u64,
    /// The signal's number.
    pub signal: u32,
}

/// The run is over; only imports follow, each in a segment of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// How many ticks ran.
    pub ticks: u64,
    /// The canonical root of the final state.
    pub state_root: [u8; 32],
}

/// A piece of another log's memory was taken in, after the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRecord {
    /// The engram, kept as a copy beside the log.
    pub file: InputFile,
    /// The CID of its root.
    pub root: Vec<u8>,
    /// The log that it comes from.
    pub origin: [u8; 16],
    /// The ed25519 public key that signed it.
    pub signer: [u8; 32],
    /// How that key came to be trusted here: "this node", or "named" by a person.
    pub trusted_by: String,
    /// The lease that allowed it.
    pub lease: u64,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
}

/// The log goes on in its next file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// The file that ends here, counted from 0.
    pub segment: u32,
}

/// The node was halted, and could still say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Halt {
    /// Why.
    pub reason: String,
    /// Milliseconds since 1970, UTC.
    pub at_unix_ms: u64,
}

/// Any control record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// See [`Genesis`].
    Genesis(Genesis),
    /// See [`Boot`].
    Boot(Boot),
    /// See [`PrincipalRecord`].
    Principal(PrincipalRecord),
    /// See [`ReasonRecord`].
    Reason(ReasonRecord),
    /// See [`GrantRecord`].
    Grant(GrantRecord),
    /// See [`Recovered`].
    Recovered(Recovered),
    /// See [`Resume`].
    Resume(Resume),
    /// See [`Interrupted`].
    Interrupted(Interrupted),
    /// See [`Seal`].
    Seal(Seal),
    /// See [`ImportRecord`].
    Import(ImportRecord),
    /// See [`Turn`].
    Turn(Turn),
    /// See [`Halt`].
    Halt(Halt),
    /// See [`AgentRecord`].
    Agent(AgentRecord),
    /// See [`TermsRecord`].
    Terms(TermsRecord),
    /// See [`Order`].
    Order(Order),
    /// See [`Proposal`].
    Proposal(Proposal),
    /// See [`Approval`].
    Approval(Approval),
    /// See [`Intent`].
    Intent(Intent),
    /// See [`Receipt`].
    Receipt(Receipt),
    /// See [`OutcomeUnknown`].
    OutcomeUnknown(OutcomeUnknown),
    /// See [`Refused`].
    Refused(Refused),
    /// See [`ClockBack`].
    ClockBack(ClockBack),
}

/// Numbers of the kinds in the log; never changed, never reused.
pub(crate) mod kind {
    pub(crate) const GENESIS: u8 = 1;
    pub(crate) const BOOT: u8 = 2;
    pub(crate) const PRINCIPAL: u8 = 3;
    pub(crate) const REASON: u8 = 4;
    pub(crate) const GRANT: u8 = 5;
    pub(crate) const RECOVERED: u8 = 6;
    pub(crate) const RESUME: u8 = 7;
    pub(crate) const INTERRUPTED: u8 = 8;
    pub(crate) const SEAL: u8 = 9;
    pub(crate) const IMPORT: u8 = 10;
    pub(crate) const TURN: u8 = 11;
    pub(crate) const HALT: u8 = 12;
    pub(crate) const AGENT: u8 = 32;
    pub(crate) const TERMS: u8 = 33;
    pub(crate) const ORDER: u8 = 34;
    pub(crate) const PROPOSAL: u8 = 35;
    pub(crate) const APPROVAL: u8 = 36;
    pub(crate) const INTENT: u8 = 37;
    pub(crate) const RECEIPT: u8 = 38;
    pub(crate) const OUTCOME_UNKNOWN: u8 = 39;
    pub(crate) const REFUSED: u8 = 40;
    pub(crate) const CLOCK_BACK: u8 = 41;
}

impl Control {
    /// Appends the record's kind and body, without its length.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Control::Genesis(body) => put(out, kind::GENESIS, body),
            Control::Boot(body) => put(out, kind::BOOT, body),
            Control::Principal(body) => put(out, kind::PRINCIPAL, body),
            Control::Reason(body) => put(out, kind::REASON, body),
            Control::Grant(body) => put(out, kind::GRANT, body),
            Control::Recovered(body) => put(out, kind::RECOVERED, body),
            Control::Resume(body) => put(out, kind::RESUME, body),
            Control::Interrupted(body) => put(out, kind::INTERRUPTED, body),
            Control::Seal(body) => put(out, kind::SEAL, body),
            Control::Import(body) => put(out, kind::IMPORT, body),
            Control::Turn(body) => put(out, kind::TURN, body),
            Control::Halt(body) => put(out, kind::HALT, body),
            Control::Agent(body) => put(out, kind::AGENT, body),
            Control::Terms(body) => put(out, kind::TERMS, body),
            Control::Order(body) => put(out, kind::ORDER, body),
            Control::Proposal(body) => put(out, kind::PROPOSAL, body),
            Control::Approval(body) => put(out, kind::APPROVAL, body),
            Control::Intent(body) => put(out, kind::INTENT, body),
            Control::Receipt(body) => put(out, kind::RECEIPT, body),
            Control::OutcomeUnknown(body) => put(out, kind::OUTCOME_UNKNOWN, body),
            Control::Refused(body) => put(out, kind::REFUSED, body),
            Control::ClockBack(body) => put(out, kind::CLOCK_BACK, body),
        }
    }

    /// Whether it seals the log: nothing follows it in its segment.
    pub fn seals(&self) -> bool {
        match self {
            Control::Seal(_) | Control::Import(_) => true,
            Control::Genesis(_)
            | Control::Boot(_)
            | Control::Principal(_)
            | Control::Reason(_)
            | Control::Grant(_)
            | Control::Recovered(_)
            | Control::Resume(_)
            | Control::Interrupted(_)
            | Control::Turn(_)
            | Control::Halt(_)
            | Control::Agent(_)
            | Control::Terms(_)
            | Control::Order(_)
            | Control::Proposal(_)
            | Control::Approval(_)
            | Control::Intent(_)
            | Control::Receipt(_)
            | Control::OutcomeUnknown(_)
            | Control::Refused(_)
            | Control::ClockBack(_) => false,
        }
    }

    /// Reads a body of the given kind; `None` when it is not a control record or malformed.
    pub(crate) fn decode(kind: u8, body: &[u8]) -> Option<Control> {
        Some(match kind {
            kind::GENESIS => Control::Genesis(get(body)?),
            kind::BOOT => Control::Boot(get(body)?),
            kind::PRINCIPAL => Control::Principal(get(body)?),
            kind::REASON => Control::Reason(get(body)?),
            kind::GRANT => Control::Grant(get(body)?),
            kind::RECOVERED => Control::Recovered(get(body)?),
            kind::RESUME => Control::Resume(get(body)?),
            kind::INTERRUPTED => Control::Interrupted(get(body)?),
            kind::SEAL => Control::Seal(get(body)?),
            kind::IMPORT => Control::Import(get(body)?),
            kind::TURN => Control::Turn(get(body)?),
            kind::HALT => Control::Halt(get(body)?),
            kind::AGENT => Control::Agent(get(body)?),
            kind::TERMS => Control::Terms(get(body)?),
            kind::ORDER => Control::Order(get(body)?),
            kind::PROPOSAL => Control::Proposal(get(body)?),
            kind::APPROVAL => Control::Approval(get(body)?),
            kind::INTENT => Control::Intent(get(body)?),
            kind::RECEIPT => Control::Receipt(get(body)?),
            kind::OUTCOME_UNKNOWN => Control::OutcomeUnknown(get(body)?),
            kind::REFUSED => Control::Refused(get(body)?),
            kind::CLOCK_BACK => Control::ClockBack(get(body)?),
            _ => return None,
        })
    }
}

fn put<T: Serialize>(out: &mut Vec<u8>, kind: u8, body: &T) {
    out.push(kind);
    #[expect(clippy::expect_used, reason = "plain structs into memory: nothing can refuse")]
    rmp_serde::encode::write_named(out, body).expect("control records always encode");
}

fn get<T: Serialize + for<'a> Deserialize<'a>>(body: &[u8]) -> Option<T> {
    let value: T = rmp_serde::from_slice(body).ok()?;
    // One encoding for each record: whatever else decodes to the same value is refused.
    let mut again = Vec::with_capacity(body.len());
    rmp_serde::encode::write_named(&mut again, &value).ok()?;
    (again == body).then_some(value)
}

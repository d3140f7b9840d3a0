//! Control records: rare, so they are written as MessagePack maps that explain themselves.

use karyon_types::Terms;
use serde::{Deserialize, Serialize};

mod acts;

pub use acts::{
    AgentRecord, Approval, ClockBack, EffectStatus, Intent, MemoryRecord, Order, OutcomeUnknown,
    Proposal, Receipt, Refused, SubjectsRecord, TermsRecord,
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

/// What a run needs to go on behind a tick was kept beside the log: a cache, which is believed only
/// if it is what this names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRecord {
    /// The tick.
    pub tick: u64,
    /// Records of the run up to its end.
    pub records: u64,
    /// The BLAKE3 digest of what was kept.
    pub digest: [u8; 32],
}

/// The kinds of control records: each is one row, in all that must know it.
macro_rules! controls {
    ($($number:literal $name:ident $body:ident $seals:literal;)*) => {
        /// Any control record.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Control {
            $(#[doc = concat!("See [`", stringify!($body), "`].")] $name($body),)*
        }

        impl Control {
            /// Appends the record's kind and body, without its length.
            pub(crate) fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Control::$name(body) => put(out, $number, body),)*
                }
            }

            /// Reads a body of the given kind; `None` when it is not a control record or
            /// malformed.
            pub(crate) fn decode(kind: u8, body: &[u8]) -> Option<Control> {
                match kind {
                    $($number => get(body).map(Control::$name),)*
                    _ => None,
                }
            }

            /// Whether it seals the log: nothing follows it in its segment.
            pub fn seals(&self) -> bool {
                match self {
                    $(Control::$name(_) => $seals,)*
                }
            }
        }

        #[cfg(test)]
        const KINDS: &[(u8, &str, bool)] = &[$(($number, stringify!($name), $seals)),*];
    };
}

// The number in the log, which is never changed and never reused; the name; the body; whether it
// seals.
controls! {
     1 Genesis        Genesis         false;
     2 Boot           Boot            false;
     3 Principal      PrincipalRecord false;
     4 Reason         ReasonRecord    false;
     5 Grant          GrantRecord     false;
     6 Recovered      Recovered       false;
     7 Resume         Resume          false;
     8 Interrupted    Interrupted     false;
     9 Seal           Seal            true;
    10 Import         ImportRecord    true;
    11 Turn           Turn            false;
    12 Halt           Halt            false;
    32 Agent          AgentRecord     false;
    33 Terms          TermsRecord     false;
    34 Order          Order           false;
    35 Proposal       Proposal        false;
    36 Approval       Approval        false;
    37 Intent         Intent          false;
    38 Receipt        Receipt         false;
    39 OutcomeUnknown OutcomeUnknown  false;
    40 Refused        Refused         false;
    41 ClockBack      ClockBack       false;
    42 Snapshot       SnapshotRecord  false;
    43 Memory         MemoryRecord    true;
    44 Subjects       SubjectsRecord  false;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is written here once stays: logs are full of these numbers.
    #[test]
    fn numbers_stay_what_they_are() {
        let numbers = [
            (1, "Genesis"),
            (2, "Boot"),
            (3, "Principal"),
            (4, "Reason"),
            (5, "Grant"),
            (6, "Recovered"),
            (7, "Resume"),
            (8, "Interrupted"),
            (9, "Seal"),
            (10, "Import"),
            (11, "Turn"),
            (12, "Halt"),
            (32, "Agent"),
            (33, "Terms"),
            (34, "Order"),
            (35, "Proposal"),
            (36, "Approval"),
            (37, "Intent"),
            (38, "Receipt"),
            (39, "OutcomeUnknown"),
            (40, "Refused"),
            (41, "ClockBack"),
            (42, "Snapshot"),
            (43, "Memory"),
            (44, "Subjects"),
        ];
        let seals = |name| ["Seal", "Import", "Memory"].contains(&name);
        let expected = numbers.map(|(number, name)| (number, name, seals(name)));
        assert_eq!(KINDS, expected);
    }

    #[test]
    fn the_number_is_the_first_byte_and_the_way_back() {
        let turn = Control::Turn(Turn { segment: 7 });
        let mut bytes = Vec::new();
        turn.encode(&mut bytes);
        assert_eq!(bytes, b"\x0b\x81\xa7segment\x07");
        assert_eq!(Control::decode(bytes[0], &bytes[1..]), Some(turn));
        for kind in [0, 6, 13, 31, 45, 255] {
            assert_eq!(Control::decode(kind, &bytes[1..]), None, "{kind}");
        }
    }
}

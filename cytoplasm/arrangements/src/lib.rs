//! What agents arrange for their own lives: timers, monitors, links, their end.
//!
//! An arrangement is an output of a step. The log keeps its bytes and the lease that allowed it
//! (`Output::Arranged` in karyon-log); what the bytes mean is said here, for the runtime that
//! carries them out and for whoever reads the log. Each arrangement has one encoding.

mod child;
mod mark;
mod reason;
mod receipt;
mod schedule;
mod told;

use karyon_types::{AgentId, varint};
use serde::{Deserialize, Serialize};

pub use child::ChildTerms;
pub use karyon_supervision::{Restart, Shutdown};
pub use mark::{Mark, WORDS_MAX, Words};
pub use reason::{ExitReason, REASON_BYTES_MAX};
pub use receipt::{NotDone, RECEIPT_BYTES_MAX, Receipt};
pub use schedule::{Schedule, Turns};
pub use told::Told;

/// Names a timer of an agent: the step that armed it, and which of its outputs that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId {
    /// The agent's step, counted from 0.
    pub step: u64,
    /// The step's output, counted from 0.
    pub output: u16,
}

/// How much a message matters when its receiver's mailbox is full. In this order messages of one
/// tick are admitted and handled.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Lane {
    /// Refused last.
    Critical,
    /// As all messages are.
    #[default]
    Normal,
    /// Refused first.
    Speculative,
}

/// The longest name of an agent that comes to life in a run, bytes: what is longer is cut. It stands
/// in a record, and in each answer that lists the agent.
pub const SPAWN_NAME_BYTES_MAX: usize = 256;

/// A name, cut between two characters where it is too long.
pub fn bounded_name(name: &str) -> &str {
    name.get(..name.floor_char_boundary(SPAWN_NAME_BYTES_MAX)).unwrap_or_default()
}

/// How one agent is bound to another's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bond {
    /// It is told when the other ends.
    Monitor,
    /// It ends with the other, and the other with it.
    Link,
}

/// What a step arranged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrangement<'a> {
    /// A timer was armed.
    Arm {
        /// It fires so many ticks later: 1 or more.
        ticks: u64,
        /// And again and again.
        repeats: bool,
        /// What it says then.
        payload: &'a [u8],
    },
    /// A timer was taken back.
    Cancel(TimerId),
    /// A bond began.
    Bind(Bond, AgentId),
    /// A bond ended.
    Unbind(Bond, AgentId),
    /// Whether exit signals come as events.
    TrapExit(bool),
    /// The agent ended itself for another reason than that it is done.
    Exit(ExitReason),
    /// It failed by its own word; its words are sealed, because it belongs to a subject.
    SealedExit(&'a [u8]),
    /// An agent is to come to life.
    Spawn {
        /// Its name.
        name: &'a str,
        /// What its state is made from.
        how: &'a [u8],
    },
    /// In which lane the message goes that is the step's next output; one without goes in the
    /// normal lane.
    Lane(Lane),
    /// An agent is to come to life, and to be added below a supervisor of the run's tree.
    SpawnUnder {
        /// The supervisor's number.
        supervisor: u64,
        /// How it is supervised there.
        child: ChildTerms,
        /// Its name.
        name: &'a str,
        /// What its state is made from.
        how: &'a [u8],
    },
    /// An agent that was added so is to be stopped, and not started again.
    Terminate(AgentId),
    /// The agent wants to be found by this name.
    Register(&'a str),
    /// It gives the name up.
    Unregister(&'a str),
    /// It wants to be in this group.
    Join(&'a str),
    /// It leaves the group.
    Leave(&'a str),
    /// The memory was asked.
    Recall {
        /// Of whom; `None`: of everybody.
        about: Option<AgentId>,
        /// What, as the memory reads it.
        query: &'a [u8],
    },
    /// Something is to be done in the world outside.
    Effect {
        /// What.
        action: &'a str,
        /// To what: a path, as `mail/team`.
        resource: &'a str,
        /// How, as its adapter reads it.
        arguments: &'a [u8],
    },
    /// Something that all agents see was changed.
    Mark(Mark),
}

mod number {
    pub(super) const ARM: u8 = 1;
    pub(super) const ARM_REPEATING: u8 = 2;
    pub(super) const CANCEL: u8 = 3;
    pub(super) const MONITOR: u8 = 4;
    pub(super) const DEMONITOR: u8 = 5;
    pub(super) const LINK: u8 = 6;
    pub(super) const UNLINK: u8 = 7;
    pub(super) const TRAP: u8 = 8;
    pub(super) const UNTRAP: u8 = 9;
    pub(super) const EXIT: u8 = 10;
    pub(super) const SEALED_EXIT: u8 = 11;
    pub(super) const SPAWN: u8 = 16;
    pub(super) const CRITICAL: u8 = 20;
    pub(super) const NORMAL: u8 = 21;
    pub(super) const SPECULATIVE: u8 = 22;
    pub(super) const SPAWN_UNDER: u8 = 24;
    pub(super) const TERMINATE: u8 = 25;
    pub(super) const REGISTER: u8 = 26;
    pub(super) const UNREGISTER: u8 = 27;
    pub(super) const JOIN: u8 = 28;
    pub(super) const LEAVE: u8 = 29;
    pub(super) const RECALL: u8 = 30;
    pub(super) const EFFECT: u8 = 31;
}

impl<'a> Arrangement<'a> {
    /// Appends the arrangement.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut bind = |number, agent: AgentId| {
            out.push(number);
            varint::write(out, agent.0);
        };
        match self {
            Arrangement::Bind(Bond::Monitor, agent) => bind(number::MONITOR, *agent),
            Arrangement::Bind(Bond::Link, agent) => bind(number::LINK, *agent),
            Arrangement::Unbind(Bond::Monitor, agent) => bind(number::DEMONITOR, *agent),
            Arrangement::Unbind(Bond::Link, agent) => bind(number::UNLINK, *agent),
            Arrangement::Arm { ticks, repeats, payload } => {
                out.push(if *repeats { number::ARM_REPEATING } else { number::ARM });
                varint::write(out, *ticks);
                out.extend_from_slice(payload);
            }
            Arrangement::Cancel(timer) => {
                out.push(number::CANCEL);
                varint::write(out, timer.step);
                varint::write(out, u64::from(timer.output));
            }
            Arrangement::TrapExit(true) => out.push(number::TRAP),
            Arrangement::TrapExit(false) => out.push(number::UNTRAP),
            Arrangement::Exit(reason) => {
                out.push(number::EXIT);
                reason.encode(out);
            }
            Arrangement::SealedExit(words) => {
                out.push(number::SEALED_EXIT);
                out.extend_from_slice(words);
            }
            Arrangement::Spawn { name, how } => {
                out.push(number::SPAWN);
                put_sized(out, name);
                out.extend_from_slice(how);
            }
            Arrangement::SpawnUnder { supervisor, child, name, how } => {
                out.push(number::SPAWN_UNDER);
                varint::write(out, *supervisor);
                child.encode(out);
                put_sized(out, name);
                out.extend_from_slice(how);
            }
            Arrangement::Terminate(agent) => bind(number::TERMINATE, *agent),
            Arrangement::Register(name) => named(out, number::REGISTER, name),
            Arrangement::Unregister(name) => named(out, number::UNREGISTER, name),
            Arrangement::Join(group) => named(out, number::JOIN, group),
            Arrangement::Leave(group) => named(out, number::LEAVE, group),
            Arrangement::Lane(Lane::Critical) => out.push(number::CRITICAL),
            Arrangement::Lane(Lane::Normal) => out.push(number::NORMAL),
            Arrangement::Lane(Lane::Speculative) => out.push(number::SPECULATIVE),
            Arrangement::Recall { about, query } => {
                out.push(number::RECALL);
                varint::write(out, about.map_or(0, |agent| agent.0));
                out.extend_from_slice(query);
            }
            Arrangement::Effect { action, resource, arguments } => {
                out.push(number::EFFECT);
                put_sized(out, action);
                put_sized(out, resource);
                out.extend_from_slice(arguments);
            }
            Arrangement::Mark(mark) => mark.encode(out),
        }
    }

    /// Reads an arrangement; `None` when the bytes are not exactly one.
    pub fn decode(bytes: &'a [u8]) -> Option<Arrangement<'a>> {
        let (&kind, mut rest) = bytes.split_first()?;
        let b = &mut rest;
        let mut agent = || varint::read(b).map(AgentId);
        let read = match kind {
            number::MONITOR => Arrangement::Bind(Bond::Monitor, agent()?),
            number::LINK => Arrangement::Bind(Bond::Link, agent()?),
            number::DEMONITOR => Arrangement::Unbind(Bond::Monitor, agent()?),
            number::UNLINK => Arrangement::Unbind(Bond::Link, agent()?),
            number::ARM | number::ARM_REPEATING => Arrangement::Arm {
                ticks: varint::read(b).filter(|ticks| *ticks > 0)?,
                repeats: kind == number::ARM_REPEATING,
                payload: std::mem::take(b),
            },
            number::CANCEL => Arrangement::Cancel(TimerId {
                step: varint::read(b)?,
                output: varint::read(b)?.try_into().ok()?,
            }),
            number::TRAP => Arrangement::TrapExit(true),
            number::UNTRAP => Arrangement::TrapExit(false),
            number::EXIT => Arrangement::Exit(ExitReason::decode(std::mem::take(b))?),
            number::SEALED_EXIT => Arrangement::SealedExit(std::mem::take(b)),
            number::SPAWN => {
                let name = sized_text(b)?;
                Arrangement::Spawn { name, how: std::mem::take(b) }
            }
            number::SPAWN_UNDER => {
                let supervisor = varint::read(b)?;
                let child = ChildTerms::decode(b)?;
                let name = sized_text(b)?;
                Arrangement::SpawnUnder { supervisor, child, name, how: std::mem::take(b) }
            }
            number::TERMINATE => Arrangement::Terminate(agent()?),
            number::REGISTER => Arrangement::Register(text(b)?),
            number::UNREGISTER => Arrangement::Unregister(text(b)?),
            number::JOIN => Arrangement::Join(text(b)?),
            number::LEAVE => Arrangement::Leave(text(b)?),
            number::CRITICAL => Arrangement::Lane(Lane::Critical),
            number::NORMAL => Arrangement::Lane(Lane::Normal),
            number::SPECULATIVE => Arrangement::Lane(Lane::Speculative),
            number::RECALL => Arrangement::Recall {
                about: Some(varint::read(b)?).filter(|agent| *agent > 0).map(AgentId),
                query: std::mem::take(b),
            },
            number::EFFECT => Arrangement::Effect {
                action: sized_text(b)?,
                resource: sized_text(b)?,
                arguments: std::mem::take(b),
            },
            mark => Arrangement::Mark(Mark::decode(mark, b)?),
        };
        b.is_empty().then_some(read)
    }
}

fn named(out: &mut Vec<u8>, number: u8, name: &str) {
    out.push(number);
    out.extend_from_slice(name.as_bytes());
}

fn put_sized(out: &mut Vec<u8>, text: &str) {
    varint::write(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Words behind their length.
fn sized_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = varint::read(bytes)?.try_into().ok()?;
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}

/// All that is left, as words.
fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(std::mem::take(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(arrangement: &Arrangement<'_>) {
        let mut bytes = Vec::new();
        arrangement.encode(&mut bytes);
        assert_eq!(Arrangement::decode(&bytes).as_ref(), Some(arrangement));
    }

    proptest! {
        #[test]
        fn arrangements_come_back(
            agent: u64, step: u64, output: u16, ticks in 1u64.., payload: Vec<u8>, repeats: bool,
            words in "\\PC{0,300}",
        ) {
            check(&Arrangement::Arm { ticks, repeats, payload: &payload });
            check(&Arrangement::Cancel(TimerId { step, output }));
            check(&Arrangement::TrapExit(repeats));
            check(&Arrangement::SealedExit(&payload));
            check(&Arrangement::Spawn { name: &words, how: &payload });
            check(&Arrangement::Terminate(AgentId(agent)));
            check(&Arrangement::Register(&words));
            check(&Arrangement::Unregister(&words));
            check(&Arrangement::Join(&words));
            check(&Arrangement::Leave(&words));
            for child in ChildTerms::some(ticks) {
                let (name, how) = (words.as_str(), payload.as_slice());
                check(&Arrangement::SpawnUnder { supervisor: agent, child, name, how });
            }
            let about = Some(AgentId(agent)).filter(|agent| agent.0 > 0);
            check(&Arrangement::Recall { about, query: &payload });
            check(&Arrangement::Effect { action: &words, resource: "a/b", arguments: &payload });
            let (layer, slot) = (output as u8, step);
            let cell = repeats.then_some(agent as u32);
            for words in [&[][..], &[0], &[ticks, 0, agent, u64::MAX]] {
                let words = Words::new(words).unwrap();
                check(&Arrangement::Mark(Mark::Set { layer, slot, cell, words }));
            }
            check(&Arrangement::Mark(Mark::Clear { layer, slot }));
            let leave = repeats.then_some(agent);
            check(&Arrangement::Mark(Mark::Claim { layer, slot, word: ticks, leave }));
            for bond in [Bond::Monitor, Bond::Link] {
                check(&Arrangement::Bind(bond, AgentId(agent)));
                check(&Arrangement::Unbind(bond, AgentId(agent)));
            }
            let failure = ExitReason::failure(&words);
            for reason in [
                ExitReason::Normal, ExitReason::Shutdown, ExitReason::Killed,
                ExitReason::NoProcess, failure,
            ] {
                check(&Arrangement::Exit(reason));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_decode_to_their_own_encoding(bytes: Vec<u8>) {
            if let Some(arrangement) = Arrangement::decode(&bytes) {
                let mut again = Vec::new();
                arrangement.encode(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn numbers_stay_what_they_are() {
        let bytes = |arrangement: Arrangement<'_>| {
            let mut bytes = Vec::new();
            arrangement.encode(&mut bytes);
            bytes
        };
        let arm = |repeats| Arrangement::Arm { ticks: 300, repeats, payload: b"go" };
        assert_eq!(bytes(arm(false)), b"\x01\xac\x02go");
        assert_eq!(bytes(arm(true)), b"\x02\xac\x02go");
        assert_eq!(bytes(Arrangement::Cancel(TimerId { step: 7, output: 1 })), b"\x03\x07\x01");
        assert_eq!(bytes(Arrangement::Bind(Bond::Monitor, AgentId(9))), b"\x04\x09");
        assert_eq!(bytes(Arrangement::Unbind(Bond::Monitor, AgentId(9))), b"\x05\x09");
        assert_eq!(bytes(Arrangement::Bind(Bond::Link, AgentId(9))), b"\x06\x09");
        assert_eq!(bytes(Arrangement::Unbind(Bond::Link, AgentId(9))), b"\x07\x09");
        assert_eq!(bytes(Arrangement::TrapExit(true)), b"\x08");
        assert_eq!(bytes(Arrangement::TrapExit(false)), b"\x09");
        assert_eq!(bytes(Arrangement::Exit(ExitReason::Shutdown)), b"\x0a\x02");
        assert_eq!(bytes(Arrangement::Exit(ExitReason::failure("no"))), b"\x0a\x05no");
        assert_eq!(bytes(Arrangement::SealedExit(b"no")), b"\x0bno");
        for (lane, number) in [(Lane::Critical, 20), (Lane::Normal, 21), (Lane::Speculative, 22)] {
            assert_eq!(bytes(Arrangement::Lane(lane)), [number]);
            check(&Arrangement::Lane(lane));
        }
        assert_eq!(bytes(Arrangement::Spawn { name: "Zoë", how: b"go" }), b"\x10\x04Zo\xc3\xabgo");
        let child = ChildTerms {
            restart: Restart::Transient,
            shutdown: Shutdown::Timeout { ticks: 300 },
            significant: true,
        };
        let under = Arrangement::SpawnUnder { supervisor: 9, child, name: "Zo", how: b"go" };
        assert_eq!(bytes(under), b"\x18\x09\x15\xac\x02\x02Zogo");
        assert_eq!(Arrangement::decode(b"\x18\x09\x03\x02Zogo"), None, "no such restart");
        assert_eq!(bytes(Arrangement::Terminate(AgentId(9))), b"\x19\x09");
        assert_eq!(bytes(Arrangement::Register("a")), b"\x1aa");
        assert_eq!(bytes(Arrangement::Unregister("a")), b"\x1ba");
        assert_eq!(bytes(Arrangement::Join("a")), b"\x1ca");
        assert_eq!(bytes(Arrangement::Leave("a")), b"\x1da");
        let effect = Arrangement::Effect { action: "pay", resource: "bank/a", arguments: b"go" };
        assert_eq!(bytes(effect), b"\x1f\x03pay\x06bank/ago");
        let recall = |about| Arrangement::Recall { about, query: b"go" };
        assert_eq!(bytes(recall(None)), b"\x1e\x00go");
        assert_eq!(bytes(recall(Some(AgentId(300)))), b"\x1e\xac\x02go");
        let set = |cell, words: &[u64]| {
            let words = Words::new(words).unwrap();
            bytes(Arrangement::Mark(Mark::Set { layer: 2, slot: 300, cell, words }))
        };
        assert_eq!(set(None, &[]), b"\x20\x02\xac\x02\x00");
        assert_eq!(set(Some(0), &[7, 300]), b"\x20\x02\xac\x02\x01\x07\xac\x02");
        assert_eq!(bytes(Arrangement::Mark(Mark::Clear { layer: 2, slot: 9 })), b"\x21\x02\x09");
        let claim = |leave| Arrangement::Mark(Mark::Claim { layer: 2, slot: 9, word: 5, leave });
        assert_eq!(bytes(claim(None)), b"\x22\x02\x09\x05");
        assert_eq!(bytes(claim(Some(8))), b"\x22\x02\x09\x05\x08");
        assert_eq!(Words::new(&[0; 5]), None, "more words than a slot has");
        assert_eq!(Arrangement::decode(b"\x20\x00\x01\x00\x01\x02\x03\x04\x05"), None);
        assert_eq!(Arrangement::decode(b"\x22\x02\x09\x00"), None, "a claim of nothing");
        assert_eq!(Arrangement::decode(b"\x10\x03go"), None, "a name that ends too soon");
        assert_eq!(Arrangement::decode(b"\x01\x00go"), None, "no ticks");
        assert_eq!(Arrangement::decode(b"\x08\x00"), None, "something behind it");
    }
}

//! The content of a snapshot: plain numbers and bytes, each list in one order.
//!
//! It is written as MessagePack, structs as arrays. Whoever changes it raises the version in
//! `Snapshot::digest` and in `folder`.

use karyon_arrangements::{ExitReason, Lane, TimerId};
use karyon_log::Message;
use karyon_supervision::{ChildId, End, Event, RestartWindow, SavedTree};
use karyon_types::AgentId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::space::Space;
use crate::terms::Counts;

/// An output of a step: whose, which step, which output.
pub(crate) type By = (u64, u64, u16);

pub(crate) fn by_of(message: Message) -> By {
    let Message { from, step, output } = message;
    (from.0, step, output)
}

pub(crate) fn message_of((from, step, output): By) -> Message {
    Message { from: AgentId(from), step, output }
}

/// All of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Inputs, messages and refusals so far, for who shows progress.
    pub(crate) shown: (u64, u64, u64),
    pub(crate) counts: Counts,
    /// By serial, from 1.
    pub(crate) agents: Vec<SavedAgent>,
    /// What is known of those behind the scenario's beside that, likewise.
    pub(crate) later: Vec<SavedLater>,
    pub(crate) births: SavedBirths,
    pub(crate) parked: Vec<SavedParked>,
    pub(crate) apart: Vec<SavedApart>,
    pub(crate) lost: Vec<u64>,
    /// By receiver; of one, as it arrives.
    pub(crate) mail: Vec<SavedMail>,
    pub(crate) bonds: SavedBonds,
    pub(crate) window: RestartWindow,
    pub(crate) trees: Option<SavedTrees>,
    /// How many changes of authority took place.
    pub(crate) changes: u64,
    pub(crate) orders: SavedOrders,
    pub(crate) recalls: Vec<SavedRecalls>,
    /// Effects of which nobody was told yet, by which output.
    pub(crate) effects: Vec<By>,
    /// What all see; `None`: the run has no space.
    pub(crate) space: Option<Space>,
    /// What the observer made of what it was shown.
    pub(crate) seen: ByteBuf,
}

/// An agent. One that was lost has nothing but its place.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedAgent {
    pub(crate) id: u64,
    /// `None`: it exited.
    pub(crate) state: Option<ByteBuf>,
    pub(crate) steps: u64,
    pub(crate) restarts: u32,
    pub(crate) log_bytes: u64,
    /// The denial of what it wanted last, by its number, and how often in a row.
    pub(crate) row: Option<(u8, u64)>,
    /// What it had done outside and was not told of yet.
    pub(crate) effects: u32,
    pub(crate) life: Option<SavedLife>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedLife {
    pub(crate) traps: bool,
    pub(crate) timers: Vec<SavedTimer>,
    /// Monitors (`false`) and links (`true`) that it made.
    pub(crate) bonds: Vec<(bool, u64)>,
    /// What it asked the memory and was not answered yet.
    pub(crate) recalls: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedTimer {
    pub(crate) id: TimerId,
    /// When it fires; `None`: it rests, or waits for a paused agent.
    pub(crate) due: Option<u64>,
    pub(crate) rests: Option<u64>,
    pub(crate) every: Option<u64>,
    pub(crate) payload: ByteBuf,
}

/// An agent that came to life in the run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedLater {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// From whose lease its own was cut.
    pub(crate) above: u64,
    pub(crate) seed: SavedSeed,
    /// Whether it stands in the tree.
    pub(crate) supervised: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SavedSeed {
    How(ByteBuf),
    State(ByteBuf),
    Spent,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedBirths {
    pub(crate) spawned: u64,
    pub(crate) forks: u64,
    /// What is asked for, by whom: name and bytes.
    pub(crate) asked: Vec<(By, String, ByteBuf)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedParked {
    pub(crate) id: u64,
    pub(crate) state: ByteBuf,
    pub(crate) life: Option<SavedLife>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedApart {
    pub(crate) id: u64,
    pub(crate) paused: bool,
    pub(crate) emptied: bool,
    pub(crate) held: Vec<SavedHeld>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SavedHeld {
    Signal(SavedSignal),
    Timer(TimerId),
    Input(u32),
    Mail(SavedMail),
    /// Who came to life, or why nobody did.
    Birth(By, Result<u64, u8>),
    /// What was denied behind the tick of the wish.
    Denied(By, SavedDeed, u8),
    /// An answer of the memory.
    Told(By, ByteBuf),
    /// What came of an effect, as it is recorded.
    Receipt(By, ByteBuf),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedSignal {
    pub(crate) to: u64,
    pub(crate) who: u64,
    pub(crate) is_link: bool,
    pub(crate) by: By,
    pub(crate) reason: ExitReason,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedMail {
    pub(crate) to: u64,
    pub(crate) by: By,
    pub(crate) what: SavedWhat,
    pub(crate) payload: ByteBuf,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum SavedWhat {
    Message(Lane),
    /// A denial by its number.
    Denied(u8, SavedDeed),
    /// By whom, and whether because the lane was closed.
    Refused(u64, bool),
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum SavedDeed {
    Send(u64),
    Remember,
    Arm,
    Monitor(u64),
    Link(u64),
    Spawn,
    Recall,
    Effect,
    Terminate(u64),
    Register(u64),
    Join,
    Mark(u64),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedBonds {
    /// By agent: of whose end it is told, monitors (`false`) and links (`true`).
    pub(crate) heeds: Vec<(u64, Vec<(u64, bool)>)>,
    pub(crate) gone: Vec<u64>,
    /// By receiver; of one, as they are told.
    pub(crate) due: Vec<SavedSignal>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedTrees {
    pub(crate) tree: SavedTree,
    pub(crate) resting: Vec<(ChildId, u64)>,
    pub(crate) overdue: Vec<(ChildId, u64)>,
    pub(crate) lost: Vec<(u64, u64)>,
    pub(crate) told: u64,
    pub(crate) later: Vec<Event>,
    pub(crate) failed_starts: u32,
    pub(crate) last_failed: Option<u64>,
    pub(crate) end: Option<End>,
}

/// What was asked of the memory in a tick, and the run's records up to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedRecalls {
    pub(crate) tick: u64,
    pub(crate) records: u64,
    /// Which output asked, about whom, what.
    pub(crate) asked: Vec<(By, Option<u64>, ByteBuf)>,
}

/// The records of what supervisors did, for the tick that comes next.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedOrders {
    pub(crate) records: ByteBuf,
    pub(crate) count: u32,
}

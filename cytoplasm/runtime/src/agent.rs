//! The contract of every agent: `(state, event) -> (state', outputs)`, pure and deterministic.

use karyon_arrangements::{
    Arrangement, Bond, ChildTerms, ExitReason, Lane, Mark, Receipt, Schedule, TimerId, bounded_name,
};
use karyon_supervision::Restart;
use karyon_types::{AgentId, Denial, Tick};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::codec;
use crate::draws;
use crate::pressure::Refused;
use crate::registry::{Registered, Registry};
use crate::scheduler::TIMER_TICKS_MAX;
use crate::space::{Layer, Space};

/// The content of a message. Up to 24 bytes travel without an allocation.
pub type Payload = SmallVec<[u8; 24]>;

/// What holds for all agents of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentKind {
    /// Its name.
    pub name: &'static str,
    /// Its version: whoever changes what a step does raises it, and old logs are refused.
    pub version: u32,
    /// Whether an agent that ended is started again.
    pub restart: Restart,
    /// From which state.
    pub restart_from: RestartFrom,
}

/// The state from which an agent is restarted after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartFrom {
    /// As it began, with an empty mailbox; the message that killed it is gone (OTP's way).
    Init,
    /// As it was after its last good step. The message that killed it comes again, at most
    /// `redeliver` times, then goes to the dead letters; the mailbox is kept.
    LastGood {
        /// How often a message is given again.
        redeliver: u32,
    },
}

/// What an agent handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// An external input, released by the run's input source.
    Input {
        /// What it says.
        payload: &'a [u8],
    },
    /// A message from another agent, or from itself.
    Message {
        /// Its sender, as the scheduler knows it.
        from: AgentId,
        /// What it says.
        payload: &'a [u8],
    },
    /// Something that this agent wanted to do was denied.
    Denied {
        /// What it wanted.
        deed: Deed,
        /// Why not.
        denial: Denial,
        /// In which of its steps it wanted that, and as which output.
        output: TimerId,
    },
    /// A message of its own was refused: the mailbox of its receiver was too full for it.
    Refused {
        /// Whose mailbox.
        to: AgentId,
        /// Why.
        why: Refused,
        /// In which of its steps it sent that, and as which output.
        output: TimerId,
    },
    /// A timer of its own fired.
    Timer {
        /// Which.
        id: TimerId,
        /// What it was given when it was armed.
        payload: &'a [u8],
    },
    /// An agent that it monitors ended, or was not there.
    Down {
        /// Which agent.
        who: AgentId,
        /// Why.
        reason: &'a ExitReason,
    },
    /// An agent that it is linked to ended, or was not there. Only for one that traps exits.
    Exit {
        /// Which agent.
        from: AgentId,
        /// Why.
        reason: &'a ExitReason,
    },
    /// An agent that it spawned came to life, at the beginning of this tick.
    Spawned {
        /// What [`Context::spawn`] gave back.
        spawn: SpawnId,
        /// The new agent.
        child: AgentId,
    },
    /// The memory answers what it asked.
    Recalled {
        /// In which of its steps it asked, and as which output: what [`Context::recall`] gave back.
        output: TimerId,
        /// The answer, at most [`ANSWER_BYTES_MAX`](crate::ANSWER_BYTES_MAX) bytes.
        answer: &'a [u8],
    },
    /// What came of an effect that it asked for.
    Receipt {
        /// In which of its steps it asked, and as which output: what [`Context::effect`] gave back.
        output: TimerId,
        /// What came of it.
        receipt: Receipt<'a>,
    },
}

/// Names what an agent spawned: the step in which it did, and which of its outputs that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpawnId {
    /// The agent's step, counted from 0.
    pub step: u64,
    /// The step's output, counted from 0.
    pub output: u16,
}

/// What an agent can be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// To send to this agent.
    Send(AgentId),
    /// To write a memory.
    Remember,
    /// To arm a timer: a message to itself that arrives later.
    Arm,
    /// To monitor this agent.
    Monitor(AgentId),
    /// To link itself to this agent.
    Link(AgentId),
    /// To bring an agent to life.
    Spawn,
    /// To have this agent stopped by its supervisor.
    Terminate(AgentId),
    /// To be found by a name: this agent has it, or nobody (0) if there are too many names.
    Register(AgentId),
    /// To be in a group.
    Join,
    /// To ask the memory.
    Recall,
    /// To do something outside.
    Effect,
    /// To change what all see: as far as this agent is concerned, which may be itself.
    Mark(AgentId),
}

/// A step's own word that it failed; handled like a panic, but cheaper.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// A deterministic step over a state of its own.
///
/// A step does no I/O, reads no clock, draws randomness from [`Context::random`] alone and holds no order of a hash map in
/// its state: given the same state and event it does the same. The state is encoded as
/// MessagePack; two equal states must encode to equal bytes, so a state holds no map with a
/// random order, and no NaN.
pub trait Agent: Serialize + Restore + Send + 'static {
    /// What holds for all agents of this type.
    const KIND: AgentKind;

    /// Handles one event. All that it wants to have an effect goes through `context`, and becomes
    /// real only when it returns `Ok`.
    ///
    /// # Errors
    /// A [`Failure`] crashes the agent, like a panic.
    fn handle(&mut self, event: Event<'_>, context: &mut Context<'_>) -> Result<(), Failure>;

    /// What holds for this agent: [`Agent::KIND`], but for a type that stands for several kinds.
    fn kind(&self) -> &'static AgentKind {
        &Self::KIND
    }

    /// The number of the kind of which `init` makes this agent, as an index into genesis' list:
    /// 0, but for a type that stands for several kinds.
    fn kind_number(_init: &dyn Fn(AgentId) -> Self, _agent: AgentId) -> u32 {
        0
    }

    /// The number of the kind that this agent is of: 0, but for a type that stands for several.
    fn number(&self) -> u32 {
        0
    }

    /// An agent of the kind with this number, of which nothing but its kind counts: in the place of
    /// one whose state nobody can read. `any` is the run's first as it began. `None`: there is no
    /// such kind. To be said by a type that stands for several.
    fn stand_in(any: Self, number: u32) -> Option<Self> {
        (any.number() == number).then_some(any)
    }
}

/// A state that comes back from its encoding. Whatever serde reads does.
pub trait Restore: Sized {
    /// Reads a state of the kind that `self` is of, as [`crate::codec`] wrote it; `None` when the
    /// bytes are none.
    fn restore(&self, state: &[u8]) -> Option<Self>;
}

impl<T: DeserializeOwned> Restore for T {
    fn restore(&self, state: &[u8]) -> Option<T> {
        codec::decode(state)
    }
}

/// One output that a step wants.
pub(crate) enum Wish {
    Send(AgentId, Payload),
    /// The lane of the message that follows.
    Lane(Lane),
    /// Of [`Wishes::memory`], what lies before this end and behind the one before.
    Remember {
        end: usize,
    },
    /// Likewise, an arrangement.
    Arrange {
        end: usize,
    },
    /// What was denied again, when it was recorded: of a step that is not executed.
    DeniedAgain(Denial),
}

/// What one step wants.
#[derive(Default)]
pub(crate) struct Wishes {
    /// At most as many as a step may have.
    pub(crate) outputs: Vec<Wish>,
    /// The bytes of all memories and arrangements, one behind the other.
    pub(crate) memory: Vec<u8>,
    pub(crate) exit: Option<ExitReason>,
    /// All that were wished for, those beyond the bound included.
    pub(crate) count: u64,
}

impl Wishes {
    pub(crate) fn clear(&mut self) {
        self.outputs.clear();
        self.memory.clear();
        self.exit = None;
        self.count = 0;
    }
}

/// An agent's only way out.
pub struct Context<'a> {
    pub(crate) me: AgentId,
    pub(crate) step: u64,
    pub(crate) now: Tick,
    pub(crate) wishes: &'a mut Wishes,
    pub(crate) bound: u64,
    pub(crate) schedule: &'a Schedule,
    /// What the step drew so far.
    pub(crate) drawn: u64,
    /// Who has which name; `None`: nobody ever took one.
    pub(crate) names: Option<&'a Registry>,
    /// What all see; `None`: the run has no space.
    pub(crate) space: Option<&'a Space>,
}

impl<'a> Context<'a> {
    /// The same way out, for a shorter time: for whoever wraps it.
    pub fn reborrow(&mut self) -> Context<'_> {
        Context { wishes: &mut *self.wishes, ..*self }
    }

    /// The agent that is running.
    pub fn me(&self) -> AgentId {
        self.me
    }

    /// The gate's time: the tick. In a free-running run these are milliseconds since it began.
    pub fn now(&self) -> Tick {
        self.now
    }

    /// The stage of the model's step that this tick is, counted from 0; always 0 without stages.
    pub fn stage(&self) -> u32 {
        self.schedule.stage(self.now)
    }

    /// The model's step that this tick belongs to: the tick itself without stages.
    pub fn round(&self) -> u64 {
        self.schedule.round(self.now)
    }

    /// 64 random bits, drawn from the run's seed, the agent, its step and how often this step drew
    /// before: so they are the same for any number of schedulers, when a step is given again and
    /// when a run is repeated. For numbers see [`crate::below`], [`crate::unit`] and
    /// [`crate::exponential`].
    pub fn random(&mut self) -> u64 {
        self.drawn += 1;
        draws::draw(self.schedule.seed(), self.me, self.step, self.drawn)
    }

    /// Sends `payload` to `to`, if the gate allows it. It arrives in the next tick (in this one, if
    /// agents take turns and that of `to` is still to come); a denial arrives in the next tick as
    /// [`Event::Denied`].
    #[inline]
    pub fn send(&mut self, to: AgentId, payload: &[u8]) {
        self.wishes.count += 1;
        // What is beyond the bound ends the run; there is no need to keep it.
        if self.wishes.count <= self.bound {
            self.wishes.outputs.push(Wish::Send(to, Payload::from_slice(payload)));
        }
    }

    /// As [`Context::send`], in a lane: what is speculative is refused first, and safety-critical
    /// messages, for which a right of their own is needed, last. They are handled in this order.
    /// In another lane than the normal one it takes two outputs of the step.
    pub fn send_in(&mut self, lane: Lane, to: AgentId, payload: &[u8]) {
        if lane != Lane::Normal {
            self.wishes.count += 1;
            if self.wishes.count <= self.bound {
                self.wishes.outputs.push(Wish::Lane(lane));
            }
        }
        self.send(to, payload);
    }

    /// Writes a memory, if the gate allows it: recorded with this step, and part of the memory
    /// that is projected from the log. What its bytes mean the runtime does not know. A denial
    /// arrives in the next tick as [`Event::Denied`].
    pub fn remember(&mut self, write: &[u8]) {
        self.wishes.count += 1;
        if self.wishes.count <= self.bound {
            self.wishes.memory.extend_from_slice(write);
            let end = self.wishes.memory.len();
            self.wishes.outputs.push(Wish::Remember { end });
        }
    }

    /// Ends this agent when the step returns, because it is done.
    pub fn exit(&mut self) {
        self.exit_with(ExitReason::Normal);
    }

    /// Ends this agent when the step returns. Of several reasons in one step the last holds.
    pub fn exit_with(&mut self, reason: ExitReason) {
        self.wishes.count += u64::from(self.wishes.exit.is_none());
        self.wishes.exit = Some(reason.bounded());
    }

    /// Gives itself `payload` as an [`Event::Timer`], `ticks` ticks later: 1 to
    /// [`TIMER_TICKS_MAX`], and the nearest of these for any other number. The gate is asked as for
    /// a message to itself.
    pub fn after(&mut self, ticks: u64, payload: &[u8]) -> TimerId {
        self.arm(ticks, false, payload)
    }

    /// As [`Context::after`], again and again: until it is cancelled, the agent begins anew or
    /// ends, or the gate would no longer allow it when it fires.
    pub fn interval(&mut self, ticks: u64, payload: &[u8]) -> TimerId {
        self.arm(ticks, true, payload)
    }

    fn arm(&mut self, ticks: u64, repeats: bool, payload: &[u8]) -> TimerId {
        let id = TimerId { step: self.step, output: self.wishes.outputs.len() as u16 };
        let ticks = ticks.clamp(1, TIMER_TICKS_MAX);
        self.arrange(&Arrangement::Arm { ticks, repeats, payload });
        id
    }

    /// Takes a timer back: it does not fire any more, not even in this tick. One that is not armed
    /// is no error.
    pub fn cancel(&mut self, timer: TimerId) {
        self.arrange(&Arrangement::Cancel(timer));
    }

    /// Is told by [`Event::Down`] when `agent` ends, once; at once if it is gone. The gate is asked
    /// as for a message to it. To monitor twice is to monitor once.
    pub fn monitor(&mut self, agent: AgentId) {
        self.arrange(&Arrangement::Bind(Bond::Monitor, agent));
    }

    /// Is told no more, not even of what happened in this tick.
    pub fn demonitor(&mut self, agent: AgentId) {
        self.arrange(&Arrangement::Unbind(Bond::Monitor, agent));
    }

    /// From now on both end together, unless the reason is [`ExitReason::Normal`] or whoever is
    /// left traps exits. The gate is asked for a right of its own.
    pub fn link(&mut self, agent: AgentId) {
        self.arrange(&Arrangement::Bind(Bond::Link, agent));
    }

    /// Ends a link, whoever made it; also against what happened in this tick.
    pub fn unlink(&mut self, agent: AgentId) {
        self.arrange(&Arrangement::Unbind(Bond::Link, agent));
    }

    /// Whether the end of whoever it is linked to comes as [`Event::Exit`].
    pub fn trap_exit(&mut self, traps: bool) {
        self.arrange(&Arrangement::TrapExit(traps));
    }

    /// Brings an agent to life in the next tick, where [`Event::Spawned`] tells its serial.
    /// [`Population::born`](crate::Population::born) makes its state from `how`; its lease is cut
    /// from this agent's. The gate is asked for a right of its own. A name that is too long is cut
    /// to [`SPAWN_NAME_BYTES_MAX`](crate::SPAWN_NAME_BYTES_MAX) bytes; nobody checks that it is the
    /// only one of its kind.
    pub fn spawn(&mut self, name: &str, how: &[u8]) -> SpawnId {
        let id = SpawnId { step: self.step, output: self.wishes.outputs.len() as u16 };
        self.arrange(&Arrangement::Spawn { name: bounded_name(name), how });
        id
    }

    /// As [`Context::spawn`], below a `Dynamic` supervisor of the run's tree, which is named by its
    /// number: from then on that says when the agent is started again, whatever its kind says, and
    /// stops it with itself. A supervisor that is not there, or has as many children as it may
    /// have, and bytes that are no state, come as [`Event::Denied`] in the tick in which
    /// [`Event::Spawned`] would.
    pub fn spawn_under(
        &mut self,
        supervisor: u64,
        child: ChildTerms,
        name: &str,
        how: &[u8],
    ) -> SpawnId {
        let id = SpawnId { step: self.step, output: self.wishes.outputs.len() as u16 };
        let name = bounded_name(name);
        self.arrange(&Arrangement::SpawnUnder { supervisor, child, name, how });
        id
    }

    /// Has an agent that was spawned below a supervisor stopped by that, behind this tick and as
    /// its terms say; it is not started again. The gate is asked for the right to spawn, with the
    /// agent as the target.
    pub fn terminate_child(&mut self, child: AgentId) {
        self.arrange(&Arrangement::Terminate(child));
    }

    /// Is found by `name` from the next tick on, until it gives the name up, ends or begins anew.
    /// Who goes on from its last good state keeps it. Of several who want it in a tick the lowest
    /// (agent, step, output) gets it; a name that another has, one of the scenario's among them, is
    /// denied in the next tick ([`Deed::Register`] says who has it), and so is one beyond
    /// [`NAMES_MAX`](crate::NAMES_MAX). The gate is asked as for a message to itself.
    pub fn register(&mut self, name: &str) {
        self.arrange(&Arrangement::Register(name));
    }

    /// Gives a name up, from the next tick on. One that it does not have is no error.
    pub fn unregister(&mut self, name: &str) {
        self.arrange(&Arrangement::Unregister(name));
    }

    /// Is in a group from the next tick on, for as long as it would have a name. Twice is once. The
    /// gate is asked as for a message to itself; one beyond
    /// [`MEMBERSHIPS_MAX`](crate::MEMBERSHIPS_MAX) is denied in the next tick.
    pub fn join(&mut self, group: &str) {
        self.arrange(&Arrangement::Join(group));
    }

    /// Leaves a group, from the next tick on. One that it is not in is no error.
    pub fn leave(&mut self, group: &str) {
        self.arrange(&Arrangement::Leave(group));
    }

    /// Who had this name when the tick began, of those that agents took.
    pub fn whereis(&self, name: &str) -> Option<Registered> {
        self.names?.whereis(name)
    }

    /// Who was in this group when the tick began, in the order of serials.
    pub fn members(&self, group: &str) -> impl Iterator<Item = Registered> {
        self.names.into_iter().flat_map(move |names| names.members(group))
    }

    /// Asks the memory about an agent, or with `None` about all that it holds. The answer comes as
    /// [`Event::Recalled`], [`RECALL_TICKS`](crate::RECALL_TICKS) ticks later: what the log says up
    /// to the end of this tick. What the bytes mean the runtime does not know. The gate is asked for
    /// a right of its own, to that agent, or to the first and the last of all agents that there are.
    pub fn recall(&mut self, about: Option<AgentId>, query: &[u8]) -> TimerId {
        let id = TimerId { step: self.step, output: self.wishes.outputs.len() as u16 };
        self.arrange(&Arrangement::Recall { about, query });
        id
    }

    /// Has something done in the world outside, once, when this step is durable. What came of it
    /// comes as [`Event::Receipt`], however long that takes; the run does not end before. The gate is
    /// asked for a right of its own, now and right before it is done, and there must be a
    /// [`Permit`](crate::Permit) for the kind of this agent.
    pub fn effect(&mut self, action: &str, resource: &str, arguments: &[u8]) -> TimerId {
        let id = TimerId { step: self.step, output: self.wishes.outputs.len() as u16 };
        self.arrange(&Arrangement::Effect { action, resource, arguments });
        id
    }

    /// A layer of the run's space as it is when the tick begins, or, where agents take turns, when
    /// this step does: what this step changes is not in it. `None`: there is no such layer.
    #[inline]
    pub fn layer(&self, layer: u8) -> Option<&'a Layer> {
        self.space?.layer(layer)
    }

    /// Changes what all see: from the next tick on, or, where agents take turns, from the next step
    /// on. The gate is asked as for a message to itself, or to the agent whose slot it is. A slot that
    /// the space does not have is denied.
    #[inline]
    pub fn mark(&mut self, mark: Mark) {
        self.arrange(&Arrangement::Mark(mark));
    }

    fn arrange(&mut self, what: &Arrangement<'_>) {
        self.wishes.count += 1;
        if self.wishes.count <= self.bound {
            what.encode(&mut self.wishes.memory);
            let end = self.wishes.memory.len();
            self.wishes.outputs.push(Wish::Arrange { end });
        }
    }
}

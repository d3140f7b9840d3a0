//! Effects: what agents do in the world outside, and what they are told came of it.
//!
//! An effect is an output of a step: gated, and recorded as an intent. Once the intent is durable, an
//! [`Adapter`] does it on a thread of its own, at most once; what came of it is recorded at the
//! beginning of a later tick, like an order, and the agent is told. A run that is repeated does
//! nothing again: it takes receipts from its log, and an intent that has none there has an unknown
//! outcome.

mod performer;
mod permit;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use karyon_arrangements::{NotDone, Receipt, Told};
use karyon_gate::Handle;
use karyon_log::{Message, Record};
use karyon_types::{AgentId, LeaseId};
use serde::de::DeserializeOwned;

pub(crate) use self::performer::Checks;
use self::performer::Performer;
pub(crate) use self::permit::permits;
pub use self::permit::{ACTION_BYTES_MAX, ARGUMENTS_BYTES_MAX, Permit, RESOURCE_BYTES_MAX};
use crate::agent::Agent;
use crate::census::Ground;
use crate::codec;
use crate::error::RunError;
use crate::recorder::Recorder;
use crate::scheduler::told::News;
use crate::snapshot::{By, by_of, message_of};
use crate::trees::with;

/// Effects of one agent that are under way at a time; one more is denied with `budget_exhausted`.
/// Bounds the memory that they take.
pub const EFFECTS_PER_AGENT: u32 = 16;

/// Something that is to be done in the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Who wants it.
    pub agent: AgentId,
    /// Of what kind that is.
    pub kind: &'static str,
    /// In which of its steps it asked for it.
    pub step: u64,
    /// As which output of the step. With agent and step it names the effect for good, in this log:
    /// what a service needs that knows a repetition by its key.
    pub output: u16,
    /// What.
    pub action: Box<str>,
    /// To what.
    pub resource: Box<str>,
    /// How.
    pub arguments: Box<[u8]>,
}

impl Effect {
    /// The arguments, as the library `karyon` encodes what an agent gave; `None`: they are none of this
    /// type.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        codec::decode(&self.arguments)
    }
}

/// Does what agents want done.
pub trait Adapter: Send + Sync {
    /// Does it, and says what came of it, or why nothing did; at most
    /// [`RECEIPT_BYTES_MAX`](crate::RECEIPT_BYTES_MAX) bytes. One effect at a time is done. After a
    /// panic nobody knows what came of that effect, and no further one is begun.
    ///
    /// # Errors
    /// Why nothing was done.
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String>;
}

impl<F: Fn(&Effect) -> Result<Vec<u8>, String> + Send + Sync> Adapter for F {
    fn perform(&self, effect: &Effect) -> Result<Vec<u8>, String> {
        self(effect)
    }
}

/// Which effects there are in a run, and who does them.
#[derive(Clone, Default)]
pub struct Effects {
    /// What agents may ask for. Part of what is repeated.
    pub permits: Vec<Permit>,
    /// Who does it; `None`: nobody, and agents are told so.
    pub adapter: Option<Arc<dyn Adapter>>,
    /// Whether it is done without a guardian too. For tests: nobody could end it.
    pub unguarded: bool,
}

/// What a step wants done.
#[derive(Debug)]
pub(crate) struct Intent {
    /// The lease that allowed it.
    pub(crate) lease: (Option<Handle>, LeaseId),
    pub(crate) effect: Effect,
}

impl Intent {
    fn by(&self) -> Message {
        let Effect { agent, step, output, .. } = self.effect;
        Message { from: agent, step, output }
    }
}

/// What came of an effect, as it is recorded.
type Said = (Message, Box<[u8]>);

/// What agents want done, until they are told what came of it.
pub(crate) struct UnderWay {
    /// `None`: nothing is done.
    performer: Option<Performer>,
    /// So many records of the run were committed when this start began: what was asked for in them
    /// was perhaps done then, and is not done now.
    committed: u64,
    /// All of which nobody was told.
    open: BTreeSet<Message>,
    /// Of these, those that an earlier start may have done.
    perhaps_done: BTreeSet<Message>,
    /// Not handed over yet, because nobody knows yet whether it is durable.
    waiting: Vec<Intent>,
    /// Those that are with the performer, in its order.
    performing: VecDeque<Message>,
    /// What came of some, for the tick that comes next.
    receipts: Vec<Said>,
    /// Whether the run waits for each receipt, so that the same comes out again.
    in_step: bool,
}

impl UnderWay {
    pub(crate) fn new(
        effects: Effects,
        checks: Checks,
        recorder: &Recorder,
        in_step: bool,
    ) -> Result<UnderWay, RunError> {
        // Without a log to write to nothing is done.
        let performs = recorder.appends() && !effects.permits.is_empty();
        let performer = performs.then(|| Performer::start(effects, checks)).transpose();
        let performer = performer.map_err(|error| {
            RunError::Runtime(format!("the thread that does effects cannot start: {error}"))
        })?;
        Ok(UnderWay {
            performer,
            committed: recorder.committed_records(),
            open: BTreeSet::new(),
            perhaps_done: BTreeSet::new(),
            waiting: Vec::new(),
            performing: VecDeque::new(),
            receipts: Vec::new(),
            in_step,
        })
    }

    /// Whether nobody waits to be told of anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether somebody is to be told in the tick that comes next.
    pub(crate) fn has_receipts(&self) -> bool {
        !self.receipts.is_empty()
    }

    /// Takes what was wanted in a tick, whose records are with the recorder.
    pub(crate) fn ask(&mut self, mut intents: Vec<Intent>, recorder: &Recorder) {
        intents.sort_unstable_by_key(Intent::by);
        self.open.extend(intents.iter().map(Intent::by));
        // An effect is begun when all of its tick is durable, and not before.
        match recorder.recorded() <= self.committed {
            true => self.perhaps_done.extend(intents.iter().map(Intent::by)),
            false => self.waiting.append(&mut intents),
        }
    }

    /// Between two ticks: makes durable what is wanted and hands it over, and takes what came of what
    /// was handed over before.
    pub(crate) fn look(&mut self, recorder: &mut Recorder) -> Result<(), RunError> {
        if self.open.is_empty() || recorder.repeats() {
            return Ok(());
        }
        if recorder.appends() {
            let unknown = encoded(Receipt::Unknown);
            let perhaps_done = std::mem::take(&mut self.perhaps_done).into_iter();
            self.receipts.extend(perhaps_done.map(|by| (by, unknown.clone())));
        }
        let Some(performer) = &self.performer else { return Ok(()) };
        if !self.waiting.is_empty() {
            recorder.flush()?;
            self.performing.extend(self.waiting.iter().map(Intent::by));
            self.waiting.drain(..).for_each(|intent| performer.hand_over(intent));
        }
        while !self.performing.is_empty() {
            let said = if self.in_step { Some(performer.wait()?) } else { performer.try_take()? };
            let Some(said) = said else { break };
            self.performing.pop_front();
            self.receipts.push(said);
        }
        Ok(())
    }

    /// Has agents told in the tick that begins: of what came of their effects, or of what the log
    /// that is repeated says. Appends the records; how many.
    pub(crate) fn begin<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        recorded: Vec<Said>,
        records: &mut Vec<u8>,
    ) -> u32 {
        let mut count = 0;
        for (by, what) in recorded.into_iter().chain(std::mem::take(&mut self.receipts)) {
            // Of something that nobody asked for: not recorded, and so found by the comparison.
            if !self.open.remove(&by) {
                continue;
            }
            self.perhaps_done.remove(&by);
            Record::Told { by, what: &what }.encode(records);
            count += 1;
            with(ground, by.from, |slab| slab.hear(by, News::Receipt(what)));
        }
        count
    }

    /// The run ends in good order: nothing more is begun, and what is being done is waited for, a
    /// while. What is not begun is known to be so; of what is still being done nobody knows.
    pub(crate) fn end(&mut self) {
        let Some(performer) = self.performer.take() else { return };
        let (came, has_ended) = performer.end();
        for said in came {
            self.performing.pop_front();
            self.receipts.push(said);
        }
        let mut left = std::mem::take(&mut self.performing);
        if !has_ended {
            left.pop_front();
        }
        let interrupted = encoded(Receipt::NotDone(NotDone::Interrupted));
        let waiting = self.waiting.drain(..).map(|intent| intent.by());
        let not_begun = left.into_iter().chain(waiting);
        self.receipts.extend(not_begun.map(|by| (by, interrupted.clone())));
    }

    /// Of what nobody was told yet, for a snapshot. What came of it stands in the log, or nobody
    /// knows.
    pub(crate) fn save(&self) -> Vec<By> {
        let UnderWay {
            // Of the process that runs it.
            performer: _,
            performing: _,
            in_step: _,
            committed: _,
            // An intent that a snapshot knows is committed.
            perhaps_done: _,
            waiting: _,
            // Recorded in the tick that comes next.
            receipts: _,
            open,
        } = self;
        open.iter().copied().map(by_of).collect()
    }

    pub(crate) fn load(&mut self, saved: Vec<By>) {
        self.open = saved.into_iter().map(message_of).collect();
        self.perhaps_done.clone_from(&self.open);
    }
}

/// As it is recorded.
fn encoded(receipt: Receipt<'_>) -> Box<[u8]> {
    let mut what = Vec::new();
    Told::Receipt(receipt).encode(&mut what);
    what.into()
}

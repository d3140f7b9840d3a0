//! Effects: what agents do in the world outside, and what they are told came of it.
//!
//! An effect is an output of a step: gated, and recorded as an intent. Once the intent is durable, an
//! [`Adapter`] does it on a thread of its own, at most once; what came of it is recorded at the
//! beginning of a later tick, like an order, and the agent is told. A run that is repeated does
//! nothing again: it takes receipts from its log, and an intent that has none there has an unknown
//! outcome.

mod performer;
mod permit;

use std::collections::BTreeSet;
use std::sync::Arc;

use karyon_arrangements::{Receipt, Told};
use karyon_gate::Handle;
use karyon_log::{Message, Record};
use karyon_types::AgentId;
use serde::de::DeserializeOwned;

pub(crate) use self::performer::Before;
use self::performer::Performer;
pub(crate) use self::permit::permits;
pub use self::permit::{ACTION_BYTES_MAX, ARGUMENTS_BYTES_MAX, Permit, RESOURCE_BYTES_MAX};
use crate::agent::Agent;
use crate::census::Ground;
use crate::codec;
use crate::engine::lock;
use crate::error::RunError;
use crate::recorder::Recorder;
use crate::scheduler::Layout;
use crate::scheduler::told::News;
use crate::snapshot::{By, by_of, message_of};

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
    pub(crate) by: Message,
    pub(crate) lease: Option<Handle>,
    pub(crate) effect: Effect,
}

/// What agents want done, until they are told what came of it.
pub(crate) struct UnderWay {
    performer: Option<Performer>,
    layout: Layout,
    /// So many records of the run were committed when this start began: what was asked for in them
    /// was perhaps done then, and is not done now.
    committed: u64,
    /// All of which nobody was told.
    open: BTreeSet<Message>,
    /// Of these, those that an earlier start may have done.
    before: BTreeSet<Message>,
    /// Not handed over yet, because nobody knows yet whether it is durable.
    waiting: Vec<Intent>,
    /// How many are with the performer.
    performing: u64,
    /// What came of some, for the tick that comes next.
    receipts: Vec<(Message, Box<[u8]>)>,
    /// Whether the run waits for each receipt, so that the same comes out again.
    in_step: bool,
}

impl UnderWay {
    pub(crate) fn new(
        effects: Effects,
        before: Before,
        layout: Layout,
        recorder: &Recorder,
        in_step: bool,
    ) -> Result<UnderWay, RunError> {
        // Without a log to write to nothing is done.
        let performs = recorder.appends() && !effects.permits.is_empty();
        let performer = performs.then(|| Performer::start(effects, before)).transpose();
        let performer = performer.map_err(|error| {
            RunError::Runtime(format!("the thread that does effects cannot start: {error}"))
        })?;
        Ok(UnderWay {
            performer,
            layout,
            committed: recorder.committed_records(),
            open: BTreeSet::new(),
            before: BTreeSet::new(),
            waiting: Vec::new(),
            performing: 0,
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
    pub(crate) fn ask(
        &mut self,
        mut intents: Vec<Intent>,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        if intents.is_empty() {
            return Ok(());
        }
        intents.sort_unstable_by_key(|intent| intent.by);
        self.open.extend(intents.iter().map(|intent| intent.by));
        // An effect is begun when all of its tick is durable, and not before.
        if recorder.recorded() <= self.committed {
            self.before.extend(intents.iter().map(|intent| intent.by));
        } else {
            recorder.seal()?;
            self.waiting.append(&mut intents);
        }
        Ok(())
    }

    /// Between two ticks: hands over what is durable, and takes what came of what was handed over.
    /// `idle`: nothing else is to be done, so what is not durable is waited for.
    pub(crate) fn look(&mut self, recorder: &mut Recorder, idle: bool) -> Result<(), RunError> {
        if self.open.is_empty() || recorder.repeats() {
            return Ok(());
        }
        if recorder.appends() {
            let mut unknown = Vec::new();
            Told::Receipt(Receipt::Unknown).encode(&mut unknown);
            let lost = std::mem::take(&mut self.before).into_iter();
            self.receipts.extend(lost.map(|by| (by, unknown.as_slice().into())));
        }
        let Some(performer) = &self.performer else { return Ok(()) };
        if !self.waiting.is_empty() && (idle || self.in_step || recorder.is_durable()) {
            recorder.flush()?;
            self.performing += self.waiting.len() as u64;
            self.waiting.drain(..).for_each(|intent| performer.begin(intent));
        }
        while self.performing > 0
            && let Some(receipt) = performer.take(self.in_step).map_err(RunError::Runtime)?
        {
            self.performing -= 1;
            self.receipts.push(receipt);
        }
        Ok(())
    }

    /// Has agents told in the tick that begins: of what came of their effects, or of what the log
    /// that is repeated says. Appends the records; how many.
    pub(crate) fn begin<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        recorded: Vec<(Message, Box<[u8]>)>,
        records: &mut Vec<u8>,
    ) -> u32 {
        let mut count = 0;
        for (by, what) in recorded.into_iter().chain(std::mem::take(&mut self.receipts)) {
            // Of something that nobody asked for: not recorded, and so found by the comparison.
            if !self.open.remove(&by) {
                continue;
            }
            self.before.remove(&by);
            Record::Told { by, what: &what }.encode(records);
            count += 1;
            let home = self.layout.home(by.from).and_then(|home| ground.slabs.get(home));
            if let Some(slab) = home {
                lock(slab).hear(by, News::Receipt(what));
            }
        }
        count
    }

    /// The run ends in good order: nothing more is begun, and what is being done is waited for, a
    /// while.
    pub(crate) fn end(&mut self) {
        if let Some(performer) = self.performer.take() {
            performer.end();
        }
    }

    /// Of what nobody was told yet, for a snapshot. What came of it stands in the log, or nobody
    /// knows.
    pub(crate) fn save(&self) -> Vec<By> {
        let UnderWay {
            // Of the process that runs it.
            performer: _,
            performing: _,
            in_step: _,
            layout: _,
            committed: _,
            // An intent that a snapshot knows is committed.
            before: _,
            waiting: _,
            // Recorded in the tick that comes next.
            receipts: _,
            open,
        } = self;
        open.iter().copied().map(by_of).collect()
    }

    pub(crate) fn load(&mut self, saved: Vec<By>) {
        self.open = saved.into_iter().map(message_of).collect();
        self.before.clone_from(&self.open);
    }
}

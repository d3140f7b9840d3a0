//! Recalls: agents ask the memory, and are answered by an event a fixed number of ticks later.
//!
//! The runtime knows no memory. What answers is a [`Recaller`], which the run is given: a function
//! of the committed log up to the end of the tick in which an agent asked, and of what it asked. The
//! leader waits for the commit of that tick, asks in the order of (agent, step, output), records the
//! answers' digests at the beginning of the tick in which they arrive, and hands the answers over.
//! A run that is repeated asks again, and the comparison of records compares the digests.

use std::collections::VecDeque;

use karyon_arrangements::Told;
use karyon_log::{Message, Record};
use karyon_types::{AgentId, Hash, Hasher, Tick};
use serde_bytes::ByteBuf;

use crate::agent::Agent;
use crate::census::Ground;
use crate::error::RunError;
use crate::recorder::Recorder;
use crate::scheduler::told::News;
use crate::snapshot::{SavedRecalls, by_of, message_of};
use crate::trees::with;

/// So many ticks after its question an agent has the answer: while the tick between them runs, that
/// of the question is committed.
pub const RECALL_TICKS: u64 = 2;
/// Recalls of one agent that are under way at a time; one more is denied with `budget_exhausted`.
/// Bounds, with the next, the memory that answers take on their way.
pub const RECALLS_PER_AGENT: u32 = 8;
/// The longest answer, bytes: what a recaller gives beyond that ends the run.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024;

/// Up to where a run is to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The end of this tick.
    pub tick: Tick,
    /// The records of the run up to there, of all that lie in the log's lane of ticks: these are the
    /// same in a run that was interrupted. The log is committed up to here at least; what lies behind,
    /// because the run is repeated or went on, changes no answer.
    pub records: u64,
}

/// What an agent asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Who asks.
    pub agent: AgentId,
    /// The agent that the question is about, as the gate was asked; `None`: about all. A recaller
    /// says nothing that is about anybody else.
    pub about: Option<AgentId>,
    /// The question, in the recaller's own words.
    pub query: &'a [u8],
}

/// The memory of a run, as the run knows it: it answers what agents ask, and says whether it keeps up
/// with what is written.
pub trait Recaller: Send {
    /// The answer: a function of the committed log up to `prefix` and of what is asked, at most
    /// [`ANSWER_BYTES_MAX`] bytes. What cannot be understood has an answer that says so.
    ///
    /// # Errors
    /// Why there is no memory to ask; that ends the run.
    fn answer(&mut self, prefix: Prefix, asked: &Asked<'_>) -> Result<Vec<u8>, String>;

    /// Called once, behind the first tick in which an agent of this process remembered something: from
    /// now on there is something to follow.
    fn remembers(&mut self) {}

    /// Whether it is near enough to what is committed; asked between two ticks, and again and again
    /// while it is not, as the run waits then. It changes when a tick runs and nothing of what happens
    /// in it. A run that is repeated does not wait.
    ///
    /// # Errors
    /// Why it does not follow any more; that ends the run.
    fn keeps_up(&mut self) -> Result<bool, String> {
        Ok(true)
    }
}

/// What a step asked.
#[derive(Debug)]
pub(crate) struct Recall {
    pub(crate) by: Message,
    pub(crate) about: Option<AgentId>,
    pub(crate) query: Box<[u8]>,
}

/// What agents asked, until they are answered.
pub(crate) struct Recalls {
    recaller: Option<Box<dyn Recaller>>,
    /// Whether somebody remembered something.
    remembers: bool,
    /// By tick.
    waiting: VecDeque<(Prefix, Vec<Recall>)>,
}

impl Recalls {
    pub(crate) fn new(recaller: Option<Box<dyn Recaller>>) -> Recalls {
        Recalls { recaller, remembers: false, waiting: VecDeque::new() }
    }

    /// Takes what was asked in `tick`, whose records are with the recorder.
    pub(crate) fn ask(
        &mut self,
        mut asked: Vec<Recall>,
        tick: Tick,
        recorder: &mut Recorder,
    ) -> Result<(), RunError> {
        if asked.is_empty() {
            return Ok(());
        }
        asked.sort_unstable_by_key(|recall| recall.by);
        // Its commit shall be under way while the next tick runs.
        recorder.seal()?;
        self.waiting.push_back((Prefix { tick, records: recorder.recorded() }, asked));
        Ok(())
    }

    /// What is not answered yet, for a snapshot.
    pub(crate) fn save(&self) -> Vec<SavedRecalls> {
        let Recalls {
            // It answers from the log, and follows it from now on.
            recaller: _,
            remembers: _,
            waiting,
        } = self;
        let asked = |Recall { by, about, query }: &Recall| {
            (by_of(*by), about.map(|about| about.0), ByteBuf::from(query.to_vec()))
        };
        let saved = waiting.iter().map(|(Prefix { tick, records }, recalls)| SavedRecalls {
            tick: tick.0,
            records: *records,
            asked: recalls.iter().map(asked).collect(),
        });
        saved.collect()
    }

    pub(crate) fn load(&mut self, saved: Vec<SavedRecalls>) {
        let recall = |(by, about, query): (_, Option<u64>, ByteBuf)| Recall {
            by: message_of(by),
            about: about.map(AgentId),
            query: query.into_vec().into(),
        };
        let waiting = saved.into_iter().map(|SavedRecalls { tick, records, asked }| {
            (Prefix { tick: Tick(tick), records }, asked.into_iter().map(recall).collect())
        });
        self.waiting = waiting.collect();
    }

    /// Somebody remembered something.
    pub(crate) fn remember(&mut self) {
        if !std::mem::replace(&mut self.remembers, true)
            && let Some(recaller) = &mut self.recaller
        {
            recaller.remembers();
        }
    }

    /// Whether the memory is near enough to what is committed in front of `tick`.
    pub(crate) fn keeps_up(&mut self, tick: Tick) -> Result<bool, RunError> {
        let recaller = self.recaller.as_mut();
        let keeps_up = recaller.map_or(Ok(true), |recaller| recaller.keeps_up());
        keeps_up.map_err(|why| RunError::Memory { tick, why })
    }

    /// The tick in which the next answers arrive; `None`: nobody asked.
    pub(crate) fn due(&self) -> Option<Tick> {
        self.waiting.front().map(|(prefix, _)| Tick(prefix.tick.0 + RECALL_TICKS))
    }

    /// Answers what is due in `tick`, and has the agents told in it. Appends the records; how many.
    pub(crate) fn begin<A: Agent>(
        &mut self,
        ground: &Ground<'_, A>,
        tick: Tick,
        recorder: &mut Recorder,
        records: &mut Vec<u8>,
    ) -> Result<u32, RunError> {
        let mut count = 0;
        while self.due().is_some_and(|due| due <= tick)
            && let Some((prefix, asked)) = self.waiting.pop_front()
        {
            // Nobody is told what a crash of the machine could still undo.
            recorder.flush()?;
            for Recall { by, about, query } in asked {
                let asked = Asked { agent: by.from, about, query: &query };
                let answer = self.answer(prefix, &asked)?;
                let Hash(digest) = answer_digest(&answer);
                let mut what = Vec::new();
                Told::Answer { upto: prefix.tick, digest: &digest }.encode(&mut what);
                Record::Told { by, what: &what }.encode(records);
                count += 1;
                with(ground, by.from, |slab| slab.hear(by, News::Answer(answer.into())));
            }
        }
        Ok(count)
    }

    fn answer(&mut self, prefix: Prefix, asked: &Asked<'_>) -> Result<Vec<u8>, RunError> {
        let failed = |why| RunError::Recall { agent: asked.agent, tick: prefix.tick, why };
        let recaller = self.recaller.as_mut().ok_or_else(|| failed("there is no memory".into()))?;
        let answer = recaller.answer(prefix, asked).map_err(failed)?;
        match answer.len() <= ANSWER_BYTES_MAX {
            true => Ok(answer),
            false => Err(failed(format!("an answer is longer than {ANSWER_BYTES_MAX} bytes"))),
        }
    }
}

/// What a record says of an answer.
fn answer_digest(answer: &[u8]) -> Hash {
    let mut hasher = Hasher::for_domain("karyon recalled v1");
    hasher.update(answer);
    hasher.finish()
}

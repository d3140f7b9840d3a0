//! Forwards: what came of it, and what came of that.
//!
//! The way back, walked the other way: a fact leads to what its agent sent while it was the latest
//! fact that the agent had recorded; a message to the step that handled it; a step to the facts
//! that it recorded and to what it sent. A proposal leads to its approvals, an approval to the
//! intent that used it, an intent to its outcome; a grant to its leases, a lease to those cut from
//! it and to what was done under it.
//!
//! What an agent sent because something else prompted it, after which no fact was recorded and
//! nothing was sent, is counted and not listed.

mod acts;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use karyon_graph::{EntityId, Reader, View};
use karyon_lineage::Tie;
use karyon_log::{Cause, Decision, Message, Output, Record};
use karyon_memory_ops::{Content, Vertex};
use karyon_types::{AgentId, Position};

use super::{LineageError, Link, Subject, What, end_of_attempts, link_of, output_link};
use crate::journal::{Found, Journal, JournalError};

use acts::under;

/// Records that are looked at for each link that may be shown: an agent may have sent a lot of
/// which nothing came.
const LOOKS_PER_LINK: usize = 100;

/// How far to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many records away, counted from the first.
    pub depth: usize,
    /// How many links in all.
    pub links: usize,
}

/// What came of something, the nearest first: a tree, or several.
#[derive(Clone, Debug, PartialEq)]
pub struct Consequences {
    /// The links; none stands before that of which it came.
    pub links: Vec<Consequence>,
    /// What is not among them.
    pub left_out: LeftOut,
}

impl Consequences {
    /// The links that were asked about, by their places.
    pub fn roots(&self) -> impl DoubleEndedIterator<Item = usize> {
        self.of_parent(None)
    }

    /// The links that came of one, by their places.
    pub fn of(&self, parent: usize) -> impl DoubleEndedIterator<Item = usize> {
        self.of_parent(Some(parent))
    }

    /// Breadth first, what came of one link stands together.
    fn of_parent(&self, parent: Option<usize>) -> impl DoubleEndedIterator<Item = usize> {
        let rank = |parent: Option<usize>| parent.map_or(0, |parent| parent + 1);
        let first = self.links.partition_point(|link| rank(link.parent) < rank(parent));
        let behind = self.links.partition_point(|link| rank(link.parent) <= rank(parent));
        first..behind
    }
}

/// One link of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Consequence {
    /// The link itself.
    pub link: Link,
    /// Of which link it came, by its place among them; `None`: it is what was asked about.
    pub parent: Option<usize>,
    /// How many records away.
    pub depth: usize,
    /// The external input that prompted it.
    pub input: Option<u32>,
    /// The record that handled or lost it, if it is a message.
    pub handled: Option<Box<Link>>,
    /// How many more messages were sent, after which no fact was recorded and nothing was sent.
    pub barren: usize,
}

/// What is not in the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Links of which more came than the depth allows to show.
    pub deeper: usize,
    /// Whether there are more links than may be shown, or more records than may be looked at.
    pub more: bool,
}

/// Follows what came of `subject`, breadth first, each record once.
///
/// # Errors
/// See [`LineageError`].
pub fn consequences(
    subject: Subject,
    bounds: Bounds,
    journal: &mut Journal,
    reader: &Reader,
) -> Result<Consequences, LineageError> {
    let looks = bounds.links.saturating_mul(LOOKS_PER_LINK);
    let mut tree = Tree {
        journal,
        reader,
        bounds,
        looks,
        links: Vec::new(),
        seeds: Vec::new(),
        seen: BTreeSet::new(),
        facts: BTreeMap::new(),
        left_out: LeftOut::default(),
    };
    tree.plant(subject)?;
    let mut next = 0;
    while let Some(seed) = tree.seeds.get(next).copied() {
        tree.expand(next, seed)?;
        next += 1;
    }
    Ok(Consequences { links: tree.links, left_out: tree.left_out })
}

/// From where a link is followed.
#[derive(Clone, Copy)]
enum Seed {
    /// What the agent sent from this step on, in records before `until`.
    Known { agent: AgentId, step: u64, until: Position },
    /// What this record led to.
    Record(Position),
    /// Nothing follows.
    Leaf,
}

/// A fact of an agent about itself.
struct Fact {
    step: u64,
    output: u16,
    link: Link,
}

struct Tree<'a> {
    journal: &'a mut Journal,
    reader: &'a Reader,
    bounds: Bounds,
    looks: usize,
    links: Vec<Consequence>,
    /// For each link.
    seeds: Vec<Seed>,
    /// Records, and outputs in records, that are in the tree.
    seen: BTreeSet<(Position, Option<u16>)>,
    facts: BTreeMap<AgentId, Rc<Vec<Fact>>>,
    left_out: LeftOut,
}

/// Whether more may be added to the same parent.
type More = Result<bool, LineageError>;

impl Tree<'_> {
    fn plant(&mut self, subject: Subject) -> Result<(), LineageError> {
        let position = match subject {
            Subject::Agent(agent) => {
                let facts = self.facts(agent)?;
                if !facts.is_empty() {
                    self.all_facts(None, &facts, agent, |_| true)?;
                    return Ok(());
                }
                let mut born = self.journal.tied(Tie::Agent, agent.0)?;
                match born.next().transpose()? {
                    Some(position) => position,
                    None => return Ok(()),
                }
            }
            Subject::Record(position) => position,
        };
        let end = self.journal.end();
        let found = self.journal.record(position)?;
        let found = found.ok_or(LineageError::NoRecord { position, end })?;
        self.record(None, &found).map(drop)
    }

    /// Adds a link; `false`: there is no room for it or its like.
    fn add(&mut self, place: (Position, Option<u16>), new: Consequence, seed: Seed) -> bool {
        if self.seen.contains(&place) {
            return true;
        }
        if new.depth > self.bounds.depth {
            self.left_out.deeper += 1;
            return false;
        }
        if self.links.len() >= self.bounds.links {
            self.left_out.more = true;
            return false;
        }
        self.seen.insert(place);
        self.links.push(new);
        self.seeds.push(seed);
        true
    }

    /// A link that came of `parent`.
    fn below(&self, parent: Option<usize>, link: Link) -> Consequence {
        let above = parent.and_then(|parent| self.links.get(parent));
        let depth = above.map_or(0, |above| {
            let stays = above.link.position == link.position;
            above.depth + usize::from(!stays)
        });
        Consequence { link, parent, depth, input: None, handled: None, barren: 0 }
    }

    /// Adds a whole record.
    fn record(&mut self, parent: Option<usize>, found: &Found) -> More {
        let position = found.position;
        let record = found.record().ok_or(JournalError::Unreadable { position })?;
        let input = match record {
            Record::Step { cause: Cause::Input(input), .. } => Some(input),
            _ => None,
        };
        let new = Consequence { input, ..self.below(parent, link_of(found, record)) };
        Ok(self.add((position, None), new, Seed::Record(position)))
    }

    fn expand(&mut self, parent: usize, seed: Seed) -> Result<(), LineageError> {
        match seed {
            Seed::Leaf => Ok(()),
            Seed::Known { agent, step, until } => self.known(parent, agent, step, until),
            Seed::Record(position) => {
                let found = self.found(position)?;
                let record = found.record().ok_or(JournalError::Unreadable { position })?;
                self.after(parent, &found, &record)
            }
        }
    }

    /// Adds what an agent sent from a step on.
    fn known(
        &mut self,
        parent: usize,
        agent: AgentId,
        step: u64,
        until: Position,
    ) -> Result<(), LineageError> {
        for handled in self.journal.handled_of(agent, step)? {
            let (message, handled) = handled?;
            if !self.look() {
                break;
            }
            let missing = LineageError::NoCause { agent, step: message.step, effect: handled };
            let Some(found) = self.journal.step(agent, message.step, handled)? else {
                // Others were told that it crashed.
                if self.journal.crashes(agent, message.step)?.is_empty() {
                    return Err(missing);
                }
                if handled >= until {
                    break;
                }
                let told = self.found(handled)?;
                if !self.record(Some(parent), &told)? {
                    break;
                }
                continue;
            };
            if found.position >= until {
                break;
            }
            let own = self.links.get(parent).map(|link| link.link.position);
            if own != Some(found.position) && self.is_barren(handled)? {
                if self.seen.insert((found.position, Some(message.output)))
                    && let Some(parent) = self.links.get_mut(parent)
                {
                    parent.barren += 1;
                }
            } else if !self.sent(parent, &found, message, Some(handled))? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the step that handled something recorded no fact and sent nothing.
    fn is_barren(&mut self, handled: Position) -> More {
        let found = self.found(handled)?;
        Ok(match found.record() {
            Some(Record::Step { agent, outputs, .. }) => {
                let sends = outputs.iter().any(|output| is_message(output));
                let facts = self.facts(agent)?;
                !sends && !facts.iter().any(|fact| fact.link.position == handled)
            }
            _ => false,
        })
    }

    /// Adds a message, with the record that handled it.
    fn sent(
        &mut self,
        parent: usize,
        found: &Found,
        message: Message,
        handled: Option<Position>,
    ) -> More {
        let position = found.position;
        let Some(Record::Step { cause, outputs, .. }) = found.record() else {
            return Err(JournalError::Changed { position }.into());
        };
        let Some(output) = outputs.get(usize::from(message.output)) else {
            return Err(JournalError::Changed { position }.into());
        };
        let input = match cause {
            Cause::Input(input) => Some(input),
            Cause::Message(_)
            | Cause::Denial(_)
            | Cause::Timer(_)
            | Cause::Down(_)
            | Cause::Exit(_)
            | Cause::Spawn(_)
            | Cause::Told(_) => None,
        };
        let (mut by, mut seed) = (None, Seed::Leaf);
        if let Some(handled) = handled {
            let found = self.found(handled)?;
            let record = found.record().ok_or(JournalError::Unreadable { position: handled })?;
            by = Some(Box::new(link_of(&found, record)));
            seed = Seed::Record(handled);
        }
        let link = output_link(found, message, output);
        let new = Consequence { input, handled: by, ..self.below(Some(parent), link) };
        let added = self.add((position, Some(message.output)), new, seed);
        if let Some(handled) = handled.filter(|_| added) {
            self.seen.insert((handled, None));
        }
        Ok(added)
    }

    /// Adds what a record led to.
    fn after(
        &mut self,
        parent: usize,
        found: &Found,
        record: &Record<'_>,
    ) -> Result<(), LineageError> {
        let position = found.position;
        match record {
            Record::Step { agent, step, outputs, .. } => {
                self.stepped(parent, found, *agent, *step, outputs)
            }
            Record::Spawn { agent, .. } => {
                let facts = self.facts(*agent)?;
                let first = facts.first().map_or(Position(u64::MAX), |fact| fact.link.position);
                self.all_facts(Some(parent), &facts, *agent, |_| true)?;
                self.known(parent, *agent, 0, first)
            }
            Record::Crash { agent, step, .. } => {
                let Some(next) = end_of_attempts(self.journal, *agent, *step)? else {
                    return Ok(());
                };
                if self.record(Some(parent), &next)?
                    && matches!(next.record(), Some(Record::DeadLetter { .. }))
                {
                    // It ended there, and whoever is bound to it is told.
                    let end = Message { from: *agent, step: *step, output: 0 };
                    let told = self.journal.handled(end)?;
                    self.told(parent, told.into_iter())?;
                }
                Ok(())
            }
            Record::DeadLetter { agent, .. } => {
                let before = self.journal.record(Position(position.0.saturating_sub(1)))?;
                match before.as_ref().and_then(Found::record) {
                    Some(Record::Crash { agent: whose, step, .. }) if whose == *agent => {
                        self.crashes(parent, *agent, step).map(drop)
                    }
                    _ => Ok(()),
                }
            }
            Record::Lease(lease) => {
                self.tied(parent, position, &under(lease.id.0))?;
                self.done_under(parent, lease, position)
            }
            Record::Control(control) => self.control(parent, position, control),
            Record::Schedule(_)
            | Record::Tick(_)
            | Record::Input { .. }
            | Record::Change { .. }
            | Record::Order { .. }
            | Record::Lost { .. } => Ok(()),
            Record::Told { by, .. } => {
                let handled = self.journal.handled(*by)?;
                self.told(parent, handled.into_iter()).map(drop)
            }
            Record::Supervised { agent, step, .. } => {
                // Whoever is bound to an agent that its supervisor ended is told of that.
                let end = Message { from: *agent, step: *step, output: 0 };
                let told = self.journal.handled(end)?;
                self.told(parent, told.into_iter()).map(drop)
            }
        }
    }

    /// Adds the crashes before a step, the facts that it recorded, and what it sent.
    fn stepped(
        &mut self,
        parent: usize,
        found: &Found,
        agent: AgentId,
        step: u64,
        outputs: &[Output<'_>],
    ) -> Result<(), LineageError> {
        if !self.crashes(parent, agent, step)? {
            return Ok(());
        }
        let facts = self.facts(agent)?;
        let here = |fact: &Fact| fact.link.position == found.position;
        if !self.all_facts(Some(parent), &facts, agent, here)? {
            return Ok(());
        }
        for (output, sent) in (0..).zip(outputs) {
            let message = Message { from: agent, step, output };
            if is_message(sent) {
                let handled = self.journal.handled(message)?.into_iter().next();
                if !self.sent(parent, found, message, handled)? {
                    return Ok(());
                }
            } else if may_follow(sent) && !self.all_of(parent, found, message)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds what came of an output that may be answered many times: a timer that fires again and
    /// again, an end that is told to many. Nothing, if nothing came of it.
    fn all_of(&mut self, parent: usize, found: &Found, message: Message) -> More {
        let mut handled = self.journal.handled(message)?.into_iter();
        let Some(first) = handled.next() else { return Ok(true) };
        if !self.sent(parent, found, message, Some(first))? {
            return Ok(false);
        }
        self.told(parent, handled)
    }

    /// Adds records that came of `parent`.
    fn told(&mut self, parent: usize, records: impl Iterator<Item = Position>) -> More {
        for record in records {
            let found = self.found(record)?;
            if !self.record(Some(parent), &found)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds an agent's crashes in a step that came of `parent`.
    fn crashes(&mut self, parent: usize, agent: AgentId, step: u64) -> More {
        let cause = self.links.get(parent).map(|parent| parent.link.position);
        for crash in self.journal.crashes(agent, step)? {
            let found = self.found(crash)?;
            let record = found.record().ok_or(JournalError::Unreadable { position: crash })?;
            let seed = match record {
                Record::Crash { decision: Decision::Redelivered, .. } => Seed::Leaf,
                _ => Seed::Record(crash),
            };
            let new = self.below(Some(parent), link_of(&found, record));
            if cause < Some(crash) && !self.add((crash, None), new, seed) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds those facts of an agent for which `is_it` holds.
    fn all_facts(
        &mut self,
        parent: Option<usize>,
        facts: &[Fact],
        agent: AgentId,
        is_it: impl Fn(&Fact) -> bool,
    ) -> More {
        for fact in facts.iter().filter(|fact| is_it(fact)) {
            let position = fact.link.position;
            let later = facts.iter().map(|other| other.link.position);
            let until = later.filter(|later| *later > position).min();
            let until = until.unwrap_or(Position(u64::MAX));
            let new = self.below(parent, fact.link.clone());
            let seed = Seed::Known { agent, step: fact.step, until };
            if !self.add((position, Some(fact.output)), new, seed) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All facts that an agent recorded about itself, in the order of the log.
    fn facts(&mut self, agent: AgentId) -> Result<Rc<Vec<Fact>>, LineageError> {
        if let Some(facts) = self.facts.get(&agent) {
            return Ok(facts.clone());
        }
        let mut facts = Vec::new();
        let vertex = self.reader.find_vertex(None, &Vertex::Agent(agent))?;
        let entities = match vertex {
            Some(vertex) => self.reader.entities_of(vertex)?,
            None => Vec::new(),
        };
        for entity in entities {
            let EntityId::Fact { predicate, .. } = &entity else { continue };
            for version in self.reader.history(&entity, &View::NOW)? {
                let recorded = &version.recorded;
                let Content::Present { properties, .. } = version.content else { continue };
                // What others wrote about the agent is not what it knew.
                let Some(output) = recorded.output.filter(|_| recorded.agent == agent) else {
                    continue;
                };
                let link = Link {
                    position: recorded.position,
                    tick: Some(recorded.tick),
                    agent: Some(agent),
                    lease: Some(recorded.lease),
                    what: What::Fact {
                        predicate: predicate.clone(),
                        valid: version.valid,
                        properties,
                    },
                };
                facts.push(Fact { step: recorded.step, output, link });
            }
        }
        facts.sort_by_key(|fact| (fact.link.position, fact.output));
        let facts = Rc::new(facts);
        self.facts.insert(agent, facts.clone());
        Ok(facts)
    }

    fn found(&mut self, position: Position) -> Result<Found, LineageError> {
        let found = self.journal.record(position)?;
        Ok(found.ok_or(JournalError::Changed { position })?)
    }

    /// Whether one more record may be looked at.
    fn look(&mut self) -> bool {
        let left = self.looks.checked_sub(1);
        self.left_out.more |= left.is_none();
        self.looks = left.unwrap_or(0);
        left.is_some()
    }
}

fn is_message(output: &Output<'_>) -> bool {
    match output {
        Output::Sent { .. } | Output::Denied { .. } | Output::Unarranged { .. } => true,
        Output::Exit
        | Output::Arranged { .. }
        | Output::Remembered { .. }
        | Output::Forgone { .. }
        | Output::DeniedAgain { .. } => false,
    }
}

/// Whether an output that is no message may have been followed by something: timers, and ends.
fn may_follow(output: &Output<'_>) -> bool {
    match output {
        Output::Arranged { .. } | Output::Exit => true,
        Output::Sent { .. }
        | Output::Denied { .. }
        | Output::Unarranged { .. }
        | Output::Remembered { .. }
        | Output::Forgone { .. }
        | Output::DeniedAgain { .. } => false,
    }
}

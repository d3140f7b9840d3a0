//! Questions to the memory and their answers, as they travel between an agent and the memory.

use karyon_types::{AgentId, Tick, varint};

use crate::codec::{get_bytes, get_name, get_time, get_vertex, put_name, put_time, put_vertex};
use crate::limits::{ANSWER_BYTES_MAX, ANSWER_MEMORIES_MAX};
use crate::{Content, Properties, Time, Value, Vertex, Write, WriteError};

/// What a question asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The facts about somebody that hold.
    Facts(Vertex),
    /// The one of this predicate, if it holds.
    Fact(Vertex, String),
    /// Every version of it, the last ones where there are too many.
    History(Vertex, String),
    /// The edges of somebody that hold, in both directions: of this type, or of any.
    Edges(Vertex, Option<String>),
    /// How many facts of this predicate hold, about anybody.
    CountFacts(String),
    /// How many edges of this type hold, between anybody.
    CountEdges(String),
}

/// A question to the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What it asks for.
    pub wanted: Wanted,
    /// The moment of valid time that it asks about; `None`: the end of time, what holds if nothing
    /// more is written.
    pub at: Option<Time>,
}

mod tag {
    pub(super) const FACTS: u8 = 1;
    pub(super) const FACT: u8 = 2;
    pub(super) const HISTORY: u8 = 3;
    pub(super) const EDGES: u8 = 4;
    pub(super) const EDGES_OF_TYPE: u8 = 5;
    pub(super) const COUNT_FACTS: u8 = 6;
    pub(super) const COUNT_EDGES: u8 = 7;
    /// Of a question that has a moment.
    pub(super) const AT: u8 = 64;
}

impl Query {
    fn new(wanted: Wanted) -> Query {
        Query { wanted, at: None }
    }

    /// The facts about somebody that hold.
    pub fn facts(of: impl Into<Vertex>) -> Query {
        Query::new(Wanted::Facts(of.into()))
    }

    /// The fact of this predicate about somebody, if it holds.
    pub fn fact(of: impl Into<Vertex>, predicate: &str) -> Query {
        Query::new(Wanted::Fact(of.into(), predicate.into()))
    }

    /// Every version of the fact of this predicate about somebody, those that end it included, in
    /// the order in which they begin.
    pub fn history(of: impl Into<Vertex>, predicate: &str) -> Query {
        Query::new(Wanted::History(of.into(), predicate.into()))
    }

    /// The edges of somebody that hold, whatever their type and their direction.
    pub fn edges(of: impl Into<Vertex>) -> Query {
        Query::new(Wanted::Edges(of.into(), None))
    }

    /// The edges of somebody that hold and have this type.
    pub fn edges_of_type(of: impl Into<Vertex>, kind: &str) -> Query {
        Query::new(Wanted::Edges(of.into(), Some(kind.into())))
    }

    /// How many facts of this predicate hold, about anybody.
    pub fn count_facts(predicate: &str) -> Query {
        Query::new(Wanted::CountFacts(predicate.into()))
    }

    /// How many edges of this type hold, between anybody.
    pub fn count_edges(kind: &str) -> Query {
        Query::new(Wanted::CountEdges(kind.into()))
    }

    /// The same about a moment of valid time; of a history, what had begun by then.
    #[must_use]
    pub fn at(self, moment: Time) -> Query {
        Query { at: Some(moment), ..self }
    }

    /// The agent that it is about; `None`: what is asked is about no agent, or about more than one.
    pub fn about(&self) -> Option<AgentId> {
        match &self.wanted {
            Wanted::Facts(of)
            | Wanted::Fact(of, _)
            | Wanted::History(of, _)
            | Wanted::Edges(of, _) => match of {
                Vertex::Agent(agent) => Some(*agent),
                Vertex::Named(_) => None,
            },
            Wanted::CountFacts(_) | Wanted::CountEdges(_) => None,
        }
    }

    /// Appends the question.
    ///
    /// # Errors
    /// [`WriteError::Name`] and [`WriteError::NoAgent`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let at = if self.at.is_some() { tag::AT } else { 0 };
        let (kind, of, name) = match &self.wanted {
            Wanted::Facts(of) => (tag::FACTS, Some(of), None),
            Wanted::Fact(of, predicate) => (tag::FACT, Some(of), Some(predicate)),
            Wanted::History(of, predicate) => (tag::HISTORY, Some(of), Some(predicate)),
            Wanted::Edges(of, None) => (tag::EDGES, Some(of), None),
            Wanted::Edges(of, Some(kind)) => (tag::EDGES_OF_TYPE, Some(of), Some(kind)),
            Wanted::CountFacts(predicate) => (tag::COUNT_FACTS, None, Some(predicate)),
            Wanted::CountEdges(kind) => (tag::COUNT_EDGES, None, Some(kind)),
        };
        out.push(kind | at);
        of.map_or(Ok(()), |of| put_vertex(out, of))?;
        name.map_or(Ok(()), |name| put_name(out, name))?;
        if let Some(at) = self.at {
            put_time(out, at);
        }
        Ok(())
    }

    /// Reads a question; `None` when the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Option<Query> {
        let (&tags, mut rest) = bytes.split_first()?;
        let b = &mut rest;
        let wanted = match tags & !tag::AT {
            tag::FACTS => Wanted::Facts(get_vertex(b)?),
            tag::FACT => Wanted::Fact(get_vertex(b)?, get_name(b)?),
            tag::HISTORY => Wanted::History(get_vertex(b)?, get_name(b)?),
            tag::EDGES => Wanted::Edges(get_vertex(b)?, None),
            tag::EDGES_OF_TYPE => Wanted::Edges(get_vertex(b)?, Some(get_name(b)?)),
            tag::COUNT_FACTS => Wanted::CountFacts(get_name(b)?),
            tag::COUNT_EDGES => Wanted::CountEdges(get_name(b)?),
            _ => return None,
        };
        let at = if tags & tag::AT != 0 { Some(get_time(b)?) } else { None };
        b.is_empty().then_some(Query { wanted, at })
    }
}

/// One memory of an answer, and which step of whom it comes from. Not where in the log it lies:
/// that is another place in a run that was interrupted.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// What was written.
    pub write: Write,
    /// In which tick.
    pub tick: Tick,
    /// By whom.
    pub agent: AgentId,
    /// In which of its steps.
    pub step: u64,
}

impl Remembered {
    /// What it says; `None`: that there is nothing any more.
    pub fn properties(&self) -> Option<&Properties> {
        match &self.write.content {
            Content::Present { properties, .. } => Some(properties),
            Content::Ended => None,
        }
    }

    /// One property of it.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties()?.get(name)
    }
}

/// The answer to a question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memories {
    /// What holds, at most [`ANSWER_MEMORIES_MAX`] and [`ANSWER_BYTES_MAX`] bytes of them; none, if
    /// only their number was asked for.
    pub memories: Vec<Remembered>,
    /// How many there are in all.
    pub count: u64,
    /// Some of them are left out, because they are too many or too long.
    pub is_cut: bool,
}

impl Memories {
    /// The answer that holds these, in this order, as far as there is room. `count` is how many
    /// there are in all.
    ///
    /// # Errors
    /// [`WriteError`] for a memory that no log can hold.
    pub fn encode(
        memories: impl IntoIterator<Item = Remembered>,
        count: u64,
    ) -> Result<Vec<u8>, WriteError> {
        let (mut body, mut held, mut is_cut) = (Vec::new(), 0, false);
        for Remembered { write, tick, agent, step } in memories {
            let before = body.len();
            let mut bytes = Vec::new();
            write.encode(&mut bytes)?;
            for number in [tick.0, agent.0, step, bytes.len() as u64] {
                varint::write(&mut body, number);
            }
            body.extend_from_slice(&bytes);
            if held == ANSWER_MEMORIES_MAX || body.len() > ANSWER_BYTES_MAX {
                body.truncate(before);
                is_cut = true;
                break;
            }
            held += 1;
        }
        let is_cut = is_cut || held > 0 && (held as u64) < count;
        let mut answer = vec![u8::from(is_cut)];
        varint::write(&mut answer, count);
        varint::write(&mut answer, held as u64);
        answer.extend_from_slice(&body);
        Ok(answer)
    }

    /// Reads an answer; `None` when the bytes are not exactly one.
    pub fn decode(bytes: &[u8]) -> Option<Memories> {
        let (&cut, mut rest) = bytes.split_first()?;
        let b = &mut rest;
        let is_cut = match cut {
            0 => false,
            1 => true,
            _ => return None,
        };
        let count = varint::read(b)?;
        let held = varint::read(b)?;
        let mut memories = Vec::new();
        for _ in 0..held {
            let (tick, agent) = (Tick(varint::read(b)?), AgentId(varint::read(b)?));
            let (step, write) = (varint::read(b)?, Write::decode(get_bytes(b)?)?);
            memories.push(Remembered { write, tick, agent, step });
        }
        b.is_empty().then_some(Memories { memories, count, is_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entity, Valid};
    use proptest::prelude::*;

    fn query() -> impl Strategy<Value = Query> {
        let vertex = prop_oneof![
            (1u64..).prop_map(|serial| Vertex::Agent(AgentId(serial))),
            "[a-z]{1,9}".prop_map(Vertex::Named),
        ];
        let at = prop::option::of((any::<i64>(), 0u32..1_000_000_000));
        (0u8..7, vertex, "[a-z]{1,9}", at).prop_map(|(kind, of, name, at)| Query {
            wanted: match kind {
                0 => Wanted::Facts(of),
                1 => Wanted::Fact(of, name),
                2 => Wanted::History(of, name),
                3 => Wanted::Edges(of, None),
                4 => Wanted::Edges(of, Some(name)),
                5 => Wanted::CountFacts(name),
                _ => Wanted::CountEdges(name),
            },
            at: at.and_then(|(units, nanos)| Time::new(units, nanos)),
        })
    }

    fn memory(text: &str) -> Remembered {
        let entity = Entity::Fact { subject: Vertex::Agent(AgentId(3)), predicate: "said".into() };
        let content = Content::with([("what", Value::Text(text.into()))]);
        let write = Write { entity, valid: Valid::since(Time::MIN), content };
        Remembered { write, tick: Tick(7), agent: AgentId(3), step: 300 }
    }

    proptest! {
        #[test]
        fn questions_come_back(query in query()) {
            let mut bytes = Vec::new();
            query.encode(&mut bytes).unwrap();
            prop_assert_eq!(Query::decode(&bytes), Some(query));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            if let Some(query) = Query::decode(&bytes) {
                let mut again = Vec::new();
                query.encode(&mut again).unwrap();
                prop_assert_eq!(&again, &bytes);
            }
            drop(Memories::decode(&bytes));
        }
    }

    #[test]
    fn an_answer_comes_back() {
        let memories = vec![memory("one"), memory("two")];
        let bytes = Memories::encode(memories.clone(), 2).unwrap();
        let recalled = Memories { memories, count: 2, is_cut: false };
        assert_eq!(Memories::decode(&bytes), Some(recalled));
        assert_eq!(Memories::decode(&[]), None);
    }

    #[test]
    fn what_is_too_much_is_left_out_and_said() {
        let many = (0..ANSWER_MEMORIES_MAX + 1).map(|_| memory("one"));
        let bytes = Memories::encode(many, 99).unwrap();
        let recalled = Memories::decode(&bytes).unwrap();
        assert_eq!((recalled.memories.len(), recalled.is_cut), (ANSWER_MEMORIES_MAX, true));
        assert_eq!(recalled.count, 99);
        let long = "x".repeat(60 * 1024);
        let bytes = Memories::encode((0..3).map(|_| memory(&long)), 3).unwrap();
        let recalled = Memories::decode(&bytes).unwrap();
        assert_eq!((recalled.memories.len(), recalled.is_cut), (1, true));
        assert!(bytes.len() <= ANSWER_BYTES_MAX + 16);
    }
}

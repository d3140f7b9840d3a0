//! Memories that somebody answers for: what a principal records about a subject, with an owner, a
//! horizon and a reason. Each is a fact; what it says is sealed under a key of the subject, and what
//! it rests on stays readable when that key is gone.

use karyon_types::{LogId, Position};

use crate::{Content, Properties, Time, Value};

/// What a memory is to whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemoKind {
    /// Something that is so.
    Fact,
    /// Something that was decided, and binds until it is superseded.
    Decision,
    /// Something that was learned, and should be minded.
    Lesson,
    /// Something that was seen, whatever it means.
    Observation,
}

impl MemoKind {
    /// All of them, in the order of a briefing.
    pub const ALL: [MemoKind; 4] =
        [MemoKind::Decision, MemoKind::Lesson, MemoKind::Fact, MemoKind::Observation];

    /// Its name, in records and commands.
    pub fn name(self) -> &'static str {
        match self {
            MemoKind::Fact => "fact",
            MemoKind::Decision => "decision",
            MemoKind::Lesson => "lesson",
            MemoKind::Observation => "observation",
        }
    }

    /// The kind of a name.
    pub fn of_name(name: &str) -> Option<MemoKind> {
        MemoKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What only the key of a subject opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The subject's serial among the keys.
    pub subject: u64,
    /// Which of the subject's keys.
    pub index: u32,
    /// The ciphertext with its tag.
    pub bytes: Vec<u8>,
}

/// Where a memory was recorded that came in an engram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// In this log.
    pub log: LogId,
    /// Whose engrams were signed by this key.
    pub signer: [u8; 32],
    /// The record there.
    pub record: Position,
    /// The log and the record by which it came into the world: these, unless it came there in an
    /// engram, too.
    pub first: (LogId, Position),
}

/// A memory that somebody answers for, without its subject and its key, which are those of the
/// fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memo {
    /// What it is.
    pub kind: MemoKind,
    /// Who answers for it, by name.
    pub owner: String,
    /// Why it is kept.
    pub reason: String,
    /// The last second, since 1970, to which it is kept; `None`: until somebody erases it.
    pub horizon: Option<i64>,
    /// The record of the memory that it replaces.
    pub supersedes: Option<Position>,
    /// Where it was recorded at first; `None`: here.
    pub origin: Option<Origin>,
    /// What it says.
    pub sealed: Sealed,
}

const KIND: &str = "kind";
const OWNER: &str = "owner";
const REASON: &str = "reason";
const HORIZON: &str = "horizon";
const SUPERSEDES: &str = "supersedes";
const ORIGIN: &str = "origin";
const SUBJECT: &str = "subject";
const INDEX: &str = "index";
const SEALED: &str = "sealed";

impl Memo {
    /// The content of its fact.
    pub fn content(&self) -> Content {
        let horizon = self.horizon.and_then(|second| Time::new(second, 0));
        let supersedes = self.supersedes.and_then(|record| i64::try_from(record.0).ok());
        let origin = self.origin.map(|Origin { log, signer, record, first }| {
            let bytes = |bytes: &[u8]| Value::Bytes(bytes.into());
            let number = |record: Position| Value::Int(record.0.cast_signed());
            let (log, signer, record) = (bytes(&log.0), bytes(&signer), number(record));
            let first = [bytes(&first.0.0), number(first.1)];
            (ORIGIN, Value::List([log, signer, record].into_iter().chain(first).collect()))
        });
        let always = [
            (KIND, self.kind.name().into()),
            (OWNER, self.owner.clone().into()),
            (REASON, self.reason.clone().into()),
            (HORIZON, horizon.map_or(Value::Null, Value::Time)),
            (SUPERSEDES, supersedes.map_or(Value::Null, Value::Int)),
            (SUBJECT, Value::Int(self.sealed.subject.cast_signed())),
            (INDEX, Value::Int(self.sealed.index.into())),
            (SEALED, Value::Bytes(self.sealed.bytes.clone())),
        ];
        Content::with(always.into_iter().chain(origin))
    }

    /// The memory of a fact's content; `None` when it is none.
    pub fn of(content: &Content) -> Option<Memo> {
        let Content::Present { labels, properties } = content else { return None };
        let memo = Memo::read(properties)?;
        // Nothing else stands in it, so it has one form.
        (labels.is_empty() && memo.content() == *content).then_some(memo)
    }

    fn read(properties: &Properties) -> Option<Memo> {
        let text = |name| match properties.get(name)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let number = |name| match properties.get(name)? {
            Value::Int(number) => Some(*number),
            _ => None,
        };
        let Value::Bytes(bytes) = properties.get(SEALED)? else { return None };
        let sealed = Sealed {
            subject: number(SUBJECT)?.cast_unsigned(),
            index: u32::try_from(number(INDEX)?).ok()?,
            bytes: bytes.clone(),
        };
        let horizon = match properties.get(HORIZON)? {
            Value::Time(time) => Some(time.units()),
            _ => None,
        };
        let supersedes = number(SUPERSEDES).and_then(|record| u64::try_from(record).ok());
        Some(Memo {
            kind: MemoKind::of_name(&text(KIND)?)?,
            owner: text(OWNER)?,
            reason: text(REASON)?,
            horizon,
            supersedes: supersedes.map(Position),
            origin: properties.get(ORIGIN).and_then(origin),
            sealed,
        })
    }
}

fn origin(value: &Value) -> Option<Origin> {
    let Value::List(parts) = value else { return None };
    let [
        Value::Bytes(log),
        Value::Bytes(signer),
        Value::Int(record),
        Value::Bytes(first),
        Value::Int(first_record),
    ] = &parts[..]
    else {
        return None;
    };
    Some(Origin {
        log: LogId(log[..].try_into().ok()?),
        signer: signer[..].try_into().ok()?,
        record: Position(record.cast_unsigned()),
        first: (LogId(first[..].try_into().ok()?), Position(first_record.cast_unsigned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memos() -> impl Strategy<Value = Memo> {
        let kinds = prop::sample::select(&MemoKind::ALL[..]);
        let sealed = (any::<u64>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..9));
        let supersedes = prop::option::of(0..=i64::MAX as u64);
        let origins = prop::option::of((any::<[u8; 16]>(), any::<[u8; 32]>(), any::<u64>()));
        let replaced = (supersedes, origins);
        (kinds, ".{0,9}", ".{0,9}", any::<Option<i64>>(), replaced, sealed).prop_map(
            |(kind, owner, reason, horizon, (supersedes, origin), (subject, index, bytes))| Memo {
                kind,
                owner,
                reason,
                horizon,
                supersedes: supersedes.map(Position),
                origin: origin.map(|(log, signer, record)| Origin {
                    log: LogId(log),
                    signer,
                    record: Position(record),
                    first: (LogId(signer[..16].try_into().unwrap()), Position(record / 2)),
                }),
                sealed: Sealed { subject, index, bytes },
            },
        )
    }

    proptest! {
        #[test]
        fn comes_back(memo in memos()) {
            prop_assert_eq!(Memo::of(&memo.content()), Some(memo));
        }

        #[test]
        fn whatever_has_one_property_more_less_or_of_another_type_is_none(
            memo in memos(), which in 0..10usize,
        ) {
            let Content::Present { labels, mut properties } = memo.content() else { unreachable!() };
            match properties.keys().nth(which).cloned() {
                Some(name) => {
                    properties.insert(name.clone(), Value::Bool(true));
                    let other = Content::Present { labels: labels.clone(), properties: properties.clone() };
                    prop_assert_eq!(Memo::of(&other), None);
                    properties.remove(&name);
                    let other = Memo::of(&Content::Present { labels, properties });
                    // Without an origin it is one that was recorded here.
                    prop_assert_eq!(other.is_some(), name == ORIGIN);
                }
                None => {
                    properties.insert("more".into(), Value::Null);
                    prop_assert_eq!(Memo::of(&Content::Present { labels, properties }), None);
                }
            }
        }
    }
}

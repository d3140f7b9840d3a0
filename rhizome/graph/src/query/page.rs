//! Pages: where an answer was cut, as a text that leads on.

use std::fmt;
use std::ops::ControlFlow;
use std::str::FromStr;

use karyon_memory_ops::Time;
use karyon_types::{hash, varint};

use crate::GraphError;
use crate::model::{EntityId, Kind, Version, VertexId};

/// A part of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What it tells of, in the order of its question.
    pub items: Vec<T>,
    /// What to ask behind for more; `None`: that is all.
    pub next: Option<PageToken>,
}

/// The place at which an answer was cut: the key of the last item.
///
/// It is no place in a view, so it leads on in a newer view too, in a memory that was built
/// again, and in another program: as a text it is some 30 letters and digits. It is to be taken as
/// it is; what stands in it may change with the layout of the text, which it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(pub(super) Place);

/// Why an answer cannot be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The text is none that an answer gave.
    #[error("this is no page: give the text of `next` from the answer before, whole")]
    Unreadable,
    /// It comes from the answer to another question.
    #[error("this page is of another question: ask the one again that gave it")]
    OtherQuestion,
}

/// A place in the answer to one sort of question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Entity(EntityId),
    Version(EntityId, VersionPlace),
    Fact(EntityId),
    Listed(EntityId),
    /// Of which vertex, whether it ends there, the edge.
    Neighbour(VertexId, bool, EntityId),
    /// The distance, the vertex.
    Hop(u32, VertexId),
    Changed(EntityId),
}

/// A version among those of its entity, in the order in which they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionPlace {
    from: Time,
    position: u64,
    /// The output's number above 0.
    seq: u32,
    /// How many before it have the same place: imports can hold two memories of one place.
    twin: u64,
}

impl VersionPlace {
    /// The places of versions that are in order.
    pub(super) fn of(versions: &[Version]) -> Vec<VersionPlace> {
        let mut places: Vec<VersionPlace> = Vec::with_capacity(versions.len());
        for version in versions {
            let (from, recorded) = (version.valid.from, &version.recorded);
            let seq = recorded.output.map_or(0, |output| u32::from(output) + 1);
            let mut place = VersionPlace { from, position: recorded.position.0, seq, twin: 0 };
            if let Some(last) = places.last()
                && (last.from, last.position, last.seq) == (from, place.position, seq)
            {
                place.twin = last.twin + 1;
            }
            places.push(place);
        }
        places
    }
}

impl<T> Page<T> {
    /// Takes items from what is in order, until the page is full; the place of the last one is
    /// where the next begins. Whether there is one is known from the first item that has no room.
    pub(super) fn fill(
        items: impl IntoIterator<Item = Result<T, GraphError>>,
        limit: Option<usize>,
        mut holds: impl FnMut(&T) -> Result<bool, GraphError>,
        place: impl Fn(&T) -> Place,
    ) -> Result<Page<T>, GraphError> {
        let mut page = Page::empty();
        for item in items {
            let item = item?;
            if holds(&item)? && page.take(item, limit, &place).is_break() {
                break;
            }
        }
        Ok(page)
    }

    pub(super) fn empty() -> Page<T> {
        Page { items: Vec::new(), next: None }
    }

    /// Takes one more item, if there is room for it.
    pub(super) fn take(
        &mut self,
        item: T,
        limit: Option<usize>,
        place: impl Fn(&T) -> Place,
    ) -> ControlFlow<()> {
        if limit.is_some_and(|limit| self.items.len() >= limit) {
            self.next = self.items.last().map(|last| PageToken(place(last)));
            return ControlFlow::Break(());
        }
        self.items.push(item);
        ControlFlow::Continue(())
    }

    pub(super) fn map<U>(self, to: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(to).collect(), next: self.next }
    }
}

/// The layout of the text.
const FORMAT: u8 = 1;
/// Bytes of a hash behind the others, so that a text that was cut or misspelled is told from one
/// that leads elsewhere.
const SUM_BYTES: usize = 4;

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![FORMAT];
        self.0.write(&mut bytes);
        let sum = hash(&bytes);
        let sum = sum.0.iter().take(SUM_BYTES);
        bytes.iter().chain(sum).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PageToken {
    type Err = PageError;

    fn from_str(text: &str) -> Result<PageToken, PageError> {
        read(text).ok_or(PageError::Unreadable)
    }
}

fn read(text: &str) -> Option<PageToken> {
    let digits = text.as_bytes();
    let is_hex = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<u8> =
        pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
    let (said, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM_BYTES)?)?;
    let whole = is_hex && digits.len().is_multiple_of(2) && hash(said).0.starts_with(sum);
    let (format, mut rest) = said.split_first().filter(|_| whole)?;
    let place = (*format == FORMAT).then(|| Place::read(&mut rest))??;
    rest.is_empty().then_some(PageToken(place))
}

impl Place {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Place::Entity(entity) => write_entity(out, 0, entity),
            Place::Version(entity, version) => {
                write_entity(out, 1, entity);
                out.extend_from_slice(&version.from.to_sortable());
                for number in [version.position, u64::from(version.seq), version.twin] {
                    varint::write(out, number);
                }
            }
            Place::Fact(entity) => write_entity(out, 2, entity),
            Place::Listed(entity) => write_entity(out, 3, entity),
            Place::Neighbour(of, incoming, edge) => {
                write_entity(out, 4, edge);
                varint::write(out, of.0);
                out.push(u8::from(*incoming));
            }
            Place::Hop(distance, vertex) => {
                out.push(5);
                varint::write(out, u64::from(*distance));
                varint::write(out, vertex.0);
            }
            Place::Changed(entity) => write_entity(out, 6, entity),
        }
    }

    fn read(b: &mut &[u8]) -> Option<Place> {
        Some(match byte(b)? {
            0 => Place::Entity(read_entity(b)?),
            1 => {
                let entity = read_entity(b)?;
                let (from, rest) = b.split_first_chunk()?;
                *b = rest;
                let from = Time::from_sortable(*from)?;
                let position = varint::read(b)?;
                let seq = varint::read(b)?.try_into().ok()?;
                let twin = varint::read(b)?;
                Place::Version(entity, VersionPlace { from, position, seq, twin })
            }
            2 => Place::Fact(read_entity(b)?),
            3 => Place::Listed(read_entity(b)?),
            4 => {
                let edge = read_entity(b)?;
                let of = VertexId(varint::read(b)?);
                let incoming = match byte(b)? {
                    0 => false,
                    1 => true,
                    _ => return None,
                };
                Place::Neighbour(of, incoming, edge)
            }
            5 => Place::Hop(varint::read(b)?.try_into().ok()?, VertexId(varint::read(b)?)),
            6 => Place::Changed(read_entity(b)?),
            _ => return None,
        })
    }
}

fn byte(b: &mut &[u8]) -> Option<u8> {
    let (first, rest) = b.split_first()?;
    *b = rest;
    Some(*first)
}

fn write_entity(out: &mut Vec<u8>, question: u8, entity: &EntityId) {
    let (kind, subject, name, other) = match entity {
        EntityId::Vertex(vertex) => (Kind::Vertex, vertex, "", None),
        EntityId::Edge { from, kind, to } => (Kind::Edge, from, kind.as_str(), Some(to)),
        EntityId::Fact { subject, predicate } => (Kind::Fact, subject, predicate.as_str(), None),
    };
    out.extend([question, kind as u8]);
    varint::write(out, subject.0);
    if kind != Kind::Vertex {
        varint::write(out, name.len() as u64);
        out.extend_from_slice(name.as_bytes());
    }
    if let Some(other) = other {
        varint::write(out, other.0);
    }
}

fn read_entity(b: &mut &[u8]) -> Option<EntityId> {
    let kind = byte(b)?;
    let subject = VertexId(varint::read(b)?);
    if kind == Kind::Vertex as u8 {
        return Some(EntityId::Vertex(subject));
    }
    let (name, rest) = {
        let len = usize::try_from(varint::read(b)?).ok()?;
        b.split_at_checked(len)?
    };
    let name = std::str::from_utf8(name).ok()?.to_owned();
    *b = rest;
    if kind == Kind::Edge as u8 {
        return Some(EntityId::Edge { from: subject, kind: name, to: VertexId(varint::read(b)?) });
    }
    (kind == Kind::Fact as u8).then_some(EntityId::Fact { subject, predicate: name })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let (a, b) = (VertexId(3), VertexId(u64::MAX));
        let edge = EntityId::Edge { from: b, kind: "met ü".into(), to: a };
        let fact = EntityId::Fact { subject: a, predicate: "p".repeat(256) };
        let version =
            VersionPlace { from: Time::new(-7, 5).unwrap(), position: 300, seq: u32::MAX, twin: 1 };
        vec![
            Place::Entity(EntityId::Vertex(a)),
            Place::Version(fact.clone(), version),
            Place::Fact(fact.clone()),
            Place::Listed(edge.clone()),
            Place::Neighbour(a, true, edge.clone()),
            Place::Neighbour(b, false, edge.clone()),
            Place::Hop(7, b),
            Place::Changed(edge),
        ]
    }

    #[test]
    fn a_page_comes_back_from_its_text() {
        for place in places() {
            let token = PageToken(place);
            let text = token.to_string();
            assert_eq!(text.parse(), Ok(token));
        }
        let short = PageToken(Place::Listed(EntityId::Fact {
            subject: VertexId(1000),
            predicate: "heard".into(),
        }));
        assert_eq!(short.to_string().len(), 30);
    }

    #[test]
    fn a_text_that_is_not_whole_is_no_page() {
        let text = PageToken(Place::Hop(7, VertexId(9))).to_string();
        for cut in 0..text.len() {
            assert_eq!(text[..cut].parse::<PageToken>(), Err(PageError::Unreadable), "{cut}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(changed.parse::<PageToken>(), Err(PageError::Unreadable), "{changed}");
        }
        for text in ["", "x", "üü", "+1", &text.to_uppercase(), &format!("{text}00")] {
            assert_eq!(text.parse::<PageToken>(), Err(PageError::Unreadable), "{text}");
        }
    }

    /// What is well summed and yet says nothing: of another layout, of no question, too long.
    #[test]
    fn a_page_of_another_layout_is_refused() {
        let summed = |said: &[u8]| -> String {
            let sum = hash(said);
            said.iter().chain(&sum.0[..SUM_BYTES]).map(|byte| format!("{byte:02x}")).collect()
        };
        assert!(summed(&[FORMAT, 5, 1, 2]).parse::<PageToken>().is_ok());
        for said in [
            &[FORMAT + 1, 5, 1, 2][..],
            &[FORMAT, 99, 1, 2],
            &[FORMAT, 5, 1],
            &[FORMAT, 5, 1, 2, 3],
            &[FORMAT, 0, 7, 1, 1, b'a'],
            &[FORMAT, 4, 1, 1, 1, b'a', 2, 1, 2],
            &[FORMAT, 2, 2, 1, 1, 0xff],
            &[],
        ] {
            assert_eq!(summed(said).parse::<PageToken>(), Err(PageError::Unreadable), "{said:?}");
        }
    }
}

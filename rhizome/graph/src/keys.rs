//! Keys: fixed-width and big-endian, so that the order of bytes is the order of what they say.
//! [`tables`](crate::tables) shows where they stand.

use karyon_memory_ops::{Time, Vertex};
use karyon_types::{AgentId, LogId, Position};

use crate::model::{Kind, VertexId};

/// The number that stands where an entity has no name of its own.
pub(crate) const NO_NAME: u32 = 0;

/// An entity: subject (8), kind (1), name (4), other (8). All entities of a vertex, and all of
/// its edges of one type, have a common beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntityKey(pub(crate) [u8; EntityKey::BYTES]);

impl EntityKey {
    pub(crate) const BYTES: usize = 21;

    pub(crate) fn vertex(id: VertexId) -> EntityKey {
        EntityKey::new(id.0, Kind::Vertex, NO_NAME, 0)
    }

    pub(crate) fn edge(from: VertexId, name: u32, to: VertexId) -> EntityKey {
        EntityKey::new(from.0, Kind::Edge, name, to.0)
    }

    pub(crate) fn fact(subject: VertexId, name: u32) -> EntityKey {
        EntityKey::new(subject.0, Kind::Fact, name, 0)
    }

    pub(crate) fn new(subject: u64, kind: Kind, name: u32, other: u64) -> EntityKey {
        let mut key = [0; EntityKey::BYTES];
        let mut out = Bytes(&mut key);
        out.put(&subject.to_be_bytes());
        out.put(&[kind as u8]);
        out.put(&name.to_be_bytes());
        out.put(&other.to_be_bytes());
        EntityKey(key)
    }

    /// The least and the greatest key of a vertex.
    pub(crate) fn all_of(id: VertexId) -> (EntityKey, EntityKey) {
        (EntityKey::vertex(id), EntityKey::new(id.0, Kind::Fact, u32::MAX, u64::MAX))
    }

    /// The least and the greatest of all keys.
    pub(crate) fn ends() -> (EntityKey, EntityKey) {
        (EntityKey([0; EntityKey::BYTES]), EntityKey([u8::MAX; EntityKey::BYTES]))
    }

    pub(crate) fn subject(&self) -> VertexId {
        VertexId(u64::from_be_bytes(part(&self.0, 0)))
    }

    /// `None` when the key is damaged.
    pub(crate) fn kind(&self) -> Option<Kind> {
        let [number] = part(&self.0, 8);
        [Kind::Vertex, Kind::Edge, Kind::Fact].into_iter().find(|kind| *kind as u8 == number)
    }

    pub(crate) fn name(&self) -> u32 {
        u32::from_be_bytes(part(&self.0, 9))
    }

    pub(crate) fn other(&self) -> VertexId {
        VertexId(u64::from_be_bytes(part(&self.0, 13)))
    }
}

/// A version: its entity, valid from (12), position (8), the output's number above 0 (4): its
/// place in the log that it comes from. A sealed segment has the key of its oldest version, with
/// its CID (36) behind if it was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VersionKey(pub(crate) [u8; VersionKey::BYTES]);

impl VersionKey {
    pub(crate) const BYTES: usize = EntityKey::BYTES + 24;

    pub(crate) fn new(entity: &EntityKey, from: Time, position: Position, seq: u32) -> VersionKey {
        let mut key = [0; VersionKey::BYTES];
        let mut out = Bytes(&mut key);
        out.put(&entity.0);
        out.put(&from.to_sortable());
        out.put(&position.0.to_be_bytes());
        out.put(&seq.to_be_bytes());
        VersionKey(key)
    }

    /// The least key that any version of `entity` can have.
    pub(crate) fn first(entity: &EntityKey) -> VersionKey {
        VersionKey::new(entity, Time::MIN, Position(0), 0)
    }

    /// Behind every key of a version that begins at `from`: no output has this number.
    pub(crate) fn last(entity: &EntityKey, from: Time) -> VersionKey {
        VersionKey::new(entity, from, Position(u64::MAX), u32::MAX)
    }

    pub(crate) fn entity(&self) -> EntityKey {
        EntityKey(part(&self.0, 0))
    }
}

/// A memory that was imported: the log that it comes from (16), its CID.
pub(crate) fn imported_memory(origin: LogId, cid: &[u8]) -> Vec<u8> {
    [origin.0.as_slice(), cid].concat()
}

/// The neighbours of a vertex in one direction: vertex (8), 0 for out and 1 for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListKey(pub(crate) [u8; ListKey::BYTES]);

impl ListKey {
    pub(crate) const BYTES: usize = 9;

    pub(crate) fn new(vertex: u64, incoming: bool) -> ListKey {
        let mut key = [0; ListKey::BYTES];
        let mut out = Bytes(&mut key);
        out.put(&vertex.to_be_bytes());
        out.put(&[u8::from(incoming)]);
        ListKey(key)
    }

    pub(crate) fn vertex(&self) -> u64 {
        u64::from_be_bytes(part(&self.0, 0))
    }

    pub(crate) fn is_incoming(&self) -> bool {
        part(&self.0, 8) == [1]
    }

    /// The edge to or from another vertex.
    pub(crate) fn edge(&self, name: u32, other: u64) -> EntityKey {
        match self.is_incoming() {
            true => EntityKey::new(other, Kind::Edge, name, self.vertex()),
            false => EntityKey::new(self.vertex(), Kind::Edge, name, other),
        }
    }

    /// A sealed segment of the list: when it begins (12), how many lie before it (4).
    pub(crate) fn segment(&self, from: Time, number: u32) -> [u8; 25] {
        let mut key = [0; 25];
        let mut out = Bytes(&mut key);
        out.put(&self.0);
        out.put(&from.to_sortable());
        out.put(&number.to_be_bytes());
        key
    }

    /// A change that was recorded behind time: when it begins (12), type (4), the other (8).
    pub(crate) fn late(&self, from: Time, name: u32, other: u64) -> [u8; 33] {
        let mut key = [0; 33];
        let mut out = Bytes(&mut key);
        out.put(&self.0);
        out.put(&from.to_sortable());
        out.put(&name.to_be_bytes());
        out.put(&other.to_be_bytes());
        key
    }
}

/// The type and the other vertex of a row of `late`.
pub(crate) fn read_late(key: &[u8; 33]) -> (u32, u64) {
    (u32::from_be_bytes(part(key, 21)), u64::from_be_bytes(part(key, 25)))
}

/// A sealed segment by its entity and the least position in it (8).
pub(crate) fn recorded(entity: &EntityKey, position: u64) -> [u8; 29] {
    let mut key = [0; 29];
    let mut out = Bytes(&mut key);
    out.put(&entity.0);
    out.put(&position.to_be_bytes());
    key
}

/// An entity under an agent that wrote about it (8).
pub(crate) fn written(agent: u64, entity: &EntityKey) -> [u8; 29] {
    let mut key = [0; 29];
    let mut out = Bytes(&mut key);
    out.put(&agent.to_be_bytes());
    out.put(&entity.0);
    key
}

/// The entity of a row of `written`.
pub(crate) fn entity_of_written(key: &[u8; 29]) -> EntityKey {
    EntityKey(part(key, 8))
}

/// An entity under the moment at which a version of it ends (12).
pub(crate) fn ending(to: Time, entity: &EntityKey) -> [u8; 33] {
    let mut key = [0; 33];
    let mut out = Bytes(&mut key);
    out.put(&to.to_sortable());
    out.put(&entity.0);
    key
}

/// The moment and the entity of a row of `endings`; `None` when it is damaged.
pub(crate) fn read_ending(key: &[u8; 33]) -> Option<(Time, EntityKey)> {
    Some((Time::from_sortable(part(key, 0))?, EntityKey(part(key, 12))))
}

/// The row of an entity under a name: kind (1), name (4), subject (8), other (8).
pub(crate) fn by_name(kind: Kind, name: u32, subject: u64, other: u64) -> [u8; 21] {
    let mut key = [0; 21];
    let mut out = Bytes(&mut key);
    out.put(&[kind as u8]);
    out.put(&name.to_be_bytes());
    out.put(&subject.to_be_bytes());
    out.put(&other.to_be_bytes());
    key
}

/// The name in a row of `by_name`.
pub(crate) fn name_of_by_name(key: &[u8; 21]) -> u32 {
    u32::from_be_bytes(part(key, 1))
}

/// The entity that a row of `by_name` leads to; a vertex stands under its labels.
pub(crate) fn entity_of_by_name(kind: Kind, key: &[u8; 21]) -> EntityKey {
    let name = match kind {
        Kind::Vertex => NO_NAME,
        Kind::Edge | Kind::Fact => name_of_by_name(key),
    };
    let other = u64::from_be_bytes(part(key, 13));
    EntityKey::new(u64::from_be_bytes(part(key, 5)), kind, name, other)
}

/// Identities from here on are foreign ones.
pub(crate) const FOREIGN_IDENTITIES: &[u8] = &[1];

/// The identity of a vertex: own ones first, foreign ones by log; in each agents by serial, then
/// the others by name.
pub(crate) fn identity(origin: Option<LogId>, vertex: &Vertex) -> Vec<u8> {
    let mut key = Vec::new();
    match origin {
        None => key.push(0),
        Some(log) => {
            key.push(1);
            key.extend_from_slice(&log.0);
        }
    }
    match vertex {
        Vertex::Agent(agent) => {
            key.push(0);
            key.extend_from_slice(&agent.0.to_be_bytes());
        }
        Vertex::Named(name) => {
            key.push(1);
            key.extend_from_slice(name.as_bytes());
        }
    }
    key
}

/// Reads what [`identity`] wrote; `None` when it is damaged.
pub(crate) fn read_identity(key: &[u8]) -> Option<(Option<LogId>, Vertex)> {
    let (origin, rest) = match key.split_first()? {
        (0, rest) => (None, rest),
        (1, rest) => {
            let (log, rest) = rest.split_first_chunk::<16>()?;
            (Some(LogId(*log)), rest)
        }
        _ => return None,
    };
    let vertex = match rest.split_first()? {
        (0, serial) => Vertex::Agent(AgentId(u64::from_be_bytes(serial.try_into().ok()?))),
        (1, name) => Vertex::Named(std::str::from_utf8(name).ok()?.to_owned()),
        _ => return None,
    };
    Some((origin, vertex))
}

/// The row of a vertex under its name: the name's length (4), the name, the number (8).
pub(crate) fn named(name: &str, id: u64) -> Vec<u8> {
    let mut key = (name.len() as u32).to_be_bytes().to_vec();
    key.extend_from_slice(name.as_bytes());
    key.extend_from_slice(&id.to_be_bytes());
    key
}

/// Reads what [`named`] wrote; `None` when it is damaged.
pub(crate) fn read_named(key: &[u8]) -> Option<(&str, VertexId)> {
    let (len, rest) = key.split_first_chunk::<4>()?;
    let (name, id) = rest.split_last_chunk::<8>()?;
    let name = (name.len() == u32::from_be_bytes(*len) as usize).then_some(name)?;
    Some((std::str::from_utf8(name).ok()?, VertexId(u64::from_be_bytes(*id))))
}

/// What is left to fill of a key.
struct Bytes<'a>(&'a mut [u8]);

impl Bytes<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let rest = std::mem::take(&mut self.0);
        let (here, behind) = rest.split_at_mut(bytes.len());
        here.copy_from_slice(bytes);
        self.0 = behind;
    }
}

/// `N` bytes of a key whose layout is known.
fn part<const N: usize>(key: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(key.iter().skip(at)) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn versions() -> impl Strategy<Value = (u64, Kind, u32, u64, i64, u32, u64, u32)> {
        let kinds = prop_oneof![Just(Kind::Vertex), Just(Kind::Edge), Just(Kind::Fact)];
        let small = || prop_oneof![0..3u64, any::<u64>()];
        (small(), kinds, 0..3u32, small(), -2..2i64, 0..3u32, small(), 0..3u32)
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_parts(a in versions(), b in versions()) {
            let key = |v: (u64, Kind, u32, u64, i64, u32, u64, u32)| {
                let entity = EntityKey::new(v.0, v.1, v.2, v.3);
                VersionKey::new(&entity, Time::new(v.4, v.5).unwrap(), Position(v.6), v.7)
            };
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            let entity = key(a).entity();
            prop_assert_eq!(entity.subject().0, a.0);
            prop_assert_eq!(entity.kind(), Some(a.1));
            prop_assert_eq!((entity.name(), entity.other().0), (a.2, a.3));
            prop_assert!(VersionKey::first(&entity) <= key(a));
            prop_assert!(key(a) <= VersionKey::last(&entity, Time::new(a.4, a.5).unwrap()));
        }

        #[test]
        fn index_rows_lead_back(a: u64, b: u64, name in 1..9u32) {
            let edge = EntityKey::new(a, Kind::Edge, name, b);
            for (list, other) in [(ListKey::new(a, false), b), (ListKey::new(b, true), a)] {
                prop_assert_eq!(list.edge(name, other), edge);
                prop_assert_eq!(read_late(&list.late(Time::MAX, name, other)), (name, other));
            }
            prop_assert_eq!(entity_of_written(&written(b, &edge)), edge);
            let moment = Time::new(a as i64, name).unwrap();
            prop_assert_eq!(read_ending(&ending(moment, &edge)), Some((moment, edge)));
            prop_assert_eq!(entity_of_by_name(Kind::Edge, &by_name(Kind::Edge, name, a, b)), edge);
            let vertex = EntityKey::vertex(VertexId(a));
            let row = by_name(Kind::Vertex, name, a, 0);
            prop_assert_eq!(entity_of_by_name(Kind::Vertex, &row), vertex);
            prop_assert_eq!(name_of_by_name(&row), name);
        }
    }

    #[test]
    fn identities_sort_own_first_and_come_back() {
        let named = |name: &str| Vertex::Named(name.into());
        let log = |byte| Some(LogId([byte; 16]));
        let all = [
            (None, Vertex::Agent(AgentId(2))),
            (None, Vertex::Agent(AgentId(256))),
            (None, named("a")),
            (None, named("ab")),
            (None, named("b")),
            (log(1), Vertex::Agent(AgentId(1))),
            (log(1), named("a")),
            (log(2), Vertex::Agent(AgentId(1))),
        ];
        let keys: Vec<_> = all.iter().map(|(origin, vertex)| identity(*origin, vertex)).collect();
        assert!(keys.is_sorted());
        for (key, identity) in keys.iter().zip(all) {
            assert_eq!(read_identity(key), Some(identity));
        }
        for bad in [&[][..], &[2, 0], &[0], &[0, 0, 1], &[1, 0], &[0, 1, 0xff]] {
            assert_eq!(read_identity(bad), None, "{bad:?}");
        }
    }
}

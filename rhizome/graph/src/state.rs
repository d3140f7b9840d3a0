//! What the projector must remember from one transaction to the next.

use karyon_types::varint;

use crate::model::{FIRST_FOREIGN, FIRST_NAMED};

/// Where a projection stands. Kept in the file, in the same transaction as what it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The next record to be read.
    pub(crate) position: u64,
    /// The tick in which the next record happened.
    pub(crate) tick: u64,
    /// Memories that could not be read.
    pub(crate) unreadable: u64,
    /// The number of the next name.
    pub(crate) next_name: u32,
    /// The number of the next own vertex that is no agent.
    pub(crate) next_named: u64,
    /// The number of the next vertex of an import.
    pub(crate) next_foreign: u64,
    /// The names of the agents' kinds, from genesis.
    pub(crate) kinds: Vec<String>,
}

impl Default for State {
    fn default() -> State {
        State {
            position: 0,
            tick: 0,
            unreadable: 0,
            next_name: 1,
            next_named: FIRST_NAMED,
            next_foreign: FIRST_FOREIGN,
            kinds: Vec::new(),
        }
    }
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [
            self.position,
            self.tick,
            self.unreadable,
            u64::from(self.next_name),
            self.next_named,
            self.next_foreign,
            self.kinds.len() as u64,
        ] {
            varint::write(&mut out, number);
        }
        for kind in &self.kinds {
            varint::write(&mut out, kind.len() as u64);
            out.extend_from_slice(kind.as_bytes());
        }
        out
    }

    /// `None` when it is damaged.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<State> {
        let b = &mut bytes;
        let (position, tick) = (varint::read(b)?, varint::read(b)?);
        let unreadable = varint::read(b)?;
        let next_name = varint::read(b)?.try_into().ok()?;
        let (next_named, next_foreign) = (varint::read(b)?, varint::read(b)?);
        let kinds = (0..varint::read(b)?).map(|_| text(b)).collect::<Option<_>>()?;
        let state =
            State { position, tick, unreadable, next_name, next_named, next_foreign, kinds };
        b.is_empty().then_some(state)
    }
}

fn text(b: &mut &[u8]) -> Option<String> {
    let len = usize::try_from(varint::read(b)?).ok()?;
    let (text, rest) = b.split_at_checked(len)?;
    *b = rest;
    Some(std::str::from_utf8(text).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_cuts_are_refused() {
        let kinds = vec!["person".into(), String::new()];
        let state = State { position: 300, tick: u64::MAX, kinds, ..State::default() };
        let bytes = state.encode();
        assert_eq!(State::decode(&bytes), Some(state));
        for cut in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(State::decode(&[bytes, vec![0]].concat()), None);
    }
}

//! The state as bytes, which are sealed before they are written. One state has one form; the bytes
//! are in `docs/formats.md`.

use karyon_types::varint;
use zeroize::Zeroizing;

use crate::cipher::TAG_BYTES;
use crate::limits::{MEMORIES_MAX, NAME_BYTES_MAX};
use crate::secret::Secret;
use crate::state::{Entry, Live, State};
use crate::tree::{Cover, Node};

const LIVE: u8 = 0;
const ERASED: u8 = 1;
/// The most that a node takes: the gap before it, its height, its key.
const NODE_BYTES: usize = 5 + 1 + 32;
/// The most that a subject takes beside its nodes.
const SUBJECT_BYTES: usize = 1 + 5 + NAME_BYTES_MAX + 5 + 5;

/// The least that a node takes, and a subject: one that is live and has no nodes left.
const NODE_BYTES_MIN: usize = 1 + 1 + 32;
const SUBJECT_BYTES_MIN: usize = 1 + 1 + 1 + 1 + 1;

/// The bytes of a state, with room for the tag behind them.
pub(crate) fn encode(state: &State) -> Zeroizing<Vec<u8>> {
    // Room for all of it, so that no copy is left behind by growing.
    let most = state.entries().iter().map(|entry| match entry {
        Entry::Live(live) => SUBJECT_BYTES + NODE_BYTES * live.cover.nodes().len(),
        Entry::Erased(_) => 33,
    });
    let mut out = Zeroizing::new(Vec::with_capacity(32 + 10 + most.sum::<usize>() + TAG_BYTES));
    out.extend_from_slice(state.pepper().bytes());
    varint::write(&mut out, state.entries().len() as u64);
    for entry in state.entries() {
        match entry {
            Entry::Live(live) => encode_live(&mut out, live),
            Entry::Erased(digest) => {
                out.push(ERASED);
                out.extend_from_slice(digest);
            }
        }
    }
    out
}

fn encode_live(out: &mut Vec<u8>, live: &Live) {
    out.push(LIVE);
    varint::write(out, live.name.len() as u64);
    out.extend_from_slice(live.name.as_bytes());
    varint::write(out, live.reserved.into());
    varint::write(out, live.cover.nodes().len() as u64);
    let mut behind = 0;
    for node in live.cover.nodes() {
        varint::write(out, node.start.saturating_sub(behind).into());
        out.push(node.height);
        out.extend_from_slice(node.key.bytes());
        behind = node.end();
    }
}

/// The state of these bytes; `None` if they are none's.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<State> {
    let bytes = &mut bytes;
    let pepper = secret(bytes)?;
    let count = count(bytes, SUBJECT_BYTES_MIN)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(match byte(bytes)? {
            LIVE => Entry::Live(decode_live(bytes)?),
            ERASED => Entry::Erased(*bytes.split_off(..32)?.first_chunk()?),
            _ => return None,
        });
    }
    if bytes.is_empty() { State::of(pepper, entries) } else { None }
}

fn decode_live(bytes: &mut &[u8]) -> Option<Live> {
    let length = usize::try_from(varint::read(bytes)?).ok()?;
    if !(1..=NAME_BYTES_MAX).contains(&length) {
        return None;
    }
    let name = std::str::from_utf8(bytes.split_off(..length)?).ok()?;
    let name = Zeroizing::new(name.to_owned());
    let reserved = u32::try_from(varint::read(bytes)?).ok().filter(|n| *n <= MEMORIES_MAX)?;
    let count = count(bytes, NODE_BYTES_MIN)?;
    let mut nodes = Vec::with_capacity(count);
    let mut behind = 0u32;
    for _ in 0..count {
        let start = behind.checked_add(u32::try_from(varint::read(bytes)?).ok()?)?;
        let node = Node { start, height: byte(bytes)?, key: secret(bytes)? };
        behind = start.checked_add(1u32.checked_shl(node.height.into())?)?;
        nodes.push(node);
    }
    Some(Live { name, reserved, next: reserved, given: 0, cover: Cover::of(nodes)? })
}

/// A number of things of which each takes `least` bytes or more: not more than there can be.
fn count(bytes: &mut &[u8], least: usize) -> Option<usize> {
    let count = usize::try_from(varint::read(bytes)?).ok()?;
    (count.checked_mul(least)? <= bytes.len()).then_some(count)
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    bytes.split_off_first().copied()
}

fn secret(bytes: &mut &[u8]) -> Option<Secret> {
    bytes.split_off(..32)?.first_chunk().copied().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::SubjectId;

    fn state() -> State {
        let mut state = State::new(Secret::new([1; 32]));
        for (name, key) in [("ada", 2), ("bo", 3), ("cy", 4)] {
            state.add(name, Secret::new([key; 32])).unwrap();
        }
        state.erase(SubjectId(2));
        let live = state.live_mut(SubjectId(3)).unwrap();
        live.cover = live.cover.without(&[0..1, 300..MEMORIES_MAX]);
        state
    }

    #[test]
    fn one_state_has_one_form() {
        let bytes = encode(&state());
        assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_none(), "cut at {length}");
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).is_none());
        let mut wrong = bytes.to_vec();
        wrong[33] = 2;
        assert!(decode(&wrong).is_none(), "a kind of subject that there is not");
    }

    #[test]
    fn what_no_state_has_is_refused() {
        let live = |name: &[u8], reserved: u64| {
            let mut bytes = vec![0; 32];
            bytes.extend([1, LIVE]);
            varint::write(&mut bytes, name.len() as u64);
            bytes.extend(name);
            varint::write(&mut bytes, reserved);
            bytes.push(0);
            bytes
        };
        for (name, reserved, is_good) in [
            (&b"ada"[..], 0, true),
            (&[b'n'; NAME_BYTES_MAX], u64::from(MEMORIES_MAX), true),
            (&[b'n'; NAME_BYTES_MAX + 1], 0, false),
            (b"", 0, false),
            (b"\xff", 0, false),
            (b"ada", u64::from(MEMORIES_MAX) + 1, false),
            (b"ada", u64::MAX, false),
        ] {
            assert_eq!(decode(&live(name, reserved)).is_some(), is_good, "{name:?} {reserved}");
        }
        // Two of one name, one of them erased.
        let mut twice = [[0; 32].as_slice(), &[2, ERASED]].concat();
        twice.extend(blake3::keyed_hash(&[0; 32], b"ada").as_bytes());
        twice.extend_from_slice(&live(b"ada", 0)[33..]);
        assert!(decode(&twice).is_none());
        // More than there can be: nothing is reserved for them.
        let mut many = vec![0; 32];
        varint::write(&mut many, u64::MAX);
        assert!(decode(&many).is_none());
    }
}

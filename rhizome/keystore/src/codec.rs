//! The state as bytes, which are sealed before they are written. One state has one form; the bytes
//! are in `docs/formats.md`.

use karyon_types::varint;
use zeroize::Zeroizing;

use crate::limits::{MEMORIES_MAX, NAME_BYTES_MAX, OVERHEAD_BYTES};
use crate::secret::Secret;
use crate::state::{Entry, Live, State};
use crate::tree::{Cover, Node};

const LIVE: u8 = 0;
const ERASED: u8 = 1;
/// The most that a node takes: the gap before it, its height, its key.
const NODE_BYTES: usize = 5 + 1 + 32;
/// The most that a subject takes beside its nodes.
const SUBJECT_BYTES: usize = 1 + 5 + NAME_BYTES_MAX + 5 + 5;

/// The bytes of a state, with room for the tag behind them.
pub(crate) fn encode(state: &State) -> Zeroizing<Vec<u8>> {
    // Room for all of it, so that no copy is left behind by growing.
    let most = state.entries().iter().map(|entry| match entry {
        Entry::Live(live) => SUBJECT_BYTES + NODE_BYTES * live.cover.nodes().len(),
        Entry::Erased(_) => 33,
    });
    let mut out =
        Zeroizing::new(Vec::with_capacity(32 + 10 + most.sum::<usize>() + OVERHEAD_BYTES));
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
    let count = count(bytes, 33)?;
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
    let count = count(bytes, 34)?;
    let mut nodes = Vec::with_capacity(count);
    let mut behind = 0u32;
    for _ in 0..count {
        let start = behind.checked_add(u32::try_from(varint::read(bytes)?).ok()?)?;
        let node = Node { start, height: byte(bytes)?, key: secret(bytes)? };
        behind = start.checked_add(1u32.checked_shl(node.height.into())?)?;
        nodes.push(node);
    }
    Some(Live { name, reserved, next: reserved, is_used: false, cover: Cover::of(nodes)? })
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

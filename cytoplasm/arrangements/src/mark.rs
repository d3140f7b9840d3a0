//! What agents do to what all of them see: the run's space.

use karyon_types::varint;

/// The words of a slot, at most: a position and a velocity in two dimensions.
pub const WORDS_MAX: usize = 4;

/// The content of a slot: up to [`WORDS_MAX`] numbers. What they mean is the model's to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    count: u8,
    words: [u64; WORDS_MAX],
}

impl Words {
    /// These words; `None`: there are more than [`WORDS_MAX`].
    pub fn new(words: &[u64]) -> Option<Words> {
        let mut all = Words { count: words.len() as u8, ..Words::default() };
        all.words.get_mut(..words.len())?.copy_from_slice(words);
        Some(all)
    }

    /// The words.
    pub fn as_slice(&self) -> &[u64] {
        self.words.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// What an agent does to one slot of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It says what the slot holds from now on, and where it stands.
    Set {
        /// Of which layer.
        layer: u8,
        /// Which slot.
        slot: u64,
        /// In which cell it stands from now on; `None`: where it stood.
        cell: Option<u32>,
        /// Its words; those that are left out stay.
        words: Words,
    },
    /// The slot holds nothing any more, and stands nowhere.
    Clear {
        /// Of which layer.
        layer: u8,
        /// Which slot.
        slot: u64,
    },
    /// Takes a slot that holds nothing, and leaves another: both, or neither.
    Claim {
        /// Of which layer.
        layer: u8,
        /// Which slot.
        slot: u64,
        /// What its first word is then; another than 0.
        word: u64,
        /// Which one is left, so that it holds nothing.
        leave: Option<u64>,
    },
}

pub(crate) mod number {
    pub(crate) const SET: u8 = 32;
    pub(crate) const CLEAR: u8 = 33;
    pub(crate) const CLAIM: u8 = 34;
}

impl Mark {
    /// Of which layer.
    pub fn layer(&self) -> u8 {
        match self {
            Mark::Set { layer, .. } | Mark::Clear { layer, .. } | Mark::Claim { layer, .. } => {
                *layer
            }
        }
    }

    /// Which slot.
    pub fn slot(&self) -> u64 {
        match self {
            Mark::Set { slot, .. } | Mark::Clear { slot, .. } | Mark::Claim { slot, .. } => *slot,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut begin = |number, layer, slot| {
            out.extend_from_slice(&[number, layer]);
            varint::write(out, slot);
        };
        match self {
            Mark::Set { layer, slot, cell, words } => {
                begin(number::SET, *layer, *slot);
                varint::write(out, cell.map_or(0, |cell| u64::from(cell) + 1));
                words.as_slice().iter().for_each(|word| varint::write(out, *word));
            }
            Mark::Clear { layer, slot } => begin(number::CLEAR, *layer, *slot),
            Mark::Claim { layer, slot, word, leave } => {
                begin(number::CLAIM, *layer, *slot);
                varint::write(out, *word);
                if let Some(leave) = leave {
                    varint::write(out, *leave);
                }
            }
        }
    }

    /// Reads what follows a mark's number.
    pub(crate) fn decode(number: u8, bytes: &mut &[u8]) -> Option<Mark> {
        let (&layer, rest) = bytes.split_first()?;
        *bytes = rest;
        let slot = varint::read(bytes)?;
        Some(match number {
            number::SET => {
                let cell = match varint::read(bytes)?.checked_sub(1) {
                    Some(cell) => Some(u32::try_from(cell).ok()?),
                    None => None,
                };
                let mut words = Words::default();
                while !bytes.is_empty() {
                    *words.words.get_mut(usize::from(words.count))? = varint::read(bytes)?;
                    words.count += 1;
                }
                Mark::Set { layer, slot, cell, words }
            }
            number::CLEAR => Mark::Clear { layer, slot },
            number::CLAIM => {
                let word = varint::read(bytes).filter(|word| *word != 0)?;
                let leave = if bytes.is_empty() { None } else { Some(varint::read(bytes)?) };
                Mark::Claim { layer, slot, word, leave }
            }
            _ => return None,
        })
    }
}

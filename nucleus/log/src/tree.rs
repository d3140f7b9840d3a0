//! The Merkle tree over block hashes. Source: RFC 6962, section 2.1.

use karyon_types::Hash;
use sha2::{Digest, Sha256};

/// A tree that only grows: its size, and the roots of the perfect subtrees that it consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// One for each bit that is set in `size`, the largest first.
    peaks: Vec<[u8; 32]>,
}

impl Tree {
    /// Adds a block's hash as the next leaf.
    pub fn push(&mut self, block: Hash) {
        let mut node: [u8; 32] =
            Sha256::new().chain_update([0]).chain_update(block.0).finalize().into();
        let mut size = self.size;
        while size & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                node = parent(&left, &node);
            }
            size >>= 1;
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The tree of that size with these peaks; `None` when their number does not fit the size.
    pub(crate) fn from_parts(size: u64, peaks: Vec<[u8; 32]>) -> Option<Tree> {
        (peaks.len() == size.count_ones() as usize).then_some(Tree { size, peaks })
    }

    pub(crate) fn peaks(&self) -> &[[u8; 32]] {
        &self.peaks
    }

    /// How many blocks it covers.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root; of an empty tree the hash of nothing.
    pub fn root(&self) -> [u8; 32] {
        let mut peaks = self.peaks.iter().rev().copied();
        match peaks.next() {
            None => Sha256::digest([]).into(),
            Some(last) => peaks.fold(last, |right, left| parent(&left, &right)),
        }
    }
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MTH as the RFC defines it, by recursion.
    fn by_definition(leaves: &[Hash]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => Sha256::new().chain_update([0]).chain_update(one.0).finalize().into(),
            many => {
                let split = many.len().next_power_of_two() / 2;
                let split = if split == many.len() { split / 2 } else { split };
                let (left, right) = many.split_at(split);
                parent(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut tree = Tree::default();
        let mut leaves = Vec::new();
        for number in 0..130u8 {
            assert_eq!(tree.root(), by_definition(&leaves), "{number} leaves");
            assert_eq!(tree.size(), u64::from(number));
            let leaf = Hash([number; 32]);
            tree.push(leaf);
            leaves.push(leaf);
        }
    }

    #[test]
    fn the_empty_root_is_the_published_one() {
        let root = Hash(Tree::default().root()).to_string();
        assert_eq!(root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
